use super::*;
use crate::limits;

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
const PLACE: Place = Place { node: NodeId(1), incarnation: 1, others: Others::Some };
/// Ten events can be recovered, the last five of them from memory.
pub const BOUNDS: HistoryBounds = HistoryBounds { events_max: 10, bytes_max: 50 };

pub fn room(head: i64, epoch: Epoch) -> RoomCore<u32, Entry> {
    RoomCore::new(PLACE, (Seq(head), epoch), BOUNDS)
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

fn user(name: &str) -> Author {
    Author::new(UserId::new(name).unwrap(), name)
}

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

fn close_gap(room: &mut RoomCore<u32, Entry>, asked: (i64, i64), read: &[i64]) -> (Option<(i64, i64)>, Vec<i64>) {
    let read = read.iter().map(|seq| entry(*seq)).collect();
    let GapClosed { lost, ready } = room.close_gap(Seq(asked.0)..=Seq(asked.1), read);
    (lost.map(|lost| (lost.start().0, lost.end().0)), seqs(ready))
}

#[test]
fn a_gap_is_closed_from_the_log() {
    let mut room = room(0, EPOCH);
    commit(&mut room, 4);
    commit(&mut room, 6);
    assert_eq!(close_gap(&mut room, (1, 3), &[1, 2, 3]), (None, vec![1, 2, 3, 4]));
    assert_eq!(room.missing(), Some(Seq(5)..=Seq(5)));
    commit(&mut room, 5);
    assert_eq!(close_gap(&mut room, (5, 5), &[5]), (None, vec![]), "it came while the log was read");
    assert_eq!(close_gap(&mut room, (5, 5), &[]), (None, vec![]));
    assert_eq!((room.head(), room.missing()), (Seq(6), None));
}

#[test]
fn only_what_the_log_no_longer_has_is_lost() {
    let mut room = room(0, EPOCH);
    commit(&mut room, 1);
    commit(&mut room, 9);
    assert_eq!(close_gap(&mut room, (2, 8), &[6, 7, 8]), (Some((2, 5)), vec![6, 7, 8, 9]));
    assert_eq!(room.replay(Some((Seq(5), EPOCH))), memory([6, 7, 8, 9]));
    assert_eq!(room.replay(Some((Seq(4), EPOCH))), Replay::FromStore { after: Seq(4), up_to: Seq(9) });
    commit(&mut room, 12);
    assert_eq!(close_gap(&mut room, (10, 11), &[]), (Some((10, 11)), vec![12]), "the log has nothing of it");
    assert_eq!((room.head(), room.held(), room.missing()), (Seq(12), 0, None));
}

#[test]
fn an_event_in_the_midst_of_what_is_lost_is_not_delivered_either() {
    let mut room = room(0, EPOCH);
    room.note_head(Seq(8));
    commit(&mut room, 1);
    // arrived while the log was read
    commit(&mut room, 4);
    assert_eq!(close_gap(&mut room, (2, 8), &[7, 8]), (Some((2, 6)), vec![7, 8]));
    assert_eq!((room.head(), room.held()), (Seq(8), 0));
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
    assert_eq!(since(21), Replay::Ahead, "from another node");
    for nonsense in [-1, i64::MIN] {
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
    assert_eq!(room.replay(Some((Seq(3), EPOCH))), Replay::Ahead);
    assert_eq!(commit(&mut room, 2), [2, 3]);
}

#[test]
fn what_the_log_is_known_to_have_is_missing_until_it_comes() {
    let mut room = room(5, EPOCH);
    room.note_head(Seq(4));
    assert_eq!(room.missing(), None);
    room.note_head(Seq(7));
    assert_eq!(room.missing(), Some(Seq(6)..=Seq(7)));
    commit(&mut room, 6);
    commit(&mut room, 7);
    assert_eq!(room.missing(), None);
}

#[test]
fn what_was_read_for_one_is_remembered_for_the_next() {
    let mut room = room(20, EPOCH);
    let read: Vec<_> = (17..=20).map(entry).collect();
    room.restore_history(&read);
    assert_eq!(room.replay(Some((Seq(16), EPOCH))), memory(17..=20));
    commit(&mut room, 21);
    assert_eq!(room.replay(Some((Seq(16), EPOCH))), memory(17..=21));
    room.restore_history(&(10..=14).map(entry).collect::<Vec<_>>());
    assert_eq!(room.replay(Some((Seq(16), EPOCH))), memory(17..=21), "a hole is not bridged");
}

#[test]
fn somebody_here_and_elsewhere_comes_once_and_goes_once() {
    let mut room = room(0, EPOCH);
    let (ann, bob) = (user("ann"), user("bob"));
    let there = NodeId(2);
    let diff = |version, joined: &[&Author], left: &[&Author]| MembershipMessage::Diff {
        incarnation: 9,
        version,
        joined: joined.iter().copied().cloned().collect(),
        left: left.iter().map(|author| author.id.clone()).collect(),
        dropped: Vec::new(),
    };
    let now = Timestamp::default();
    assert_eq!(room.join(1, &ann).first_socket, FirstSocket::Yes);
    let news = room.receive(there, diff(1, &[&ann, &bob], &[]), now);
    assert_eq!((news.came, news.went), (vec![bob.clone()], vec![]));
    assert_eq!((room.users(), room.online().count()), (2, 2));
    assert_eq!(room.join(2, &bob).first_socket, FirstSocket::No);
    assert_eq!(room.leave(1).unwrap().last_socket, LastSocket::No, "still there");
    assert_eq!(room.users(), 2);
    let news = room.receive(there, diff(2, &[], &[&bob]), now);
    assert_eq!((news.came, news.went), (vec![], vec![]), "still here");
    assert_eq!(room.peer_gone(there).went, [ann]);
    assert!(room.is_present(&bob.id));
    assert_eq!((room.users(), room.online().count()), (1, 1));
}

#[test]
fn whoever_is_back_within_the_grace_was_never_away() {
    let mut room = room(0, EPOCH);
    let (ann, bob) = (user("ann"), user("bob"));
    let (there, grace, now) = (NodeId(2), Duration::from_secs(5), Timestamp::default());
    let breaks_off = |room: &mut RoomCore<u32, Entry>, socket, now| {
        let left = room.leave(socket).unwrap();
        assert_eq!(left.last_socket, LastSocket::Yes);
        room.may_return(&left.user.id);
        room.begin_leave_grace(left.user, grace, now);
    };
    room.join(1, &ann);
    room.join(2, &bob);
    room.take_diffs();
    breaks_off(&mut room, 1, now);
    breaks_off(&mut room, 2, now);
    assert_eq!((room.users(), room.online().count()), (2, 2), "both still count as members");
    assert!(room.is_member(&ann.id) && !room.is_present(&ann.id), "but have no socket");
    let told = room.take_diffs();
    assert!(
        matches!(&*told, [MembershipMessage::Diff { left, dropped, .. }] if left.len() == 2 && dropped.len() == 2),
        "other nodes learn that they may come back: {told:?}"
    );

    assert_eq!(room.join(3, &ann).first_socket, FirstSocket::No, "back on this node");
    let came = vec![bob.clone()];
    let diff =
        MembershipMessage::Diff { incarnation: 9, version: 1, joined: came, left: Vec::new(), dropped: Vec::new() };
    assert!(room.receive(there, diff, now).came.is_empty(), "back on another node");
    assert_eq!((room.users(), room.online().count()), (2, 2));
    assert!(room.take_overdue(now.plus_ms(60_000)).is_empty());

    breaks_off(&mut room, 3, now);
    assert_eq!(room.next_grace_ends_in(now), Some(grace));
    assert_eq!(room.take_overdue(now.plus_ms(5_000)), std::slice::from_ref(&ann));
    assert_eq!(room.users(), 1);
    assert_eq!(room.join(4, &ann).first_socket, FirstSocket::Yes, "too late");

    let dropped = MembershipMessage::Diff {
        incarnation: 9,
        version: 2,
        joined: vec![],
        left: vec![bob.id.clone()],
        dropped: vec![bob.id.clone()],
    };
    let news = room.receive(there, dropped, now);
    assert_eq!((news.went, news.may_return.contains(&bob.id)), (vec![bob], true), "and so is told of the others");
}
