//! The wire format as it is written down.

use super::*;

/// The current wire format, which the next release has to read.
#[test]
fn the_form_is_as_written_down() {
    let id = "00000000-0000-0000-0000-00000000000";
    let author = Author::new(UserId::new("a").unwrap(), "ann");
    let uuid = |n: u128| uuid::Uuid::from_u128(n);
    let scope = RoomScope::Channel { group: GroupId(uuid(2)) };
    let event = |body| Event {
        room: Arc::new(RoomIdentity { id: RoomId(uuid(1)), scope: scope.clone() }),
        at: Timestamp { unix_ms: 5 },
        body,
    };
    let what = Durable::Chat(ChatDurable::text(author.clone(), "hi".into(), Vec::new()));
    let message = event(EventBody::Durable { seq: Seq(9), id: EventId(uuid(3)), what });
    let named = event(message.body.clone());
    let data = RawJson::from_parsed("{}");
    let signal = event(EventBody::Ephemeral(Ephemeral::Call(CallEphemeral::Signal {
        from: author,
        kind: SignalKind::IceCandidate,
        data,
    })));
    let to = Audience::Only(UserId::new("b").unwrap());
    let messages = [
        EnvelopeItem::Room(RoomMessage::Event(Broadcast::new(message, Audience::Everyone))),
        EnvelopeItem::Room(RoomMessage::Event(Broadcast::with_id(
            named,
            Audience::Everyone,
            Some(ClientMessageId::new("m-1").unwrap()),
        ))),
        EnvelopeItem::Room(RoomMessage::Event(Broadcast::new(signal, to))),
        EnvelopeItem::Room(RoomMessage::Members(MembershipMessage::Gone { incarnation: 4 })),
    ];
    let room = format!(r#"{{"id":"{id}1","scope":{{"channel":{{"group":"{id}2"}}}}}},"at":5"#);
    let ann = r#"{"id":"a","username":"ann"}"#;
    let expected = [
        r#"{"v":1,"node":"00000000000000ab","items":["#.to_owned(),
        format!(r#"{{"event":{{"what":{{"room":{room},"body":{{"durable":{{"seq":9,"id":"{id}3","#),
        format!(r#""what":{{"kind":"message_sent","sender":{ann},"content":"hi"}}}}}}}}}}}},"#),
        format!(r#"{{"event":{{"what":{{"room":{room},"body":{{"durable":{{"seq":9,"id":"{id}3","#),
        format!(
            r#""what":{{"kind":"message_sent","sender":{ann},"content":"hi"}}}}}}}},"client_message_id":"m-1"}}}},"#
        ),
        format!(r#"{{"event":{{"what":{{"room":{room},"body":{{"ephemeral":{{"call":{{"signal":{{"from":{ann},"#),
        r#""kind":"ice_candidate","data":"{}"}}}}},"to":{"only":"b"}}},{"members":{"say":"gone","incarnation":4}}]}"#
            .to_owned(),
    ];
    assert_eq!(String::from_utf8(sealed(&messages)).unwrap(), expected.concat());
}

#[test]
fn events_that_each_node_makes_itself_have_no_form() {
    let attendance = RoomPresence { users: Vec::new(), total: 0, active_sheets: Vec::new() };
    let event = Event {
        room: Arc::new(RoomIdentity {
            id: RoomId::generate(),
            scope: RoomScope::Channel { group: GroupId(uuid::Uuid::nil()) },
        }),
        at: Timestamp::default(),
        body: EventBody::Ephemeral(Ephemeral::Presence(PresenceEphemeral::Attended(Arc::new(attendance)))),
    };
    let mut draft = Draft::new(NodeId(0xab));
    let message = EnvelopeItem::Room(RoomMessage::Event(Broadcast::new(event, Audience::Everyone)));
    assert_eq!(draft.add(&message), Err(TooLarge));
    assert_eq!(draft.seal(), br#"{"v":1,"node":"00000000000000ab","items":[]}"#);
}

/// The variants of both enums share one namespace.
#[test]
fn no_two_kinds_have_the_same_name() {
    struct Names;
    impl<'de> serde::Deserializer<'de> for Names {
        type Error = serde::de::value::Error;
        fn deserialize_any<V: serde::de::Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(serde::de::Error::custom("only enums are asked for"))
        }
        fn deserialize_enum<V: serde::de::Visitor<'de>>(
            self,
            _: &'static str,
            variants: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            Err(serde::de::Error::custom(variants.join(" ")))
        }
        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map struct identifier ignored_any
        }
    }
    let names = [
        RoomMessage::deserialize(Names).unwrap_err().to_string(),
        NodeMessage::deserialize(Names).unwrap_err().to_string(),
        "probe".to_owned(),
    ];
    let names: Vec<&str> = names.iter().flat_map(|names| names.split(' ')).collect();
    let different: std::collections::BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(different.len(), names.len(), "{names:?}");
    assert!(names.contains(&"event") && names.contains(&"close"));
}
