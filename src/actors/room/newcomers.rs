//! Sockets at the door. What is said before one is in waits behind its entrance, in order; whatever becomes of that, each
//! request is answered once.

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{Room, lingering::Return, recalling::LogAsked};
use crate::{
    actors::{
        messages::{Ask, FromRoom, HeardOut, Join, Leave, Leaving, StatusIs, TellUpload},
        outbox::ConnKey,
    },
    core::{
        command::Tag,
        event::{Reply, RoomScope},
    },
    disconnect::Disconnect,
    error::{ErrorCode, Refusal},
    ids::UserId,
    limits,
};

/// A socket that is not in yet.
pub(super) struct Newcomer {
    pub join: Join,
    /// Whether the log was asked how far it has come, since this socket came.
    pub log: LogAsked,
    waiting: Vec<Waiting>,
}

/// What was said meanwhile.
enum Waiting {
    Join(Join),
    Ask(Ask),
    Leave {
        conn: ConnKey,
        user: UserId,
        tag: Tag,
    },
    Status(StatusIs),
    Upload(TellUpload),
    /// Whoever waits until all before it was heard; let go of by dropping it.
    Listener(oneshot::Sender<()>),
}

/// Whether more may wait for a join to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Patience {
    Left,
    /// No: the socket is to be turned away.
    Over,
}

/// All of that.
pub(super) struct Waited(Vec<Waiting>);

impl Newcomer {
    pub fn into_parts(self) -> (Join, Waited) {
        (self.join, Waited(self.waiting))
    }

    pub fn is_of(&self, user: &UserId) -> bool {
        self.join.user.id == *user
    }

    pub fn asks(&mut self, ask: Ask) -> Patience {
        self.waits(Waiting::Ask(ask))
    }

    /// News of an upload, told to the others when this socket is in; they may miss it.
    pub fn tells_upload(&mut self, upload: TellUpload) {
        if self.waiting.len() < limits::NEWCOMER_WAITING_MAX {
            self.waiting.push(Waiting::Upload(upload));
        }
    }

    fn waits(&mut self, request: Waiting) -> Patience {
        self.waiting.push(request);
        if self.waiting.len() > limits::NEWCOMER_WAITING_MAX { Patience::Over } else { Patience::Left }
    }

    /// The user's newest status, with which this socket comes in.
    pub fn brings(&mut self, status: &StatusIs) {
        self.join.status = status.status;
        for word in &mut self.waiting {
            match word {
                Waiting::Join(join) => join.status = status.status,
                Waiting::Ask(_)
                | Waiting::Leave { .. }
                | Waiting::Status(_)
                | Waiting::Upload(_)
                | Waiting::Listener(_) => {}
            }
        }
    }

    /// Only the newest one is told to the others.
    pub fn tells_status(&mut self, status: StatusIs) {
        self.waiting.retain(|waiting| !matches!(waiting, Waiting::Status(_)));
        self.waiting.push(Waiting::Status(status));
    }

    /// The requests that have still to be answered.
    fn unanswered(self) -> impl Iterator<Item = Tag> {
        let waiting = self.waiting.into_iter().filter_map(|word| match word {
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

    /// A socket comes, for the first time or once more.
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
        self.entering.insert(conn, Newcomer { join, log: LogAsked::No, waiting });
        self.knock(conn, ctx);
    }

    /// Turns a newcomer away for which more requests wait than may, and answers all of them.
    pub(super) fn keep_waiting(&mut self, conn: ConnKey, patience: Patience, ctx: &mut Context<Self>) {
        if patience == Patience::Left {
            return;
        }
        self.early.retain(|early| *early != conn);
        self.recall.forget(conn);
        if let Some(newcomer) = self.entering.remove(&conn) {
            log::warn!("event=newcomer_turned_away room={} conn={conn:?} why=too_much_waits", self.identity.id);
            self.turn_away(newcomer, Refusal::unavailable(), Disconnect::TryAgainLater, ctx);
            self.rest(ctx);
        }
    }

    /// A client wants its socket out, after all that it asked before.
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

    /// A socket is out, whatever it has asked.
    fn drop_out(&mut self, conn: ConnKey, back: Return, ctx: &mut Context<Self>) {
        self.early.retain(|early| *early != conn);
        self.recall.forget(conn);
        if let Some(newcomer) = self.entering.remove(&conn) {
            let user = newcomer.join.user.id.clone();
            for tag in newcomer.unanswered() {
                self.answer_stranger(user.clone(), conn, tag);
            }
        }
        self.depart(conn, None, back, ctx);
    }

    /// Does what was said while the socket was at the door, now that it is in, or will not be.
    pub(super) fn hear_out(&mut self, waited: Waited, ctx: &mut Context<Self>) {
        for word in waited.0 {
            match word {
                Waiting::Join(join) => self.come(join, ctx),
                Waiting::Ask(ask) => self.answer(ask, ctx),
                Waiting::Leave { conn, user, tag } => self.go(conn, user, tag, ctx),
                Waiting::Status(status) => self.tell_status(status, ctx),
                Waiting::Upload(upload) => self.tell_upload(upload, ctx),
                Waiting::Listener(listener) => drop(listener),
            }
        }
    }

    /// Does not let a newcomer in: one that may be in many rooms is told so, another's socket is closed.
    pub(super) fn turn_away(&mut self, newcomer: Newcomer, refusal: Refusal, why: Disconnect, ctx: &mut Context<Self>) {
        let (join, waited) = newcomer.into_parts();
        let conn = join.conn;
        match &self.identity.scope {
            RoomScope::Channel { .. } | RoomScope::Direct { .. } => {
                self.arm(conn, &join.hub);
                self.send(conn, FromRoom::Expel { room: self.identity.id, conn, why }, ctx);
                self.drop_spare_arms();
            }
            RoomScope::Open { .. } => {
                self.arm(conn, &join.hub);
                self.refuse(conn, join.tag, refusal, ctx);
                match self.is_in(conn) {
                    true => self.hear_out(waited, ctx),
                    false => self.refuse_waited(join.user.id, conn, waited, ctx),
                }
                self.drop_spare_arms();
            }
        }
    }

    /// Refuses what a newcomer asked that is not let in, up to where it tries once more.
    fn refuse_waited(&mut self, user: UserId, conn: ConnKey, waited: Waited, ctx: &mut Context<Self>) {
        let mut words = waited.0.into_iter();
        while let Some(word) = words.next() {
            match word {
                Waiting::Ask(Ask { tag, .. }) | Waiting::Leave { tag, .. } => {
                    self.refuse(conn, tag, not_in_room(), ctx);
                }
                Waiting::Status(status) => self.tell_status(status, ctx),
                Waiting::Upload(upload) => self.tell_upload(upload, ctx),
                Waiting::Listener(listener) => drop(listener),
                Waiting::Join(join) => return self.come_with(join, words.collect(), ctx),
            }
        }
        self.shut_out(user, conn, None);
    }

    /// Answers a request of a socket that is not in. There may be no hub here to tell it anything.
    pub(super) fn answer_stranger(&self, user: UserId, conn: ConnKey, tag: Tag) {
        let refusal = not_in_room();
        self.node.metrics.refused(refusal.code);
        let reply = Reply::Error { tag, refusal };
        self.shut_out(user, conn, Some(Box::new(reply)));
    }
}

fn not_in_room() -> Refusal {
    Refusal::new(ErrorCode::NotInRoom, "This socket is not in the room; join it first")
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

impl Handler<HeardOut> for Room {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, HeardOut { conn }: HeardOut, _: &mut Self::Context) -> Self::Result {
        let Some(newcomer) = self.entering.get_mut(&conn) else { return Box::pin(std::future::ready(())) };
        let (listener, heard) = oneshot::channel();
        // one per question to the assistant, behind which its session reads no further
        newcomer.waiting.push(Waiting::Listener(listener));
        Box::pin(async move {
            // nothing is ever sent: the end of the other half says it
            let _ = heard.await;
        })
    }
}
