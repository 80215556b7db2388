//! The queries, one file per aggregate, compiled once for each database: `super` is `postgres` or `sqlite` and provides
//! the connection, the tables and `write_transaction!`. Rows with a unique key are read with `get_result`, because
//! `first` binds its limit, and SQLite plans a statement with a bound limit anew on every call.

pub mod about;
pub mod arrivals;
pub mod blocks;
pub mod canvases;
pub mod conversation_list;
pub mod conversations;
pub mod devices;
pub mod documents;
pub mod effects;
pub mod files;
pub mod groups;
pub mod invites;
pub mod log;
pub mod moderation;
pub mod notifications;
pub mod open_rooms;
pub mod participants;
pub mod room_members;
pub mod rooms;
pub mod search;
pub mod search_index;
pub mod sheets;
pub mod space_state;
pub mod spaces;
pub mod tile_comments;
pub mod tokens;
pub mod user_queue;
pub mod users;

use super::{Connection, Db, PAYLOAD_BYTES, VERSION, full_text, read_marks::write_marks, schema, types};
use crate::{ids::UserId, store::StoreError};

/// A value in the database that no version of Convene has written.
fn strange(what: &'static str, value: &str) -> StoreError {
    StoreError::Fault(format!("the database contains an unknown {what}: {value}"))
}

/// A stored user id.
pub fn user_id(text: String) -> Result<UserId, StoreError> {
    UserId::new(text).map_err(|_| StoreError::Fault("the database holds an invalid user id".into()))
}
