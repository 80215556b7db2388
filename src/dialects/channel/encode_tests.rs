use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    core::{
        command::{RawJson, Tag},
        event::RoomIdentity,
    },
    error::{ErrorCode, Refusal},
    ids::{Epoch, EventId, GroupId, Seq, Timestamp, UserId},
};

fn user(text: &str) -> Author {
    let id: String = text.chars().filter(|c| !c.is_control()).chain(['u']).take(128).collect();
    Author::new(UserId::new(id).unwrap(), text)
}

fn parsed(out: &[u8]) -> Value {
    serde_json::from_slice(out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(out)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn events_are_json_whatever_the_text(text: String, name: String, at in -100_000_000_000_000_i64..300_000_000_000_000, seq: i64, direct: bool) {
        let sender = user(&name);
        let scope = match direct {
            true => RoomScope::Direct { users: [sender.id.clone(), user("other").id] },
            false => RoomScope::Channel { group: GroupId::generate() },
        };
        let room = Arc::new(RoomIdentity { id: RoomId::generate(), scope });
        let content: Arc<str> = text.as_str().into();
        let bodies = [
            EventBody::Durable {
                seq: Seq(seq),
                id: EventId::generate(),
                what: Durable::Chat(ChatDurable::text(sender.clone(), content, Vec::new())),
            },
            EventBody::Ephemeral(Ephemeral::Presence(PresenceEphemeral::UserJoined { user: sender.clone(), state_follows: false, users: 2, place: None })),
            EventBody::Ephemeral(Ephemeral::Presence(PresenceEphemeral::UserLeft { user: sender.clone(), state_follows: false, users: 2 })),
            EventBody::Ephemeral(Ephemeral::Chat(ChatEphemeral::Typing { user: sender.clone(), typing: Typing::Stopped, cell: None })),
        ];
        for body in bodies {
            let mut out = Vec::new();
            let at = Timestamp { unix_ms: at };
            event(&Event { room: room.clone(), at, body }, Numbered::Yes, Stamp::new(at), &mut out);
            let told = parsed(&out);
            let id = told.get("sender_id").or(told.get("user_id")).unwrap();
            prop_assert_eq!(id.as_str(), Some(sender.id.as_str()));
            let shown = told.get("sender_username").or(told.get("username")).unwrap();
            prop_assert_eq!(shown.as_str(), Some(name.as_str()));
            if let Some(content) = told.get("content") {
                prop_assert_eq!(content.as_str(), Some(text.as_str()));
                prop_assert_eq!(told["seq"].as_i64(), Some(seq));
            }
        }
    }

    #[test]
    fn replies_are_json_whatever_the_text(text: String, names in prop::collection::vec(any::<String>(), 0..5), number: i64, ms: u64, seconds: u32) {
        let room = Arc::new(RoomIdentity { id: RoomId::generate(), scope: RoomScope::Channel { group: GroupId::generate() } });
        let entered = Entered {
            tag: Tag::default(),
            attendance: None,
            room,
            user: user("me").id,
            connection: text.as_str().into(),
            online: names.iter().map(|name| user(name)).collect(),
            online_total: names.len(),
            seq: Seq(number),
            epoch: Epoch(number),
        };
        let refusal = Refusal { code: ErrorCode::NotFound, sentence: text.clone().into(), retry_after_seconds: Some(seconds) };
        let at = Timestamp::default();
        let replies = [
            Reply::Entered(Box::new(entered)),
            Reply::Error { tag: Tag { reference: Some(RawJson::from_parsed("[ 1 ]")), ..Tag::default() }, refusal },
            Reply::Restarting { reconnect_in_ms: ms },
        ];
        let told = replies.map(|what| {
            let mut out = Vec::new();
            reply(&what, at, &mut out);
            parsed(&out)
        });
        prop_assert_eq!(told[0]["users"].as_array().map(Vec::len), Some(names.len()));
        prop_assert_eq!(told[0]["connection_id"].as_str(), Some(text.as_str()));
        prop_assert_eq!(told[1]["error"].as_str(), Some(text.as_str()));
        prop_assert_eq!(told[1]["retry_after"].as_u64(), Some(u64::from(seconds)));
        prop_assert_eq!(told[2]["reconnect_in_ms"].as_u64(), Some(ms.min(i64::MAX as u64)));
    }
}
