//! The keyed state of a space.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Done, Stored, spaces::SpaceName};
use crate::{
    core::space::{StateCause, StateChange, StateEntry},
    dialects::{
        input::{Count, Finite, Id, Json, Name},
        output::{Moment, Relayed},
    },
    ids::{ClientMessageId, RoomId, Seq, Timestamp, UserId},
    limits,
};

// ---- from clients ----

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetState<'a> {
    #[schemars(example = &"01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f")]
    pub space_id: SpaceName,
    /// The client's name for the entry.
    #[schemars(example = &"door")]
    pub key: Name<{ limits::STATE_KEY_CHARS_MAX }>,
    /// Any JSON, delivered unchanged; `null` deletes the entry.
    #[serde(borrow)]
    #[schemars(example = serde_json::json!({"open": true}))]
    pub value: Json<'a>,
    /// Changes nothing unless the entry has this `seq`; 0: unless there is no entry.
    #[schemars(example = 44)]
    pub if_seq: Option<Count>,
    /// Seconds after which the entry is deleted.
    #[schemars(example = 30)]
    pub ttl: Option<Finite>,
    /// True: the entry is deleted when this socket leaves the space.
    pub ends_with_socket: Option<bool>,
    pub client_message_id: Option<Id<ClientMessageId>>,
}

// ---- from the server ----

/// An entry of the state.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry<'a> {
    #[schemars(example = &"door")]
    pub key: &'a str,
    /// As it was sent.
    #[schemars(example = serde_json::json!({"open": true}))]
    pub value: Relayed<'a>,
    /// That of the change that has set it.
    pub seq: Seq,
    /// The user who has set it.
    pub user_id: &'a UserId,
    /// When it is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Moment>,
    /// True if it is deleted when the socket that has set it leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_with_socket: Option<bool>,
}

impl<'a> From<&'a StateEntry> for Entry<'a> {
    fn from(entry: &'a StateEntry) -> Entry<'a> {
        Entry {
            key: &entry.key,
            value: Relayed(&entry.value),
            seq: entry.seq,
            user_id: &entry.by.id,
            expires_at: entry.expires_at.map(Moment),
            ends_with_socket: entry.holder.is_some().then_some(true),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StateChanged<'a> {
    pub space_id: RoomId,
    #[schemars(example = &"door")]
    pub key: &'a str,
    /// As it was sent; `null` if the entry does not exist any more.
    #[schemars(example = serde_json::json!({"open": true}))]
    pub value: Option<Relayed<'a>>,
    /// The user who has done it, or who had set the entry that has ended.
    pub user_id: &'a UserId,
    pub created_at: Moment,
    pub seq: Seq,
    /// Why the entry has ended, if no user has deleted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<EndReason>,
    /// When it is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Moment>,
    /// True if it is deleted when the socket that has set it leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_with_socket: Option<bool>,
    /// To the user who has done it: the id that the client gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<&'a ClientMessageId>,
}

/// Why an entry has ended.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Its time has passed.
    Expired,
    /// The socket that had set it has left.
    Left,
}

impl<'a> StateChanged<'a> {
    pub fn new(
        space_id: RoomId,
        seq: Seq,
        at: Timestamp,
        change: &'a StateChange,
        client_message_id: Option<&'a ClientMessageId>,
    ) -> StateChanged<'a> {
        StateChanged {
            space_id,
            key: &change.key,
            value: change.value.as_ref().map(Relayed),
            user_id: &change.by.id,
            created_at: Moment(at),
            seq,
            reason: match change.cause {
                StateCause::Set => None,
                StateCause::Expired => Some(EndReason::Expired),
                StateCause::SocketLeft => Some(EndReason::Left),
            },
            expires_at: change.expires_at.map(Moment),
            ends_with_socket: change.holder.is_some().then_some(true),
            client_message_id,
        }
    }
}

/// The answer to a change.
#[derive(Serialize, JsonSchema)]
pub struct StateStored<'a> {
    #[serde(flatten)]
    pub done: Done<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Stored>,
}
