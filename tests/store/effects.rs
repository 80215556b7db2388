//! Effects of events: an edit or a deletion changes the stored message, a read mark only advances, and a refused event
//! takes no place in the log.

use std::{collections::HashMap, sync::Arc};

use convene::{
    core::{
        event::{ChatDurable, Durable, ReadMark, Secrecy},
        profile::{Author, Profile},
    },
    ids::{EventId, RoomId, Seq, Timestamp, UserId},
    store::{
        Append, Appended, Attempt, Before, EffectRefused, MessageRefused, NotAppended, QueueFor, QueuedId, ReadRefused,
        Store, StoreOptions,
    },
};
use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::fixture::{Database, append, channel, message, message_for, on_both, text, user};

const TIME: Timestamp = Timestamp { unix_ms: 1_790_000_001_000 };

fn event(room: RoomId, what: ChatDurable) -> Append {
    let what = Arc::new(Durable::Chat(what));
    Append { room, id: EventId::generate(), at: TIME, what, queue_for: QueueFor::default(), client_message_id: None }
}

fn edit(room: RoomId, editor: &Profile, message: EventId, content: &str) -> Append {
    event(
        room,
        ChatDurable::MessageEdited {
            message,
            editor: editor.author(),
            content: content.into(),
            secrecy: Secrecy::Plain,
        },
    )
}

fn delete(room: RoomId, by: &Profile, message: EventId) -> Append {
    event(room, ChatDurable::MessageDeleted { message, by: by.author() })
}

fn read(room: RoomId, reader: &Profile, message: EventId) -> Append {
    event(room, ChatDurable::read(reader.author(), message))
}

async fn put(store: &Store, one: &Append) -> Result<Appended, NotAppended> {
    store.append(std::slice::from_ref(one), Attempt::First).await.unwrap().remove(0)
}

fn refused(refused: impl Into<EffectRefused>) -> Result<Seq, NotAppended> {
    Err(NotAppended::Effect(refused.into()))
}

fn seq(outcome: Result<Appended, NotAppended>) -> Result<Seq, NotAppended> {
    outcome.map(|appended| appended.seq)
}

on_both! {
    async fn an_edit_changes_the_message_everywhere(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let room = store.direct_room(&ada.id, &bob.id).await.unwrap().id;
        let sent = [message_for(room, &ada, "first", &[&bob.id]), message(room, &ada, "second")];
        append(&store, &sent, Attempt::First).await.unwrap();
        let edited = edit(room, &ada, sent[0].id, "better \0");
        assert_eq!(seq(put(&store, &edited).await), Ok(Seq(3)));
        let page = store.messages(room, Before::Newest, 10).await.unwrap();
        assert_eq!((page[1].content.as_str(), page[1].edited_at, page[1].deleted_at), ("better \u{fffd}", Some(TIME), None));
        assert_eq!((page[0].content.as_str(), page[0].edited_at), ("second", None));
        let log = store.events_after(room, Seq(0), 10).await.unwrap();
        assert_eq!(text(&log[0].what), "better \u{fffd}", "a replay shows the new text");
        let Durable::Chat(ChatDurable::MessageEdited { message, editor, content, .. }) = &log[2].what else { panic!("{log:?}") };
        assert_eq!((*message, &editor.id, &**content), (sent[0].id, &ada.id, "better \u{fffd}"));
        let queued = store.lease_conversation(&bob.id, room, TIME).await.unwrap().events;
        assert_eq!((queued[0].id, text(&queued[0].what)), (sent[0].id, "better \u{fffd}"));
        // Retried after a lost answer.
        let again = store.append(&[edited], Attempt::Again).await.unwrap().remove(0);
        assert_eq!(seq(again), Ok(Seq(3)));
        assert_eq!(store.room_head(room).await.unwrap().unwrap().seq, Seq(3));
    }

    async fn a_deletion_leaves_a_tombstone(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let sent = [message_for(room, &ada, "regretted", &[&ada.id]), message(room, &ada, "stays")];
        append(&store, &sent, Attempt::First).await.unwrap();
        put(&store, &edit(room, &ada, sent[0].id, "still regretted")).await.unwrap();
        assert_eq!(seq(put(&store, &delete(room, &ada, sent[0].id)).await), Ok(Seq(4)));
        let page = store.messages(room, Before::Newest, 10).await.unwrap();
        assert_eq!((page.len(), page[1].content.as_str(), page[1].deleted_at), (2, "", Some(TIME)));
        let log = store.events_after(room, Seq(0), 10).await.unwrap();
        assert_eq!(log[0].what, Durable::Chat(ChatDurable::MessageErased { sender: ada.author() }));
        assert_eq!(log[0].id, sent[0].id);
        let queued = store.lease_conversation(&ada.id, room, TIME).await.unwrap().events;
        assert_eq!(queued[0].what, Durable::Chat(ChatDurable::MessageErased { sender: ada.author() }));
        store.queue_delivered(&ada.id, QueuedId::Message(sent[0].id)).await.unwrap();
        assert!(!store.queue_waits(&ada.id).await.unwrap());
    }

    async fn what_can_not_be_changed_takes_no_place_and_harms_no_others(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let (_, other) = channel(&store, &ada).await;
        let sent = [message(room, &ada, "one"), message(room, &ada, "two"), message(other, &ada, "elsewhere")];
        append(&store, &sent, Attempt::First).await.unwrap();
        let nothing = EventId::generate();
        let batch = [
            edit(room, &ada, nothing, "x"),
            edit(room, &ada, sent[2].id, "of another room"),
            message(room, &ada, "three"),
            delete(room, &ada, sent[0].id),
            edit(room, &ada, sent[0].id, "too late"),
            delete(room, &ada, sent[0].id),
            edit(room, &ada, sent[1].id, "first try"),
            edit(room, &ada, sent[1].id, "second try"),
            read(room, &ada, nothing),
            read(room, &ada, sent[1].id),
            read(room, &ada, sent[0].id),
        ];
        let outcomes: Vec<_> = store.append(&batch, Attempt::First).await.unwrap().into_iter().map(seq).collect();
        let expected = [
            refused(MessageRefused::Unknown), refused(MessageRefused::Unknown), Ok(Seq(3)), Ok(Seq(4)),
            refused(MessageRefused::Deleted), refused(MessageRefused::Deleted), Ok(Seq(5)), Ok(Seq(6)),
            refused(ReadRefused::Unknown), Ok(Seq(7)), refused(ReadRefused::NotAdvanced { up_to: Seq(2) }),
        ];
        assert_eq!(outcomes, expected);
        let page = store.messages(room, Before::Newest, 10).await.unwrap();
        assert_eq!(page.iter().map(|one| one.content.as_str()).collect::<Vec<_>>(), ["three", "second try", ""]);
        let marked = store.events_after(room, Seq(6), 1).await.unwrap();
        let Durable::Chat(ChatDurable::ReadMarked { up_to, .. }) = marked[0].what else { panic!("{marked:?}") };
        assert_eq!(up_to, Seq(2), "the store fills it in");
        assert_eq!(store.messages(other, Before::Newest, 1).await.unwrap()[0].content, "elsewhere");
    }

    async fn many_marks_are_one_event(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let sent = [message(room, &ada, "one"), message(room, &ada, "two")];
        append(&store, &sent, Attempt::First).await.unwrap();
        let reader = |number: usize| Author::new(UserId::new(format!("reader-{number:04}")).unwrap(), "somebody");
        let mark = |number: usize, message: EventId| ReadMark { reader: reader(number), message, up_to: Seq(0) };
        // two have read everything already
        for number in [0, 30] {
            put(&store, &event(room, ChatDurable::read(reader(number), sent[1].id))).await.unwrap();
        }
        let listed = (0..20).map(|number| mark(number, sent[number % 2].id)).collect();
        let unlisted = (20..1_000).map(|number| mark(number, sent[0].id)).collect();
        let all = event(room, ChatDurable::read_by(listed, unlisted).unwrap());
        let stored = put(&store, &all).await.unwrap();
        assert_eq!(stored.seq, Seq(5), "one event");
        let Durable::Chat(what) = &*stored.what else { panic!("{stored:?}") };
        assert_eq!(what.readers().count(), 998, "those that have advanced");
        let logged = store.events_after(room, Seq(4), 10).await.unwrap();
        let Durable::Chat(ChatDurable::ReadMarked { reader: first, up_to, others, more, unlisted, .. }) = &logged[0].what
        else { panic!("{logged:?}") };
        assert_eq!((&first.id, *up_to, others.len(), *more), (&reader(1).id, Seq(2), 18, 979));
        assert!(unlisted.is_empty(), "the log does not contain them");
        assert_eq!((others[0].up_to, others[1].up_to), (Seq(1), Seq(2)));
        let marks = store.read_marks(room).await.unwrap();
        let up_to = |number: usize| if number == 30 || number == 0 || (number < 20 && number % 2 == 1) { 2 } else { 1 };
        let expected: Vec<_> = (0..1_000).map(|number| (reader(number).id, Seq(up_to(number)))).collect();
        assert_eq!(marks, expected);
        let again = Append { id: EventId::generate(), ..all.clone() };
        assert_eq!(seq(put(&store, &again).await), refused(ReadRefused::NotAdvanced { up_to: Seq(1) }));
        // retried after a lost answer
        assert_eq!(seq(store.append(&[all], Attempt::Again).await.unwrap().remove(0)), Ok(Seq(5)));
    }

    async fn edits_outlive_the_log(database: Database) {
        let options = StoreOptions { recovery_events_max: 10, ..StoreOptions::default() };
        let store = database.store_with(options).await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        let early = message(room, &ada, "early");
        append(&store, std::slice::from_ref(&early), Attempt::First).await.unwrap();
        let batch: Vec<_> = (0..200).map(|n| message(room, &ada, &format!("m{n}"))).collect();
        append(&store, &batch, Attempt::First).await.unwrap();
        put(&store, &edit(room, &ada, early.id, "edited late")).await.unwrap();
        let oldest = store.messages(room, Before::Seq(Seq(2)), 1).await.unwrap().remove(0);
        assert_eq!((oldest.content.as_str(), oldest.edited_at), ("edited late", Some(TIME)));
    }

    async fn two_nodes_edit_delete_and_read_at_once(database: Database) {
        let stores = [database.store().await, database.store().await];
        let (ada, bob) = (user(&stores[0], "ada").await, user(&stores[0], "bob").await);
        let (_, room) = channel(&stores[0], &ada).await;
        let sent: Vec<_> = (0..6).map(|n| message_for(room, &ada, &n.to_string(), &[&bob.id])).collect();
        append(&stores[0], &sent, Attempt::First).await.unwrap();
        let ids: Vec<EventId> = sent.iter().map(|one| one.id).collect();
        let mut runner = TestRunner::new(ProptestConfig { cases: 1, failure_persistence: None, ..ProptestConfig::default() });
        let steps = vec((0..3_u8, 0..6_usize, 0..2_usize), 60);
        let plans: Vec<Vec<(u8, usize, usize)>> =
            (0..2).map(|_| steps.new_tree(&mut runner).unwrap().current()).collect();
        let tasks: Vec<_> = plans.into_iter().enumerate().map(|(node, plan)| {
            let (store, users, ids) = (stores[node].clone(), [ada.clone(), bob.clone()], ids.clone());
            tokio::spawn(async move {
                for (n, chunk) in plan.chunks(5).enumerate() {
                    let batch: Vec<_> = chunk.iter().enumerate().map(|(at, (kind, of, by))| match kind {
                        0 => edit(room, &users[*by], ids[*of], &format!("{node} {n} {at}")),
                        1 if *of > 3 && n > 6 => delete(room, &users[*by], ids[*of]),
                        1 => message(room, &users[*by], "more"),
                        _ => read(room, &users[*by], ids[*of]),
                    }).collect();
                    store.append(&batch, Attempt::First).await.unwrap();
                }
            })
        }).collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_is_what_the_log_says(&stores[0], room, &[&ada, &bob]).await;
    }
}

/// The history, the payloads in the log, the queue and the read marks must be what replaying the log produces.
async fn assert_is_what_the_log_says(store: &Store, room: RoomId, users: &[&Profile]) {
    let log = store.events_after(room, Seq(0), 1_000).await.unwrap();
    let head = store.room_head(room).await.unwrap().unwrap().seq;
    assert_eq!(log.iter().map(|event| event.seq.0).collect::<Vec<_>>(), (1..=head.0).collect::<Vec<_>>());
    let (mut texts, mut marks) = (HashMap::<EventId, Option<String>>::new(), HashMap::new());
    for event in &log {
        match &event.what {
            Durable::Chat(ChatDurable::MessageEdited { message, content, .. }) => {
                assert_ne!(texts.get(message), Some(&None), "no edit after the deletion");
                texts.insert(*message, Some(content.to_string()));
            }
            Durable::Chat(ChatDurable::MessageDeleted { message, .. }) => {
                assert_ne!(texts.insert(*message, None), Some(None), "deleted once");
            }
            Durable::Chat(ChatDurable::ReadMarked { reader, up_to, .. }) => {
                let before = marks.insert(reader.id.clone(), *up_to);
                assert!(before.is_none_or(|before| before < *up_to), "only an advance is an event");
            }
            Durable::Chat(
                ChatDurable::MessageSent { .. } | ChatDurable::MessageErased { .. } | ChatDurable::Reacted { .. },
            )
            | Durable::Sheet(_)
            | Durable::Canvas(_)
            | Durable::Document(_)
            | Durable::Space(_) => {}
        }
    }
    let mut stored: HashMap<_, _> = store.read_marks(room).await.unwrap().into_iter().collect();
    for user in users {
        assert_eq!(stored.remove(&user.id), marks.get(&user.id).copied());
    }
    let queued = store.lease_conversation(&users[1].id, room, TIME).await.unwrap().events;
    assert_eq!(queued.len(), 6);
    for event in log.iter().chain(&queued) {
        match (&event.what, texts.get(&event.id)) {
            (Durable::Chat(ChatDurable::MessageSent { content, .. }), Some(Some(text))) => assert_eq!(&**content, text),
            (Durable::Chat(ChatDurable::MessageErased { .. }), text) => assert_eq!(text, Some(&None)),
            (what, Some(None)) => panic!("{what:?} instead of a tombstone"),
            _ => {}
        }
    }
    for message in store.messages(room, Before::Newest, 1_000).await.unwrap() {
        match texts.get(&message.id) {
            Some(Some(text)) => assert_eq!((&message.content, message.deleted_at), (text, None)),
            Some(None) => assert_eq!((message.content.as_str(), message.deleted_at), ("", Some(TIME))),
            None => assert_eq!((message.edited_at, message.deleted_at), (None, None)),
        }
    }
}
