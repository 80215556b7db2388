//! Converts the dialect's messages into commands. `wire` declares the messages; this module gives them their meaning
//! and validates what concerns several fields at once. It must never panic, whatever the bytes are.

use super::{
    DISCRIMINATOR,
    wire::{
        self, FromClient,
        calls::{HangUp, SignalInCall},
        chat::{Content, Edit, OfMessage, React, Say, SetTyping},
        documents::{
            AskedChange, AskedRange, At, EditDocument, MoveCursor, OfDocument, Operation, SaveDocument, Select,
        },
        presence::UpdatePresence,
        rooms::{BroadcastData, JoinRoom},
    },
};
use crate::{
    core::{
        command::{
            Addressed, CallCommand, CallRequest, ChatCommand, Command, DocumentCommand, Draft, MessageAddress,
            NoticeCommand, PresenceCommand, Request, RoomAddress, RoomCommand, SignalKind, Tag, Typing,
        },
        document::{self, Change, Extent, Pointer},
        event::{ContentType, ReactionChange, Secrecy},
        presence::StatusUpdate,
    },
    dialects::{
        ClientMessage, Rejection, common,
        input::{Count, Id, Json, Prose},
        read::{Message, expected, invalid},
    },
    error::Refusal,
    ids::{CallId, DocumentId, EventId, RoomName, Seq, UserId},
    limits,
};

/// The section of the protocol reference that lists the messages.
const SECTION: &str = "The nexus dialect";

/// Decodes one message.
pub fn decode(message: ClientMessage<'_>) -> Result<Request, Rejection> {
    let unread = |refusal| Rejection { tag: Tag::default(), refusal };
    let message = Message::parse(message, DISCRIMINATOR).map_err(unread)?;
    let mut tag = Tag { reference: message.reference().map_err(unread)?, ..Tag::default() };
    let command = message.read(DISCRIMINATOR, SECTION, &mut tag.asked).and_then(command);
    message.request(tag, command)
}

fn command(message: FromClient<'_>) -> Result<Command, Refusal> {
    match message {
        FromClient::Ping => Ok(Command::Ping),
        FromClient::AuthRefresh(fresh) => Ok(Command::AuthRefresh { token: fresh.token.0 }),
        FromClient::RoomJoin(join) => Ok(join_room(join)),
        FromClient::RoomLeave(leave) => {
            Ok(Command::Room(RoomCommand::Leave { room: RoomAddress::Conversation(leave.room.0) }))
        }
        FromClient::RoomBroadcast(BroadcastData { room, data }) => {
            Ok(Command::Room(RoomCommand::Broadcast { room: RoomAddress::Conversation(room.0), data: data.to_raw() }))
        }
        FromClient::ChatMessage(said) => send_message(said),
        FromClient::ChatTyping(typing) => set_typing(typing),
        FromClient::ChatEdit(edit) => edit_message(edit),
        FromClient::ChatDelete(OfMessage { conversation, message_id }) => {
            Ok(Command::Chat(ChatCommand::Delete { at: address_of(conversation, message_id) }))
        }
        FromClient::ChatRead(OfMessage { conversation, message_id }) => {
            Ok(Command::Chat(ChatCommand::Read { at: address_of(conversation, message_id) }))
        }
        FromClient::ChatReact(React { conversation, message_id, emoji, remove }) => {
            let change = if remove == Some(true) { ReactionChange::Removed } else { ReactionChange::Added };
            let at = address_of(conversation, message_id);
            Ok(Command::Chat(ChatCommand::React { at, emoji: emoji.0, change }))
        }
        FromClient::CallOffer(signal) => Ok(call_signal(SignalKind::Offer, signal)),
        FromClient::CallAnswer(signal) => Ok(call_signal(SignalKind::Answer, signal)),
        FromClient::CallIce(signal) => Ok(call_signal(SignalKind::IceCandidate, signal)),
        FromClient::CallHangup(HangUp { target_user_id, call_id, data }) => {
            Ok(call(target_user_id, call_id, CallRequest::HangUp { data: data.map(Json::to_raw) }))
        }
        FromClient::DocOpen(open) => Ok(Command::Room(RoomCommand::Join { room: document(open), resume: None })),
        FromClient::DocClose(close) => Ok(Command::Room(RoomCommand::Leave { room: document(close) })),
        FromClient::DocEdit(edit) => edit_document(edit).map(Command::Document),
        FromClient::DocCursor(MoveCursor { document_id, position, selection, version }) => {
            Ok(point(document_id, Some(position), selection, version))
        }
        FromClient::DocSelection(Select { document_id, selection, version }) => {
            Ok(point(document_id, None, selection, version))
        }
        FromClient::DocSave(SaveDocument { document_id, name }) => {
            Ok(Command::Document(DocumentCommand::Save { document: document_id.0, name: name.map(|name| name.0) }))
        }
        FromClient::PresenceUpdate(update) => Ok(update_presence(update)),
        FromClient::NotificationClear(clear) => {
            Ok(Command::Notices(NoticeCommand::Clear { id: clear.notification_id.map(|id| id.0) }))
        }
        FromClient::NotificationRead(read) => Ok(Command::Notices(NoticeCommand::Read { id: read.notification_id.0 })),
    }
}

fn document(of: OfDocument) -> RoomAddress {
    RoomAddress::Document(of.document_id.0)
}

fn point(
    document: Id<DocumentId>,
    position: Option<At>,
    selection: Option<AskedRange>,
    version: Option<Count>,
) -> Command {
    let pointer = Pointer {
        base: version.map(|version| Seq(version.0)),
        position: position.map(Into::into),
        selection: selection.map(Into::into),
    };
    Command::Document(DocumentCommand::Point { document: document.0, pointer })
}

fn edit_document(asked: EditDocument) -> Result<DocumentCommand, Refusal> {
    let changes = asked.changes.0.into_iter().map(|change| document_change(asked.operation, change));
    let mode = match asked.mode {
        Some(wire::documents::Mode::Strict) => document::Mode::Strict,
        Some(wire::documents::Mode::Merge) | None => document::Mode::Merge,
    };
    let changes = changes.collect::<Result<_, _>>()?;
    Ok(DocumentCommand::Edit {
        document: asked.document_id.0,
        edit: document::Edit { base: asked.version.map(|version| Seq(version.0)), mode, changes },
        cursor: asked.cursor_position.map(Into::into),
        op_id: asked.op_id.map(|id| id.0),
    })
}

fn document_change(operation: Operation, asked: AskedChange) -> Result<Change, Refusal> {
    let extent = match (asked.end, asked.length) {
        // an end says more than a length
        (Some(end), _) => Some(Extent::UpTo(end.into())),
        (None, Some(length)) => Some(Extent::Units(u32::try_from(length.0).unwrap_or(u32::MAX))),
        (None, None) => None,
    };
    let text = asked.text.map(|text| text.0);
    let (extent, text) = match (operation, extent, text) {
        (Operation::Insert, _, Some(text)) => (Extent::Nothing, text),
        (Operation::Delete, Some(extent), _) => (extent, "".into()),
        (Operation::Replace, extent, Some(text)) => (extent.unwrap_or(Extent::Nothing), text),
        (Operation::Insert | Operation::Replace, _, None) => {
            return Err(expected("text", "missing", "what is inserted, a string"));
        }
        (Operation::Delete, None, _) => {
            return Err(expected("end", "missing", "the end of what is removed, unless `length` is given"));
        }
    };
    Ok(Change { start: asked.position.into(), extent, text })
}

fn join_room(join: JoinRoom<'_>) -> Command {
    let resume = common::resume(join.since, join.epoch);
    Command::Room(RoomCommand::Join { room: RoomAddress::Conversation(join.room.0), resume })
}

/// The address of a conversation: the one that is named, or that with the recipient.
fn addressed(conversation: Option<Id<RoomName>>, recipient: Option<Id<UserId>>) -> Result<Addressed, Refusal> {
    match (conversation, recipient) {
        (Some(Id(name)), None) => Ok(Addressed::Conversation(RoomAddress::Conversation(name))),
        (None, Some(Id(user))) => Ok(Addressed::Conversation(RoomAddress::With(user))),
        (None, None) => Err(expected("conversation_id", "missing", "the name or the id of a conversation, a string")),
        (Some(_), Some(_)) => {
            Err(invalid("`conversation_id` and `recipient_id` exclude each other; send the one that you mean"))
        }
    }
}

fn send_message(said: Say<'_>) -> Result<Command, Refusal> {
    let addressed = addressed(said.conversation, said.recipient_id)?;
    let attachments = said.attachments.map(|files| files.0).unwrap_or_default();
    let content_type = said.content_type.map(|name| ContentType::from(name.0)).unwrap_or_default();
    let is_null = matches!(said.content.0, Some(None));
    let (content, ciphertext) = (said.content.0.flatten().map(|text| text.0), said.ciphertext.map(|text| text.0));
    let chosen = content_type.choose(content, ciphertext).map_err(|misplaced| invalid(misplaced.to_string()))?;
    let content = match chosen {
        Some(content) => content,
        None if !attachments.is_empty() => "".into(),
        None => return Err(expected("content", if is_null { "null" } else { "missing" }, Content::EXPECTED)),
    };
    let names = said.mentions.map(|names| names.0).unwrap_or_default();
    let mentions = Draft::mentioned(names.iter().map(|name| &**name));
    ChatCommand::send(addressed, Draft { content: content.into(), content_type, attachments, mentions })
        .map(Command::Chat)
}

fn edit_message(edit: Edit<'_>) -> Result<Command, Refusal> {
    let Edit { conversation, message_id, content, ciphertext } = edit;
    let at = address_of(conversation, message_id);
    match (content.0, ciphertext) {
        (Some(Some(content)), None) => ChatCommand::edit(at, content.0.into(), Secrecy::Plain),
        (None | Some(None), Some(ciphertext)) => ChatCommand::edit(at, ciphertext.0.into(), Secrecy::Encrypted),
        (Some(Some(_)), Some(_)) => {
            Err(invalid("`content` and `ciphertext` exclude each other; send the `ciphertext` of an encrypted message"))
        }
        (Some(None), None) => Err(expected("content", "null", Content::EXPECTED)),
        (None, None) => Err(expected("content", "missing", Content::EXPECTED)),
    }
    .map(Command::Chat)
}

fn call_signal(kind: SignalKind, SignalInCall { target_user_id, call_id, data }: SignalInCall<'_>) -> Command {
    call(target_user_id, call_id, CallRequest::Signal { kind, data: data.to_raw() })
}

fn call(Id(target): Id<UserId>, Id(call): Id<CallId>, request: CallRequest) -> Command {
    Command::Call(CallCommand::Direct { target, call, request })
}

fn update_presence(update: UpdatePresence) -> Command {
    let UpdatePresence { status, status_message, location } = update;
    let text = |text: Prose<{ limits::STATUS_TEXT_CHARS_MAX }>| Some(text.0).filter(|text| !text.is_empty());
    let message = status_message.0.map(|message| message.and_then(text));
    let location = location.0.map(|location| location.and_then(text));
    Command::Presence(PresenceCommand::SetStatus { update: StatusUpdate { status, message, location } })
}

fn address_of(conversation: Option<Id<RoomName>>, Id(message): Id<EventId>) -> MessageAddress {
    MessageAddress { room: conversation.map(|name| RoomAddress::Conversation(name.0)), message }
}

fn set_typing(typed: SetTyping) -> Result<Command, Refusal> {
    let addressed = addressed(typed.conversation, typed.recipient_id)?;
    let typing = if typed.is_typing { Typing::Started } else { Typing::Stopped };
    Ok(Command::Chat(ChatCommand::SetTyping { addressed, typing, cell: None }))
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
