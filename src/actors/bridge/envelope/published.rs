//! An event as rooms publish it to other nodes: without the encoded forms, which each node makes for its own sockets.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    actors::fanout::Broadcast,
    core::event::{Audience, Event},
    ids::ClientMessageId,
};

#[derive(Serialize)]
struct Written<'a> {
    what: &'a Event,
    #[serde(skip_serializing_if = "Audience::is_everyone")]
    to: &'a Audience,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_message_id: Option<&'a ClientMessageId>,
}

/// An audience of a newer release makes the event unreadable; it is never sent to everyone instead.
#[derive(Deserialize)]
struct Read {
    what: Event,
    #[serde(default)]
    to: Audience,
    #[serde(default)]
    client_message_id: Option<ClientMessageId>,
}

pub(in crate::actors::bridge) fn serialize<S: Serializer>(it: &Arc<Broadcast>, to: S) -> Result<S::Ok, S::Error> {
    let client_message_id = it.client_message_id.as_ref();
    Written { what: &it.event, to: &it.audience, client_message_id }.serialize(to)
}

pub(in crate::actors::bridge) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Broadcast>, D::Error> {
    let Read { what, to, client_message_id } = Read::deserialize(from)?;
    Ok(Broadcast::with_id(what, to, client_message_id))
}
