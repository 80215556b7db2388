//! Administrative state: open rooms with members, and blocked users.

use convene::{
    ids::{RoomName, Timestamp, UserId},
    store::{NewRoom, RoomChange, RoomRole, StoreError, Visibility},
};

use crate::fixture::{Database, on_both, user};

fn den() -> RoomName {
    RoomName::new("the den").unwrap()
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp { unix_ms: since.as_millis() as i64 }
}

on_both! {
    async fn a_room_is_made_once_and_changed(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let new = NewRoom { title: Some("Den".into()), visibility: Visibility::Private, capacity: Some(7) };
        let made = store.make_room(&den(), &ada.id, &new).await.unwrap();
        assert_eq!((made.title.as_str(), made.visibility, made.capacity), ("Den", Visibility::Private, Some(7)));
        assert_eq!((made.membership, made.owner.as_ref()), (Some(RoomRole::Owner), Some(&ada.id)));
        assert_eq!(store.make_room(&den(), &bob.id, &new).await.unwrap_err(), StoreError::Taken("name"));
        let room = made.identity.id;
        store.change_room(room, &RoomChange::default()).await.unwrap();
        store.change_room(room, &RoomChange { capacity: Some(None), ..RoomChange::default() }).await.unwrap();
        let opened = RoomChange { visibility: Some(Visibility::Open), title: Some("a\0b".into()), capacity: None };
        store.change_room(room, &opened).await.unwrap();
        let seen = store.open_room(&den(), &bob.id).await.unwrap().unwrap();
        assert_eq!((seen.title.as_str(), seen.visibility, seen.capacity), ("a\u{fffd}b", Visibility::Open, None));
        assert_eq!(seen.membership, None);
    }

    async fn members_are_listed_behind_the_owner(database: Database) {
        let store = database.store().await;
        let (eve, bob, ada) = (user(&store, "eve").await, user(&store, "bob").await, user(&store, "ada").await);
        let new = NewRoom { title: None, visibility: Visibility::Private, capacity: None };
        let room = store.make_room(&den(), &eve.id, &new).await.unwrap().identity.id;
        assert!(store.add_room_member(room, &bob.id).await.unwrap());
        assert!(!store.add_room_member(room, &bob.id).await.unwrap());
        assert!(store.add_room_member(room, &ada.id).await.unwrap());
        assert!(store.add_room_member(room, &eve.id).await.unwrap());
        let nobody = UserId::new("nobody").unwrap();
        assert_eq!(store.add_room_member(room, &nobody).await, Err(StoreError::Missing));
        let members = store.room_members(room).await.unwrap();
        let members: Vec<_> = members.iter().map(|(member, role)| (&*member.username, *role)).collect();
        assert_eq!(members, [("eve", RoomRole::Owner), ("ada", RoomRole::Member), ("bob", RoomRole::Member)]);
        assert_eq!(store.open_room(&den(), &bob.id).await.unwrap().unwrap().membership, Some(RoomRole::Member));
        assert!(store.remove_room_member(room, &bob.id).await.unwrap());
        assert!(!store.remove_room_member(room, &bob.id).await.unwrap());
        assert_eq!(store.open_room(&den(), &bob.id).await.unwrap().unwrap().membership, None);
    }

    async fn a_lifted_block_leaves_its_moment(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let (at, until) = (now(), now().plus_ms(900_000));
        assert!(!store.lift_block(&ada.id, at).await.unwrap());
        for user in [&ada, &bob] {
            store.block_user(&user.id, until).await.unwrap();
        }
        let mut ids = [ada.id.clone(), bob.id.clone()];
        ids.sort();
        let blocked = store.blocked_users(None, 10).await.unwrap();
        assert_eq!(blocked.iter().map(|user| user.id.clone()).collect::<Vec<_>>(), ids);
        assert!(blocked.iter().all(|user| user.until == until));
        assert_eq!(store.blocked_users(Some(ids[0].clone()), 10).await.unwrap()[0].id, ids[1]);
        assert_eq!(store.blocked_users(None, 1).await.unwrap().len(), 1);
        assert!(store.lift_block(&ada.id, at).await.unwrap());
        assert!(!store.lift_block(&ada.id, at).await.unwrap());
        assert_eq!(store.user(&ada.id).await.unwrap().unwrap().blocked_until, at);
        assert_eq!(store.blocked_users(None, 10).await.unwrap().len(), 1);
        assert!(store.block_user(&ada.id, until).await.unwrap(), "and may be blocked again");
    }
}
