//! Who is on the canvas, who types, and who edits which tile.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CanvasNumber, Doer, UserNumber};
use crate::{
    core::{event, presence::Status},
    dialects::{
        common::Position,
        input::{Count, Json, Name, Prose, UnlessAbsent},
        output::{Each, Moment, Relayed},
    },
    ids::Seq,
    limits,
};

// ---- from clients ----

/// What a user is doing. The fields depend on `presence_type`.
#[derive(Deserialize, JsonSchema)]
pub struct UserPresence {
    pub presence_type: PresenceType,
    /// Of `typing`.
    pub is_typing: Option<bool>,
    /// Of `editing_tile`.
    #[schemars(example = 15)]
    pub tile_x: Option<Count>,
    /// Of `editing_tile`.
    #[schemars(example = 10)]
    pub tile_y: Option<Count>,
    /// Of `editing_tile`. To be repeated every few seconds; it ends after ten, and with the socket.
    pub is_editing: Option<bool>,
    /// Of `status`.
    pub status: Option<Status>,
    /// Of `status`: in the user's own words; null or empty: none.
    #[serde(default)]
    pub status_message: UnlessAbsent<Option<Prose<{ limits::STATUS_TEXT_CHARS_MAX }>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresenceType {
    Typing,
    EditingTile,
    Status,
}

/// Something that a user does, by the client's name for it.
#[derive(Deserialize, JsonSchema)]
pub struct Act<'a> {
    #[schemars(example = &"zoom")]
    pub activity_type: Name<{ limits::ACTIVITY_NAME_CHARS_MAX }>,
    /// Any JSON, delivered unchanged.
    #[serde(borrow)]
    #[schemars(example = serde_json::json!({"level": 3}))]
    pub data: Option<Json<'a>>,
}

// ---- from the server ----

/// A user has come or gone.
#[derive(Serialize, JsonSchema)]
pub struct ComeOrGone<'a> {
    pub user_id: UserNumber,
    #[schemars(example = &"stellarsarah")]
    pub username: &'a str,
    #[schemars(example = &"Sarah Johnson")]
    pub display_name: &'a str,
    /// The number of users on the canvas.
    #[schemars(example = 5)]
    pub active_users: usize,
    pub canvas_id: CanvasNumber,
}

#[derive(Serialize, JsonSchema)]
pub struct UserJoined<'a> {
    #[serde(flatten)]
    pub user: ComeOrGone<'a>,
    /// Only to the newcomer.
    #[serde(flatten)]
    pub position: Option<Position<'a>>,
    pub timestamp: Moment,
}

#[derive(Serialize, JsonSchema)]
pub struct UserLeft<'a> {
    #[serde(flatten)]
    pub user: ComeOrGone<'a>,
    pub timestamp: Moment,
}

#[derive(Serialize, JsonSchema)]
pub struct ActiveUsers<'a> {
    /// Each user once, including the client's own.
    #[schemars(length(max = limits::ONLINE_USERS_LISTED_MAX))]
    pub users: Each<'a, event::CanvasUser, ActiveUser<'a>>,
    pub total_users: usize,
    /// True if there are more users than listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
    pub canvas_id: CanvasNumber,
    pub timestamp: Moment,
}

#[derive(Serialize, JsonSchema)]
pub struct ActiveUser<'a> {
    pub user_id: UserNumber,
    #[schemars(example = &"stellarsarah")]
    pub username: &'a str,
    #[schemars(example = &"Sarah Johnson")]
    pub display_name: &'a str,
    /// False if the user is away.
    pub is_active: bool,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<&'a str>,
    /// The tile that the user edits, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 15)]
    pub tile_x: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 10)]
    pub tile_y: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_editing: Option<bool>,
}

impl<'a> From<&'a event::CanvasUser> for ActiveUser<'a> {
    fn from(shown: &'a event::CanvasUser) -> ActiveUser<'a> {
        let event::CanvasUser { user, status, editing } = shown;
        ActiveUser {
            user_id: user.into(),
            username: user.username(),
            display_name: user.display_name().unwrap_or(user.username()),
            is_active: status.status != Status::Away,
            status: status.status,
            status_message: status.details.message.as_deref(),
            tile_x: editing.map(|at| at.x),
            tile_y: editing.map(|at| at.y),
            is_editing: editing.map(|_| true),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct UserTyping<'a> {
    #[serde(flatten)]
    pub who: Doer<'a>,
    pub is_typing: bool,
}

/// A user edits a tile or has stopped, or has set a status.
#[derive(Serialize, JsonSchema)]
pub struct PresenceUpdate<'a> {
    #[serde(flatten)]
    pub who: Doer<'a>,
    pub canvas_id: CanvasNumber,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::STATUS_TEXT_CHARS_MAX), example = &"Back at three")]
    pub status_message: Option<&'a str>,
    /// Only of a tile that is edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 15)]
    pub tile_x: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 10)]
    pub tile_y: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_editing: Option<bool>,
    pub timestamp: Moment,
}

#[derive(Serialize, JsonSchema)]
pub struct UserActivity<'a> {
    #[serde(flatten)]
    pub who: Doer<'a>,
    pub canvas_id: CanvasNumber,
    #[schemars(example = &"zoom")]
    pub activity_type: &'a str,
    /// As it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = serde_json::json!({"level": 3}))]
    pub data: Option<Relayed<'a>>,
    pub timestamp: Moment,
    pub seq: Seq,
}
