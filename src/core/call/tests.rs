//! Single situations, with a network that the test controls. `simulation` covers their combinations.

use std::collections::BTreeMap;

use super::*;
use crate::ids::{ConnKey, NodeId};

pub(super) const RING: Duration = Duration::from_secs(45);

/// Sockets of users, and the messages between them that have not arrived.
pub(super) struct World {
    pub(super) sockets: BTreeMap<u64, (UserId, SocketCalls)>,
    pub(super) flying: VecDeque<CallMessage>,
    /// What each client was sent, in short form.
    pub(super) seen: BTreeMap<u64, Vec<String>>,
    pub(super) now: Duration,
    pub(super) asked: u32,
}

pub(super) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn id(text: &str) -> CallId {
    CallId::new(text).unwrap()
}

pub(super) fn socket(n: u64) -> SocketId {
    SocketId { node: NodeId(n), conn: ConnKey { worker: 0, generation: 1 } }
}

pub(super) fn signal(kind: SignalKind, data: &str) -> CallRequest {
    CallRequest::Signal { kind, data: RawJson::from_parsed(data) }
}

pub(super) const OFFER: SignalKind = SignalKind::Offer;
pub(super) const ANSWER: SignalKind = SignalKind::Answer;
pub(super) const ICE: SignalKind = SignalKind::IceCandidate;
pub(super) const HANG_UP: CallRequest = CallRequest::HangUp { data: None };

impl World {
    /// A socket for each number, of that user.
    pub(super) fn new(sockets: &[(u64, &str)]) -> World {
        let mut world = World {
            sockets: BTreeMap::new(),
            flying: VecDeque::new(),
            seen: BTreeMap::new(),
            now: Duration::from_secs(100),
            asked: 0,
        };
        sockets.iter().for_each(|(n, name)| world.open(*n, name));
        world
    }

    pub(super) fn open(&mut self, n: u64, name: &str) {
        let me = CallParty { user: Author::new(user(name), name), socket: socket(n) };
        self.sockets.insert(n, (user(name), SocketCalls::new(me, RING)));
    }

    /// Closes a socket that can say so.
    pub(super) fn close(&mut self, n: u64) {
        let (_, mut calls) = self.sockets.remove(&n).unwrap();
        let effects = calls.end_all();
        self.flying.extend(effects.into_iter().filter_map(|effect| match effect {
            CallEffect::Send(message) => Some(message),
            _ => None,
        }));
    }

    pub(super) fn act(&mut self, n: u64, ask: impl FnOnce(&mut SocketCalls, Duration) -> Vec<CallEffect>) {
        let now = self.now;
        let Some((_, calls)) = self.sockets.get_mut(&n) else { return };
        let effects = ask(calls, now);
        self.carry_out(n, effects);
    }

    fn carry_out(&mut self, n: u64, effects: Vec<CallEffect>) {
        for effect in effects {
            let line = match effect {
                CallEffect::Send(message) => {
                    self.flying.push_back(message);
                    continue;
                }
                CallEffect::Check(user) => {
                    let known: Vec<_> =
                        self.sockets.iter().filter(|(_, (of, _))| *of == user).map(|(n, _)| socket(*n)).collect();
                    let Some((_, calls)) = self.sockets.get_mut(&n) else { return };
                    let effects = calls.checked(&user, &known);
                    self.carry_out(n, effects);
                    continue;
                }
                CallEffect::Show(CallNotice { call, with, what }) => {
                    let name = with.username();
                    match what {
                        CallChange::Signal { kind, data } => {
                            format!("{kind:?} {} {name} {}", call.as_str(), data.as_str())
                        }
                        CallChange::Ended { reason, .. } => format!("ended {} {name} {}", call.as_str(), reason.name()),
                    }
                }
                CallEffect::Done(tag) => format!("done {}", reference(&tag)),
                CallEffect::Refuse(tag, fault) => format!("refused {} {fault:?}", reference(&tag)),
                CallEffect::Unreached { tag, .. } => format!("refused {} unreached", reference(&tag)),
            };
            self.seen.entry(n).or_default().push(line);
        }
    }

    /// Sends a request with the next number as its reference.
    pub(super) fn ask(&mut self, n: u64, target: &str, call: &str, request: CallRequest) {
        self.asked += 1;
        let reference = Some(RawJson::from_parsed(&self.asked.to_string()));
        let tag = Tag { reference, ..Tag::default() };
        let requested = CallRequested { tag, target: user(target), call: id(call), request };
        self.act(n, |calls, now| calls.request(requested, now));
    }

    pub(super) fn deliver(&mut self, message: &CallMessage) {
        let receivers: Vec<u64> =
            self.sockets.iter().filter(|(_, (of, _))| *of == message.user).map(|(n, _)| *n).collect();
        for n in receivers {
            self.act(n, |calls, now| calls.receive(message.clone(), now));
        }
    }

    pub(super) fn deliver_all(&mut self) {
        while let Some(message) = self.flying.pop_front() {
            self.deliver(&message);
        }
    }

    /// Lets time pass; messages arrive at once.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.deliver_all();
        loop {
            let next = self.sockets.iter().filter_map(|(n, (_, calls))| Some((calls.next_deadline()?, *n))).min();
            let Some((at, n)) = next.filter(|(at, _)| *at <= end) else { break };
            self.now = self.now.max(at);
            self.act(n, SocketCalls::tick);
            self.deliver_all();
        }
        self.now = end;
    }

    #[track_caller]
    fn expect(&mut self, n: u64, lines: &[&str]) {
        let seen = std::mem::take(self.seen.entry(n).or_default());
        assert_eq!(seen, lines, "socket {n}");
    }

    fn expect_nothing(&mut self, sockets: &[u64]) {
        sockets.iter().for_each(|n| self.expect(*n, &[]));
    }
}

fn reference(tag: &Tag) -> String {
    tag.reference.as_ref().map_or_else(|| "?".to_owned(), |reference| reference.as_str().to_owned())
}

/// Ann's sockets 1 and 2, Bob's 3 and 4, Carol's 5.
fn three_users() -> World {
    World::new(&[(1, "ann"), (2, "ann"), (3, "bob"), (4, "bob"), (5, "carol")])
}

/// Ann's socket 1 is connected with Bob's socket 3.
fn connected() -> World {
    let mut world = three_users();
    world.ask(1, "bob", "x", signal(OFFER, "1"));
    world.deliver_all();
    world.ask(3, "ann", "x", signal(ANSWER, "2"));
    world.deliver_all();
    world.seen.clear();
    world
}

#[test]
fn a_call_rings_everywhere_and_the_first_answer_connects_it() {
    let mut world = three_users();
    world.ask(1, "bob", "x", signal(OFFER, "\"offer\""));
    world.deliver_all();
    world.expect(1, &["done 1"]);
    world.expect(3, &["Offer x ann \"offer\""]);
    world.expect(4, &["Offer x ann \"offer\""]);
    world.ask(3, "ann", "x", signal(ANSWER, "\"three\""));
    world.ask(4, "ann", "x", signal(ANSWER, "\"four\""));
    world.deliver_all();
    world.expect(1, &["Answer x bob \"three\""]);
    world.expect(3, &["done 2"]);
    world.expect(4, &["refused 3 AnsweredElsewhere", "ended x ann answered_elsewhere"]);
    world.ask(3, "ann", "x", HANG_UP);
    world.deliver_all();
    world.expect(3, &["done 4"]);
    world.expect(1, &["ended x bob hangup"]);
    world.ask(1, "bob", "x", HANG_UP);
    world.expect(1, &["done 5"]);
    world.ask(1, "bob", "x", signal(ANSWER, "1"));
    world.expect(1, &["refused 6 NoSuchCall"]);
    world.expect_nothing(&[2, 4, 5]);
}

#[test]
fn a_hang_up_before_the_answer_ends_the_ringing() {
    let mut world = three_users();
    for (by, caller, ringing) in [(1, "cancelled", "cancelled"), (3, "declined", "declined_elsewhere")] {
        world.ask(1, "bob", "x", signal(OFFER, "1"));
        world.deliver_all();
        world.seen.clear();
        world.ask(by, if by == 1 { "bob" } else { "ann" }, "x", CallRequest::HangUp { data: None });
        world.deliver_all();
        assert!(world.seen[&by][0].starts_with("done"), "{:?}", world.seen);
        world.expect(4, &[&format!("ended x ann {ringing}")]);
        let (other, name) = if by == 1 { (3, "ann") } else { (1, "bob") };
        world.expect(other, &[&format!("ended x {name} {caller}")]);
        world.seen.clear();
    }
}

#[test]
fn candidates_follow_the_offer_and_the_answer() {
    let mut world = three_users();
    world.ask(1, "bob", "x", signal(OFFER, "1"));
    world.ask(1, "bob", "x", signal(ICE, "2"));
    world.deliver_all();
    for n in [3, 4] {
        world.expect(n, &["Offer x ann 1", "IceCandidate x ann 2"]);
    }
    world.ask(3, "ann", "x", signal(ICE, "3"));
    world.deliver_all();
    world.expect(1, &["done 2", "done 1"]);
    world.ask(3, "ann", "x", signal(ANSWER, "4"));
    world.ask(3, "ann", "x", signal(ICE, "5"));
    world.deliver_all();
    world.expect(1, &["Answer x bob 4", "IceCandidate x bob 3", "IceCandidate x bob 5"]);
    world.seen.clear();
    world.ask(1, "bob", "x", signal(ICE, "6"));
    world.deliver_all();
    world.expect(3, &["IceCandidate x ann 6"]);
    world.expect_nothing(&[2, 4, 5]);
}

/// A socket on another node may be known to the network only a moment after it has opened.
#[test]
fn an_offer_and_its_candidates_that_nobody_has_received_are_sent_again() {
    let mut world = three_users();
    world.ask(1, "bob", "x", signal(OFFER, "1"));
    world.ask(1, "bob", "x", signal(ICE, "2"));
    world.flying.clear();
    world.pass(limits::CALL_OFFER_REPEAT);
    world.expect(3, &["Offer x ann 1", "IceCandidate x ann 2"]);
    world.expect(1, &["done 2", "done 1"]);
    // also for a socket that opens while others ring
    world.open(6, "bob");
    world.pass(limits::CALL_OFFER_REPEAT);
    world.expect(6, &["Offer x ann 1", "IceCandidate x ann 2"]);
    world.ask(1, "bob", "x", HANG_UP);
    world.deliver_all();
    world.seen.clear();
    // so is one whose response was lost; it rings once
    world.ask(5, "bob", "y", signal(OFFER, "1"));
    let offer = world.flying.pop_front().unwrap();
    world.deliver(&offer);
    world.flying.clear();
    world.pass(limits::CALL_OFFER_REPEAT);
    world.expect(3, &["Offer y carol 1"]);
    world.expect(5, &["done 4"]);
}

#[test]
fn held_candidates_are_bounded() {
    let mut world = three_users();
    world.ask(1, "bob", "x", signal(OFFER, "1"));
    world.deliver_all();
    for _ in 0..=limits::CALL_CANDIDATES_HELD_MAX {
        world.ask(3, "ann", "x", signal(ICE, "2"));
    }
    let long = format!("\"{}\"", "x".repeat(limits::CALL_CANDIDATES_HELD_BYTES_MAX));
    world.ask(4, "ann", "x", signal(ICE, &long));
    world.ask(4, "ann", "x", signal(ICE, "3"));
    world.seen.clear();
    world.ask(3, "ann", "x", signal(ANSWER, "4"));
    world.deliver_all();
    assert_eq!(world.seen[&1].len(), 1 + limits::CALL_CANDIDATES_HELD_MAX);
}

#[test]
fn a_connected_call_can_be_renegotiated_by_both() {
    let mut world = connected();
    for (by, to, target, name) in [(1, 3, "bob", "ann"), (3, 1, "ann", "bob")] {
        world.ask(by, target, "x", signal(OFFER, "7"));
        world.deliver_all();
        world.expect(to, &[&format!("Offer x {name} 7")]);
        world.ask(to, name, "x", signal(ANSWER, "8"));
        world.deliver_all();
        assert_eq!(world.seen[&by][1], format!("Answer x {target} 8"));
        world.seen.clear();
    }
    world.expect_nothing(&[2, 4, 5]);
}

#[test]
fn a_user_in_a_call_is_busy_except_for_calls_with_the_same_id() {
    let mut world = connected();
    world.ask(5, "ann", "y", signal(OFFER, "1"));
    world.deliver_all();
    let seen = world.seen.remove(&5).unwrap();
    assert!(seen[0].starts_with("done"));
    assert_eq!(seen[1..], ["ended y ann busy"]);
    assert_eq!(world.seen.remove(&2).unwrap(), ["Offer y carol 1", "ended y carol cancelled"]);
    world.expect_nothing(&[1]);
    world.ask(5, "ann", "x", signal(OFFER, "1"));
    world.deliver_all();
    world.expect(1, &["Offer x carol 1"]);
    world.ask(1, "carol", "x", signal(ANSWER, "2"));
    world.deliver_all();
    assert_eq!(world.seen[&5][1], "Answer x ann 2");
}

#[test]
fn a_call_that_reaches_nobody_is_refused() {
    let mut world = World::new(&[(1, "ann")]);
    world.ask(1, "bob", "x", signal(OFFER, "1"));
    world.pass(limits::CALL_CONFIRM_WAIT - Duration::from_millis(1));
    world.expect(1, &[]);
    world.pass(Duration::from_millis(1));
    world.expect(1, &["refused 1 unreached"]);
    world.ask(1, "bob", "x", signal(OFFER, "1"));
    let key = CallKey { caller: socket(1), serial: 2 };
    world.act(1, |calls, _| calls.unreachable(key));
    world.act(1, |calls, _| calls.unreachable(key));
    world.expect(1, &["refused 2 unreached"]);
    assert!(world.sockets[&1].1.is_empty());
}

#[test]
fn ringing_ends_on_both_sides_when_nobody_answers() {
    let mut world = three_users();
    world.ask(1, "bob", "x", signal(OFFER, "1"));
    world.pass(RING - Duration::from_millis(1));
    assert_eq!(world.seen[&3], ["Offer x ann 1"], "it is shown once, though it is sent again");
    world.seen.clear();
    world.pass(Duration::from_millis(1));
    world.expect(1, &["ended x bob timeout"]);
    world.expect(3, &["ended x ann timeout"]);
    world.expect(4, &["ended x ann timeout"]);
}

/// Both offers are sent before either arrives; they arrive in either order.
#[test]
fn of_two_calls_that_cross_the_same_one_wins_on_both_sides() {
    for reversed in [false, true] {
        let mut world = World::new(&[(1, "ann"), (3, "bob")]);
        world.ask(1, "bob", "a", signal(OFFER, "1"));
        world.ask(3, "ann", "b", signal(OFFER, "2"));
        if reversed {
            world.flying.swap(0, 1);
        }
        world.deliver_all();
        world.expect(1, &["done 1"]);
        let bob = world.seen.remove(&3).unwrap();
        assert_eq!(bob, ["done 2", "ended b ann crossed", "Offer a ann 1"], "reversed: {reversed}");
        world.ask(3, "ann", "a", signal(ANSWER, "3"));
        world.deliver_all();
        world.expect(1, &["Answer a bob 3"]);
    }
}

#[test]
fn an_answer_that_crosses_a_hang_up_connects_nothing() {
    let mut world = three_users();
    world.ask(1, "bob", "x", signal(OFFER, "1"));
    world.deliver_all();
    world.seen.clear();
    world.ask(3, "ann", "x", signal(ANSWER, "2"));
    world.ask(1, "bob", "x", HANG_UP);
    world.deliver_all();
    world.expect(1, &["done 3"]);
    world.expect(3, &["refused 2 NoSuchCall", "ended x ann cancelled"]);
    assert!(world.sockets.values().all(|(_, calls)| calls.is_empty()));
}

#[test]
fn a_call_ends_with_the_socket_that_began_or_answered_it() {
    for (closing, other, name) in [(1, 3, "ann"), (3, 1, "bob")] {
        let mut world = connected();
        world.close(closing);
        world.deliver_all();
        world.expect(other, &[&format!("ended x {name} disconnected")]);
    }
    let mut world = three_users();
    world.ask(1, "bob", "x", signal(OFFER, "1"));
    world.deliver_all();
    world.seen.clear();
    world.close(4);
    world.deliver_all();
    world.expect_nothing(&[1, 3]);
    world.close(3);
    world.deliver_all();
    world.expect(1, &["ended x bob disconnected"]);
}

#[test]
fn a_side_that_vanishes_without_a_message_ends_the_call_at_the_second_check() {
    for (vanishing, other, name) in [(1, 3, "ann"), (3, 1, "bob")] {
        let mut world = connected();
        world.sockets.remove(&vanishing);
        world.pass(limits::CALL_CHECK_PERIOD * 2 - Duration::from_millis(1));
        world.expect(other, &[]);
        world.pass(Duration::from_millis(1));
        world.expect(other, &[&format!("ended x {name} disconnected")]);
    }
}

#[test]
fn the_end_of_a_call_is_learned_though_its_message_is_lost() {
    let mut world = connected();
    world.ask(3, "ann", "x", HANG_UP);
    world.flying.clear();
    world.pass(limits::CALL_CHECK_PERIOD * limits::CALL_CHECKS_PER_PROBE);
    world.expect(1, &["ended x bob hangup"]);
    world.ask(1, "bob", "x", signal(OFFER, "1"));
    world.deliver_all();
    world.seen.clear();
    world.ask(1, "bob", "x", HANG_UP);
    world.flying.clear();
    world.pass(limits::CALL_CHECK_PERIOD * limits::CALL_CHECKS_PER_PROBE);
    world.expect(3, &["ended x ann cancelled"]);
}

#[test]
fn an_answer_that_the_caller_does_not_confirm_ends_the_call() {
    let mut world = three_users();
    world.ask(1, "bob", "x", signal(OFFER, "1"));
    world.deliver_all();
    world.seen.clear();
    world.sockets.remove(&1);
    world.ask(3, "ann", "x", signal(ANSWER, "2"));
    world.pass(limits::CALL_CONFIRM_WAIT);
    world.expect(3, &["refused 2 CallerGone", "ended x ann disconnected"]);
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut world = three_users();
    world.ask(1, "ann", "x", signal(OFFER, "1"));
    world.expect(1, &["refused 1 Oneself"]);
    world.ask(1, "bob", "x", signal(ANSWER, "1"));
    world.ask(1, "bob", "x", signal(ICE, "1"));
    world.ask(1, "bob", "x", HANG_UP);
    world.expect(1, &["refused 2 NoSuchCall", "refused 3 NoSuchCall", "refused 4 NoSuchCall"]);
    world.ask(1, "bob", "x", signal(OFFER, "1"));
    world.deliver_all();
    world.seen.clear();
    world.ask(1, "bob", "x", signal(OFFER, "1"));
    world.ask(1, "bob", "x", signal(ANSWER, "1"));
    world.expect(1, &["refused 6 Exists", "refused 7 OwnCall"]);
    world.ask(3, "ann", "x", signal(OFFER, "1"));
    world.ask(3, "ann", "y", signal(OFFER, "1"));
    world.expect(3, &["refused 8 TargetCalls", "refused 9 TargetCalls"]);
    world.ask(3, "ann", "x", signal(ANSWER, "1"));
    world.ask(3, "ann", "x", signal(ANSWER, "1"));
    world.expect(3, &["refused 11 Answered"]);
    for n in 0..limits::CALLS_PER_SOCKET_MAX {
        world.ask(5, "bob", &n.to_string(), signal(OFFER, "1"));
    }
    world.ask(5, "bob", "one more", signal(OFFER, "1"));
    assert!(world.seen[&5].last().unwrap().ends_with("TooMany"));
}

#[test]
fn a_message_between_nodes_is_read_as_it_was_written() {
    let mut world = three_users();
    world.ask(1, "bob", "x", signal(OFFER, "{\"sdp\":\"v=0\"}"));
    let message = world.flying.pop_front().unwrap();
    let text = serde_json::to_string(&message).unwrap();
    assert_eq!(serde_json::from_str::<CallMessage>(&text).unwrap(), message, "{text}");
    assert_eq!(serde_json::to_string(&CallNews::Rings).unwrap(), "\"rings\"");
    assert_eq!(serde_json::to_string(&CallEnd::AnsweredElsewhere).unwrap(), "\"answered_elsewhere\"");
}
