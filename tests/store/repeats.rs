//! Messages that a client sends again under the id that it has given them: stored once, answered as the first time, on any
//! node, at any moment.

use std::collections::{HashMap, HashSet};

use convene::{
    core::{
        command::RawJson,
        event::{ChatDurable, Durable, Secrecy, SheetDurable},
        profile::Profile,
        sheet::Cell,
    },
    ids::{ClientMessageId, EventId, RoomId, Seq, SheetId, Timestamp},
    store::{Append, Appended, Attempt, Before, FirstSending, NotAppended, Store, StoreError},
};

use crate::fixture::{Database, append, channel, message, on_both, text, user};

fn named(id: &str, append: Append) -> Append {
    Append { client_message_id: Some(ClientMessageId::new(id).unwrap()), ..append }
}

async fn one(store: &Store, append: Append) -> Result<Appended, NotAppended> {
    let mut outcomes = store.append(&[append], Attempt::First).await.unwrap();
    outcomes.remove(0)
}

fn update(room: RoomId, author: &Profile, value: &str, version: i64) -> Append {
    let cell = Cell { at: "A1".parse().unwrap(), value: RawJson::from_parsed(value), formula: None, version };
    let sheet = SheetId::new("budget").unwrap();
    let what = Durable::Sheet(SheetDurable::CellsUpdated { sheet, author: author.author(), cells: vec![cell] });
    Append { what: what.into(), ..message(room, author, "") }
}

fn version(appended: &Appended) -> i64 {
    match &*appended.what {
        Durable::Sheet(SheetDurable::CellsUpdated { cells, .. }) => cells[0].version,
        other => panic!("{other:?}"),
    }
}

async fn head(store: &Store, room: RoomId) -> i64 {
    store.room_head(room).await.unwrap().unwrap().seq.0
}

on_both! {
    async fn a_message_sent_again_is_stored_once(database: Database) {
        let stores = [database.store().await, database.store().await];
        let ada = user(&stores[0], "ada").await;
        let (_, room) = channel(&stores[0], &ada).await;
        let first = named("m-1", message(room, &ada, "hello"));
        let stored = one(&stores[0], first.clone()).await.unwrap();
        assert_eq!((stored.seq, stored.repeats), (Seq(1), None));
        // later, by another node, and after its author was renamed
        let later = Append { at: first.at.plus_ms(5_000), ..named("m-1", message(room, &Profile { username: "ada2".into(), ..ada.clone() }, "hello")) };
        for store in &stores {
            let again = one(store, Append { id: EventId::generate(), ..later.clone() }).await.unwrap();
            assert_eq!((again.seq, again.repeats), (Seq(1), Some(FirstSending { id: first.id, at: first.at })));
            assert_eq!(text(&again.what), "hello");
        }
        assert_eq!(head(&stores[0], room).await, 1);
        assert_eq!(stores[0].messages(room, Before::Newest, 10).await.unwrap().len(), 1);
        let logged = stores[0].events_after(room, Seq(0), 10).await.unwrap();
        assert_eq!(logged[0].client_message_id.as_ref().map(ClientMessageId::as_str), Some("m-1"));
    }

    async fn the_id_is_of_one_user_and_one_room_and_one_content(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let (a, b) = (channel(&store, &ada).await.1, channel(&store, &ada).await.1);
        let new = [
            named("m-1", message(a, &ada, "hello")),
            named("m-1", message(b, &ada, "hello")),
            named("m-1", message(a, &bob, "hello")),
            named("M-1", message(a, &ada, "hello")),
            named("m-1 ", message(a, &ada, "hello")),
            message(a, &ada, "hello"),
        ];
        let outcomes = store.append(&new, Attempt::First).await.unwrap();
        assert!(outcomes.iter().all(|outcome| outcome.as_ref().is_ok_and(|appended| appended.repeats.is_none())));
        for other in ["hello!", "Hello", ""] {
            assert_eq!(one(&store, named("m-1", message(a, &ada, other))).await, Err(NotAppended::OtherContent));
        }
        assert_eq!(one(&store, named("m-1", update(a, &ada, "1", 0))).await, Err(NotAppended::OtherContent));
        assert_eq!((head(&store, a).await, head(&store, b).await), (5, 1));
    }

    async fn what_is_refused_takes_no_id(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let late = EventId::generate();
        let delete = ChatDurable::MessageDeleted { message: late, by: ada.author() };
        let delete = named("d-1", Append { what: Durable::Chat(delete).into(), ..message(room, &ada, "") });
        assert!(matches!(one(&store, delete.clone()).await, Err(NotAppended::Effect(_))), "there is no such message yet");
        one(&store, Append { id: late, ..message(room, &ada, "hello") }).await.unwrap();
        assert_eq!(one(&store, Append { id: EventId::generate(), ..delete.clone() }).await.unwrap().repeats, None);
        // an effect that could not be done twice is answered as the first time
        let again = one(&store, Append { id: EventId::generate(), ..delete }).await.unwrap();
        assert_eq!((again.seq, again.repeats.is_some()), (Seq(2), true));
        assert!(matches!(&*again.what, Durable::Chat(ChatDurable::MessageDeleted { message, .. }) if *message == late));
    }

    async fn an_update_of_cells_sent_again_is_no_conflict(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        for (id, seen, new) in [("c-1", 0, 1), ("c-2", 1, 2)] {
            let stored = one(&store, named(id, update(room, &ada, id, seen))).await.unwrap();
            assert_eq!((version(&stored), stored.repeats), (new, None));
        }
        // it would write the value once more, or come too late
        for (id, seen, seq) in [("c-1", 0, 1), ("c-2", 1, 2)] {
            let again = one(&store, named(id, update(room, &ada, id, seen))).await.unwrap();
            assert_eq!((again.seq, version(&again), again.repeats.is_some()), (Seq(seq), seq, true), "with its new version");
        }
        assert_eq!(one(&store, named("c-2", update(room, &ada, "c-2", 2))).await, Err(NotAppended::OtherContent));
        assert_eq!(head(&store, room).await, 2);
    }

    async fn an_edited_message_is_still_the_one_that_was_sent(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let first = named("m-1", message(room, &ada, "helo"));
        one(&store, first.clone()).await.unwrap();
        let edit = ChatDurable::MessageEdited { message: first.id, editor: ada.author(), content: "hello".into(), secrecy: Secrecy::Plain };
        one(&store, Append { what: Durable::Chat(edit).into(), ..message(room, &ada, "") }).await.unwrap();
        let again = one(&store, Append { id: EventId::generate(), ..first.clone() }).await.unwrap();
        assert_eq!((again.seq, text(&again.what), again.repeats.is_some()), (Seq(1), "helo", true));
        let logged = store.events_after(room, Seq(0), 10).await.unwrap();
        assert_eq!((text(&logged[0].what), logged[0].client_message_id.is_some()), ("hello", true));
    }

    async fn two_of_the_same_id_in_one_batch_are_decided_one_after_the_other(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (a, b) = (channel(&store, &ada).await.1, channel(&store, &ada).await.1);
        let batch = [
            named("m-1", message(a, &ada, "hello")),
            named("m-1", message(b, &ada, "elsewhere")),
            named("m-1", message(a, &ada, "hello")),
            message(a, &ada, "behind it"),
            message(b, &ada, "not behind it"),
        ];
        let outcomes = store.append(&batch, Attempt::First).await.unwrap();
        let locked: Vec<_> = outcomes.iter().map(|outcome| *outcome == Err(NotAppended::Locked)).collect();
        assert_eq!(locked, [false, false, true, true, false]);
        let outcomes = store.append(&batch[2..4], Attempt::First).await.unwrap();
        let [again, behind] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!(again.as_ref().unwrap().repeats, Some(FirstSending { id: batch[0].id, at: batch[0].at }));
        assert_eq!(behind.as_ref().unwrap().seq, Seq(2));
    }

    async fn a_second_attempt_is_no_repetition(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let batch = [named("m-1", message(room, &ada, "1")), named("c-1", update(room, &ada, "2", 0)), message(room, &ada, "3")];
        let first = append(&store, &batch, Attempt::First).await.unwrap();
        assert_eq!(append(&store, &batch, Attempt::Again).await.unwrap(), first);
        let outcomes = store.append(&batch, Attempt::Again).await.unwrap();
        assert!(outcomes.iter().all(|outcome| outcome.as_ref().unwrap().repeats.is_none()));
        assert_eq!(head(&store, room).await, 3);
    }

    async fn of_many_nodes_that_send_the_same_at_once_one_stores_it(database: Database) {
        let mut stores = Vec::new();
        for _ in 0..3 {
            stores.push(database.store().await);
        }
        let ada = user(&stores[0], "ada").await;
        let rooms = [channel(&stores[0], &ada).await.1, channel(&stores[0], &ada).await.1];
        // every node sends the same forty messages in an order of its own, each some at once
        let tasks: Vec<_> = stores.iter().enumerate().map(|(node, store)| {
            let (store, ada) = (store.clone(), ada.clone());
            tokio::spawn(async move {
                let mut answers = Vec::new();
                let mut order: Vec<usize> = (0..40).collect();
                order.rotate_left(node * 13);
                for some in order.chunks(7 + node) {
                    let mut left: Vec<Append> = some.iter().map(|n| {
                        let append = if n % 5 == 0 { update(rooms[n % 2], &ada, &n.to_string(), 0) } else { message(rooms[n % 2], &ada, &n.to_string()) };
                        // a sheet belongs to one room
                        let append = if n % 10 == 5 { message(rooms[1], &ada, &n.to_string()) } else { append };
                        named(&format!("m-{n}"), append)
                    }).collect();
                    while !left.is_empty() {
                        let outcomes = match store.append(&left, Attempt::First).await {
                            Ok(outcomes) => outcomes,
                            // somebody else holds the file: nothing was stored
                            Err(StoreError::Unavailable(outage)) if outage.is_known_not_stored() => continue,
                            Err(error) => panic!("{error}"),
                        };
                        let mut locked = Vec::new();
                        for (append, outcome) in left.into_iter().zip(outcomes) {
                            let id = append.client_message_id.clone().unwrap();
                            match outcome {
                                Ok(appended) => answers.push((append.room, id, appended.seq, appended.repeats.map_or(append.id, |first| first.id))),
                                Err(NotAppended::Locked) => locked.push(append),
                                Err(why) => panic!("{why}"),
                            }
                        }
                        left = locked;
                    }
                }
                answers
            })
        }).collect();
        let mut told: HashMap<_, HashSet<_>> = HashMap::new();
        for task in tasks {
            for (room, id, seq, event) in task.await.unwrap() {
                told.entry((room, id)).or_default().insert((seq, event));
            }
        }
        assert_eq!(told.len(), 40);
        assert!(told.values().all(|answers| answers.len() == 1), "everybody is told the same: {told:?}");
        let mut stored = 0;
        for room in rooms {
            let events = stores[0].events_after(room, Seq(0), 100).await.unwrap();
            assert_eq!(events.iter().map(|event| event.seq.0).collect::<Vec<_>>(), (1..=head(&stores[0], room).await).collect::<Vec<_>>());
            stored += events.len();
        }
        assert_eq!(stored, 40);
    }

    async fn ids_are_forgotten_after_a_day(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let now = Timestamp { unix_ms: std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64 };
        let hours_ago = |hours: i64| now.plus_ms(-hours * 60 * 60 * 1000);
        let at = |id: &str, hours| named(id, Append { at: hours_ago(hours), ..message(room, &ada, id) });
        let most = convene::limits::CLIENT_MESSAGES_SWEPT_MAX as usize;
        // more than go at once, each at a moment of its own
        let old: Vec<Append> = (0..most + 5).map(|n| {
            let append = at(&format!("old-{n}"), 25);
            Append { at: append.at.plus_ms(n as i64), ..append }
        }).collect();
        for some in old.chunks(convene::limits::COMMIT_APPENDS_MAX) {
            append(&store, some, Attempt::First).await.unwrap();
        }
        append(&store, &[at("young", 23)], Attempt::First).await.unwrap();
        let swept = [store.sweep_client_messages().await.unwrap(), store.sweep_client_messages().await.unwrap(), store.sweep_client_messages().await.unwrap()];
        assert_eq!(swept, [most, 5, 0]);
        assert!(one(&store, at("young", 0)).await.unwrap().repeats.is_some());
        assert_eq!(one(&store, at("old-0", 0)).await.unwrap().repeats, None);
    }
}
