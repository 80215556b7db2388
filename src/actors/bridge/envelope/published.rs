//! An event as rooms publish it to other nodes: without the encoded forms, which each node makes for its own sockets.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    actors::fanout::Broadcast,
    core::event::{Audience, Event},
};

#[derive(Serialize)]
struct Written<'a> {
    what: &'a Event,
    #[serde(skip_serializing_if = "Audience::is_everyone")]
    to: &'a Audience,
}

/// An audience of a newer release makes the event unreadable; it is never sent to everyone instead.
#[derive(Deserialize)]
struct Read {
    what: Event,
    #[serde(default)]
    to: Audience,
}

pub(in crate::actors::bridge) fn serialize<S: Serializer>(it: &Arc<Broadcast>, to: S) -> Result<S::Ok, S::Error> {
    Written { what: &it.event, to: &it.audience }.serialize(to)
}

pub(in crate::actors::bridge) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Broadcast>, D::Error> {
    Read::deserialize(from).map(|Read { what, to }| Broadcast::new(what, to))
}
