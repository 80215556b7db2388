//! Reading a durable event by its kind. Its serde form is one flat map whose first field is `kind`, as it was before events
//! were divided into capabilities: rows that were written then are read as they are. It must never depend on the order of
//! the other fields.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor,
        value::{CowStrDeserializer, MapAccessDeserializer},
    },
};

use super::{ChatDurable, Durable, SheetDurable};

/// The field that names the kind.
const TAG: &str = "kind";

impl<'de> Deserialize<'de> for Durable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Durable, D::Error> {
        deserializer.deserialize_map(ByKind)
    }
}

struct ByKind;

/// Borrowed where the input allows it.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for ByKind {
    type Value = Durable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event whose first field is `kind`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Durable, A::Error> {
        match fields.next_key()? {
            Some(Text(first)) if first == TAG => {}
            Some(_) | None => return Err(A::Error::missing_field(TAG)),
        }
        let Text(kind) = fields.next_value()?;
        let whole = |kind, rest| MapAccessDeserializer::new(Whole { kind: Some(kind), next: Next::Tag, rest });
        if ChatDurable::KINDS.contains(&&*kind) {
            return ChatDurable::deserialize(whole(kind, fields)).map(Durable::Chat);
        }
        if SheetDurable::KINDS.contains(&&*kind) {
            return SheetDurable::deserialize(whole(kind, fields)).map(Durable::Sheet);
        }
        Err(A::Error::custom(format_args!("there is no kind of event `{kind}`")))
    }
}

/// A map whose first field was taken, given back whole.
struct Whole<'de, A> {
    kind: Option<Cow<'de, str>>,
    next: Next,
    rest: A,
}

/// Which key comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Tag,
    Rest,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Whole<'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match self.next {
            Next::Tag => {
                self.next = Next::Rest;
                seed.deserialize(TAG.into_deserializer()).map(Some)
            }
            Next::Rest => self.rest.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.kind.take() {
            Some(kind) => seed.deserialize(CowStrDeserializer::new(kind)),
            None => self.rest.next_value_seed(seed),
        }
    }
}

#[cfg(test)]
#[path = "kinds_tests.rs"]
mod tests;
