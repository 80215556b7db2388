//! Commands executed over REST: the same commands as those of sockets, by the same rules, with an answer for the route.
//! An errand passes through the registry, which counts it like a join, so that the room cannot retire in between.

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

/// The origin of a command, which receives the answer.
#[derive(Debug)]
pub enum Asker {
    /// A socket.
    Socket {
        /// The socket.
        conn: ConnKey,
        /// The tag of its request.
        tag: Tag,
    },
    /// A REST route.
    Route(oneshot::Sender<ErrandAnswer>),
}

impl Room {
    /// Refuses a command.
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

    /// Confirms a command that stores nothing.
    pub(super) fn done(&mut self, asker: Asker, ctx: &mut Context<Self>) {
        match asker {
            Asker::Socket { conn, tag } if tag.wants_answer() => self.tell(conn, Reply::Done { tag }, ctx),
            Asker::Socket { .. } => {}
            Asker::Route(answer) => {
                let _ = answer.send(Ok(None));
            }
        }
    }

    /// Confirms a command with the stored event.
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

    /// The room is open: executes the errands that arrived before.
    pub(super) fn run_early_errands(&mut self, ctx: &mut Context<Self>) {
        for errand in std::mem::take(&mut self.early_errands) {
            self.run(errand, ctx);
        }
    }

    /// The room cannot be opened: refuses the errands that arrived before.
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
