//! Converts the dialect's messages into commands. `wire` declares the messages; this module gives them their meaning
//! and validates what concerns several fields at once. It must never panic, whatever the bytes are.

use super::wire::{
    FromClient,
    calls::SignalFor,
    chat::{Content, Say},
    presence::SetTyping,
};
use crate::{
    core::command::{Addressed, CallCommand, ChatCommand, Command, Draft, Request, SignalKind, Tag, Typing},
    dialects::{
        ClientMessage, Rejection,
        read::{Message, expected},
    },
    error::Refusal,
};

/// The section of the protocol reference that lists the messages.
const SECTION: &str = "The channel dialect";

/// Decodes one message.
pub fn decode(message: ClientMessage<'_>) -> Result<Request, Rejection> {
    let unread = |refusal| Rejection { tag: Tag::default(), refusal };
    let message = Message::parse(message, "type").map_err(unread)?;
    let mut tag = Tag { reference: message.reference().map_err(unread)?, ..Tag::default() };
    let read = message.read("type", SECTION, &mut tag.asked);
    message.request(tag, read.and_then(command))
}

fn command(message: FromClient<'_>) -> Result<Command, Refusal> {
    match message {
        FromClient::Message(said) => send_message(Addressed::Channel, said),
        FromClient::DmMessage(said) => send_message(Addressed::Partner, said),
        FromClient::Typing(typing) => Ok(set_typing(Addressed::Channel, &typing)),
        FromClient::DmTyping(typing) => Ok(set_typing(Addressed::Partner, &typing)),
        FromClient::WebrtcOffer(offer) => Ok(signal(SignalKind::Offer, offer)),
        FromClient::WebrtcAnswer(answer) => Ok(signal(SignalKind::Answer, answer)),
        FromClient::WebrtcIceCandidate(candidate) => Ok(signal(SignalKind::IceCandidate, candidate)),
        FromClient::Ping => Ok(Command::Ping),
        FromClient::AuthRefresh(fresh) => Ok(Command::AuthRefresh { token: fresh.token.0 }),
    }
}

fn send_message(addressed: Addressed, said: Say<'_>) -> Result<Command, Refusal> {
    let attachments = said.attachments.map(|files| files.0).unwrap_or_default();
    let content = match said.content.0 {
        Some(Some(content)) => content.0,
        None | Some(None) if !attachments.is_empty() => "".into(),
        Some(None) => return Err(expected("content", "null", Content::EXPECTED)),
        None => return Err(expected("content", "missing", Content::EXPECTED)),
    };
    ChatCommand::send(addressed, Draft::text(content, attachments)).map(Command::Chat)
}

fn set_typing(addressed: Addressed, typing: &SetTyping) -> Command {
    let typing = if typing.is_typing { Typing::Started } else { Typing::Stopped };
    Command::Chat(ChatCommand::SetTyping { addressed, typing, cell: None })
}

fn signal(kind: SignalKind, signal: SignalFor<'_>) -> Command {
    let target = signal.target_user_id.map(|id| id.0);
    Command::Call(CallCommand::Signal { kind, target, data: signal.data.to_raw() })
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
