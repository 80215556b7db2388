//! A room's arm on a worker thread. The Hub is the one actor that writes broadcasts: it owns which connections of its
//! thread are in which room, gathers frames while that pays, and runs the thread's only sweep. It never decides who
//! may be in a room: it does what rooms tell it, in the order in which they tell it.

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
use rustc_hash::FxHashMap;
use tokio::time::{Sleep, sleep_until};

use super::{
    fanout::{Batch, Broadcast, Opening, reply_frame},
    messages::{Drain, FromRoom, Quiesce, WorkerUp},
    outbox::{ConnKey, Farewell, Outbox},
    worker::Worker,
};
use crate::{
    core::{cork::Cork, event::Reply, room::Already},
    disconnect::Disconnect,
    ids::RoomId,
    limits,
    logged::logged,
};

/// The actor. One per worker.
pub struct Hub {
    worker: Rc<Worker>,
    rooms: FxHashMap<RoomId, LocalRoom>,
    /// Rooms with frames that are not written yet.
    dirty: Vec<RoomId>,
    /// Sockets with direct frames that are not written yet.
    touched: Vec<Rc<Outbox>>,
    started: Instant,
    ticks: usize,
    tally: Tally,
}

/// What was written since the last sweep; the metrics are told once a sweep, not once a frame.
#[derive(Default)]
struct Tally {
    deliveries: u64,
    bytes: u64,
}

/// The members that a room has on this thread.
#[derive(Default)]
struct LocalRoom {
    members: Vec<Rc<Outbox>>,
    /// Who came while frames were waiting that were said before.
    late: Vec<Latecomer>,
    pending: Vec<Arc<Broadcast>>,
    /// A batch that is partly written: a big fan-out is cut into chunks.
    flight: Option<Flight>,
    /// When the pending ones go out, since the hub started.
    due: Duration,
    cork: Cork,
    /// Members whose session ended, cleared away together.
    gone: usize,
}

impl LocalRoom {
    fn due(&self) -> Duration {
        if self.flight.is_some() { Duration::ZERO } else { self.due }
    }
}

struct Flight {
    batch: Batch,
    /// The next member's place.
    at: usize,
    /// Who hears only the end of it.
    late: Vec<Latecomer>,
}

/// A member of whom the waiting frames begin to concern only the one at `from`. Without it every join would have to
/// write out what is waiting, and a crowd at the door could never be told of itself in few writes.
struct Latecomer {
    outbox: Rc<Outbox>,
    from: usize,
}

/// How much of a room's batch to write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// As much as is fair to the thread's other work.
    Chunk,
    /// All of it, because somebody is sent away.
    Whole,
}

impl Hub {
    pub(super) fn new(worker: Rc<Worker>) -> Hub {
        Hub {
            worker,
            rooms: FxHashMap::default(),
            dirty: Vec::new(),
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

impl Handler<FromRoom> for Hub {
    type Result = ();

    fn handle(&mut self, message: FromRoom, _: &mut Self::Context) {
        match message {
            FromRoom::Deliver { room, broadcast } => self.deliver(room, broadcast),
            FromRoom::Subscribe { room, conn, opening, already: Already::No } => self.subscribe(room, conn, &opening),
            FromRoom::Subscribe { room, conn, opening, already: Already::Yes } => {
                // what was said before comes first
                self.write(room, Extent::Whole);
                self.open(conn, &opening);
            }
            FromRoom::Unsubscribe { room, conn, farewell } => {
                self.unsubscribe(room, conn);
                if let (Some(farewell), Some(outbox)) = (farewell, self.worker.outbox(conn)) {
                    self.tell(outbox, &farewell);
                }
            }
            FromRoom::Tell { conn, reply } => {
                if let Some(outbox) = self.worker.outbox(conn) {
                    self.tell(outbox, &reply);
                }
            }
            FromRoom::Expel { room, conn, why } => {
                self.write(room, Extent::Whole);
                if let Some(outbox) = self.worker.outbox(conn) {
                    outbox.close(why, Farewell::AfterQueued, self.worker.now());
                }
            }
            FromRoom::Evict { room } => {
                self.write(room, Extent::Whole);
                for outbox in self.rooms.get(&room).iter().flat_map(|r| &r.members) {
                    outbox.close(Disconnect::TooSlow, Farewell::AtOnce, self.worker.now());
                }
            }
        }
    }
}

impl Hub {
    fn deliver(&mut self, id: RoomId, broadcast: Arc<Broadcast>) {
        let now = self.elapsed();
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if room.pending.is_empty() {
            room.due = now + room.cork.wait(now, self.worker.node.config.sockets.cork);
            if room.flight.is_none() {
                self.dirty.push(id);
            }
        }
        room.pending.push(broadcast);
    }

    /// Writes a room's first words to one connection.
    fn open(&mut self, conn: ConnKey, opening: &[Opening]) -> Option<Rc<Outbox>> {
        let outbox = self.worker.outbox(conn)?;
        let at = self.worker.node.clock.now();
        let frames: Vec<_> = opening.iter().filter_map(|o| o.frame(outbox.dialect, at)).collect();
        outbox.push_opening(&frames, self.worker.now());
        self.touched.push(outbox.clone());
        Some(outbox)
    }

    fn subscribe(&mut self, id: RoomId, conn: ConnKey, opening: &[Opening]) {
        let Some(outbox) = self.open(conn, opening) else { return };
        let room = self.rooms.entry(id).or_default();
        if room.pending.is_empty() && room.flight.is_none() {
            room.members.push(outbox);
        } else {
            room.late.push(Latecomer { outbox, from: room.pending.len() });
        }
    }

    fn unsubscribe(&mut self, id: RoomId, conn: ConnKey) {
        if self.rooms.get(&id).is_some_and(|room| room.flight.is_some()) {
            // places are counted in a flight
            self.write(id, Extent::Whole);
        }
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.late.retain(|late| late.outbox.key != conn);
        match self.worker.outbox(conn) {
            Some(_) => room.members.retain(|o| o.key != conn),
            None => {
                room.gone += 1;
                if room.gone * 4 > room.members.len() {
                    room.members.retain(|o| !o.is_dead());
                    room.gone = 0;
                }
            }
        }
        if room.members.is_empty() && room.late.is_empty() {
            self.rooms.remove(&id);
        }
    }

    fn tell(&mut self, outbox: Rc<Outbox>, reply: &Reply) {
        if let Some(frame) = reply_frame(outbox.dialect, reply, self.worker.node.clock.now()) {
            outbox.push(frame, self.worker.now());
            self.touched.push(outbox);
        }
    }

    /// Writes one room's batch to its members. Answers whether some of it is left.
    fn write(&mut self, id: RoomId, extent: Extent) -> Written {
        let Some(room) = self.rooms.get_mut(&id) else { return Written::All };
        let now = self.worker.now();
        loop {
            if room.flight.is_none() {
                if room.pending.is_empty() {
                    return Written::All;
                }
                let batch = Batch::new(mem::take(&mut room.pending));
                room.flight = Some(Flight { batch, at: 0, late: mem::take(&mut room.late) });
            }
            let Some(flight) = &mut room.flight else { return Written::All };
            let until = match extent {
                Extent::Chunk => room.members.len().min(flight.at + limits::FANOUT_CHUNK_MEMBERS),
                Extent::Whole => room.members.len(),
            };
            for outbox in room.members.get(flight.at..until).unwrap_or_default() {
                write_batch(outbox, &mut flight.batch, now, &mut self.tally);
            }
            flight.at = until;
            if until < room.members.len() {
                return Written::Partly;
            }
            let Some(flight) = room.flight.take() else { return Written::All };
            room.cork.flushed(flight.batch.count(), self.started.elapsed());
            for Latecomer { outbox, from } in flight.late {
                write_batch(&outbox, &mut flight.batch.since(from), now, &mut self.tally);
                room.members.push(outbox);
            }
            if room.pending.is_empty() {
                room.members.extend(room.late.drain(..).map(|late| late.outbox));
            }
            match extent {
                Extent::Whole => {}
                Extent::Chunk if room.pending.is_empty() => return Written::All,
                Extent::Chunk => return Written::Partly,
            }
        }
    }

    /// Writes every room whose moment has come; answers when the next one's comes.
    fn flush_due(&mut self) -> Option<Duration> {
        let mut next = None;
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

/// The broadcast path's inner step: one socket, one write.
fn write_batch(outbox: &Outbox, batch: &mut Batch, now: u32, tally: &mut Tally) {
    let Some(form) = batch.form(outbox.dialect).filter(|form| !form.frames.is_empty()) else { return };
    if form.is_for_everyone() {
        tally.deliveries += form.frames.len() as u64;
        tally.bytes += form.wire.len() as u64;
        return outbox.deliver(&form.frames, &form.wire, now);
    }
    let heard = form.selection(&outbox.user);
    tally.deliveries += heard.len() as u64;
    tally.bytes += heard.iter().map(|frame| frame.bytes.len() as u64).sum::<u64>();
    outbox.deliver_some(&heard, now);
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
            let reconnect_in_ms = fastrand::u64(0..=message.spread_ms);
            let farewell = Reply::Restarting { reconnect_in_ms };
            if let Some(frame) = reply_frame(outbox.dialect, &farewell, self.worker.node.clock.now()) {
                outbox.push(frame, self.worker.now());
            }
            outbox.close(Disconnect::Restarting, Farewell::AfterQueued, self.worker.now());
        }
        outboxes.len()
    }
}

impl Hub {
    /// Looks at a quarter of the connections, so at each of them once a second: stalls, pings, silence, tokens.
    fn sweep(&mut self) {
        let now = self.started.elapsed().as_secs() as u32 + 1;
        self.worker.clock.set(now);
        self.ticks += 1;
        let tally = mem::take(&mut self.tally);
        let node = &self.worker.node;
        node.metrics.delivered(tally.deliveries, tally.bytes);
        let wall = node.clock.now();
        // cloned: a socket that ends here wakes its session, which takes its outbox out of the map later
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
                outbox.close(Disconnect::HeartbeatMissed, Farewell::AfterQueued, now);
            } else if wall >= outbox.expires_at.get() {
                outbox.close(Disconnect::TokenExpired, Farewell::AfterQueued, now);
            } else if now.saturating_sub(outbox.pinged.get()) >= heartbeat.interval.as_secs() as u32 {
                outbox.ping(now);
            }
        }
    }
}

/// Runs in the hub's own context. The context polls it after the mailbox has run empty, which is the end of the turn.
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
                // a chunk is left: the mailbox and the thread's other tasks have their turn first
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
