//! Converts events and replies into the dialect's messages, written directly into the frame. An event is encoded once
//! for all receivers. No match may have a catch-all, so that the compiler asks for the form of a new event.

use super::{
    documents,
    wire::{
        FromServer, RoomLabel, Stamped, Stored,
        calls::{CallEnded, CallSignal, CallWith, Reason},
        chat::{ChatMessage, Deleted, Edited, Reacted, Read, Reader, Typing as WireTyping},
        notifications::{Notification, NotificationCleared, NotificationRead},
        presence::Connection,
        rooms::{ConversationsChanged, Member, Members, RoomBroadcast, RoomJoined, RoomLeft, RoomState},
        system::{Pong, Refused, Restarting, SystemMessage},
    },
};
use crate::{
    core::{
        command::{SignalKind, Typing},
        event::{
            CallChange, CallNotice, ChatDurable, ChatEphemeral, ContentType, Durable, Entered, Ephemeral, Event,
            EventBody, MemberPresence, PresenceEphemeral, ReactionChange, Reply, RoomEphemeral, Secrecy, Welcome,
        },
        presence::{NoticedChange, PresenceNotice, Status},
        profile::Author,
        user_event::UserEvent,
    },
    dialects::{
        Encoded, Stamp,
        common::{Ack, Recovered},
        output::{self, Echo, Moment, Relayed, RelayedObject},
    },
    ids::{EventId, Seq, Timestamp},
};

/// The content type of nearly all messages.
const TEXT: &str = "text";

/// The text of the first frame.
const WELCOME: &str = "Connected";

/// Appends a message for everybody in the room.
pub fn event(event: &Event, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
    encoded(of_event(event, stamp), out)
}

/// Appends a message for one socket.
pub fn reply(reply: &Reply, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
    encoded(of_reply(reply, stamp), out)
}

fn encoded(message: Option<FromServer<'_>>, out: &mut Vec<u8>) -> Encoded {
    match message {
        Some(message) => output::encode(&message, out),
        None => Encoded::Nothing,
    }
}

fn of_event<'a>(event: &'a Event, stamp: Stamp<'a>) -> Option<FromServer<'a>> {
    match &event.body {
        EventBody::Durable { seq, id, what } => match what {
            Durable::Chat(what) => chat_durable(event, *seq, *id, what, stamp),
            // neither sheets nor canvases here
            Durable::Sheet(_) | Durable::Canvas(_) | Durable::Space(_) => None,
            Durable::Document(what) => documents::durable(event, *seq, *id, what, stamp),
        },
        EventBody::Ephemeral(what) => ephemeral(event, what, stamp),
    }
}

fn chat_durable<'a>(
    event: &'a Event,
    seq: Seq,
    id: EventId,
    what: &'a ChatDurable,
    stamp: Stamp<'a>,
) -> Option<FromServer<'a>> {
    let conversation_id = RoomLabel(&event.room);
    match what {
        ChatDurable::MessageSent { sender, content, content_type, attachments, mentions } => {
            let (content, ciphertext) = match content_type {
                ContentType::Encrypted => ("", Some(&**content)),
                ContentType::Text | ContentType::Other(_) => (&**content, None),
            };
            let message = ChatMessage {
                content,
                ciphertext,
                content_type: content_type.name(),
                attachments: attachments.as_slice().into(),
                mentions,
                ..erased(event, seq, id, sender)
            };
            Some(FromServer::ChatMessage(stored(stamp, event.at, id, ChatMessage { deleted: None, ..message })))
        }
        ChatDurable::MessageErased { sender } => {
            Some(FromServer::ChatMessage(stored(stamp, event.at, id, erased(event, seq, id, sender))))
        }
        // of a message that was deleted since
        ChatDurable::MessageEdited { content, .. } if content.is_empty() => None,
        ChatDurable::MessageEdited { message, editor, content, secrecy } => {
            let (content, ciphertext) = match secrecy {
                Secrecy::Plain => (&**content, None),
                Secrecy::Encrypted => ("", Some(&**content)),
            };
            let (message_id, user) = (*message, editor.into());
            let edited = Edited { message_id, conversation_id, user, content, ciphertext, seq };
            Some(FromServer::ChatEdit(stored(stamp, event.at, id, edited)))
        }
        ChatDurable::MessageDeleted { message, by } => {
            let deleted = Deleted { message_id: *message, conversation_id, user: by.into(), seq };
            Some(FromServer::ChatDelete(stored(stamp, event.at, id, deleted)))
        }
        ChatDurable::ReadMarked { reader, message, up_to, others, more, .. } => {
            let by = |user: &'a Author, message: EventId, read_seq: Seq| Reader {
                user: user.into(),
                message_id: message,
                read_seq,
            };
            let is_alone = others.is_empty() && *more == 0;
            let listed = others.iter().map(|mark| by(&mark.reader, mark.message, mark.up_to));
            let readers = (!is_alone).then(|| [by(reader, *message, *up_to)].into_iter().chain(listed).collect());
            let readers_total = (!is_alone).then_some(1 + others.len() + more);
            let (message_id, user, read_seq) = (*message, reader.into(), *up_to);
            let read = Read { message_id, conversation_id, user, read_seq, readers, readers_total, seq };
            Some(FromServer::ChatRead(stored(stamp, event.at, id, read)))
        }
        ChatDurable::Reacted { message, by, emoji, change } => {
            let removed = match change {
                ReactionChange::Added => false,
                ReactionChange::Removed => true,
            };
            let (message_id, emoji) = (*message, emoji.as_str());
            let reacted = Reacted { message_id, conversation_id, user: by.into(), emoji, removed, seq };
            Some(FromServer::ChatReact(stored(stamp, event.at, id, reacted)))
        }
    }
}

/// What is left of a message that was deleted.
fn erased<'a>(event: &'a Event, seq: Seq, id: EventId, sender: &'a Author) -> ChatMessage<'a> {
    ChatMessage {
        message_id: id,
        conversation_id: RoomLabel(&event.room),
        recipient_id: event.room.scope.partner_of(&sender.id),
        user: sender.into(),
        content: "",
        ciphertext: None,
        content_type: TEXT,
        attachments: [].as_slice().into(),
        mentions: &[],
        deleted: Some(true),
        seq,
    }
}

fn ephemeral<'a>(event: &'a Event, what: &'a Ephemeral, stamp: Stamp<'_>) -> Option<FromServer<'a>> {
    let room_id = RoomLabel(&event.room);
    match what {
        Ephemeral::Presence(PresenceEphemeral::UserJoined { user, .. }) => {
            let joined = RoomJoined { room_id, user_id: &user.id, username: Some(user.username()), state: None };
            Some(FromServer::RoomJoin(stamped(stamp, event.at, joined)))
        }
        Ephemeral::Presence(PresenceEphemeral::UserLeft { user, .. }) => {
            let left = RoomLeft { room_id, user: user.into() };
            Some(FromServer::RoomLeave(stamped(stamp, event.at, left)))
        }
        Ephemeral::Room(RoomEphemeral::Announced { data }) => {
            let announced = RoomBroadcast { room_id, user: None, data: Relayed(data) };
            Some(FromServer::RoomBroadcast(stamped(stamp, event.at, announced)))
        }
        Ephemeral::Room(RoomEphemeral::Broadcast { by, data }) => {
            let sent = RoomBroadcast { room_id, user: Some(by.into()), data: Relayed(data) };
            Some(FromServer::RoomBroadcast(stamped(stamp, event.at, sent)))
        }
        Ephemeral::Chat(ChatEphemeral::Typing { user, typing, .. }) => {
            Some(FromServer::ChatTyping(stamped(stamp, event.at, typed(room_id, user, *typing))))
        }
        // this dialect has no cursors, and members are announced by joins and leaves
        Ephemeral::Presence(
            PresenceEphemeral::CursorsMoved(_)
            | PresenceEphemeral::StatusChanged { .. }
            | PresenceEphemeral::Attended(_),
        )
        | Ephemeral::Call(_)
        | Ephemeral::Upload(_)
        | Ephemeral::Canvas(_)
        | Ephemeral::Space(_) => None,
        Ephemeral::Document(what) => documents::ephemeral(event, what, stamp),
    }
}

pub(super) fn stored<'a, T>(stamp: Stamp<'a>, at: Timestamp, id: EventId, body: T) -> Stamped<Stored<'a, T>> {
    Stamped::new(id, at, Stored { body, client_message_id: stamp.client_message_id })
}

/// An ephemeral event with an id of its own.
pub(super) fn stamped<T>(stamp: Stamp<'_>, at: Timestamp, body: T) -> Stamped<T> {
    Stamped::new(stamp.id(), at, body)
}

fn typed<'a>(conversation_id: RoomLabel<'a>, user: &'a Author, typing: Typing) -> WireTyping<'a> {
    let is_typing = match typing {
        Typing::Started => true,
        Typing::Stopped => false,
    };
    WireTyping { conversation_id, user: user.into(), is_typing }
}

fn of_reply<'a>(reply: &'a Reply, stamp: Stamp<'_>) -> Option<FromServer<'a>> {
    let at = stamp.at;
    match reply {
        Reply::Welcome(welcome) => Some(FromServer::SystemMessage(stamped(stamp, at, greeting(welcome, at)))),
        Reply::Pong { tag } => Some(FromServer::Pong(stamped(stamp, at, Pong { reference: Echo::of(tag) }))),
        Reply::Ack { tag, id, seq } => Some(FromServer::Ack(stamped(stamp, at, Ack::stored(tag, *id, *seq)))),
        Reply::Done { tag } => Some(FromServer::Ack(stamped(stamp, at, Ack::done(tag)))),
        Reply::AuthRefreshed { tag, expires_at } => {
            Some(FromServer::Ack(stamped(stamp, at, Ack::refreshed(tag, *expires_at))))
        }
        Reply::Error { tag, refusal } => Some(FromServer::Error(stamped(stamp, at, Refused::new(tag, refusal)))),
        Reply::Delivered(told) => Some(FromServer::ChatDelivered(stamped(stamp, at, (&**told).into()))),
        // the document itself follows
        Reply::Entered(entered) if entered.room.scope.document().is_some() => None,
        Reply::Entered(entered) => Some(FromServer::RoomJoin(stamped(stamp, at, first_frame(entered)))),
        Reply::Recovered { room, seq, complete } => {
            let recovered = Recovered { room_id: RoomLabel(room), seq: *seq, complete: *complete };
            Some(FromServer::Recovered(stamped(stamp, at, recovered)))
        }
        Reply::Notice { data, at } => Some(FromServer::SystemMessage(stamped(stamp, *at, notice(data)))),
        Reply::Restarting { reconnect_in_ms } => {
            Some(FromServer::ServerRestarting(stamped(stamp, at, Restarting { reconnect_in_ms: *reconnect_in_ms })))
        }
        Reply::UserEvent(news) => personal(news, stamp),
        Reply::Call(notice) => Some(call(notice, stamp)),
        // this dialect has neither cells nor tiles nor avatars
        Reply::VersionConflict { .. } | Reply::Canvas(_) | Reply::Space(_) => None,
        Reply::Document(_, told) => documents::reply(told, stamp),
    }
}

fn greeting(welcome: &Welcome, at: Timestamp) -> SystemMessage<'_> {
    SystemMessage {
        message: Some(WELCOME),
        connection_id: Some(&welcome.connection),
        user_id: Some(&welcome.user),
        server_time: Some(Moment(at)),
        data: None,
    }
}

fn notice(data: &crate::core::command::RawJson) -> SystemMessage<'_> {
    let data = Some(RelayedObject(Relayed(data)));
    SystemMessage { message: None, connection_id: None, user_id: None, server_time: None, data }
}

// ---- rooms ----

/// The first message to a newcomer.
fn first_frame(entered: &Entered) -> RoomJoined<'_> {
    let members = match &entered.attendance {
        Some(attendance) => Members::Known(&attendance.users),
        None => Members::Named(&entered.online),
    };
    joined(entered, members)
}

fn joined<'a>(entered: &'a Entered, members: Members<'a>) -> RoomJoined<'a> {
    RoomJoined {
        room_id: RoomLabel(&entered.room),
        user_id: &entered.user,
        username: None,
        state: Some(RoomState::new(entered, members)),
    }
}

/// Appends the first message without the members. Returns the offset at which they have to be inserted.
pub fn entered(entered: &Entered, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Option<usize> {
    if entered.room.scope.document().is_some() {
        return None; // the document itself follows, with its participants
    }
    let message = FromServer::RoomJoin(stamped(stamp, stamp.at, joined(entered, Members::Named(&[]))));
    output::encode_without_items(&message, "members", out)
}

/// Appends members, each preceded by a comma.
pub fn members(members: &[MemberPresence], out: &mut Vec<u8>) {
    output::append_items(members.iter().map(Member::from), out);
}

// ---- news for a user ----

fn personal<'a>(news: &'a UserEvent, stamp: Stamp<'_>) -> Option<FromServer<'a>> {
    let at = stamp.at;
    match news {
        UserEvent::Notified { user, notification } => {
            Some(FromServer::Notification(stamped(stamp, at, Notification::new(user, notification))))
        }
        UserEvent::NotificationUpdated { user, notification } => {
            let changed = Notification { updated: Some(true), ..Notification::new(user, notification) };
            Some(FromServer::Notification(stamped(stamp, at, changed)))
        }
        UserEvent::NotificationRead { user, id } => {
            let read = NotificationRead { notification_id: Some(*id), user_id: user };
            Some(FromServer::NotificationRead(stamped(stamp, at, read)))
        }
        UserEvent::AllNotificationsRead { user } => {
            let read = NotificationRead { notification_id: None, user_id: user };
            Some(FromServer::NotificationRead(stamped(stamp, at, read)))
        }
        UserEvent::ReadNotificationsDeleted { user } => {
            let cleared = NotificationCleared { notification_id: None, user_id: user };
            Some(FromServer::NotificationClear(stamped(stamp, at, cleared)))
        }
        UserEvent::NotificationDeleted { user, id } => {
            let cleared = NotificationCleared { notification_id: Some(*id), user_id: user };
            Some(FromServer::NotificationClear(stamped(stamp, at, cleared)))
        }
        UserEvent::Presence(notice) => Some(presence(notice, stamp)),
        UserEvent::Device(notice) => Some(FromServer::DeviceUpdate(stamped(stamp, at, notice.into()))),
        UserEvent::ConversationsChanged => {
            Some(FromServer::ConversationUpdate(stamped(stamp, at, ConversationsChanged {})))
        }
        UserEvent::SocketOpened { user, connection } => {
            let opened = Connection { user_id: user, connection_id: connection };
            Some(FromServer::Connect(stamped(stamp, at, opened)))
        }
        UserEvent::SocketClosed { user, connection } => {
            let closed = Connection { user_id: user, connection_id: connection };
            Some(FromServer::Disconnect(stamped(stamp, at, closed)))
        }
        // this dialect has neither the assistant nor upload progress; the session handles calls
        UserEvent::Answer(_) | UserEvent::Upload(_) | UserEvent::Call(_) => None,
    }
}

fn call<'a>(notice: &'a CallNotice, stamp: Stamp<'_>) -> FromServer<'a> {
    let CallNotice { call, with, what } = notice;
    let of = CallWith { call_id: call, user: with.into() };
    match what {
        CallChange::Signal { kind, data } => {
            let signal = stamped(stamp, stamp.at, CallSignal { of, data: Relayed(data) });
            match kind {
                SignalKind::Offer => FromServer::CallOffer(signal),
                SignalKind::Answer => FromServer::CallAnswer(signal),
                SignalKind::IceCandidate => FromServer::CallIce(signal),
            }
        }
        CallChange::Ended { reason, data } => {
            let ended = CallEnded { of, reason: Reason(*reason), data: data.as_ref().map(Relayed) };
            FromServer::CallHangup(stamped(stamp, stamp.at, ended))
        }
    }
}

/// A change of the status is named by it.
fn presence<'a>(notice: &'a PresenceNotice, stamp: Stamp<'_>) -> FromServer<'a> {
    let Some(status) = notice.status else {
        return FromServer::PresenceOffline(stamped(stamp, stamp.at, notice.into()));
    };
    let shown = stamped(stamp, stamp.at, notice.into());
    match (notice.change, status) {
        (NoticedChange::Status, Status::Online) => FromServer::PresenceOnline(shown),
        (NoticedChange::Status, Status::Away) => FromServer::PresenceAway(shown),
        (NoticedChange::Status, Status::Busy) => FromServer::PresenceBusy(shown),
        (NoticedChange::Details, _) => FromServer::PresenceUpdate(shown),
    }
}
