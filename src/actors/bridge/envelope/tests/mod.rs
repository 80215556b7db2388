//! Tests of the wire format: every message is read as it was written, garbage is refused, adjacent releases understand
//! each other.

// tidy: a strategy for each kind of message, which belong together

mod calls;
mod form;

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    actors::{
        bridge::{ClientsOf, KindMessage},
        fanout::Broadcast,
    },
    core::{
        assistant::{AnswerEvent, AnswerFault, AnswerPhase},
        command::{RawJson, SignalKind, Typing},
        cursor::{Coordinate, Cursor, CursorUpdate},
        document::ClientState,
        event::{
            Audience, CallEphemeral, ChatDurable, ChatEphemeral, DocumentDurable, Durable, Ephemeral, Event, EventBody,
            MemberPresence, PresenceEphemeral, RoomEphemeral, RoomIdentity, RoomPresence, RoomScope, SheetDurable,
            UploadEphemeral,
        },
        notification::{Notification, Priority},
        peers::NodeHeartbeat,
        presence::{Status, StatusDetails},
        profile::Author,
        rate::{Account, LimitStatus, RequestCounts},
        remote_members::MembershipMessage,
        roster::{RoomInUse, RosterMessage, SocketEntry, UserAccount},
        sheet::{Cell, CellRef},
        upload::{Upload, UploadEnd, UploadPhase},
        user_event::UserEvent,
    },
    ids::{
        Area, ClientMessageId, ConnKey, DocumentId, EventId, GroupId, NotificationId, RoomId, RoomName, Seq, SheetId,
        SocketId, Timestamp, UserId,
    },
};

// ---- round trips ----
// Strategies are boxed, because each holds all its alternatives and the stack of a test is small.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,8}", "\\PC{1,20}", Just("\"quotes\"\\ \u{2028} \u{1F600} </script>".to_owned())]
}

fn user() -> impl Strategy<Value = UserId> {
    "[a-zA-Z0-9:{}é\" ]{1,12}".prop_map(|id| UserId::new(id).unwrap())
}

fn author() -> impl Strategy<Value = Author> {
    (user(), text(), prop::option::of(text()), any::<Option<i64>>())
        .prop_map(|(id, username, shown, number)| Author::known(id, username, shown.map(Into::into), number))
}

fn at() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(|unix_ms| Timestamp { unix_ms })
}

fn json() -> BoxedStrategy<RawJson> {
    prop_oneof![
        Just(r#"{"sdp":"v=0\r\n","n":1e400,"deep":[[[{}]]]}"#.to_owned()),
        Just("  null ".trim().to_owned()),
        text().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ]
    .prop_map(|json| RawJson::from_parsed(&json))
    .boxed()
}

fn uuid() -> impl Strategy<Value = uuid::Uuid> {
    any::<u128>().prop_map(uuid::Uuid::from_u128)
}

fn scope() -> BoxedStrategy<RoomScope> {
    prop_oneof![
        uuid().prop_map(|id| RoomScope::Channel { group: GroupId(id) }),
        (user(), user()).prop_map(|(a, b)| RoomScope::Direct { users: [a, b] }),
        user().prop_map(|name| RoomScope::Open { name: RoomName::stored(name.as_str()).unwrap() }),
        user().prop_map(|id| RoomScope::Document { document: DocumentId::stored(id.as_str()).unwrap() }),
    ]
    .boxed()
}

fn conn() -> impl Strategy<Value = ConnKey> {
    any::<(u16, u32)>().prop_map(|(worker, generation)| ConnKey { worker, generation })
}

fn audience() -> BoxedStrategy<Audience> {
    prop_oneof![
        Just(Audience::Everyone),
        user().prop_map(Audience::Only),
        user().prop_map(Audience::EveryoneBut),
        (any::<u64>(), conn()).prop_map(|(node, conn)| Audience::ButSocket(SocketId { node: NodeId(node), conn })),
        any::<u64>().prop_map(|area| Audience::In(Area(area))),
    ]
    .boxed()
}

fn body() -> BoxedStrategy<EventBody> {
    let durable = (any::<i64>(), uuid(), author(), text()).prop_map(|(seq, id, sender, content)| EventBody::Durable {
        seq: Seq(seq),
        id: EventId(id),
        what: Durable::Chat(ChatDurable::text(sender, content.into(), Vec::new())),
    });
    let cells = (author(), json(), any::<i64>(), 0..9_u32).prop_map(|(author, value, version, column)| {
        let cell = Cell { at: CellRef { row: 3, column }, value, formula: Some("=A1".into()), version };
        let what =
            Durable::Sheet(SheetDurable::CellsUpdated { sheet: SheetId::new("s").unwrap(), author, cells: vec![cell] });
        EventBody::Durable { seq: Seq(version), id: EventId::generate(), what }
    });
    let updated =
        (author(), prop::collection::vec(any::<u8>(), 0..40), any::<i64>()).prop_map(|(author, update, seq)| {
            let what = Durable::Document(DocumentDurable::updated(author, update.into()));
            EventBody::Durable { seq: Seq(seq), id: EventId::generate(), what }
        });
    let typing = (author(), prop_oneof![Just(Typing::Started), Just(Typing::Stopped)]);
    let kind = prop_oneof![Just(SignalKind::Offer), Just(SignalKind::Answer), Just(SignalKind::IceCandidate)];
    let ephemeral = prop_oneof![
        author().prop_map(|user| Ephemeral::Presence(PresenceEphemeral::UserJoined {
            user,
            state_follows: false,
            users: 2,
            place: None,
        })),
        author().prop_map(|user| Ephemeral::Presence(PresenceEphemeral::UserLeft {
            user,
            state_follows: false,
            users: 2
        })),
        typing.prop_map(|(user, typing)| Ephemeral::Chat(ChatEphemeral::Typing {
            user,
            typing,
            cell: (typing == Typing::Started).then(|| "A1".into()),
        })),
        (author(), status()).prop_map(|(user, status)| Ephemeral::Presence(PresenceEphemeral::StatusChanged {
            user,
            status,
            details: StatusDetails::default(),
        })),
        (author(), upload())
            .prop_map(|(user, upload)| Ephemeral::Upload(UploadEphemeral::Reported { user, upload: upload.into() })),
        (author(), kind, json()).prop_map(|(from, kind, data)| Ephemeral::Call(CallEphemeral::Signal {
            from,
            kind,
            data
        })),
        json().prop_map(|data| Ephemeral::Room(RoomEphemeral::Announced { data })),
        (author(), json()).prop_map(|(by, data)| Ephemeral::Room(RoomEphemeral::Broadcast { by, data })),
    ];
    prop_oneof![durable, cells, updated, ephemeral.prop_map(EventBody::Ephemeral)].boxed()
}

fn event() -> BoxedStrategy<Arc<Broadcast>> {
    let id = proptest::option::of("[^\\p{Cc}]{1,128}".prop_map(|id| ClientMessageId::new(id).unwrap()));
    (uuid(), scope(), at(), body(), audience(), id)
        .prop_map(|(room, scope, at, body, audience, id)| {
            let room = Arc::new(RoomIdentity { id: RoomId(room), scope });
            let id = id.filter(|_| matches!(body, EventBody::Durable { .. }));
            Broadcast::with_id(Event { room, at, body }, audience, id)
        })
        .boxed()
}

fn status() -> BoxedStrategy<Status> {
    prop_oneof![Just(Status::Online), Just(Status::Away), Just(Status::Busy)].boxed()
}

fn cursor() -> BoxedStrategy<Cursor> {
    (any::<i32>(), any::<i32>(), prop::option::of(text()))
        .prop_map(|(x, y, cell)| Cursor {
            x: Coordinate::new(f64::from(x)).unwrap(),
            y: Coordinate::new(f64::from(y) / 8.0).unwrap(), // exactly representable
            cell: cell.map(Into::into),
        })
        .boxed()
}

fn upload() -> BoxedStrategy<Upload> {
    let phase = prop_oneof![
        (text(), any::<u64>(), prop::option::of(text())).prop_map(|(filename, size_bytes, mime_type)| {
            UploadPhase::Started { filename: filename.into(), size_bytes, mime_type: mime_type.map(Into::into) }
        }),
        any::<(u64, u64)>().prop_map(|(uploaded_bytes, total_bytes)| {
            let percentage = (total_bytes % 2 == 0).then(|| RawJson::from_parsed("33.33"));
            UploadPhase::Progress { uploaded_bytes, total_bytes, percentage }
        }),
        (text(), text())
            .prop_map(|(filename, url)| UploadPhase::Complete { filename: filename.into(), url: url.into() }),
        prop_oneof![Just(UploadEnd::Deleted), Just(UploadEnd::Expired), Just(UploadEnd::Disconnected)]
            .prop_map(|why| UploadPhase::Cancelled { why }),
    ];
    (text(), user(), phase).prop_map(|(file, user, phase)| Upload { file: file.into(), user, phase }).boxed()
}

fn personal() -> BoxedStrategy<UserEvent> {
    let phase = prop_oneof![
        text().prop_map(|query| AnswerPhase::Started { query: query.into(), sheet: None }),
        (0..=100_u8, text(), prop::option::of(text())).prop_map(|(percent, status, delta)| AnswerPhase::Progress {
            percent,
            status: status.into(),
            delta: delta.map(Into::into),
        }),
        (text(), prop::option::of(json()), any::<u64>()).prop_map(|(result, findings, processing_time_ms)| {
            AnswerPhase::Complete { result: result.into(), findings, processing_time_ms }
        }),
        text().prop_map(|why| AnswerPhase::Failed { fault: AnswerFault::Cancelled, sentence: why.into() }),
    ];
    let notified = (user(), text(), prop::option::of(json()), at()).prop_map(|(user, title, data, created_at)| {
        let notification = Notification {
            id: NotificationId::generate(),
            title: title.as_str().into(),
            message: title.into(),
            category: "workspace".into(),
            priority: Priority::Critical,
            module: None,
            data,
            created_at,
            invite: None,
        };
        UserEvent::Notified { user, notification: Arc::new(notification) }
    });
    prop_oneof![
        notified,
        (user(), uuid()).prop_map(|(user, id)| UserEvent::NotificationRead { user, id: NotificationId(id) }),
        (text(), user(), phase).prop_map(|(request, user, phase)| UserEvent::Answer(AnswerEvent {
            request: request.into(),
            user,
            phase
        })),
        upload().prop_map(UserEvent::Upload),
        Just(UserEvent::ConversationsChanged),
        calls::message().prop_map(UserEvent::Call),
    ]
    .boxed()
}

fn attendee() -> BoxedStrategy<MemberPresence> {
    (author(), status(), prop::option::of(cursor()), at())
        .prop_map(|(user, status, cursor, last_seen)| {
            let email = (status == Status::Busy).then(|| "a@example.org".into());
            MemberPresence { user: user.with_email(email), status, cursor, last_seen }
        })
        .boxed()
}

fn members() -> BoxedStrategy<MembershipMessage> {
    let users = || prop::collection::vec(author(), 0..4);
    prop_oneof![
        any::<(u64, u64)>().prop_map(|(incarnation, version)| MembershipMessage::Digest { incarnation, version }),
        (any::<(u64, u64)>(), users(), prop::collection::vec(user(), 0..4), prop::collection::vec(user(), 0..4))
            .prop_map(|((incarnation, version), joined, left, dropped)| MembershipMessage::Diff {
                incarnation,
                version,
                joined,
                left,
                dropped
            }),
        any::<u64>().prop_map(|of| MembershipMessage::Ask { of: NodeId(of) }),
        (any::<(u64, u64, u32, u32)>(), users()).prop_map(|((incarnation, version, piece, pieces), users)| {
            MembershipMessage::Part { incarnation, version, piece, pieces, users }
        }),
        any::<u64>().prop_map(|incarnation| MembershipMessage::Gone { incarnation }),
    ]
    .boxed()
}

fn roster() -> BoxedStrategy<RosterMessage> {
    let socket = (user(), any::<(u16, u32)>(), at())
        .prop_map(|(user, (worker, generation), opened_at)| SocketEntry {
            user,
            worker,
            generation,
            opened_at,
            follows_presence: generation % 2 == 0,
        })
        .boxed();
    let sockets = move || prop::collection::vec(socket.clone(), 0..4).boxed();
    let statuses = prop::collection::vec((user(), status()), 0..4).boxed();
    prop_oneof![
        (any::<u64>(), sockets(), sockets(), statuses.clone()).prop_map(|(version, opened, closed, statuses)| {
            RosterMessage::Diff { version, opened, closed, statuses, details: Vec::new() }
        }),
        any::<u64>().prop_map(|of| RosterMessage::Ask { of: NodeId(of) }),
        (any::<(u64, u32, u32)>(), sockets(), statuses).prop_map(|((version, piece, pieces), sockets, statuses)| {
            RosterMessage::Part { version, piece, pieces, sockets, statuses, details: Vec::new() }
        }),
        (user(), any::<[u16; 9]>(), any::<[(u32, u16); 3]>(), any::<[u32; 4]>()).prop_map(
            |(user, slots, ages, [refusals, refusals_left_ms, own, heard])| {
                let [minute, hour] = [slots.to_vec(), slots.to_vec()];
                let [minute_ages, hour_ages] = [ages.to_vec(), Vec::new()];
                let account = Account { minute, hour, minute_ages, hour_ages, refusals, refusals_left_ms };
                RosterMessage::Used { users: vec![UserAccount { user, account, own, heard }] }
            }
        ),
        any::<u64>().prop_map(|question| RosterMessage::AskRooms { question }),
        (any::<u64>(), user()).prop_map(|(question, user)| RosterMessage::AskLimits { question, user }),
        any::<(u64, u32, u32, u32, u32)>().prop_map(|(question, minute, hour, refusals, block_left_ms)| {
            let reckoning = LimitStatus { minute, hour, refusals, block_left_ms };
            RosterMessage::Limits { question, reckoning }
        }),
        (any::<(u64, u32, u32)>(), uuid(), any::<(u64, u64)>(), proptest::option::of(at())).prop_map(
            |((question, piece, pieces), room, (users, users_per_hour_milli), last_sign)| {
                let rooms = vec![RoomInUse { room: RoomId(room), users, users_per_hour_milli, last_sign }];
                RosterMessage::Rooms { question, piece, pieces, rooms }
            }
        ),
    ]
    .boxed()
}

fn message() -> BoxedStrategy<EnvelopeItem> {
    let beat = (text(), any::<(u64, u64, u64, u64, u64)>(), any::<Option<u64>>());
    let beat = beat.prop_map(|(name, (uptime_seconds, connections, users, rooms, roster_version), leaving_ms)| {
        NodeHeartbeat {
            name,
            uptime_seconds,
            connections,
            users,
            rooms,
            roster_version,
            messages_per_second: (users % 10_000) as f64 / 8.0,
            leaving_ms,
        }
    });
    let room = prop_oneof![
        event().prop_map(RoomMessage::Event),
        members().prop_map(RoomMessage::Members),
        user().prop_map(|user| RoomMessage::Expel { user }),
        prop::collection::vec((author(), cursor()), 1..4).prop_map(|pointed| {
            RoomMessage::Kind(KindMessage::Cursors(
                pointed.into_iter().map(|(user, cursor)| CursorUpdate { user, cursor }).collect(),
            ))
        }),
        prop::collection::vec(attendee(), 1..4).prop_map(|members| RoomMessage::Kind(KindMessage::Presence(members))),
        (user(), any::<(u64, u32)>(), prop::option::of(text())).prop_map(|(user, (client, clock), state)| {
            let states = vec![ClientState { client, clock, state: state.map(Into::into), cursor: None }];
            RoomMessage::Kind(KindMessage::Awareness(vec![ClientsOf { user, states }]))
        }),
        prop::collection::vec(user(), 0..4).prop_map(|users| RoomMessage::KeepOnly { users }),
    ];
    let node = prop_oneof![
        beat.prop_map(NodeMessage::Heartbeat),
        roster().prop_map(NodeMessage::Roster),
        (user(), event()).prop_map(|(user, broadcast)| NodeMessage::Direct { user, broadcast }),
        (user(), json(), at()).prop_map(|(user, data, at)| NodeMessage::Notice { user, data, at }),
        (user(), any::<(u16, u32, u64)>()).prop_map(|(user, (worker, generation, question))| {
            NodeMessage::Close { user, conn: ConnKey { worker, generation }, question }
        }),
        (user(), any::<u64>())
            .prop_map(|(user, question)| { NodeMessage::CancelAsk { user, request: "req_1".into(), question } }),
        any::<u64>().prop_map(|question| NodeMessage::AskCancelled { question }),
        any::<(u64, u32)>().prop_map(|(question, sockets)| NodeMessage::Closed { question, sockets }),
        (user(), at()).prop_map(|(user, before)| NodeMessage::Revoke { user, before }),
        (user(), at()).prop_map(|(user, until)| NodeMessage::Block { user, until }),
        (user(), at()).prop_map(|(user, at)| NodeMessage::Lift { user, at }),
        (user(), uuid()).prop_map(|(user, room)| NodeMessage::Exclude { user, rooms: vec![RoomId(room)] }),
        (user(), any::<[u32; 2]>()).prop_map(|(user, [requests, refusals])| NodeMessage::RateUsage {
            user,
            counts: RequestCounts { requests, refusals },
        }),
        (user(), personal()).prop_map(|(user, what)| NodeMessage::UserEvent { user, what: Arc::new(what) }),
        (author(), upload()).prop_map(|(user, upload)| NodeMessage::Upload { user, upload }),
        (author(), status(), prop::option::of(text()), at()).prop_map(|(user, status, message, at)| {
            let details = StatusDetails { message: message.map(Into::into), location: None };
            NodeMessage::Status { user, status, details, at }
        }),
        (prop::collection::vec(user(), 0..4), personal())
            .prop_map(|(users, what)| NodeMessage::UserEvents { users, what: Arc::new(what) }),
    ];
    prop_oneof![
        room.prop_map(EnvelopeItem::Room),
        node.prop_map(EnvelopeItem::Node),
        any::<u64>().prop_map(EnvelopeItem::Probe)
    ]
    .boxed()
}

/// The content of a message; encoded frames are excluded, because each node makes its own.
fn shown(message: &EnvelopeItem) -> String {
    let event = |broadcast: &Broadcast| {
        format!("{:?} {:?} {:?}", broadcast.client_message_id, broadcast.event, broadcast.audience)
    };
    match message {
        EnvelopeItem::Room(RoomMessage::Event(broadcast)) => event(broadcast),
        EnvelopeItem::Node(NodeMessage::Direct { user, broadcast }) => format!("direct {user} {}", event(broadcast)),
        other => format!("{other:?}"),
    }
}

fn sealed(messages: &[EnvelopeItem]) -> Vec<u8> {
    let mut draft = Draft::new(NodeId(0xab));
    messages.iter().for_each(|message| draft.add(message).unwrap());
    assert_eq!(draft.items() as usize, messages.len());
    let bytes = draft.bytes();
    let sealed = draft.seal();
    assert_eq!(sealed.len(), bytes);
    sealed
}

fn read(payload: &[u8]) -> Vec<Result<String, Unread>> {
    let envelope = Envelope::open(payload).unwrap();
    assert_eq!(envelope.from, NodeId(0xab));
    envelope.messages().map(|message| message.map(|message| shown(&message))).collect()
}

/// Adds an unknown field to every object that has named fields.
fn with_more_fields(payload: &[u8]) -> Vec<u8> {
    fn grow(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                fields.values_mut().for_each(grow);
                // the only key of such an object is the tag of an enum and has to stay the only one
                let names = ["only", "everyone_but", "in", "cursors", "presence", "awareness"];
                let tag = fields.len() == 1 && fields.iter().all(|(k, v)| v.is_object() || names.contains(&k.as_str()));
                if !tag {
                    fields.insert("of_a_later_release".into(), serde_json::json!({"deep": [1, null]}));
                }
            }
            serde_json::Value::Array(values) => values.iter_mut().for_each(grow),
            _plain => {}
        }
    }
    let mut value = serde_json::from_slice(payload).unwrap();
    grow(&mut value);
    serde_json::to_vec(&value).unwrap()
}

proptest! {
    #[test]
    fn every_word_comes_back_as_it_was_said(messages in prop::collection::vec(message(), 0..6)) {
        let payload = sealed(&messages);
        let expected: Vec<_> = messages.iter().map(|message| Ok(shown(message))).collect();
        prop_assert_eq!(read(&payload), expected);
    }

    #[test]
    fn whatever_bytes_come_nothing_breaks(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(envelope) = Envelope::open(&bytes) {
            envelope.messages().for_each(drop);
        }
    }

    #[test]
    fn a_damaged_envelope_breaks_nothing(message in message(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut payload = sealed(&[message]);
        let at = at.index(payload.len());
        payload[at] = byte;
        if let Ok(envelope) = Envelope::open(&payload) {
            envelope.messages().for_each(drop);
        }
        if let Ok(envelope) = Envelope::open(&payload[..at]) {
            envelope.messages().for_each(drop);
        }
    }

    #[test]
    fn fields_of_a_later_release_are_passed_over(message in message()) {
        let grown = with_more_fields(&sealed(std::slice::from_ref(&message)));
        prop_assert_eq!(read(&grown), [Ok(shown(&message))]);
    }
}

// ---- other releases, and malformed input ----

#[test]
fn words_of_a_later_release_are_skipped_one_by_one() {
    let payload = br#"{"v":1,"node":"ab","later":1,"items":[{"dance":{"x":1}},{"probe":7},{"probe":"seven"},{},3,
        {"event":{"room":"x"}},{"members":{"say":"sing","incarnation":1}},{"probe":8,"trace":"y"}]}"#;
    let expected: Vec<Result<String, Unread>> = vec![
        Err(Unread::Newer),
        Ok("Probe(7)".into()),
        Err(Unread::Rubbish),
        Err(Unread::Newer),
        Err(Unread::Rubbish),
        Err(Unread::Rubbish),
        Err(Unread::Rubbish),
        Ok("Probe(8)".into()),
    ];
    assert_eq!(read(payload), expected);
}

#[test]
fn an_audience_of_a_later_release_is_nobody() {
    let event = |to: &str| {
        let room = "00000000-0000-0000-0000-000000000001";
        let room = format!(r#"{{"id":"{room}","scope":{{"channel":{{"group":"{room}"}}}}}}"#);
        let body = r#"{"ephemeral":{"presence":{"user_left":{"user":{"id":"a","username":"a"}}}}}"#;
        let what = format!(r#"{{"room":{room},"at":1,"body":{body}}}"#);
        format!(r#"{{"v":1,"node":"ab","items":[{{"event":{{{to}"what":{what}}}}}]}}"#)
    };
    assert!(read(event("").as_bytes())[0].as_ref().unwrap().ends_with("Everyone"));
    assert!(read(event(r#""to":{"only":"b"},"#).as_bytes())[0].as_ref().unwrap().ends_with(r#"Only(UserId("b"))"#));
    assert_eq!(read(event(r#""to":{"moderators":{}},"#).as_bytes()), [Err(Unread::Rubbish)]);
}

#[test]
fn a_higher_version_is_ignored_whole_and_rubbish_is_told_apart() {
    let opened = |payload: &str| Envelope::open(payload.as_bytes()).map(|envelope| envelope.from);
    assert_eq!(opened(r#"{"v":1,"node":"ab","items":[]}"#), Ok(NodeId(0xab)));
    assert_eq!(opened(r#"{"v":2,"node":"ab","items":[{"probe":1}]}"#), Err(Unread::Newer));
    assert_eq!(opened(r#"{"v":2,"words":"in another form"}"#), Err(Unread::Newer));
    for rubbish in ["", "hello", "{}", "[]", "{\"v\":1}", r#"{"v":0,"node":"ab","items":[]}"#, "{\"v\":-1}", "\u{0}"] {
        assert_eq!(opened(rubbish), Err(Unread::Rubbish), "{rubbish}");
    }
    assert_eq!(opened(r#"{"v":1,"node":"nobody","items":[]}"#), Err(Unread::Rubbish));
    let nested = format!(r#"{{"v":1,"node":"ab","items":[{}{}]}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(read(nested.as_bytes()), [Err(Unread::Rubbish)]);
}

#[test]
fn what_is_too_large_is_neither_sent_nor_looked_into() {
    let message = |bytes: usize| {
        let data = RawJson::from_parsed(&format!("\"{}\"", "x".repeat(bytes)));
        EnvelopeItem::Node(NodeMessage::Notice { user: UserId::new("a").unwrap(), data, at: Timestamp::default() })
    };
    let mut draft = Draft::new(NodeId(1));
    draft.add(&EnvelopeItem::Probe(1)).unwrap();
    assert_eq!(draft.add(&message(limits::ENVELOPE_BYTES_MAX)), Err(TooLarge));
    draft.add(&EnvelopeItem::Probe(2)).unwrap();
    assert_eq!((draft.items(), draft.is_full()), (2, false));
    draft.add(&message(limits::ENVELOPE_BYTES_FULL)).unwrap();
    assert!(draft.is_full());
    let payload = draft.seal();
    assert_eq!(Envelope::open(&payload).unwrap().messages().filter(Result::is_ok).count(), 3);
    let padded = [payload, vec![b' '; limits::ENVELOPE_BYTES_MAX]].concat();
    assert_eq!(Envelope::open(&padded).map(|_| ()), Err(Unread::Rubbish));
}
