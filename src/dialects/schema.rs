//! JSON Schemas: those of common ids, and the extraction of single messages from the schema of a dialect's enum of
//! messages. Reading or writing a message must never depend on this module.

use schemars::{JsonSchema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::{Map, Value, json};

use crate::{
    core::{emoji::Emoji, notification::Priority, presence::Status, sheet::CellRef},
    dialects::{input::Reference, request::CLIENT_MESSAGE_ID},
    ids::{
        CallId, ClientMessageId, DocumentId, Epoch, EventId, FileId, NotificationId, RoomId, RoomName, Seq, SheetId,
        UserId,
    },
    limits,
};

/// Implements the schema of a type, always inlined where the type is used.
macro_rules! schema {
    ([$($generics:tt)*] $type:ty: $schema:tt) => {
        impl<$($generics)*> schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
    ($type:ty: $schema:tt) => {
        $crate::dialects::schema::schema!([] $type: $schema);
    };
}

pub(super) use schema;

const AN_ID: &str = "01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f";

schema!(UserId: {
    "type": "string", "minLength": 1, "maxLength": limits::USER_ID_CHARS_MAX,
    "examples": ["01932c07-209b-7000-8000-00000000a11c"],
});
schema!(RoomName: {
    "type": "string", "minLength": 1, "maxLength": limits::ROOM_NAME_CHARS_MAX, "examples": ["workspace_123"],
});
schema!(SheetId: {
    "type": "string", "minLength": 1, "maxLength": limits::SHEET_ID_CHARS_MAX, "examples": ["sheet_123"],
});
schema!(DocumentId: {
    "type": "string", "minLength": 1, "maxLength": limits::DOCUMENT_ID_CHARS_MAX, "examples": ["doc_123"],
});
schema!(ClientMessageId: {
    "type": "string", "minLength": 1, "maxLength": limits::CLIENT_MESSAGE_ID_CHARS_MAX, "examples": ["8f14e45f-1"],
    "description": "The sender's own id of the message; only the sender's sockets get it",
});
schema!(CallId: {
    "type": "string", "minLength": 1, "maxLength": limits::CALL_ID_CHARS_MAX, "examples": ["call_123"],
    "description": "Chosen by the caller; with the other user it names the call",
});
schema!(CellRef: {"type": "string", "pattern": "^[A-Za-z]{1,3}[0-9]{1,7}$", "examples": ["A1"]});
schema!(RoomId: {"type": "string", "format": "uuid", "examples": [AN_ID]});
schema!(EventId: {"type": "string", "format": "uuid", "examples": [AN_ID]});
schema!(FileId: {"type": "string", "format": "uuid", "examples": [AN_ID]});
schema!(NotificationId: {"type": "string", "format": "uuid", "examples": [AN_ID]});
schema!(Seq: {
    "type": "integer", "minimum": 0, "examples": [42],
    "description": "The sequence number of the event in its room; it grows by one per stored event",
});
schema!(Epoch: {
    "type": "integer", "examples": [1_761_566_400_250_i64],
    "description": "Identifies the sequence that a `seq` belongs to; changes if the sequence starts again; opaque",
});
schema!(Emoji: {"type": "string", "examples": ["👍"]});
schema!(Status: {"type": "string", "enum": ["online", "away", "busy"]});
schema!(Priority: {"type": "string", "enum": (Priority::ALL.map(Priority::name))});

// ---- messages ----

/// A message of a dialect.
pub struct Description {
    /// Its `type`.
    pub name: String,
    /// Who sends it.
    pub sender: Sender,
    /// Its purpose.
    pub summary: String,
    /// The endpoint on which it is used, if not on all of the dialect: the variant's `x-endpoint`.
    pub endpoint: Option<String>,
    /// Its JSON Schema.
    pub payload: Value,
}

/// Who sends a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Sender {
    /// A client; the server replies if there is a `ref`.
    Client,
    /// The server.
    Server,
}

/// The marker of client messages that create a stored event.
const STORED: &str = "x-stored";

/// What clients may send: the variants of `T`, distinguished by `tag`. Any of them may have a `ref`. Those that create a stored
/// event (`x-stored`) may have a `client_message_id`.
pub fn from_clients<T: JsonSchema>(tag: &str) -> Vec<Description> {
    let generator = SchemaSettings::draft07().for_deserialize().with(|settings| settings.inline_subschemas = true);
    let mut messages = described(generator.into_generator().into_root_schema_for::<T>().into(), tag, Sender::Client);
    let reference = optional::<Reference>("Returned unchanged in the reply or error");
    let client_message_id = optional::<ClientMessageId>(
        "Chosen by the client: the same message sent again with it is not stored twice, and is answered like the first one",
    );
    for message in &mut messages {
        let is_stored = message.payload.as_object_mut().is_some_and(|payload| payload.remove(STORED).is_some());
        if let Some(properties) = message.payload.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("ref".to_owned(), reference.clone());
            if is_stored {
                properties.insert(CLIENT_MESSAGE_ID.to_owned(), client_message_id.clone());
            }
        }
    }
    messages
}

/// The schema of a field that a client may leave out.
fn optional<T: JsonSchema>(description: &str) -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema: Value = settings.into_generator().into_root_schema_for::<Option<T>>().into();
    if let Some(fields) = schema.as_object_mut() {
        fields.retain(|name, _| !["$schema", "title"].contains(&name.as_str()));
        fields.insert("description".to_owned(), description.into());
    }
    schema
}

/// What the server sends: the variants of `T`, distinguished by `tag`.
pub fn from_server<T: JsonSchema>(tag: &str) -> Vec<Description> {
    let settings = SchemaSettings::draft07().for_serialize().with(|settings| settings.inline_subschemas = true);
    let settings = settings.with_transform(RecursiveTransform(|schema: &mut schemars::Schema| {
        absent_rather_than_null(schema.ensure_object());
    }));
    described(settings.into_generator().into_root_schema_for::<T>().into(), tag, Sender::Server)
}

/// The server omits optional fields and never writes them as null.
fn absent_rather_than_null(schema: &mut Map<String, Value>) {
    let required = schema.get("required").cloned().unwrap_or_default();
    let is_required =
        |name: &str| required.as_array().is_some_and(|names| names.iter().any(|required| required == name));
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (_, property) in properties.iter_mut().filter(|(name, _)| !is_required(name)) {
        if let Some(kind) = property.get_mut("type")
            && let Some([other, null]) = kind.as_array().map(Vec::as_slice)
            && null == "null"
        {
            *kind = other.clone();
        }
        if let Some(choices) = property.get_mut("anyOf").and_then(Value::as_array_mut) {
            choices.retain(|choice| *choice != json!({"type": "null"}));
        }
    }
}

/// Splits the schema of an enum into those of its variants.
fn described(mut schema: Value, tag: &str, sender: Sender) -> Vec<Description> {
    let variants = schema.get_mut("oneOf").map(Value::take);
    let Some(Value::Array(variants)) = variants else { return Vec::new() };
    let described = |mut payload: Value| {
        one_line(&mut payload);
        let name = payload.pointer(&format!("/properties/{tag}/const")).and_then(Value::as_str)?.to_owned();
        let mut take = |field: &str| payload.as_object_mut()?.remove(field)?.as_str().map(str::to_owned);
        let (summary, endpoint) = (take("description").unwrap_or_default(), take("x-endpoint"));
        Some(Description { name, sender, summary, endpoint, payload })
    };
    variants.into_iter().filter_map(described).collect()
}

/// Joins lines: descriptions come from doc comments, which are wrapped.
fn one_line(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "description" => *text = text.replace('\n', " "),
                    other => one_line(other),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(one_line),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
