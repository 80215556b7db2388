//! Simulates a room with a log, a network and clients that connect and disconnect. The log numbers the events; the
//! network loses, duplicates and reorders them; gaps and long absences are read from the log with a delay, while the
//! room continues. A client must see every event once and in order, unless it was told that it cannot recover.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use super::{
    tests::{BOUNDS, EPOCH, Entry, entry, room, seqs},
    *,
};
use crate::core::simulation::simulate;

/// A client: the last event that it saw and what it may expect next.
struct Client {
    user: Author,
    socket: Option<u32>,
    last: Option<(Seq, Epoch)>,
    /// number of events it saw in total
    seen: usize,
}

/// A socket that is admitted after a read of the log.
struct Waiting {
    client: usize,
    socket: u32,
    events: Vec<i64>,
    up_to: Seq,
}

struct World {
    room: RoomCore<u32, Entry>,
    /// the last event in the log
    log: i64,
    /// events before this one are no longer in the log
    log_from: i64,
    in_flight: Vec<i64>,
    clients: Vec<Client>,
    /// sockets that receive live events, with their clients
    live: BTreeMap<u32, usize>,
    waiting: Vec<Waiting>,
    sockets_made: u32,
    incomplete: usize,
    from_store: usize,
    evicted: usize,
}

/// The number of events returned by one read of the log.
const READ_MAX: usize = 6;

impl World {
    fn new() -> World {
        let client = |n: usize| {
            let name = (n / 2).to_string();
            let user = Author::new(UserId::new(name.as_str()).unwrap(), name);
            Client { user, socket: None, last: None, seen: 0 }
        };
        World {
            room: room(0, EPOCH),
            log: 0,
            log_from: 1,
            in_flight: Vec::new(),
            clients: (0..8).map(client).collect(),
            live: BTreeMap::new(),
            waiting: Vec::new(),
            sockets_made: 0,
            incomplete: 0,
            from_store: 0,
            evicted: 0,
        }
    }

    fn step(&mut self, rng: &mut Rng) {
        match rng.u32(0..1_000) {
            0..300 => self.append(rng),
            300..650 => self.arrive(rng),
            650..700 => self.read_gap(),
            700..860 => self.toggle(rng),
            860..990 => self.finish_read(rng),
            990..995 => self.log_from = self.log_from.max(self.log - rng.i64(4..15)),
            995..997 => self.restart(self.room.epoch()),
            997 => self.move_on(rng),
            _ => self.restart(Epoch(self.room.epoch().0 + rng.i64(0..2))),
        }
        self.check();
    }

    /// An event is stored and published; the network may duplicate or lose it.
    fn append(&mut self, rng: &mut Rng) {
        self.log += 1;
        for _ in 0..[0, 1, 1, 1, 1, 1, 1, 2][rng.usize(0..8)] {
            self.in_flight.push(self.log);
        }
    }

    fn arrive(&mut self, rng: &mut Rng) {
        if self.in_flight.is_empty() {
            return;
        }
        let nearby = rng.usize(0..self.in_flight.len().min(6));
        let seq = self.in_flight.remove(nearby);
        let ready = self.room.commit(entry(seq));
        self.deliver(seqs(ready));
    }

    fn read_gap(&mut self) {
        let Some(missing) = self.room.missing() else { return };
        let (first, last) = (missing.start().0, missing.end().0);
        assert!(last <= self.log, "nothing is missing that does not exist");
        // the log answers in order, from the first event it still has, and with a bounded number of events
        let read = (first.max(self.log_from)..=last).take(READ_MAX).map(entry).collect();
        let GapClosed { lost, ready } = self.room.close_gap(missing, read);
        if lost.is_some() {
            // present members are evicted before anything else is delivered
            self.evicted += self.live.len();
            self.live.keys().copied().collect::<Vec<_>>().into_iter().for_each(|socket| self.part(socket));
        }
        self.deliver(seqs(ready));
    }

    fn deliver(&mut self, events: Vec<i64>) {
        for client in self.live.values() {
            self.clients[*client].see(&events);
        }
    }

    /// A client connects or disconnects.
    fn toggle(&mut self, rng: &mut Rng) {
        let at = rng.usize(0..self.clients.len());
        if let Some(socket) = self.clients[at].socket {
            return self.part(socket);
        }
        self.sockets_made += 1;
        let socket = self.sockets_made;
        self.clients[at].socket = Some(socket);
        if rng.u8(0..8) == 0 {
            self.clients[at].last = None;
        }
        self.ask(Waiting { client: at, socket, events: Vec::new(), up_to: Seq(0) }, self.clients[at].last);
    }

    fn part(&mut self, socket: u32) {
        let owner = self.live.remove(&socket);
        self.waiting.retain(|waiting| waiting.socket != socket);
        for client in self.clients.iter_mut().filter(|client| client.socket == Some(socket)) {
            client.socket = None;
        }
        assert_eq!(self.room.leave(socket).is_some(), owner.is_some());
        assert_eq!(self.room.leave(socket), None, "a late leave finds nothing");
    }

    /// Asks the room for the missed events; admits the socket unless the log has to be read first.
    fn ask(&mut self, mut waiting: Waiting, since: Option<(Seq, Epoch)>) {
        let client = &mut self.clients[waiting.client];
        match self.room.replay(since) {
            Replay::None => client.last = Some((self.room.head(), self.room.epoch())),
            Replay::FromMemory(events) => {
                waiting.events.extend(seqs(events));
                client.see(&waiting.events);
                assert_eq!(client.last, Some((self.room.head(), self.room.epoch())));
            }
            Replay::FromStore { after, up_to } => {
                self.from_store += 1;
                waiting.events.extend((after.0 + 1..=up_to.0).filter(|seq| *seq >= self.log_from));
                waiting.up_to = up_to;
                self.waiting.push(waiting);
                return;
            }
            Replay::Ahead => {
                // published on another node and not received here yet, but in the log
                let log = self.log;
                assert!(since.is_some_and(|(since, _)| since.0 <= log), "nobody saw what was not stored");
                self.room.note_head(Seq(log));
                while self.room.missing().is_some() {
                    self.read_gap();
                }
                return self.ask(waiting, since);
            }
            Replay::Incomplete => {
                self.incomplete += 1;
                assert!(client.is_beyond_help(&self.room) || !waiting.events.is_empty());
                client.last = Some((self.room.head(), self.room.epoch()));
            }
        }
        self.live.insert(waiting.socket, waiting.client);
        let outcome = self.room.join(waiting.socket, &client.user);
        assert_eq!(outcome.already, Already::No);
    }

    /// A read of the log completes; the room may have advanced meanwhile.
    fn finish_read(&mut self, rng: &mut Rng) {
        if self.waiting.is_empty() {
            return;
        }
        let mut waiting = self.waiting.swap_remove(rng.usize(0..self.waiting.len()));
        let Some((last, epoch)) = self.clients[waiting.client].last else { panic!("it asked since something") };
        if waiting.events.len() as i64 != waiting.up_to.0 - last.0 {
            // the log was trimmed during the read: the client is told that its recovery is incomplete
            self.incomplete += 1;
            waiting.events.clear();
            self.clients[waiting.client].last = None;
            return self.ask(waiting, None);
        }
        // keeps the events in memory for the next client
        self.room.restore_history(&waiting.events.iter().map(|seq| entry(*seq)).collect::<Vec<_>>());
        let since = Some((waiting.up_to, epoch));
        self.ask(waiting, since);
    }

    /// The room is dropped and loaded again; with another epoch the log starts again.
    fn restart(&mut self, epoch: Epoch) {
        self.live.keys().copied().collect::<Vec<_>>().into_iter().for_each(|socket| self.part(socket));
        self.waiting.iter().map(|waiting| waiting.socket).collect::<Vec<_>>().into_iter().for_each(|s| self.part(s));
        if epoch != self.room.epoch() {
            (self.log, self.log_from) = (0, 1);
            self.in_flight.clear();
        }
        self.room = room(self.log, epoch);
    }

    /// All clients move to another node, whose room has not received the last events yet.
    fn move_on(&mut self, rng: &mut Rng) {
        self.restart(self.room.epoch());
        let behind = rng.i64(0..4).min(self.log + 1 - self.log_from);
        self.room = room(self.log - behind, self.room.epoch());
    }

    fn check(&self) {
        let here = |client: &Client| client.socket.is_some_and(|socket| self.live.contains_key(&socket));
        let users = self.clients.iter().filter(|client| here(client)).map(|client| &client.user.id);
        let online = self.room.online().map(|user| &user.id).collect::<Vec<_>>();
        assert_eq!(online.len(), self.room.users());
        assert_eq!(online.into_iter().collect::<BTreeSet<_>>(), users.collect());
        assert_eq!(self.room.sockets(), self.live.len());
        for (socket, client) in &self.live {
            let client = &self.clients[*client];
            assert!(self.room.sockets_of(&client.user.id).contains(socket));
            assert_eq!(client.last, Some((self.room.head(), self.room.epoch())), "everybody here has seen all");
        }
    }

    /// Everything arrives and every gap is filled: the members have the whole log.
    fn settle(&mut self, rng: &mut Rng) {
        self.room.note_head(Seq(self.log));
        while !self.in_flight.is_empty() || !self.waiting.is_empty() || self.room.missing().is_some() {
            self.arrive(rng);
            self.read_gap();
            self.finish_read(rng);
            self.check();
        }
    }
}

impl Client {
    fn see(&mut self, events: &[i64]) {
        for seq in events {
            let Some((last, _)) = &mut self.last else { panic!("it was told nothing about the room") };
            assert_eq!(*seq, last.0 + 1, "each once and in order");
            *last = Seq(*seq);
            self.seen += 1;
        }
    }

    /// Whether the protocol allows an incomplete recovery here.
    fn is_beyond_help(&self, room: &RoomCore<u32, Entry>) -> bool {
        let Some((last, epoch)) = self.last else { return false };
        epoch != room.epoch() || last > room.head() || room.head().0 - last.0 > BOUNDS.events_max as i64
    }
}

#[test]
fn every_member_sees_every_event_once_and_in_order() {
    let (mut seen, mut incomplete, mut from_store, mut evicted) = (0, 0, 0, 0);
    simulate(60, |rng| {
        let mut world = World::new();
        for _ in 0..1_500 {
            world.step(rng);
        }
        world.settle(rng);
        seen += world.clients.iter().map(|client| client.seen).sum::<usize>();
        incomplete += world.incomplete;
        from_store += world.from_store;
        evicted += world.evicted;
    });
    assert!(
        seen > 0
            && (std::env::var_os("CONVENE_SEED").is_some() || (incomplete > 30 && from_store > 30 && evicted > 30))
    );
}
