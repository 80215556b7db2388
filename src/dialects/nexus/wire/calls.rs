//! Calls between two users, and the WebRTC signals by which their clients set them up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    core::call::CallEnd,
    dialects::{
        common::User,
        input::{Id, Json},
        output::Relayed,
        schema::schema,
    },
    ids::{CallId, UserId},
};

// ---- from clients ----

#[derive(Deserialize, JsonSchema)]
pub struct SignalInCall<'a> {
    /// The other user.
    pub target_user_id: Id<UserId>,
    pub call_id: Id<CallId>,
    /// Any JSON, delivered unchanged.
    #[serde(borrow)]
    #[schemars(example = serde_json::json!({}))]
    pub data: Json<'a>,
}

#[derive(Deserialize, JsonSchema)]
pub struct HangUp<'a> {
    /// The other user.
    pub target_user_id: Id<UserId>,
    pub call_id: Id<CallId>,
    /// Any JSON, delivered unchanged.
    #[serde(borrow)]
    #[schemars(example = serde_json::json!({"text": "Call you back in a minute"}))]
    pub data: Option<Json<'a>>,
}

// ---- from the server ----

/// A call, as its client knows it.
#[derive(Serialize, JsonSchema)]
pub struct CallWith<'a> {
    pub call_id: &'a CallId,
    /// The user at the other end.
    #[serde(flatten)]
    pub user: User<'a>,
}

#[derive(Serialize, JsonSchema)]
pub struct CallSignal<'a> {
    #[serde(flatten)]
    pub of: CallWith<'a>,
    /// The data as it was sent.
    #[schemars(example = serde_json::json!({}))]
    pub data: Relayed<'a>,
}

#[derive(Serialize, JsonSchema)]
pub struct CallEnded<'a> {
    #[serde(flatten)]
    pub of: CallWith<'a>,
    pub reason: Reason,
    /// What the other side has sent when it hung up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = serde_json::json!({"text": "Call you back in a minute"}))]
    pub data: Option<Relayed<'a>>,
}

/// Why a call has ended.
#[derive(Clone, Copy)]
pub struct Reason(pub CallEnd);

schema!(Reason: {
    "type": "string", "enum": (CallEnd::ALL.map(CallEnd::name)), "description": "Why the call has ended",
});

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}
