//! The rights of open sockets, and the bulk reads of the log reconciler and of administrators.

use convene::{
    core::event::RoomScope,
    ids::{RoomId, Seq, Timestamp, UserId},
    store::{Attempt, GroupRole},
};

use crate::fixture::{Database, channel, message, on_both, user};

fn at(unix_ms: i64) -> Timestamp {
    Timestamp { unix_ms }
}

on_both! {
    async fn a_block_is_kept_and_never_made_shorter(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        assert_eq!(ada.blocked_until, at(0));
        assert!(store.block_user(&ada.id, at(1_790_000_000_123)).await.unwrap());
        assert!(!store.block_user(&ada.id, at(1_780_000_000_000)).await.unwrap());
        assert!(!store.block_user(&UserId::new("nobody").unwrap(), at(1)).await.unwrap());
        let again = database.store().await;
        assert_eq!(again.user(&ada.id).await.unwrap().unwrap().blocked_until, at(1_790_000_000_123));
    }

    async fn a_standing_names_what_may_end_a_users_rights(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let (first, _) = channel(&store, &ada).await;
        let (second, _) = channel(&store, &bob).await;
        store.add_group_member(second, &ada.id, GroupRole::Member).await.unwrap();
        store.void_tokens(&ada.id, at(1_700_000_000_000)).await.unwrap();
        store.block_user(&bob.id, at(1_800_000_000_000)).await.unwrap();
        let nobody = UserId::new("nobody").unwrap();
        let mut standings = store.standings(&[ada.id.clone(), bob.id.clone(), nobody]).await.unwrap();
        standings.sort_by_key(|standing| standing.groups.len());
        let [of_bob, of_ada] = standings.as_slice() else { panic!("{standings:?}") };
        assert_eq!((&of_ada.user, of_ada.tokens_not_before, of_ada.blocked_until), (&ada.id, at(1_700_000_000_000), at(0)));
        let mut groups = of_ada.groups.clone();
        groups.sort();
        assert_eq!(groups, { let mut both = vec![first, second]; both.sort(); both });
        assert_eq!((&of_bob.user, of_bob.blocked_until, of_bob.groups.as_slice()), (&bob.id, at(1_800_000_000_000), &[second][..]));
        store.remove_group_member(second, &ada.id).await.unwrap();
        assert_eq!(store.standings(std::slice::from_ref(&ada.id)).await.unwrap()[0].groups, [first]);
    }

    async fn many_heads_are_read_at_once(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let ((_, quiet), (_, busy)) = (channel(&store, &ada).await, channel(&store, &ada).await);
        let appends: Vec<_> = (0..3).map(|n| message(busy, &ada, &n.to_string())).collect();
        store.append(&appends, Attempt::First).await.unwrap();
        let mut ids: Vec<RoomId> = (0..1_500).map(|_| RoomId::generate()).collect();
        ids.extend([quiet, busy]);
        let heads = store.room_heads(&ids).await.unwrap();
        assert_eq!(heads.len(), 2);
        for (room, seq) in [(quiet, Seq(0)), (busy, Seq(3))] {
            let (_, head) = heads.iter().find(|(id, _)| *id == room).unwrap();
            assert_eq!(head.seq, seq);
            assert_eq!(Some(*head), store.room_head(room).await.unwrap());
        }
        let mut activity = store.room_activity(&ids).await.unwrap();
        activity.sort_by_key(|room| room.events);
        let seen: Vec<_> = activity.iter().map(|room| (room.room, room.events, room.last_at)).collect();
        assert_eq!(seen, [(quiet, 0, None), (busy, 3, Some(at(1_790_000_000_123)))]);
        assert_eq!(activity[0].name, "a channel");
        assert!(activity.iter().all(|room| room.created_at >= ada.created_at), "{activity:?}");
    }

    async fn a_room_is_found_by_its_id_alone(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let (group, room) = channel(&store, &ada).await;
        assert_eq!(store.room(room).await.unwrap().unwrap().scope, RoomScope::Channel { group });
        let direct = store.direct_room(&ada.id, &bob.id).await.unwrap();
        assert_eq!(store.room(direct.id).await.unwrap(), Some(direct));
        assert_eq!(store.room(RoomId::generate()).await.unwrap(), None);
    }
}
