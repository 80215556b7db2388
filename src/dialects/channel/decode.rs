//! From the dialect's JSON to requests. A message is parsed once, into borrowed fields; what is wrong with a field is
//! told by the field's name. Whatever the bytes are, it must never panic and never let a malformed value through.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{error::Category, value::RawValue};

use crate::{
    core::command::{
        Addressed, CallCommand, ChatCommand, ClientRef, Command, RawJson, Request, SignalKind, Tag, Typing,
        bad_attachments,
    },
    dialects::{
        ClientMessage, Rejection,
        json::{Scalar, nests_deeper_than},
    },
    error::{ErrorCode, Refusal},
    ids::{FileId, UserId},
    limits,
};

/// Characters of an unknown `type` that the refusal repeats.
const ECHOED_TYPE_CHARS: usize = 64;

/// Every `type` that is understood.
pub const TYPES: [&str; 9] = [
    "message",
    "dm_message",
    "typing",
    "dm_typing",
    "webrtc_offer",
    "webrtc_answer",
    "webrtc_ice_candidate",
    "ping",
    "auth_refresh",
];

/// Reads one message.
pub fn decode(message: ClientMessage<'_>) -> Result<Request, Rejection> {
    let text = match message {
        ClientMessage::Text(text) => text,
        ClientMessage::Binary(_) => {
            return Err(unread(invalid("Binary messages are not understood here; send text frames with JSON")));
        }
    };
    let fields = parse(text).map_err(unread)?;
    let tag = Tag { reference: fields.reference().map_err(unread)?, asked: fields.asked(), about: None };
    match fields.command() {
        Ok(command) => Ok(Request { tag, command }),
        Err(refusal) => Err(Rejection { tag, refusal }),
    }
}

fn parse(text: &str) -> Result<Fields<'_>, Refusal> {
    if nests_deeper_than(text, limits::JSON_DEPTH_MAX) {
        return Err(not_json(format_args!("it nests deeper than {} levels", limits::JSON_DEPTH_MAX)));
    }
    serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Syntax | Category::Eof | Category::Io => not_json(error),
        // Our own visitor refuses nothing but a top level that is no object, which the parser leaves unread.
        Category::Data => match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => invalid("The message must be a JSON object with a `type`"),
            Err(error) => not_json(error),
        },
    })
}

fn unread(refusal: Refusal) -> Rejection {
    Rejection { tag: Tag::default(), refusal }
}

fn not_json(why: impl fmt::Display) -> Refusal {
    Refusal::new(ErrorCode::InvalidJson, format!("The message is not JSON that can be read: {why}"))
}

fn invalid(sentence: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::InvalidMessage, sentence)
}

/// A message taken apart. Fields that this dialect does not have are skipped.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<Scalar<'a>>,
    reference: Option<&'a RawValue>,
    content: Option<Scalar<'a>>,
    attachments: Option<&'a RawValue>,
    is_typing: Option<Scalar<'a>>,
    target_user_id: Option<Scalar<'a>>,
    token: Option<Scalar<'a>>,
    data: Option<&'a RawValue>,
    /// A field that came twice, so that nobody knows which was meant.
    doubled: Option<&'static str>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    Type,
    Ref,
    Content,
    Attachments,
    IsTyping,
    TargetUserId,
    Token,
    Data,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields<'de>, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = object.next_key()? {
            let doubled = match name {
                Name::Type => fields.kind.replace(object.next_value()?).map(|_| "type"),
                Name::Ref => fields.reference.replace(object.next_value()?).map(|_| "ref"),
                Name::Content => fields.content.replace(object.next_value()?).map(|_| "content"),
                Name::Attachments => fields.attachments.replace(object.next_value()?).map(|_| "attachments"),
                Name::IsTyping => fields.is_typing.replace(object.next_value()?).map(|_| "is_typing"),
                Name::TargetUserId => fields.target_user_id.replace(object.next_value()?).map(|_| "target_user_id"),
                Name::Token => fields.token.replace(object.next_value()?).map(|_| "token"),
                Name::Data => fields.data.replace(object.next_value()?).map(|_| "data"),
                Name::Other => object.next_value::<IgnoredAny>().map(|_| None)?,
            };
            fields.doubled = fields.doubled.or(doubled);
        }
        Ok(fields)
    }
}

impl Fields<'_> {
    /// The client's name for the request, a string or a number; null counts as none.
    fn reference(&self) -> Result<Option<ClientRef>, Refusal> {
        let Some(raw) = self.reference.map(RawValue::get).filter(|raw| *raw != "null") else { return Ok(None) };
        let fits = raw.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit());
        if !fits || raw.len() > limits::REF_BYTES_MAX || self.doubled == Some("ref") {
            let most = limits::REF_BYTES_MAX;
            return Err(invalid(format!("`ref` must be one string or number of at most {most} bytes")));
        }
        Ok(Some(RawJson::from_parsed(raw)))
    }

    /// The wire name of what is asked, of those that there are.
    fn asked(&self) -> &'static str {
        match &self.kind {
            Some(Scalar::Text(kind)) => TYPES.into_iter().find(|name| name == kind).unwrap_or_default(),
            Some(Scalar::Null | Scalar::Boolean(_) | Scalar::Number | Scalar::Array | Scalar::Object) | None => "",
        }
    }

    fn command(self) -> Result<Command, Refusal> {
        if let Some(name) = self.doubled {
            return Err(invalid(format!("`{name}` came twice; send it once")));
        }
        let kind = required_text("type", self.kind, "a string that names the kind of message")?;
        // what is not in the list, from which the AsyncAPI document is checked, is not understood
        if !TYPES.contains(&&*kind) {
            return Err(unknown_type(&kind));
        }
        match &*kind {
            "message" => send_message(Addressed::Channel, self.content, self.attachments),
            "dm_message" => send_message(Addressed::Partner, self.content, self.attachments),
            "typing" => set_typing(Addressed::Channel, self.is_typing),
            "dm_typing" => set_typing(Addressed::Partner, self.is_typing),
            "webrtc_offer" => signal(SignalKind::Offer, self.target_user_id, self.data),
            "webrtc_answer" => signal(SignalKind::Answer, self.target_user_id, self.data),
            "webrtc_ice_candidate" => signal(SignalKind::IceCandidate, self.target_user_id, self.data),
            "ping" => Ok(Command::Ping),
            "auth_refresh" => auth_refresh(self.token),
            unknown => Err(unknown_type(unknown)),
        }
    }
}

fn send_message(
    addressed: Addressed,
    content: Option<Scalar<'_>>,
    attachments: Option<&RawValue>,
) -> Result<Command, Refusal> {
    let attachments = file_ids(attachments)?;
    let content = match content {
        None | Some(Scalar::Null) if !attachments.is_empty() => Cow::Borrowed(""),
        other => required_text("content", other, "the text of the message, a string")?,
    };
    ChatCommand::send(addressed, content.into(), attachments).map(Command::Chat)
}

/// The files that go with a message.
fn file_ids(attachments: Option<&RawValue>) -> Result<Vec<FileId>, Refusal> {
    let Some(raw) = attachments.map(RawValue::get).filter(|raw| *raw != "null") else { return Ok(Vec::new()) };
    let names: Vec<Cow<'_, str>> = serde_json::from_str(raw).map_err(|_| bad_attachments())?;
    if names.len() > limits::ATTACHMENTS_MAX {
        return Err(bad_attachments());
    }
    names.iter().map(|name| name.parse()).collect::<Result<_, _>>().map_err(|_| bad_attachments())
}

fn set_typing(addressed: Addressed, is_typing: Option<Scalar<'_>>) -> Result<Command, Refusal> {
    let typing = match is_typing {
        Some(Scalar::Boolean(true)) => Typing::Started,
        Some(Scalar::Boolean(false)) => Typing::Stopped,
        other => return Err(expected("is_typing", other.as_ref(), "true or false")),
    };
    Ok(Command::Chat(ChatCommand::SetTyping { addressed, typing, cell: None }))
}

fn signal(kind: SignalKind, target: Option<Scalar<'_>>, data: Option<&RawValue>) -> Result<Command, Refusal> {
    let target = match target {
        None | Some(Scalar::Null) => None,
        Some(Scalar::Text(id)) => match UserId::new(&*id) {
            Ok(id) => Some(id),
            Err(error) => return Err(invalid(format!("`target_user_id` is no user id: {error}"))),
        },
        other => return Err(expected("target_user_id", other.as_ref(), "the id of a user, a string")),
    };
    let data = data.ok_or_else(|| expected("data", None, "the signal, any JSON value"))?;
    Ok(Command::Call(CallCommand::Signal { kind, target, data: RawJson::from_parsed(data.get()) }))
}

fn auth_refresh(token: Option<Scalar<'_>>) -> Result<Command, Refusal> {
    let token = required_text("token", token, "a fresh access token, a string")?;
    Ok(Command::AuthRefresh { token: token.into_owned() })
}

fn unknown_type(unknown: &str) -> Refusal {
    let shown: String = unknown.chars().filter(|c| !c.is_control()).take(ECHOED_TYPE_CHARS).collect();
    let sentence = format!(
        "There is no message of type \"{shown}\" here; see \"The channel dialect\" in the protocol reference for those there are"
    );
    Refusal::new(ErrorCode::UnknownMessageType, sentence)
}

fn required_text<'a>(name: &str, value: Option<Scalar<'a>>, what: &str) -> Result<Cow<'a, str>, Refusal> {
    match value {
        Some(Scalar::Text(text)) => Ok(text),
        other => Err(expected(name, other.as_ref(), what)),
    }
}

fn expected(name: &str, value: Option<&Scalar<'_>>, what: &str) -> Refusal {
    match value {
        None => invalid(format!("`{name}` is missing: it must be {what}")),
        Some(value) => invalid(format!("`{name}` is {}: it must be {what}", value.kind())),
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
