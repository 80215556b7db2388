//! Reports sockets to the presence tracker. Both run on one thread, and a mailbox is drained without a pause, so a
//! burst (a hundred thousand sockets that close at once) may not fit into the tracker's mailbox. Lost reports must
//! never be repeated one by one: as soon as there is room, the tracker receives the complete list and applies the
//! difference.

use actix::prelude::*;
use rustc_hash::FxHashMap;

use super::Registry;
use crate::{
    actors::{
        messages::{AnnounceStatus, LocalSocket, LocalSockets, SetStatus},
        presence::PresenceTracker,
    },
    core::presence::UserStatus,
    ids::UserId,
    limits,
};

/// Reports that the tracker has not received.
#[derive(Default)]
pub(super) struct PresenceBacklog {
    /// A report was lost; the complete list is pending.
    is_behind: bool,
    /// Statuses set by users. Bounded by the users with a socket here.
    statuses: FxHashMap<UserId, UserStatus>,
}

impl Registry {
    pub(super) fn keep_status(&mut self, user: &UserId, announce: AnnounceStatus, ctx: &mut Context<Self>) {
        let status = self.user(user).status.clone();
        let set = SetStatus { user: user.clone(), status: status.clone(), announce };
        if !self.notify_presence(set, ctx) {
            self.presence.statuses.insert(user.clone(), status);
        }
    }

    /// Returns false if the mailbox is full; the complete list will be sent later. Nothing is sent before that list, so
    /// that the order is kept.
    pub(super) fn notify_presence<M>(&mut self, message: M, ctx: &mut Context<Self>) -> bool
    where
        M: Message<Result = ()> + Send + 'static,
        PresenceTracker: Handler<M>,
    {
        let Some(node) = &self.node else { return true };
        if !self.presence.is_behind {
            match node.presence.try_send(message) {
                // the tracker has stopped; the watchdog reports that
                Ok(()) | Err(SendError::Closed(_)) => return true,
                Err(SendError::Full(_)) => {}
            }
            log::warn!("event=presence_behind connections={}", self.connections);
            self.presence.is_behind = true;
            ctx.run_later(limits::OVERFLOW_RETRY, Self::catch_presence_up);
        }
        false
    }

    fn catch_presence_up(&mut self, ctx: &mut Context<Self>) {
        let Some(node) = &self.node else { return };
        let sockets = self.users.iter().flat_map(|(id, user)| {
            user.sessions.iter().map(move |socket| LocalSocket {
                user: id.clone(),
                conn: socket.conn,
                follows_presence: socket.follows_presence,
            })
        });
        let statuses = std::mem::take(&mut self.presence.statuses);
        let whole = LocalSockets { sockets: sockets.collect(), statuses: statuses.into_iter().collect() };
        match node.presence.try_send(whole) {
            Ok(()) | Err(SendError::Closed(_)) => self.presence.is_behind = false,
            Err(SendError::Full(whole)) => {
                self.presence.statuses = whole.statuses.into_iter().collect();
                ctx.run_later(limits::OVERFLOW_RETRY, Self::catch_presence_up);
            }
        }
    }
}
