//! Joins and leaves. A join takes the same ordered path as live events: its snapshot and replay are a single message to
//! the hub, so no event may ever be delivered before or between them.

use std::sync::Arc;

use actix::prelude::*;

use super::{Room, leave_grace::Return, recovery::LogAsked};
use crate::{
    actors::{
        fanout::{Broadcast, Opening},
        messages::{HubMessage, Join, RemovedFromRoom, Resume, ShutOut},
        outbox::ConnKey,
    },
    core::{
        event::{Entered, Reply},
        history::Logged,
        room::{Already, FirstSocket, LastSocket, Replay},
    },
    disconnect::Disconnect,
    error::{ErrorCode, Refusal},
    ids::{Seq, UserId},
    limits,
    store::StoredEvent,
};

/// The leased messages, followed by those published since that are queued for the newcomer.
pub(super) fn with_published_since(
    join: &Join,
    mut leased: Vec<Arc<Broadcast>>,
    since: &[Arc<Broadcast>],
) -> Vec<Arc<Broadcast>> {
    let queued = since.iter().filter(|broadcast| broadcast.event.queued_for() == Some(&join.user.id));
    leased.extend(queued.cloned());
    leased
}

/// What a newcomer is sent besides the snapshot.
pub(super) enum ReplayResult {
    /// All missed events.
    Complete(Vec<Arc<Broadcast>>),
    /// Missed events cannot be replayed: the gap is too old, or of another epoch.
    Incomplete,
    /// No replay was requested: the messages queued for the user, if any.
    Queued(Vec<Arc<Broadcast>>),
}

impl Room {
    /// The reason for refusing a newcomer if the room is full.
    pub(super) fn has_no_place_for(&self, join: &Join) -> Option<Refusal> {
        let (most, core) = (join.capacity?, self.core.as_ref()?);
        let full = core.users() >= most as usize && !core.is_member(&join.user.id);
        let sentence = "The room is full; try again when somebody has left it";
        full.then(|| Refusal::new(ErrorCode::SpaceFull, sentence))
    }

    /// Admits a socket, at once or after its missed events have been read.
    pub(super) fn enter(&mut self, conn: ConnKey, ctx: &mut Context<Self>) {
        let (Some(core), Some(newcomer)) = (&self.core, self.entering.get(&conn)) else { return };
        let (join, log) = (&newcomer.join, newcomer.log);
        if self.is_in_doubt(join) {
            return self.read_access_again(conn, ctx);
        }
        if join.resume.is_some() && log == LogAsked::No && self.may_be_behind() {
            return self.ask_log(conn, ctx);
        }
        match core.replay(join.resume.map(|Resume { since, epoch }| (since, epoch.unwrap_or(core.epoch())))) {
            Replay::None => {
                let (leased, complete_to) = self.leased(join);
                match self.events_since(complete_to) {
                    Some(since) => {
                        let queued = with_published_since(join, leased, &since);
                        self.admit(conn, ReplayResult::Queued(queued), ctx);
                    }
                    // The room was loaded after the lease: events stored in between are only in the log.
                    None => self.read_log(conn, complete_to, core.head(), ctx),
                }
            }
            Replay::FromMemory(missed) => self.admit(conn, ReplayResult::Complete(missed), ctx),
            Replay::FromStore { after, up_to } => self.read_log(conn, after, up_to, ctx),
            Replay::Ahead if log == LogAsked::No => self.ask_log(conn, ctx),
            Replay::Ahead | Replay::Incomplete => self.admit(conn, ReplayResult::Incomplete, ctx),
        }
    }

    /// The messages that the newcomer's session has leased, and the sequence number up to which they are complete.
    /// Events that are stored but not published here yet are delivered live.
    pub(super) fn leased(&self, join: &Join) -> (Vec<Arc<Broadcast>>, Seq) {
        let head = self.head();
        let Some(queued) = &join.queued else { return (Vec::new(), head) };
        let published = queued.events.iter().filter(|event| event.seq <= head).cloned();
        let leased = self.broadcasts(published.collect());
        let complete_to = leased.last().map_or(queued.head, |last| last.seq().max(queued.head));
        (leased, complete_to.min(head))
    }

    pub(super) fn broadcasts(&self, stored: Vec<StoredEvent>) -> Vec<Arc<Broadcast>> {
        stored.into_iter().map(|event| Broadcast::durable(self.identity.clone(), event)).collect()
    }

    /// The socket is a member from here on.
    pub(super) fn admit(&mut self, conn: ConnKey, again: ReplayResult, ctx: &mut Context<Self>) {
        // a socket that left while its replay was read is not in the list any more
        let Some(newcomer) = self.entering.remove(&conn) else { return };
        if let Some(refusal) = self.has_no_place_for(&newcomer.join) {
            return self.turn_away(newcomer, refusal, Disconnect::TryAgainLater, ctx);
        }
        let (join, waited) = newcomer.into_parts();
        self.pass_hours();
        self.usage.see(&join.user.id);
        let Some(core) = &mut self.core else { return };
        let outcome = core.join(join.conn, &join.user);
        self.kind.joined(&join, self.node.clock.now());
        if outcome.first_socket == FirstSocket::Yes {
            // delivered before the newcomer subscribes, so that it reaches only the others
            self.announce_joined(&join.user, ctx);
        }
        self.list(&join.user);
        self.publish_members(ctx);
        let mut opening = if join.is_greeted { vec![self.opening_for(&join)] } else { Vec::new() };
        let of_kind = self.view().into_iter().flat_map(|room| self.kind.opening(&join, &room));
        opening.extend(of_kind.map(|reply| Opening::Reply(Box::new(reply))));
        match again {
            ReplayResult::Queued(missed) => opening.extend(missed.into_iter().map(Opening::Replay)),
            ReplayResult::Complete(missed) if total_bytes(&missed) > limits::REPLAY_BYTES_MAX => {
                opening.push(self.recovered(Completeness::Partial));
            }
            ReplayResult::Complete(missed) => {
                opening.extend(missed.into_iter().map(Opening::Replay));
                opening.push(self.recovered(Completeness::Whole));
            }
            ReplayResult::Incomplete => opening.push(self.recovered(Completeness::Partial)),
        }
        let subscribe =
            HubMessage::Subscribe { room: self.identity.id, conn: join.conn, opening, already: outcome.already };
        let hub_link = self.hub_link(join.conn, &join.hub);
        hub_link.members += usize::from(outcome.already == Already::No);
        let backed = hub_link.send(subscribe);
        self.after(backed, ctx);
        self.with_kind(ctx, |kind, room| kind.admitted(join.conn, &join.user.id, room));
        self.run_queued(waited, ctx);
    }

    /// Informs the session that its socket is not or no longer a member. The socket's hub may not be known here.
    pub(super) fn shut_out(&self, user: UserId, conn: ConnKey, why: ShutOut) {
        let room = self.identity.id;
        if self.node.registry.try_send(RemovedFromRoom { user, conn, room, why }).is_err() {
            log::warn!("event=removal_not_sent room={room} conn={conn:?} why=registry_full");
        }
    }

    pub(super) fn snapshot(&self, join: &Join) -> Entered {
        let attendance = self.view().and_then(|room| self.kind.presence(&room)).map(Arc::new);
        // in an open room the presence state contains the members
        let core = self.core.as_ref().filter(|_| attendance.is_none());
        let online = core.map_or_else(Vec::new, |core| core.online().cloned().collect());
        self.entered(join, online, attendance)
    }

    fn recovered(&self, completeness: Completeness) -> Opening {
        Opening::Reply(Box::new(Reply::Recovered {
            room: self.identity.clone(),
            seq: self.head(),
            complete: completeness == Completeness::Whole,
        }))
    }

    /// The socket is not a member any more.
    pub(super) fn depart(&mut self, conn: ConnKey, last_reply: Option<Reply>, back: Return, ctx: &mut Context<Self>) {
        self.pass_hours();
        // first, so that other nodes learn what ends with the socket before they learn that its user has left
        self.with_kind(ctx, |kind, room| kind.socket_left(conn, room));
        let Some(left) = self.core.as_mut().and_then(|core| core.leave(conn)) else { return };
        self.send(
            conn,
            HubMessage::Unsubscribe { room: self.identity.id, conn, last_reply: last_reply.map(Box::new) },
            ctx,
        );
        if let Some(hub_link) = self.hub_links.iter_mut().find(|hub_link| hub_link.worker == conn.worker) {
            hub_link.members = hub_link.members.saturating_sub(1);
        }
        self.drop_spare_links();
        self.end_typing_of(conn, ctx);
        if self.node.is_draining() {
            return; // the user is expected to reconnect on another node
        }
        if let (Some(core), Return::Likely) = (&mut self.core, back) {
            core.may_return(&left.user.id);
        }
        if left.last_socket == LastSocket::Yes {
            let grace = self.grace_after(back);
            self.went(left.user, grace, ctx);
        }
        self.publish_members(ctx);
    }
}

fn total_bytes(missed: &[Arc<Broadcast>]) -> usize {
    missed.iter().map(|broadcast| broadcast.event.size_bytes()).sum()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Completeness {
    Whole,
    Partial,
}
