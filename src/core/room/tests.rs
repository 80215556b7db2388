use super::*;
use crate::{
    core::event::RoomScope,
    ids::{GroupId, RoomId},
    limits,
};

#[derive(Debug, PartialEq)]
pub struct Entry(pub i64);

impl Logged for Entry {
    fn seq(&self) -> Seq {
        Seq(self.0)
    }

    fn size_bytes(&self) -> usize {
        10
    }
}

pub const EPOCH: Epoch = Epoch(7);
/// Ten events can be recovered, the last five of them from memory.
pub const BOUNDS: HistoryBounds = HistoryBounds { events_max: 10, bytes_max: 50 };

pub fn room(head: i64, epoch: Epoch) -> RoomCore<u32, Entry> {
    let scope = RoomScope::Channel { group: GroupId::generate() };
    let identity = RoomIdentity { id: RoomId::generate(), scope };
    RoomCore::new(Arc::new(identity), Seq(head), epoch, BOUNDS)
}

pub fn entry(seq: i64) -> Arc<Entry> {
    Arc::new(Entry(seq))
}

pub fn seqs(events: Vec<Arc<Entry>>) -> Vec<i64> {
    events.iter().map(|event| event.0).collect()
}

fn commit(room: &mut RoomCore<u32, Entry>, seq: i64) -> Vec<i64> {
    seqs(room.commit(entry(seq)))
}

const NOTHING: [i64; 0] = [];

fn memory(events: impl IntoIterator<Item = i64>) -> Replay<Entry> {
    Replay::FromMemory(events.into_iter().map(entry).collect())
}

#[test]
fn events_go_on_in_order_and_once() {
    let mut room = room(0, EPOCH);
    assert_eq!(commit(&mut room, 1), [1]);
    assert_eq!(commit(&mut room, 1), NOTHING);
    assert_eq!(commit(&mut room, 4), NOTHING);
    assert_eq!(commit(&mut room, 3), NOTHING);
    assert_eq!(commit(&mut room, 3), NOTHING);
    assert_eq!(room.missing(), Some(Seq(2)..=Seq(2)));
    assert_eq!(commit(&mut room, 2), [2, 3, 4]);
    assert_eq!((room.missing(), room.head(), room.held()), (None, Seq(4), 0));
    assert_eq!(commit(&mut room, 0), NOTHING, "an ephemeral event has no place in the log");
    assert_eq!(commit(&mut room, -1), NOTHING);
}

#[test]
fn a_gap_is_overdue_after_a_moment_and_filled_from_the_log() {
    let at = |unix_ms| Timestamp { unix_ms };
    let wait_ms = limits::GAP_WAIT.as_millis() as i64;
    let mut room = room(0, EPOCH);
    assert_eq!(room.gap_since(at(0)), None);
    commit(&mut room, 4);
    assert_eq!(room.gap_since(at(1_000)), Some(at(1_000)));
    commit(&mut room, 6);
    assert_eq!(room.gap_since(at(1_010)), Some(at(1_000)));
    assert_eq!(room.overdue(at(999 + wait_ms)), None);
    assert_eq!(room.overdue(at(1_000 + wait_ms)), Some(Seq(1)..=Seq(3)));
    assert_eq!(seqs(room.fill([1, 2, 3].map(entry))), [1, 2, 3, 4]);
    assert_eq!(room.overdue(at(2_000)), None, "the next gap has a wait of its own");
    assert_eq!(room.overdue(at(2_000 + wait_ms)), Some(Seq(5)..=Seq(5)));
    assert_eq!(room.gap_since(at(0)), Some(at(0)), "the clock stepped back");
    assert_eq!(room.overdue(at(wait_ms)), Some(Seq(5)..=Seq(5)));
}

#[test]
fn what_the_log_no_longer_has_is_skipped() {
    let mut room = room(0, EPOCH);
    commit(&mut room, 1);
    commit(&mut room, 5);
    commit(&mut room, 6);
    commit(&mut room, 9);
    assert_eq!(seqs(room.skip_to(Seq(4))), [5, 6]);
    assert_eq!(room.missing(), Some(Seq(7)..=Seq(8)));
    assert_eq!(room.replay(Some((Seq(4), EPOCH))), memory([5, 6]));
    assert_eq!(room.replay(Some((Seq(3), EPOCH))), Replay::FromStore { after: Seq(3), up_to: Seq(6) });
    assert_eq!(seqs(room.skip_to(Seq(2))), NOTHING);
    assert_eq!(seqs(room.skip_to(Seq(9))), NOTHING);
    assert_eq!((room.head(), room.held(), room.missing()), (Seq(9), 0, None));
}

#[test]
fn what_does_not_fit_behind_a_gap_is_missing_again() {
    let max = limits::GAP_EVENTS_MAX as i64;
    let mut room = room(0, EPOCH);
    for seq in (2..=max + 10).rev() {
        assert_eq!(commit(&mut room, seq), NOTHING);
    }
    assert_eq!(room.held() as i64, max);
    assert_eq!(commit(&mut room, 1).len() as i64, max + 1);
    assert_eq!(room.missing(), Some(Seq(max + 2)..=Seq(max + 10)));
}

#[test]
fn a_client_that_comes_back_gets_what_it_missed() {
    let mut room = room(0, EPOCH);
    (1..=20).for_each(|seq| drop(commit(&mut room, seq)));
    let since = |seq| room.replay(Some((Seq(seq), EPOCH)));
    assert_eq!(room.replay(None), Replay::None);
    assert_eq!(since(20), memory([]));
    assert_eq!(since(18), memory([19, 20]));
    assert_eq!(since(15), memory(16..=20));
    assert_eq!(since(14), Replay::FromStore { after: Seq(14), up_to: Seq(20) });
    assert_eq!(since(10), Replay::FromStore { after: Seq(10), up_to: Seq(20) });
    assert_eq!(since(9), Replay::Incomplete, "further back than is kept");
    assert_eq!(since(21), Replay::Incomplete, "from the future");
    for nonsense in [-1, i64::MIN, i64::MAX] {
        assert_eq!(since(nonsense), Replay::Incomplete);
    }
    assert_eq!(room.replay(Some((Seq(20), Epoch(8)))), Replay::Incomplete);
}

#[test]
fn a_room_just_loaded_reads_what_was_before_it() {
    let mut room = room(20, EPOCH);
    assert_eq!(room.replay(Some((Seq(20), EPOCH))), memory([]));
    assert_eq!(room.replay(Some((Seq(18), EPOCH))), Replay::FromStore { after: Seq(18), up_to: Seq(20) });
    commit(&mut room, 21);
    assert_eq!(room.replay(Some((Seq(20), EPOCH))), memory([21]));
    assert_eq!(room.replay(Some((Seq(19), EPOCH))), Replay::FromStore { after: Seq(19), up_to: Seq(21) });
}

#[test]
fn what_waits_behind_a_gap_is_not_replayed_but_comes_live() {
    let mut room = room(0, EPOCH);
    commit(&mut room, 1);
    commit(&mut room, 3);
    assert_eq!(room.replay(Some((Seq(0), EPOCH))), memory([1]));
    assert_eq!(room.replay(Some((Seq(3), EPOCH))), Replay::Incomplete);
    assert_eq!(commit(&mut room, 2), [2, 3]);
}
