//! Commands executed over REST: the same commands as those of sockets, by the same rules, with an answer for the route.
//! A request passes through the registry, which counts it like a join, so that the room cannot retire in between.

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{Room, lifecycle::Stage, publish::By};
use crate::{
    actors::{
        fanout::Broadcast,
        messages::{RestAnswer, RestRequest},
        outbox::ConnKey,
    },
    core::{
        canvas::Tile,
        command::Tag,
        event::{CanvasReply, Conflicting, Durable, Ephemeral, Event, EventBody, Reply, SpaceReply},
        space::StateEntry,
    },
    error::Refusal,
    limits,
};

/// The origin of a command, which receives the answer.
#[derive(Debug)]
pub enum Requester {
    /// A socket.
    Socket {
        /// The socket.
        conn: ConnKey,
        /// The tag of its request.
        tag: Tag,
    },
    /// A REST route.
    Route(oneshot::Sender<RestAnswer>),
}

impl Requester {
    /// The socket, if it is one.
    pub const fn socket(&self) -> Option<ConnKey> {
        match self {
            Requester::Socket { conn, .. } => Some(*conn),
            Requester::Route(_) => None,
        }
    }
}

impl Room {
    /// Refuses a command.
    pub(super) fn refuse_asker(&mut self, asker: Requester, refusal: Refusal, ctx: &mut Context<Self>) {
        match asker {
            Requester::Socket { conn, tag } => self.refuse(conn, tag, refusal, ctx),
            Requester::Route(answer) => {
                self.node.metrics.refused(refusal.code);
                // the route may have stopped waiting
                let _ = answer.send(Err(refusal));
            }
        }
    }

    /// Refuses a command that conflicts with what others have done. A route reads for itself what that is.
    pub(super) fn refuse_conflict(
        &mut self,
        asker: Requester,
        refusal: Refusal,
        with: Conflicting,
        ctx: &mut Context<Self>,
    ) {
        match asker {
            Requester::Socket { conn, tag } => {
                self.node.metrics.refused(refusal.code);
                self.send_reply(conn, Reply::Canvas(Box::new(CanvasReply::Conflict { tag, refusal, with })), ctx);
            }
            Requester::Route(_) => self.refuse_asker(asker, refusal, ctx),
        }
    }

    /// Refuses a change of a space's state, because of the entry as it is now.
    pub(super) fn refuse_state(
        &mut self,
        asker: Requester,
        refusal: Refusal,
        entry: Option<StateEntry>,
        ctx: &mut Context<Self>,
    ) {
        match asker {
            Requester::Socket { conn, tag } => {
                self.node.metrics.refused(refusal.code);
                self.send_reply(conn, Reply::Space(Box::new(SpaceReply::StateConflict { tag, refusal, entry })), ctx);
            }
            Requester::Route(_) => self.refuse_asker(asker, refusal, ctx),
        }
    }

    /// Confirms a change of a tile that is already as it was asked for.
    pub(super) fn confirm_tile(&mut self, asker: Requester, tile: Tile, ctx: &mut Context<Self>) {
        match asker {
            Requester::Socket { conn, tag } if tag.wants_answer() => {
                let reply = CanvasReply::TileStored { tag, stored: None, tile };
                self.send_reply(conn, Reply::Canvas(Box::new(reply)), ctx);
            }
            Requester::Socket { .. } | Requester::Route(_) => self.done(asker, ctx),
        }
    }

    /// Confirms a command that stores nothing.
    pub(super) fn done(&mut self, asker: Requester, ctx: &mut Context<Self>) {
        match asker {
            Requester::Socket { conn, tag } if tag.wants_answer() => self.send_reply(conn, Reply::Done { tag }, ctx),
            Requester::Socket { .. } => {}
            Requester::Route(answer) => {
                let _ = answer.send(Ok(None));
            }
        }
    }

    /// Answers a route with what was asked for.
    pub(super) fn report(&self, asker: Requester, what: Ephemeral) {
        if let Requester::Route(answer) = asker {
            let (room, at) = (self.identity.clone(), self.node.clock.now());
            let _ = answer.send(Ok(Some(Box::new(Event { room, at, body: EventBody::Ephemeral(what) }))));
        }
    }

    /// Confirms a command with the stored event.
    pub(super) fn acknowledge(&mut self, asker: Requester, stored: &Broadcast, ctx: &mut Context<Self>) {
        let EventBody::Durable { seq, id, what } = &stored.event.body else { return };
        let (id, seq) = (*id, *seq);
        match asker {
            Requester::Socket { conn, tag } if tag.wants_answer() => {
                let reply = match what {
                    Durable::Canvas(what) if let Some(tile) = what.tile() => {
                        let (stored, tile) = (Some((id, seq)), tile.clone());
                        Reply::Canvas(Box::new(CanvasReply::TileStored { tag, stored, tile }))
                    }
                    Durable::Canvas(_)
                    | Durable::Chat(_)
                    | Durable::Sheet(_)
                    | Durable::Document(_)
                    | Durable::Space(_) => Reply::Ack { tag, id, seq },
                };
                self.send_reply(conn, reply, ctx);
            }
            Requester::Socket { .. } => {}
            Requester::Route(answer) => {
                let _ = answer.send(Ok(Some(Box::new(stored.event.clone()))));
            }
        }
    }

    /// The room is open: executes the requests that arrived before.
    pub(super) fn run_early_rest_requests(&mut self, ctx: &mut Context<Self>) {
        for request in std::mem::take(&mut self.early_rest_requests) {
            self.run(request, ctx);
        }
    }

    /// The room cannot be opened: refuses the requests that arrived before.
    pub(super) fn refuse_early_rest_requests(&mut self, refusal: &Refusal, ctx: &mut Context<Self>) {
        for request in std::mem::take(&mut self.early_rest_requests) {
            self.refuse_asker(Requester::Route(request.answer), refusal.clone(), ctx);
        }
    }

    fn run(&mut self, request: RestRequest, ctx: &mut Context<Self>) {
        let RestRequest { user, client_message_id, command, attachments, answer } = request;
        self.seen(&user.id);
        self.carry_out(command, By { user, asker: Requester::Route(answer), client_message_id }, attachments, ctx);
    }
}

impl Handler<RestRequest> for Room {
    type Result = ();

    fn handle(&mut self, request: RestRequest, ctx: &mut Self::Context) {
        self.joins += 1;
        match self.stage {
            Stage::Open => self.run(request, ctx),
            Stage::Deaf | Stage::Loading | Stage::Gathering { .. } | Stage::Unread => {
                if self.early_rest_requests.len() >= limits::EARLY_REST_REQUESTS_MAX {
                    return self.refuse_asker(Requester::Route(request.answer), Refusal::unavailable(), ctx);
                }
                self.early_rest_requests.push(request);
                if self.stage == Stage::Unread {
                    self.load(None, ctx);
                }
            }
        }
        self.rest(ctx);
    }
}
