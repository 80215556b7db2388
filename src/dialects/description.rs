//! How a dialect describes its messages for the AsyncAPI document: a name, a direction, and a JSON Schema put together
//! from the parts here. Bounds come from `limits`. It must never be needed to read or write a message.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use crate::{core::notification::Priority, error::ErrorCode, limits};

/// A message of a dialect.
pub struct Description {
    /// Its `type`.
    pub name: &'static str,
    /// Who sends it.
    pub sender: Sender,
    /// In a few words.
    pub summary: &'static str,
    /// Its JSON Schema.
    pub payload: Value,
}

impl Description {
    /// The same message, which has to fit this schema, too.
    pub fn and(mut self, schema: Value) -> Description {
        if let (Some(own), Value::Object(more)) = (self.payload.as_object_mut(), schema) {
            own.extend(more);
        }
        self
    }
}

/// Who sends a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Sender {
    /// A client; the server answers a `ref`.
    Client,
    /// The server.
    Server,
}

/// A field of an object.
pub struct Field {
    name: &'static str,
    schema: Value,
    presence: Presence,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Always,
    Sometimes,
}

/// A field that is always there.
pub fn always(name: &'static str, schema: Value) -> Field {
    Field { name, schema, presence: Presence::Always }
}

/// A field that may be absent.
pub fn sometimes(name: &'static str, schema: Value) -> Field {
    Field { name, schema, presence: Presence::Sometimes }
}

/// What a client may send under this `type`. Any such message may have a `ref`.
pub fn from_client(name: &'static str, summary: &'static str, fields: Vec<Field>) -> Description {
    let mut all = vec![always("type", word(name))];
    all.extend(fields.into_iter().map(|field| match field.presence {
        Presence::Always => field,
        Presence::Sometimes => Field { schema: or_null(field.schema), ..field },
    }));
    all.push(sometimes("ref", said("The answer, or the error, carries it unchanged", client_reference())));
    Description { name, sender: Sender::Client, summary, payload: object(all) }
}

/// What the server sends under this `type`.
pub fn from_server(name: &'static str, summary: &'static str, fields: Vec<Field>) -> Description {
    let mut all = vec![always("type", word(name))];
    all.extend(fields);
    Description { name, sender: Sender::Server, summary, payload: object(all) }
}

// ---- schemas ----

/// An object of these fields. There may be others, which are to be ignored.
pub fn object(fields: Vec<Field>) -> Value {
    let required: Vec<_> = fields.iter().filter(|field| field.presence == Presence::Always).map(|f| f.name).collect();
    let properties: Map<_, _> = fields.into_iter().map(|field| (field.name.to_owned(), field.schema)).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

/// The same schema with an explanation.
pub fn said(description: &str, mut schema: Value) -> Value {
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("description".to_owned(), description.into());
    }
    schema
}

/// The same schema with an example.
pub fn such_as(example: impl Into<Value>, mut schema: Value) -> Value {
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("examples".to_owned(), Value::Array(vec![example.into()]));
    }
    schema
}

/// The same schema, where null may stand instead.
pub fn or_null(mut schema: Value) -> Value {
    if let Some(kind @ Value::String(_)) = schema.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
    }
    schema
}

/// The same schema of an object, where the first of these fields is there, or the other with a text.
pub fn with_either([value, text]: [&str; 2], mut schema: Value) -> Value {
    let choices = json!([
        {"required": [value]},
        {"required": [text], "properties": {text: {"type": "string"}}},
    ]);
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("anyOf".to_owned(), choices);
    }
    schema
}

/// Always this word.
pub fn word(word: &str) -> Value {
    json!({"type": "string", "const": word})
}

/// One of these words.
pub fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// Text of so many characters.
pub fn text(chars: RangeInclusive<usize>) -> Value {
    json!({"type": "string", "minLength": chars.start(), "maxLength": chars.end()})
}

/// Text of whatever length.
pub fn any_text() -> Value {
    json!({"type": "string"})
}

/// A whole number, not negative.
pub fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// The same, up to that.
pub fn count_to(most: i64) -> Value {
    json!({"type": "integer", "minimum": 0, "maximum": most})
}

/// A number.
pub fn number() -> Value {
    json!({"type": "number"})
}

/// True or false.
pub fn boolean() -> Value {
    json!({"type": "boolean"})
}

/// Any JSON.
pub fn anything() -> Value {
    json!({})
}

/// Any JSON object.
pub fn any_object() -> Value {
    json!({"type": "object"})
}

/// A text of at most so many characters, a number, true, false or null.
pub fn scalar(chars_max: usize) -> Value {
    json!({"type": ["string", "number", "boolean", "null"], "maxLength": chars_max})
}

/// What fits one of these, or several.
pub fn any_of(choices: Vec<Value>) -> Value {
    json!({"anyOf": choices})
}

/// A list.
pub fn list(items: Value, most: Option<usize>) -> Value {
    let mut schema = json!({"type": "array", "items": items});
    if let (Some(most), Some(fields)) = (most, schema.as_object_mut()) {
        fields.insert("maxItems".to_owned(), most.into());
    }
    schema
}

/// A moment.
pub fn timestamp() -> Value {
    such_as("2025-10-27T12:00:00.250Z", json!({"type": "string", "format": "date-time"}))
}

/// The id of what has one that the server makes.
pub fn uuid() -> Value {
    such_as("01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f", json!({"type": "string", "format": "uuid"}))
}

/// A user's id.
pub fn user_id() -> Value {
    such_as("01932c07-209b-7000-8000-00000000a11c", text(1..=limits::USER_ID_CHARS_MAX))
}

/// A user's name.
pub fn username() -> Value {
    such_as("alice", any_text())
}

/// A place in a room's order of stored events.
pub fn seq() -> Value {
    said("The place in the room's order; it grows by one", such_as(42, count()))
}

/// Which sequence a `seq` belongs to.
pub fn epoch() -> Value {
    said("Changes when the sequence starts anew; opaque", such_as(1_761_566_400_250_i64, json!({"type": "integer"})))
}

/// The name of a connection.
pub fn connection_id() -> Value {
    said("The name of this connection", such_as("ws_alice_1761566400_7f3a", any_text()))
}

/// What a client may give as `ref`: the bound is in bytes as written, quotes included.
fn client_reference() -> Value {
    json!({"type": ["string", "number", "null"], "maxLength": limits::REF_BYTES_MAX - 2, "examples": ["m-1"]})
}

/// A `ref` as it is echoed.
pub fn reference() -> Value {
    said("As in the message that this answers", such_as("m-1", json!({"type": ["string", "number"]})))
}

// ---- what dialects have in common ----

/// Of both directions, in every dialect that tells messages apart by `type`.
pub fn common() -> Vec<Description> {
    vec![
        from_client("ping", "Ask whether the server lives", vec![]),
        from_client(
            "auth_refresh",
            "Give a fresh token of the same user before the old one ends",
            vec![always("token", such_as("eyJhbGciOi…", any_text()))],
        ),
        from_server(
            "pong",
            "The answer to a ping",
            vec![sometimes("ref", reference()), always("timestamp", timestamp())],
        ),
        from_server(
            "ack",
            "What was asked for is stored, or done",
            vec![
                sometimes("ref", reference()),
                sometimes("id", said("Of what was stored", uuid())),
                sometimes("seq", seq()),
                sometimes("expires_at", said("When the fresh token ends", timestamp())),
            ],
        ),
        from_server(
            "server_restarting",
            "Come back after this delay, and resume",
            vec![always("reconnect_in_ms", such_as(2_350, count())), always("timestamp", timestamp())],
        ),
        from_server(
            "broadcast",
            "An administrator's words for a room",
            vec![
                always("room_id", such_as("01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f", any_text())),
                always("data", written()),
                always("timestamp", timestamp()),
            ],
        ),
        from_server(
            "recovered",
            "All that was missed has been sent",
            vec![
                always("room_id", such_as("01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f", any_text())),
                always("seq", seq()),
                always("complete", said("False where the gap is too old: read it over REST", boolean())),
            ],
        ),
    ]
}

/// What one user is told beside the rooms.
pub fn notice(summary: &'static str, data: Value) -> Description {
    from_server("notification", summary, vec![always("data", data), always("timestamp", timestamp())])
}

/// An object as an administrator wrote it.
pub fn written() -> Value {
    said("As the administrator wrote it", any_object())
}

/// How much a notification matters.
pub fn priority() -> Value {
    one_of(&Priority::ALL.map(Priority::name))
}

/// A stored notification, whole.
pub fn notification() -> Value {
    object(vec![
        always("id", uuid()),
        always("title", such_as("New Comment", any_text())),
        always("message", such_as("John commented on your sheet", any_text())),
        always("category", such_as("workspace", any_text())),
        always("priority", priority()),
        sometimes("module_name", such_as("tables", any_text())),
        sometimes("data", said("Whatever else its sender gave", any_object())),
        always("created_at", timestamp()),
    ])
}

/// An error, with what a dialect adds to it.
pub fn error(more: Vec<Field>) -> Description {
    let mut fields = vec![
        sometimes("ref", reference()),
        always("error", said("One sentence for people", such_as("`content` must not be empty", any_text()))),
        always("code", said("For programs; it does not change", one_of(&ErrorCode::ALL.map(ErrorCode::name)))),
        sometimes("retry_after", said("Seconds until it is worth trying again", count())),
        always("timestamp", timestamp()),
    ];
    fields.extend(more);
    from_server("error", "A message was refused; it had no effect", fields)
}
