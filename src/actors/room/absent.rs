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
    core::event::{ChatDurable, Durable, EventBody, RoomScope},
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
        let absent_mentioned = || {
            let mentioned = match what {
                Durable::Chat(ChatDurable::MessageSent { mentions, .. }) => mentions.as_slice(),
                Durable::Chat(_) | Durable::Sheet(_) => &[],
            };
            let author = &what.author().id;
            let absent = mentioned.iter().filter(|user| *user != author && !self.is_here(user));
            absent.cloned().collect::<Vec<UserId>>()
        };
        match &self.identity.scope {
            RoomScope::Direct { .. } => {
                let partner = self.identity.scope.queues_for(&what.author().id);
                partner.cloned().into_iter().collect::<Vec<UserId>>().into()
            }
            RoomScope::Channel { .. } => absent_mentioned().into(),
            // who is not there is not told
            RoomScope::Space => QueueFor::default(),
            RoomScope::Open { .. } => {
                let present = self.core.iter().flat_map(|core| core.online().map(|user| user.id.clone()));
                QueueFor { users: absent_mentioned(), participants_except: Some(present.collect()) }
            }
        }
    }

    /// Sends a stored event to sockets that have not joined the room: in a direct conversation to those of both users,
    /// elsewhere to those of the users in whose queues it is.
    pub(super) fn deliver_to_unjoined(
        &self,
        broadcast: &Arc<Broadcast>,
        queued_for: &[UserId],
        ctx: &mut Context<Self>,
    ) {
        match &self.identity.scope {
            RoomScope::Direct { users: [first, second] } if first == second => {
                self.publish_direct(vec![first.clone()], broadcast.clone());
            }
            RoomScope::Direct { users } => self.publish_direct(users.to_vec(), broadcast.clone()),
            RoomScope::Channel { .. } | RoomScope::Open { .. } | RoomScope::Space => {
                self.deliver_to_absent(broadcast, queued_for, ctx)
            }
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
            log::warn!("event=direct_not_told room={} why=registry_full", self.identity.id);
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
