//! Compares every message of every dialect, in both directions, with the recordings in `tests/transcripts/`. A file
//! that no test expects, and a message without a file, are failures. The protocol reference shows the same files.

mod canvas;
mod channel;
mod forms;
mod metaverse;
mod nexus;
mod nexus_documents;
mod workspace;

use std::{collections::BTreeMap, fs, path::Path};

use convene::{
    core::{
        command::{Command, RawJson, Tag},
        event::{Event, Reply},
        notification::{Notification, Priority},
        profile::Author,
    },
    dialects::{ClientMessage, DialectKind, Encoded, Stamp},
    error::ErrorCode,
    ids::{ClientMessageId, Timestamp, UserId},
};
use serde_json::Value;

const ALICE: &str = "01932c07-209b-7000-8000-00000000a11c";
const BOB: &str = "01932c07-209c-7000-8000-000000000b0b";
const EVENT: &str = "01932c0c-5a5a-7abc-8def-112233445566";
/// The id of a frame that is no stored event.
const FRAME: &str = "01932c0c-0000-7abc-8def-0000000000f1";
const NOON: Timestamp = Timestamp { unix_ms: 1_761_566_400_250 };

/// The files of a folder, by name.
fn transcripts(folder: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(folder);
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|file| (file.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&file).unwrap()))
        .collect()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn raw(text: &str) -> RawJson {
    RawJson::from_parsed(text)
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn alice() -> Author {
    Author::new(user(ALICE), "alice")
}

fn bob() -> Author {
    Author::new(user(BOB), "bob")
}

fn notification(priority: Priority) -> Notification {
    Notification {
        id: "01932c0d-0000-7000-8000-0000000000aa".parse().unwrap(),
        title: "New Comment".into(),
        message: "John commented on your sheet".into(),
        category: "workspace".into(),
        priority,
        module: Some("tables".into()),
        data: None,
        created_at: NOON,
        invite: None,
    }
}

/// The tag of a request with this `ref`.
fn tag(reference: Option<&str>) -> Tag {
    Tag { reference: reference.map(raw), ..Tag::default() }
}

/// A client message: the name of its transcript, its `ref`, and the command.
type Asked = (&'static str, Option<&'static str>, Command);

/// The id that a client gives its messages.
const CLIENT_MESSAGE_ID: &str = "8f14e45f-1";

/// A server message, to everybody in a room, to the author's own sockets, or to one socket.
enum Told {
    Everybody(Event),
    Author(Event),
    One(Reply),
}

impl Told {
    /// Its encoding in a dialect.
    fn encoded(&self, dialect: DialectKind) -> Option<String> {
        let mut out = b"kept".to_vec();
        let id = ClientMessageId::new(CLIENT_MESSAGE_ID).unwrap();
        let stamp = Stamp::drawing(NOON, || FRAME.parse().unwrap());
        let encoded = match self {
            Told::Author(event) => dialect.dialect().encode_event(event, stamp.for_author(Some(&id)), &mut out),
            Told::Everybody(event) => dialect.dialect().encode_event(event, stamp, &mut out),
            Told::One(reply) => dialect.dialect().encode_reply(reply, stamp, &mut out),
        };
        let text = String::from_utf8(out).unwrap();
        let text = text.strip_prefix("kept").expect("an encoder only appends");
        match encoded {
            Encoded::Text => Some(text.to_owned()),
            Encoded::Nothing => {
                assert_eq!(text, "", "what has no form leaves nothing behind");
                None
            }
            Encoded::Binary => panic!("these dialects are spoken in text"),
        }
    }
}

/// All client messages of a dialect.
fn asked(dialect: DialectKind) -> Vec<Asked> {
    match dialect {
        DialectKind::Channel => channel::asked(),
        DialectKind::Workspace => workspace::asked(),
        DialectKind::Nexus => nexus::asked(),
        DialectKind::Yjs | DialectKind::Hocuspocus => unreachable!("it has no JSON"),
        DialectKind::Canvas => canvas::asked(),
        DialectKind::Metaverse => metaverse::asked(),
    }
}

/// All server messages of a dialect, by the names of their transcripts.
fn told(dialect: DialectKind) -> BTreeMap<&'static str, Told> {
    match dialect {
        DialectKind::Channel => channel::told(),
        DialectKind::Workspace => workspace::told(),
        DialectKind::Nexus => nexus::told(),
        DialectKind::Yjs | DialectKind::Hocuspocus => unreachable!("it has no JSON"),
        DialectKind::Canvas => canvas::told(),
        DialectKind::Metaverse => metaverse::told(),
    }
}

#[test]
fn what_clients_send_is_understood() {
    for dialect in DialectKind::with_json() {
        let files = transcripts(&format!("{}/client", dialect.name()));
        let expected: BTreeMap<_, _> =
            asked(dialect).into_iter().map(|(name, reference, command)| (name, (reference, command))).collect();
        assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), expected.keys().copied().collect::<Vec<_>>());
        for (name, (reference, command)) in expected {
            let request = dialect.dialect().decode(ClientMessage::Text(&files[name])).expect(name);
            assert_eq!((request.tag.reference, request.command), (reference.map(raw), command), "{name}");
            assert_eq!(request.tag.asked, parsed(&files[name])[dialect.options().discriminator], "{name}");
            let id = request.client_message_id.as_ref().map(ClientMessageId::as_str);
            let message = parsed(&files[name]);
            let sent = [&message["client_message_id"], &message["payload"]["clientMessageId"]];
            assert_eq!(id, sent.into_iter().find_map(Value::as_str), "{name}");
        }
    }
}

#[derive(serde::Deserialize)]
struct Refused {
    what: String,
    sends: String,
    code: String,
    says: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
}

#[test]
fn what_is_wrong_is_refused_by_name() {
    for dialect in DialectKind::with_json() {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(dialect.name()).join("refused.json");
        let refused: Vec<Refused> = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        assert!(!refused.is_empty());
        for Refused { what, sends, code, says, reference } in refused {
            let rejection = dialect.dialect().decode(ClientMessage::Text(&sends)).expect_err(&what);
            assert_eq!(rejection.refusal.code.name(), code, "{what}: {}", rejection.refusal);
            assert_eq!(rejection.tag.reference, reference.as_deref().map(raw), "{what}");
            let sentence = &rejection.refusal.sentence;
            assert!(sentence.contains(says.as_deref().unwrap_or_default()), "{what}: {sentence}");
        }
    }
}

#[test]
fn a_binary_message_is_answered_not_punished() {
    for dialect in DialectKind::with_json() {
        let rejection = dialect.dialect().decode(ClientMessage::Binary(b"{\"type\":\"ping\"}")).unwrap_err();
        assert_eq!(rejection.refusal.code, ErrorCode::InvalidMessage);
        assert!(rejection.refusal.sentence.contains("send text frames with JSON"));
    }
}

#[test]
fn what_clients_are_told_is_as_recorded() {
    for dialect in DialectKind::with_json() {
        let files = transcripts(&format!("{}/server", dialect.name()));
        let told = told(dialect);
        assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), told.keys().copied().collect::<Vec<_>>());
        for (name, told) in told {
            let text = told.encoded(dialect).unwrap_or_else(|| panic!("{name} has no form"));
            assert_eq!(parsed(&text), parsed(&files[name]), "{name}");
            // An administrator's broadcast keeps its original white space.
            let first = match dialect {
                // answers name the request instead
                DialectKind::Metaverse => ["\"type\":", "\"requestType\":", "\"status\":"].map(str::to_owned).to_vec(),
                dialect => vec![format!("\"{}\":", dialect.options().discriminator)],
            };
            let text = text.trim_start_matches(['{', '\n', ' ']);
            assert!(first.iter().any(|first| text.starts_with(first)), "{name}");
        }
    }
}
