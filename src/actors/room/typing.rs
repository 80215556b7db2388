//! Typing that ends with the socket on which it began: the others are told that it stopped when that socket ends, leaves
//! or is silent for a while, though other sockets of the user stay.

use std::time::Duration;

use actix::prelude::*;

use super::{Pending, Room, errands::Asker};
use crate::{
    actors::outbox::ConnKey,
    core::{
        command::Typing,
        event::{Audience, ChatEphemeral, Ephemeral, RoomScope},
        profile::Author,
        typing::{Stopped, TypingPlace, Typists},
    },
    ids::{NodeId, UserId},
    limits,
};

/// On what somebody types.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum TypingSource {
    /// A socket of this node.
    Socket(ConnKey),
    /// Requests over REST on this node, which have no socket to end.
    Route,
    /// Whatever sockets a user has on another node, which says when one of them ends.
    Node(NodeId),
}

/// Who types, and whether a timer looks for those who are silent.
#[derive(Default)]
pub(super) struct TypingHere {
    typists: Typists<TypingSource>,
    looking: Pending,
}

impl Room {
    /// A member here began or stopped.
    pub(super) fn set_typing(
        &mut self,
        asker: &Asker,
        user: Author,
        typing: Typing,
        cell: TypingPlace,
        ctx: &mut Context<Self>,
    ) {
        let source = match asker {
            Asker::Socket { conn, .. } => TypingSource::Socket(*conn),
            Asker::Route(_) => TypingSource::Route,
        };
        self.note_typing(source, &user, typing, &cell, ctx);
        self.announce_typing(user, typing, cell, ctx);
    }

    /// The same of a member here or elsewhere, who has been told of already.
    pub(super) fn note_typing(
        &mut self,
        source: TypingSource,
        user: &Author,
        typing: Typing,
        cell: &TypingPlace,
        ctx: &mut Context<Self>,
    ) {
        match typing {
            Typing::Started => {
                let now = self.node_time();
                if let Some(Stopped { user, place }) = self.typing.typists.started(source, user, cell, now) {
                    self.tell_stopped(source, user, place, ctx);
                }
                self.look_for_silent(ctx);
            }
            Typing::Stopped => self.typing.typists.stopped(source, &user.id, cell),
        }
    }

    fn node_time(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.node.clock.now().unix_ms).unwrap_or_default())
    }

    fn typing_audience(&self, user: &UserId) -> Audience {
        match &self.identity.scope {
            RoomScope::Channel { .. } => Audience::Everyone,
            RoomScope::Direct { .. } | RoomScope::Open { .. } => Audience::EveryoneBut(user.clone()),
        }
    }

    fn announce_typing(&mut self, user: Author, typing: Typing, cell: TypingPlace, ctx: &mut Context<Self>) {
        let audience = self.typing_audience(&user.id);
        self.announce(Ephemeral::Chat(ChatEphemeral::Typing { user, typing, cell }), audience, ctx);
    }

    /// A socket is out of the room.
    pub(super) fn end_typing_of(&mut self, conn: ConnKey, ctx: &mut Context<Self>) {
        if self.typing.typists.is_empty() {
            return;
        }
        for Stopped { user, place } in self.typing.typists.ended(|source| *source == TypingSource::Socket(conn)) {
            self.announce_typing(user, Typing::Stopped, place, ctx);
        }
    }

    /// A node is gone, which can't say any more that somebody there stopped.
    pub(super) fn end_typing_at(&mut self, node: NodeId, ctx: &mut Context<Self>) {
        for Stopped { user, place } in self.typing.typists.ended(|source| *source == TypingSource::Node(node)) {
            self.tell_stopped(TypingSource::Node(node), user, place, ctx);
        }
    }

    /// Of a member here all nodes are told; of one elsewhere the members here, since that node says nothing more.
    fn tell_stopped(&mut self, source: TypingSource, user: Author, cell: TypingPlace, ctx: &mut Context<Self>) {
        match source {
            TypingSource::Socket(_) | TypingSource::Route => self.announce_typing(user, Typing::Stopped, cell, ctx),
            TypingSource::Node(_) => {
                let audience = self.typing_audience(&user.id);
                let stopped = self.ephemeral(
                    Ephemeral::Chat(ChatEphemeral::Typing { user, typing: Typing::Stopped, cell }),
                    audience,
                );
                self.deliver(&stopped, ctx);
            }
        }
    }

    fn look_for_silent(&mut self, ctx: &mut Context<Self>) {
        if self.typing.looking == Pending::Yes || self.typing.typists.is_empty() {
            return;
        }
        self.typing.looking = Pending::Yes;
        ctx.run_later(limits::TYPING_LOOK, |room, ctx| {
            room.typing.looking = Pending::No;
            let now = room.node_time();
            let silent = room.typing.typists.silent(now, |source| match source {
                TypingSource::Socket(_) | TypingSource::Route => limits::TYPING_SILENCE_MAX,
                // its own node says it first
                TypingSource::Node(_) => limits::TYPING_SILENCE_MAX + limits::TYPING_LOOK * 3,
            });
            for (source, Stopped { user, place }) in silent {
                room.tell_stopped(source, user, place, ctx);
            }
            room.look_for_silent(ctx);
        });
    }
}
