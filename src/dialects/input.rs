//! The values of fields that clients send: parsing, error message and JSON Schema of each, side by side. They must
//! never depend on a message.

use std::{borrow::Cow, fmt, marker::PhantomData, str::FromStr, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Unexpected, Visitor},
};
use serde_json::Value;

use super::{
    read::{JSON_TEXT, UNLESS_ABSENT},
    schema::schema,
};
use crate::{
    core::{command::RawJson, cursor::Coordinate, emoji::Emoji, sheet::CellRef},
    ids::{CallId, ClientMessageId, DocumentId, EventId, FileId, RoomName, SheetId, UserId},
    limits,
};

// ---- reading ----

/// Reads a string. `expected` describes it for error messages.
fn text<'de, D: Deserializer<'de>>(deserializer: D, expected: impl fmt::Display) -> Result<Cow<'de, str>, D::Error> {
    deserializer.deserialize_str(TextVisitor(expected))
}

struct TextVisitor<T>(T);

impl<'de, T: fmt::Display> Visitor<'de> for TextVisitor<T> {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text))
    }
}

/// Refuses texts with more characters.
fn within<E: serde::de::Error>(text: &str, chars_max: usize) -> Result<(), E> {
    // characters are only counted if there are enough bytes for too many
    if text.len() <= chars_max {
        return Ok(());
    }
    match text.chars().count() {
        count if count > chars_max => Err(E::invalid_length(count, &&*format!("at most {chars_max} are allowed"))),
        _fits => Ok(()),
    }
}

fn without_nul<E: serde::de::Error>(text: &str) -> Result<(), E> {
    match text.contains('\0') {
        true => Err(E::custom(" must not have NUL characters (\\u0000); leave them out")),
        false => Ok(()),
    }
}

/// The JSON text of any value.
fn json<'de, D: Deserializer<'de>>(deserializer: D, expected: impl fmt::Display) -> Result<&'de str, D::Error> {
    struct Json<T>(T);
    impl<'de, T: fmt::Display> Visitor<'de> for Json<T> {
        type Value = &'de str;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }

        fn visit_borrowed_str<E>(self, json: &'de str) -> Result<&'de str, E> {
            Ok(json)
        }
    }
    deserializer.deserialize_newtype_struct(JSON_TEXT, Json(expected))
}

// ---- texts ----

/// A client's id for something: 1 to `MAX` characters without control characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name<const MAX: usize>(pub Arc<str>);

schema!([const MAX: usize] Name<MAX>: {"type": "string", "minLength": 1, "maxLength": MAX});

impl<const MAX: usize> Name<MAX> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        let expected = format_args!("a string of 1 to {MAX} characters without control characters");
        let text = text(deserializer, expected)?;
        let bad = (text.len() > MAX && text.chars().count() > MAX) || text.chars().any(char::is_control);
        if bad { Err(D::Error::custom(format_args!(" must be {expected}"))) } else { Ok(text) }
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Name<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name<MAX>, D::Error> {
        let text = Name::<MAX>::read(deserializer)?;
        if text.is_empty() {
            let expected = format!("a string of 1 to {MAX} characters without control characters");
            return Err(D::Error::invalid_value(Unexpected::Str(""), &&*expected));
        }
        Ok(Name(text.into()))
    }
}

/// The same, but an empty string counts as absent: browsers send it for what they do not know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameOrEmpty<const MAX: usize>(Arc<str>);

schema!([const MAX: usize] NameOrEmpty<MAX>: {"type": "string", "maxLength": MAX});

impl<const MAX: usize> NameOrEmpty<MAX> {
    /// The name, unless empty.
    pub fn name(self) -> Option<Arc<str>> {
        Some(self.0).filter(|text| !text.is_empty())
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for NameOrEmpty<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NameOrEmpty<MAX>, D::Error> {
        Ok(NameOrEmpty(Name::<MAX>::read(deserializer)?.into()))
    }
}

/// A text of at most `MAX` characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prose<const MAX: usize>(pub Arc<str>);

schema!([const MAX: usize] Prose<MAX>: {"type": "string", "maxLength": MAX});

impl<'de, const MAX: usize> Deserialize<'de> for Prose<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Prose<MAX>, D::Error> {
        let text = text(deserializer, "a string")?;
        without_nul(&text)?;
        within(&text, MAX)?;
        Ok(Prose(text.into()))
    }
}

/// The text of a chat message, of at most `MAX` characters. `ChatCommand::send` validates it, for REST as well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChatText<'a, const MAX: usize>(pub Cow<'a, str>);

schema!([const MAX: usize] ChatText<'_, MAX>: {
    "type": "string", "maxLength": MAX, "examples": ["Hello everyone!"]
});

impl<const MAX: usize> ChatText<'_, MAX> {
    /// For the error message if it is missing.
    pub const EXPECTED: &'static str = "the text of the message, a string";
}

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for ChatText<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ChatText<'a, MAX>, D::Error> {
        text(deserializer, Self::EXPECTED).map(ChatText)
    }
}

/// A fresh access token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token(pub String);

schema!(Token: {"type": "string", "examples": ["eyJhbGciOi…"]});

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Token, D::Error> {
        text(deserializer, "a fresh access token, a string").map(|token| Token(token.into_owned()))
    }
}

// ---- lists ----

/// A list of at most `COUNT` names of 1 to `CHARS` characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names<const COUNT: usize, const CHARS: usize>(pub Vec<Arc<str>>);

schema!([const COUNT: usize, const CHARS: usize] Names<COUNT, CHARS>: {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": CHARS},
    "maxItems": COUNT,
});

impl<'de, const COUNT: usize, const CHARS: usize> Deserialize<'de> for Names<COUNT, CHARS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Names<COUNT, CHARS>, D::Error> {
        let expected = format!("a list of at most {COUNT} strings, each of 1 to {CHARS} characters");
        let wrong = || D::Error::invalid_value(Unexpected::Seq, &&*expected);
        let names: Vec<Cow<'de, str>> = array(deserializer, &expected)?.ok_or_else(wrong)?;
        let fits = |name: &Cow<'de, str>| !name.is_empty() && name.chars().count() <= CHARS;
        match names.len() <= COUNT && names.iter().all(fits) {
            true => Ok(Names(names.into_iter().map(Into::into).collect())),
            false => Err(wrong()),
        }
    }
}

/// Ids of uploaded files, at most `COUNT`, each once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileIds<const COUNT: usize>(pub Vec<FileId>);

schema!([const COUNT: usize] FileIds<COUNT>: {
    "type": "array", "items": {"type": "string", "format": "uuid", "examples": ["01932c0e-1c2d-7e3f-8a4b-5c6d7e8f9a0b"]}, "maxItems": COUNT,
});

impl<'de, const COUNT: usize> Deserialize<'de> for FileIds<COUNT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FileIds<COUNT>, D::Error> {
        let expected = format!("a list of at most {COUNT} ids of uploaded files, each once");
        let wrong = || D::Error::invalid_value(Unexpected::Seq, &&*expected);
        let names: Vec<Cow<'de, str>> = array(deserializer, &expected)?.ok_or_else(wrong)?;
        if names.len() > COUNT {
            return Err(wrong());
        }
        let files: Vec<FileId> =
            names.iter().map(|name| name.parse()).collect::<Result<_, _>>().map_err(|_| wrong())?;
        let doubled = (1..files.len()).any(|end| files.iter().take(end).any(|file| files.get(end) == Some(file)));
        if doubled { Err(wrong()) } else { Ok(FileIds(files)) }
    }
}

/// Parses an array separately from the message around it. Returns `None` if an item has the wrong type.
fn array<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
    expected: &str,
) -> Result<Option<Vec<T>>, D::Error> {
    let text = json(deserializer, expected)?;
    if !text.starts_with('[') {
        return Err(not(text, expected));
    }
    Ok(serde_json::from_str(text).ok())
}

/// A list of `MIN` to `MAX` objects.
#[derive(Clone, PartialEq, Debug)]
pub struct Objects<T, const MIN: usize, const MAX: usize>(pub Vec<T>);

impl<T: JsonSchema, const MIN: usize, const MAX: usize> JsonSchema for Objects<T, MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        json_schema!({"type": "array", "items": items, "minItems": MIN, "maxItems": MAX})
    }
}

impl<'de, T: Deserialize<'de>, const MIN: usize, const MAX: usize> Deserialize<'de> for Objects<T, MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Objects<T, MIN, MAX>, D::Error> {
        deserializer.deserialize_seq(ObjectsVisitor(PhantomData))
    }
}

struct ObjectsVisitor<T, const MIN: usize, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MIN: usize, const MAX: usize> Visitor<'de> for ObjectsVisitor<T, MIN, MAX> {
    type Value = Objects<T, MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {MIN} to {MAX} objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let count = list.size_hint().unwrap_or(0);
        if !(MIN..=MAX).contains(&count) {
            return Err(A::Error::invalid_value(Unexpected::Seq, &self));
        }
        let mut items = Vec::with_capacity(count);
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Objects(items))
    }
}

// ---- numbers ----

/// A non-negative integer that every client can represent exactly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Count(pub i64);

schema!(Count: {"type": "integer", "minimum": 0, "maximum": limits::COUNT_MAX});

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Count, D::Error> {
        const EXPECTED: &str = "a whole number from 0 to 9007199254740991";
        let text = json(deserializer, EXPECTED)?;
        let number = serde_json::from_str::<f64>(text).ok();
        match number.filter(|number| number.fract() == 0.0 && (0.0..=limits::COUNT_MAX as f64).contains(number)) {
            Some(number) => Ok(Count(number as i64)),
            None => Err(not(text, EXPECTED)),
        }
    }
}

/// A finite number.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Finite(pub Coordinate);

schema!(Finite: {"type": "number", "examples": [150]});

impl<'de> Deserialize<'de> for Finite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Finite, D::Error> {
        const EXPECTED: &str = "a number";
        let text = json(deserializer, EXPECTED)?;
        let number = serde_json::from_str::<f64>(text).map_err(|_| not(text, EXPECTED))?;
        Coordinate::new(number).map(Finite).ok_or_else(|| D::Error::custom(" must be a finite number"))
    }
}

// ---- any JSON ----

/// JSON from a client, as it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Json<'a>(pub &'a str);

schema!(['a] Json<'a>: {});

impl Json<'_> {
    /// An owned copy.
    pub fn to_raw(self) -> RawJson {
        RawJson::from_parsed(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json<'a>, D::Error> {
        json(deserializer, "any JSON value").map(Json)
    }
}

/// The error for a value of the wrong type.
fn not<E: serde::de::Error>(json: &str, expected: &str) -> E {
    match serde_json::from_str(json) {
        Ok(Value::Bool(found)) => E::invalid_type(Unexpected::Bool(found), &expected),
        Ok(Value::String(found)) => E::invalid_type(Unexpected::Str(&found), &expected),
        Ok(Value::Null) => E::invalid_type(Unexpected::Unit, &expected),
        Ok(Value::Number(_)) => E::invalid_type(Unexpected::Float(0.0), &expected),
        Ok(Value::Array(_)) => E::invalid_type(Unexpected::Seq, &expected),
        Ok(Value::Object(_)) => E::invalid_type(Unexpected::Map, &expected),
        Err(_) => E::custom(format_args!(" is out of range: it must be {expected}")),
    }
}

/// A string of at most `MAX` characters, a number, true, false or null, as it was written. Values that common parsers
/// cannot read are refused, because other clients receive them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scalar<const MAX: usize>(pub RawJson);

schema!([const MAX: usize] Scalar<MAX>: {
    "type": ["string", "number", "boolean", "null"], "maxLength": MAX, "examples": ["Hello World"],
});

impl<const MAX: usize> Scalar<MAX> {
    /// For the error message if it is missing.
    pub const EXPECTED: &'static str = "a string, a number, true, false or null";
}

impl<'de, const MAX: usize> Deserialize<'de> for Scalar<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar<MAX>, D::Error> {
        let json = json(deserializer, Self::EXPECTED)?;
        match json.as_bytes().first() {
            Some(b'[' | b'{') => return Err(not(json, Self::EXPECTED)),
            Some(b'"') => within(&whole_text::<D::Error>(json)?, MAX)?,
            Some(b'-' | b'0'..=b'9') => readable_number::<D::Error>(json)?,
            // true, false and null: the parser accepts nothing else
            Some(_) | None => {}
        }
        Ok(Scalar(RawJson::from_parsed(json)))
    }
}

/// Checks the characters of a string.
fn whole_text<E: serde::de::Error>(json: &str) -> Result<Cow<'_, str>, E> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let half = " has half of a surrogate pair, such as \\ud83d without what follows it; send whole characters";
    serde_json::from_str(json).map(|Text(text)| text).map_err(|_| E::custom(half))
}

/// A number that nearly all parsers can represent, and that is not too long for some of them.
fn readable_number<E: serde::de::Error>(json: &str) -> Result<(), E> {
    let most = limits::NUMBER_CHARS_MAX;
    if json.len() <= most && serde_json::from_str::<f64>(json).is_ok_and(f64::is_finite) {
        return Ok(());
    }
    let rest =
        format_args!(" must be a finite double of at most {most} characters; send a number beyond that as a string");
    Err(E::custom(rest))
}

/// A value that may be null, as distinguished from absent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnlessAbsent<T>(pub Option<T>);

impl<T> Default for UnlessAbsent<T> {
    fn default() -> UnlessAbsent<T> {
        UnlessAbsent(None)
    }
}

impl<T: JsonSchema> JsonSchema for UnlessAbsent<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for UnlessAbsent<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<UnlessAbsent<T>, D::Error> {
        struct Present<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Present<T> {
            type Value = Option<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_none<E>(self) -> Result<Option<T>, E> {
                Ok(None)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
                T::deserialize(deserializer).map(Some)
            }
        }
        let value = deserializer.deserialize_newtype_struct(UNLESS_ABSENT, Present(PhantomData))?;
        Ok(UnlessAbsent(value))
    }
}

/// The client's id for a request, a string or a number as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference(pub RawJson);

// the bound is in bytes as written, including quotes
schema!(Reference: {
    "type": ["string", "number"], "maxLength": limits::REF_BYTES_MAX - 2, "examples": ["m-1"],
});

impl Reference {
    /// Description for error messages.
    pub const EXPECTED: &'static str = "one string or number of at most 256 bytes";
}

const _: () = assert!(limits::REF_BYTES_MAX == 256, "Reference::EXPECTED says 256");

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Reference, D::Error> {
        let json = json(deserializer, Self::EXPECTED)?;
        let fits = json.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit());
        match fits && json.len() <= limits::REF_BYTES_MAX {
            true => Ok(Reference(RawJson::from_parsed(json))),
            false => Err(D::Error::custom(format_args!(" must be {}", Self::EXPECTED))),
        }
    }
}

// ---- ids ----

/// A value parsed from a string by its own `FromStr`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Id<T>(pub T);

/// A type that is parsed from a string by [`Id`].
pub trait Named: FromStr<Err: fmt::Display> {
    /// Description of the string for error messages.
    const EXPECTED: &'static str;
    /// What is inserted between the field's name and the reason in an error message.
    const BAD: &'static str = ": ";
}

impl Named for RoomName {
    const EXPECTED: &'static str = "the name of a room, a string";
}

impl Named for SheetId {
    const EXPECTED: &'static str = "the id of a sheet, a string";
}

impl Named for DocumentId {
    const EXPECTED: &'static str = "the id of a document, a string";
}

impl Named for CellRef {
    const EXPECTED: &'static str = "a cell such as B2, a string";
}

impl Named for EventId {
    const EXPECTED: &'static str = "the id of a message, a string";
    const BAD: &'static str = " is no id of a message: ";
}

impl Named for Emoji {
    const EXPECTED: &'static str = "one emoji, a string";
    const BAD: &'static str = " is no reaction: ";
}

impl Named for UserId {
    const EXPECTED: &'static str = "the id of a user, a string";
    const BAD: &'static str = " is no user id: ";
}

impl Named for CallId {
    const EXPECTED: &'static str = "the id of a call, a string";
}

impl Named for ClientMessageId {
    const EXPECTED: &'static str = "the client's own id of the message, a string";
}

impl<'de, T: Named> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id<T>, D::Error> {
        let text = text(deserializer, T::EXPECTED)?;
        text.parse().map(Id).map_err(|error| D::Error::custom(format_args!("{}{error}", T::BAD)))
    }
}

impl<T: JsonSchema> JsonSchema for Id<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
