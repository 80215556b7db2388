//! Access to rooms, and the identity of conversations.

use convene::{
    core::event::RoomScope,
    ids::{RoomId, Seq, UserId},
    store::{GroupRole, StoreError},
};

use crate::fixture::{Database, channel, on_both, user};

on_both! {
    async fn a_channel_is_open_to_its_groups_members(database: Database) {
        let store = database.store().await;
        let (ada, bob, eve) = (user(&store, "ada").await, user(&store, "bob").await, user(&store, "eve").await);
        let (group, room) = channel(&store, &ada).await;
        store.add_group_member(group, &bob.id, GroupRole::Member).await.unwrap();
        // Membership in another group does not count.
        channel(&store, &eve).await;
        let (found, role) = store.channel_access(room, &ada.id).await.unwrap().unwrap();
        assert_eq!((found.id, found.group, found.name.as_str(), role), (room, group, "a channel", Some(GroupRole::Owner)));
        assert_eq!(store.channel_access(room, &bob.id).await.unwrap().unwrap().1, Some(GroupRole::Member));
        assert_eq!(store.channel_access(room, &eve.id).await.unwrap().unwrap().1, None);
        assert!(store.channel_access(RoomId::generate(), &ada.id).await.unwrap().is_none());
        let direct = store.direct_room(&ada.id, &bob.id).await.unwrap();
        assert!(store.channel_access(direct.id, &ada.id).await.unwrap().is_none(), "a conversation is no channel");
    }

    async fn a_crowd_at_the_door_is_told_each_its_own(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let (one, other) = (channel(&store, &ada).await.1, channel(&store, &bob).await.1);
        let (direct, nowhere) = (store.direct_room(&ada.id, &bob.id).await.unwrap().id, RoomId::generate());
        let nobody = UserId::new("nobody").unwrap();
        let owner = Some(Some(GroupRole::Owner));
        let cases = [
            (one, &ada.id, owner), (one, &bob.id, Some(None)), (other, &bob.id, owner), (other, &ada.id, Some(None)),
            (one, &nobody, Some(None)), (direct, &ada.id, None), (nowhere, &bob.id, None),
        ];
        let asked: Vec<_> = (0..70).map(|turn| {
            let (store, (room, user, expected)) = (store.clone(), cases[turn % cases.len()]);
            let user = user.clone();
            tokio::spawn(async move {
                let (access, known) = tokio::join!(store.channel_access(room, &user), store.user(&user));
                let access = access.unwrap().map(|(channel, role)| { assert_eq!(channel.id, room); role });
                assert_eq!(access, expected);
                assert_eq!(known.unwrap().is_some(), user.as_str() != "nobody");
            })
        }).collect();
        for one in asked {
            one.await.unwrap();
        }
    }

    async fn a_conversation_is_the_same_from_both_sides(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let one = store.direct_room(&ada.id, &bob.id).await.unwrap();
        let other = store.direct_room(&bob.id, &ada.id).await.unwrap();
        assert_eq!(one, other);
        let mut users = [ada.id.clone(), bob.id.clone()];
        users.sort();
        assert_eq!(one.scope, RoomScope::Direct { users });
        let notes = store.direct_room(&ada.id, &ada.id).await.unwrap();
        assert_ne!(notes.id, one.id);
        assert_eq!(store.direct_room(&ada.id, &ada.id).await.unwrap(), notes);
    }

    async fn a_conversation_needs_both_users(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let nobody = UserId::new("nobody").unwrap();
        assert_eq!(store.direct_room(&ada.id, &nobody).await.err(), Some(StoreError::Missing));
        assert_eq!(store.direct_room(&nobody, &ada.id).await.err(), Some(StoreError::Missing));
    }

    async fn a_conversation_begun_by_many_at_once_is_one(database: Database) {
        let stores = [database.store().await, database.store().await];
        let (ada, bob) = (user(&stores[0], "ada").await, user(&stores[0], "bob").await);
        let tasks: Vec<_> = (0..16).map(|turn| {
            let (store, mut pair) = (stores[turn % 2].clone(), [ada.id.clone(), bob.id.clone()]);
            pair.rotate_left(turn / 2 % 2);
            tokio::spawn(async move { store.direct_room(&pair[0], &pair[1]).await.unwrap().id })
        }).collect();
        let first = stores[0].direct_room(&ada.id, &bob.id).await.unwrap().id;
        for task in tasks {
            assert_eq!(task.await.unwrap(), first);
        }
    }

    async fn a_new_rooms_sequence_is_at_zero(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let head = store.room_head(room).await.unwrap().unwrap();
        assert_eq!(head.seq, Seq(0));
        assert!(head.epoch.0 > 1_700_000_000_000 && head.epoch.0 < 1 << 53);
        assert_eq!(store.room_head(RoomId::generate()).await.unwrap(), None);
        let direct = store.direct_room(&ada.id, &ada.id).await.unwrap();
        assert!(store.room_head(direct.id).await.unwrap().unwrap().epoch.0 > 1_700_000_000_000);
    }
}
