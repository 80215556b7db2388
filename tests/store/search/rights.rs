//! Nobody finds what the history would not show.

use convene::{
    auth::policy::RoomPattern,
    ids::RoomName,
    limits,
    store::{GroupRole, RoomChange, Visibility},
};

use super::*;

on_both! {
    async fn a_channel_is_searched_by_members_of_its_group(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let (group, room) = channel(&store, &ada).await;
        put(&store, &[message(room, &ada, "hidden")]).await;
        for _state in ["pending", "indexed"] {
            assert_eq!(found(&store, &bob, "hidden").await, [""; 0]);
            store.add_group_member(group, &bob.id, GroupRole::Member).await.unwrap();
            assert_eq!(found(&store, &bob, "hidden").await, ["hidden"]);
            store.remove_group_member(group, &bob.id).await.unwrap();
            assert_eq!(found(&store, &bob, "hidden").await, [""; 0]);
            assert_eq!(find(&store, &bob, &Wanted { room: Some(room), ..wanted("hidden") }).await.found, []);
            index_all(&store).await;
        }
    }

    async fn a_direct_conversation_is_searched_by_its_two_sides(database: Database) {
        let store = database.store().await;
        let (ada, bob, eve) = (user(&store, "ada").await, user(&store, "bob").await, user(&store, "eve").await);
        let room = store.direct_room(&ada.id, &bob.id).await.unwrap().id;
        put(&store, &[message(room, &ada, "between us")]).await;
        for _state in ["pending", "indexed"] {
            assert_eq!(found(&store, &ada, "us").await, ["between us"]);
            assert_eq!(found(&store, &bob, "us").await, ["between us"]);
            assert_eq!(found(&store, &eve, "us").await, [""; 0]);
            let there = Wanted { room: Some(room), sender: Some(ada.id.clone()), ..wanted("us") };
            assert_eq!(find(&store, &eve, &there).await.found, []);
            index_all(&store).await;
        }
        assert!(store.direct_room(&eve.id, &ada.id).await.unwrap().scope.is_direct());
    }

    async fn a_group_conversation_is_searched_until_one_is_removed(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let room = store.create_conversation(&ada.id, None, std::slice::from_ref(&bob.id)).await.unwrap().identity.id;
        put(&store, &[message(room, &ada, "plans")]).await;
        index_all(&store).await;
        assert_eq!(found(&store, &bob, "plans").await, ["plans"]);
        store.remove_room_member(room, &bob.id).await.unwrap();
        assert_eq!(found(&store, &bob, "plans").await, [""; 0]);
        assert_eq!(found(&store, &ada, "plans").await, ["plans"]);
    }

    async fn an_open_room_is_searched_by_everybody_until_it_is_private(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let room = store.create_open_room(&RoomName::new("lobby").unwrap(), &ada.id).await.unwrap().identity.id;
        put(&store, &[message(room, &ada, "welcome")]).await;
        index_all(&store).await;
        let become_ = |visibility| RoomChange { visibility: Some(visibility), ..RoomChange::default() };
        for (visibility, expected) in [(Visibility::Private, vec![]), (Visibility::Open, vec!["welcome"])] {
            store.change_room(room, &become_(visibility)).await.unwrap();
            assert_eq!(found(&store, &bob, "welcome").await, expected);
            assert_eq!(found(&store, &ada, "welcome").await, ["welcome"]);
        }
    }

    async fn a_confined_token_finds_only_what_is_in_its_rooms(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let mut direct = None;
        for name in ["lobby", "kitchen"] {
            let room = store.create_open_room(&RoomName::new(name).unwrap(), &ada.id).await.unwrap().identity.id;
            put(&store, &[message(room, &ada, &format!("tea in the {name}"))]).await;
            let notes = store.direct_room(&ada.id, &ada.id).await.unwrap().id;
            put(&store, &[message(notes, &ada, "tea at home")]).await;
            direct = Some(notes);
        }
        for _state in ["pending", "indexed"] {
            let confined = |pattern: String| {
                let (store, ada) = (store.clone(), ada.id.clone());
                async move { contents(&find_as(&store, &ada, Some(&[RoomPattern::new(pattern)]), &wanted("tea")).await) }
            };
            assert_eq!(confined("lobby".into()).await, ["tea in the lobby"]);
            assert_eq!(confined("k*".into()).await, ["tea in the kitchen"]);
            assert_eq!(confined("nowhere".into()).await, [""; 0]);
            assert_eq!(confined(direct.unwrap().to_string()).await, ["tea at home"; 2]);
            assert_eq!(confined("*".into()).await.len(), 4);
            index_all(&store).await;
        }
    }

    async fn a_word_that_is_common_elsewhere_is_found_in_ones_own_rooms(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let own = store.direct_room(&bob.id, &bob.id).await.unwrap().id;
        let shared = store.create_conversation(&ada.id, None, std::slice::from_ref(&bob.id)).await.unwrap().identity.id;
        let (group, of_group) = channel(&store, &bob).await;
        let (_, elsewhere) = channel(&store, &ada).await;
        put(&store, &[at(0, message(own, &bob, "word 1")), at(1, message(shared, &ada, "word 2")), at(2, message(of_group, &bob, "word 3"))]).await;
        let many = limits::SEARCH_EXAMINED_UNCONFINED * 2;
        let common: Vec<Append> = (0..many).map(|n| at(3, message(elsewhere, &ada, &format!("word {n}")))).collect();
        put(&store, &common).await;
        index_all(&store).await;
        assert_eq!(found(&store, &bob, "word").await, ["word 3", "word 2", "word 1"]);
        store.remove_group_member(group, &bob.id).await.unwrap();
        assert_eq!(found(&store, &bob, "word -3").await, ["word 2", "word 1"]);
    }

    async fn a_search_that_reaches_its_bound_continues_on_the_next_page(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        // so many public rooms that the search cannot be confined to what Bob may read
        for n in 0..=limits::SEARCH_AUDIENCES_MAX {
            store.create_open_room(&RoomName::new(format!("room {n}")).unwrap(), &ada.id).await.unwrap();
        }
        let own = store.direct_room(&bob.id, &bob.id).await.unwrap().id;
        let (_, elsewhere) = channel(&store, &ada).await;
        put(&store, &[at(0, message(own, &bob, "mine: word"))]).await;
        let common: Vec<Append> =
            (0..limits::SEARCH_EXAMINED_MAX + 100).map(|_| at(3, message(elsewhere, &ada, "word"))).collect();
        for some in common.chunks(2_000) {
            put(&store, some).await;
        }
        index_all(&store).await;
        let first = find(&store, &bob, &wanted("word")).await;
        assert!(first.found.is_empty() && first.next.is_some() && first.is_complete, "{first:?}");
        assert_eq!(all_pages(&store, &bob, wanted("word")).await, (vec!["mine: word".to_owned()], 2));
    }
}
