//! The queue of each user: events that no socket of the user has written yet. Ordered, bounded per user, leased by one
//! socket at a time, and each row kept until it is written.

use std::{collections::HashSet, path::Path, time::Duration};

use convene::{
    core::{
        notification::{NotificationFilter, Priority},
        profile::Profile,
    },
    ids::{EventId, RoomId, Seq, Timestamp, UserId},
    limits,
    store::{
        Attempt, Backend, Leased, NewNotification, QueueQuery, Queued, QueuedId, QueuedMessages, Store, StoreError,
        StoreOptions,
    },
};
use diesel::{Connection, SqliteConnection, connection::SimpleConnection};

use crate::fixture::{Database, append, channel, connect, message, message_for, on_both, text, user};

async fn pair(store: &Store) -> (Profile, Profile, RoomId) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    let room = store.direct_room(&ada.id, &bob.id).await.unwrap().id;
    (ada, bob, room)
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp { unix_ms: since.as_millis() as i64 }
}

fn everything() -> QueueQuery {
    QueueQuery { notifications: Some(NotificationFilter::default()), since: None, messages: QueuedMessages::All }
}

fn in_room(room: RoomId, up_to: i64) -> QueueQuery {
    let messages = QueuedMessages::InRoom { room, up_to: Seq(up_to) };
    QueueQuery { messages, ..QueueQuery::default() }
}

async fn lease(store: &Store, user: &UserId, wanted: &QueueQuery) -> Leased {
    store.lease_queue(user, wanted, now().plus_ms(60_000)).await.unwrap()
}

/// Leases and returns: shows what is queued without changing it.
async fn peek(store: &Store, user: &UserId, room: RoomId) -> Vec<(i64, String)> {
    let leased = store.lease_conversation(user, room, now().plus_ms(60_000)).await.unwrap();
    assert_eq!(leased.held_until, None);
    let ids: Vec<_> = leased.events.iter().map(|event| QueuedId::Message(event.id)).collect();
    store.return_leases(user, &ids).await.unwrap();
    leased.events.iter().map(|event| (event.seq.0, text(&event.what).to_owned())).collect()
}

fn titles(leased: &Leased) -> Vec<String> {
    let title = |item: &Queued| match item {
        Queued::Notification(stored) => stored.notification.title.to_string(),
        Queued::Message { event, .. } => text(&event.what).to_owned(),
    };
    leased.items.iter().map(title).collect()
}

async fn notify(store: &Store, user: &UserId, title: &str, priority: Priority) {
    let new = NewNotification {
        title: title.into(),
        message: "m".into(),
        category: "c".into(),
        priority,
        module: None,
        data: None,
        expires_at: None,
    };
    store.create_notifications(std::slice::from_ref(user), &new).await.unwrap();
}

on_both! {
    async fn what_is_queued_stays_until_a_socket_has_written_it(database: Database) {
        let store = database.store().await;
        let (ada, bob, room) = pair(&store).await;
        assert!(!store.queue_waits(&bob.id).await.unwrap());
        let batch = [
            message_for(room, &ada, "one", &[&bob.id]),
            message(room, &ada, "two"),
            message_for(room, &ada, "three", &[&bob.id, &ada.id]),
        ];
        append(&store, &batch, Attempt::First).await.unwrap();
        assert!(store.queue_waits(&bob.id).await.unwrap());
        let until = now().plus_ms(60_000);
        let leased = store.lease_conversation(&bob.id, room, until).await.unwrap();
        assert_eq!((leased.head, leased.held_until), (Seq(3), None));
        let event = &leased.events[0];
        assert_eq!((event.id, event.at, &event.what), (batch[0].id, batch[0].at, &*batch[0].what));
        let held = store.lease_conversation(&bob.id, room, until.plus_ms(1)).await.unwrap();
        assert_eq!((held.head, held.events.len(), held.held_until), (Seq(3), 0, Some(until)));
        // The first was written, the other was not.
        store.queue_delivered(&bob.id, QueuedId::Message(batch[0].id)).await.unwrap();
        store.return_leases(&bob.id, &[QueuedId::Message(batch[2].id)]).await.unwrap();
        assert_eq!(peek(&store, &bob.id, room).await, [(3, "three".into())]);
        assert_eq!(peek(&store, &ada.id, room).await, [(3, "three".into())], "each user's own row");
        store.queue_delivered(&ada.id, QueuedId::Message(batch[2].id)).await.unwrap();
        store.queue_delivered(&ada.id, QueuedId::Message(batch[2].id)).await.unwrap();
        assert_eq!(peek(&store, &ada.id, room).await, []);
        assert_eq!(peek(&store, &bob.id, room).await, [(3, "three".into())]);
        let nowhere = store.lease_conversation(&bob.id, RoomId::generate(), until).await;
        assert_eq!(nowhere, Err(StoreError::Missing));
    }

    async fn urgent_notifications_come_first_then_everything_else_the_oldest_first(database: Database) {
        let store = database.store().await;
        let (ada, bob, room) = pair(&store).await;
        let (_, other) = channel(&store, &ada).await;
        append(&store, &[message_for(room, &ada, "1", &[&bob.id])], Attempt::First).await.unwrap();
        notify(&store, &bob.id, "2", Priority::Normal).await;
        append(&store, &[message_for(other, &ada, "3", &[&bob.id])], Attempt::First).await.unwrap();
        notify(&store, &bob.id, "4", Priority::Critical).await;
        append(&store, &[message_for(room, &ada, "5", &[&bob.id])], Attempt::First).await.unwrap();
        notify(&store, &bob.id, "6", Priority::High).await;
        let leased = lease(&store, &bob.id, &everything()).await;
        assert_eq!(titles(&leased), ["4", "6", "1", "2", "3", "5"]);
        let ids: Vec<_> = leased.items.iter().map(Queued::id).collect();
        store.return_leases(&bob.id, &ids).await.unwrap();
        // A socket that shows one conversation gets only the rows of it that will not be delivered live.
        assert_eq!(titles(&lease(&store, &bob.id, &in_room(room, 1)).await), ["1"]);
        assert_eq!(titles(&lease(&store, &bob.id, &in_room(room, 1)).await), [""; 0]);
        assert_eq!(titles(&lease(&store, &bob.id, &in_room(room, 2)).await), ["5"]);
        assert_eq!(titles(&lease(&store, &bob.id, &QueueQuery::default()).await), [""; 0]);
        assert_eq!(titles(&lease(&store, &bob.id, &everything()).await), ["4", "6", "2", "3"]);
    }

    async fn the_oldest_messages_give_way_to_the_newest(database: Database) {
        let options = StoreOptions { offline_queue_max: 10, ..StoreOptions::default() };
        let store = database.store_with(options).await;
        let (ada, bob, room) = pair(&store).await;
        let (_, other) = channel(&store, &ada).await;
        // The limit applies to the user, over all rooms.
        append(&store, &[message_for(other, &ada, "elsewhere", &[&bob.id])], Attempt::First).await.unwrap();
        let batch: Vec<_> = (1..=9).map(|n| message_for(room, &ada, &format!("m{n}"), &[&bob.id])).collect();
        append(&store, &batch, Attempt::First).await.unwrap();
        assert_eq!(peek(&store, &bob.id, other).await.len(), 1);
        append(&store, &[message_for(room, &ada, "m10", &[&bob.id])], Attempt::First).await.unwrap();
        assert_eq!(peek(&store, &bob.id, other).await.len(), 0);
        assert_eq!(peek(&store, &bob.id, room).await.len(), 10);
        let batch: Vec<_> = (11..=25).map(|n| message_for(room, &ada, &format!("m{n}"), &[&bob.id])).collect();
        append(&store, &batch, Attempt::First).await.unwrap();
        let seqs: Vec<_> = peek(&store, &bob.id, room).await.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(seqs, (16..=25).collect::<Vec<_>>());
    }

    async fn messages_and_notifications_have_a_bound_each(database: Database) {
        let options = StoreOptions { offline_queue_max: 3, ..StoreOptions::default() };
        let store = database.store_with(options).await;
        let (ada, bob, room) = pair(&store).await;
        for n in 1..=5 {
            append(&store, &[message_for(room, &ada, &format!("m{n}"), &[&bob.id])], Attempt::First).await.unwrap();
            notify(&store, &bob.id, &format!("n{n}"), Priority::Normal).await;
        }
        assert_eq!(titles(&lease(&store, &bob.id, &everything()).await), ["m3", "n3", "m4", "n4", "m5", "n5"]);
    }

    async fn a_lease_is_bounded_in_rows_and_in_bytes(database: Database) {
        let store = database.store().await;
        let (ada, bob, room) = pair(&store).await;
        let batch: Vec<_> = (1..=40).map(|n| message_for(room, &ada, &n.to_string(), &[&bob.id])).collect();
        append(&store, &batch, Attempt::First).await.unwrap();
        for n in 0..20 {
            notify(&store, &bob.id, &format!("n{n}"), Priority::Normal).await;
        }
        append(&store, &[message_for(room, &ada, "last", &[&bob.id])], Attempt::First).await.unwrap();
        let first = titles(&lease(&store, &bob.id, &everything()).await);
        let messages = (1..=40).map(|n| n.to_string());
        let expected = messages.chain((0..limits::QUEUE_LEASED_MAX).map(|n| format!("n{n}")));
        assert_eq!(first, expected.collect::<Vec<_>>());
        let carol = user(&store, "carol").await;
        let large = "x".repeat(limits::QUEUE_LEASED_BYTES_MAX * 2 / 3);
        let batch: Vec<_> = (0..2).map(|_| message_for(room, &ada, &large, &[&carol.id])).collect();
        append(&store, &batch, Attempt::First).await.unwrap();
        for _ in 0..2 {
            assert_eq!(lease(&store, &carol.id, &everything()).await.items.len(), 1);
        }
        // A conversation is leased as a whole, because its room sends it outside the limits.
        let rest = store.lease_conversation(&bob.id, room, now().plus_ms(60_000)).await.unwrap();
        assert_eq!(rest.events.len(), 1);
    }

    async fn many_sockets_lease_together_and_each_row_once(database: Database) {
        let store = database.store().await;
        let (ada, bob, room) = pair(&store).await;
        let carol = user(&store, "carol").await;
        let batch: Vec<_> =
            (1..=40).map(|n| message_for(room, &ada, &n.to_string(), &[&bob.id, &carol.id])).collect();
        append(&store, &batch, Attempt::First).await.unwrap();
        notify(&store, &carol.id, "urgent", Priority::High).await;
        let all = everything();
        let leases = futures_util::future::join_all(
            [&bob, &carol, &bob, &ada, &carol].map(|user| lease(&store, &user.id, &all)),
        );
        let leased: Vec<Leased> = leases.await;
        assert!(leased.iter().map(|one| one.reads).sum::<u64>() < 5, "some were leased together: {leased:?}");
        let numbers: Vec<String> = (1..=40).map(|n| n.to_string()).collect();
        assert_eq!(titles(&leased[0]), numbers);
        assert_eq!(titles(&leased[1])[0], "urgent");
        assert_eq!(titles(&leased[1])[1..], numbers);
        for one in &leased[2..] {
            assert_eq!(one.items, []);
        }
        assert!(leased[2].held_until.is_some() && leased[4].held_until.is_some());
        assert_eq!(leased[3].held_until, None);
        let ids = leased[0].items.iter().map(Queued::id).collect();
        store.all_delivered(&bob.id, ids).await.unwrap();
        assert!(!store.queue_waits(&bob.id).await.unwrap());
        assert!(store.queue_waits(&carol.id).await.unwrap());
    }

    async fn what_is_queued_outlives_the_log(database: Database) {
        let options = StoreOptions { recovery_events_max: 10, ..StoreOptions::default() };
        let store = database.store_with(options).await;
        let (ada, bob, room) = pair(&store).await;
        append(&store, &[message_for(room, &ada, "early", &[&bob.id])], Attempt::First).await.unwrap();
        let batch: Vec<_> = (0..200).map(|n| message(room, &ada, &format!("m{n}"))).collect();
        append(&store, &batch, Attempt::First).await.unwrap();
        assert!(store.oldest_kept(room).await.unwrap().unwrap() > Seq(1));
        assert_eq!(peek(&store, &bob.id, room).await, [(1, "early".into())]);
    }

    async fn a_second_attempt_queues_nothing_twice(database: Database) {
        let store = database.store().await;
        let (ada, bob, room) = pair(&store).await;
        let batch = [message_for(room, &ada, "once", &[&bob.id, &bob.id])];
        append(&store, &batch, Attempt::First).await.unwrap();
        append(&store, &batch, Attempt::Again).await.unwrap();
        assert_eq!(peek(&store, &bob.id, room).await, [(1, "once".into())]);
        // Written before the answer to the first attempt was lost.
        store.queue_delivered(&bob.id, QueuedId::Message(batch[0].id)).await.unwrap();
        append(&store, &batch, Attempt::Again).await.unwrap();
        assert_eq!(peek(&store, &bob.id, room).await, []);
    }

    async fn an_unknown_user_spoils_no_batch(database: Database) {
        let store = database.store().await;
        let (ada, _, room) = pair(&store).await;
        let nobody = UserId::new("nobody").unwrap();
        let seqs = append(&store, &[message_for(room, &ada, "x", &[&nobody])], Attempt::First).await.unwrap();
        assert_eq!(seqs, [Seq(1)]);
    }

    async fn two_nodes_queue_lease_and_delete_at_once(database: Database) {
        let options = StoreOptions { offline_queue_max: 20, ..StoreOptions::default() };
        let stores = [database.store_with(options).await, database.store_with(options).await];
        let (ada, bob, _) = pair(&stores[0]).await;
        let rooms = [channel(&stores[0], &ada).await.1, channel(&stores[0], &ada).await.1];
        let writers: Vec<_> = (0..2_usize).map(|node| {
            let (store, ada, bob) = (stores[node].clone(), ada.clone(), bob.clone());
            tokio::spawn(async move {
                for _ in 0..30 {
                    let users = if node == 0 { [&ada.id, &bob.id] } else { [&bob.id, &ada.id] };
                    let batch: Vec<_> = (0..5).map(|_| message_for(rooms[node], &ada, "x", &users)).collect();
                    append(&store, &batch, Attempt::First).await.unwrap();
                }
            })
        }).collect();
        // Sockets of both users on both nodes lease and write all they leased; concurrent deletions of the same row may
        // meet.
        let readers: Vec<_> = (0..4_usize).map(|n| {
            let (store, other) = (stores[n % 2].clone(), stores[(n + 1) % 2].clone());
            let user = if n < 2 { ada.id.clone() } else { bob.id.clone() };
            tokio::spawn(async move {
                let mut seen: Vec<EventId> = Vec::new();
                for _ in 0..20 {
                    for item in lease(&store, &user, &everything()).await.items {
                        let QueuedId::Message(id) = item.id() else { panic!("a notification") };
                        let (here, there) =
                            tokio::join!(store.queue_delivered(&user, item.id()), other.queue_delivered(&user, item.id()));
                        here.unwrap();
                        there.unwrap();
                        seen.push(id);
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                (user, seen)
            })
        }).collect();
        for writer in writers {
            writer.await.unwrap();
        }
        let mut seen = Vec::new();
        for reader in readers {
            let (user, ids) = reader.await.unwrap();
            seen.extend(ids.into_iter().map(|id| (user.clone(), id)));
        }
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len(), "to each user once");
        // Once more, alone: rows that two nodes left at the same moment are removed with the next append.
        let batch: Vec<_> = (0..25).map(|_| message_for(rooms[0], &ada, "last", &[&ada.id, &bob.id])).collect();
        stores[0].append(&batch, Attempt::First).await.unwrap();
        for user in [&ada.id, &bob.id] {
            let both = peek(&stores[0], user, rooms[0]).await.len() + peek(&stores[0], user, rooms[1]).await.len();
            assert_eq!(both, 20);
        }
    }

    async fn rows_of_the_two_older_queues_move_into_it(database: Database) {
        let store = database.store().await;
        let (ada, bob, room) = pair(&store).await;
        append(&store, &[message_for(room, &ada, "1", &[&bob.id])], Attempt::First).await.unwrap();
        notify(&store, &bob.id, "2", Priority::Normal).await;
        notify(&store, &bob.id, "3", Priority::High).await;
        append(&store, &[message_for(room, &ada, "4", &[&bob.id])], Attempt::First).await.unwrap();
        // The messages of the fixture are older than all notifications.
        let expected = ["3", "1", "4", "2"];
        for file in ["down.sql", "up.sql"] {
            let backend = match store.backend() {
                Backend::Postgres => "postgres",
                Backend::Sqlite => "sqlite",
            };
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(backend);
            let sql = std::fs::read_to_string(folder.join("2026-11-30-100000_user_queue").join(file)).unwrap();
            match store.backend() {
                Backend::Postgres => connect(&database.url).await.unwrap().batch_execute(&sql).await.unwrap(),
                Backend::Sqlite => {
                    let mut file = SqliteConnection::establish(&database.file().to_string_lossy()).unwrap();
                    file.batch_execute(&sql).unwrap();
                }
            }
        }
        let store = database.store().await;
        assert_eq!(titles(&lease(&store, &bob.id, &everything()).await), expected);
        append(&store, &[message_for(room, &ada, "5", &[&bob.id])], Attempt::First).await.unwrap();
        assert_eq!(titles(&lease(&store, &bob.id, &everything()).await), ["5"]);
    }
}
