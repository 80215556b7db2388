//! The field schemas in the API document. Bounds come from `limits`, and patterns match what `fields` accepts, so that
//! a client that follows the document is never refused because of a field's form.

mod canvases;
mod documents;
mod moderation;

use std::ops::RangeInclusive;

use serde_json::json;
use utoipa::openapi::{
    Array, ArrayBuilder, KnownFormat, Object, ObjectBuilder, SchemaFormat, Type,
    schema::{AdditionalProperties, SchemaType},
};

use crate::{
    core::{invite::InviteTemplate, space::SpaceRole},
    error::ErrorCode,
    limits,
    store::{ChannelMedium, GroupRole, Visibility},
};

pub use self::canvases::*;
pub use self::documents::*;
pub use self::moderation::*;

/// Line breaks and tabs around a name are trimmed.
const AROUND: &str = r"[\t-\r\x85 ]*";
const NO_CONTROL: &str = r"[^\x00-\x1f\x7f-\x9f]";
const INK: &str = r"[^\s\x00-\x1f\x7f-\x9f]";
const NO_CONTROL_BUT_BREAKS: &str = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$";
/// No spaces, no @, no invisible characters.
const VISIBLE: &str = r"[^\s@\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]";
const VISIBLE_NO_DOT: &str = r"[^\s@.\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]";

/// A to XFD.
const COLUMN: &str = "([A-Za-z]{1,2}|[A-Wa-w][A-Za-z]{2}|[Xx]([A-Ea-e][A-Za-z]|[Ff][A-Da-d]))";
/// 1 to 1048576, in at most seven digits.
const ROW: &str = "(0{0,6}[1-9]|0{0,5}[1-9][0-9]|0{0,4}[1-9][0-9]{2}|0{0,3}[1-9][0-9]{3}|0{0,2}[1-9][0-9]{4}|\
    0?[1-9][0-9]{5}|10[0-3][0-9]{4}|104[0-7][0-9]{3}|1048[0-4][0-9]{2}|10485[0-6][0-9]|104857[0-6])";

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn optional_text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]))
}

fn chars(schema: ObjectBuilder, chars: RangeInclusive<usize>) -> ObjectBuilder {
    let (least, most) = chars.into_inner();
    schema.min_length(Some(least)).max_length(Some(most))
}

fn words(schema: ObjectBuilder, words: impl IntoIterator<Item = &'static str>) -> Object {
    schema.enum_values(Some(words)).build()
}

fn a_name(schema: ObjectBuilder) -> ObjectBuilder {
    schema.pattern(Some(format!("^{AROUND}{NO_CONTROL}*{INK}{NO_CONTROL}*{AROUND}$")))
}

// ---- response fields ----

/// A moment, RFC 3339 in UTC with milliseconds.
pub fn timestamp() -> Object {
    text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples([json!("2025-10-27T12:00:00.250Z")])
        .build()
}

/// A role on the server.
pub fn role() -> Object {
    words(text(), ["user", "admin"])
}

/// All error codes.
pub fn error_code() -> Object {
    words(text(), ErrorCode::ALL.map(ErrorCode::name))
}

/// A constant.
pub fn always(word: &'static str) -> Object {
    words(text(), [word])
}

/// The constant `error`.
pub fn error_word() -> Object {
    always("error")
}

/// The constant `bearer`.
pub fn bearer_word() -> Object {
    always("bearer")
}

/// Bytes of any type.
pub fn any_bytes() -> Object {
    // Binary bodies have no JSON type (OpenAPI 3.1, Considerations for File Uploads).
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).build()
}

/// A JSON object with any content.
pub fn any_object() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .build()
}

/// A string, a number, true, false or null.
pub fn scalar() -> Object {
    let types = SchemaType::from_iter([Type::String, Type::Number, Type::Boolean, Type::Null]);
    ObjectBuilder::new().schema_type(types).examples([json!("Hello World")]).build()
}

/// Only null.
pub fn nothing() -> Object {
    ObjectBuilder::new().schema_type(Type::Null).build()
}

/// A list of lists of scalars.
pub fn rows_of_scalars() -> Array {
    Array::new(Array::new(scalar()))
}

// ---- ids ----

/// A user's id.
pub fn user_id() -> Object {
    chars(text(), 1..=limits::USER_ID_CHARS_MAX).examples([json!("01932c07-209c-7000-8000-000000000b0b")]).build()
}

/// A user's id in a body. Spaces around it are trimmed.
pub fn user_id_in_body() -> Object {
    a_name(chars(text(), 1..=limits::USER_ID_CHARS_MAX))
        .examples([json!("01932c07-209c-7000-8000-000000000b0b")])
        .build()
}

/// A user's id in a path.
pub fn user_id_in_path() -> Object {
    explained(user_id(), "The user's id")
}

/// A group's id in a path.
pub fn group_id() -> Object {
    explained(uuid(), "The group's id")
}

/// A channel's id in a path.
pub fn channel_id() -> Object {
    explained(uuid(), "The channel's id")
}

/// A room's id or name in a path.
pub fn room_id() -> Object {
    explained(chars(text(), 1..=limits::ROOM_NAME_CHARS_MAX).build(), "The room's id, or an open room's name")
}

/// A connection's id in a path.
pub fn connection_id() -> Object {
    let example = json!("ws_alice_1761566400_7f3a");
    explained(text().examples([example]).build(), "The connection's id, as in `X-Connection-Id`")
}

/// A message's id in a path.
pub fn message_id() -> Object {
    explained(uuid(), "The message's id")
}

fn explained(mut schema: Object, meaning: &str) -> Object {
    schema.description = Some(meaning.to_owned());
    schema
}

/// The id of a group, a channel or a message.
pub fn uuid() -> Object {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))).build()
}

// ---- request fields ----

/// A new user's username.
pub fn username() -> Object {
    let schema = chars(text(), limits::USERNAME_CHARS).pattern(Some(format!("^{VISIBLE}+$")));
    schema.examples([json!("alice")]).build()
}

/// A new user's e-mail address.
pub fn email() -> Object {
    let pattern = format!("^{VISIBLE}+@{VISIBLE_NO_DOT}({VISIBLE}*{VISIBLE_NO_DOT})?$");
    chars(text(), 3..=limits::EMAIL_CHARS_MAX).pattern(Some(pattern)).examples([json!("alice@example.org")]).build()
}

/// A new password.
pub fn password() -> Object {
    let format = SchemaFormat::KnownFormat(KnownFormat::Password);
    chars(text(), limits::PASSWORD_CHARS).format(Some(format)).examples([json!("correct horse battery")]).build()
}

/// An existing password, which may be shorter than a new one must be.
pub fn old_password() -> Object {
    let format = SchemaFormat::KnownFormat(KnownFormat::Password);
    chars(text(), 1..=*limits::PASSWORD_CHARS.end())
        .format(Some(format))
        .examples([json!("correct horse battery")])
        .build()
}

/// The username or e-mail address for signing in.
pub fn login_name() -> Object {
    a_name(chars(text(), 1..=limits::EMAIL_CHARS_MAX)).examples([json!("alice")]).build()
}

/// A display name.
pub fn display_name() -> Object {
    let schema = chars(optional_text(), 0..=limits::DISPLAY_NAME_CHARS_MAX);
    schema.pattern(Some(format!("^{AROUND}{NO_CONTROL}*{AROUND}$"))).examples([json!("Alice")]).build()
}

/// An existing user's username.
pub fn known_username() -> Object {
    a_name(chars(text(), 1..=*limits::USERNAME_CHARS.end())).examples([json!("bob")]).build()
}

/// A refresh token.
pub fn refresh_token() -> Object {
    chars(text(), 1..=limits::TOKEN_BYTES_MAX).examples([json!("eyJhbGciOi…")]).build()
}

/// The name of a group, a channel or a room.
pub fn room_name() -> Object {
    a_name(chars(text(), 1..=limits::ROOM_NAME_CHARS_MAX)).examples([json!("general")]).build()
}

/// The text of a message. Optional if files are attached.
pub fn message_text() -> Object {
    chars(optional_text(), 0..=limits::CHAT_CHARS_MAX).examples([json!("Hello everyone!")]).build()
}

/// The new text of a message.
pub fn edited_text() -> Object {
    chars(text(), 1..=limits::CHAT_CHARS_MAX).examples([json!("Hello, everybody!")]).build()
}

/// What the content of a message is.
pub fn content_type() -> Object {
    chars(optional_text(), 1..=limits::CONTENT_TYPE_CHARS_MAX).examples([json!("text")]).build()
}

/// The ciphertext of a message.
pub fn ciphertext() -> Object {
    chars(optional_text(), 1..=limits::CIPHERTEXT_CHARS_MAX).build()
}

/// The new ciphertext of an encrypted message.
pub fn new_ciphertext() -> Object {
    chars(text(), 1..=limits::CIPHERTEXT_CHARS_MAX).build()
}

/// The users whom a message mentions.
pub fn mentions() -> Array {
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(text().build())
        .max_items(Some(limits::MENTIONS_MAX))
        .build()
}

/// A device's id.
pub fn device_id() -> Object {
    let schema = chars(text(), 1..=limits::DEVICE_ID_CHARS_MAX).examples([json!("laptop-1")]);
    schema.pattern(Some("^[A-Za-z0-9._~-]+$")).description(Some("The device's id, chosen by the device")).build()
}

/// The name of a device.
pub fn device_name() -> Object {
    a_name(chars(optional_text(), 1..=limits::DEVICE_NAME_CHARS_MAX)).examples([json!("Alice's laptop")]).build()
}

/// The public keys of a device.
pub fn device_keys() -> Object {
    let mut schema = any_object();
    schema.examples = vec![json!({"curve25519": "…", "ed25519": "…", "signature": "…"})];
    schema
}

/// The id of a prekey.
pub fn prekey_id() -> Object {
    chars(text(), 1..=limits::PREKEY_ID_CHARS_MAX).pattern(Some(format!("^{NO_CONTROL}+$"))).build()
}

/// A prekey.
pub fn prekey() -> Object {
    chars(text(), 1..=limits::PREKEY_CHARS_MAX).pattern(Some(format!("^{NO_CONTROL}+$"))).build()
}

/// Some devices of a user.
pub fn device_ids() -> Array {
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(device_id())
        .max_items(Some(limits::DEVICES_PER_USER_MAX))
        .build()
}

/// One emoji.
pub fn emoji() -> Object {
    text().examples([json!("👍")]).description(Some("One emoji, percent-encoded")).build()
}

/// A position in a conversation.
pub fn seq() -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0.0)).examples([json!(42)]).build()
}

/// The client's own id of a message.
pub fn idempotency_key() -> Object {
    chars(optional_text(), 1..=limits::CLIENT_MESSAGE_ID_CHARS_MAX).examples([json!("deploy-1742")]).build()
}

/// The same in a query.
pub fn idempotency_key_in_query() -> Object {
    let meaning = "The same request sent again with it within 24 hours is answered like the first one";
    // an empty value counts as absent, like that of every parameter in a query
    let schema = chars(text(), 0..=limits::CLIENT_MESSAGE_ID_CHARS_MAX).examples([json!("deploy-1742")]);
    schema.pattern(Some(format!("^{NO_CONTROL}*$"))).description(Some(meaning)).build()
}

/// Ids of attached files.
pub fn attachment_ids() -> Array {
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(uuid())
        .max_items(Some(limits::ATTACHMENTS_MAX))
        .unique_items(true)
        .build()
}

/// An optional name of a room.
pub fn optional_room_name() -> Object {
    a_name(chars(optional_text(), 1..=limits::ROOM_NAME_CHARS_MAX)).examples([json!("General")]).build()
}

/// The visibility of a room.
pub fn visibility() -> Object {
    let names = [Visibility::Open, Visibility::Private].map(|one| Some(one.name())).into_iter().chain([None]);
    optional_text().enum_values(Some(names)).build()
}

/// The maximum number of members of a room.
pub fn capacity() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
        .minimum(Some(1.0))
        .maximum(Some(f64::from(limits::ROOM_CAPACITY_MAX)))
        .build()
}

/// The maximum number of members of a space.
pub fn space_capacity() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
        .minimum(Some(1.0))
        .maximum(Some(f64::from(limits::SPACE_CAPACITY_MAX)))
        .build()
}

/// The radius within which moves are sent.
pub fn interest_radius() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
        .minimum(Some(1.0))
        .maximum(Some(f64::from(limits::INTEREST_RADIUS_MAX)))
        .build()
}

/// A role in a space.
pub fn space_role() -> Object {
    words(text(), SpaceRole::ALL.map(SpaceRole::name))
}

/// The constant `success`.
pub fn success_word() -> Object {
    always("success")
}

/// The users to invite.
pub fn invited_users() -> Array {
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(user_id())
        .min_items(Some(1))
        .max_items(Some(limits::INVITED_PER_REQUEST_MAX))
        .build()
}

/// The text of an invite.
pub fn invite_message() -> Object {
    let schema = chars(optional_text(), 0..=limits::INVITE_MESSAGE_CHARS_MAX);
    schema.pattern(Some(NO_CONTROL_BUT_BREAKS)).build()
}

/// The name of a text for invites.
pub fn invite_template() -> Object {
    let names = InviteTemplate::ALL.map(|template| Some(template.name())).into_iter().chain([None]);
    optional_text().enum_values(Some(names)).build()
}

/// The hours until an invite expires.
pub fn invite_hours() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Number, Type::Null]))
        .exclusive_minimum(Some(0.0))
        .maximum(Some(limits::INVITE_HOURS_MAX))
        .examples([json!(48)])
        .build()
}

/// Which invites of a user.
pub fn invite_direction() -> Object {
    words(text(), ["", "sent", "received"])
}

/// True or false.
pub fn optional_flag() -> Object {
    words(text(), ["", "true", "false"])
}

/// The number of a page.
pub fn page_number() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1.0))
        .maximum(Some(limits::PAGE_NUMBER_MAX as f64))
        .build()
}

/// The size of a page. Larger values count as the maximum.
pub fn any_limit() -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1.0)).build()
}

/// A longer text.
pub fn description() -> Object {
    chars(optional_text(), 0..=limits::DESCRIPTION_CHARS_MAX).pattern(Some(NO_CONTROL_BUT_BREAKS)).build()
}

const GROUP_ROLES: [GroupRole; 3] = [GroupRole::Member, GroupRole::Moderator, GroupRole::Owner];
const MEDIA: [ChannelMedium; 3] = [ChannelMedium::Text, ChannelMedium::Voice, ChannelMedium::Video];

/// A role in a group.
pub fn group_role() -> Object {
    words(text(), GROUP_ROLES.map(GroupRole::name))
}

/// The role of a new member; `member` by default.
pub fn granted_role() -> Object {
    let names = GROUP_ROLES.map(|role| Some(role.name())).into_iter().chain([None]);
    optional_text().enum_values(Some(names)).default(Some(json!("member"))).build()
}

/// The type of a channel.
pub fn medium() -> Object {
    words(text(), MEDIA.map(ChannelMedium::name))
}

/// The type of a new channel; `TEXT` by default.
pub fn wanted_medium() -> Object {
    let names = MEDIA.map(|medium| Some(medium.name())).into_iter().chain([None]);
    optional_text().enum_values(Some(names)).default(Some(json!("TEXT"))).build()
}

// ---- queries ----

/// The start of a name.
pub fn search_text() -> Object {
    let schema = chars(text(), 0..=limits::DISPLAY_NAME_CHARS_MAX).examples([json!("bo")]);
    schema.description(Some("The start of a name; without it, the first users by name")).build()
}

/// The end of a page: a message's id or `seq`.
pub fn before() -> Object {
    let meaning = "The id or the `seq` of a message; only older ones are returned";
    let schema = text().description(Some(meaning));
    schema.pattern(Some("^([0-9]{1,18}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?$")).build()
}

/// A message's id.
pub fn around() -> Object {
    let schema = text().description(Some("The id of a message"));
    schema.pattern(Some("^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?$")).build()
}

/// The kind of a conversation.
pub fn conversation_type() -> Object {
    words(text(), ["channel", "direct", "group", "open"])
}

/// The place in a list of conversations.
pub fn conversation_cursor() -> Object {
    let id = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    text().pattern(Some(format!("^([0-9]{{1,13}}_{id})?$"))).build()
}

/// The id of a conversation in a path.
pub fn conversation_id_in_path() -> Object {
    chars(text(), 1..=limits::ROOM_NAME_CHARS_MAX).examples([json!("general")]).build()
}

/// The users of a new conversation.
pub fn conversation_members() -> Array {
    let items = user_id_in_body();
    ArrayBuilder::new().items(items).min_items(Some(1)).max_items(Some(limits::CONVERSATION_MEMBERS_MAX)).build()
}

/// A query of the full-text search.
pub fn search_query() -> Object {
    // a letter or a digit of any script, outside of what is excluded
    let pattern = "^[^\\-\"]*[0-9A-Za-z]";
    chars(text(), 1..=limits::SEARCH_QUERY_CHARS_MAX)
        .pattern(Some(pattern))
        .examples([json!("\"release plan\" tues* -draft")])
        .build()
}

/// The order of what was found.
pub fn search_order() -> Object {
    words(text(), ["newest", "best"])
}

/// The place in what was found.
pub fn search_cursor() -> Object {
    let id = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    text().pattern(Some(format!("^([0-9]{{1,18}}_{id}(_[0-9]{{1,2}})?)?$"))).build()
}

/// The page size of a search. Larger values count as the maximum.
pub fn found_limit() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1.0))
        .default(Some(json!(limits::PAGE_FOUND_DEFAULT)))
        .description(Some(format!("The page size, at most {}", limits::PAGE_FOUND_MAX)))
        .build()
}

/// The page size in messages. Larger values count as the maximum.
pub fn page_limit() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1.0))
        .default(Some(json!(limits::PAGE_MESSAGES_DEFAULT)))
        .description(Some(format!("The page size, at most {}", limits::PAGE_MESSAGES_MAX)))
        .build()
}

/// The position of a cell.
pub fn cell_place() -> Object {
    text().pattern(Some(format!("^{COLUMN}{ROW}$"))).examples([json!("B2")]).build()
}

/// A range of cells.
pub fn cell_range() -> Object {
    let cells = format!("{COLUMN}{ROW}(:{COLUMN}{ROW})?");
    let pattern = format!("^({cells}|{COLUMN}:{COLUMN}|{ROW}:{ROW})$");
    text().pattern(Some(pattern)).examples([json!("A1:Z100")]).build()
}

/// The format of cells.
pub fn cells_format() -> Object {
    words(text(), ["cells", "rows", "csv"])
}

/// Whether CSV begins with a byte order mark.
pub fn csv_mark() -> Object {
    words(text(), ["false", "true"])
}

/// The page size in cells. Larger values count as the maximum.
pub fn cells_limit() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1.0))
        .default(Some(json!(limits::PAGE_CELLS_DEFAULT)))
        .description(Some(format!("The page size, at most {}", limits::PAGE_CELLS_MAX)))
        .build()
}

fn whole_number(least: i64, most: i64) -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least as f64)).maximum(Some(most as f64)).build()
}
