//! Deserialization of durable events by their kind. The serde form is a single flat map with the field `kind`, as
//! before events were divided into capabilities, so rows written then can still be read. `kind` is written first, which
//! allows reading without buffering. Reading must never depend on the order of the fields: JSONB and other releases may
//! change it.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, Error, MapAccess, Visitor,
        value::{CowStrDeserializer, MapAccessDeserializer},
    },
};

use super::{CanvasDurable, ChatDurable, DocumentDurable, Durable, SheetDurable, SpaceDurable};

/// The field with the kind.
const TAG: &str = "kind";

impl<'de> Deserialize<'de> for Durable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Durable, D::Error> {
        deserializer.deserialize_map(ByKind)
    }
}

struct ByKind;

/// For maps in which another field comes first. Serde buffers the fields, so this is slower.
#[derive(Deserialize)]
#[serde(untagged)]
enum InAnyOrder {
    Chat(ChatDurable),
    Sheet(SheetDurable),
    Canvas(CanvasDurable),
    Document(DocumentDurable),
    Space(SpaceDurable),
}

/// Borrowed if the input allows it.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for ByKind {
    type Value = Durable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event with the field `kind`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Durable, A::Error> {
        match fields.next_key()? {
            Some(Text(first)) if first == TAG => {}
            Some(Text(first)) => {
                let whole = MapAccessDeserializer::new(Whole { key: Some(first), value: None, rest: fields });
                return Ok(match InAnyOrder::deserialize(whole)? {
                    InAnyOrder::Chat(event) => Durable::Chat(event),
                    InAnyOrder::Sheet(event) => Durable::Sheet(event),
                    InAnyOrder::Canvas(event) => Durable::Canvas(event),
                    InAnyOrder::Document(event) => Durable::Document(event),
                    InAnyOrder::Space(event) => Durable::Space(event),
                });
            }
            None => return Err(A::Error::missing_field(TAG)),
        }
        let Text(kind) = fields.next_value()?;
        let whole = |kind, rest| MapAccessDeserializer::new(Whole { key: Some(TAG.into()), value: Some(kind), rest });
        if ChatDurable::KINDS.contains(&&*kind) {
            return ChatDurable::deserialize(whole(kind, fields)).map(Durable::Chat);
        }
        if SheetDurable::KINDS.contains(&&*kind) {
            return SheetDurable::deserialize(whole(kind, fields)).map(Durable::Sheet);
        }
        if CanvasDurable::KINDS.contains(&&*kind) {
            return CanvasDurable::deserialize(whole(kind, fields)).map(Durable::Canvas);
        }
        if DocumentDurable::KINDS.contains(&&*kind) {
            return DocumentDurable::deserialize(whole(kind, fields)).map(Durable::Document);
        }
        if SpaceDurable::KINDS.contains(&&*kind) {
            return SpaceDurable::deserialize(whole(kind, fields)).map(Durable::Space);
        }
        Err(A::Error::custom(format_args!("there is no kind of event `{kind}`")))
    }
}

/// A map whose first key, and possibly its value, has been read already; presents the complete map.
struct Whole<'de, A> {
    key: Option<Cow<'de, str>>,
    value: Option<Cow<'de, str>>,
    rest: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Whole<'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match self.key.take() {
            Some(key) => seed.deserialize(CowStrDeserializer::new(key)).map(Some),
            None => self.rest.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(CowStrDeserializer::new(value)),
            None => self.rest.next_value_seed(seed),
        }
    }
}

#[cfg(test)]
#[path = "kinds_tests.rs"]
mod tests;
