//! Writes the broadcasts of rooms to the sockets of one worker thread. It knows which connections of its thread are in
//! which room, batches frames where that pays off, and runs the thread's only sweep. It must never decide who may be in
//! a room: it executes the messages of rooms in their order.

use std::{
    future::Future,
    mem,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task,
    time::{Duration, Instant},
};

use actix::{fut::ActorFuture, prelude::*};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::time::{Sleep, sleep_until};

use super::{
    fanout::{Batch, Broadcast, Direct, Opening, reply_frame},
    messages::{Drain, HubMessage, Quiesce, WorkerUp},
    outbox::{Bound, CloseMode, ConnKey, Outbox},
    worker::Worker,
};
use crate::{
    core::{
        backlog::Frame,
        command::Tag,
        cork::Cork,
        event::{Listener, Reply},
        history::Logged,
        presence_pace::PresencePace,
        room::Already,
    },
    disconnect::Disconnect,
    ids::{Area, NodeId, RoomId},
    limits,
    logged::logged,
};

/// The actor. One per worker.
pub struct Hub {
    worker: Rc<Worker>,
    rooms: FxHashMap<RoomId, LocalRoom>,
    /// Rooms with frames that are not written yet.
    dirty: Vec<RoomId>,
    /// Sockets with openings that are not flushed yet. They are flushed before the newcomer's join is announced to
    /// others.
    opened: Vec<Rc<Outbox>>,
    /// Sockets with direct frames that are not flushed yet.
    touched: Vec<Rc<Outbox>>,
    started: Instant,
    ticks: usize,
    tally: Tally,
}

/// What was written since the last sweep; the metrics are updated once per sweep, not per frame.
#[derive(Default)]
struct Tally {
    deliveries: u64,
    bytes: u64,
}

/// The members of a room on this thread.
#[derive(Default)]
struct LocalRoom {
    members: Vec<Rc<Outbox>>,
    /// Sockets that subscribed while older frames were pending.
    late: Vec<LateSubscriber>,
    pending: Vec<Arc<Broadcast>>,
    /// Bytes of the events in `pending`.
    pending_bytes: usize,
    /// Replies to single sockets that must be sent after the pending events.
    replies: Vec<(Rc<Outbox>, Frame)>,
    /// A batch that is partly written: a large fan-out is split into chunks.
    flight: Option<Flight>,
    /// When the pending events are sent, measured from the start of the hub.
    due: Duration,
    cork: Cork,
    presence: PresencePace,
    /// Whether all pending events concern presence.
    only_presence: bool,
    /// Members whose session has ended; removed in bulk.
    gone: usize,
    /// Members who have left but whose sockets are open; removed together with those.
    left: FxHashSet<ConnKey>,
    /// The areas in which the room has placed members; empty in rooms without areas.
    areas: FxHashMap<ConnKey, Area>,
}

impl LocalRoom {
    fn due(&self) -> Duration {
        if self.flight.is_some() { Duration::ZERO } else { self.due }
    }

    /// Whether events are pending that a reply must not overtake. Presence events alone may be delayed for longer than
    /// a reply.
    fn has_events_pending(&self) -> bool {
        self.flight.is_some() || (!self.pending.is_empty() && !self.only_presence)
    }

    /// Whether anything is not written yet.
    fn has_pending(&self) -> bool {
        self.flight.is_some() || !self.pending.is_empty()
    }

    /// Removes members who are gone, once there are enough of them.
    fn clear_away(&mut self) {
        if (self.gone + self.left.len()) * 4 > self.members.len() {
            self.clear_away_now();
        }
    }

    fn clear_away_now(&mut self) {
        let left = mem::take(&mut self.left);
        self.members.retain(|outbox| !outbox.is_dead() && !left.contains(&outbox.key));
        self.gone = 0;
    }
}

struct Flight {
    batch: Batch,
    /// The index of the next member.
    at: usize,
    /// Sockets that receive only the end of it.
    late: Vec<LateSubscriber>,
    /// Replies to send after it.
    replies: Vec<(Rc<Outbox>, Frame)>,
}

/// A member that receives the pending frames only from index `from` on. Without this, every join would have to write
/// the pending frames first, and a rush of joins could not be batched.
struct LateSubscriber {
    outbox: Rc<Outbox>,
    from: usize,
}

/// How much of a room's batch to write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// A chunk, in fairness to the thread's other work.
    Chunk,
    /// All of it, because a member is removed.
    Whole,
}

impl Hub {
    pub(super) fn new(worker: Rc<Worker>) -> Hub {
        Hub {
            worker,
            rooms: FxHashMap::default(),
            dirty: Vec::new(),
            opened: Vec::new(),
            touched: Vec::new(),
            started: Instant::now(),
            ticks: 0,
            tally: Tally::default(),
        }
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Actor for Hub {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let up = WorkerUp { index: self.worker.index, arbiter: Arbiter::current(), hub: ctx.address() };
        if self.worker.node.registry.try_send(up).is_err() {
            log::error!("event=worker_unknown worker={} why=registry_full", self.worker.index);
        }
        ctx.run_interval(limits::SWEEP_PERIOD, |hub, _| hub.sweep());
        ctx.spawn(Flusher(Box::pin(sleep_until(tokio::time::Instant::now()))));
    }
}

impl Handler<HubMessage> for Hub {
    type Result = ();

    fn handle(&mut self, message: HubMessage, _: &mut Self::Context) {
        match message {
            HubMessage::Deliver { room, broadcast } => self.deliver(room, broadcast),
            HubMessage::Subscribe { room, conn, opening, already: Already::No } => self.subscribe(room, conn, &opening),
            HubMessage::Subscribe { room, conn, opening, already: Already::Yes } => {
                // earlier frames come first
                self.write(room, Extent::Whole);
                self.open(conn, &opening);
            }
            HubMessage::Unsubscribe { room, conn, last_reply } => {
                self.unsubscribe(room, conn);
                if let (Some(last_reply), Some(outbox)) = (last_reply, self.worker.outbox(conn)) {
                    self.reply(outbox, &last_reply);
                }
            }
            HubMessage::Place { room, places } => self.place(room, places),
            HubMessage::Reply { room, conn, reply } => self.send_reply(room, conn, &reply),
            HubMessage::Remove { room, conn, refusal, why } => {
                self.write(room, Extent::Whole);
                let Some(outbox) = self.worker.outbox(conn) else { return };
                match outbox.bound {
                    Bound::ToRoom => outbox.close(why, CloseMode::AfterQueued, self.worker.now()),
                    Bound::ToNone => {
                        self.worker.node.metrics.refused(refusal.code);
                        self.reply(outbox, &Reply::Error { tag: Tag::default(), refusal: *refusal });
                    }
                }
            }
            HubMessage::Expel { room, conn, why } => {
                self.write(room, Extent::Whole);
                if let Some(outbox) = self.worker.outbox(conn) {
                    outbox.close(why, CloseMode::AfterQueued, self.worker.now());
                }
            }
            HubMessage::Evict { room } => {
                self.write(room, Extent::Whole);
                let Some(room) = self.rooms.get(&room) else { return };
                for outbox in room.members.iter().filter(|outbox| !room.left.contains(&outbox.key)) {
                    outbox.close(Disconnect::TooSlow, CloseMode::AtOnce, self.worker.now());
                }
            }
        }
    }
}

impl Hub {
    fn deliver(&mut self, id: RoomId, broadcast: Arc<Broadcast>) {
        let now = self.elapsed();
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let longest = self.worker.node.config.sockets.cork;
        let is_presence = broadcast.is_presence();
        if room.pending.is_empty() {
            let wait = match is_presence {
                true => room.presence.wait(now, room.members.len() + room.late.len()),
                false => room.cork.wait(now, longest),
            };
            room.due = now + wait;
            room.only_presence = is_presence;
            if room.flight.is_none() {
                self.dirty.push(id);
            }
        } else if room.only_presence && !is_presence {
            room.due = room.due.min(now + room.cork.wait(now, longest));
            room.only_presence = false;
        }
        room.pending_bytes += broadcast.size_bytes();
        room.pending.push(broadcast);
        if room.pending.len() >= limits::HUB_PENDING_MAX || room.pending_bytes >= limits::HUB_PENDING_BYTES_MAX {
            self.write(id, Extent::Whole);
        }
    }

    /// Places members in areas. Events that were delivered before are still for their former areas.
    fn place(&mut self, id: RoomId, places: Vec<(ConnKey, Option<Area>)>) {
        if self.rooms.get(&id).is_some_and(LocalRoom::has_pending) {
            self.write(id, Extent::Whole);
        }
        let Some(room) = self.rooms.get_mut(&id) else { return };
        for (conn, area) in places {
            match area {
                Some(area) => room.areas.insert(conn, area),
                None => room.areas.remove(&conn),
            };
        }
    }

    /// Writes a room's opening to one connection.
    fn open(&mut self, conn: ConnKey, opening: &[Opening]) -> Option<Rc<Outbox>> {
        let outbox = self.worker.outbox(conn)?;
        let (at, mut frames) = (self.worker.node.clock.now(), Vec::with_capacity(opening.len()));
        let listener = outbox.listener(self.worker.node.id, None);
        opening.iter().for_each(|part| part.frames(outbox.dialect, listener, at, &mut frames));
        outbox.push_opening(&frames, self.worker.now());
        if let Some(direct) = Direct::of_opening(opening) {
            direct.note(&outbox);
        }
        self.opened.push(outbox.clone());
        Some(outbox)
    }

    fn subscribe(&mut self, id: RoomId, conn: ConnKey, opening: &[Opening]) {
        let Some(outbox) = self.open(conn, opening) else { return };
        let room = self.rooms.entry(id).or_default();
        if room.left.contains(&conn) {
            // it left and joins again: its old entry must not count
            if room.flight.is_some() {
                self.write(id, Extent::Whole);
            }
            self.rooms.entry(id).or_default().clear_away_now();
        }
        let room = self.rooms.entry(id).or_default();
        if room.has_pending() {
            room.late.push(LateSubscriber { outbox, from: room.pending.len() });
        } else {
            room.members.push(outbox);
        }
    }

    /// Removes a connection from a room. Events delivered before are written to it first, so that it has everything up
    /// to the leave.
    fn unsubscribe(&mut self, id: RoomId, conn: ConnKey) {
        if self.rooms.get(&id).is_some_and(|room| room.flight.is_some()) {
            // a batch in flight refers to members by index
            self.write(id, Extent::Whole);
        }
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let area = room.areas.remove(&conn);
        match self.worker.outbox(conn) {
            Some(outbox) => {
                let now = self.worker.now();
                let listener = outbox.listener(self.worker.node.id, area);
                let late =
                    room.late.iter().position(|late| late.outbox.key == conn).map(|at| room.late.swap_remove(at));
                let from = late.as_ref().map_or(0, |late| late.from);
                if let Some(missing) = room.pending.get(from..).filter(|missing| !missing.is_empty()) {
                    write_batch(&outbox, listener, &mut Batch::new(missing.to_vec()), now, &mut self.tally);
                }
                for (_, frame) in room.replies.extract_if(.., |(to, _)| to.key == conn) {
                    outbox.push(frame, now);
                    self.touched.push(outbox.clone());
                }
                if late.is_none() {
                    room.left.insert(conn);
                }
            }
            None => {
                room.late.retain(|late| late.outbox.key != conn);
                room.gone += 1;
            }
        }
        room.clear_away();
        if room.members.is_empty()
            && room.late.is_empty()
            && let Some(room) = self.rooms.remove(&id)
        {
            self.push_all(room.replies);
        }
    }

    /// Replies to a connection, after the events that the room has delivered before: an acknowledgement must follow its
    /// own event.
    fn send_reply(&mut self, room: RoomId, conn: ConnKey, reply: &Reply) {
        let Some(outbox) = self.worker.outbox(conn) else { return };
        if reply.is_between_events() {
            self.write(room, Extent::Whole);
            return self.reply(outbox, reply);
        }
        match self.rooms.get_mut(&room) {
            Some(room) if room.has_events_pending() => {
                if let Some(frame) = reply_frame(outbox.dialect, reply, self.worker.node.clock.now()) {
                    room.replies.push((outbox, frame));
                }
            }
            Some(_) | None => self.reply(outbox, reply),
        }
    }

    fn push_all(&mut self, replies: Vec<(Rc<Outbox>, Frame)>) {
        for (outbox, frame) in replies {
            outbox.push(frame, self.worker.now());
            self.touched.push(outbox);
        }
    }

    fn reply(&mut self, outbox: Rc<Outbox>, reply: &Reply) {
        if let Some(frame) = reply_frame(outbox.dialect, reply, self.worker.node.clock.now()) {
            outbox.push(frame, self.worker.now());
            self.touched.push(outbox);
        }
    }

    /// Writes the batch of a room to its members. Returns whether part of it is left.
    fn write(&mut self, id: RoomId, extent: Extent) -> Written {
        let Some(room) = self.rooms.get_mut(&id) else { return Written::All };
        let (now, node) = (self.worker.now(), self.worker.node.id);
        loop {
            if room.flight.is_none() {
                if room.pending.is_empty() {
                    return Written::All;
                }
                let pending = mem::take(&mut room.pending);
                if pending.iter().any(|broadcast| broadcast.is_presence()) {
                    room.presence.told(self.started.elapsed());
                }
                let batch = Batch::new(pending);
                room.pending_bytes = 0;
                let (late, replies) = (mem::take(&mut room.late), mem::take(&mut room.replies));
                room.flight = Some(Flight { batch, at: 0, late, replies });
            }
            let Some(flight) = &mut room.flight else { return Written::All };
            let until = match extent {
                Extent::Chunk => room.members.len().min(flight.at + limits::FANOUT_CHUNK_MEMBERS),
                Extent::Whole => room.members.len(),
            };
            for outbox in room.members.get(flight.at..until).unwrap_or_default() {
                if room.left.is_empty() || !room.left.contains(&outbox.key) {
                    let listener = listener(outbox, node, &room.areas);
                    write_batch(outbox, listener, &mut flight.batch, now, &mut self.tally);
                }
            }
            flight.at = until;
            if until < room.members.len() {
                return Written::Partly;
            }
            let Some(flight) = room.flight.take() else { return Written::All };
            room.cork.flushed(flight.batch.count(), self.started.elapsed());
            for LateSubscriber { outbox, from } in flight.late {
                let listener = listener(&outbox, node, &room.areas);
                write_batch(&outbox, listener, &mut flight.batch.since(from), now, &mut self.tally);
                room.members.push(outbox);
            }
            let mut replies = flight.replies;
            if room.pending.is_empty() {
                room.members.extend(room.late.drain(..).map(|late| late.outbox));
                replies.append(&mut room.replies);
            }
            for (outbox, frame) in replies {
                outbox.push(frame, now);
                self.touched.push(outbox);
            }
            match extent {
                Extent::Whole => {}
                Extent::Chunk if room.pending.is_empty() => return Written::All,
                Extent::Chunk => return Written::Partly,
            }
        }
    }

    /// Writes every room that is due. Returns when the next one is due.
    fn flush_due(&mut self) -> Option<Duration> {
        let mut next = None;
        for outbox in mem::take(&mut self.opened) {
            outbox.flush(self.worker.now());
        }
        if !self.dirty.is_empty() {
            let now = self.elapsed();
            let mut waiting = Vec::new();
            for id in mem::take(&mut self.dirty) {
                let due = self.rooms.get(&id).map_or(Duration::ZERO, LocalRoom::due);
                let left = due > now || self.write(id, Extent::Chunk) == Written::Partly;
                if left {
                    next = Some(next.unwrap_or(Duration::MAX).min(due));
                    waiting.push(id);
                }
            }
            self.dirty.append(&mut waiting);
        }
        for outbox in mem::take(&mut self.touched) {
            outbox.flush(self.worker.now());
        }
        next
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    All,
    Partly,
}

/// A member as audiences see it.
fn listener<'a>(outbox: &'a Outbox, node: NodeId, areas: &FxHashMap<ConnKey, Area>) -> Listener<'a> {
    // most rooms have no areas
    let area = if areas.is_empty() { None } else { areas.get(&outbox.key).copied() };
    outbox.listener(node, area)
}

/// The inner step of the broadcast path: one socket, one write.
fn write_batch(outbox: &Outbox, listener: Listener<'_>, batch: &mut Batch, now: u32, tally: &mut Tally) {
    let Some(form) = batch.form(outbox.dialect).filter(|form| !form.frames.is_empty()) else { return };
    if form.is_whole_for(listener) {
        tally.deliveries += form.frames.len() as u64;
        tally.bytes += form.wire.len() as u64;
        outbox.deliver(&form.frames, &form.wire, now);
    } else {
        let heard = form.selection(listener);
        tally.deliveries += heard.len() as u64;
        tally.bytes += heard.iter().map(|frame| frame.bytes.len() as u64).sum::<u64>();
        outbox.deliver_some(&heard, now);
    }
    if let Some(direct) = &form.direct {
        direct.note(outbox);
    }
}

impl Handler<Quiesce> for Hub {
    type Result = ();

    fn handle(&mut self, _: Quiesce, _: &mut Self::Context) {
        self.worker.quiet.set(true);
    }
}

impl Handler<Drain> for Hub {
    type Result = usize;

    fn handle(&mut self, message: Drain, _: &mut Self::Context) -> usize {
        let ids: Vec<_> = self.rooms.keys().copied().collect();
        for id in ids {
            self.write(id, Extent::Whole);
        }
        let outboxes: Vec<_> = self.worker.outboxes.borrow().values().cloned().collect();
        for outbox in outboxes.iter().filter(|o| o.is_open()) {
            let reconnect_in_ms = message.floor_ms.saturating_add(fastrand::u64(0..=message.spread_ms));
            let last_reply = Reply::Restarting { reconnect_in_ms };
            if let Some(frame) = reply_frame(outbox.dialect, &last_reply, self.worker.node.clock.now()) {
                outbox.push(frame, self.worker.now());
            }
            outbox.close(Disconnect::Restarting, CloseMode::AfterQueued, self.worker.now());
        }
        outboxes.len()
    }
}

impl Hub {
    /// The thread was stalled for this time and neither read nor wrote, so clients must not be blamed for their
    /// silence.
    fn excuse(&self, seconds: u32) {
        log::warn!("event=worker_stalled worker={} seconds={seconds}", self.worker.index);
        for outbox in self.worker.outboxes.borrow().values() {
            outbox.excuse(seconds);
        }
    }

    /// Checks a quarter of the connections, and so each of them once per second: stalls, heartbeats, time-outs, token
    /// expiry.
    fn sweep(&mut self) {
        let now = self.started.elapsed().as_secs() as u32 + 1;
        let stalled = now.saturating_sub(self.worker.clock.replace(now)).saturating_sub(1);
        if stalled > 0 {
            self.excuse(stalled);
        }
        self.ticks += 1;
        let tally = mem::take(&mut self.tally);
        let node = &self.worker.node;
        node.metrics.delivered(tally.deliveries, tally.bytes);
        let wall = node.clock.now();
        // cloned, because a socket that ends here wakes its session, which later removes its outbox from the map
        let quarter: Vec<_> = {
            let outboxes = self.worker.outboxes.borrow();
            let mine = outboxes.iter().filter(|(number, _)| **number as usize % 4 == self.ticks % 4);
            mine.map(|(_, outbox)| outbox.clone()).collect()
        };
        for outbox in quarter {
            if let Some(was) = outbox.check_stall(now) {
                log::info!(
                    "event=socket_cut conn={:?} user={} was={was:?} owed_bytes={}",
                    outbox.key,
                    logged(&outbox.user),
                    outbox.owed_bytes()
                );
                continue;
            }
            node.metrics.ephemeral_dropped(outbox.take_dropped());
            let heartbeat = node.heartbeat(outbox.dialect);
            if now.saturating_sub(outbox.heard.get()) >= heartbeat.timeout.as_secs() as u32 {
                outbox.close(Disconnect::HeartbeatMissed, CloseMode::AfterQueued, now);
            } else if wall >= outbox.expires_at.get() {
                outbox.close(Disconnect::TokenExpired, CloseMode::AfterQueued, now);
            } else if now.saturating_sub(outbox.pinged.get()) >= heartbeat.interval.as_secs() as u32 {
                outbox.ping(now);
            }
        }
    }
}

/// Runs in the hub's own context. The context polls it when the mailbox is empty, at the end of a turn.
struct Flusher(Pin<Box<Sleep>>);

impl ActorFuture<Hub> for Flusher {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        hub: &mut Hub,
        _: &mut Context<Hub>,
        cx: &mut task::Context<'_>,
    ) -> task::Poll<()> {
        if let Some(due) = hub.flush_due() {
            let next = tokio::time::Instant::from_std(hub.started) + due;
            if next <= tokio::time::Instant::now() {
                // a chunk is left: first yield to the mailbox and the thread's other tasks
                cx.waker().wake_by_ref();
                return task::Poll::Pending;
            }
            if self.0.deadline() != next {
                self.0.as_mut().reset(next);
            }
            if self.0.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
        task::Poll::Pending
    }
}
