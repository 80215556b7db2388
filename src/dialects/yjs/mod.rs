//! The `yjs` dialect: the protocol of the npm package y-websocket (docs/documents.md). A socket is bound to one document. Every
//! message is binary and stands alone in its frame, because clients read only the first message of a frame.

use std::slice;

use super::{
    ClientMessage, Dialect, Encoded, Rejection, Stamp,
    lib0::{Malformed, Reader, write_number},
    options::{DialectOptions, Form, HeartbeatSetting, QueueManner, Seats},
    y_protocols,
};
use crate::{
    core::{
        command::{Command, DocumentCommand, Request, Tag},
        event::{
            DocumentDurable, DocumentEphemeral, DocumentReply, Durable, Entered, Ephemeral, Event, EventBody,
            MemberPresence, Reply, RoomIdentity,
        },
    },
    error::{ErrorCode, Refusal},
    limits,
};

/// The settings for its sockets.
pub(super) const OPTIONS: DialectOptions = DialectOptions {
    name: "yjs",
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

/// The dialect of `/yjs/{document_id}`.
pub struct Yjs;

impl Dialect for Yjs {
    fn decode(&self, message: ClientMessage<'_>) -> Result<Request, Rejection> {
        let command = match message {
            ClientMessage::Binary(bytes) => decoded(bytes),
            ClientMessage::Text(_) => Err(Malformed),
        };
        match command {
            Ok(command) => {
                Ok(Request { tag: Tag::default(), client_message_id: None, command: Command::Document(command) })
            }
            Err(Malformed) => {
                let sentence = "The message can't be decoded; send messages of the y-websocket protocol";
                Err(Rejection { tag: Tag::default(), refusal: Refusal::new(ErrorCode::InvalidMessage, sentence) })
            }
        }
    }

    fn encode_event(&self, event: &Event, _: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
        match &event.body {
            EventBody::Durable { what: Durable::Document(what), .. } => match what {
                DocumentDurable::DocumentUpdated { update, .. } => {
                    write_number(y_protocols::SYNC, out);
                    y_protocols::write_update(&update.0, out);
                    Encoded::Binary
                }
                DocumentDurable::DocumentSaved { .. } => Encoded::Nothing,
            },
            EventBody::Ephemeral(Ephemeral::Document(what)) => match what {
                DocumentEphemeral::Awareness(states) => {
                    write_number(y_protocols::AWARENESS, out);
                    y_protocols::write_awareness(states, out);
                    Encoded::Binary
                }
                // of an editor by line and column
                DocumentEphemeral::Pointed { pointing, .. } | DocumentEphemeral::Renewed { pointing }
                    if pointing.shown_as.is_some() =>
                {
                    write_number(y_protocols::AWARENESS, out);
                    y_protocols::write_pointers(slice::from_ref(pointing), out);
                    Encoded::Binary
                }
                DocumentEphemeral::Closed { client: Some(client), .. } => {
                    write_number(y_protocols::AWARENESS, out);
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
            Reply::Document(_, reply) => match &**reply {
                DocumentReply::Has { state_vector } | DocumentReply::Joined { state_vector, .. } => {
                    write_number(y_protocols::SYNC, out);
                    y_protocols::write_step_1(state_vector, out);
                }
                DocumentReply::Lacking { update } => {
                    write_number(y_protocols::SYNC, out);
                    y_protocols::write_step_2(update, out);
                }
                DocumentReply::Awareness(states) => {
                    write_number(y_protocols::AWARENESS, out);
                    y_protocols::write_awareness(states, out);
                }
                DocumentReply::Pointers(pointers) => {
                    write_number(y_protocols::AWARENESS, out);
                    y_protocols::write_pointers(pointers, out);
                }
                DocumentReply::Denied { sentence } => {
                    write_number(y_protocols::AUTH, out);
                    y_protocols::write_permission_denied(sentence, out);
                }
                DocumentReply::RoleChanged { .. } | DocumentReply::NotApplied => return Encoded::Nothing,
                // of editors by line and column
                DocumentReply::Opened(_) | DocumentReply::Applied { .. } | DocumentReply::Conflict { .. } => {
                    return Encoded::Nothing;
                }
            },
            Reply::Error { refusal, .. } if refusal.code == ErrorCode::PermissionDenied => {
                write_number(y_protocols::AUTH, out);
                y_protocols::write_permission_denied(&refusal.sentence, out);
            }
            // the protocol has no other refusals, and nothing that is not about the document
            Reply::Error { .. }
            | Reply::Pong { .. }
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

/// Reads the first message of a frame, as the npm client does.
fn decoded(bytes: &[u8]) -> Result<DocumentCommand, Malformed> {
    let mut reader = Reader(bytes);
    match reader.number()? {
        y_protocols::SYNC => y_protocols::sync(&mut reader),
        y_protocols::AWARENESS => {
            Ok(DocumentCommand::ShowAwareness { states: y_protocols::awareness(reader.bytes()?)? })
        }
        y_protocols::QUERY_AWARENESS => Ok(DocumentCommand::QueryAwareness),
        _unknown => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        core::command::Exchange,
        core::document::{ClientState, Sent},
        ids::Timestamp,
    };

    fn command(bytes: &[u8]) -> Option<DocumentCommand> {
        match Yjs.decode(ClientMessage::Binary(bytes)) {
            Ok(Request { command: Command::Document(command), .. }) => Some(command),
            Ok(_) | Err(_) => None,
        }
    }

    fn replied(reply: DocumentReply) -> Vec<u8> {
        let mut out = Vec::new();
        let reply = Reply::Document(crate::ids::DocumentId::new("d").unwrap(), Box::new(reply));
        assert_eq!(Yjs.encode_reply(&reply, Stamp::new(Timestamp::default()), &mut out), Encoded::Binary);
        out
    }

    #[test]
    fn messages_are_those_of_y_websocket() {
        let bytes: Arc<[u8]> = [7, 8].into();
        assert_eq!(
            command(&[0, 0, 2, 7, 8]),
            Some(DocumentCommand::Synchronise { state_vector: bytes.clone(), exchange: Exchange::OneWay })
        );
        let update = |sent| Some(DocumentCommand::Update { update: bytes.clone(), sent });
        assert_eq!(command(&[0, 1, 2, 7, 8]), update(Sent::InSync));
        assert_eq!(command(&[0, 2, 2, 7, 8]), update(Sent::AsUpdate));
        assert_eq!(command(&[3]), Some(DocumentCommand::QueryAwareness));
        assert_eq!(replied(DocumentReply::Has { state_vector: vec![7, 8] }), [0, 0, 2, 7, 8]);
        assert_eq!(replied(DocumentReply::Lacking { update: vec![7, 8] }), [0, 1, 2, 7, 8]);
    }

    #[test]
    fn awareness_goes_both_ways() {
        let states = vec![
            ClientState { client: 300, clock: 2, state: Some("{\"a\":1}".into()), cursor: None },
            ClientState { client: 1, clock: 9, state: None, cursor: None },
        ];
        let bytes = replied(DocumentReply::Awareness(states.clone()));
        assert_eq!(command(&bytes), Some(DocumentCommand::ShowAwareness { states }));
    }

    #[test]
    fn rubbish_is_refused() {
        for bytes in [&[][..], &[4], &[0], &[0, 3, 0], &[0, 2, 5, 1], &[1, 3, 1, 1, 1], &[1, 1, 200], &[9, 9]] {
            assert_eq!(command(bytes), None, "{bytes:?}");
        }
        assert!(Yjs.decode(ClientMessage::Text("{}")).is_err());
    }
}
