//! Mutes and bans on this node. Every join and every new socket passes through the registry, so a ban that it has applied
//! holds for all that come later; those that came before are closed here.

use std::sync::Arc;

use actix::prelude::*;

use super::Registry;
use crate::{
    actors::{
        bridge::{Destination, NodeMessage},
        messages::{ApplySanction, ExpelFrom, Notice, NotifyAll, SanctionSource},
    },
    core::{
        command::RawJson,
        event::Reply,
        moderation::{Sanction, SanctionKind},
    },
    disconnect::Disconnect,
    error::Refusal,
    ids::{RoomId, Timestamp, UserId},
    logged::logged,
};

impl Registry {
    /// # Errors
    /// If the user is banned from the room or from the server.
    pub(super) fn refuse_banned(&self, user: &UserId, room: RoomId) -> Result<(), Refusal> {
        let Some(node) = &self.node else { return Ok(()) };
        match node.moderation.ban(user, Some(room), node.clock.now()) {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }

    /// Applies what another node reports. It must not be published again.
    pub(super) fn apply_sanction(&mut self, sanction: &Sanction) {
        let is_news = self.node.as_ref().is_some_and(|node| node.moderation.apply(sanction));
        if is_news {
            self.enforce(sanction);
        }
    }

    /// Closes what a ban forbids.
    fn enforce(&mut self, sanction: &Sanction) {
        let Sanction { user, room, kind, .. } = sanction;
        if *kind != SanctionKind::Ban || !sanction.is_active(self.now()) {
            return;
        }
        match room {
            Some(room) => self.exclude(user, &[*room]),
            None => {
                if let Some(known) = self.users.get_mut(user) {
                    let count = known.close(user, Disconnect::Revoked);
                    log::info!("event=banned_sockets_closed user={} count={count}", logged(user));
                }
            }
        }
    }

    /// Sends a notice to all sockets here.
    pub(super) fn notify_all(&self, data: RawJson, at: Timestamp) {
        let notice = Notice(Arc::new(Reply::Notice { data, at }));
        let sockets = self.users.values().flat_map(|user| &user.sessions);
        let missed = sockets.filter(|socket| socket.session.try_send(notice.clone()).is_err()).count();
        if missed > 0 {
            log::warn!("event=announcement_missed sockets={missed}");
        }
    }
}

impl Handler<ApplySanction> for Registry {
    type Result = ();

    fn handle(&mut self, ApplySanction { sanction, source }: ApplySanction, ctx: &mut Self::Context) {
        match source {
            SanctionSource::Database => self.enforce(&sanction),
            SanctionSource::Request => {
                if let Some(node) = &self.node {
                    node.moderation.apply(&sanction);
                }
                self.enforce(&sanction);
                self.publish_to_nodes(Destination::Everyone, NodeMessage::Sanction(Sanction::clone(&sanction)));
                // also known to nodes of earlier releases
                if sanction.kind == SanctionKind::Ban
                    && sanction.is_active(self.now())
                    && let Some(room) = sanction.room
                {
                    self.handle(ExpelFrom { user: sanction.user.clone(), rooms: vec![room] }, ctx);
                }
            }
        }
    }
}

impl Handler<NotifyAll> for Registry {
    type Result = ();

    fn handle(&mut self, NotifyAll { data, at }: NotifyAll, _: &mut Self::Context) {
        self.notify_all(data.clone(), at);
        self.publish_to_nodes(Destination::Everyone, NodeMessage::NoticeToAll { data, at });
    }
}
