//! From events and replies to the dialect's JSON. Written straight into the frame: an event is encoded once, whatever the
//! number of its receivers. Every match is exhaustive, so that a new event asks here for its form.

use crate::{
    core::{
        command::{RawJson, SignalKind, Typing},
        event::{
            Attachment, Attendee, CallEphemeral, ChatDurable, ChatEphemeral, Durable, Entered, Ephemeral, Event,
            EventBody, PresenceEphemeral, Reply, RoomEphemeral, RoomIdentity, RoomScope,
        },
        notification::Notification,
        personal::Personal,
        profile::Author,
        upload::content_url,
    },
    dialects::{
        Encoded,
        flat::{self, with_user},
        json::{self, Object},
    },
    ids::{EventId, Timestamp},
};

/// Which of the two kinds of room that this dialect knows; most names differ between them.
#[derive(Clone, Copy)]
enum Place {
    Channel,
    Direct,
}

impl Place {
    /// None for a room that no socket of this dialect is in.
    const fn of(scope: &RoomScope) -> Option<Place> {
        match scope {
            RoomScope::Channel { .. } => Some(Place::Channel),
            RoomScope::Direct { .. } => Some(Place::Direct),
            RoomScope::Open { .. } => None,
        }
    }

    /// The word for it, of the two that there are.
    const fn word(self, in_channel: &'static str, in_direct: &'static str) -> &'static str {
        match self {
            Place::Channel => in_channel,
            Place::Direct => in_direct,
        }
    }
}

/// Whether an event is told with its place in its room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Numbered {
    Yes,
    /// The socket is bound to another room, and its client would take the number for one of that room.
    No,
}

/// Appends what everybody in the room is told. An object writes nothing before its first field, so what has no form
/// leaves nothing behind.
pub fn event(event: &Event, numbered: Numbered, out: &mut Vec<u8>) -> Encoded {
    let room = &event.room;
    let Some(place) = Place::of(&room.scope) else { return Encoded::Nothing };
    let object = Object::begin(out);
    match &event.body {
        EventBody::Durable { seq, id, what } => match what {
            Durable::Chat(ChatDurable::MessageSent { sender, content, attachments }) => {
                let object = message(object, event, place, *id, sender, content);
                let object = match numbered {
                    Numbered::Yes => object.integer("seq", seq.0),
                    Numbered::No => object,
                };
                with_attachments(object, attachments)
            }
            // installed clients know of the chat only its messages
            Durable::Chat(
                ChatDurable::MessageEdited { .. }
                | ChatDurable::MessageDeleted { .. }
                | ChatDurable::MessageErased { .. }
                | ChatDurable::ReadMarked { .. },
            ) => return Encoded::Nothing,
            // no sheets here
            Durable::Sheet(_) => return Encoded::Nothing,
        },
        EventBody::Ephemeral(what) => match what {
            Ephemeral::Presence(PresenceEphemeral::UserJoined { user }) => {
                with_room(with_user(object.text("type", place.word("user_joined", "dm_user_online")), user), room)
            }
            Ephemeral::Presence(PresenceEphemeral::UserLeft { user }) => {
                with_room(with_user(object.text("type", place.word("user_left", "dm_user_offline")), user), room)
            }
            Ephemeral::Chat(ChatEphemeral::Typing { user, typing: state, .. }) => {
                typing(object, room, place, user, *state)
            }
            Ephemeral::Call(CallEphemeral::Signal { from, kind, data }) => signal(object, from, *kind, data),
            Ephemeral::Room(RoomEphemeral::Announced { data }) => object
                .text("type", "broadcast")
                .plain("room_id", room.id)
                .raw("data", data)
                .plain("timestamp", event.at),
            Ephemeral::Presence(
                PresenceEphemeral::CursorsMoved(_)
                | PresenceEphemeral::StatusChanged { .. }
                | PresenceEphemeral::Attended(_),
            )
            | Ephemeral::Upload(_) => return Encoded::Nothing,
        },
    }
    .end();
    Encoded::Text
}

/// Appends what one socket is told.
pub fn reply(reply: &Reply, at: Timestamp, out: &mut Vec<u8>) -> Encoded {
    let object = Object::begin(out);
    match reply {
        Reply::Pong { tag } => flat::pong(object, tag, at),
        Reply::Ack { tag, id, seq } => flat::ack(object, tag, Some((*id, *seq))),
        Reply::Done { tag } => flat::ack(object, tag, None),
        Reply::AuthRefreshed { tag, expires_at } => flat::auth_refreshed(object, tag, *expires_at),
        Reply::Error { tag, refusal } => flat::error(object, tag, refusal, at),
        Reply::Entered(entered) => match Place::of(&entered.room.scope) {
            Some(place) => first_word(object, place, entered),
            None => return Encoded::Nothing,
        },
        Reply::Recovered { room, seq, complete } => object
            .text("type", "recovered")
            .plain("room_id", room.id)
            .integer("seq", seq.0)
            .boolean("complete", *complete),
        Reply::Notice { data, at } => object.text("type", "notification").raw("data", data).plain("timestamp", at),
        Reply::Restarting { reconnect_in_ms } => flat::restarting(object, *reconnect_in_ms, at),
        Reply::Personal(news) => match &**news {
            Personal::Notified { notification, .. } => notified(object, notification),
            // old clients would take these for something new
            Personal::NotificationUpdated { .. }
            | Personal::NotificationRead { .. }
            | Personal::NotificationDeleted { .. }
            | Personal::AllNotificationsRead { .. }
            | Personal::Answer(_)
            | Personal::Upload(_) => return Encoded::Nothing,
        },
        Reply::VersionConflict { .. } => return Encoded::Nothing,
    }
    .end();
    Encoded::Text
}

/// Appends members, each after a comma.
pub fn members(members: &[Attendee], out: &mut Vec<u8>) {
    for member in members {
        out.push(b',');
        json::string(out, member.user.id.as_str());
    }
}

/// Appends the first word of a channel without its members. Answers how many bytes of it come before them.
pub fn entered(entered: &Entered, out: &mut Vec<u8>) -> Option<usize> {
    let start = out.len();
    match Place::of(&entered.room.scope)? {
        Place::Channel => {
            let (object, place) = Object::begin(out).text("type", "online_users").gap("users");
            with_place(with_total(object, entered), entered).end();
            Some(place - start)
        }
        Place::Direct => None,
    }
}

/// In the form of an administrator's word, with the notification as what was written.
fn notified<'a>(object: Object<'a>, notification: &Notification) -> Object<'a> {
    object
        .text("type", "notification")
        .object("data", |object| flat::notification(object, notification))
        .plain("timestamp", notification.created_at)
}

fn message<'a>(
    object: Object<'a>,
    event: &Event,
    place: Place,
    id: EventId,
    sender: &Author,
    content: &str,
) -> Object<'a> {
    let object = object
        .text("type", place.word("message", "dm_message"))
        .plain("id", id)
        .text("content", content)
        .text("sender_id", sender.id.as_str())
        .text("sender_username", &sender.username);
    let object = object.maybe(event.room.scope.partner_of(&sender.id), |object, recipient| {
        object.text("recipient_id", recipient.as_str())
    });
    with_room(object, &event.room).plain("created_at", event.at)
}

/// Nothing where there are none: clients that know nothing of files see what they always saw.
fn with_attachments<'a>(object: Object<'a>, attachments: &[Attachment]) -> Object<'a> {
    let some = (!attachments.is_empty()).then_some(attachments);
    object.maybe(some, |object, attachments| object.objects("attachments", attachments, attachment))
}

fn attachment<'a>(object: Object<'a>, attachment: &Attachment) -> Object<'a> {
    object
        .plain("id", attachment.file)
        .text("filename", &attachment.filename)
        .bare("size", attachment.size_bytes)
        .text("mime_type", &attachment.mime_type)
        .text("url", &content_url(attachment.file))
}

fn typing<'a>(object: Object<'a>, room: &RoomIdentity, place: Place, user: &Author, state: Typing) -> Object<'a> {
    let name = place.word("typing", "dm_typing");
    let is_typing = match state {
        Typing::Started => true,
        Typing::Stopped => false,
    };
    with_room(with_user(object.text("type", name), user).boolean("is_typing", is_typing), room)
}

fn signal<'a>(object: Object<'a>, from: &Author, kind: SignalKind, data: &RawJson) -> Object<'a> {
    let name = match kind {
        SignalKind::Offer => "webrtc_offer",
        SignalKind::Answer => "webrtc_answer",
        SignalKind::IceCandidate => "webrtc_ice_candidate",
    };
    object
        .text("type", name)
        .text("from_user_id", from.id.as_str())
        .text("from_username", &from.username)
        .raw("data", data)
}

/// What a newcomer learns first. In a direct conversation that is whether the partner is there.
fn first_word<'a>(object: Object<'a>, place: Place, entered: &Entered) -> Object<'a> {
    let object = match place {
        Place::Channel => {
            let users = entered.online.iter().map(|user| user.id.as_str());
            with_total(object.text("type", "online_users").texts("users", users), entered)
        }
        Place::Direct => {
            let partner = entered.room.scope.partner_of(&entered.user);
            match entered.online.iter().find(|user| Some(&user.id) == partner) {
                Some(partner) => with_user(object.text("type", "dm_user_online"), partner),
                None => object.text("type", "connected"),
            }
        }
    };
    with_place(object, entered)
}

/// Whether there are more than are listed is said only where there are: most clients never see it.
fn with_total<'a>(object: Object<'a>, entered: &Entered) -> Object<'a> {
    let object = object.integer("total_users", i64::try_from(entered.online_total).unwrap_or(i64::MAX));
    object.maybe(entered.is_cut().then_some(true), |object, cut| object.boolean("truncated", cut))
}

/// Which room, where its sequence stands, and which connection this is.
fn with_place<'a>(object: Object<'a>, entered: &Entered) -> Object<'a> {
    with_room(object, &entered.room)
        .integer("seq", entered.seq.0)
        .integer("epoch", entered.epoch.0)
        .text("connection_id", &entered.connection)
}

fn with_room<'a>(object: Object<'a>, room: &RoomIdentity) -> Object<'a> {
    match room.scope {
        RoomScope::Channel { .. } => object.plain("channel_id", room.id),
        RoomScope::Direct { .. } | RoomScope::Open { .. } => object.plain("conversation_id", room.id),
    }
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
