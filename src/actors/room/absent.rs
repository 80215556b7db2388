//! Messages for users who take part in a conversation without a socket in it. Such a message is queued in the transaction
//! that stores it, and sent to those of these users who are online. It must never be sent to a user twice: a user who has a
//! socket in the room receives it from the room.

use std::sync::Arc;

use actix::prelude::*;

use super::Room;
use crate::{
    actors::{
        fanout::Broadcast,
        messages::{FilterConnected, PublishDirect},
    },
    core::event::{Durable, EventBody},
    ids::{EventId, UserId},
    limits,
    logged::logged,
    store::{QueueFor, QueuedId},
};

impl Room {
    /// In whose queues an event is put.
    pub(super) fn queue_for(&self, what: &Durable) -> QueueFor {
        if !what.is_queued_for_absent() {
            return QueueFor::default();
        }
        self.view().map_or_else(QueueFor::default, |room| self.kind.queue_for(what, &room))
    }

    /// Sends a stored event to sockets that have not joined the room: to those of the users to whom the kind always sends
    /// it, otherwise to those of the users in whose queues it is.
    pub(super) fn deliver_to_unjoined(
        &self,
        broadcast: &Arc<Broadcast>,
        queued_for: &[UserId],
        ctx: &mut Context<Self>,
    ) {
        match self.kind.always_sent_to() {
            users if users.is_empty() => self.deliver_to_absent(broadcast, queued_for, ctx),
            users => self.publish_direct(users, broadcast.clone()),
        }
    }

    fn deliver_to_absent(&self, broadcast: &Arc<Broadcast>, queued_for: &[UserId], ctx: &mut Context<Self>) {
        let (here, absent): (Vec<UserId>, Vec<UserId>) =
            queued_for.iter().cloned().partition(|user| self.is_here(user));
        if let EventBody::Durable { id, .. } = broadcast.event.body {
            // they joined while it was being stored, and receive it from the room
            here.into_iter().for_each(|user| self.remove_from_queue(user, id));
        }
        if absent.is_empty() {
            return;
        }
        let asked = self.node.presence.send(FilterConnected(absent)).timeout(limits::ASK_TIMEOUT);
        let broadcast = broadcast.clone();
        ctx.spawn(asked.into_actor(self).map(move |online, room, _| {
            let online = online.unwrap_or_default();
            if !online.is_empty() {
                room.publish_direct(online, broadcast);
            }
        }));
    }

    fn publish_direct(&self, users: Vec<UserId>, broadcast: Arc<Broadcast>) {
        if self.node.registry.try_send(PublishDirect { users, broadcast }).is_err() {
            log::warn!("event=direct_not_sent room={} why=registry_full", self.identity.id);
        }
    }

    fn remove_from_queue(&self, user: UserId, message: EventId) {
        let store = self.node.store.clone();
        actix::spawn(async move {
            if let Err(error) = store.queue_delivered(&user, QueuedId::Message(message)).await {
                log::warn!("event=queue_not_deleted user={} why={}", logged(&user), logged(&error));
            }
        });
    }
}
