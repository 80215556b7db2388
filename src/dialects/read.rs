//! Deserializes a flat JSON message into the wire type that describes it. A wire type derives `Deserialize`; the
//! deserializer here provides the fields by name, in the order of the type, and turns any error into a sentence that
//! names the field. Whatever the bytes are, it must never panic and never accept a malformed value. It must never know
//! a message or the meaning of a field.
//!
//! Rules for all dialects of flat JSON: `null` in an optional field counts as absent; a field that occurs twice in a
//! message is refused; unknown fields are ignored. A field that clients call by several names is declared as
//! `#[serde(rename = "first|second")]`: the first one present is used.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeSeed, EnumAccess, Error as _, Expected, IgnoredAny, IntoDeserializer, MapAccess, Unexpected,
        VariantAccess, Visitor,
        value::{BorrowedStrDeserializer, CowStrDeserializer, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{error::Category, value::RawValue};

use super::{ClientMessage, input::Reference};
use crate::{
    core::command::ClientRef,
    error::{ErrorCode, Refusal},
    limits,
};

/// The number of characters of an unknown `type` that a refusal repeats.
const ECHOED_TYPE_CHARS: usize = 64;
/// A newtype struct with this name receives the JSON text of its value, of any type.
pub(super) const JSON_TEXT: &str = "$convene::json_text";
/// A newtype struct with this name receives an option that is none only if the field is absent, not if it is null.
pub(super) const UNLESS_ABSENT: &str = "$convene::unless_absent";

/// A message, split into its fields. Each remains JSON text until a wire type requests it.
pub struct Message<'a> {
    fields: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Message<'a> {
    /// Splits a message.
    ///
    /// # Errors
    /// `INVALID_JSON` if it is not JSON, `INVALID_MESSAGE` if it is not an object. `tag` is the field that names the kind
    /// of the message, for the error.
    pub fn parse(message: ClientMessage<'a>, tag: &str) -> Result<Message<'a>, Refusal> {
        let text = match message {
            ClientMessage::Text(text) => text,
            ClientMessage::Binary(_) => {
                return Err(invalid("Binary messages are not supported here; send text frames with JSON"));
            }
        };
        if nests_deeper_than(text, limits::JSON_DEPTH_MAX) {
            return Err(not_json(format_args!("it nests deeper than {} levels", limits::JSON_DEPTH_MAX)));
        }
        serde_json::from_str(text).map_err(|error| match error.classify() {
            Category::Syntax | Category::Eof | Category::Io => not_json(error),
            // Our own visitor only fails if the top level is not an object, which the parser leaves unread.
            Category::Data => match serde_json::from_str::<IgnoredAny>(text) {
                Ok(_) => invalid(format!("The message must be a JSON object with the field `{tag}`")),
                Err(error) => not_json(error),
            },
        })
    }

    /// Reads the message as a variant of an enum, selected by the string in the field `tag`. `section` is the part of
    /// the protocol reference that lists the variants. `asked` is set to the name of the variant, even if its fields
    /// are invalid.
    ///
    /// # Errors
    /// `UNKNOWN_MESSAGE_TYPE` if the enum has no such variant; otherwise the error of a field.
    pub fn read<T: Deserialize<'a>>(
        &self,
        tag: &'static str,
        section: &str,
        asked: &mut &'static str,
    ) -> Result<T, Refusal> {
        let kind = self.kind(tag)?;
        T::deserialize(Variant { kind: kind.clone(), message: self, asked }).map_err(|wrong| {
            if wrong.code == ErrorCode::UnknownMessageType { unknown_kind(&kind, section) } else { wrong.into() }
        })
    }

    /// The name of the variant.
    fn kind(&self, tag: &'static str) -> Result<Cow<'a, str>, Wrong> {
        struct Kind;
        impl<'de> Visitor<'de> for Kind {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string that names the kind of message")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        let value = self.find(tag)?;
        value.deserialize_str(Kind).map_err(|wrong| wrong.at(tag))
    }

    /// Reads some of the message's fields as a struct, whatever its type.
    ///
    /// # Errors
    /// The error of a field.
    pub fn read_fields<T: Deserialize<'a>>(&self) -> Result<T, Refusal> {
        T::deserialize(Body(self)).map_err(Refusal::from)
    }

    /// The client's id for the request, a string or a number.
    ///
    /// # Errors
    /// `INVALID_MESSAGE` if it has another type, is too long, or occurs twice.
    pub fn reference(&self) -> Result<Option<ClientRef>, Refusal> {
        let bad = || invalid(format!("`ref` must be {}", Reference::EXPECTED));
        let value = self.find("ref").map_err(|_| bad())?;
        let reference: Option<Reference> = Deserialize::deserialize(value).map_err(|_| bad())?;
        Ok(reference.map(|reference| reference.0))
    }

    /// The field of that name.
    pub(super) fn find(&self, name: &str) -> Result<Value<'a>, Wrong> {
        let mut found = self.fields.iter().filter(|(field, _)| field == name);
        let first = found.next().map(|(_, value)| *value);
        match found.next() {
            None => Ok(Value(first)),
            Some(_) => Err(Wrong::custom(" came twice; send it once").at(name)),
        }
    }

    /// The first field present of those whose names are separated by `|`, with its name.
    fn find_any<'n>(&self, names: &'n str) -> Result<(&'n str, Value<'a>), Wrong> {
        if !names.contains('|') {
            return Ok((names, self.find(names)?));
        }
        for name in names.split('|') {
            let value = self.find(name)?;
            if !value.is_null() {
                return Ok((name, value));
            }
        }
        Ok((names.split('|').next().unwrap_or(names), Value(None)))
    }
}

impl<'de> Deserialize<'de> for Message<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Message<'de>, D::Error> {
        deserializer.deserialize_map(MessageVisitor)
    }
}

struct MessageVisitor;

/// Borrowed if possible: serde borrows a `Cow` only with this attribute.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for MessageVisitor {
    type Value = Message<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Message<'de>, A::Error> {
        let mut fields = Vec::with_capacity(8);
        while let Some((Text(name), value)) = object.next_entry()? {
            fields.push((name, value));
        }
        Ok(Message { fields })
    }
}

// ---- errors ----

/// An error in a message or a field.
#[derive(Debug)]
pub struct Wrong {
    code: ErrorCode,
    field: Option<String>,
    /// The rest of the sentence after the field's name, including the space or colon before it.
    rest: Cow<'static, str>,
}

impl Wrong {
    fn new(code: ErrorCode, rest: impl Into<Cow<'static, str>>) -> Wrong {
        Wrong { code, field: None, rest: rest.into() }
    }

    /// Sets the field, unless a nested field is already set.
    pub(super) fn at(mut self, name: &str) -> Wrong {
        self.field.get_or_insert_with(|| name.to_owned());
        self
    }

    fn missing(expected: &dyn Expected) -> Wrong {
        Wrong::custom(format_args!(" is missing: it must be {expected}"))
    }

    fn kind(found: &str, expected: &dyn Expected) -> Wrong {
        Wrong::custom(format_args!(" is {found}: it must be {expected}"))
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.field, self.code) {
            (_, ErrorCode::InvalidJson) => write!(f, "The message is not valid JSON: {}", self.rest),
            (Some(field), _) => write!(f, "`{field}`{}", self.rest),
            (None, _) => write!(f, "The message{}", self.rest),
        }
    }
}

impl std::error::Error for Wrong {}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Refusal {
        Refusal::new(wrong.code, wrong.to_string())
    }
}

impl de::Error for Wrong {
    /// `rest` continues the sentence after the field's name: " must not be empty".
    fn custom<T: fmt::Display>(rest: T) -> Wrong {
        Wrong::new(ErrorCode::InvalidMessage, rest.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Wrong {
        let kind = match found {
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            Unexpected::Str(_) | Unexpected::Char(_) => "a string",
            Unexpected::Unit | Unexpected::Option => "null",
            Unexpected::Seq => "an array",
            Unexpected::Map => "an object",
            _other => "something else",
        };
        Wrong::kind(kind, expected)
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Wrong {
        Wrong::custom(format_args!(" must be {expected}"))
    }

    /// For texts with too many characters.
    fn invalid_length(count: usize, expected: &dyn Expected) -> Wrong {
        Wrong::new(ErrorCode::MessageTooLong, format!(" has {count} characters; {expected}"))
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Wrong {
        Wrong::custom(format_args!(" must be {}", OneOf(known)))
    }

    fn missing_field(field: &'static str) -> Wrong {
        Wrong::custom(" is missing").at(field)
    }
}

/// The allowed words, for a sentence.
struct OneOf(&'static [&'static str]);

impl fmt::Display for OneOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.0.iter().enumerate() {
            let separator = match index {
                0 => "",
                last if last + 1 == self.0.len() => " or ",
                _between => ", ",
            };
            write!(f, "{separator}\"{word}\"")?;
        }
        Ok(())
    }
}

impl Expected for OneOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The refusal of a message that can be parsed but is invalid.
pub fn invalid(sentence: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::InvalidMessage, sentence)
}

/// The refusal of a field that has the wrong type or is missing; `found` says which.
pub fn expected(field: &str, found: &str, expected: &str) -> Refusal {
    Wrong::kind(found, &expected).at(field).into()
}

fn unknown_kind(kind: &str, section: &str) -> Refusal {
    let shown: String = kind.chars().filter(|c| !c.is_control()).take(ECHOED_TYPE_CHARS).collect();
    let sentence = format!(
        "There is no message of type \"{shown}\" here; see \"{section}\" in the protocol reference for the existing types"
    );
    Refusal::new(ErrorCode::UnknownMessageType, sentence)
}

fn not_json(why: impl fmt::Display) -> Refusal {
    Wrong::new(ErrorCode::InvalidJson, why.to_string()).into()
}

// ---- a field's value ----

/// The value of a field; `None` if the field is absent.
#[derive(Clone, Copy)]
pub(super) struct Value<'de>(Option<&'de RawValue>);

impl<'de> Value<'de> {
    /// Whether it is absent or null.
    fn is_null(self) -> bool {
        self.0.is_none_or(|value| value.get() == "null")
    }

    /// The JSON text.
    fn json(self, expected: &dyn Expected) -> Result<&'de str, Wrong> {
        self.0.map(RawValue::get).ok_or_else(|| Wrong::missing(expected))
    }
}

impl<'de> IntoDeserializer<'de, Wrong> for Value<'de> {
    type Deserializer = Value<'de>;

    fn into_deserializer(self) -> Value<'de> {
        self
    }
}

fn unreadable(error: serde_json::Error) -> Wrong {
    Wrong::new(ErrorCode::InvalidJson, error.to_string())
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let json = self.json(&visitor)?;
        match json.as_bytes().first() {
            Some(b'"') => match serde_json::from_str(json).map_err(unreadable)? {
                Text(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
                Text(Cow::Owned(text)) => visitor.visit_string(text),
            },
            Some(b'{') => {
                let Message { fields } = serde_json::from_str(json).map_err(unreadable)?;
                let fields = fields.into_iter().map(|(name, value)| (name, Value(Some(value))));
                visitor.visit_map(MapDeserializer::new(fields))
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(json).map_err(unreadable)?;
                visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(|item| Value(Some(item)))))
            }
            Some(b't') => visitor.visit_bool(true),
            Some(b'f') => visitor.visit_bool(false),
            Some(b'n') => visitor.visit_unit(),
            Some(_) | None => number(json, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.json(&"true or false")? {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _other => self.deserialize_any(NothingBut("true or false")).map(|never| match never {}),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        match (name, self.0) {
            (JSON_TEXT, _) => {
                let json = self.json(&visitor)?;
                visitor.visit_borrowed_str(json)
            }
            (UNLESS_ABSENT, None) => visitor.visit_none(),
            (UNLESS_ABSENT, Some(_)) => visitor.visit_some(self),
            _plain => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let json = self.json(&"an object")?;
        if !json.starts_with('{') {
            return self.deserialize_any(NothingBut("an object")).map(|never| match never {});
        }
        let message = serde_json::from_str(json).map_err(unreadable)?;
        visitor.visit_map(Fields { message: &message, names: names.iter(), name: "" })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let json = self.json(&OneOf(words))?;
        if !json.starts_with('"') {
            return self.deserialize_any(NothingBut(OneOf(words))).map(|never| match never {});
        }
        let Text(word) = serde_json::from_str(json).map_err(unreadable)?;
        visitor.visit_enum(CowStrDeserializer::new(word))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

fn number<'de, V: Visitor<'de>>(json: &str, visitor: V) -> Result<V::Value, Wrong> {
    if let Ok(number) = json.parse() {
        return visitor.visit_u64(number);
    }
    if let Ok(number) = json.parse() {
        return visitor.visit_i64(number);
    }
    match serde_json::from_str(json) {
        Ok(number) => visitor.visit_f64(number),
        Err(_) => Err(Wrong::kind("out of range", &visitor)),
    }
}

/// A visitor that accepts nothing; used to describe in an error what was found instead.
struct NothingBut<T>(T);

/// A type without values.
enum Never {}

impl<'de, T: fmt::Display> Visitor<'de> for NothingBut<T> {
    type Value = Never;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// ---- the fields of a message ----

/// Provides the fields in the order of the type, including absent ones, so that the type can report what is missing.
struct Fields<'m, 'de> {
    message: &'m Message<'de>,
    names: std::slice::Iter<'static, &'static str>,
    name: &'static str,
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some(name) = self.names.next() else { return Ok(None) };
        self.name = name;
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (name, value) = self.message.find_any(self.name)?;
        seed.deserialize(value).map_err(|wrong| wrong.at(name))
    }
}

/// A complete message, as a struct.
struct Body<'m, 'de>(&'m Message<'de>);

impl<'de> Deserializer<'de> for Body<'_, 'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        Err(Wrong::kind("an object", &visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_map(Fields { message: self.0, names: names.iter(), name: "" })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// A complete message, as a variant of an enum.
struct Variant<'m, 'de> {
    kind: Cow<'de, str>,
    message: &'m Message<'de>,
    asked: &'m mut &'static str,
}

impl<'de> Deserializer<'de> for Variant<'_, 'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        Err(Wrong::kind("an object", &visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        *self.asked = known.iter().find(|name| **name == self.kind).copied().unwrap_or_default();
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'m, 'de> EnumAccess<'de> for Variant<'m, 'de> {
    type Error = Wrong;
    type Variant = Body<'m, 'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Body<'m, 'de>), Wrong> {
        match seed.deserialize(CowStrDeserializer::new(self.kind)) {
            Ok(variant) => Ok((variant, Body(self.message))),
            Err(wrong) => Err(Wrong { code: ErrorCode::UnknownMessageType, ..wrong }),
        }
    }
}

impl<'de> VariantAccess<'de> for Body<'_, 'de> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Wrong> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, names: &'static [&'static str], visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_struct("", names, visitor)
    }
}

// ---- depth ----

/// Whether brackets outside of strings nest deeper than `depth_max`. Accepts any text, well-formed or not, and does not
/// recurse.
fn nests_deeper_than(text: &str, depth_max: usize) -> bool {
    let brackets = text.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count();
    if brackets <= depth_max {
        return false; // the usual case, which the compiler vectorises
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > depth_max {
                    return true;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
