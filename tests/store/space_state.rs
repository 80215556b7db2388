//! The keyed state of spaces: changed under the room's lock, if the entry is the one that is expected.

use std::sync::Arc;

use convene::{
    core::{
        command::RawJson,
        event::{Durable, SpaceDurable},
        profile::Profile,
        space::{StateCause, StateChange, StateEntry},
    },
    ids::{ConnKey, EventId, NodeId, RoomId, Seq, SocketId, Timestamp},
    limits,
    store::{Append, Appended, Attempt, EffectRefused, NotAppended, QueueFor, StateRefused, Store},
};
use futures_util::future::join_all;

use crate::{
    fixture::{Database, on_both, user},
    spaces::space,
};

const TIME: Timestamp = Timestamp { unix_ms: 1_790_000_001_000 };

fn change(by: &Profile, key: &str, value: Option<&str>, if_seq: Option<i64>) -> StateChange {
    StateChange {
        by: by.author(),
        key: key.into(),
        value: value.map(RawJson::from_parsed),
        cause: StateCause::Set,
        if_seq: if_seq.map(Seq),
        expires_at: None,
        holder: None,
    }
}

fn event(room: RoomId, change: StateChange) -> Append {
    let what = Arc::new(Durable::Space(SpaceDurable::StateChanged(change)));
    Append { room, id: EventId::generate(), at: TIME, what, queue_for: QueueFor::default(), client_message_id: None }
}

/// Stores events, retrying those whose room another session keeps locked.
async fn put(store: &Store, batch: &[Append]) -> Vec<Result<Seq, StateRefused>> {
    let mut outcomes = Vec::new();
    for one in batch.chunk_by(|_, _| true) {
        let mut left: Vec<Append> = one.to_vec();
        while !left.is_empty() {
            let found = store.append(&left, Attempt::First).await.unwrap();
            let locked = found.iter().filter(|outcome| **outcome == Err(NotAppended::Locked)).count();
            assert!(locked == 0 || locked == left.len(), "one room is locked as a whole");
            if locked == 0 {
                left.clear();
                outcomes.extend(found.into_iter().map(decided));
            }
        }
    }
    outcomes
}

fn decided(outcome: Result<Appended, NotAppended>) -> Result<Seq, StateRefused> {
    match outcome {
        Ok(appended) => {
            let Durable::Space(SpaceDurable::StateChanged(change)) = &*appended.what else { panic!("{appended:?}") };
            assert_eq!(change.if_seq, None, "what was expected is not stored");
            Ok(appended.seq)
        }
        Err(NotAppended::Effect(EffectRefused::State(refused))) => Err(refused),
        Err(other) => panic!("{other}"),
    }
}

fn seen(entries: &[StateEntry]) -> Vec<(&str, &str, i64)> {
    entries.iter().map(|entry| (&*entry.key, entry.value.as_str(), entry.seq.0)).collect()
}

fn stale_seq(outcome: &Result<Seq, StateRefused>) -> Option<i64> {
    match outcome {
        Err(StateRefused::Stale(entry)) => Some(entry.as_ref().map_or(0, |entry| entry.seq.0)),
        Ok(_) | Err(StateRefused::Unchanged | StateRefused::TooMany) => None,
    }
}

on_both! {
    async fn entries_are_set_and_deleted_if_they_are_as_expected(database: Database) {
        let store = database.store().await;
        let (ada, bob) = (user(&store, "ada").await, user(&store, "bob").await);
        let (room, other) = (space(&store, &ada, 5).await.id, space(&store, &ada, 5).await.id);
        let holder = SocketId { node: NodeId(u64::MAX), conn: ConnKey { worker: 3, generation: u32::MAX } };
        let held = StateChange { holder: Some(holder), expires_at: Some(TIME), ..change(&bob, "seat", Some("\"x\""), Some(0)) };
        // one batch: each is compared with what the ones before have made of it, and refused ones take no number
        let outcomes = put(&store, &[
            event(room, change(&ada, "door", Some("{\"open\": true}"), Some(0))),
            event(room, change(&bob, "door", Some("2"), Some(0))),
            event(room, held),
            event(room, change(&bob, "door", Some("3"), Some(1))),
            event(room, change(&ada, "door", Some("4"), Some(1))),
            event(room, change(&ada, "board", None, None)),
            event(room, change(&ada, "board", Some("[1]"), None)),
            event(room, change(&ada, "board", None, Some(4))),
        ]).await;
        let stale: Vec<_> = outcomes.iter().map(stale_seq).collect();
        assert_eq!(stale, [None, Some(1), None, None, Some(3), None, None, None]);
        let seqs: Vec<_> = outcomes.iter().map(|outcome| outcome.clone().ok().map(|seq| seq.0)).collect();
        assert_eq!(seqs, [Some(1), None, Some(2), Some(3), None, None, Some(4), Some(5)]);
        assert_eq!(outcomes[5], Err(StateRefused::Unchanged));
        let entries = store.space_state(room).await.unwrap();
        assert_eq!(seen(&entries), [("door", "3", 3), ("seat", "\"x\"", 2)]);
        assert_eq!((entries[1].holder, entries[1].expires_at, &entries[1].by), (Some(holder), Some(TIME), &bob.author()));
        assert_eq!(store.room_head(room).await.unwrap().unwrap().seq, Seq(5));
        assert!(store.space_state(other).await.unwrap().is_empty());
        // the log has what was stored
        let log = store.events_after(room, Seq(0), 10).await.unwrap();
        assert_eq!(log.iter().map(|event| event.seq.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        // the same key in another space is another entry
        assert_eq!(put(&store, &[event(other, change(&ada, "door", Some("9"), Some(0)))]).await, [Ok(Seq(1))]);
        assert_eq!(seen(&store.space_state(room).await.unwrap()).len(), 2);
    }

    async fn a_repeated_attempt_changes_nothing(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let room = space(&store, &ada, 5).await.id;
        let set = event(room, change(&ada, "door", Some("1"), Some(0)));
        assert_eq!(put(&store, std::slice::from_ref(&set)).await, [Ok(Seq(1))]);
        let again = store.append(&[set], Attempt::Again).await.unwrap().remove(0).unwrap();
        assert_eq!(again.seq, Seq(1));
        assert_eq!(seen(&store.space_state(room).await.unwrap()), [("door", "1", 1)]);
    }

    async fn a_space_has_a_bounded_number_of_entries(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let room = space(&store, &ada, 5).await.id;
        let sets = (0..limits::STATE_KEYS_MAX + 2).map(|key| event(room, change(&ada, &format!("k{key}"), Some("1"), None)));
        let outcomes = put(&store, &sets.collect::<Vec<_>>()).await;
        let refused: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
        assert_eq!(refused, [StateRefused::TooMany, StateRefused::TooMany]);
        let outcomes = put(&store, &[
            event(room, change(&ada, "more", Some("1"), None)),
            event(room, change(&ada, "k0", Some("2"), None)),
            event(room, change(&ada, "k1", None, None)),
            event(room, change(&ada, "more", Some("1"), None)),
            event(room, change(&ada, "k1", Some("1"), None)),
        ]).await;
        let failed: Vec<bool> = outcomes.iter().map(Result::is_err).collect();
        assert_eq!(failed, [true, false, false, false, true]);
        assert_eq!(store.space_state(room).await.unwrap().len(), limits::STATE_KEYS_MAX);
    }

    async fn of_several_who_expect_the_same_entry_one_changes_it(database: Database) {
        // on PostgreSQL each has a store of its own, as two nodes have
        let first = database.store().await;
        let stores = [first.clone(), if database.url.starts_with("postgres") { database.store().await } else { first.clone() }];
        let ada = user(&first, "ada").await;
        let room = space(&first, &ada, 5).await.id;
        let mut expected = 0;
        for round in 0..10 {
            let sets = (0..6_usize).map(|contender| {
                let value = format!("\"{round}-{contender}\"");
                let set = event(room, change(&ada, "seat", Some(&value), Some(expected)));
                let store = &stores[contender % 2];
                async move { put(store, &[set]).await.remove(0) }
            });
            let outcomes = join_all(sets).await;
            let won: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.clone().ok()).collect();
            assert_eq!(won.len(), 1, "{outcomes:?}");
            assert!(outcomes.iter().filter_map(stale_seq).all(|seq| seq == won[0].0), "{outcomes:?}");
            expected = won[0].0;
            let entries = first.space_state(room).await.unwrap();
            assert_eq!((entries.len(), entries[0].seq), (1, won[0]));
        }
    }
}
