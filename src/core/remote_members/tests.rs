//! Nodes that exchange the members of a room over a network that loses, duplicates and delays messages. They must agree
//! once their messages arrive, and each node must learn of every join and leave exactly once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fastrand::Rng;

use super::*;
use crate::core::simulation::simulate;

fn author(name: &str) -> Author {
    Author::new(UserId::new(name).unwrap(), name)
}

fn names(users: &[Author]) -> Vec<&str> {
    users.iter().map(|author| author.id.as_str()).collect()
}

const HERE: NodeId = NodeId(1);
const THERE: NodeId = NodeId(2);
const NOW: Timestamp = Timestamp { unix_ms: 1_000_000 };

#[test]
fn a_diff_that_follows_is_taken_and_one_that_does_not_is_asked_about_once() {
    let mut own = OwnPart::new(7, Others::Some);
    let mut elsewhere = RemoteMembers::new(HERE);
    own.came(&author("ann"));
    for diff in own.take_diffs() {
        assert_eq!(names(&elsewhere.receive(THERE, diff.clone(), NOW).came), ["ann"]);
        assert_eq!(elsewhere.receive(THERE, diff, NOW), MembershipChange::default(), "twice it changes nothing");
    }
    own.came(&author("bob"));
    own.take_diffs();
    own.went(&author("ann").id);
    let missed = own.take_diffs().remove(0);
    assert_eq!(elsewhere.receive(THERE, missed.clone(), NOW).ask, Some(THERE));
    assert_eq!(elsewhere.receive(THERE, missed, NOW).ask, None);
    assert!(elsewhere.unanswered(NOW).is_empty());
    assert_eq!(elsewhere.unanswered(NOW.plus_ms(1_000)), [THERE]);
    let answer = own.whole(vec![author("bob")]).remove(0);
    let consequence = elsewhere.receive(THERE, answer, NOW);
    assert_eq!((names(&consequence.came), names(&consequence.went)), (vec!["bob"], vec!["ann"]));
    assert!(!elsewhere.is_asking());
}

#[test]
fn somebody_on_two_nodes_comes_once_and_goes_once() {
    let mut elsewhere = RemoteMembers::new(HERE);
    let diff =
        |version, joined, left| MembershipMessage::Diff { incarnation: 1, version, joined, left, dropped: vec![] };
    assert_eq!(elsewhere.receive(THERE, diff(1, vec![author("ann")], vec![]), NOW).came.len(), 1);
    assert!(elsewhere.receive(NodeId(3), diff(1, vec![author("ann")], vec![]), NOW).came.is_empty());
    assert!(elsewhere.receive(THERE, diff(2, vec![], vec![author("ann").id]), NOW).went.is_empty());
    assert_eq!(names(&elsewhere.peer_gone(NodeId(3)).went), ["ann"]);
}

#[test]
fn whoever_goes_and_comes_back_between_two_diffs_makes_no_noise() {
    let mut own = OwnPart::new(7, Others::Some);
    own.came(&author("ann"));
    own.take_diffs();
    own.went(&author("ann").id);
    own.came(&author("ann"));
    own.came(&author("bob"));
    own.went(&author("bob").id);
    assert!(own.take_diffs().is_empty());
}

#[test]
fn where_nobody_listens_nothing_is_kept() {
    let mut own = OwnPart::new(7, Others::None);
    own.came(&author("ann"));
    own.went(&author("bob").id);
    assert!(!own.has_diffs() && own.take_diffs().is_empty());
}

#[test]
fn a_crowd_is_told_in_pieces_and_counts_only_when_it_is_whole() {
    let crowd: Vec<Author> = (0..2_500).map(|n| author(&n.to_string())).collect();
    let mut own = OwnPart::new(7, Others::Some);
    crowd.iter().for_each(|user| own.came(user));
    assert_eq!(own.take_diffs().len(), 3);
    let pieces = own.whole(crowd);
    let mut elsewhere = RemoteMembers::new(HERE);
    for piece in [0, 1, 0, 2] {
        assert!(elsewhere.receive(THERE, pieces[piece].clone(), NOW).came.is_empty(), "a piece is missing");
    }
    let came: usize = pieces.into_iter().map(|piece| elsewhere.receive(THERE, piece, NOW).came.len()).sum();
    assert_eq!(came, 2_500);
    assert_eq!(elsewhere.users().count(), 2_500);
}

#[test]
fn a_hello_is_answered_and_an_empty_part_needs_no_question() {
    let mut elsewhere = RemoteMembers::new(HERE);
    let mut own = OwnPart::new(7, Others::Some);
    let consequence = elsewhere.receive(THERE, own.hello(), NOW);
    assert_eq!((consequence.answer, consequence.ask), (Answer::Whole, None), "it has just begun");
    assert_eq!(elsewhere.known(), 1);
    own.came(&author("ann"));
    own.take_diffs();
    let consequence = elsewhere.receive(THERE, own.hello(), NOW);
    assert_eq!((consequence.answer, consequence.ask), (Answer::Digest, Some(THERE)), "it was deaf for a while");
    assert_eq!(elsewhere.receive(THERE, MembershipMessage::Ask { of: HERE }, NOW).answer, Answer::Whole);
    assert_eq!(elsewhere.receive(THERE, MembershipMessage::Ask { of: NodeId(9) }, NOW).answer, Answer::Nothing);
}

#[test]
fn the_last_word_of_a_life_does_not_end_the_next_one() {
    let mut elsewhere = RemoteMembers::new(HERE);
    let mut next = OwnPart::new(8, Others::Some);
    next.came(&author("ann"));
    let diff = next.take_diffs().remove(0);
    elsewhere.receive(THERE, diff, NOW);
    assert!(elsewhere.receive(THERE, OwnPart::new(7, Others::Some).gone(), NOW).went.is_empty());
    assert_eq!(names(&elsewhere.receive(THERE, next.gone(), NOW).went), ["ann"]);
}

// ---- many nodes ----

/// One node: its own part, what it knows of the others, and what was announced to its members.
struct Side {
    node: NodeId,
    own: OwnPart,
    here: BTreeMap<String, Author>,
    elsewhere: RemoteMembers,
    /// users of other nodes who were announced as joined and not as left
    told: BTreeSet<String>,
}

impl Side {
    fn new(node: u64, rng: &mut Rng) -> Side {
        let node = NodeId(node);
        let own = OwnPart::new(rng.u64(..), Others::Some);
        Side { node, own, here: BTreeMap::new(), elsewhere: RemoteMembers::new(node), told: BTreeSet::new() }
    }

    fn receive(&mut self, from: NodeId, message: MembershipMessage, now: Timestamp) -> Vec<MembershipMessage> {
        let consequence = self.elsewhere.receive(from, message, now);
        let mut say: Vec<MembershipMessage> =
            consequence.ask.map(|of| MembershipMessage::Ask { of }).into_iter().collect();
        match consequence.answer {
            Answer::Nothing => {}
            Answer::Digest => say.push(self.own.digest()),
            Answer::Whole => {
                say.extend(self.own.take_diffs());
                say.extend(self.own.whole(self.here.values().cloned().collect()));
            }
        }
        self.tell(consequence.came, consequence.went);
        say
    }

    fn tell(&mut self, came: Vec<Author>, went: Vec<Author>) {
        for author in came {
            assert!(self.told.insert(author.id.to_string()), "{} came twice", author.id);
        }
        for author in went {
            assert!(self.told.remove(author.id.as_str()), "{} went without having come", author.id);
        }
    }
}

struct World {
    sides: Vec<Side>,
    /// messages in transit: the sender, the index of the receiver
    line: VecDeque<(NodeId, usize, MembershipMessage)>,
    now: Timestamp,
    nodes_made: u64,
}

impl World {
    fn say(&mut self, from: usize, messages: Vec<MembershipMessage>, lost_percent: u32, rng: &mut Rng) {
        let node = self.sides[from].node;
        for message in messages {
            for to in (0..self.sides.len()).filter(|to| *to != from) {
                if rng.u32(0..100) >= lost_percent {
                    self.line.push_back((node, to, message.clone()));
                }
            }
        }
    }

    fn deliver(&mut self, lost_percent: u32, rng: &mut Rng) {
        if let Some((from, to, message)) = self.line.pop_front()
            && self.sides.iter().any(|side| side.node == from)
        {
            let answer = self.sides[to].receive(from, message, self.now);
            self.say(to, answer, lost_percent, rng);
        }
    }

    fn step(&mut self, rng: &mut Rng) {
        const LOST_PERCENT: u32 = 15;
        let at = rng.usize(0..self.sides.len());
        self.now = self.now.plus_ms(rng.i64(0..100));
        match rng.u32(0..100) {
            0..30 => {
                let user = author(&rng.u32(0..12).to_string());
                let side = &mut self.sides[at];
                if side.here.remove(user.id.as_str()).is_some() {
                    side.own.went(&user.id);
                } else {
                    side.own.came(&user);
                    side.here.insert(user.id.to_string(), user);
                }
            }
            30..50 => {
                let diffs = self.sides[at].own.take_diffs();
                self.say(at, diffs, LOST_PERCENT, rng);
            }
            50..55 => {
                let digest = self.sides[at].own.digest();
                self.say(at, vec![digest], LOST_PERCENT, rng);
            }
            55..57 => self.restart(at, rng),
            _ => self.deliver(LOST_PERCENT, rng),
        }
    }

    /// A node crashes, the others detect it, and another one takes its place.
    fn restart(&mut self, at: usize, rng: &mut Rng) {
        self.nodes_made += 1;
        let dead = std::mem::replace(&mut self.sides[at], Side::new(self.nodes_made, rng)).node;
        self.line.retain(|(from, to, _)| *from != dead && *to != at);
        for side in self.sides.iter_mut().filter(|side| side.node != dead) {
            let consequence = side.elsewhere.peer_gone(dead);
            side.tell(consequence.came, consequence.went);
        }
        let hello = self.sides[at].own.hello();
        self.say(at, vec![hello], 0, rng);
    }

    /// The network is reliable again: the state of every node must become correct.
    fn settle(&mut self, rng: &mut Rng) {
        for _ in 0..3 {
            self.now = self.now.plus_ms(5_000);
            for at in 0..self.sides.len() {
                let mut messages = self.sides[at].own.take_diffs();
                messages.push(self.sides[at].own.hello());
                let asks = self.sides[at].elsewhere.unanswered(self.now);
                messages.extend(asks.into_iter().map(|of| MembershipMessage::Ask { of }));
                self.say(at, messages, 0, rng);
            }
            while !self.line.is_empty() {
                self.deliver(0, rng);
            }
        }
    }

    fn check(&self) {
        for side in &self.sides {
            let others = self.sides.iter().filter(|other| other.node != side.node);
            let truth: BTreeSet<String> = others.flat_map(|other| other.here.keys().cloned()).collect();
            let known: BTreeSet<String> = side.elsewhere.users().map(|author| author.id.to_string()).collect();
            assert_eq!(known, truth, "what {} knows", side.node);
            assert_eq!(side.told, truth, "what the members on {} were told", side.node);
            assert!(!side.elsewhere.is_asking());
        }
    }
}

#[test]
fn nodes_agree_once_their_words_get_through() {
    simulate(200, |rng| {
        let sides = (1..=3).map(|node| Side::new(node, rng)).collect();
        let mut world = World { sides, line: VecDeque::new(), now: NOW, nodes_made: 3 };
        for _ in 0..rng.usize(50..600) {
            world.step(rng);
        }
        world.settle(rng);
        world.check();
    });
}
