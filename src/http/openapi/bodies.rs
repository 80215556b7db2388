//! The request bodies in the API document. Routes read a body field by field, so that every refusal names the field
//! (`http::fields`). These types only describe what the routes read; they are never constructed.
#![expect(dead_code, reason = "these types are only described, never constructed")]

use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::schemas::{
    any_bytes, any_object, attachment_ids, before, cell_place, cell_range, cells_format, cells_limit, channel_id,
    ciphertext, connection_id, content_type, csv_mark, description, display_name, edited_text, email, granted_role,
    group_id, idempotency_key, known_username, login_name, mentions, message_text, new_ciphertext, nothing,
    old_password, page_limit, password, refresh_token, room_id, room_name, rows_of_scalars, search_text,
    user_id_in_body, user_id_in_path, user_number, username, wanted_medium,
};
use crate::http::sheets::CellsPage;

/// A new account.
#[derive(ToSchema)]
pub struct Registration {
    #[schema(schema_with = username)]
    username: String,
    #[schema(schema_with = email)]
    email: String,
    #[schema(schema_with = password)]
    password: String,
    /// Shown to others. The username by default.
    #[schema(schema_with = display_name, required = false)]
    display_name: Option<String>,
}

/// A username or an e-mail address, and the password.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum SignIn {
    /// With the username.
    ByName {
        #[schema(schema_with = login_name)]
        username: String,
        #[schema(schema_with = old_password)]
        password: String,
    },
    /// With the e-mail address. A username takes precedence.
    ByAddress {
        #[schema(schema_with = nothing, required = false)]
        username: Option<String>,
        #[schema(schema_with = login_name)]
        email: String,
        #[schema(schema_with = old_password)]
        password: String,
    },
}

/// A refresh token.
#[derive(ToSchema)]
pub struct RefreshToken {
    #[schema(schema_with = refresh_token)]
    refresh_token: String,
}

/// The user whose tokens are revoked.
#[derive(ToSchema)]
pub struct Revocation {
    #[schema(schema_with = user_id_in_body)]
    user_id: String,
}

/// The new content of a message.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum MessageEdit {
    /// The new text.
    Text {
        #[schema(schema_with = edited_text)]
        content: String,
        #[schema(schema_with = nothing, required = false)]
        ciphertext: Option<String>,
        /// Chosen by you: the same request sent again with it within 24 hours is answered like the first one.
        #[schema(schema_with = idempotency_key, required = false)]
        idempotency_key: Option<String>,
    },
    /// Of an encrypted message.
    Ciphertext {
        #[schema(schema_with = nothing, required = false)]
        content: Option<String>,
        #[schema(schema_with = new_ciphertext)]
        ciphertext: String,
        /// As above.
        #[schema(schema_with = idempotency_key, required = false)]
        idempotency_key: Option<String>,
    },
}

/// A message to send.
#[derive(ToSchema)]
pub struct NewMessage {
    /// May be omitted if files are attached.
    #[schema(schema_with = message_text, required = false)]
    content: Option<String>,
    /// `text` if absent; `encrypted` for a ciphertext; or another word that clients agree on.
    #[schema(schema_with = content_type, required = false)]
    content_type: Option<String>,
    /// Instead of `content`, if `content_type` is `encrypted`. The server does not interpret it.
    #[schema(schema_with = ciphertext, required = false)]
    ciphertext: Option<String>,
    /// The ids of users, who are notified. Those who do not exist or may not enter the room are ignored.
    #[schema(schema_with = mentions, required = false)]
    mentions: Option<Vec<String>>,
    /// Files that you uploaded or that are shared with you.
    #[schema(schema_with = attachment_ids, required = false)]
    attachments: Option<Vec<String>>,
    /// Chosen by you: the same request sent again with it within 24 hours is not stored twice, and is answered like the
    /// first one.
    #[schema(schema_with = idempotency_key, required = false)]
    idempotency_key: Option<String>,
}

/// A new group.
#[derive(ToSchema)]
pub struct NewGroup {
    #[schema(schema_with = room_name)]
    name: String,
    #[schema(schema_with = description, required = false)]
    description: Option<String>,
}

/// A new channel.
#[derive(ToSchema)]
pub struct NewChannel {
    #[schema(schema_with = room_name)]
    name: String,
    #[schema(schema_with = wanted_medium, required = false)]
    r#type: Option<String>,
}

/// The user to add, by id or by name.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum NewMember {
    /// By id.
    ById {
        #[schema(schema_with = user_id_in_body)]
        user_id: String,
        #[schema(schema_with = granted_role, required = false)]
        role: Option<String>,
    },
    /// By name. An id takes precedence.
    ByName {
        #[schema(schema_with = nothing, required = false)]
        user_id: Option<String>,
        #[schema(schema_with = known_username)]
        username: String,
        #[schema(schema_with = granted_role, required = false)]
        role: Option<String>,
    },
}

/// Any JSON object, passed on unchanged.
pub struct Anything;

impl PartialSchema for Anything {
    fn schema() -> RefOr<Schema> {
        any_object().into()
    }
}

impl ToSchema for Anything {}

/// Bytes of any type.
pub struct Bytes;

impl PartialSchema for Bytes {
    fn schema() -> RefOr<Schema> {
        any_bytes().into()
    }
}

impl ToSchema for Bytes {}

/// The cells of a sheet in one of two formats.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum SheetAnswer {
    /// With `format=cells`.
    Cells(CellsPage),
    /// With `format=rows`.
    Rows(SheetRows),
}

/// The values of a sheet.
#[derive(ToSchema)]
pub struct SheetRows {
    sheet_id: String,
    room_id: String,
    epoch: i64,
    seq: i64,
    /// From the range's first cell to its last used row and column. Null if all cells are empty.
    range: Option<String>,
    /// Row by row. Null for an empty cell.
    #[schema(schema_with = rows_of_scalars)]
    rows: Vec<Vec<String>>,
}

/// A group.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct GroupPath {
    /// The group's id.
    #[param(schema_with = group_id)]
    group_id: String,
}

/// A member of a group.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct MemberPath {
    /// The group's id.
    #[param(schema_with = group_id)]
    group_id: String,
    /// The member's id.
    #[param(schema_with = user_id_in_path)]
    user_id: String,
}

/// A channel.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ChannelPath {
    /// The channel's id.
    #[param(schema_with = channel_id)]
    channel_id: String,
}

/// A user.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct UserPath {
    /// The user's id.
    #[param(schema_with = user_id_in_path)]
    user_id: String,
}

/// A room of any kind.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct RoomPath {
    /// The room's id.
    #[param(schema_with = room_id)]
    room_id: String,
}

/// A connection.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ConnectionPath {
    /// The connection's id, as in `X-Connection-Id`.
    #[param(schema_with = connection_id)]
    connection_id: String,
}

/// A page of history.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// The id or the `seq` of a message. Only older messages are returned.
    #[param(schema_with = before, required = false)]
    before: Option<String>,
    /// The page size.
    #[param(schema_with = page_limit, required = false)]
    limit: Option<i64>,
}

/// A search for users.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// The start of the username or the display name. Without it, the first users by name.
    #[param(schema_with = search_text, required = false)]
    query: Option<String>,
    /// A user's number, as the canvas dialect has it.
    #[param(schema_with = user_number, required = false)]
    number: Option<i64>,
}

/// The cells to read, and the format.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CellsQuery {
    /// Two cells (`A1:Z100`), one (`B2`), columns (`A:C`) or rows (`1:10`); the whole sheet if absent.
    #[param(schema_with = cell_range, required = false)]
    range: Option<String>,
    /// `cells` (pages, the default), `rows` (JSON rows) or `csv`. `Accept: text/csv` also selects CSV.
    #[param(schema_with = cells_format, required = false)]
    format: Option<String>,
    /// `true`: CSV begins with a byte order mark, by which Excel recognises UTF-8.
    #[param(schema_with = csv_mark, required = false)]
    bom: Option<String>,
    /// The page size in cells.
    #[param(schema_with = cells_limit, required = false)]
    limit: Option<u32>,
    /// `next` of the previous page.
    #[param(schema_with = cell_place, required = false)]
    after: Option<String>,
}
