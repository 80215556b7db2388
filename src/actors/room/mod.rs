//! A room in use: its members, the order of its events, and the hubs that have members. It feeds the state machine in
//! `core` and executes its results. It must never touch a socket, and never publish a durable event before the journal
//! has stored it.

mod absent;
mod administration;
mod document_states;
mod join;
mod kind;
mod kinds;
mod leave_grace;
mod lifecycle;
mod member_list;
mod membership_sync;
mod mentions;
mod node_events;
mod pending_joins;
mod publish;
mod read_marks;
mod receipts;
mod recovery;
mod rest_requests;
mod tile_notices;
mod typing;
mod user_events;

use std::{sync::Arc, time::Instant};

use actix::prelude::*;
use rustc_hash::FxHashMap;

use super::{
    bridge::{RoomMessage, RoomMessageReceived, RoomSubscribed},
    fanout::Broadcast,
    hub::Hub,
    hub_link::{Backpressure, HubLink},
    messages::{AppendResults, Ask, Barrier, Expel, HubMessage, RestRequest, Resync, Retire, ShutOut},
    node::Node,
    outbox::ConnKey,
};
use crate::{
    core::{
        event::{Audience, ChatEphemeral, DocumentReply, Ephemeral, Event, EventBody, Reply, RoomIdentity},
        room::RoomCore,
        usage::Usage,
    },
    disconnect::Disconnect,
    error::{ErrorCode, Refusal},
    ids::UserId,
    limits,
};

pub use rest_requests::Requester;

use kind::{RoomKind, kind_of};
use leave_grace::Return;
use lifecycle::Stage;
use member_list::SharedListing;
use membership_sync::MembershipOutbox;
use pending_joins::PendingJoin;
use read_marks::CollectedReads;
use recovery::Recovery;
use tile_notices::LikeNotices;
use typing::{TypingHere, TypingSource};

/// The actor. One per room in use.
pub struct Room {
    identity: Arc<RoomIdentity>,
    /// A random number that distinguishes this actor from earlier and later instances of the room on this node.
    incarnation: u64,
    node: Arc<Node>,
    stage: Stage,
    /// `None` until the head of the room's log was read.
    core: Option<RoomCore<ConnKey, Broadcast>>,
    hub_links: Vec<HubLink>,
    /// Sockets whose join is pending.
    entering: FxHashMap<ConnKey, PendingJoin>,
    /// Those of them that joined before the room was open, in order.
    early: Vec<ConnKey>,
    /// REST requests that arrived before the room was open, in order.
    early_rest_requests: Vec<RestRequest>,
    /// Messages of other nodes that arrived before the room was loaded.
    early_messages: Vec<RoomMessageReceived>,
    /// Joins and REST requests received; the registry must have sent as many before the room may retire.
    joins: u64,
    /// Entries that the journal has not settled.
    in_flight: usize,
    recovery: Recovery,
    telling: MembershipOutbox,
    /// When a user was last excluded. A pending join may have read its right before that.
    excluded_at: Option<Instant>,
    /// How often the settings were read again.
    settings_reads: u32,
    /// What distinguishes it from rooms of other kinds.
    kind: Box<dyn RoomKind>,
    /// State kept only for large rooms: the list of members shared by newcomers.
    listing: Option<Box<SharedListing>>,
    usage: Usage,
    /// Bytes of this room's history that are included in the total of all rooms.
    history_bytes: usize,
    typing: TypingHere,
    reads: CollectedReads,
    like_notices: LikeNotices,
    retry: Pending,
    gap: Pending,
    retiring: Pending,
    /// When the timer for the next grace period is due.
    graces: Option<Instant>,
}

/// Whether a timer is running.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Pending {
    #[default]
    No,
    Yes,
}

impl Room {
    /// Creates a room, which is loaded when the actor starts.
    pub fn new(identity: Arc<RoomIdentity>, node: Arc<Node>, usage: Option<Usage>) -> Room {
        let usage = usage.unwrap_or_else(|| Usage::new(node.clock.now()));
        Room {
            kind: kind_of(&identity),
            identity,
            incarnation: fastrand::u64(..),
            node,
            listing: None,
            usage,
            stage: Stage::Deaf,
            core: None,
            hub_links: Vec::new(),
            entering: FxHashMap::default(),
            early: Vec::new(),
            early_rest_requests: Vec::new(),
            early_messages: Vec::new(),
            joins: 0,
            in_flight: 0,
            recovery: Recovery::default(),
            telling: MembershipOutbox::default(),
            excluded_at: None,
            settings_reads: 0,
            history_bytes: 0,
            typing: TypingHere::default(),
            reads: CollectedReads::default(),
            like_notices: LikeNotices::default(),
            retry: Pending::No,
            gap: Pending::No,
            retiring: Pending::No,
            graces: None,
        }
    }

    // ---- delivery to the hubs ----

    fn hub_link(&mut self, conn: ConnKey, hub: &Addr<Hub>) -> &mut HubLink {
        let at = self.hub_links.iter().position(|hub_link| hub_link.worker == conn.worker).unwrap_or_else(|| {
            self.hub_links.push(HubLink::new(conn.worker, self.identity.id, hub.clone().recipient()));
            self.hub_links.len() - 1
        });
        // `at` is an index found in, or the last of, a non-empty vector
        #[allow(clippy::indexing_slicing)]
        &mut self.hub_links[at]
    }

    /// Removes links without members, unless the journal still has entries whose results may go there.
    fn drop_spare_links(&mut self) {
        if self.in_flight == 0 {
            self.hub_links.retain(|hub_link| !hub_link.is_spare());
        }
    }

    fn send(&mut self, conn: ConnKey, message: HubMessage, ctx: &mut Context<Self>) {
        if let Some(hub_link) = self.hub_links.iter_mut().find(|hub_link| hub_link.worker == conn.worker) {
            let backed = hub_link.send(message);
            self.after(backed, ctx);
        }
    }

    fn send_reply(&mut self, conn: ConnKey, reply: Reply, ctx: &mut Context<Self>) {
        let room = self.identity.id;
        self.send(conn, HubMessage::Reply { room, conn, reply: Box::new(reply) }, ctx);
    }

    /// Sends to the members on this node.
    fn deliver(&mut self, broadcast: &Arc<Broadcast>, ctx: &mut Context<Self>) {
        let mut worst = Backpressure::Clear;
        for hub_link in &mut self.hub_links {
            if hub_link.deliver(broadcast.clone()) == Backpressure::Up {
                worst = Backpressure::Up;
            }
        }
        self.after(worst, ctx);
    }

    /// Sends to the members on this node only; the rooms on other nodes detect the change themselves.
    fn announce_local(&mut self, what: Ephemeral, ctx: &mut Context<Self>) {
        let broadcast = self.ephemeral(what, Audience::Everyone);
        self.deliver(&broadcast, ctx);
    }

    fn ephemeral(&self, what: Ephemeral, audience: Audience) -> Arc<Broadcast> {
        let event = Event { room: self.identity.clone(), at: self.node.clock.now(), body: EventBody::Ephemeral(what) };
        Broadcast::new(event, audience)
    }

    /// Sends to the members on all nodes.
    fn announce(&mut self, what: Ephemeral, audience: Audience, ctx: &mut Context<Self>) {
        let broadcast = self.ephemeral(what, audience);
        self.deliver(&broadcast, ctx);
        self.node.bridge.publish_room(self.identity.id, RoomMessage::Event(broadcast));
    }

    /// Closes all members on this node, so that they reconnect and resume.
    fn evict(&mut self, ctx: &mut Context<Self>) {
        let room = self.identity.id;
        let sent = self.hub_links.iter_mut().map(|hub_link| hub_link.send(HubMessage::Evict { room }));
        let backed = sent.fold(Backpressure::Clear, worse);
        self.after(backed, ctx);
    }

    /// Removes a user, with all sockets here, and refuses pending joins.
    fn expel(&mut self, user: &UserId, ctx: &mut Context<Self>) {
        self.excluded_at = Some(Instant::now());
        let sockets = self.core.as_ref().map(|core| core.sockets_of(user).to_vec()).unwrap_or_default();
        for conn in sockets {
            let scope = &self.identity.scope;
            let sentence = match (scope.name(), scope.document()) {
                (_, Some(document)) => format!("You may no longer open the document {document}; ask its owner"),
                (Some(name), _) => format!("You are no longer a member of the room {name} and were removed from it"),
                (None, None) => {
                    let (kind, id) = (scope.kind(), self.identity.id);
                    format!("You may no longer be in the {kind} {id} and were removed from it")
                }
            };
            if let Some(document) = scope.document().cloned() {
                // a socket for many documents must know which one it is
                let denied = DocumentReply::Denied { sentence: sentence.as_str().into() };
                self.send_reply(conn, Reply::Document(document, Box::new(denied)), ctx);
            }
            let refusal = Box::new(Refusal::new(ErrorCode::PermissionDenied, sentence));
            let remove = HubMessage::Remove { room: self.identity.id, conn, refusal, why: Disconnect::Revoked };
            self.send(conn, remove, ctx);
            self.depart(conn, None, Return::Unlikely, ctx);
            self.shut_out(user.clone(), conn, ShutOut::Revoked);
        }
        self.turn_away_all_of(user, ctx);
        self.end_leave_grace(user, ctx);
    }

    fn after(&mut self, backed: Backpressure, ctx: &mut Context<Self>) {
        if backed == Backpressure::Up && self.retry == Pending::No {
            self.retry = Pending::Yes;
            ctx.run_later(limits::OVERFLOW_RETRY, |room, ctx| {
                room.retry = Pending::No;
                let backed = room.hub_links.iter_mut().map(HubLink::retry).fold(Backpressure::Clear, worse);
                room.node.metrics.ephemeral_dropped(room.hub_links.iter_mut().map(HubLink::take_dropped).sum());
                room.drop_spare_links();
                room.after(backed, ctx);
            });
        }
    }

    // ---- retirement ----

    fn is_idle(&self) -> bool {
        let empty = self.core.as_ref().is_none_or(|core| core.sockets() == 0 && core.lingering().next().is_none());
        empty
            && self.in_flight == 0
            && self.entering.is_empty()
            && self.reads.is_empty()
            && self.early_rest_requests.is_empty()
            && self.hub_links.is_empty()
    }

    /// After a while, an idle room asks the registry whether it may stop.
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
        self.pass_hours();
        let (room, actor) = (self.identity.id, ctx.address());
        let retire = Retire { room, actor, joins: self.joins, usage: self.usage.clone() };
        let ask = self.node.registry.send(retire);
        ctx.spawn(ask.timeout(limits::ASK_TIMEOUT).into_actor(self).map(|answer, room, ctx| {
            room.retiring = Pending::No;
            match answer {
                Ok(true) => ctx.stop(),
                Ok(false) | Err(_) => room.rest(ctx),
            }
        }));
    }
}

const fn worse(a: Backpressure, b: Backpressure) -> Backpressure {
    match (a, b) {
        (Backpressure::Clear, Backpressure::Clear) => Backpressure::Clear,
        (Backpressure::Up, _) | (_, Backpressure::Up) => Backpressure::Up,
    }
}

impl Actor for Room {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.node.metrics.room_opened();
        self.begin(ctx);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.end();
        self.node.metrics.room_closed();
    }
}

impl Handler<Ask> for Room {
    type Result = ();

    fn handle(&mut self, ask: Ask, ctx: &mut Self::Context) {
        self.answer(ask, ctx);
    }
}

impl Handler<Resync> for Room {
    type Result = ();

    fn handle(&mut self, Resync { conn }: Resync, ctx: &mut Self::Context) {
        if self.is_in(conn) {
            self.with_kind(ctx, |kind, room| kind.fell_behind(conn, room));
        }
    }
}

impl Handler<AppendResults> for Room {
    type Result = ();

    fn handle(&mut self, settled: AppendResults, ctx: &mut Self::Context) {
        for outcome in settled.outcomes {
            self.in_flight = self.in_flight.saturating_sub(1);
            self.settle(outcome, ctx);
        }
        self.drop_spare_links();
        self.rest(ctx);
    }
}

impl Handler<RoomMessageReceived> for Room {
    type Result = ();

    fn handle(&mut self, carried: RoomMessageReceived, ctx: &mut Self::Context) {
        if self.core.is_none() {
            return self.keep_early(carried);
        }
        match carried.message {
            RoomMessage::Event(broadcast) => match &broadcast.event.body {
                EventBody::Durable { .. } => self.publish(broadcast, ctx),
                EventBody::Ephemeral(what) => {
                    self.note(what);
                    self.deliver(&broadcast, ctx);
                    if let Ephemeral::Chat(ChatEphemeral::Typing { user, typing, cell }) = what {
                        let source = TypingSource::Node(carried.from, user.id.clone());
                        self.note_typing(source, user, *typing, cell, ctx);
                    }
                }
            },
            RoomMessage::Members(message) => self.receive(carried.from, message, ctx),
            RoomMessage::Expel { user } => {
                self.expel(&user, ctx);
                self.rest(ctx);
            }
            RoomMessage::KeepOnly { users } => self.keep_only(&users, ctx),
            RoomMessage::Kind(message) => {
                self.with_kind(ctx, |kind, room| kind.received(carried.from, message, room));
            }
        }
    }
}

impl Handler<RoomSubscribed> for Room {
    type Result = ();

    fn handle(&mut self, RoomSubscribed { others }: RoomSubscribed, ctx: &mut Self::Context) {
        self.listening(others, ctx);
    }
}

impl Handler<Expel> for Room {
    type Result = ();

    fn handle(&mut self, expel: Expel, ctx: &mut Self::Context) {
        self.expel(&expel.user, ctx);
        self.rest(ctx);
    }
}

impl Handler<Barrier> for Room {
    type Result = ();

    fn handle(&mut self, _: Barrier, ctx: &mut Self::Context) {
        self.store_reads(ctx);
    }
}

/// Makes the room panic, for tests of the consequences.
#[cfg(any(test, feature = "faults"))]
#[derive(actix::Message)]
#[rtype(result = "()")]
pub struct Panic;

#[cfg(any(test, feature = "faults"))]
impl Handler<Panic> for Room {
    type Result = ();

    #[allow(clippy::panic)]
    fn handle(&mut self, _: Panic, _: &mut Self::Context) {
        // deliberate, and only in builds for tests: the released server has no such message
        panic!("a fault that was asked for");
    }
}

#[cfg(test)]
mod tests;
