//! WebRTC signals, by which two browsers set up a call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    dialects::{
        input::{Id, Json},
        output::Relayed,
    },
    ids::UserId,
};

/// A signal for one user.
#[derive(Deserialize, JsonSchema)]
pub struct SignalFor<'a> {
    /// The receiver; in a direct conversation always the partner.
    pub target_user_id: Option<Id<UserId>>,
    /// Any JSON, delivered unchanged.
    #[serde(borrow)]
    #[schemars(example = serde_json::json!({}))]
    pub data: Json<'a>,
}

/// A signal of another user.
#[derive(Serialize, JsonSchema)]
pub struct Signal<'a> {
    pub from_user_id: &'a UserId,
    #[schemars(example = &"alice")]
    pub from_username: &'a str,
    /// As it was sent.
    #[schemars(example = serde_json::json!({}))]
    pub data: Relayed<'a>,
}
