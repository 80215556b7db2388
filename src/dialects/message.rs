//! Reading a flat JSON message field by field: each field stays as it came until it is asked for by name, and what is
//! wrong with it is told by that name. Whatever the bytes are, it must never panic and never let a malformed value
//! through. It must never know what a field means.

use std::{borrow::Cow, fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{error::Category, value::RawValue};

use super::{
    ClientMessage,
    json::{Scalar, nests_deeper_than},
};
use crate::{
    core::command::{ClientRef, RawJson},
    error::{ErrorCode, Refusal},
    limits,
};

const A_SCALAR: &str = "a string, a number, true, false or null";
/// Characters of an unknown `type` that a refusal repeats.
const ECHOED_TYPE_CHARS: usize = 64;

/// A message taken apart.
pub struct Message<'a> {
    fields: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Message<'a> {
    /// Takes it apart.
    ///
    /// # Errors
    /// `INVALID_JSON` for what is no JSON, `INVALID_MESSAGE` for what is no object.
    pub fn read(message: ClientMessage<'a>) -> Result<Message<'a>, Refusal> {
        let text = match message {
            ClientMessage::Text(text) => text,
            ClientMessage::Binary(_) => {
                return Err(invalid("Binary messages are not understood here; send text frames with JSON"));
            }
        };
        Message::parse(text)
    }

    fn parse(text: &'a str) -> Result<Message<'a>, Refusal> {
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

    /// The field as it came; null counts as absent.
    fn get(&self, name: &str) -> Result<Option<&'a RawValue>, Refusal> {
        Ok(self.get_or_null(name)?.filter(|value| value.get() != "null"))
    }

    /// The field as it came, also null.
    fn get_or_null(&self, name: &str) -> Result<Option<&'a RawValue>, Refusal> {
        let mut found = self.fields.iter().filter(|(field, _)| field == name);
        let first = found.next().map(|(_, value)| *value);
        if found.next().is_some() {
            return Err(invalid(format!("`{name}` came twice; send it once")));
        }
        Ok(first)
    }

    /// The client's name for the request, a string or a number.
    pub fn reference(&self) -> Result<Option<ClientRef>, Refusal> {
        let most = limits::REF_BYTES_MAX;
        let bad = || invalid(format!("`ref` must be one string or number of at most {most} bytes"));
        let Some(raw) = self.get("ref").map_err(|_| bad())?.map(RawValue::get) else { return Ok(None) };
        let fits = raw.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit());
        if !fits || raw.len() > most {
            return Err(bad());
        }
        Ok(Some(RawJson::from_parsed(raw)))
    }

    /// The field as the client wrote it, if it is there.
    pub fn raw(&self, name: &str) -> Result<Option<RawJson>, Refusal> {
        Ok(self.get(name)?.map(|value| RawJson::from_parsed(value.get())))
    }

    /// A value that is no array and no object, as the client wrote it, also `null`; none where it is absent. One that
    /// common parsers can't read is refused: who gets it is not who wrote it.
    pub fn optional_scalar(&self, name: &str, chars_max: usize) -> Result<Option<RawJson>, Refusal> {
        let Some(value) = self.get_or_null(name)? else { return Ok(None) };
        match value.get().as_bytes().first() {
            Some(b'[' | b'{') => return Err(expected(name, Some(value), A_SCALAR)),
            Some(b'"') => within(name, &decoded(name, value)?, chars_max)?,
            Some(b'-' | b'0'..=b'9') => readable(name, value)?,
            // true, false and null: the parser has let nothing else through
            Some(_) | None => {}
        }
        Ok(Some(RawJson::from_parsed(value.get())))
    }

    /// The same, required.
    pub fn scalar(&self, name: &str, chars_max: usize) -> Result<RawJson, Refusal> {
        self.optional_scalar(name, chars_max)?.ok_or_else(|| expected(name, None, A_SCALAR))
    }

    /// A string.
    pub fn text(&self, name: &str, what: &str) -> Result<Cow<'a, str>, Refusal> {
        self.optional_text(name, what)?.ok_or_else(|| expected(name, None, what))
    }

    /// A string, if it is there.
    pub fn optional_text(&self, name: &str, what: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        match serde_json::from_str(value.get()) {
            Ok(Scalar::Text(text)) => Ok(Some(text)),
            Ok(_) | Err(_) => Err(expected(name, Some(value), what)),
        }
    }

    /// A string of at most `most` characters, without control characters, if it is there. An empty one counts as absent:
    /// browsers send it for what they don't know.
    pub fn optional_name(&self, name: &str, most: usize) -> Result<Option<Arc<str>>, Refusal> {
        let what = format!("a string of 1 to {most} characters without control characters");
        let Some(text) = self.optional_text(name, &what)?.filter(|text| !text.is_empty()) else { return Ok(None) };
        if text.chars().count() > most || text.chars().any(char::is_control) {
            return Err(invalid(format!("`{name}` must be {what}")));
        }
        Ok(Some(text.into()))
    }

    /// The same, required: of at least one character.
    pub fn name(&self, name: &str, most: usize) -> Result<Arc<str>, Refusal> {
        let what = format!("a string of 1 to {most} characters without control characters");
        self.text(name, &what)?;
        self.optional_name(name, most)?.ok_or_else(|| invalid(format!("`{name}` must be {what}")))
    }

    /// A text for people or machines of at most `most` characters, if it is there.
    ///
    /// # Errors
    /// `MESSAGE_TOO_LONG` above that.
    pub fn optional_prose(&self, name: &str, most: usize) -> Result<Option<Arc<str>>, Refusal> {
        let Some(text) = self.optional_text(name, "a string")? else { return Ok(None) };
        if text.contains('\0') {
            return Err(invalid(format!("`{name}` must not have NUL characters (\\u0000); leave them out")));
        }
        within(name, &text, most)?;
        Ok(Some(text.into()))
    }

    /// What a string names, as its own type reads it.
    pub fn parsed<T: std::str::FromStr<Err: fmt::Display>>(&self, name: &str, what: &str) -> Result<T, Refusal> {
        self.optional_parsed(name, what)?.ok_or_else(|| expected(name, None, what))
    }

    /// The same, if it is there.
    pub fn optional_parsed<T: std::str::FromStr<Err: fmt::Display>>(
        &self,
        name: &str,
        what: &str,
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.optional_text(name, what)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error| invalid(format!("`{name}`: {error}")))
    }

    /// A number.
    pub fn number(&self, name: &str) -> Result<f64, Refusal> {
        let value = self.get(name)?;
        let number = value.and_then(|value| serde_json::from_str::<f64>(value.get()).ok());
        number.ok_or_else(|| expected(name, value, "a number"))
    }

    /// A whole number from 0 on that every client can count with, if it is there.
    pub fn optional_count(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        let number = serde_json::from_str::<f64>(value.get()).ok();
        match number.filter(|number| number.fract() == 0.0 && (0.0..=limits::COUNT_MAX as f64).contains(number)) {
            Some(number) => Ok(Some(number as i64)),
            None => Err(expected(name, Some(value), "a whole number from 0 to 9007199254740991")),
        }
    }

    /// The same, required.
    pub fn count(&self, name: &str) -> Result<i64, Refusal> {
        self.optional_count(name)?.ok_or_else(|| expected(name, None, "a whole number from 0 to 9007199254740991"))
    }

    /// Short names, if the list is there.
    pub fn optional_names(
        &self,
        name: &str,
        count_max: usize,
        chars_max: usize,
    ) -> Result<Option<Vec<Arc<str>>>, Refusal> {
        let what = format!("a list of at most {count_max} strings, each of 1 to {chars_max} characters");
        let Some(value) = self.get(name)? else { return Ok(None) };
        let Ok(names) = serde_json::from_str::<Vec<Cow<'a, str>>>(value.get()) else {
            return Err(expected(name, Some(value), &what));
        };
        if names.len() > count_max || names.iter().any(|n| n.is_empty() || n.chars().count() > chars_max) {
            return Err(invalid(format!("`{name}` must be {what}")));
        }
        Ok(Some(names.into_iter().map(Into::into).collect()))
    }

    /// An object with fields of its own, if it is there.
    pub fn optional_object(&self, name: &str) -> Result<Option<Message<'a>>, Refusal> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        Message::parse(value.get()).map(Some).map_err(|_| expected(name, Some(value), "an object"))
    }

    /// A list of objects, each with fields of its own.
    pub fn objects(&self, name: &str, count_max: usize) -> Result<Vec<Message<'a>>, Refusal> {
        let what = format!("a list of 1 to {count_max} objects");
        let value = self.get(name)?;
        let list = value.and_then(|value| serde_json::from_str::<Vec<&'a RawValue>>(value.get()).ok());
        let Some(list) = list.filter(|list| (1..=count_max).contains(&list.len())) else {
            return Err(expected(name, value.filter(|value| !value.get().starts_with('[')), &what));
        };
        let object = |value: &'a RawValue| Message::parse(value.get()).map_err(|_| expected(name, None, &what));
        list.into_iter().map(object).collect()
    }
}

impl<'de> Deserialize<'de> for Message<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Message<'de>, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

/// Borrowed where it can be: serde borrows a `Cow` only when told to.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Message<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Message<'de>, A::Error> {
        let mut fields = Vec::with_capacity(8);
        while let Some((Name(name), value)) = object.next_entry()? {
            fields.push((name, value));
        }
        Ok(Message { fields })
    }
}

/// A message that can be read, and is not what it must be.
pub fn invalid(sentence: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::InvalidMessage, sentence)
}

fn not_json(why: impl fmt::Display) -> Refusal {
    Refusal::new(ErrorCode::InvalidJson, format!("The message is not JSON that can be read: {why}"))
}

/// There is no such type; `where_to_look` names the section that has those there are.
pub fn unknown_type(unknown: &str, where_to_look: &str) -> Refusal {
    let shown: String = unknown.chars().filter(|c| !c.is_control()).take(ECHOED_TYPE_CHARS).collect();
    let sentence = format!(
        "There is no message of type \"{shown}\" here; see \"{where_to_look}\" in the protocol reference for those there are"
    );
    Refusal::new(ErrorCode::UnknownMessageType, sentence)
}

/// A string's characters.
fn decoded<'a>(name: &str, text: &'a RawValue) -> Result<Cow<'a, str>, Refusal> {
    match serde_json::from_str(text.get()) {
        Ok(Scalar::Text(text)) => Ok(text),
        Ok(_) | Err(_) => Err(invalid(format!(
            "`{name}` has half of a surrogate pair, such as \\ud83d without what follows it; send whole characters"
        ))),
    }
}

fn within(name: &str, text: &str, chars_max: usize) -> Result<(), Refusal> {
    // characters are counted only when there are enough bytes for too many
    if text.len() <= chars_max {
        return Ok(());
    }
    match text.chars().count() {
        count if count > chars_max => {
            let sentence = format!("`{name}` has {count} characters; at most {chars_max} are allowed");
            Err(Refusal::new(ErrorCode::MessageTooLong, sentence))
        }
        _ => Ok(()),
    }
}

/// A number that fits into what nearly all parsers make of numbers, and is not so long that some refuse it.
fn readable(name: &str, number: &RawValue) -> Result<(), Refusal> {
    let most = limits::NUMBER_CHARS_MAX;
    let finite = serde_json::from_str::<f64>(number.get()).is_ok_and(f64::is_finite);
    if finite && number.get().len() <= most {
        return Ok(());
    }
    let sentence =
        format!("`{name}` must be a finite double of at most {most} characters; send a number beyond that as a string");
    Err(invalid(sentence))
}

fn expected(name: &str, value: Option<&RawValue>, what: &str) -> Refusal {
    let Some(value) = value else { return invalid(format!("`{name}` is missing: it must be {what}")) };
    let kind = match serde_json::from_str::<Scalar<'_>>(value.get()) {
        Ok(scalar) => scalar.kind(),
        Err(_) => "out of range",
    };
    invalid(format!("`{name}` is {kind}: it must be {what}"))
}
