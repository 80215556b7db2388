//! Converts the dialect's messages into commands. `wire` declares the messages; this module gives them their meaning
//! and validates what concerns several fields at once. It must never panic, whatever the bytes are.

use super::{
    DISCRIMINATOR,
    wire::{
        FromClient,
        chat::{Content, Say, SetTyping},
        rooms::{BroadcastData, JoinRoom},
    },
};
use crate::{
    core::command::{Addressed, ChatCommand, Command, NoticeCommand, Request, RoomAddress, RoomCommand, Tag, Typing},
    dialects::{
        ClientMessage, Rejection, common,
        input::Id,
        read::{Message, expected, invalid},
    },
    error::Refusal,
    ids::{RoomName, UserId},
};

/// The section of the protocol reference that lists the messages.
const SECTION: &str = "The nexus dialect";

/// Decodes one message.
pub fn decode(message: ClientMessage<'_>) -> Result<Request, Rejection> {
    let unread = |refusal| Rejection { tag: Tag::default(), refusal };
    let message = Message::parse(message, DISCRIMINATOR).map_err(unread)?;
    let mut tag = Tag { reference: message.reference().map_err(unread)?, ..Tag::default() };
    match message.read(DISCRIMINATOR, SECTION, &mut tag.asked).and_then(command) {
        Ok(command) => Ok(Request { tag, command }),
        Err(refusal) => Err(Rejection { tag, refusal }),
    }
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
        FromClient::NotificationRead(read) => Ok(Command::Notices(NoticeCommand::Read { id: read.notification_id.0 })),
    }
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
    let content = match said.content.0 {
        Some(Some(content)) => content.0,
        None | Some(None) if !attachments.is_empty() => "".into(),
        Some(None) => return Err(expected("content", "null", Content::EXPECTED)),
        None => return Err(expected("content", "missing", Content::EXPECTED)),
    };
    ChatCommand::send(addressed, content.into(), attachments).map(Command::Chat)
}

fn set_typing(typed: SetTyping) -> Result<Command, Refusal> {
    let addressed = addressed(typed.conversation, typed.recipient_id)?;
    let typing = if typed.is_typing { Typing::Started } else { Typing::Stopped };
    Ok(Command::Chat(ChatCommand::SetTyping { addressed, typing, cell: None }))
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
