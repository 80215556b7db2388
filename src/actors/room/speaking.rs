//! What is said in a room: commands become entries for the journal or ephemeral events; stored entries become events in
//! the order of their places; gaps are closed from the log.

use std::sync::Arc;

use actix::prelude::*;

use super::Room;
use crate::{
    actors::{
        bridge::RoomWord,
        fanout::{Audience, Broadcast},
        messages::{Aim, Ask, Entry, Misdirected, NotStored, Origin, Outcome, ToUsers},
        outbox::ConnKey,
    },
    core::{
        command::{Command, Tag},
        cursor::Pointed,
        event::{Durable, Ephemeral, Event, EventBody, Reply, RoomScope},
        profile::Author,
    },
    error::{ErrorCode, Refusal},
    ids::{EventId, Seq, UserId},
    store::{Append, Appended},
};

impl Room {
    /// Where the room's published sequence stands.
    pub(super) fn head(&self) -> Seq {
        self.core.as_ref().map_or_else(Seq::default, |core| core.head())
    }

    /// Does what a member asks.
    pub(super) fn answer(&mut self, ask: Ask, ctx: &mut Context<Self>) {
        if let Some(newcomer) = self.entering.get_mut(&ask.conn) {
            // answered after the first frame about the room
            let (conn, patience) = (ask.conn, newcomer.asks(ask));
            return self.keep_waiting(conn, patience, ctx);
        }
        let Ask { conn, user, tag, command, attachments } = ask;
        if !self.is_in(conn) {
            return self.answer_stranger(user.id, conn, tag);
        }
        self.seen(&user.id);
        match command {
            Command::SendMessage { addressed, .. } | Command::SetTyping { addressed, .. }
                if !self.identity.scope.takes(&addressed) =>
            {
                let sentence = "This type belongs to the other kind of room: `message` and `typing` are for channels, `dm_message` and `dm_typing` for direct conversations";
                self.refuse(conn, tag, Refusal::new(ErrorCode::UnknownMessageType, sentence), ctx);
            }
            Command::SendMessage { content, .. } => {
                let what = Durable::MessageSent { sender: user, content, attachments };
                self.store(what, Origin { conn, tag, aim: Aim::Named }, ctx);
            }
            Command::SetTyping { typing, cell, .. } => {
                let audience = match &self.identity.scope {
                    RoomScope::Channel { .. } => Audience::Everyone,
                    RoomScope::Direct { .. } | RoomScope::Open { .. } => Audience::EveryoneBut(user.id.clone()),
                };
                self.announce(Ephemeral::Typing { user, typing, cell }, audience, ctx);
                self.done(conn, tag, ctx);
            }
            Command::UpdateCells { sheet, room, cells } => {
                let what = Durable::CellsUpdated { sheet, author: user, cells };
                let aim = if room.is_some() { Aim::Named } else { Aim::Guessed };
                self.store(what, Origin { conn, tag, aim }, ctx);
            }
            Command::MoveCursor { cursor, .. } => {
                self.point(Pointed { user, cursor }, ctx);
                self.done(conn, tag, ctx);
            }
            Command::Signal { kind, target, data } => {
                let signal = Ephemeral::Signal { from: user.clone(), kind, data };
                self.signal(conn, &user, tag, target, signal, ctx);
            }
            // answered by the session itself, which knows the socket
            Command::Ping
            | Command::AuthRefresh { .. }
            | Command::Join { .. }
            | Command::Leave { .. }
            | Command::SetStatus { .. }
            | Command::Ask(_)
            | Command::CancelAsk { .. }
            | Command::FilterNotifications(_)
            | Command::ReadNotification { .. }
            | Command::TellUpload { .. } => {}
        }
    }

    /// It is done, and whoever wants to know is told so.
    fn done(&mut self, conn: ConnKey, tag: Tag, ctx: &mut Context<Self>) {
        if tag.wants_answer() {
            self.tell(conn, Reply::Done { tag }, ctx);
        }
    }

    fn signal(
        &mut self,
        conn: ConnKey,
        user: &Author,
        tag: Tag,
        target: Option<UserId>,
        signal: Ephemeral,
        ctx: &mut Context<Self>,
    ) {
        let partner = self.identity.scope.partner_of(&user.id).cloned();
        let Some(target) = partner.or(target) else {
            let sentence = "`target_user_id` is missing: name the user that this signal is for";
            return self.refuse(conn, tag, Refusal::new(ErrorCode::InvalidMessage, sentence), ctx);
        };
        if !self.core.as_ref().is_some_and(|core| core.is_present(&target)) {
            let sentence = "The user that this signal is for has no socket in this room";
            return self.refuse(conn, tag, Refusal::new(ErrorCode::TargetUnavailable, sentence), ctx);
        }
        self.announce(signal, Audience::Only(target), ctx);
    }

    /// Hands an event to the journal. Nobody hears of it before it is stored.
    fn store(&mut self, what: Durable, origin: Origin, ctx: &mut Context<Self>) {
        let queue_for = match &what {
            Durable::MessageSent { sender, .. } => {
                self.identity.scope.queues_for(&sender.id).cloned().into_iter().collect()
            }
            Durable::CellsUpdated { .. } => Vec::new(),
        };
        let append = Append {
            room: self.identity.id,
            id: EventId::generate(),
            at: self.node.clock.now(),
            what: Arc::new(what),
            queue_for,
        };
        let entry = Entry { append, room: ctx.address(), origin: Some(origin) };
        match self.node.journal.try_send(entry) {
            Ok(()) => self.in_flight += 1,
            Err(SendError::Full(entry) | SendError::Closed(entry)) => {
                if let Some(Origin { conn, tag, .. }) = entry.origin {
                    self.refuse(conn, tag, Refusal::unavailable(), ctx);
                }
            }
        }
    }

    /// The journal's word about one entry.
    pub(super) fn settle(&mut self, outcome: Outcome, ctx: &mut Context<Self>) {
        let Outcome { entry, result } = outcome;
        let Append { id, at, what: asked, .. } = entry.append;
        let Appended { seq, what } = match result {
            Ok(appended) => appended,
            Err(why) => {
                if let Some(origin) = entry.origin {
                    self.not_stored(origin, &asked, why, ctx);
                }
                return;
            }
        };
        // mostly the same as what is stored, which then needs no copy
        drop(asked);
        let what = Arc::unwrap_or_clone(what);
        let event = Event { room: self.identity.clone(), at, body: EventBody::Durable { seq, id, what } };
        let broadcast = Broadcast::new(event, Audience::Everyone);
        self.node.bridge.carry(self.identity.id, RoomWord::Event(broadcast.clone()));
        self.tell_both(&broadcast);
        self.publish(broadcast, ctx);
        if let Some(Origin { conn, tag, .. }) = entry.origin.filter(|origin| origin.tag.wants_answer()) {
            self.tell(conn, Reply::Ack { tag, id, seq }, ctx);
        }
    }

    fn not_stored(&mut self, origin: Origin, what: &Durable, why: NotStored, ctx: &mut Context<Self>) {
        let Origin { conn, tag, aim } = origin;
        match (why, what) {
            (NotStored::Refused(refusal), _) => self.refuse(conn, tag, refusal, ctx),
            (NotStored::Conflicts(conflicts), Durable::CellsUpdated { sheet, .. }) => {
                self.node.metrics.refused(ErrorCode::VersionConflict);
                let sheet = sheet.clone();
                self.tell(conn, Reply::VersionConflict { tag, sheet, conflicts }, ctx);
            }
            (NotStored::SheetElsewhere, Durable::CellsUpdated { sheet, author, cells }) => match aim {
                Aim::Named => {
                    let sentence = "`room`: the sheet that `sheet_id` names belongs to another room; leave `room` out, join the sheet's own room, or choose another `sheet_id`";
                    self.refuse(conn, tag, Refusal::new(ErrorCode::InvalidMessage, sentence), ctx);
                }
                Aim::Guessed => {
                    let (user, sheet, cells) = (author.id.clone(), sheet.clone(), cells.clone());
                    let misdirected = Misdirected { user, conn, tag, sheet, cells };
                    if let Err(error) = self.node.registry.try_send(misdirected) {
                        self.refuse(conn, error.into_inner().tag, Refusal::unavailable(), ctx);
                    }
                }
            },
            (NotStored::Conflicts(_) | NotStored::SheetElsewhere, Durable::MessageSent { .. }) => {
                self.refuse(conn, tag, Refusal::internal(), ctx);
            }
        }
    }

    /// In a direct conversation both users hear of it on their sockets elsewhere, too.
    fn tell_both(&self, broadcast: &Arc<Broadcast>) {
        let RoomScope::Direct { users } = &self.identity.scope else { return };
        let told = ToUsers { users: users.clone(), broadcast: broadcast.clone() };
        if self.node.registry.try_send(told).is_err() {
            log::warn!("event=direct_not_told room={} why=registry_full", self.identity.id);
        }
    }

    pub(super) fn refuse(&mut self, conn: ConnKey, tag: Tag, refusal: Refusal, ctx: &mut Context<Self>) {
        self.node.metrics.refused(refusal.code);
        self.tell(conn, Reply::Error { tag, refusal }, ctx);
    }
}
