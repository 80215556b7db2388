//! Commands in a room: durable ones become entries for the journal, others become ephemeral events; stored entries
//! become broadcasts, in sequence. A durable event must never be published before it is stored.

use std::sync::Arc;

use actix::prelude::*;

use super::{Requester, Room, kind::Settled};
use crate::{
    actors::{
        bridge::RoomMessage,
        fanout::Broadcast,
        messages::{AppendRequest, AppendResult, Ask, NotStored, Origin, RoomChoice, WrongSheetRoom},
        moderation::Moderated,
        outbox::ConnKey,
    },
    core::{
        command::{
            Addressed, CallCommand, ChatCommand, Command, Draft, PresenceCommand, Receipt, RoomCommand, SpaceCommand,
            Tag,
        },
        event::{
            Attachment, Audience, CallEphemeral, ChatDurable, Conflicting, Durable, Ephemeral, EventBody, Reply,
            RoomEphemeral, SheetDurable,
        },
        profile::Author,
    },
    error::{ErrorCode, Refusal},
    ids::{ClientMessageId, EventId, Seq, SocketId, UserId},
    store::{Append, Appended, StoredEvent},
};

/// The origin of a command, which receives the answer.
pub(super) struct By {
    pub user: Author,
    pub asker: Requester,
    /// The id under which the client may repeat the command.
    pub client_message_id: Option<ClientMessageId>,
}

impl By {
    /// The user's socket; `None` over REST.
    pub(super) fn conn(&self) -> Option<ConnKey> {
        match &self.asker {
            Requester::Socket { conn, .. } => Some(*conn),
            Requester::Route(_) => None,
        }
    }
}

impl Room {
    /// The sequence number of the last published event.
    pub(super) fn head(&self) -> Seq {
        self.core.as_ref().map_or_else(Seq::default, |core| core.head())
    }

    /// Handles a command of a member.
    pub(super) fn answer(&mut self, ask: Ask, ctx: &mut Context<Self>) {
        if let Some(newcomer) = self.entering.get_mut(&ask.conn) {
            // answered after the first frame of the room
            let (conn, patience) = (ask.conn, newcomer.asks(ask));
            return self.keep_waiting(conn, patience, ctx);
        }
        let Ask { conn, user, tag, client_message_id, command, attachments } = ask;
        if !self.is_in(conn) {
            return self.answer_stranger(user.id, conn, tag);
        }
        self.seen(&user.id);
        self.carry_out(
            command,
            By { user, asker: Requester::Socket { conn, tag }, client_message_id },
            attachments,
            ctx,
        );
    }

    /// Executes a command that is for rooms, whatever its origin.
    pub(super) fn carry_out(
        &mut self,
        command: Command,
        by: By,
        attachments: Vec<Attachment>,
        ctx: &mut Context<Self>,
    ) {
        let now = self.node.clock.now();
        let command = match self.node.moderation.moderate(&by.user.id, self.identity.id, command, now) {
            Moderated::Pass(command) => command,
            Moderated::Drop => return self.done(by.asker, ctx),
            Moderated::Refuse(refusal) => return self.refuse_asker(by.asker, refusal, ctx),
        };
        match command {
            Command::Chat(command) => self.chat(command, by, attachments, ctx),
            Command::Call(CallCommand::Signal { kind, target, data }) => {
                let signal = CallEphemeral::Signal { from: by.user.clone(), kind, data };
                self.signal(by, target, signal, ctx);
            }
            Command::Sheet(_)
            | Command::Canvas(_)
            | Command::Document(_)
            | Command::Space(
                SpaceCommand::Move { .. }
                | SpaceCommand::Act { .. }
                | SpaceCommand::SetState { .. }
                | SpaceCommand::ReadSettings { .. },
            )
            | Command::Presence(PresenceCommand::MoveCursor { .. }) => {
                self.ask_kind(command, by, ctx);
            }
            Command::Room(RoomCommand::Broadcast { data, .. }) => {
                let sent = RoomEphemeral::Broadcast { by: by.user, data };
                self.announce(Ephemeral::Room(sent), Audience::Everyone, ctx);
                self.done(by.asker, ctx);
            }
            // executed by the session itself, which knows the socket
            Command::Ping
            | Command::AuthRefresh { .. }
            | Command::Room(RoomCommand::Join { .. } | RoomCommand::JoinWithToken { .. } | RoomCommand::Leave { .. })
            | Command::Call(CallCommand::Direct { .. })
            | Command::Presence(PresenceCommand::SetStatus { .. })
            | Command::Assistant(_)
            | Command::Notices(_)
            | Command::Space(SpaceCommand::Join { .. })
            | Command::Invites(_)
            | Command::Upload(_) => {}
        }
    }

    fn chat(&mut self, command: ChatCommand, by: By, attachments: Vec<Attachment>, ctx: &mut Context<Self>) {
        let By { user, asker, client_message_id: id } = by;
        if command.addressed().is_some_and(|addressed| !self.identity.scope.takes(addressed)) {
            if matches!(command.addressed(), Some(Addressed::Canvas { canvas: Some(_) })) {
                let sentence =
                    "`canvas_id` is not the canvas of this socket; leave it out, or open a socket of that canvas";
                return self.refuse_asker(asker, Refusal::new(ErrorCode::InvalidMessage, sentence), ctx);
            }
            let sentence = "This type belongs to the other kind of room: `message` and `typing` are for channels, `dm_message` and `dm_typing` for direct conversations";
            return self.refuse_asker(asker, Refusal::new(ErrorCode::UnknownMessageType, sentence), ctx);
        }
        match command {
            ChatCommand::Send { addressed, draft: Draft { content, content_type, mentions, .. } } => {
                let what = ChatDurable::MessageSent { sender: user, content, content_type, attachments, mentions };
                self.store_chat(what, id, asker, addressed.receipt(), ctx);
            }
            ChatCommand::Edit { at, content, secrecy } => {
                let what = ChatDurable::MessageEdited { message: at.message, editor: user, content, secrecy };
                self.store_chat(what, id, asker, Receipt::Ack, ctx);
            }
            ChatCommand::Delete { at } => {
                let what = ChatDurable::MessageDeleted { message: at.message, by: user };
                self.store_chat(what, id, asker, Receipt::Ack, ctx);
            }
            ChatCommand::Read { at } => {
                self.mark_read(at.message, By { user, asker, client_message_id: id }, ctx);
            }
            ChatCommand::React { at, emoji, change } => {
                let what = ChatDurable::Reacted { message: at.message, by: user, emoji, change };
                self.store_chat(what, id, asker, Receipt::Ack, ctx);
            }
            ChatCommand::SetTyping { typing, cell, .. } => {
                self.set_typing(&asker, user, typing, cell, ctx);
                self.done(asker, ctx);
            }
        }
    }

    pub(super) fn store_chat(
        &mut self,
        what: ChatDurable,
        client_message_id: Option<ClientMessageId>,
        asker: Requester,
        receipt: Receipt,
        ctx: &mut Context<Self>,
    ) {
        let origin = Origin { asker, room_choice: RoomChoice::Named, receipt };
        self.store(Durable::Chat(what), client_message_id, origin, ctx);
    }

    fn signal(&mut self, by: By, target: Option<UserId>, signal: CallEphemeral, ctx: &mut Context<Self>) {
        let By { user, asker, .. } = by;
        let partner = self.identity.scope.partner_of(&user.id).cloned();
        let Some(target) = partner.or(target) else {
            let sentence = "`target_user_id` is missing: name the user that this signal is for";
            return self.refuse_asker(asker, Refusal::new(ErrorCode::InvalidMessage, sentence), ctx);
        };
        if !self.core.as_ref().is_some_and(|core| core.is_present(&target)) {
            let sentence = "The user that this signal is for has no socket in this room";
            return self.refuse_asker(asker, Refusal::new(ErrorCode::TargetUnavailable, sentence), ctx);
        }
        self.announce(Ephemeral::Call(signal), Audience::Only(target), ctx);
    }

    /// Submits an event to the journal. It is published only when it is stored.
    pub(super) fn store(
        &mut self,
        what: Durable,
        client_message_id: Option<ClientMessageId>,
        origin: Origin,
        ctx: &mut Context<Self>,
    ) {
        self.append(EventId::generate(), what, client_message_id, Some(origin), ctx);
    }

    /// The same with a given id. Without an origin nobody is answered.
    pub(super) fn append(
        &mut self,
        id: EventId,
        what: Durable,
        client_message_id: Option<ClientMessageId>,
        origin: Option<Origin>,
        ctx: &mut Context<Self>,
    ) {
        let queue_for = self.queue_for(&what);
        let append = Append {
            room: self.identity.id,
            id,
            at: self.node.clock.now(),
            what: Arc::new(what),
            queue_for,
            client_message_id,
        };
        let entry = AppendRequest { append, room: ctx.address(), origin };
        match self.node.journal.try_send(entry) {
            Ok(()) => self.in_flight += 1,
            Err(SendError::Full(entry) | SendError::Closed(entry)) => {
                let what = entry.append.what.clone();
                self.with_kind(ctx, |kind, room| kind.settled(&what, Settled::NotStored, room));
                self.reads_settled(id, Err(&NotStored::Refused(Refusal::unavailable())), ctx);
                if let Some(Origin { asker, .. }) = entry.origin {
                    self.refuse_asker(asker, Refusal::unavailable(), ctx);
                }
            }
        }
    }

    /// Handles the journal's result for one entry.
    pub(super) fn settle(&mut self, outcome: AppendResult, ctx: &mut Context<Self>) {
        let AppendResult { entry, result } = outcome;
        let Append { id, at, what: asked, client_message_id, .. } = entry.append;
        let Appended { seq, what, queued_for, repeats } = match result {
            Ok(appended) => appended,
            Err(why) => {
                self.with_kind(ctx, |kind, room| kind.settled(&asked, Settled::NotStored, room));
                self.reads_settled(id, Err(&why), ctx);
                if let Some(origin) = entry.origin {
                    self.not_stored(origin, (asked, client_message_id), why, ctx);
                }
                return;
            }
        };
        // usually the same allocation as the stored one, which then needs no copy
        drop(asked);
        let mut what = Arc::unwrap_or_clone(what);
        let (asked_id, marked) = (id, self.reads.take_marked(id, &mut what));
        let (id, at) = repeats.map_or((id, at), |first| (first.id, first.at));
        let stored = StoredEvent { seq, id, at, what, client_message_id };
        let from = entry.origin.as_ref().and_then(|origin| origin.asker.socket());
        let from = from.map(|conn| SocketId { node: self.node.id, conn });
        let audience = self.kind.audience(&stored.what, from);
        let broadcast = Broadcast::durable_for(self.identity.clone(), stored, audience);
        // a repeated event was published when it was stored, unless its node crashed before that
        if repeats.is_none() || seq > self.head() {
            self.node.bridge.publish_room(self.identity.id, RoomMessage::Event(broadcast.clone()));
            self.deliver_to_unjoined(&broadcast, &queued_for, ctx);
            self.publish(broadcast.clone(), ctx);
        }
        if let EventBody::Durable { what, .. } = &broadcast.event.body {
            let outcome = if repeats.is_some() { Settled::Repeated(seq) } else { Settled::Stored };
            self.with_kind(ctx, |kind, room| kind.settled(what, outcome, room));
        }
        if repeats.is_none() {
            self.notify_mentioned(&broadcast, ctx);
            self.notify_creator(&broadcast, ctx);
        }
        self.reads_settled(asked_id, Ok((&broadcast, &marked)), ctx);
        match entry.origin {
            Some(Origin { asker: Requester::Socket { conn, tag }, receipt: Receipt::Delivery, .. }) => {
                self.tell_delivery(conn, tag, &broadcast, queued_for, ctx);
            }
            Some(Origin { receipt: Receipt::OfKind, .. }) => {}
            Some(Origin { asker, .. }) => self.acknowledge(asker, &broadcast, ctx),
            None => {}
        }
    }

    fn not_stored(
        &mut self,
        origin: Origin,
        (what, client_message_id): (Arc<Durable>, Option<ClientMessageId>),
        why: NotStored,
        ctx: &mut Context<Self>,
    ) {
        let Origin { asker, room_choice, .. } = origin;
        match (why, &*what) {
            (NotStored::Refused(refusal), _) => self.refuse_asker(asker, refusal, ctx),
            (NotStored::Unchanged, _) => self.done(asker, ctx),
            (NotStored::StateConflict(refusal, entry), _) => {
                self.refuse_state(asker, refusal, entry.map(|entry| *entry), ctx);
            }
            (NotStored::TileUnchanged(tile), _) => self.confirm_tile(asker, *tile, ctx),
            (NotStored::TileConflict(refusal, tile), _) => {
                self.refuse_conflict(asker, refusal, Conflicting::Tile(*tile), ctx);
            }
            (NotStored::Conflicts(conflicts), Durable::Sheet(SheetDurable::CellsUpdated { sheet, .. })) => {
                match asker {
                    Requester::Socket { conn, tag } => {
                        self.node.metrics.refused(ErrorCode::VersionConflict);
                        let sheet = sheet.clone();
                        self.send_reply(conn, Reply::VersionConflict { tag, sheet, conflicts }, ctx);
                    }
                    Requester::Route(_) => {
                        let sentence = "Somebody else changed this first; read it, and send it again with its version";
                        self.refuse_asker(asker, Refusal::new(ErrorCode::VersionConflict, sentence), ctx);
                    }
                }
            }
            (NotStored::SheetElsewhere, Durable::Sheet(SheetDurable::CellsUpdated { sheet, author, cells })) => {
                match (asker, room_choice) {
                    (Requester::Socket { conn, tag }, RoomChoice::Inferred) => {
                        let (user, sheet, cells) = (author.id.clone(), sheet.clone(), cells.clone());
                        let misdirected = WrongSheetRoom { user, conn, tag, client_message_id, sheet, cells };
                        if let Err(error) = self.node.registry.try_send(misdirected) {
                            self.refuse(conn, error.into_inner().tag, Refusal::unavailable(), ctx);
                        }
                    }
                    (asker, RoomChoice::Named | RoomChoice::Inferred) => {
                        let sentence = "`room`: the sheet that `sheet_id` names belongs to another room; leave `room` out, join the sheet's own room, or choose another `sheet_id`";
                        self.refuse_asker(asker, Refusal::new(ErrorCode::InvalidMessage, sentence), ctx);
                    }
                }
            }
            (
                NotStored::Conflicts(_) | NotStored::SheetElsewhere,
                Durable::Chat(_) | Durable::Canvas(_) | Durable::Document(_) | Durable::Space(_),
            ) => {
                self.refuse_asker(asker, Refusal::internal(), ctx);
            }
        }
    }

    pub(super) fn refuse(&mut self, conn: ConnKey, tag: Tag, refusal: Refusal, ctx: &mut Context<Self>) {
        self.node.metrics.refused(refusal.code);
        self.send_reply(conn, Reply::Error { tag, refusal }, ctx);
    }
}
