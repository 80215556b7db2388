//! The `hocuspocus` dialect: the protocol of the npm package @hocuspocus/provider, versions 3 and 4 (docs/documents.md). A socket
//! is for many documents; each message names one. A socket is opened without a token: the first message for each document
//! brings one.

use std::{slice, sync::Arc};

use super::{
    ClientMessage, Dialect, Encoded, Rejection, Stamp,
    lib0::{Malformed, Reader, write_bytes, write_number},
    options::{DialectOptions, Form, HeartbeatSetting, QueueManner, Seats},
    y_protocols,
};
use crate::{
    core::{
        command::{Command, DocumentCommand, Exchange, RawJson, Request, RoomAddress, RoomCommand, Tag},
        document::DocumentRole,
        event::{
            DocumentDurable, DocumentEphemeral, DocumentReply, Durable, Entered, Ephemeral, Event, EventBody,
            MemberPresence, Reply, RoomIdentity,
        },
    },
    error::{ErrorCode, Refusal},
    ids::DocumentId,
    limits,
};

/// The settings for its sockets.
pub(super) const OPTIONS: DialectOptions = DialectOptions {
    name: "hocuspocus",
    owed_bytes_max: 2 * limits::DOCUMENT_BYTES_MAX,
    form: Form::Binary,
    closes_without_rooms: false,
    seats: Seats::Documents,
    message_bytes_max: limits::DOCUMENT_BYTES_MAX,
    message_characters_max: limits::DOCUMENT_BYTES_MAX,
    heartbeat: HeartbeatSetting::Common,
    discriminator: "",
    queue: QueueManner::Never,
    follows_presence: false,
    rings: false,
};

// ---- the types of messages ----

const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const AUTH: u64 = 2;
const QUERY_AWARENESS: u64 = 3;
const STATELESS: u64 = 5;
const CLOSE: u64 = 7;
const SYNC_STATUS: u64 = 8;
/// Alone in its frame, without a document.
const PING: u8 = 9;
const PONG: u8 = 10;

// ---- within AUTH ----

const TOKEN: u64 = 0;
const PERMISSION_DENIED: u64 = 1;
const AUTHENTICATED: u64 = 2;

/// The dialect of `/hocuspocus`.
pub struct Hocuspocus;

impl Dialect for Hocuspocus {
    fn decode(&self, message: ClientMessage<'_>) -> Result<Request, Rejection> {
        let decoded = match message {
            ClientMessage::Binary(bytes) => decoded(bytes),
            ClientMessage::Text(_) => Err(Malformed),
        };
        decoded.map_err(|Malformed| {
            let sentence = "The message can't be decoded; send messages of the protocol of @hocuspocus/provider";
            Rejection { tag: Tag::default(), refusal: Refusal::new(ErrorCode::InvalidMessage, sentence) }
        })
    }

    fn token<'a>(&self, message: ClientMessage<'a>) -> Option<(&'a str, &'a str)> {
        let ClientMessage::Binary(bytes) = message else { return None };
        let mut reader = Reader(bytes);
        let document = reader.text().ok()?;
        let is_token = reader.number().ok()? == AUTH && reader.number().ok()? == TOKEN;
        if is_token { Some((reader.text().ok()?, document)) } else { None }
    }

    fn encode_event(&self, event: &Event, _: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
        let Some(document) = event.room.scope.document() else { return Encoded::Nothing };
        match &event.body {
            EventBody::Durable { what: Durable::Document(what), .. } => match what {
                DocumentDurable::DocumentUpdated { update, .. } => {
                    begin(document.as_str(), SYNC, out);
                    y_protocols::write_update(&update.0, out);
                    Encoded::Binary
                }
                DocumentDurable::DocumentSaved { .. } => Encoded::Nothing,
            },
            EventBody::Ephemeral(Ephemeral::Document(what)) => match what {
                DocumentEphemeral::Awareness(states) => {
                    begin(document.as_str(), AWARENESS, out);
                    y_protocols::write_awareness(states, out);
                    Encoded::Binary
                }
                // of an editor by line and column
                DocumentEphemeral::Pointed { pointing, .. } | DocumentEphemeral::Renewed { pointing }
                    if pointing.shown_as.is_some() =>
                {
                    begin(document.as_str(), AWARENESS, out);
                    y_protocols::write_pointers(slice::from_ref(pointing), out);
                    Encoded::Binary
                }
                DocumentEphemeral::Closed { client: Some(client), .. } => {
                    begin(document.as_str(), AWARENESS, out);
                    y_protocols::write_awareness(slice::from_ref(client), out);
                    Encoded::Binary
                }
                DocumentEphemeral::Opened { .. }
                | DocumentEphemeral::Closed { client: None, .. }
                | DocumentEphemeral::Pointed { .. }
                | DocumentEphemeral::Session { .. }
                | DocumentEphemeral::Renewed { .. } => Encoded::Nothing,
            },
            EventBody::Durable {
                what: Durable::Chat(_) | Durable::Sheet(_) | Durable::Canvas(_) | Durable::Space(_),
                ..
            }
            | EventBody::Ephemeral(
                Ephemeral::Presence(_)
                | Ephemeral::Chat(_)
                | Ephemeral::Call(_)
                | Ephemeral::Upload(_)
                | Ephemeral::Canvas(_)
                | Ephemeral::Space(_)
                | Ephemeral::Room(_),
            ) => Encoded::Nothing,
        }
    }

    fn encode_direct(&self, _: &Event, _: Stamp<'_>, _: &mut Vec<u8>) -> Encoded {
        Encoded::Nothing
    }

    fn encode_members(&self, _: &RoomIdentity, _: &[MemberPresence], _: &mut Vec<u8>) {}

    fn encode_entered(&self, _: &Entered, _: Stamp<'_>, _: &mut Vec<u8>) -> Option<usize> {
        None
    }

    fn encode_reply(&self, reply: &Reply, _: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
        match reply {
            Reply::Document(document, reply) => return encode_document_reply(document, reply, out),
            Reply::Pong { .. } => out.push(PONG),
            // the update is stored
            Reply::Ack { tag: Tag { about: Some(document), .. }, .. }
            | Reply::Done { tag: Tag { about: Some(document), .. } } => write_status(document, 1, out),
            Reply::Error { tag: Tag { about: Some(document), .. }, refusal } => {
                write_denied(document, &refusal.sentence, out);
            }
            // the protocol has no other refusals, and nothing that is not about a document
            Reply::Error { .. }
            | Reply::Ack { .. }
            | Reply::AuthRefreshed { .. }
            | Reply::Done { .. }
            | Reply::VersionConflict { .. }
            | Reply::UserEvent(_)
            | Reply::Welcome(_)
            | Reply::Delivered(_)
            | Reply::Call(_)
            | Reply::Canvas(_)
            | Reply::Space(_)
            | Reply::Entered(_)
            | Reply::Recovered { .. }
            | Reply::Notice { .. }
            | Reply::Restarting { .. } => return Encoded::Nothing,
        }
        Encoded::Binary
    }
}

fn encode_document_reply(document: &DocumentId, reply: &DocumentReply, out: &mut Vec<u8>) -> Encoded {
    let document = document.as_str();
    match reply {
        DocumentReply::Joined { role, .. } => write_admitted(document, *role, out),
        DocumentReply::RoleChanged { role } => write_admitted(document, *role, out),
        DocumentReply::Has { state_vector } => {
            begin(document, SYNC, out);
            y_protocols::write_step_1(state_vector, out);
        }
        DocumentReply::Lacking { update } => {
            begin(document, SYNC, out);
            y_protocols::write_step_2(update, out);
        }
        DocumentReply::Awareness(states) => {
            begin(document, AWARENESS, out);
            y_protocols::write_awareness(states, out);
        }
        DocumentReply::Pointers(pointers) => {
            begin(document, AWARENESS, out);
            y_protocols::write_pointers(pointers, out);
        }
        DocumentReply::NotApplied => write_status(document, 0, out),
        DocumentReply::Denied { sentence } => write_denied(document, sentence, out),
        // of editors by line and column
        DocumentReply::Opened(_) | DocumentReply::Applied { .. } | DocumentReply::Conflict { .. } => {
            return Encoded::Nothing;
        }
    }
    Encoded::Binary
}

fn begin(document: &str, kind: u64, out: &mut Vec<u8>) {
    write_bytes(document.as_bytes(), out);
    write_number(kind, out);
}

/// A signed number below 64.
fn write_status(document: &str, applied: u8, out: &mut Vec<u8>) {
    begin(document, SYNC_STATUS, out);
    out.push(applied);
}

fn write_denied(document: &str, reason: &str, out: &mut Vec<u8>) {
    begin(document, AUTH, out);
    write_number(PERMISSION_DENIED, out);
    write_bytes(reason.as_bytes(), out);
}

fn write_admitted(document: &str, role: DocumentRole, out: &mut Vec<u8>) {
    begin(document, AUTH, out);
    write_number(AUTHENTICATED, out);
    let scope = if role.edits() { "read-write" } else { "readonly" };
    write_bytes(scope.as_bytes(), out);
}

fn decoded(bytes: &[u8]) -> Result<Request, Malformed> {
    if bytes == [PING] || bytes == [PONG] {
        return Ok(Request { tag: Tag::default(), client_message_id: None, command: Command::Ping });
    }
    let mut reader = Reader(bytes);
    let name = reader.text()?;
    let document = DocumentId::new(name).map_err(|_| Malformed)?;
    let tag = Tag { about: Some(Arc::from(name)), ..Tag::default() };
    // updates are acknowledged, each once
    let asking = || Tag { reference: Some(RawJson::null()), ..tag.clone() };
    let at =
        |command| Command::Document(DocumentCommand::At { document: document.clone(), command: Box::new(command) });
    let (tag, command) = match reader.number()? {
        SYNC => match y_protocols::sync(&mut reader)? {
            DocumentCommand::Synchronise { state_vector, .. } => {
                (tag, at(DocumentCommand::Synchronise { state_vector, exchange: Exchange::Mutual }))
            }
            update => (asking(), at(update)),
        },
        AWARENESS => (tag, at(DocumentCommand::ShowAwareness { states: y_protocols::awareness(reader.bytes()?)? })),
        QUERY_AWARENESS => (tag, at(DocumentCommand::QueryAwareness)),
        AUTH => {
            if reader.number()? != TOKEN {
                return Err(Malformed);
            }
            let token = reader.text()?.to_owned();
            (tag, Command::Room(RoomCommand::JoinWithToken { room: RoomAddress::Document(document), token }))
        }
        CLOSE => (tag, Command::Room(RoomCommand::Leave { room: RoomAddress::Document(document) })),
        // messages between applications have no meaning here
        STATELESS => (tag, Command::Ping),
        _unknown => return Err(Malformed),
    };
    Ok(Request { tag, client_message_id: None, command })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        core::document::Sent,
        ids::{EventId, Seq, Timestamp},
    };

    fn named(kind: &[u8]) -> Vec<u8> {
        [&[1, b'd'], kind].concat()
    }

    fn command(bytes: &[u8]) -> Option<Command> {
        Hocuspocus.decode(ClientMessage::Binary(bytes)).ok().map(|request| request.command)
    }

    fn replied(reply: &Reply) -> Vec<u8> {
        let mut out = Vec::new();
        Hocuspocus.encode_reply(reply, Stamp::new(Timestamp::default()), &mut out);
        out
    }

    fn of_document(reply: DocumentReply) -> Vec<u8> {
        replied(&Reply::Document(DocumentId::new("d").unwrap(), Box::new(reply)))
    }

    #[test]
    fn messages_are_those_of_the_provider() {
        let at = |command| {
            let document = DocumentId::new("d").unwrap();
            Some(Command::Document(DocumentCommand::At { document, command: Box::new(command) }))
        };
        let bytes: Arc<[u8]> = [7, 8].into();
        let step_1 = DocumentCommand::Synchronise { state_vector: bytes.clone(), exchange: Exchange::Mutual };
        assert_eq!(command(&named(&[0, 0, 2, 7, 8])), at(step_1));
        let update = |sent| at(DocumentCommand::Update { update: bytes.clone(), sent });
        assert_eq!(command(&named(&[0, 1, 2, 7, 8])), update(Sent::InSync));
        assert_eq!(command(&named(&[0, 2, 2, 7, 8])), update(Sent::AsUpdate));
        assert_eq!(command(&named(&[3])), at(DocumentCommand::QueryAwareness));
        let room = RoomAddress::Document(DocumentId::new("d").unwrap());
        let join = RoomCommand::JoinWithToken { room: room.clone(), token: "abc".to_owned() };
        assert_eq!(command(&named(&[2, 0, 3, b'a', b'b', b'c', 1, b'4'])), Some(Command::Room(join)));
        assert_eq!(command(&named(&[7])), Some(Command::Room(RoomCommand::Leave { room })));
        assert_eq!(command(&[9]), Some(Command::Ping));
        for bad in [&[][..], &[1], &[1, b'd', 99], &[1, 0, 3], &[200, b'd'], &[1, b'd', 2, 2]] {
            assert_eq!(command(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_first_token_is_found() {
        let auth = named(&[2, 0, 3, b'a', b'b', b'c', 1, b'4']);
        assert_eq!(Hocuspocus.token(ClientMessage::Binary(&auth)), Some(("abc", "d")));
        assert_eq!(Hocuspocus.token(ClientMessage::Binary(&named(&[0, 0, 1, 0]))), None);
        assert_eq!(Hocuspocus.token(ClientMessage::Text("{}")), None);
    }

    #[test]
    fn an_update_is_acknowledged_and_a_reader_is_told_so() {
        let tag = Tag { about: Some("d".into()), reference: Some(RawJson::null()), ..Tag::default() };
        assert_eq!(replied(&Reply::Ack { tag, id: EventId::generate(), seq: Seq(1) }), named(&[8, 1]));
        assert_eq!(of_document(DocumentReply::NotApplied), named(&[8, 0]));
        let readonly = of_document(DocumentReply::RoleChanged { role: DocumentRole::Viewer });
        assert_eq!(readonly, named(&[&[2, 2, 8][..], b"readonly"].concat()));
        let denied = of_document(DocumentReply::Denied { sentence: "no".into() });
        assert_eq!(denied, named(&[2, 1, 2, b'n', b'o']));
    }
}
