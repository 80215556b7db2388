//! Simulates users who call each other from several sockets over a network that delays messages differently on each way
//! and loses some, while sockets open, close and vanish. When all is quiet, both sides of every call must agree, every
//! request must have been answered once, and every client must have been told the end of what it was offered.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::{
    tests::{ANSWER, HANG_UP, ICE, OFFER, RING, World, signal, socket},
    *,
};
use crate::core::simulation::simulate;

const USERS: [&str; 3] = ["ann", "bob", "carol"];
const IDS: [&str; 2] = ["x", "y"];

struct Simulation {
    world: World,
    opened: u64,
    /// In percent.
    loss: u32,
}

impl Simulation {
    fn step(&mut self, rng: &mut Rng) {
        match rng.u32(0..100) {
            0..40 => self.request(rng),
            40..85 => self.arrive(rng),
            85..92 => {
                self.world.now += Duration::from_millis(rng.u64(1..3_000));
                self.tick();
            }
            92..96 if self.world.sockets.len() < 8 => {
                self.opened += 1;
                let name = USERS[rng.usize(..USERS.len())];
                self.world.open(self.opened, name);
            }
            96..98 if self.world.sockets.len() > 2 => {
                let n = self.any_socket(rng);
                self.world.close(n);
                self.world.seen.remove(&n);
            }
            98..100 if self.world.sockets.len() > 2 => {
                let n = self.any_socket(rng);
                self.world.sockets.remove(&n);
                self.world.seen.remove(&n);
            }
            _ => {}
        }
    }

    fn any_socket(&self, rng: &mut Rng) -> u64 {
        let sockets: Vec<u64> = self.world.sockets.keys().copied().collect();
        sockets[rng.usize(..sockets.len())]
    }

    fn request(&mut self, rng: &mut Rng) {
        let n = self.any_socket(rng);
        let (target, id) = (USERS[rng.usize(..USERS.len())], IDS[rng.usize(..IDS.len())]);
        let request = match rng.u32(0..10) {
            0..3 => signal(OFFER, "1"),
            3..6 => signal(ANSWER, "2"),
            6..8 => signal(ICE, "3"),
            _ => HANG_UP,
        };
        let lines = self.world.seen.entry(n).or_default();
        lines.push(format!("asks {}", self.world.asked + 1));
        if request == HANG_UP {
            lines.push(format!("hangs {id} {target}"));
        }
        self.world.ask(n, target, id, request);
    }

    /// One of the messages arrives, or is lost. Messages from one socket to one user keep their order.
    fn arrive(&mut self, rng: &mut Rng) {
        let flying = &mut self.world.flying;
        if flying.is_empty() {
            return;
        }
        let chosen = &flying[rng.usize(..flying.len())];
        let way = (chosen.socket, chosen.user.clone());
        let first = flying.iter().position(|message| (message.socket, message.user.clone()) == way).unwrap();
        let message = flying.remove(first).unwrap();
        if rng.u32(0..100) >= self.loss {
            self.world.deliver(&message);
        }
    }

    fn tick(&mut self) {
        let due: Vec<u64> = self.world.sockets.keys().copied().collect();
        for n in due {
            if self.world.sockets[&n].1.next_deadline().is_some_and(|at| at <= self.world.now) {
                self.world.act(n, SocketCalls::tick);
            }
        }
    }

    fn check(&mut self) {
        self.world.pass(RING + limits::CALL_RING_SLACK + limits::CALL_CHECK_PERIOD * limits::CALL_CHECKS_PER_PROBE * 3);
        assert!(self.world.sockets.values().all(|(_, calls)| calls.calls.iter().all(Call::is_settled)));
        let mut connected = BTreeSet::new();
        for (n, (_, calls)) in &self.world.sockets {
            for call in &calls.calls {
                let Stage::Connected { with } = call.stage else { unreachable!() };
                let (_, other) = self.world.sockets.get(&with.node.0).expect("the other side exists");
                let same = other.calls.iter().find(|theirs| theirs.key == call.key).expect("it knows the call");
                assert!(matches!(same.stage, Stage::Connected { with } if with == socket(*n)), "both agree");
                connected.insert((call.key.caller, call.key.serial));
            }
        }
        let sides: usize = self.world.sockets.values().map(|(_, calls)| calls.calls.len()).sum();
        assert_eq!(sides, connected.len() * 2, "each call has two sides");
        for (n, lines) in &self.world.seen {
            let (_, calls) = &self.world.sockets[n];
            let connected = calls.calls.iter().map(|call| (call.id.as_str(), call.peer.id.as_str()));
            check_client(lines, &connected.collect());
        }
    }
}

impl Call {
    fn is_settled(&self) -> bool {
        matches!(self.stage, Stage::Connected { .. })
    }
}

/// Requests are answered once, and each offer has ended or belongs to a connected call.
fn check_client(lines: &[String], connected: &BTreeSet<(&str, &str)>) {
    let (mut asked, mut answered) = (BTreeSet::new(), BTreeSet::new());
    let mut open: BTreeSet<(&str, &str)> = BTreeSet::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["done", tag] | ["refused", tag, _] => assert!(answered.insert(tag), "{tag} twice in {lines:?}"),
            ["asks", tag] => assert!(asked.insert(tag)),
            ["ended", id, with, _] | ["hangs", id, with] => {
                open.remove(&(id, with));
            }
            ["Offer", id, with, _] => {
                open.insert((id, with));
            }
            ["Answer" | "IceCandidate", ..] => {}
            _ => panic!("{line}"),
        }
    }
    assert_eq!(answered, asked, "{lines:?}");
    assert!(open.is_subset(connected), "{open:?} of {connected:?}: {lines:?}");
}

#[test]
fn both_sides_agree_when_all_is_quiet() {
    let mut connected = 0;
    simulate(400, |rng| {
        let world = World::new(&[(1, "ann"), (2, "ann"), (3, "bob"), (4, "bob"), (5, "carol")]);
        let mut simulation = Simulation { world, opened: 5, loss: if rng.bool() { 0 } else { 10 } };
        for _ in 0..rng.usize(20..300) {
            simulation.step(rng);
        }
        let asked = simulation.world.asked;
        simulation.check();
        let open = simulation.world.sockets.values().map(|(_, calls)| calls.calls.len()).sum::<usize>();
        connected += open;
        assert!(asked > 0);
    });
    assert!(connected > 0 || std::env::var("CONVENE_SEED").is_ok(), "no run left a call");
}
