//! Reads one message between nodes: an object with a key that names the kind. The variants of `RoomMessage` and
//! `NodeMessage` are the table of kinds. Serde's own enums do not suffice: they report an unknown kind like a known one
//! with an unreadable value, and accept no further key. This must never fail because of an unknown key.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, EnumAccess, Error, IgnoredAny, MapAccess, VariantAccess, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};

use super::{EnvelopeItem, NodeMessage, RoomMessage};

/// The message in an item; `None` for an object without a known key.
pub(super) struct Item(pub Option<EnvelopeItem>);

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Item, D::Error> {
        deserializer.deserialize_map(OneOfTheKeys)
    }
}

struct OneOfTheKeys;

/// Borrowed where the input allows it.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for OneOfTheKeys {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the kind of a message as its key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut keys: A) -> Result<Item, A::Error> {
        let mut item = None;
        while let Some(Text(kind)) = keys.next_key()? {
            match item {
                None => item = read(&kind, &mut keys)?,
                Some(_) => drop(keys.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Item(item))
    }
}

/// Reads the value behind a key.
fn read<'de, A: MapAccess<'de>>(kind: &str, keys: &mut A) -> Result<Option<EnvelopeItem>, A::Error> {
    if kind == "probe" {
        return keys.next_value().map(|number| Some(EnvelopeItem::Probe(number)));
    }
    if let Some(message) = read_as::<RoomMessage, A>(kind, keys)? {
        return Ok(Some(EnvelopeItem::Room(message)));
    }
    if let Some(message) = read_as::<NodeMessage, A>(kind, keys)? {
        return Ok(Some(EnvelopeItem::Node(message)));
    }
    keys.next_value::<IgnoredAny>()?;
    Ok(None)
}

/// `None` if the enum has no such variant; the value is not consumed in this case.
fn read_as<'de, T: Deserialize<'de>, A: MapAccess<'de>>(kind: &str, keys: &mut A) -> Result<Option<T>, A::Error> {
    let mut is_known = true;
    match T::deserialize(Tagged { kind, value: keys, is_known: &mut is_known }) {
        Ok(message) => Ok(Some(message)),
        Err(_) if !is_known => Ok(None),
        Err(error) => Err(error),
    }
}

/// The key and the value that stand for a variant of an enum.
struct Tagged<'a, A> {
    kind: &'a str,
    value: &'a mut A,
    is_known: &'a mut bool,
}

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Tagged<'_, A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_enum(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        if variants.contains(&self.kind) {
            return visitor.visit_enum(self);
        }
        *self.is_known = false;
        Err(A::Error::unknown_variant(self.kind, variants))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de, A: MapAccess<'de>> EnumAccess<'de> for Tagged<'_, A> {
    type Error = A::Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), A::Error> {
        let variant = seed.deserialize(StrDeserializer::new(self.kind))?;
        Ok((variant, self))
    }
}

impl<'de, A: MapAccess<'de>> VariantAccess<'de> for Tagged<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.value.next_value()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.value.next_value_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.value.next_value_seed(Tuple { length, visitor })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.value.next_value_seed(Struct { fields, visitor })
    }
}

struct Tuple<V> {
    length: usize,
    visitor: V,
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Tuple<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_tuple(self.length, self.visitor)
    }
}

struct Struct<V> {
    fields: &'static [&'static str],
    visitor: V,
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Struct<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_struct("", self.fields, self.visitor)
    }
}
