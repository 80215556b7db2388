//! Messages about the connection itself.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    core::command::Tag,
    dialects::output::{Code, Echo, Moment, RelayedObject},
    error::Refusal,
    ids::UserId,
};

#[derive(Serialize, JsonSchema)]
pub struct SystemMessage<'a> {
    /// Only in the first frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Connected")]
    pub message: Option<&'a str>,
    /// Only in the first frame: the name of this connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"ws_alice_1761566400_7f3a")]
    pub connection_id: Option<&'a str>,
    /// Only in the first frame: the user of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<&'a UserId>,
    /// Only in the first frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_time: Option<Moment>,
    /// An administrator's message, as it was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<RelayedObject<'a>>,
}

#[derive(Serialize, JsonSchema)]
pub struct Pong<'a> {
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Echo<'a>>,
}

#[derive(Serialize, JsonSchema)]
pub struct Refused<'a> {
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Echo<'a>>,
    /// One sentence for people.
    #[schemars(example = &"`content` must not be empty")]
    pub error: &'a str,
    /// For programs; it does not change.
    pub code: Code,
    /// Seconds until a retry can succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl<'a> Refused<'a> {
    pub fn new(tag: &'a Tag, refusal: &'a Refusal) -> Refused<'a> {
        Refused {
            reference: Echo::of(tag),
            error: &refusal.sentence,
            code: Code(refusal.code),
            retry_after: refusal.retry_after_seconds,
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Restarting {
    /// Milliseconds to wait before reconnecting.
    #[schemars(example = 2_350)]
    pub reconnect_in_ms: u64,
}
