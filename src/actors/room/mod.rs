//! A room in use: who is in it, the order of its events, and the hubs that have members. It feeds the core's state
//! machine and carries out what that says. It never touches a socket, and it never says a durable event to anybody
//! before the journal has stored it.

mod entering;
mod speaking;

use std::sync::Arc;

use actix::prelude::*;
use rustc_hash::FxHashMap;

use super::{
    arm::{Arm, Backed},
    bridge::{Attach, Carried, Detach, Listening, RoomWord},
    fanout::{Audience, Broadcast},
    hub::Hub,
    messages::{Ask, Barrier, Expel, FromRoom, Join, Leave, Retire, Settled},
    node::Node,
    outbox::ConnKey,
};
use crate::{
    core::{
        event::{Ephemeral, Event, EventBody, Reply, RoomIdentity},
        history::HistoryBounds,
        room::RoomCore,
    },
    disconnect::Disconnect,
    ids::{Seq, UserId},
    limits,
    store::StoreError,
};

/// The actor. One per room in use.
pub struct Room {
    identity: Arc<RoomIdentity>,
    node: Arc<Node>,
    /// None until the room's place in the log was read.
    core: Option<RoomCore<ConnKey, Broadcast>>,
    arms: Vec<Arm>,
    /// Sockets that wait for the log, each with what it asked meanwhile.
    entering: FxHashMap<ConnKey, Newcomer>,
    /// Those of them that came before the room was loaded, in order.
    early: Vec<ConnKey>,
    /// Joins that the registry brought; it must agree before the room may retire.
    joins: u64,
    /// Entries that the journal has not settled.
    in_flight: usize,
    /// Up to where each user has been told what waited in the offline queue; the rows may still be on their way out.
    queue_told: FxHashMap<UserId, Seq>,
    retry: Pending,
    gap: Pending,
    retiring: Pending,
}

/// A socket that is not in yet.
struct Newcomer {
    join: Join,
    asked: Vec<Ask>,
}

/// Whether a timer is set.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Pending {
    #[default]
    No,
    Yes,
}

impl Room {
    /// A room that is loaded when it starts.
    pub fn new(identity: Arc<RoomIdentity>, node: Arc<Node>) -> Room {
        Room {
            identity,
            node,
            core: None,
            arms: Vec::new(),
            entering: FxHashMap::default(),
            early: Vec::new(),
            joins: 0,
            in_flight: 0,
            queue_told: FxHashMap::default(),
            retry: Pending::No,
            gap: Pending::No,
            retiring: Pending::No,
        }
    }

    /// Reads where the sequence stands, waiting for a database that is away.
    fn load(&mut self, ctx: &mut Context<Self>) {
        let (node, id) = (self.node.clone(), self.identity.id);
        let head = async move {
            let began = std::time::Instant::now();
            loop {
                match node.store.room_head(id).await {
                    Err(StoreError::Unavailable(_)) if began.elapsed() < limits::STORE_PATIENCE => {
                        tokio::time::sleep(limits::STORE_RETRY).await;
                    }
                    done => return done,
                }
            }
        };
        ctx.spawn(head.into_actor(self).map(|head, room, ctx| match head {
            Ok(Some(head)) => {
                let bounds = HistoryBounds {
                    events_max: room.node.config.storage.recovery_events_max,
                    bytes_max: limits::RECOVERY_BYTES_IN_MEMORY_MAX,
                };
                room.core = Some(RoomCore::new(room.identity.clone(), head.seq, head.epoch, bounds));
                for conn in std::mem::take(&mut room.early) {
                    room.enter(conn, ctx);
                }
                room.rest(ctx);
            }
            Ok(None) => room.give_up(Disconnect::Revoked, ctx),
            Err(error) => {
                log::warn!("event=room_not_loaded room={} why=\"{error}\"", room.identity.id);
                room.give_up(Disconnect::TryAgainLater, ctx);
            }
        }));
    }

    /// Sends away whoever waits for a room that can't be loaded.
    fn give_up(&mut self, why: Disconnect, ctx: &mut Context<Self>) {
        self.early.clear();
        for (conn, newcomer) in std::mem::take(&mut self.entering) {
            let expel = FromRoom::Expel { room: self.identity.id, conn, why };
            if newcomer.join.hub.try_send(expel).is_err() {
                log::warn!("event=expel_lost room={} conn={conn:?}", self.identity.id);
            }
        }
        self.rest(ctx);
    }

    // ---- towards the hubs ----

    fn arm(&mut self, conn: ConnKey, hub: &Addr<Hub>) -> &mut Arm {
        let at = self.arms.iter().position(|arm| arm.worker == conn.worker).unwrap_or_else(|| {
            self.arms.push(Arm::new(conn.worker, self.identity.id, hub.clone()));
            self.arms.len() - 1
        });
        // `at` was found in, or is the last of, a vector that is not empty
        #[allow(clippy::indexing_slicing)]
        &mut self.arms[at]
    }

    fn send(&mut self, conn: ConnKey, message: FromRoom, ctx: &mut Context<Self>) {
        if let Some(arm) = self.arms.iter_mut().find(|arm| arm.worker == conn.worker) {
            let backed = arm.send(message);
            self.after(backed, ctx);
        }
    }

    fn tell(&mut self, conn: ConnKey, reply: Reply, ctx: &mut Context<Self>) {
        self.send(conn, FromRoom::Tell { conn, reply: Box::new(reply) }, ctx);
    }

    /// To the members on this node.
    fn deliver(&mut self, broadcast: &Arc<Broadcast>, ctx: &mut Context<Self>) {
        let mut worst = Backed::Clear;
        for arm in &mut self.arms {
            if arm.deliver(broadcast.clone()) == Backed::Up {
                worst = Backed::Up;
            }
        }
        self.after(worst, ctx);
    }

    /// To the members on all nodes.
    fn announce(&mut self, what: Ephemeral, audience: Audience, ctx: &mut Context<Self>) {
        let event = Event { room: self.identity.clone(), at: self.node.clock.now(), body: EventBody::Ephemeral(what) };
        let broadcast = Broadcast::new(event, audience);
        self.deliver(&broadcast, ctx);
        self.node.bridge.carry(self.identity.id, RoomWord::Event(broadcast));
    }

    /// Closes the sockets that the user has here.
    fn expel(&mut self, user: &UserId, ctx: &mut Context<Self>) {
        let Some(core) = &self.core else { return };
        for conn in core.sockets_of(user).to_vec() {
            let message = FromRoom::Expel { room: self.identity.id, conn, why: Disconnect::Revoked };
            self.send(conn, message, ctx);
        }
    }

    fn after(&mut self, backed: Backed, ctx: &mut Context<Self>) {
        if backed == Backed::Up && self.retry == Pending::No {
            self.retry = Pending::Yes;
            ctx.run_later(limits::SPILL_RETRY, |room, ctx| {
                room.retry = Pending::No;
                let backed = room.arms.iter_mut().map(Arm::retry).fold(Backed::Clear, worse);
                room.arms.retain(|arm| !arm.is_spare());
                room.after(backed, ctx);
            });
        }
    }

    // ---- the end ----

    fn is_idle(&self) -> bool {
        let empty = self.core.as_ref().is_none_or(|core| core.sockets() == 0);
        empty && self.in_flight == 0 && self.entering.is_empty() && self.arms.is_empty()
    }

    /// An idle room asks the registry, after a while, whether it may go.
    fn rest(&mut self, ctx: &mut Context<Self>) {
        if !self.is_idle() || self.retiring == Pending::Yes {
            return;
        }
        self.retiring = Pending::Yes;
        ctx.run_later(limits::ROOM_IDLE, |room, ctx| {
            room.retiring = Pending::No;
            if room.is_idle() {
                room.ask_to_retire(ctx);
            }
        });
    }

    fn ask_to_retire(&mut self, ctx: &mut Context<Self>) {
        self.retiring = Pending::Yes;
        let ask = self.node.registry.send(Retire { room: self.identity.id, joins: self.joins });
        ctx.spawn(ask.timeout(limits::ASK_TIMEOUT).into_actor(self).map(|answer, room, ctx| {
            room.retiring = Pending::No;
            match answer {
                Ok(true) => ctx.stop(),
                Ok(false) | Err(_) => room.rest(ctx),
            }
        }));
    }
}

const fn worse(a: Backed, b: Backed) -> Backed {
    match (a, b) {
        (Backed::Clear, Backed::Clear) => Backed::Clear,
        (Backed::Up, _) | (_, Backed::Up) => Backed::Up,
    }
}

impl Actor for Room {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (to, listening) = (ctx.address().recipient(), ctx.address().recipient());
        let attach = Attach { room: self.identity.id, node: self.node.bridge.node, to, listening };
        if self.node.bridge.attach.try_send(attach).is_err() {
            log::warn!("event=bridge_full room={}", self.identity.id);
        }
        self.node.metrics.room_opened();
        self.load(ctx);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        let detach = Detach { room: self.identity.id, node: self.node.bridge.node };
        if self.node.bridge.detach.try_send(detach).is_err() {
            log::warn!("event=bridge_full room={}", self.identity.id);
        }
        self.node.metrics.room_closed();
    }
}

impl Handler<Join> for Room {
    type Result = ();

    fn handle(&mut self, join: Join, ctx: &mut Self::Context) {
        self.joins += 1;
        let conn = join.conn;
        self.entering.insert(conn, Newcomer { join, asked: Vec::new() });
        if self.core.is_some() {
            self.enter(conn, ctx);
        } else {
            self.early.push(conn);
        }
    }
}

impl Handler<Leave> for Room {
    type Result = ();

    fn handle(&mut self, leave: Leave, ctx: &mut Self::Context) {
        self.early.retain(|conn| *conn != leave.conn);
        self.entering.remove(&leave.conn);
        self.depart(leave.conn, ctx);
        self.rest(ctx);
    }
}

impl Handler<Ask> for Room {
    type Result = ();

    fn handle(&mut self, ask: Ask, ctx: &mut Self::Context) {
        self.answer(ask, ctx);
    }
}

impl Handler<Settled> for Room {
    type Result = ();

    fn handle(&mut self, settled: Settled, ctx: &mut Self::Context) {
        for outcome in settled.outcomes {
            self.in_flight = self.in_flight.saturating_sub(1);
            self.settle(outcome, ctx);
        }
        self.rest(ctx);
    }
}

impl Handler<Carried> for Room {
    type Result = ();

    fn handle(&mut self, carried: Carried, ctx: &mut Self::Context) {
        match carried.word {
            RoomWord::Event(broadcast) => match &broadcast.event.body {
                EventBody::Durable { .. } => self.publish(broadcast, ctx),
                EventBody::Ephemeral(_) => self.deliver(&broadcast, ctx),
            },
            RoomWord::Members(_) => {}
            RoomWord::Expel { user } => self.expel(&user, ctx),
        }
    }
}

impl Handler<Listening> for Room {
    type Result = ();

    fn handle(&mut self, _: Listening, _: &mut Self::Context) {}
}

impl Handler<Expel> for Room {
    type Result = ();

    fn handle(&mut self, expel: Expel, ctx: &mut Self::Context) {
        self.expel(&expel.user, ctx);
    }
}

impl Handler<Barrier> for Room {
    type Result = ();

    fn handle(&mut self, _: Barrier, _: &mut Self::Context) {}
}
