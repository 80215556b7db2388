//! What a client does with a message that is stored: it edits or deletes it, reads it or reacts to it. The message is looked
//! up first, since a client may name it alone; the socket need not be in its room.

use std::sync::Arc;

use actix::prelude::*;

use super::Session;
use crate::{
    actors::{gateway::Gateway, messages::Ask, room::Room},
    auth::policy::Subject,
    core::{
        command::{MessageAddress, MessageRight, Request},
        event::{EventBody, Reply, RoomIdentity},
    },
    error::Refusal,
};

impl Session {
    /// Finds the message and does it in its room.
    pub(super) fn act_on_message(
        &mut self,
        at: MessageAddress,
        right: MessageRight,
        request: Request,
        ctx: &mut Context<Self>,
    ) {
        // nothing has to be read for what a participant does in a joined conversation: the store finds the message there
        if right == MessageRight::Answer
            && let Some(joined) = at.room.as_ref().and_then(|room| self.rooms.with_part(room))
        {
            return self.ask_joined(joined, request);
        }
        let (node, user, role, confined) =
            (self.worker.node.clone(), self.user.id.clone(), self.role, self.confined.clone());
        let found = async move {
            let subject = Subject { user: &user, role, rooms: confined.as_deref() };
            node.room_of_message(subject, &at, right).await
        };
        self.hold(found, ctx, move |found, session, ctx| match found {
            Ok(room) => session.ask_in(room, request, ctx),
            Err(refusal) => session.refuse(request.tag, refusal),
        });
    }

    fn ask_joined(&self, joined: &Addr<Room>, request: Request) {
        let Request { tag, client_message_id, command } = request;
        let (conn, user) = (self.outbox.key, self.user.clone());
        let ask = Ask { conn, user, tag, client_message_id, command, attachments: Vec::new() };
        if let Err(SendError::Full(ask) | SendError::Closed(ask)) = joined.try_send(ask) {
            self.refuse(ask.tag, Refusal::unavailable());
        }
    }

    /// Does something in a room, whether the socket is in it or not.
    fn ask_in(&mut self, room: RoomIdentity, request: Request, ctx: &mut Context<Self>) {
        if let Some(joined) = self.rooms.addr(room.id) {
            return self.ask_joined(joined, request);
        }
        let Request { tag, client_message_id, command } = request;
        let user = self.user.clone();
        let gateway = Gateway::new(Arc::clone(&self.worker.node));
        let asked = async move { gateway.ask(room, user, client_message_id, command, Vec::new()).await };
        self.hold(asked, ctx, move |answer, session, _| match answer.map(|event| event.map(|event| event.body)) {
            Ok(Some(EventBody::Durable { id, seq, .. })) if tag.wants_answer() => {
                session.reply(&Reply::Ack { tag, id, seq });
            }
            Ok(None) => session.done(tag),
            Ok(Some(EventBody::Durable { .. } | EventBody::Ephemeral(_))) => {}
            // the room has counted it
            Err(refusal) => session.reply(&Reply::Error { tag, refusal }),
        });
    }
}
