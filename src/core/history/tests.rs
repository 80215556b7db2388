use proptest::prelude::*;

use super::*;
use crate::{
    core::{
        command::RawJson,
        event::{Durable, SheetDurable},
        profile::Author,
        sheet::{Cell, CellRef},
    },
    ids::{SheetId, UserId},
    limits,
};

#[derive(Debug, PartialEq)]
struct Entry(i64, usize);

impl Logged for Entry {
    fn seq(&self) -> Seq {
        Seq(self.0)
    }

    fn size_bytes(&self) -> usize {
        self.1
    }
}

fn seqs(events: Option<Vec<Arc<Entry>>>) -> Option<Vec<i64>> {
    events.map(|events| events.iter().map(|event| event.0).collect())
}

fn filled(bounds: HistoryBounds, range: std::ops::RangeInclusive<i64>, size: usize) -> History<Entry> {
    let mut history = History::new(bounds);
    range.for_each(|seq| history.push(Arc::new(Entry(seq, size))));
    history
}

const BOUNDS: HistoryBounds = HistoryBounds { events_max: 10, bytes_max: 100 };

#[test]
fn it_answers_what_came_after() {
    let history = filled(BOUNDS, 5..=8, 1);
    assert_eq!(seqs(history.after(Seq(4))), Some(vec![5, 6, 7, 8]));
    assert_eq!(seqs(history.after(Seq(7))), Some(vec![8]));
    assert_eq!(seqs(history.after(Seq(3))), None);
    assert_eq!(seqs(History::<Entry>::new(BOUNDS).after(Seq(0))), None);
}

#[test]
fn it_grows_backward_while_there_is_room() {
    let older =
        |range: std::ops::RangeInclusive<i64>, size| range.map(|n| Arc::new(Entry(n, size))).collect::<Vec<_>>();
    let mut history = filled(BOUNDS, 8..=9, 10);
    history.extend_back(&older(1..=9, 10), Seq(8));
    assert_eq!((history.len(), history.bytes(), history.first()), (9, 90, Some(Seq(1))));
    let mut history = filled(BOUNDS, 8..=9, 10);
    history.extend_back(&older(1..=7, 30), Seq(8));
    assert_eq!((history.len(), history.first()), (4, Some(Seq(6))), "the newest that fit");
    let mut history = filled(BOUNDS, 8..=9, 10);
    history.extend_back(&older(1..=6, 10), Seq(8));
    assert_eq!(history.first(), Some(Seq(8)), "a hole is not bridged");
    let mut history = History::new(BOUNDS);
    history.extend_back(&older(1..=6, 10), Seq(7));
    assert_eq!(seqs(history.after(Seq(4))), Some(vec![5, 6]));
}

#[test]
fn a_hole_begins_the_row_anew() {
    let mut history = filled(BOUNDS, 1..=5, 1);
    history.push(Arc::new(Entry(9, 1)));
    assert_eq!(seqs(history.after(Seq(8))), Some(vec![9]));
    assert_eq!(seqs(history.after(Seq(4))), None);
    assert_eq!(history.bytes(), 1);
}

#[test]
fn an_event_that_is_too_big_for_memory_is_left_to_the_database() {
    let mut history = filled(BOUNDS, 1..=3, 10);
    history.push(Arc::new(Entry(4, 101)));
    assert!(history.is_empty());
    assert_eq!(history.bytes(), 0);
    history.push(Arc::new(Entry(5, 1)));
    assert_eq!(seqs(history.after(Seq(4))), Some(vec![5]));
}

proptest! {
    #[test]
    fn it_keeps_the_longest_tail_within_bounds(sizes in prop::collection::vec(0..60usize, 1..60)) {
        let mut history = History::new(BOUNDS);
        for (at, size) in sizes.iter().enumerate() {
            history.push(Arc::new(Entry(at as i64 + 1, *size)));
            let so_far = &sizes[..=at];
            let fits = |count: &usize| so_far[so_far.len() - count..].iter().sum::<usize>() <= BOUNDS.bytes_max;
            let most = so_far.len().min(BOUNDS.events_max);
            prop_assert_eq!(history.len(), (0..=most).rev().find(fits).unwrap());
            prop_assert_eq!(history.bytes(), so_far[so_far.len() - history.len()..].iter().sum::<usize>());
            for since in 0..=at as i64 {
                let expected = (since + 1..=at as i64 + 1).collect::<Vec<_>>();
                let kept = expected.len() <= history.len();
                prop_assert_eq!(seqs(history.after(Seq(since))), kept.then_some(expected));
            }
        }
    }
}

#[test]
fn as_many_bulk_updates_as_are_kept_can_be_sent_again() {
    let cells = (0..limits::CELLS_PER_UPDATE_MAX as u32).map(|row| Cell {
        at: CellRef { row, column: 0 },
        value: RawJson::from_parsed("\"a few words\""),
        formula: None,
        version: 1_642_161_000_000,
    });
    let author = Author::new(UserId::new("u").unwrap(), "u");
    let what = Durable::Sheet(SheetDurable::CellsUpdated {
        sheet: SheetId::new("s").unwrap(),
        author,
        cells: cells.collect(),
    });
    let kept = limits::RECOVERY_EVENTS_MAX * (size_of::<Event>() + what.size_bytes());
    assert!(kept <= limits::REPLAY_BYTES_MAX, "{kept} bytes");
}

#[test]
fn there_may_be_less_room_for_a_while() {
    let entry = |seq| Arc::new(Entry(seq, 12));
    let mut history = filled(BOUNDS, 1..=8, 12);
    let held = (history.len(), history.bytes());
    history.limit(held.1 / 2);
    assert!(history.bytes() <= held.1 / 2 && !history.is_empty());
    assert_eq!(history.iter().last().map(|event| event.seq()), Some(Seq(8)), "the newest stay");
    history.limit(0);
    history.push(entry(9));
    assert_eq!((history.len(), history.bytes()), (0, 0));
    history.limit(usize::MAX);
    (10..=20).for_each(|seq| history.push(entry(seq)));
    assert_eq!((history.len(), history.bytes()), held, "never more than the bound");
}
