//! The messages of the channel dialect, and malformed input that it must refuse.

use std::{collections::BTreeMap, sync::Arc};

use convene::{
    core::{
        command::{Addressed, CallCommand, ChatCommand, Command, Draft, RawJson, Request, SignalKind, Tag, Typing},
        event::{
            Attachment, CallEphemeral, ChatDurable, ChatEphemeral, ContentType, Durable, Entered, Ephemeral, Event,
            EventBody, PresenceEphemeral, Reply, RoomEphemeral, RoomIdentity, RoomScope,
        },
        notification::{Notification, Priority},
        profile::Author,
        user_event::UserEvent,
    },
    dialects::{ClientMessage, Dialect, DialectKind, Rejection, Stamp},
    error::{ErrorCode, Refusal},
    ids::{Epoch, EventId, GroupId, RoomId, Seq, Timestamp},
    limits,
};

use crate::{ALICE, Asked, BOB, EVENT, NOON, Told, alice, bob, notification, parsed, raw, tag, transcripts, user};

const CHANNEL: &str = "01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f";
const CONVERSATION: &str = "01932c0b-0101-7aaa-8bbb-0c0d0e0f1011";
const FILE: &str = "01932c0e-1c2d-7e3f-8a4b-5c6d7e8f9a0b";

fn channel_dialect() -> &'static dyn Dialect {
    DialectKind::Channel.dialect()
}

/// A channel.
pub fn channel() -> Arc<RoomIdentity> {
    let group = GroupId::generate();
    Arc::new(RoomIdentity { id: CHANNEL.parse::<RoomId>().unwrap(), scope: RoomScope::Channel { group } })
}

fn conversation() -> Arc<RoomIdentity> {
    let users = [user(ALICE), user(BOB)];
    Arc::new(RoomIdentity { id: CONVERSATION.parse::<RoomId>().unwrap(), scope: RoomScope::Direct { users } })
}

/// The `data` of a transcript, byte for byte.
fn data_of(transcript: &str) -> RawJson {
    let start = transcript.find("\"data\": ").unwrap() + "\"data\": ".len();
    let end = start + transcript[start..].find('}').unwrap() + 1;
    RawJson::from_parsed(&transcript[start..end])
}

// ---- from the client ----

/// All client messages.
pub fn asked() -> Vec<Asked> {
    let files = transcripts("channel/client");
    let signal = |file: &str, kind, target: Option<&str>| {
        Command::Call(CallCommand::Signal { kind, target: target.map(user), data: data_of(&files[file]) })
    };
    let send = |addressed, content: &str, attachments: &[&str]| {
        let attachments = attachments.iter().map(|file| file.parse().unwrap()).collect();
        Command::Chat(ChatCommand::Send { addressed, draft: Draft::text(content, attachments) })
    };
    let typing = |addressed, typing| Command::Chat(ChatCommand::SetTyping { addressed, typing, cell: None });
    vec![
        ("message", None, send(Addressed::Channel, "Hello everyone!", &[])),
        ("message_with_ref", Some("\"m-1\""), send(Addressed::Channel, "Hello everyone!", &[])),
        ("message_with_client_message_id", Some("\"m-1\""), send(Addressed::Channel, "Hello everyone!", &[])),
        ("message_with_attachments", None, send(Addressed::Channel, "The figures of October", &[FILE])),
        ("typing", None, typing(Addressed::Channel, Typing::Started)),
        ("typing_stopped", None, typing(Addressed::Channel, Typing::Stopped)),
        ("webrtc_offer", None, signal("webrtc_offer", SignalKind::Offer, Some(BOB))),
        ("webrtc_answer", None, signal("webrtc_answer", SignalKind::Answer, Some(ALICE))),
        ("webrtc_ice_candidate", None, signal("webrtc_ice_candidate", SignalKind::IceCandidate, Some(BOB))),
        ("dm_message", None, send(Addressed::Partner, "Hey, how are you?", &[])),
        ("dm_message_without_text", None, send(Addressed::Partner, "", &[FILE])),
        ("dm_typing", None, typing(Addressed::Partner, Typing::Started)),
        ("dm_webrtc_offer", None, signal("dm_webrtc_offer", SignalKind::Offer, None)),
        ("ping", None, Command::Ping),
        ("ping_with_ref", Some("7"), Command::Ping),
        ("auth_refresh", Some("\"refresh-1\""), Command::AuthRefresh { token: "eyJhbGciOi…".into() }),
    ]
}

#[test]
fn limits_hold_to_the_character() {
    let send = |content: &str| {
        let text = serde_json::json!({"type": "message", "content": content, "ref": 1}).to_string();
        channel_dialect().decode(ClientMessage::Text(&text))
    };
    let most = "é".repeat(limits::CHAT_CHARS_MAX);
    assert_eq!(
        send(&most).unwrap().command,
        Command::Chat(ChatCommand::Send {
            addressed: Addressed::Channel,
            draft: Draft::text(most.as_str(), Vec::new()),
        })
    );
    let Rejection { tag, refusal } = send(&(most + "é")).unwrap_err();
    assert_eq!((tag.reference, refusal.code), (Some(RawJson::from_parsed("1")), ErrorCode::MessageTooLong));
    assert!(refusal.sentence.contains("10001"), "{refusal}");

    let reference = format!("\"{}\"", "x".repeat(limits::REF_BYTES_MAX - 2));
    let text = format!("{{\"type\":\"ping\",\"ref\":{reference}}}");
    let request = channel_dialect().decode(ClientMessage::Text(&text)).unwrap();
    assert_eq!(request.tag.reference, Some(RawJson::from_parsed(&reference)));

    let depth = limits::JSON_DEPTH_MAX - 1; // the message itself is one level
    let data = "[".repeat(depth) + &"]".repeat(depth);
    let text = format!("{{\"type\":\"webrtc_offer\",\"data\":{data}}}");
    assert!(channel_dialect().decode(ClientMessage::Text(&text)).is_ok());
}

#[test]
fn fields_that_are_unknown_or_null_are_ignored() {
    let text = r#"{"extra":[{"a":1}],"type":"webrtc_offer","target_user_id":null,"ref":null,"client_message_id":7,"data": { "b" : 1.50 } ,"content":5}"#;
    let command = Command::Call(CallCommand::Signal {
        kind: SignalKind::Offer,
        target: None,
        data: RawJson::from_parsed("{ \"b\" : 1.50 }"),
    });
    assert_eq!(
        channel_dialect().decode(ClientMessage::Text(text)),
        Ok(Request { tag: Tag { asked: "webrtc_offer", ..Tag::default() }, client_message_id: None, command })
    );
    let text = "{\"t\\u0079pe\":\"p\\u0069ng\"}";
    assert_eq!(channel_dialect().decode(ClientMessage::Text(text)).unwrap().command, Command::Ping);
}

// ---- from the server ----

fn ephemeral(room: Arc<RoomIdentity>, what: Ephemeral) -> Told {
    Told::Everybody(Event { room, at: NOON, body: EventBody::Ephemeral(what) })
}

fn sent(room: Arc<RoomIdentity>, seq: i64, content: &str, attachments: Vec<Attachment>) -> Told {
    let what = Durable::Chat(ChatDurable::text(alice(), content.into(), attachments));
    let body = EventBody::Durable { seq: Seq(seq), id: EVENT.parse().unwrap(), what };
    Told::Everybody(Event { room, at: NOON, body })
}

fn encrypted(room: Arc<RoomIdentity>, seq: i64, ciphertext: &str) -> Told {
    let (sender, content, content_type) = (alice(), ciphertext.into(), ContentType::Encrypted);
    let (attachments, mentions) = (Vec::new(), Vec::new());
    let what = Durable::Chat(ChatDurable::MessageSent { sender, content, content_type, attachments, mentions });
    Told::Everybody(Event {
        room,
        at: NOON,
        body: EventBody::Durable { seq: Seq(seq), id: EVENT.parse().unwrap(), what },
    })
}

/// The same for the sender's own sockets, whose client has given it an id.
fn sent_by_oneself(room: Arc<RoomIdentity>, seq: i64, content: &str) -> Told {
    let Told::Everybody(event) = sent(room, seq, content, Vec::new()) else { unreachable!() };
    Told::Author(event)
}

fn october() -> Attachment {
    Attachment {
        file: FILE.parse().unwrap(),
        filename: "october.csv".into(),
        size_bytes: 20_480,
        mime_type: "text/csv".into(),
    }
}

fn entered(room: Arc<RoomIdentity>, seq: i64, online: Vec<Author>) -> Told {
    Told::One(Reply::Entered(Box::new(Entered {
        tag: tag(None),
        attendance: None,
        room,
        user: user(ALICE),
        connection: "ws_alice_1761566400_7f3a".into(),
        online_total: online.len(),
        online,
        seq: Seq(seq),
        epoch: Epoch(1_761_566_400_250),
    })))
}

/// More users are online than are listed.
fn entered_crowd() -> Told {
    let Told::One(Reply::Entered(mut entered)) = entered(channel(), 41, vec![alice()]) else { unreachable!() };
    entered.online_total = limits::ONLINE_USERS_LISTED_MAX + 1;
    Told::One(Reply::Entered(entered))
}

fn in_rooms(files: &BTreeMap<String, String>) -> Vec<(&'static str, Told)> {
    let signal = |file: &'static str, from, kind| {
        (file, ephemeral(channel(), Ephemeral::Call(CallEphemeral::Signal { from, kind, data: data_of(&files[file]) })))
    };
    let typing = || Ephemeral::Chat(ChatEphemeral::Typing { user: alice(), typing: Typing::Started, cell: None });
    vec![
        ("online_users", entered(channel(), 41, vec![alice(), bob()])),
        ("online_users_truncated", entered_crowd()),
        (
            "user_joined",
            ephemeral(
                channel(),
                Ephemeral::Presence(PresenceEphemeral::UserJoined {
                    user: alice(),
                    state_follows: false,
                    users: 2,
                    place: None,
                }),
            ),
        ),
        (
            "user_left",
            ephemeral(
                channel(),
                Ephemeral::Presence(PresenceEphemeral::UserLeft { user: alice(), state_follows: false, users: 2 }),
            ),
        ),
        ("message", sent(channel(), 42, "Hello everyone!", vec![])),
        ("message_of_the_sender", sent_by_oneself(channel(), 42, "Hello everyone!")),
        ("message_with_attachments", sent(channel(), 43, "The figures of October", vec![october()])),
        ("message_encrypted", encrypted(channel(), 44, "AwgAEiA…")),
        ("typing", ephemeral(channel(), typing())),
        signal("webrtc_offer", alice(), SignalKind::Offer),
        signal("webrtc_answer", bob(), SignalKind::Answer),
        signal("webrtc_ice_candidate", alice(), SignalKind::IceCandidate),
        (
            "broadcast",
            ephemeral(channel(), Ephemeral::Room(RoomEphemeral::Announced { data: data_of(&files["broadcast"]) })),
        ),
        ("dm_user_online_first", entered(conversation(), 7, vec![alice(), bob()])),
        ("dm_connected", entered(conversation(), 7, vec![alice()])),
        (
            "dm_user_online",
            ephemeral(
                conversation(),
                Ephemeral::Presence(PresenceEphemeral::UserJoined {
                    user: alice(),
                    state_follows: false,
                    users: 2,
                    place: None,
                }),
            ),
        ),
        (
            "dm_user_offline",
            ephemeral(
                conversation(),
                Ephemeral::Presence(PresenceEphemeral::UserLeft { user: alice(), state_follows: false, users: 2 }),
            ),
        ),
        ("dm_message", sent(conversation(), 8, "Hey, how are you?", vec![])),
        ("dm_message_of_the_sender", sent_by_oneself(conversation(), 8, "Hey, how are you?")),
        ("dm_message_without_text", sent(conversation(), 9, "", vec![october()])),
        ("dm_message_encrypted", encrypted(conversation(), 10, "AwgAEiA…")),
        ("dm_typing", ephemeral(conversation(), typing())),
    ]
}

fn to_one(files: &BTreeMap<String, String>) -> Vec<(&'static str, Told)> {
    let data = Some(raw("{\"sheet_id\":\"sheet_123\"}"));
    let stored = Arc::new(Notification { data, ..notification(Priority::High) });
    let notified = UserEvent::Notified { user: user(ALICE), notification: stored };
    let error = |reference, refusal| Told::One(Reply::Error { tag: tag(reference), refusal });
    let expires_at = Timestamp::from_unix_seconds(1_761_570_000);
    vec![
        ("pong", Told::One(Reply::Pong { tag: tag(None) })),
        ("pong_with_ref", Told::One(Reply::Pong { tag: tag(Some("7")) })),
        (
            "ack",
            Told::One(Reply::Ack { tag: tag(Some("\"m-1\"")), id: EVENT.parse::<EventId>().unwrap(), seq: Seq(42) }),
        ),
        ("ack_done", Told::One(Reply::Done { tag: tag(Some("\"l-1\"")) })),
        ("ack_of_auth_refresh", Told::One(Reply::AuthRefreshed { tag: tag(Some("\"refresh-1\"")), expires_at })),
        ("error", error(None, Refusal::new(ErrorCode::InvalidMessage, "`content` must not be empty"))),
        (
            "error_with_ref",
            error(Some("\"m-1\""), Refusal::limited("You sent 60 requests within a minute; wait 12 seconds", 12)),
        ),
        ("recovered", Told::One(Reply::Recovered { room: channel(), seq: Seq(44), complete: true })),
        ("notification", Told::One(Reply::Notice { data: data_of(&files["notification"]), at: NOON })),
        ("notification_stored", Told::One(Reply::UserEvent(Arc::new(notified)))),
        ("server_restarting", Told::One(Reply::Restarting { reconnect_in_ms: 2_350 })),
    ]
}

/// All server messages.
pub fn told() -> BTreeMap<&'static str, Told> {
    let files = transcripts("channel/server");
    in_rooms(&files).into_iter().chain(to_one(&files)).collect()
}

#[test]
fn the_recipient_of_a_direct_message_is_the_other_side() {
    let (users, own) = ([user(ALICE), user(BOB)], [user(ALICE), user(ALICE)]);
    for (users, sender, recipient) in [(users.clone(), bob(), ALICE), (users, alice(), BOB), (own, alice(), ALICE)] {
        let room = Arc::new(RoomIdentity { id: CONVERSATION.parse().unwrap(), scope: RoomScope::Direct { users } });
        let what = Durable::Chat(ChatDurable::text(sender, "x".into(), Vec::new()));
        let body = EventBody::Durable { seq: Seq(1), id: EventId::generate(), what };
        let mut out = Vec::new();
        let _ = channel_dialect().encode_event(&Event { room, at: NOON, body }, Stamp::new(NOON), &mut out);
        assert_eq!(parsed(str::from_utf8(&out).unwrap())["recipient_id"], recipient);
    }
}
