//! What REST does in a room: the same commands as those of sockets, by the same rules, answered to whoever waits for the
//! route's answer. An errand comes through the registry, which counts it like a join, so that no room can retire between.

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{Room, speaking::By, starting::Stage};
use crate::{
    actors::{
        fanout::Broadcast,
        messages::{Errand, ErrandAnswer},
        outbox::ConnKey,
    },
    core::{
        command::Tag,
        event::{EventBody, Reply},
    },
    error::Refusal,
    limits,
};

/// Who asked for something, and so who is answered.
#[derive(Debug)]
pub enum Asker {
    /// A socket.
    Socket {
        /// Which.
        conn: ConnKey,
        /// The tag of its request.
        tag: Tag,
    },
    /// A route of REST.
    Route(oneshot::Sender<ErrandAnswer>),
}

impl Room {
    /// It will not be done.
    pub(super) fn refuse_asker(&mut self, asker: Asker, refusal: Refusal, ctx: &mut Context<Self>) {
        match asker {
            Asker::Socket { conn, tag } => self.refuse(conn, tag, refusal, ctx),
            Asker::Route(answer) => {
                self.node.metrics.refused(refusal.code);
                // the route may have stopped waiting
                let _ = answer.send(Err(refusal));
            }
        }
    }

    /// It is done, and nothing durable came of it.
    pub(super) fn done(&mut self, asker: Asker, ctx: &mut Context<Self>) {
        match asker {
            Asker::Socket { conn, tag } if tag.wants_answer() => self.tell(conn, Reply::Done { tag }, ctx),
            Asker::Socket { .. } => {}
            Asker::Route(answer) => {
                let _ = answer.send(Ok(None));
            }
        }
    }

    /// It is stored, as this event.
    pub(super) fn acknowledge(&mut self, asker: Asker, stored: &Broadcast, ctx: &mut Context<Self>) {
        let EventBody::Durable { seq, id, .. } = stored.event.body else { return };
        match asker {
            Asker::Socket { conn, tag } if tag.wants_answer() => self.tell(conn, Reply::Ack { tag, id, seq }, ctx),
            Asker::Socket { .. } => {}
            Asker::Route(answer) => {
                let _ = answer.send(Ok(Some(Box::new(stored.event.clone()))));
            }
        }
    }

    /// The room is open: what came before that is done now.
    pub(super) fn run_early_errands(&mut self, ctx: &mut Context<Self>) {
        for errand in std::mem::take(&mut self.early_errands) {
            self.run(errand, ctx);
        }
    }

    /// The room can't be opened.
    pub(super) fn refuse_early_errands(&mut self, refusal: &Refusal, ctx: &mut Context<Self>) {
        for errand in std::mem::take(&mut self.early_errands) {
            self.refuse_asker(Asker::Route(errand.answer), refusal.clone(), ctx);
        }
    }

    fn run(&mut self, errand: Errand, ctx: &mut Context<Self>) {
        let Errand { user, command, attachments, answer } = errand;
        self.seen(&user.id);
        self.carry_out(command, By { user, asker: Asker::Route(answer) }, attachments, ctx);
    }
}

impl Handler<Errand> for Room {
    type Result = ();

    fn handle(&mut self, errand: Errand, ctx: &mut Self::Context) {
        self.joins += 1;
        match self.stage {
            Stage::Open => self.run(errand, ctx),
            Stage::Deaf | Stage::Loading | Stage::Gathering { .. } | Stage::Unread => {
                if self.early_errands.len() >= limits::EARLY_ERRANDS_MAX {
                    return self.refuse_asker(Asker::Route(errand.answer), Refusal::unavailable(), ctx);
                }
                self.early_errands.push(errand);
                if self.stage == Stage::Unread {
                    self.load(None, ctx);
                }
            }
        }
        self.rest(ctx);
    }
}
