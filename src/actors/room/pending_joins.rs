//! Pending joins. Requests that a socket sends before it is admitted are queued behind its join, in order. Each request
//! must be answered exactly once, whatever the result of the join.

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{Room, leave_grace::Return, recovery::LogAsked};
use crate::{
    actors::{
        messages::{Ask, HubMessage, Join, Leave, Leaving, PublishStatus, PublishUpload, ShutOut, SocketBarrier},
        outbox::{Bound, ConnKey},
    },
    core::{command::Tag, event::Reply},
    disconnect::Disconnect,
    error::{ErrorCode, Refusal},
    ids::UserId,
    limits,
};

/// A socket whose join is pending.
pub(super) struct PendingJoin {
    pub join: Join,
    /// Whether the head of the log was read since this socket asked to join.
    pub log: LogAsked,
    waiting: Vec<Waiting>,
}

/// A queued request.
enum Waiting {
    Join(Join),
    Ask(Ask),
    Leave {
        conn: ConnKey,
        user: UserId,
        tag: Tag,
    },
    Status(PublishStatus),
    Upload(PublishUpload),
    /// A caller that waits until all earlier requests have been handled; answered by dropping it.
    Listener(oneshot::Sender<()>),
}

/// Whether more requests may be queued behind a join.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Patience {
    Left,
    /// They may not: the socket is refused.
    Over,
}

/// The queued requests of a newcomer.
pub(super) struct Waited(Vec<Waiting>);

impl PendingJoin {
    pub fn into_parts(self) -> (Join, Waited) {
        (self.join, Waited(self.waiting))
    }

    pub fn is_of(&self, user: &UserId) -> bool {
        self.join.user.id == *user
    }

    pub fn asks(&mut self, ask: Ask) -> Patience {
        self.waits(Waiting::Ask(ask))
    }

    /// Queues upload progress to announce when the socket is admitted; dropped if the queue is full.
    pub fn tells_upload(&mut self, upload: PublishUpload) {
        if self.waiting.len() < limits::PENDING_JOIN_QUEUE_MAX {
            self.waiting.push(Waiting::Upload(upload));
        }
    }

    fn waits(&mut self, request: Waiting) -> Patience {
        self.waiting.push(request);
        if self.waiting.len() > limits::PENDING_JOIN_QUEUE_MAX { Patience::Over } else { Patience::Left }
    }

    /// Sets the status with which the socket joins.
    pub fn brings(&mut self, status: &PublishStatus) {
        self.join.status = status.status.status;
        for message in &mut self.waiting {
            match message {
                Waiting::Join(join) => join.status = status.status.status,
                Waiting::Ask(_)
                | Waiting::Leave { .. }
                | Waiting::Status(_)
                | Waiting::Upload(_)
                | Waiting::Listener(_) => {}
            }
        }
    }

    /// Queues a status to announce; it replaces an earlier one.
    pub fn tells_status(&mut self, status: PublishStatus) {
        self.waiting.retain(|waiting| !matches!(waiting, Waiting::Status(_)));
        self.waiting.push(Waiting::Status(status));
    }

    /// The tags of requests that still have to be answered.
    fn unanswered(self) -> impl Iterator<Item = Tag> {
        let waiting = self.waiting.into_iter().filter_map(|message| match message {
            Waiting::Join(join) => Some(join.tag),
            Waiting::Ask(ask) => Some(ask.tag),
            Waiting::Leave { tag, .. } => Some(tag),
            Waiting::Status(_) | Waiting::Upload(_) | Waiting::Listener(_) => None,
        });
        std::iter::once(self.join.tag).chain(waiting).filter(Tag::wants_answer)
    }
}

impl Room {
    pub(super) fn is_in(&self, conn: ConnKey) -> bool {
        self.core.as_ref().is_some_and(|core| core.user_of(conn).is_some())
    }

    /// A socket asks to join, for the first time or again.
    fn come(&mut self, join: Join, ctx: &mut Context<Self>) {
        let conn = join.conn;
        if let Some(newcomer) = self.entering.get_mut(&conn) {
            let patience = newcomer.waits(Waiting::Join(join));
            return self.keep_waiting(conn, patience, ctx);
        }
        self.come_with(join, Vec::new(), ctx);
    }

    fn come_with(&mut self, join: Join, waiting: Vec<Waiting>, ctx: &mut Context<Self>) {
        let conn = join.conn;
        self.entering.insert(conn, PendingJoin { join, log: LogAsked::No, waiting });
        self.request_entry(conn, ctx);
    }

    /// Refuses a newcomer with too many queued requests, and answers all of them.
    pub(super) fn keep_waiting(&mut self, conn: ConnKey, patience: Patience, ctx: &mut Context<Self>) {
        if patience == Patience::Left {
            return;
        }
        self.early.retain(|early| *early != conn);
        self.recovery.forget(conn);
        if let Some(newcomer) = self.entering.remove(&conn) {
            log::warn!("event=newcomer_turned_away room={} conn={conn:?} why=queue_full", self.identity.id);
            self.turn_away(newcomer, Refusal::unavailable(), Disconnect::TryAgainLater, ctx);
            self.rest(ctx);
        }
    }

    /// A client asks to leave, after all its earlier requests.
    fn go(&mut self, conn: ConnKey, user: UserId, tag: Tag, ctx: &mut Context<Self>) {
        if let Some(newcomer) = self.entering.get_mut(&conn) {
            let patience = newcomer.waits(Waiting::Leave { conn, user, tag });
            return self.keep_waiting(conn, patience, ctx);
        }
        if self.is_in(conn) {
            let done = tag.wants_answer().then_some(Reply::Done { tag });
            return self.depart(conn, done, Return::Unlikely, ctx);
        }
        self.answer_stranger(user, conn, tag);
    }

    /// Removes a socket at once, whatever is queued.
    fn drop_out(&mut self, conn: ConnKey, back: Return, ctx: &mut Context<Self>) {
        self.early.retain(|early| *early != conn);
        self.recovery.forget(conn);
        if let Some(newcomer) = self.entering.remove(&conn) {
            let user = newcomer.join.user.id.clone();
            for tag in newcomer.unanswered() {
                self.answer_stranger(user.clone(), conn, tag);
            }
        }
        self.depart(conn, None, back, ctx);
    }

    /// Handles the queued requests, now that the join is decided.
    pub(super) fn run_queued(&mut self, waited: Waited, ctx: &mut Context<Self>) {
        for message in waited.0 {
            match message {
                Waiting::Join(join) => self.come(join, ctx),
                Waiting::Ask(ask) => self.answer(ask, ctx),
                Waiting::Leave { conn, user, tag } => self.go(conn, user, tag, ctx),
                Waiting::Status(status) => self.publish_status(status, ctx),
                Waiting::Upload(upload) => self.publish_upload(upload, ctx),
                Waiting::Listener(listener) => drop(listener),
            }
        }
    }

    /// Refuses a newcomer. A socket that may join several rooms is informed and stays open; any other is closed.
    pub(super) fn turn_away(
        &mut self,
        newcomer: PendingJoin,
        refusal: Refusal,
        why: Disconnect,
        ctx: &mut Context<Self>,
    ) {
        let (join, waited) = newcomer.into_parts();
        let conn = join.conn;
        match join.bound {
            Bound::ToRoom => {
                self.hub_link(conn, &join.hub);
                self.send(conn, HubMessage::Expel { room: self.identity.id, conn, why }, ctx);
                self.drop_spare_links();
            }
            Bound::ToNone => {
                self.hub_link(conn, &join.hub);
                self.refuse(conn, join.tag, refusal, ctx);
                match self.is_in(conn) {
                    true => self.run_queued(waited, ctx),
                    false => self.refuse_waited(join.user.id, conn, waited, ctx),
                }
                self.drop_spare_links();
            }
        }
    }

    /// Refuses the queued requests of a refused newcomer, up to its next attempt to join.
    fn refuse_waited(&mut self, user: UserId, conn: ConnKey, waited: Waited, ctx: &mut Context<Self>) {
        let mut messages = waited.0.into_iter();
        while let Some(message) = messages.next() {
            match message {
                Waiting::Ask(Ask { tag, .. }) | Waiting::Leave { tag, .. } => {
                    let refusal = self.not_in();
                    self.refuse(conn, tag, refusal, ctx);
                }
                Waiting::Status(status) => self.publish_status(status, ctx),
                Waiting::Upload(upload) => self.publish_upload(upload, ctx),
                Waiting::Listener(listener) => drop(listener),
                Waiting::Join(join) => return self.come_with(join, messages.collect(), ctx),
            }
        }
        self.shut_out(user, conn, ShutOut::NotIn(None));
    }

    /// Answers a request of a socket that is not a member. The socket's hub may not be known here.
    pub(super) fn answer_stranger(&self, user: UserId, conn: ConnKey, tag: Tag) {
        let refusal = self.not_in();
        self.node.metrics.refused(refusal.code);
        let reply = Reply::Error { tag, refusal };
        self.shut_out(user, conn, ShutOut::NotIn(Some(Box::new(reply))));
    }

    fn not_in(&self) -> Refusal {
        Refusal::new(ErrorCode::NotInRoom, self.identity.scope.not_in())
    }
}

impl Handler<Join> for Room {
    type Result = ();

    fn handle(&mut self, join: Join, ctx: &mut Self::Context) {
        self.joins += 1;
        self.come(join, ctx);
    }
}

impl Handler<Leave> for Room {
    type Result = ();

    fn handle(&mut self, Leave { conn, leaving }: Leave, ctx: &mut Self::Context) {
        match leaving {
            Leaving::Asked { user, tag } => self.go(conn, user, tag, ctx),
            Leaving::AtOnce => self.drop_out(conn, Return::Unlikely, ctx),
            Leaving::BrokenOff => self.drop_out(conn, Return::Likely, ctx),
        }
        self.rest(ctx);
    }
}

impl Handler<SocketBarrier> for Room {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, SocketBarrier { conn }: SocketBarrier, _: &mut Self::Context) -> Self::Result {
        let Some(newcomer) = self.entering.get_mut(&conn) else { return Box::pin(std::future::ready(())) };
        let (listener, heard) = oneshot::channel();
        // one per question to the assistant, during which the session reads no further
        newcomer.waiting.push(Waiting::Listener(listener));
        Box::pin(async move {
            // nothing is ever sent: dropping the sender is the answer
            let _ = heard.await;
        })
    }
}
