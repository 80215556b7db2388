//! Property test: for any batches and attempts, seqs are consecutive, and log and history agree.

use std::collections::HashMap;

use convene::{
    core::profile::Profile,
    ids::{RoomId, Seq},
    store::{Append, Attempt, Before, Store, StoreError},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestCaseResult, TestRunner},
};

use crate::fixture::{Database, append, channel, message, on_both, text, user};

/// What happens to a batch.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Stored.
    Stored,
    /// Stored, and retried as after a lost answer.
    Repeated,
    /// Made invalid by a room that does not exist.
    Spoiled,
}

/// The room and the text of each append.
type Plan = Vec<(Fate, Vec<(usize, String)>)>;

fn plans() -> impl Strategy<Value = Plan> {
    let fate = prop_oneof![6 => Just(Fate::Stored), 2 => Just(Fate::Repeated), 1 => Just(Fate::Spoiled)];
    vec((fate, vec((0..4_usize, any::<String>()), 1..20)), 1..12)
}

async fn carry_out(store: &Store, ada: &Profile, plan: Plan) -> TestCaseResult {
    let mut rooms = Vec::new();
    let group = store.create_group(&ada.id, "g", None).await.unwrap().id;
    for name in ["a", "b", "c", "d"] {
        let medium = convene::store::ChannelMedium::Text;
        rooms.push(store.create_channel(group, name, medium, &ada.id).await.unwrap().id);
    }
    let mut expected: HashMap<RoomId, Vec<Append>> = HashMap::new();
    for (fate, entries) in plan {
        let mut batch: Vec<Append> = entries.iter().map(|(room, text)| message(rooms[*room], ada, text)).collect();
        match fate {
            Fate::Stored | Fate::Repeated => {
                let seqs = append(store, &batch, Attempt::First).await.unwrap();
                for (append, seq) in batch.iter().zip(&seqs) {
                    let stored = expected.entry(append.room).or_default();
                    stored.push(append.clone());
                    prop_assert_eq!(seq.0, i64::try_from(stored.len()).unwrap());
                }
                if matches!(fate, Fate::Repeated) {
                    prop_assert_eq!(append(store, &batch, Attempt::Again).await.unwrap(), seqs);
                }
            }
            Fate::Spoiled => {
                batch.push(message(RoomId::generate(), ada, "nowhere"));
                prop_assert_eq!(append(store, &batch, Attempt::First).await, Err(StoreError::Missing));
            }
        }
    }
    for room in rooms {
        assert_room(store, room, expected.get(&room).map_or(&[], Vec::as_slice)).await?;
    }
    Ok(())
}

async fn assert_room(store: &Store, room: RoomId, expected: &[Append]) -> TestCaseResult {
    let head = store.room_head(room).await.unwrap().unwrap().seq;
    prop_assert_eq!(head.0, i64::try_from(expected.len()).unwrap());
    let events = store.events_after(room, Seq(0), usize::MAX).await.unwrap();
    let mut messages = store.messages(room, Before::Newest, i64::MAX).await.unwrap();
    messages.reverse();
    prop_assert_eq!(events.len(), expected.len());
    prop_assert_eq!(messages.len(), expected.len());
    for (((event, message), append), seq) in events.iter().zip(&messages).zip(expected).zip(1..) {
        prop_assert_eq!((event.seq, event.id, event.at), (Seq(seq), append.id, append.at));
        prop_assert_eq!((message.seq, message.id, message.at), (Seq(seq), append.id, append.at));
        prop_assert_eq!(text(&event.what), &message.content);
        prop_assert_eq!(&message.content, &text(&append.what).replace('\0', "\u{fffd}"));
    }
    Ok(())
}

on_both! {
    async fn places_are_consecutive_and_log_and_history_agree(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        channel(&store, &ada).await;
        let handle = tokio::runtime::Handle::current();
        let task = tokio::task::spawn_blocking(move || {
            let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
            TestRunner::new(config).run(&plans(), |plan| handle.block_on(carry_out(&store, &ada, plan))).unwrap();
        });
        task.await.unwrap();
    }
}
