//! The values of fields that the server sends: serialization and JSON Schema of each. They must never depend on a
//! message. Values are borrowed from the event and written directly into the frame.

use std::{borrow::Cow, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::value::RawValue;

use super::schema::schema;
use crate::{
    core::{
        command::{RawJson, Tag},
        cursor::Coordinate,
    },
    dialects::Encoded,
    error::ErrorCode,
    ids::Timestamp,
    limits,
};

/// Appends a message to the frame.
pub fn encode(message: &impl Serialize, out: &mut Vec<u8>) -> Encoded {
    let before = out.len();
    match serde_json::to_writer(&mut *out, message) {
        Ok(()) => Encoded::Text,
        // Fails only for raw JSON that is malformed, which no dialect accepts.
        Err(_) => {
            out.truncate(before);
            Encoded::Nothing
        }
    }
}

/// Appends items to a non-empty list, each preceded by a comma.
pub fn append_items<T: Serialize>(items: impl Iterator<Item = T>, out: &mut Vec<u8>) {
    for item in items {
        let before = out.len();
        out.push(b',');
        if encode(&item, out) == Encoded::Nothing {
            out.truncate(before);
        }
    }
}

/// Appends a message whose list `name` is empty. Returns the offset at which items have to be inserted. No text before
/// the list can be mistaken for it, because quotes in texts are escaped.
pub fn encode_without_items(message: &impl Serialize, name: &str, out: &mut Vec<u8>) -> Option<usize> {
    let start = out.len();
    if encode(message, out) == Encoded::Nothing {
        return None;
    }
    let list = format!("\"{name}\":[");
    let place = out.get(start..)?.windows(list.len()).position(|bytes| bytes == list.as_bytes())?;
    Some(place + list.len())
}

/// Relayed JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Relayed<'a>(pub &'a RawJson);

schema!(['a] Relayed<'a>: {});

impl Serialize for Relayed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        written(self.0.as_str(), serializer)
    }
}

/// Relayed JSON that is an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct RelayedObject<'a>(pub Relayed<'a>);

schema!(['a] RelayedObject<'a>: {"type": "object"});

/// Relayed JSON that is neither an array nor an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct RelayedScalar<'a>(Relayed<'a>);

schema!(['a] RelayedScalar<'a>: {
    "type": ["string", "number", "boolean", "null"], "maxLength": limits::CELL_TEXT_CHARS_MAX,
    "examples": ["Hello World"],
});

impl<'a> From<&'a RawJson> for RelayedScalar<'a> {
    fn from(value: &'a RawJson) -> RelayedScalar<'a> {
        RelayedScalar(Relayed(value))
    }
}

fn written<S: Serializer>(json: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::from_str::<&RawValue>(json).map_err(S::Error::custom)?.serialize(serializer)
}

/// The `ref` of a request, returned to the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Echo<'a>(pub Relayed<'a>);

schema!(['a] Echo<'a>: {
    "type": ["string", "number"], "description": "The `ref` of the message that this answers", "examples": ["m-1"],
});

impl<'a> Echo<'a> {
    /// The `ref` of the request, if it has one.
    pub fn of(tag: &'a Tag) -> Option<Echo<'a>> {
        tag.reference.as_ref().map(|reference| Echo(Relayed(reference)))
    }
}

/// A time in RFC 3339 format with milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment(pub Timestamp);

schema!(Moment: {"type": "string", "format": "date-time", "examples": ["2025-10-27T12:00:00.250Z"]});

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.rfc3339().as_str())
    }
}

/// An error code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Code(pub ErrorCode);

schema!(Code: {"type": "string", "enum": (ErrorCode::ALL.map(ErrorCode::name))});

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

/// A coordinate. Whole numbers are written without a decimal point, as clients send them.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Number(pub Coordinate);

schema!(Number: {"type": "number", "examples": [150]});

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = self.0.get();
        // whole numbers up to this limit are exact in both forms
        if number.fract() == 0.0 && number.abs() <= limits::COUNT_MAX as f64 {
            serializer.serialize_i64(number as i64)
        } else {
            serializer.serialize_f64(number)
        }
    }
}

/// Values that are converted into wire types one by one during serialization.
#[derive(Clone, Copy, Debug)]
pub struct Each<'a, T, W>(&'a [T], PhantomData<fn(&'a T) -> W>);

impl<'a, T, W: From<&'a T>> From<&'a [T]> for Each<'a, T, W> {
    fn from(values: &'a [T]) -> Each<'a, T, W> {
        Each(values, PhantomData)
    }
}

impl<'a, T, W: From<&'a T> + Serialize> Serialize for Each<'a, T, W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(W::from))
    }
}

impl<T, W: JsonSchema> JsonSchema for Each<'_, T, W> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        W::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<W>::json_schema(generator)
    }
}
