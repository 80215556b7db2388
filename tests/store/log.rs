//! The log: seqs without gaps, all or nothing, no duplicates, and pages of history.

use convene::{
    core::profile::Profile,
    ids::{EventId, RoomId, Seq},
    store::{Append, Attempt, Before, Store, StoreError, StoreOptions},
};

use crate::fixture::{Database, append, channel, message, on_both, text, user};

/// A user and three channels of that user.
async fn rooms(store: &Store) -> (Profile, [RoomId; 3]) {
    let ada = user(store, "ada").await;
    let mut rooms = [RoomId::generate(); 3];
    for room in &mut rooms {
        *room = channel(store, &ada).await.1;
    }
    (ada, rooms)
}

fn seqs(values: impl IntoIterator<Item = i64>) -> Vec<Seq> {
    values.into_iter().map(Seq).collect()
}

/// The room's log and history have the same messages, without a gap from 1 to the head.
async fn assert_consistent(store: &Store, room: RoomId) {
    let head = store.room_head(room).await.unwrap().unwrap().seq;
    let events = store.events_after(room, Seq(0), usize::MAX).await.unwrap();
    let mut messages = store.messages(room, Before::Newest, i64::MAX).await.unwrap();
    messages.reverse();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), seqs(1..=head.0));
    let logged: Vec<_> = events.iter().map(|event| (event.seq, event.id, event.at, text(&event.what))).collect();
    let sent: Vec<_> = messages.iter().map(|sent| (sent.seq, sent.id, sent.at, sent.content.as_str())).collect();
    assert_eq!(logged, sent);
}

on_both! {
    async fn places_follow_the_order_of_the_input(database: Database) {
        let store = database.store().await;
        let (ada, [a, b, c]) = rooms(&store).await;
        // Rooms in descending order: the locking order must not affect the result.
        let batch: Vec<Append> =
            [c, a, b, a, c, a].iter().enumerate().map(|(n, room)| message(*room, &ada, &format!("m{n}"))).collect();
        assert_eq!(append(&store, &batch, Attempt::First).await.unwrap(), seqs([1, 1, 1, 2, 2, 3]));
        assert_eq!(append(&store, &batch[..0], Attempt::First).await.unwrap(), []);
        assert_eq!(append(&store, &[message(a, &ada, "m6")], Attempt::First).await.unwrap(), seqs([4]));
        let events = store.events_after(a, Seq(1), 2).await.unwrap();
        assert_eq!(events.iter().map(|event| (event.seq.0, text(&event.what))).collect::<Vec<_>>(), [(2, "m3"), (3, "m5")]);
        assert_eq!((events[0].id, events[0].at), (batch[3].id, batch[3].at));
        assert_eq!(events[0].what, *batch[3].what);
        assert_eq!(store.events_after(a, Seq(4), 10).await.unwrap(), []);
        for room in [a, b, c] {
            assert_consistent(&store, room).await;
        }
    }

    async fn a_batch_is_stored_whole_or_not_at_all(database: Database) {
        let store = database.store().await;
        let (ada, [a, b, _]) = rooms(&store).await;
        let batch = [message(a, &ada, "x"), message(RoomId::generate(), &ada, "y"), message(b, &ada, "z")];
        for attempt in [Attempt::First, Attempt::Again] {
            assert_eq!(append(&store, &batch, attempt).await, Err(StoreError::Missing));
        }
        // An id that is already stored, without marking the attempt as a retry: an error, and nothing of the batch is
        // stored.
        let stored = message(a, &ada, "first");
        append(&store, std::slice::from_ref(&stored), Attempt::First).await.unwrap();
        let twice = append(&store, &[message(b, &ada, "new"), stored], Attempt::First).await;
        assert!(matches!(twice, Err(StoreError::Fault(_))), "{twice:?}");
        assert_eq!(store.room_head(a).await.unwrap().unwrap().seq, Seq(1));
        assert_eq!(store.room_head(b).await.unwrap().unwrap().seq, Seq(0));
        for room in [a, b] {
            assert_consistent(&store, room).await;
        }
        assert_eq!(append(&store, &[message(b, &ada, "on")], Attempt::First).await.unwrap(), seqs([1]));
    }

    async fn a_second_attempt_stores_only_what_is_missing(database: Database) {
        let store = database.store().await;
        let (ada, [a, b, _]) = rooms(&store).await;
        let batch = [message(a, &ada, "1"), message(b, &ada, "2"), message(a, &ada, "3")];
        let first = append(&store, &batch, Attempt::First).await.unwrap();
        assert_eq!(append(&store, &batch, Attempt::Again).await.unwrap(), first);
        // Together with appends made in the meantime, before and between.
        let mixed = [message(a, &ada, "4"), batch[0].clone(), batch[1].clone(), message(b, &ada, "5"), batch[2].clone()];
        assert_eq!(append(&store, &mixed, Attempt::Again).await.unwrap(), seqs([3, 1, 1, 2, 2]));
        for room in [a, b] {
            assert_consistent(&store, room).await;
        }
    }

    async fn places_have_no_holes_when_two_nodes_append(database: Database) {
        let stores = [database.store().await, database.store().await];
        let (ada, rooms) = rooms(&stores[0]).await;
        let tasks: Vec<_> = (0..8_usize).map(|task| {
            let (store, ada) = (stores[task % 2].clone(), ada.clone());
            tokio::spawn(async move {
                let mut places = Vec::new();
                for turn in 0..10_usize {
                    let room_of = |n: usize| rooms[(n * (task + 1) + turn) % 3];
                    let batch: Vec<_> = (0..7).map(|n| message(room_of(n), &ada, &format!("{task} {turn} {n}"))).collect();
                    let seqs = append(&store, &batch, Attempt::First).await.unwrap();
                    places.extend(batch.iter().zip(seqs).map(|(append, seq)| (append.room, seq, append.id)));
                }
                places
            })
        }).collect();
        let mut told = Vec::new();
        for task in tasks {
            told.extend(task.await.unwrap());
        }
        assert_eq!(told.len(), 8 * 10 * 7);
        for room in rooms {
            assert_consistent(&stores[1], room).await;
            let events = stores[1].events_after(room, Seq(0), usize::MAX).await.unwrap();
            let mut told: Vec<_> = told.iter().filter(|told| told.0 == room).map(|told| (told.1, told.2)).collect();
            told.sort_unstable();
            assert_eq!(events.iter().map(|event| (event.seq, event.id)).collect::<Vec<_>>(), told);
        }
    }

    async fn the_log_forgets_what_is_old_and_the_history_does_not(database: Database) {
        let options = StoreOptions { recovery_events_max: 100, ..StoreOptions::default() };
        let store = database.store_with(options).await;
        let (ada, [a, b, _]) = rooms(&store).await;
        append(&store, &[message(b, &ada, "other")], Attempt::First).await.unwrap();
        assert_eq!(store.oldest_kept(a).await.unwrap(), None);
        for turn in 0..50 {
            let batch: Vec<_> = (0..10).map(|n| message(a, &ada, &format!("{turn} {n}"))).collect();
            append(&store, &batch, Attempt::First).await.unwrap();
            let oldest = store.oldest_kept(a).await.unwrap().unwrap().0;
            let head = (turn + 1) * 10;
            let kept = head - oldest + 1;
            assert!(kept >= head.min(100) && kept <= 100 + 64 + 10, "{kept} kept at {head}");
        }
        assert_eq!(store.messages(a, Before::Newest, i64::MAX).await.unwrap().len(), 500);
        assert_eq!(store.oldest_kept(b).await.unwrap(), Some(Seq(1)));
    }

    async fn history_comes_in_pages(database: Database) {
        let store = database.store().await;
        let (ada, [a, b, _]) = rooms(&store).await;
        let batch: Vec<_> = (1..=25).map(|n| message(a, &ada, &format!("m{n}"))).collect();
        append(&store, &batch, Attempt::First).await.unwrap();
        let elsewhere = message(b, &ada, "elsewhere");
        append(&store, std::slice::from_ref(&elsewhere), Attempt::First).await.unwrap();
        let mut before = Before::Newest;
        let mut seen = Vec::new();
        loop {
            let page = store.messages(a, before, 10).await.unwrap();
            let Some(last) = page.last() else { break };
            // A message's id and its seq select the same page.
            assert_eq!(store.messages(a, Before::Seq(last.seq), 10).await.unwrap(),
                store.messages(a, Before::Message(last.id), 10).await.unwrap());
            before = Before::Message(last.id);
            seen.extend(page.iter().map(|message| message.seq.0));
        }
        assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());
        let first = &store.messages(a, Before::Seq(Seq(2)), 10).await.unwrap()[0];
        assert_eq!((first.id, &first.sender.id, first.sender.username(), first.content.as_str(), first.at), (batch[0].id, &ada.id, "ada", "m1", batch[0].at));
        for unknown in [elsewhere.id, EventId::generate()] {
            assert_eq!(store.messages(a, Before::Message(unknown), 10).await, Err(StoreError::Missing));
        }
        assert_eq!(store.messages(a, Before::Seq(Seq(-5)), 10).await.unwrap(), []);
        assert_eq!(store.messages(RoomId::generate(), Before::Newest, 10).await.unwrap(), []);
    }

    async fn every_text_comes_back_as_it_was(database: Database) {
        let store = database.store().await;
        let (ada, [a, ..]) = rooms(&store).await;
        let long = "長い文 ".repeat(2_500);
        let texts =
            ["", "👩‍👩‍👧‍👦 \u{202e}rtl", "\"quotes\" \\ 'and' {arrays,NULL}", "\u{1}\u{7f}\r\n\t", "\u{10ffff}\u{fffe}", &long];
        let batch: Vec<_> = texts.iter().map(|text| message(a, &ada, text)).collect();
        append(&store, &batch, Attempt::First).await.unwrap();
        let events = store.events_after(a, Seq(0), 100).await.unwrap();
        assert_eq!(events.iter().map(|event| text(&event.what)).collect::<Vec<_>>(), texts);
        assert_consistent(&store, a).await;
    }

    async fn a_null_character_spoils_no_batch(database: Database) {
        let store = database.store().await;
        let (ada, [a, ..]) = rooms(&store).await;
        let batch = [message(a, &ada, "before"), message(a, &ada, "nul\0\0!"), message(a, &ada, "after")];
        append(&store, &batch, Attempt::First).await.unwrap();
        let events = store.events_after(a, Seq(1), 1).await.unwrap();
        assert_eq!(text(&events[0].what), "nul\u{fffd}\u{fffd}!");
        assert_consistent(&store, a).await;
    }

    async fn the_largest_batch_is_stored(database: Database) {
        let store = database.store().await;
        let (ada, rooms) = rooms(&store).await;
        let batch: Vec<_> = (0..convene::limits::COMMIT_APPENDS_MAX)
            .map(|n| message(rooms[n % 3], &ada, &"x".repeat(n * 10)))
            .collect();
        append(&store, &batch, Attempt::First).await.unwrap();
        let mut stored = 0;
        for room in rooms {
            stored += store.messages(room, Before::Newest, i64::MAX).await.unwrap().len();
        }
        assert_eq!(stored, batch.len());
        assert_eq!(append(&store, &batch, Attempt::Again).await.unwrap().len(), batch.len());
    }
}
