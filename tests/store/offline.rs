//! What waits for users without a socket: in order, bounded per user, once.

use convene::{
    core::profile::Profile,
    ids::{EventId, RoomId, Seq, UserId},
    store::{Attempt, Store, StoreError, StoreOptions},
};

use crate::fixture::{Database, append, channel, message, message_for, on_both, text, user};

async fn pair(store: &Store) -> (Profile, Profile, RoomId) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    let room = store.direct_room(&ada.id, &bob.id).await.unwrap().id;
    (ada, bob, room)
}

async fn waiting(store: &Store, user: &UserId, room: RoomId) -> Vec<(i64, String)> {
    let events = store.queued(user, room).await.unwrap();
    events.iter().map(|event| (event.seq.0, text(&event.what).to_owned())).collect()
}

on_both! {
    async fn what_waits_comes_in_order_and_is_forgotten_when_read(database: Database) {
        let store = database.store().await;
        let (ada, bob, room) = pair(&store).await;
        let batch = [
            message_for(room, &ada, "one", &[&bob.id]),
            message(room, &ada, "two"),
            message_for(room, &ada, "three", &[&bob.id, &ada.id]),
        ];
        append(&store, &batch, Attempt::First).await.unwrap();
        assert_eq!(waiting(&store, &bob.id, room).await, [(1, "one".into()), (3, "three".into())]);
        assert_eq!(waiting(&store, &ada.id, room).await, [(3, "three".into())]);
        let event = &store.queued(&bob.id, room).await.unwrap()[0];
        assert_eq!((event.id, event.at, &event.what), (batch[0].id, batch[0].at, &*batch[0].what));
        store.dequeue(&bob.id, room, Seq(1)).await.unwrap();
        assert_eq!(waiting(&store, &bob.id, room).await, [(3, "three".into())]);
        store.dequeue(&bob.id, room, Seq(99)).await.unwrap();
        assert_eq!(waiting(&store, &bob.id, room).await, []);
        assert_eq!(waiting(&store, &ada.id, room).await, [(3, "three".into())]);
    }

    async fn the_oldest_give_way_to_the_newest(database: Database) {
        let options = StoreOptions { offline_queue_max: 10, ..StoreOptions::default() };
        let store = database.store_with(options).await;
        let (ada, bob, room) = pair(&store).await;
        let (_, other) = channel(&store, &ada).await;
        // The bound is the user's, over all rooms.
        append(&store, &[message_for(other, &ada, "elsewhere", &[&bob.id])], Attempt::First).await.unwrap();
        let batch: Vec<_> = (1..=9).map(|n| message_for(room, &ada, &format!("m{n}"), &[&bob.id])).collect();
        append(&store, &batch, Attempt::First).await.unwrap();
        assert_eq!(waiting(&store, &bob.id, other).await.len(), 1);
        append(&store, &[message_for(room, &ada, "m10", &[&bob.id])], Attempt::First).await.unwrap();
        assert_eq!(waiting(&store, &bob.id, other).await.len(), 0);
        assert_eq!(waiting(&store, &bob.id, room).await.len(), 10);
        let batch: Vec<_> = (11..=25).map(|n| message_for(room, &ada, &format!("m{n}"), &[&bob.id])).collect();
        append(&store, &batch, Attempt::First).await.unwrap();
        let seqs: Vec<_> = waiting(&store, &bob.id, room).await.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(seqs, (16..=25).collect::<Vec<_>>());
    }

    async fn what_waits_outlives_the_log(database: Database) {
        let options = StoreOptions { recovery_events_max: 10, ..StoreOptions::default() };
        let store = database.store_with(options).await;
        let (ada, bob, room) = pair(&store).await;
        append(&store, &[message_for(room, &ada, "early", &[&bob.id])], Attempt::First).await.unwrap();
        let batch: Vec<_> = (0..200).map(|n| message(room, &ada, &format!("m{n}"))).collect();
        append(&store, &batch, Attempt::First).await.unwrap();
        assert!(store.oldest_kept(room).await.unwrap().unwrap() > Seq(1));
        assert_eq!(waiting(&store, &bob.id, room).await, [(1, "early".into())]);
    }

    async fn a_second_attempt_queues_nothing_twice(database: Database) {
        let store = database.store().await;
        let (ada, bob, room) = pair(&store).await;
        let batch = [message_for(room, &ada, "once", &[&bob.id, &bob.id])];
        append(&store, &batch, Attempt::First).await.unwrap();
        append(&store, &batch, Attempt::Again).await.unwrap();
        assert_eq!(waiting(&store, &bob.id, room).await, [(1, "once".into())]);
    }

    async fn a_stored_event_can_be_queued_later(database: Database) {
        let options = StoreOptions { offline_queue_max: 3, ..StoreOptions::default() };
        let store = database.store_with(options).await;
        let (ada, bob, room) = pair(&store).await;
        let batch: Vec<_> = (1..=5).map(|n| message(room, &ada, &format!("m{n}"))).collect();
        append(&store, &batch, Attempt::First).await.unwrap();
        for (append, seq) in batch.iter().zip(1..) {
            store.enqueue(&bob.id, room, Seq(seq), append.id).await.unwrap();
            store.enqueue(&bob.id, room, Seq(seq), append.id).await.unwrap();
        }
        let kept: Vec<_> = waiting(&store, &bob.id, room).await.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(kept, [3, 4, 5]);
        let unknown = store.enqueue(&bob.id, room, Seq(99), EventId::generate()).await;
        assert_eq!(unknown, Err(StoreError::Missing));
        let another = store.enqueue(&bob.id, room, Seq(1), batch[1].id).await;
        assert_eq!(another, Err(StoreError::Missing));
    }

    async fn an_unknown_absentee_spoils_no_batch(database: Database) {
        let store = database.store().await;
        let (ada, _, room) = pair(&store).await;
        let nobody = UserId::new("nobody").unwrap();
        let seqs = append(&store, &[message_for(room, &ada, "x", &[&nobody])], Attempt::First).await.unwrap();
        assert_eq!(seqs, [Seq(1)]);
    }

    async fn two_nodes_queue_for_the_same_users(database: Database) {
        let options = StoreOptions { offline_queue_max: 20, ..StoreOptions::default() };
        let stores = [database.store_with(options).await, database.store_with(options).await];
        let (ada, bob, _) = pair(&stores[0]).await;
        let rooms = [channel(&stores[0], &ada).await.1, channel(&stores[0], &ada).await.1];
        let tasks: Vec<_> = (0..2_usize).map(|node| {
            let (store, ada, bob) = (stores[node].clone(), ada.clone(), bob.clone());
            tokio::spawn(async move {
                for _ in 0..30 {
                    let users = if node == 0 { [&ada.id, &bob.id] } else { [&bob.id, &ada.id] };
                    let batch: Vec<_> = (0..5).map(|_| message_for(rooms[node], &ada, "x", &users)).collect();
                    append(&store, &batch, Attempt::First).await.unwrap();
                }
            })
        }).collect();
        for task in tasks {
            task.await.unwrap();
        }
        // Once more, alone: what two nodes left over at the same moment goes with the next.
        let last = [message_for(rooms[0], &ada, "last", &[&ada.id, &bob.id])];
        stores[0].append(&last, Attempt::First).await.unwrap();
        for user in [&ada.id, &bob.id] {
            let both = waiting(&stores[0], user, rooms[0]).await.len() + waiting(&stores[0], user, rooms[1]).await.len();
            assert_eq!(both, 20);
        }
    }
}
