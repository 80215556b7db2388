//! Delivery receipts: to whom a message was sent, and in whose queues it is. The room knows its members; the presence
//! tracker knows which other users are online. A receipt must never precede the message itself.

use std::sync::Arc;

use actix::prelude::*;

use super::Room;
use crate::{
    actors::{fanout::Broadcast, messages::FilterConnected, outbox::ConnKey},
    core::{
        command::Tag,
        event::{Delivered, EventBody, Recipients, Reply},
    },
    ids::{Epoch, UserId},
    limits,
};

impl Room {
    /// Replies to the sender of a stored message, after the message itself.
    pub(super) fn tell_delivery(
        &mut self,
        conn: ConnKey,
        tag: Tag,
        stored: &Arc<Broadcast>,
        queued_for: Vec<UserId>,
        ctx: &mut Context<Self>,
    ) {
        let absent: Vec<UserId> = queued_for.into_iter().filter(|user| !self.is_here(user)).collect();
        if absent.is_empty() {
            return self.tell_delivered(conn, tag, stored, &absent, &absent, ctx);
        }
        let asked = self.node.presence.send(FilterConnected(absent.clone())).timeout(limits::ASK_TIMEOUT);
        let stored = stored.clone();
        ctx.spawn(asked.into_actor(self).map(move |online, room, ctx| {
            let online = online.unwrap_or_default();
            room.tell_delivered(conn, tag, &stored, &absent, &online, ctx);
        }));
    }

    pub(super) fn is_here(&self, user: &UserId) -> bool {
        self.core.as_ref().is_some_and(|core| core.is_present(user))
    }

    /// `absent` are the users for whom it was queued because they are not in the room; `online` are those of them who
    /// have a socket.
    fn tell_delivered(
        &mut self,
        conn: ConnKey,
        tag: Tag,
        stored: &Broadcast,
        absent: &[UserId],
        online: &[UserId],
        ctx: &mut Context<Self>,
    ) {
        let EventBody::Durable { seq, id, what } = &stored.event.body else { return };
        let sender = &what.author().id;
        // a room may have many members: all are counted, but only the first ones are listed
        let others = self.core.as_ref().map_or(0, |core| core.users() - usize::from(core.is_present(sender)));
        let present = self.core.iter().flat_map(|core| core.online().map(|user| &user.id));
        let present = present.filter(|user| *user != sender);
        let mut delivered = Recipients::of(online.iter().chain(present).take(limits::RECIPIENTS_LISTED_MAX));
        delivered.total = others + online.len();
        let queued = Recipients::of(absent.iter().filter(|user| !online.contains(user)));
        let epoch = self.core.as_ref().map_or(Epoch::NONE, |core| core.epoch());
        let (id, seq) = (*id, *seq);
        let room = self.identity.clone();
        let reply = Delivered { tag, room, id, seq, epoch, delivered, queued };
        self.send_reply(conn, Reply::Delivered(Box::new(reply)), ctx);
    }
}
