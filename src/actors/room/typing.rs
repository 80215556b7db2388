//! Typing indicators. An indicator must end with the socket on which it began: when that socket closes, leaves or does
//! not renew it, even if the user has other sockets.

use std::time::Duration;

use actix::prelude::*;

use super::{Pending, Room, rest_requests::Requester};
use crate::{
    actors::outbox::ConnKey,
    core::{
        command::Typing,
        event::{ChatEphemeral, Ephemeral},
        profile::Author,
        typing::{Stopped, TypingPlace, Typists},
    },
    ids::{NodeId, UserId},
    limits,
};

/// The source of a typing indicator.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum TypingSource {
    /// A socket on this node.
    Socket(ConnKey),
    /// Requests over REST on this node, which have no socket that could close.
    Route,
    /// The sockets of a user on another node, which announces the end itself.
    Node(NodeId, UserId),
}

/// The users who are typing, and whether a timer checks for expired indicators.
#[derive(Default)]
pub(super) struct TypingHere {
    typists: Typists<TypingSource>,
    looking: Pending,
}

impl Room {
    /// A member here started or stopped typing.
    pub(super) fn set_typing(
        &mut self,
        asker: &Requester,
        user: Author,
        typing: Typing,
        cell: TypingPlace,
        ctx: &mut Context<Self>,
    ) {
        let source = match asker {
            Requester::Socket { conn, .. } => TypingSource::Socket(*conn),
            Requester::Route(_) => TypingSource::Route,
        };
        self.note_typing(source, &user, typing, &cell, ctx);
        self.announce_typing(user, typing, cell, ctx);
    }

    /// Records a typing indicator of a member on any node that has been announced already.
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
                if let Some(Stopped { user, place }) = self.typing.typists.started(source.clone(), user, cell, now) {
                    self.announce_typing_stopped(source, user, place, ctx);
                }
                self.look_for_silent(ctx);
            }
            Typing::Stopped => self.typing.typists.stopped(source, &user.id, cell),
        }
    }

    fn node_time(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.node.clock.now().unix_ms).unwrap_or_default())
    }

    fn announce_typing(&mut self, user: Author, typing: Typing, cell: TypingPlace, ctx: &mut Context<Self>) {
        let audience = self.kind.typing_audience(&user.id);
        self.announce(Ephemeral::Chat(ChatEphemeral::Typing { user, typing, cell }), audience, ctx);
    }

    /// A socket has left the room.
    pub(super) fn end_typing_of(&mut self, conn: ConnKey, ctx: &mut Context<Self>) {
        if self.typing.typists.is_empty() {
            return;
        }
        for Stopped { user, place } in self.typing.typists.ended(|source| *source == TypingSource::Socket(conn)) {
            self.announce_typing(user, Typing::Stopped, place, ctx);
        }
    }

    /// A node is gone and cannot announce the end of its indicators any more.
    pub(super) fn end_typing_at(&mut self, node: NodeId, ctx: &mut Context<Self>) {
        for Stopped { user, place } in
            self.typing.typists.ended(|source| matches!(source, TypingSource::Node(of, _) if *of == node))
        {
            self.announce_typing_stopped(TypingSource::Node(node, user.id.clone()), user, place, ctx);
        }
    }

    /// Announces the end of an indicator: of a member here on all nodes; of a member on another node only here, because
    /// that node does not announce it.
    fn announce_typing_stopped(
        &mut self,
        source: TypingSource,
        user: Author,
        cell: TypingPlace,
        ctx: &mut Context<Self>,
    ) {
        match source {
            TypingSource::Socket(_) | TypingSource::Route => self.announce_typing(user, Typing::Stopped, cell, ctx),
            TypingSource::Node(..) => {
                let audience = self.kind.typing_audience(&user.id);
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
                // its own node announces it first
                TypingSource::Node(..) => limits::TYPING_SILENCE_MAX + limits::TYPING_LOOK * 3,
            });
            for (source, Stopped { user, place }) in silent {
                room.announce_typing_stopped(source, user, place, ctx);
            }
            room.look_for_silent(ctx);
        });
    }
}
