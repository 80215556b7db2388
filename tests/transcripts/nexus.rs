//! What is sent in the nexus dialect.

use std::{collections::BTreeMap, sync::Arc};

use convene::{
    core::{
        call::CallEnd,
        command::{
            Addressed, CallCommand, CallRequest, ChatCommand, Command, Draft, MessageAddress, NoticeCommand,
            PresenceCommand, Resume, RoomAddress, RoomCommand, SignalKind, Typing,
        },
        device::{DeviceChange, DeviceNotice},
        emoji::Emoji,
        event::{
            Attachment, CallChange, CallNotice, ChatDurable, ChatEphemeral, ContentType, Delivered, Durable, Entered,
            Ephemeral, Event, EventBody, MemberPresence, PresenceEphemeral, ReactionChange, ReadMark, Recipients,
            Reply, RoomEphemeral, RoomIdentity, RoomPresence, RoomScope, Secrecy, Welcome,
        },
        notification::{Notification, Priority},
        presence::{NoticedChange, PresenceNotice, Status, StatusDetails, StatusUpdate},
        profile::Author,
        user_event::UserEvent,
    },
    error::{ErrorCode, Refusal},
    ids::{CallId, Epoch, GroupId, RoomId, RoomName, Seq, Timestamp},
    limits,
};

use crate::nexus_documents;
use crate::{ALICE, Asked, BOB, EVENT, NOON, Told, alice, bob, notification, raw, tag, user};

const CHANNEL: &str = "01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f";
const CONVERSATION: &str = "01932c0b-0101-7aaa-8bbb-0c0d0e0f1011";
const FILE: &str = "01932c0e-1c2d-7e3f-8a4b-5c6d7e8f9a0b";
const MESSAGE: &str = "01932c0c-4a4a-7abc-8def-112233445500";
const NOTIFICATION: &str = "01932c0d-0000-7000-8000-0000000000aa";
const CONNECTION: &str = "ws_alice_1761566400_7f3a";
const EPOCH: Epoch = Epoch(1_761_566_400_250);

fn name(text: &str) -> RoomName {
    RoomName::new(text).unwrap()
}

/// An open room.
pub fn room() -> Arc<RoomIdentity> {
    Arc::new(RoomIdentity { id: RoomId::generate(), scope: RoomScope::Open { name: name("conv_123") } })
}

fn channel() -> Arc<RoomIdentity> {
    let group = GroupId::generate();
    Arc::new(RoomIdentity { id: CHANNEL.parse().unwrap(), scope: RoomScope::Channel { group } })
}

fn conversation() -> Arc<RoomIdentity> {
    let users = [user(ALICE), user(BOB)];
    Arc::new(RoomIdentity { id: CONVERSATION.parse().unwrap(), scope: RoomScope::Direct { users } })
}

// ---- from the client ----

fn set_status(status: Status) -> Command {
    let update = StatusUpdate { status: Some(status), ..StatusUpdate::default() };
    Command::Presence(PresenceCommand::SetStatus { update })
}

fn away() -> PresenceCommand {
    let message = Some(Some("In a meeting".into()));
    let location = Some(Some("Meeting Room".into()));
    PresenceCommand::SetStatus { update: StatusUpdate { status: Some(Status::Away), message, location } }
}

fn react(at: MessageAddress, change: ReactionChange) -> Command {
    Command::Chat(ChatCommand::React { at, emoji: Emoji::new("👍").unwrap(), change })
}

fn edit(at: MessageAddress, content: &str, secrecy: Secrecy) -> Command {
    Command::Chat(ChatCommand::Edit { at, content: content.into(), secrecy })
}

fn call(target: &str, request: CallRequest) -> Command {
    Command::Call(CallCommand::Direct { target: user(target), call: CallId::new("call_123").unwrap(), request })
}

fn signal(kind: SignalKind, file: &str) -> CallRequest {
    CallRequest::Signal { kind, data: data_of("client", file) }
}

fn asked_in_calls() -> Vec<Asked> {
    vec![
        ("call_offer", Some("\"c-1\""), call(BOB, signal(SignalKind::Offer, "call_offer"))),
        ("call_answer", None, call(ALICE, signal(SignalKind::Answer, "call_answer"))),
        ("call_ice", None, call(BOB, signal(SignalKind::IceCandidate, "call_ice"))),
        ("call_hangup", Some("\"c-2\""), call(BOB, CallRequest::HangUp { data: None })),
        (
            "call_hangup_with_data",
            None,
            call(ALICE, CallRequest::HangUp { data: Some(data_of("client", "call_hangup_with_data")) }),
        ),
    ]
}

/// All commands.
pub fn asked() -> Vec<Asked> {
    let conversation = |id: &str| RoomAddress::Conversation(name(id));
    let in_conversation = |id: &str| Addressed::Conversation(conversation(id));
    let with_bob = || Addressed::Conversation(RoomAddress::With(user(BOB)));
    let send = |addressed, draft| Command::Chat(ChatCommand::Send { addressed, draft });
    let hello = Draft { mentions: vec![user(BOB), user("nobody")], ..Draft::text("Hello, World!", Vec::new()) };
    let secret = Draft { content_type: ContentType::Encrypted, ..Draft::text("AwgAEiA…", Vec::new()) };
    let message =
        |room: Option<&str>| MessageAddress { room: room.map(&conversation), message: MESSAGE.parse().unwrap() };
    let typing = |addressed, typing| Command::Chat(ChatCommand::SetTyping { addressed, typing, cell: None });
    let silent = PresenceCommand::SetStatus { update: StatusUpdate { message: Some(None), ..StatusUpdate::default() } };
    let general = || conversation("room_general");
    let resume = Resume { since: Seq(41), epoch: Some(EPOCH) };
    let mut asked = vec![
        ("ping", None, Command::Ping),
        ("ping_with_ref", Some("7"), Command::Ping),
        ("auth_refresh", Some("\"refresh-1\""), Command::AuthRefresh { token: "eyJhbGciOi…".into() }),
        ("room_join", None, Command::Room(RoomCommand::Join { room: general(), resume: None })),
        (
            "room_join_resuming",
            Some("\"j-1\""),
            Command::Room(RoomCommand::Join { room: general(), resume: Some(resume) }),
        ),
        ("room_leave", None, Command::Room(RoomCommand::Leave { room: general() })),
        (
            "room_broadcast",
            None,
            Command::Room(RoomCommand::Broadcast { room: general(), data: data_of("client", "room_broadcast") }),
        ),
        ("chat_message", None, send(in_conversation("conv_123"), hello)),
        ("chat_message_to_a_user", Some("\"m-1\""), send(with_bob(), Draft::text("Hey, how are you?", Vec::new()))),
        (
            "chat_message_with_client_message_id",
            Some("\"m-1\""),
            send(in_conversation("conv_123"), Draft::text("Hello, World!", Vec::new())),
        ),
        (
            "chat_message_with_attachments",
            None,
            send(in_conversation(CHANNEL), Draft::text("", vec![FILE.parse().unwrap()])),
        ),
        ("chat_message_encrypted", None, send(with_bob(), secret)),
        ("chat_edit", Some("\"e-1\""), edit(message(Some("conv_123")), "Hello, everybody!", Secrecy::Plain)),
        ("chat_edit_encrypted", None, edit(message(None), "AwgAEiB…", Secrecy::Encrypted)),
        ("chat_delete", None, Command::Chat(ChatCommand::Delete { at: message(None) })),
        (
            "chat_delete_with_client_message_id",
            Some("\"d-1\""),
            Command::Chat(ChatCommand::Delete { at: message(None) }),
        ),
        ("chat_delete_in_a_conversation", None, Command::Chat(ChatCommand::Delete { at: message(Some("conv_123")) })),
        ("chat_read", None, Command::Chat(ChatCommand::Read { at: message(Some("conv_123")) })),
        ("chat_react", None, react(message(None), ReactionChange::Added)),
        ("chat_react_taken_back", None, react(message(Some("conv_123")), ReactionChange::Removed)),
        ("chat_typing", None, typing(in_conversation("conv_123"), Typing::Started)),
        ("chat_typing_stopped", None, typing(with_bob(), Typing::Stopped)),
        ("presence_update", None, Command::Presence(away())),
        ("presence_update_online", None, set_status(Status::Online)),
        ("presence_update_busy", None, set_status(Status::Busy)),
        ("presence_update_of_the_message", Some("\"p-1\""), Command::Presence(silent)),
        ("notification_read", None, Command::Notices(NoticeCommand::Read { id: NOTIFICATION.into() })),
        ("notification_clear", None, Command::Notices(NoticeCommand::Clear { id: Some(NOTIFICATION.into()) })),
        ("notification_clear_all_read", Some("1"), Command::Notices(NoticeCommand::Clear { id: None })),
    ];
    asked.extend(asked_in_calls());
    asked.extend(nexus_documents::asked());
    asked
}

/// The `data` of a transcript, as it stands in the file.
fn data_of(sender: &str, file: &str) -> convene::core::command::RawJson {
    let files = crate::transcripts(&format!("nexus/{sender}"));
    let transcript = &files[file];
    let start = transcript.find("\"data\": ").unwrap() + "\"data\": ".len();
    let end = start + transcript[start..].find('}').unwrap() + 1;
    raw(&transcript[start..end])
}

// ---- from the server ----

fn durable(room: Arc<RoomIdentity>, seq: i64, what: ChatDurable) -> Told {
    let body = EventBody::Durable { seq: Seq(seq), id: EVENT.parse().unwrap(), what: Durable::Chat(what) };
    Told::Everybody(Event { room, at: NOON, body })
}

/// The same for the sender's own sockets, whose client has given it an id.
fn durable_for_author(room: Arc<RoomIdentity>, seq: i64, what: ChatDurable) -> Told {
    let Told::Everybody(event) = durable(room, seq, what) else { unreachable!() };
    Told::Author(event)
}

fn ephemeral(what: Ephemeral) -> Told {
    Told::Everybody(Event { room: room(), at: NOON, body: EventBody::Ephemeral(what) })
}

fn sent(content: &str, attachments: Vec<Attachment>) -> ChatDurable {
    ChatDurable::text(alice(), content.into(), attachments)
}

fn hello() -> ChatDurable {
    ChatDurable::MessageSent {
        sender: alice(),
        content: "Hello, World!".into(),
        content_type: ContentType::Text,
        attachments: Vec::new(),
        mentions: vec![user(BOB)],
    }
}

fn secret() -> ChatDurable {
    ChatDurable::MessageSent {
        sender: alice(),
        content: "AwgAEiA…".into(),
        content_type: ContentType::Encrypted,
        attachments: Vec::new(),
        mentions: Vec::new(),
    }
}

fn october() -> Attachment {
    Attachment {
        file: FILE.parse().unwrap(),
        filename: "october.csv".into(),
        size_bytes: 20_480,
        mime_type: "text/csv".into(),
    }
}

fn attendee(user: Author, status: Status) -> MemberPresence {
    MemberPresence { user, status, cursor: None, last_seen: NOON }
}

fn entered(room: Arc<RoomIdentity>, reference: Option<&str>) -> Entered {
    Entered {
        tag: tag(reference),
        attendance: None,
        room,
        user: user(ALICE),
        connection: CONNECTION.into(),
        online_total: 1,
        online: vec![alice()],
        seq: Seq(41),
        epoch: EPOCH,
    }
}

fn in_rooms() -> Vec<(&'static str, Told)> {
    let users = vec![attendee(alice(), Status::Online), attendee(bob(), Status::Busy)];
    let attendance = RoomPresence { users, total: 2, active_sheets: Vec::new() };
    let first = Entered { attendance: Some(Arc::new(attendance)), online_total: 2, ..entered(room(), Some("\"j-1\"")) };
    let crowd = Entered { online_total: limits::ONLINE_USERS_LISTED_MAX + 1, ..entered(channel(), None) };
    let delivered = Delivered {
        tag: tag(Some("\"m-1\"")),
        room: room(),
        id: EVENT.parse().unwrap(),
        seq: Seq(42),
        epoch: EPOCH,
        delivered: Recipients { users: vec![user(BOB)], total: 1 },
        queued: Recipients { users: vec![user("carol")], total: 1 },
    };
    let joined = PresenceEphemeral::UserJoined { user: bob(), state_follows: true, users: 2, place: None };
    let left = PresenceEphemeral::UserLeft { user: bob(), state_follows: true, users: 2 };
    let data = |file| data_of("server", file);
    let announced = RoomEphemeral::Announced { data: data("room_broadcast_of_an_administrator") };
    let broadcast = RoomEphemeral::Broadcast { by: alice(), data: data("room_broadcast") };
    let message = MESSAGE.parse().unwrap();
    let edited = ChatDurable::MessageEdited {
        message,
        editor: alice(),
        content: "Hello, everybody!".into(),
        secrecy: Secrecy::Plain,
    };
    let (content, secrecy) = ("AwgAEiB…".into(), Secrecy::Encrypted);
    let resealed = ChatDurable::MessageEdited { message, editor: alice(), content, secrecy };
    let deleted = ChatDurable::MessageDeleted { message, by: alice() };
    let read = |others, more| {
        let unlisted = Vec::new();
        ChatDurable::ReadMarked { reader: bob(), message, up_to: Seq(42), others, more, unlisted }
    };
    let also = ReadMark { reader: alice(), message, up_to: Seq(42) };
    let reacted = |change| ChatDurable::Reacted { message, by: bob(), emoji: Emoji::new("👍").unwrap(), change };
    let typing = ChatEphemeral::Typing { user: bob(), typing: Typing::Started, cell: None };
    vec![
        ("room_join_first", Told::One(Reply::Entered(Box::new(first)))),
        ("room_join_first_truncated", Told::One(Reply::Entered(Box::new(crowd)))),
        ("room_join", ephemeral(Ephemeral::Presence(joined))),
        ("room_leave", ephemeral(Ephemeral::Presence(left))),
        ("room_broadcast", ephemeral(Ephemeral::Room(broadcast))),
        ("room_broadcast_of_an_administrator", ephemeral(Ephemeral::Room(announced))),
        ("recovered", Told::One(Reply::Recovered { room: room(), seq: Seq(44), complete: true })),
        ("chat_message", durable(room(), 42, hello())),
        ("chat_message_of_the_sender", durable_for_author(room(), 42, sent("Hello, World!", Vec::new()))),
        ("chat_message_direct", durable(conversation(), 8, sent("", vec![october()]))),
        ("chat_message_encrypted", durable(conversation(), 9, secret())),
        ("chat_message_deleted", durable(room(), 42, ChatDurable::MessageErased { sender: alice() })),
        ("chat_edit", durable(room(), 43, edited.clone())),
        ("chat_edit_of_the_sender", durable_for_author(room(), 43, edited)),
        ("chat_edit_encrypted", durable(conversation(), 10, resealed)),
        ("chat_delete", durable(room(), 44, deleted.clone())),
        ("chat_delete_of_the_sender", durable_for_author(room(), 44, deleted)),
        ("chat_read", durable(room(), 45, read(Vec::new(), 0))),
        ("chat_read_of_several", durable(room(), 45, read(vec![also], 978))),
        ("chat_read_of_the_sender", durable_for_author(room(), 45, read(Vec::new(), 0))),
        ("chat_react", durable(room(), 46, reacted(ReactionChange::Added))),
        ("chat_react_of_the_sender", durable_for_author(room(), 46, reacted(ReactionChange::Added))),
        ("chat_react_taken_back", durable(room(), 47, reacted(ReactionChange::Removed))),
        ("chat_delivered", Told::One(Reply::Delivered(Box::new(delivered)))),
        ("chat_typing", ephemeral(Ephemeral::Chat(typing))),
    ]
}

fn to_one() -> Vec<(&'static str, Told)> {
    let error = |reference, refusal| Told::One(Reply::Error { tag: tag(reference), refusal });
    let expires_at = Timestamp::from_unix_seconds(1_761_570_000);
    let welcome = Welcome { user: user(ALICE), connection: CONNECTION.into() };
    let notice = data_of("server", "system_message_of_an_administrator");
    vec![
        ("system_message", Told::One(Reply::Welcome(welcome))),
        ("system_message_of_an_administrator", Told::One(Reply::Notice { data: notice, at: NOON })),
        ("pong", Told::One(Reply::Pong { tag: tag(None) })),
        ("pong_with_ref", Told::One(Reply::Pong { tag: tag(Some("7")) })),
        ("ack", Told::One(Reply::Ack { tag: tag(Some("\"m-1\"")), id: EVENT.parse().unwrap(), seq: Seq(42) })),
        ("ack_done", Told::One(Reply::Done { tag: tag(Some("\"l-1\"")) })),
        ("ack_of_auth_refresh", Told::One(Reply::AuthRefreshed { tag: tag(Some("\"refresh-1\"")), expires_at })),
        ("error", error(None, Refusal::new(ErrorCode::InvalidMessage, "`content` must not be empty"))),
        (
            "error_with_ref",
            error(Some("\"m-1\""), Refusal::limited("Rate limit exceeded: too many requests per minute", 12)),
        ),
        ("server_restarting", Told::One(Reply::Restarting { reconnect_in_ms: 2_350 })),
    ]
}

fn in_calls() -> Vec<(&'static str, Told)> {
    let call = || CallId::new("call_123").unwrap();
    let notice = |with, what| Told::One(Reply::Call(Box::new(CallNotice { call: call(), with, what })));
    let signal = |file, kind| CallChange::Signal { kind, data: data_of("server", file) };
    let ended = |reason, data| CallChange::Ended { reason, data };
    vec![
        ("call_offer", notice(alice(), signal("call_offer", SignalKind::Offer))),
        ("call_answer", notice(bob(), signal("call_answer", SignalKind::Answer))),
        ("call_ice", notice(alice(), signal("call_ice", SignalKind::IceCandidate))),
        ("call_hangup", notice(alice(), ended(CallEnd::HungUp, None))),
        ("call_hangup_answered_elsewhere", notice(alice(), ended(CallEnd::AnsweredElsewhere, None))),
        ("call_hangup_busy", notice(bob(), ended(CallEnd::Busy, None))),
        ("call_hangup_cancelled", notice(alice(), ended(CallEnd::Cancelled, None))),
        ("call_hangup_crossed", notice(alice(), ended(CallEnd::Crossed, None))),
        ("call_hangup_declined_elsewhere", notice(alice(), ended(CallEnd::DeclinedElsewhere, None))),
        ("call_hangup_disconnected", notice(bob(), ended(CallEnd::Disconnected, None))),
        ("call_hangup_timeout", notice(bob(), ended(CallEnd::TimedOut, None))),
        (
            "call_hangup_with_data",
            notice(bob(), ended(CallEnd::Declined, Some(data_of("server", "call_hangup_with_data")))),
        ),
    ]
}

fn to_the_user() -> Vec<(&'static str, Told)> {
    let personal = |news| Told::One(Reply::UserEvent(Arc::new(news)));
    let (user, id) = (user(ALICE), NOTIFICATION.parse().unwrap());
    let stored = Arc::new(notification(Priority::High));
    let data = Some(data_of("server", "notification_updated"));
    let changed = Arc::new(Notification { data, ..notification(Priority::High) });
    let seen = |change, status, message: Option<&str>, location: Option<&str>| {
        let details = StatusDetails { message: message.map(Into::into), location: location.map(Into::into) };
        let user = crate::user(BOB);
        personal(UserEvent::Presence(PresenceNotice { user, username: "bob".into(), change, status, details }))
    };
    let (status, details) = (NoticedChange::Status, NoticedChange::Details);
    let connection: Arc<str> = "ws_alice_1761566400_7f3b".into();
    let opened = UserEvent::SocketOpened { user: user.clone(), connection: connection.clone() };
    let closed = UserEvent::SocketClosed { user: user.clone(), connection };
    let device = |change, prekeys_left| {
        let (user, device) = (crate::user(ALICE), "laptop-1".parse().unwrap());
        personal(UserEvent::Device(DeviceNotice { user, device, change, prekeys_left }))
    };
    let (meeting, place) = (Some("In a meeting"), Some("Meeting Room"));
    vec![
        ("presence_online", seen(status, Some(Status::Online), Some("Back"), place)),
        ("presence_away", seen(status, Some(Status::Away), meeting, place)),
        ("presence_busy", seen(status, Some(Status::Busy), meeting, place)),
        ("presence_offline", seen(status, None, None, None)),
        ("presence_update", seen(details, Some(Status::Away), Some("Back at three"), place)),
        ("device_update", device(DeviceChange::Added, 100)),
        ("device_update_changed", device(DeviceChange::Updated, 100)),
        ("device_update_removed", device(DeviceChange::Removed, 0)),
        ("device_update_prekeys_low", device(DeviceChange::PrekeysLow, 10)),
        ("conversation_update", personal(UserEvent::ConversationsChanged)),
        ("connect", personal(opened)),
        ("disconnect", personal(closed)),
        ("notification", personal(UserEvent::Notified { user: user.clone(), notification: stored })),
        (
            "notification_updated",
            personal(UserEvent::NotificationUpdated { user: user.clone(), notification: changed }),
        ),
        ("notification_read", personal(UserEvent::NotificationRead { user: user.clone(), id })),
        ("notification_read_all", personal(UserEvent::AllNotificationsRead { user: user.clone() })),
        ("notification_cleared_all", personal(UserEvent::ReadNotificationsDeleted { user: user.clone() })),
        ("notification_cleared", personal(UserEvent::NotificationDeleted { user, id })),
    ]
}

/// All events and replies.
pub fn told() -> BTreeMap<&'static str, Told> {
    let documents = nexus_documents::told();
    in_rooms().into_iter().chain(to_one()).chain(in_calls()).chain(to_the_user()).chain(documents).collect()
}
