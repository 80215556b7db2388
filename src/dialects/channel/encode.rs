//! Converts events and replies into the dialect's messages, written directly into the frame. An event is encoded once
//! for all receivers. No match may have a catch-all, so that the compiler asks for the form of a new event.

use super::wire::{
    FromServer,
    calls::Signal,
    chat::{ChannelMessage, DirectMessage, Message},
    presence::{
        Connected, InChannel, InConversation, OnlineUsers, PartnerOnline, TypingInChannel, TypingInConversation,
    },
};
use crate::{
    core::{
        command::{SignalKind, Typing},
        event::{
            Attachment, CallEphemeral, ChatDurable, ChatEphemeral, ContentType, Durable, Entered, Ephemeral, Event,
            EventBody, MemberPresence, PresenceEphemeral, Reply, RoomEphemeral, RoomScope, Secrecy,
        },
        profile::Author,
        user_event::UserEvent,
    },
    dialects::{
        Encoded, Stamp,
        common::{Ack, Broadcast, ErrorMessage, Notice, Notified, Pong, Position, Recovered, Restarting},
        output::{self, Moment, Relayed, RelayedObject},
    },
    ids::{EventId, RoomId, Seq, Timestamp},
};

/// Whether an event is sent with its sequence number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Numbered {
    Yes,
    /// The socket is bound to another room, and its client would take the number for one of that room.
    No,
}

/// Appends what everybody in the room receives, or only the author's own sockets.
pub fn event(event: &Event, numbered: Numbered, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
    encoded(of_event(event, numbered, stamp), out)
}

/// Appends a message for one socket.
pub fn reply(reply: &Reply, at: Timestamp, out: &mut Vec<u8>) -> Encoded {
    encoded(of_reply(reply, at), out)
}

fn encoded(message: Option<FromServer<'_>>, out: &mut Vec<u8>) -> Encoded {
    match message {
        Some(message) => output::encode(&message, out),
        None => Encoded::Nothing,
    }
}

/// The kinds of rooms in this dialect; most messages differ between them.
#[derive(Clone, Copy)]
enum Place {
    Channel,
    Direct,
}

impl Place {
    /// `None` for a room that no socket of this dialect can join.
    fn of(scope: &RoomScope) -> Option<Place> {
        if scope.is_direct() {
            return Some(Place::Direct);
        }
        scope.is_channel().then_some(Place::Channel)
    }
}

fn of_event<'a>(event: &'a Event, numbered: Numbered, stamp: Stamp<'a>) -> Option<FromServer<'a>> {
    let place = Place::of(&event.room.scope)?;
    let room = event.room.id;
    match &event.body {
        EventBody::Durable { seq, id, what } => match what {
            Durable::Chat(ChatDurable::MessageSent { sender, content, content_type, attachments, .. }) => {
                let content = (&**content, content_type);
                let seq = (numbered == Numbered::Yes).then_some(*seq);
                let message = message((event.at, *id, seq), sender, content, attachments, stamp);
                message_sent(event, message, sender)
            }
            // the only messages of the chat that installed clients know are those above
            Durable::Chat(
                ChatDurable::MessageEdited { .. }
                | ChatDurable::MessageDeleted { .. }
                | ChatDurable::MessageErased { .. }
                | ChatDurable::ReadMarked { .. }
                | ChatDurable::Reacted { .. },
            ) => None,
            // this dialect has neither sheets nor canvases
            Durable::Sheet(_) | Durable::Canvas(_) | Durable::Document(_) | Durable::Space(_) => None,
        },
        EventBody::Ephemeral(what) => match what {
            Ephemeral::Presence(PresenceEphemeral::UserJoined { user, .. }) => Some(match place {
                Place::Channel => FromServer::UserJoined(in_channel(user, room)),
                Place::Direct => {
                    FromServer::DmUserOnline(PartnerOnline { who: in_conversation(user, room), position: None })
                }
            }),
            Ephemeral::Presence(PresenceEphemeral::UserLeft { user, .. }) => Some(match place {
                Place::Channel => FromServer::UserLeft(in_channel(user, room)),
                Place::Direct => FromServer::DmUserOffline(in_conversation(user, room)),
            }),
            Ephemeral::Chat(ChatEphemeral::Typing { user, typing, .. }) => {
                Some(typing_changed(place, user, room, *typing))
            }
            Ephemeral::Call(CallEphemeral::Signal { from, kind, data }) => {
                let data = Relayed(data);
                let signal = Signal { from_user_id: &from.id, from_username: from.username(), data };
                Some(match kind {
                    SignalKind::Offer => FromServer::WebrtcOffer(signal),
                    SignalKind::Answer => FromServer::WebrtcAnswer(signal),
                    SignalKind::IceCandidate => FromServer::WebrtcIceCandidate(signal),
                })
            }
            Ephemeral::Room(RoomEphemeral::Announced { data }) => Some(FromServer::Broadcast(Broadcast {
                room_id: room,
                data: RelayedObject(Relayed(data)),
                timestamp: Moment(event.at),
            })),
            Ephemeral::Presence(
                PresenceEphemeral::CursorsMoved(_)
                | PresenceEphemeral::StatusChanged { .. }
                | PresenceEphemeral::Attended(_),
            )
            // its content is arbitrary, and clients of this dialect expect only administrators' messages
            | Ephemeral::Room(RoomEphemeral::Broadcast { .. })
            | Ephemeral::Document(_)
            | Ephemeral::Canvas(_)
            | Ephemeral::Space(_)
            | Ephemeral::Upload(_) => None,
        },
    }
}

fn of_reply(reply: &Reply, at: Timestamp) -> Option<FromServer<'_>> {
    match reply {
        Reply::Pong { tag } => Some(FromServer::Pong(Pong::new(tag, at))),
        Reply::Ack { tag, id, seq } => Some(FromServer::Ack(Ack::stored(tag, *id, *seq))),
        Reply::Done { tag } => Some(FromServer::Ack(Ack::done(tag))),
        Reply::AuthRefreshed { tag, expires_at } => Some(FromServer::Ack(Ack::refreshed(tag, *expires_at))),
        Reply::Error { tag, refusal } => Some(FromServer::Error(ErrorMessage::new(tag, refusal, at))),
        Reply::Entered(entered) => first_frame(entered),
        Reply::Recovered { room, seq, complete } => {
            Some(FromServer::Recovered(Recovered { room_id: room.id, seq: *seq, complete: *complete }))
        }
        Reply::Notice { data, at } => {
            let data = Notified::Written(RelayedObject(Relayed(data)));
            Some(FromServer::Notification(Notice { data, timestamp: Moment(*at) }))
        }
        Reply::Restarting { reconnect_in_ms } => {
            Some(FromServer::ServerRestarting(Restarting::new(*reconnect_in_ms, at)))
        }
        Reply::UserEvent(news) => match &**news {
            // in the form of an administrator's message, with the notification as its data
            UserEvent::Notified { notification, .. } => {
                let data = Notified::Stored((&**notification).into());
                let timestamp = Moment(notification.created_at);
                Some(FromServer::Notification(Notice { data, timestamp }))
            }
            // old clients would take these for new notifications
            UserEvent::NotificationUpdated { .. }
            | UserEvent::NotificationRead { .. }
            | UserEvent::NotificationDeleted { .. }
            | UserEvent::AllNotificationsRead { .. }
            | UserEvent::ReadNotificationsDeleted { .. }
            | UserEvent::Answer(_)
            | UserEvent::Upload(_)
            | UserEvent::Presence(_)
            | UserEvent::Device(_)
            | UserEvent::ConversationsChanged
            | UserEvent::Call(_)
            | UserEvent::SocketOpened { .. }
            | UserEvent::SocketClosed { .. } => None,
        },
        // no cells here; messages are confirmed by `ack`; the first frame is that of the room; calls are within rooms
        Reply::VersionConflict { .. }
        | Reply::Delivered(_)
        | Reply::Welcome(_)
        | Reply::Call(_)
        | Reply::Canvas(_)
        | Reply::Space(_)
        | Reply::Document(..) => None,
    }
}

/// A message, of which everything but its place is the same in channels and in direct conversations.
fn message<'a>(
    (at, id, seq): (Timestamp, EventId, Option<Seq>),
    sender: &'a Author,
    (content, content_type): (&'a str, &'a ContentType),
    attachments: &'a [Attachment],
    stamp: Stamp<'a>,
) -> Message<'a> {
    let (content, ciphertext) = match content_type.secrecy() {
        Secrecy::Plain => (content, None),
        Secrecy::Encrypted => ("", Some(content)),
    };
    Message {
        id,
        content,
        content_type: (!content_type.is_text()).then(|| content_type.name()),
        ciphertext,
        sender_id: &sender.id,
        sender_username: sender.username(),
        created_at: Moment(at),
        seq,
        attachments: (!attachments.is_empty()).then(|| attachments.into()),
        client_message_id: stamp.client_message_id,
    }
}

fn message_sent<'a>(event: &'a Event, message: Message<'a>, sender: &Author) -> Option<FromServer<'a>> {
    match event.room.scope.partner_of(&sender.id) {
        None => Some(FromServer::Message(ChannelMessage { message, channel_id: event.room.id })),
        Some(recipient_id) => {
            Some(FromServer::DmMessage(DirectMessage { message, recipient_id, conversation_id: event.room.id }))
        }
    }
}

fn typing_changed(place: Place, user: &Author, room: RoomId, typing: Typing) -> FromServer<'_> {
    let is_typing = match typing {
        Typing::Started => true,
        Typing::Stopped => false,
    };
    match place {
        Place::Channel => FromServer::Typing(TypingInChannel { who: in_channel(user, room), is_typing }),
        Place::Direct => FromServer::DmTyping(TypingInConversation { who: in_conversation(user, room), is_typing }),
    }
}

/// The first message to a newcomer. In a direct conversation it says whether the partner is present.
fn first_frame(entered: &Entered) -> Option<FromServer<'_>> {
    let Entered { room, online, .. } = entered;
    Some(match Place::of(&room.scope)? {
        Place::Channel => FromServer::OnlineUsers(online_users(entered, online)),
        Place::Direct => {
            let partner = room.scope.partner_of(&entered.user);
            match online.iter().find(|user| Some(&user.id) == partner) {
                Some(partner) => FromServer::DmUserOnline(PartnerOnline {
                    who: in_conversation(partner, room.id),
                    position: Some(position(entered)),
                }),
                None => FromServer::Connected(Connected { conversation_id: room.id, position: position(entered) }),
            }
        }
    })
}

fn online_users<'a>(entered: &'a Entered, users: &'a [Author]) -> OnlineUsers<'a> {
    OnlineUsers {
        users: users.into(),
        total_users: entered.online_total,
        truncated: entered.is_cut().then_some(true),
        channel_id: entered.room.id,
        position: position(entered),
    }
}

fn position(entered: &Entered) -> Position<'_> {
    Position { seq: entered.seq, epoch: entered.epoch, connection_id: &entered.connection }
}

/// Appends the first message of a channel without its members. Returns the offset at which they have to be inserted.
pub fn entered(entered: &Entered, out: &mut Vec<u8>) -> Option<usize> {
    match Place::of(&entered.room.scope)? {
        Place::Channel => {
            let message = FromServer::OnlineUsers(online_users(entered, &[]));
            output::encode_without_items(&message, "users", out)
        }
        Place::Direct => None,
    }
}

/// Appends members, each preceded by a comma.
pub fn members(members: &[MemberPresence], out: &mut Vec<u8>) {
    output::append_items(members.iter().map(|member| &member.user.id), out);
}

fn in_channel(user: &Author, channel_id: RoomId) -> InChannel<'_> {
    InChannel { user: user.into(), channel_id }
}

fn in_conversation(user: &Author, conversation_id: RoomId) -> InConversation<'_> {
    InConversation { user: user.into(), conversation_id }
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
