//! The forms of fields in the API document. Bounds come from `limits`, and patterns say what `fields` accepts, so that a
//! client which follows the document is not refused for its form.

use std::ops::RangeInclusive;

use serde_json::json;
use utoipa::openapi::{
    Array, ArrayBuilder, KnownFormat, Object, ObjectBuilder, SchemaFormat, Type,
    schema::{AdditionalProperties, SchemaType},
};

use crate::{
    error::ErrorCode,
    limits,
    store::{ChannelMedium, GroupRole, Visibility},
};

/// Line breaks and tabs around a name do not count.
const AROUND: &str = r"[\t-\r\x85 ]*";
const NO_CONTROL: &str = r"[^\x00-\x1f\x7f-\x9f]";
const INK: &str = r"[^\s\x00-\x1f\x7f-\x9f]";
const NO_CONTROL_BUT_BREAKS: &str = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$";
/// No spaces, no @, nothing invisible.
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

// ---- what is answered ----

/// A moment, RFC 3339 in UTC with milliseconds.
pub fn timestamp() -> Object {
    text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples([json!("2025-10-27T12:00:00.250Z")])
        .build()
}

/// A role on the server as a whole.
pub fn role() -> Object {
    words(text(), ["user", "admin"])
}

/// Every code that an error may have.
pub fn error_code() -> Object {
    words(text(), ErrorCode::ALL.map(ErrorCode::name))
}

/// What is always the same word.
pub fn always(word: &'static str) -> Object {
    words(text(), [word])
}

/// `error`.
pub fn error_word() -> Object {
    always("error")
}

/// `bearer`.
pub fn bearer_word() -> Object {
    always("bearer")
}

/// Bytes of any kind.
pub fn any_bytes() -> Object {
    // binary bodies have no type of JSON's (OpenAPI 3.1, Considerations for File Uploads)
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).build()
}

/// A JSON object of any content.
pub fn any_object() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .build()
}

/// A text, a number, true, false or null.
pub fn scalar() -> Object {
    let types = SchemaType::from_iter([Type::String, Type::Number, Type::Boolean, Type::Null]);
    ObjectBuilder::new().schema_type(types).examples([json!("Hello World")]).build()
}

/// What may stand there only as null.
pub fn nothing() -> Object {
    ObjectBuilder::new().schema_type(Type::Null).build()
}

/// Lists of scalars in a list.
pub fn rows_of_scalars() -> Array {
    Array::new(Array::new(scalar()))
}

// ---- ids ----

/// A user's id.
pub fn user_id() -> Object {
    chars(text(), 1..=limits::USER_ID_CHARS_MAX).examples([json!("01932c07-209c-7000-8000-000000000b0b")]).build()
}

/// In a body: spaces around it do not count.
pub fn user_id_in_body() -> Object {
    a_name(chars(text(), 1..=limits::USER_ID_CHARS_MAX))
        .examples([json!("01932c07-209c-7000-8000-000000000b0b")])
        .build()
}

/// In a path.
pub fn user_id_in_path() -> Object {
    explained(user_id(), "The user's id")
}

/// In a path.
pub fn group_id() -> Object {
    explained(uuid(), "The group's id")
}

/// In a path.
pub fn channel_id() -> Object {
    explained(uuid(), "The channel's id")
}

/// In a path.
pub fn room_id() -> Object {
    explained(chars(text(), 1..=limits::ROOM_NAME_CHARS_MAX).build(), "The room's id, or an open room's name")
}

/// In a path.
pub fn connection_id() -> Object {
    let example = json!("ws_alice_1761566400_7f3a");
    explained(text().examples([example]).build(), "The connection's name, as in `X-Connection-Id`")
}

fn explained(mut schema: Object, meaning: &str) -> Object {
    schema.description = Some(meaning.to_owned());
    schema
}

/// The id of a group, a channel, a message.
pub fn uuid() -> Object {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))).build()
}

// ---- fields of bodies ----

/// A new user's name.
pub fn username() -> Object {
    let schema = chars(text(), limits::USERNAME_CHARS).pattern(Some(format!("^{VISIBLE}+$")));
    schema.examples([json!("alice")]).build()
}

/// A new user's address.
pub fn email() -> Object {
    let pattern = format!("^{VISIBLE}+@{VISIBLE_NO_DOT}({VISIBLE}*{VISIBLE_NO_DOT})?$");
    chars(text(), 3..=limits::EMAIL_CHARS_MAX).pattern(Some(pattern)).examples([json!("alice@example.org")]).build()
}

/// A new password.
pub fn password() -> Object {
    let format = SchemaFormat::KnownFormat(KnownFormat::Password);
    chars(text(), limits::PASSWORD_CHARS).format(Some(format)).examples([json!("correct horse battery")]).build()
}

/// A password that may be one of long ago.
pub fn old_password() -> Object {
    let format = SchemaFormat::KnownFormat(KnownFormat::Password);
    chars(text(), 1..=*limits::PASSWORD_CHARS.end())
        .format(Some(format))
        .examples([json!("correct horse battery")])
        .build()
}

/// The name with which somebody signs in.
pub fn login_name() -> Object {
    a_name(chars(text(), 1..=limits::EMAIL_CHARS_MAX)).examples([json!("alice")]).build()
}

/// A name to show.
pub fn display_name() -> Object {
    let schema = chars(optional_text(), 0..=limits::DISPLAY_NAME_CHARS_MAX);
    schema.pattern(Some(format!("^{AROUND}{NO_CONTROL}*{AROUND}$"))).examples([json!("Alice")]).build()
}

/// An existing user's name.
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

/// The text of a message, which may be absent where files go with it.
pub fn message_text() -> Object {
    chars(optional_text(), 0..=limits::CHAT_CHARS_MAX).examples([json!("Hello everyone!")]).build()
}

/// Ids of files that go with a message.
pub fn attachment_ids() -> Array {
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(uuid())
        .max_items(Some(limits::ATTACHMENTS_MAX))
        .unique_items(true)
        .build()
}

/// The same, where it may be absent.
pub fn optional_room_name() -> Object {
    a_name(chars(optional_text(), 1..=limits::ROOM_NAME_CHARS_MAX)).examples([json!("General")]).build()
}

/// Who may enter a room.
pub fn visibility() -> Object {
    let names = [Visibility::Open, Visibility::Private].map(|one| Some(one.name())).into_iter().chain([None]);
    optional_text().enum_values(Some(names)).build()
}

/// How many may be in a room.
pub fn capacity() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
        .minimum(Some(1.0))
        .maximum(Some(f64::from(limits::ROOM_CAPACITY_MAX)))
        .build()
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

/// A role to give; `member` unless said otherwise.
pub fn granted_role() -> Object {
    let names = GROUP_ROLES.map(|role| Some(role.name())).into_iter().chain([None]);
    optional_text().enum_values(Some(names)).default(Some(json!("member"))).build()
}

/// What a channel is for.
pub fn medium() -> Object {
    words(text(), MEDIA.map(ChannelMedium::name))
}

/// What a new channel is for; `TEXT` unless said otherwise.
pub fn wanted_medium() -> Object {
    let names = MEDIA.map(|medium| Some(medium.name())).into_iter().chain([None]);
    optional_text().enum_values(Some(names)).default(Some(json!("TEXT"))).build()
}

// ---- queries ----

/// The beginning of a name.
pub fn search_text() -> Object {
    let schema = chars(text(), 0..=limits::DISPLAY_NAME_CHARS_MAX).examples([json!("bo")]);
    schema.description(Some("How a name begins; without it, the first users by name")).build()
}

/// Where a page ends: a message's id or its `seq`.
pub fn before() -> Object {
    let meaning = "The id or the `seq` of a message: only older ones are sent";
    let schema = text().description(Some(meaning));
    schema.pattern(Some("^([0-9]{1,18}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?$")).build()
}

/// Messages in a page; more than the most are as many as the most.
pub fn page_limit() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1.0))
        .default(Some(json!(limits::PAGE_MESSAGES_DEFAULT)))
        .description(Some(format!("How many; at most {} are sent", limits::PAGE_MESSAGES_MAX)))
        .build()
}

/// A cell's place.
pub fn cell_place() -> Object {
    text().pattern(Some(format!("^{COLUMN}{ROW}$"))).examples([json!("B2")]).build()
}

/// A range of cells.
pub fn cell_range() -> Object {
    let cells = format!("{COLUMN}{ROW}(:{COLUMN}{ROW})?");
    let pattern = format!("^({cells}|{COLUMN}:{COLUMN}|{ROW}:{ROW})$");
    text().pattern(Some(pattern)).examples([json!("A1:Z100")]).build()
}

/// How cells are answered.
pub fn cells_format() -> Object {
    words(text(), ["cells", "rows", "csv"])
}

/// Whether CSV begins with a byte order mark.
pub fn csv_mark() -> Object {
    words(text(), ["false", "true"])
}

/// Cells in a page; more than the most are as many as the most.
pub fn cells_limit() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1.0))
        .default(Some(json!(limits::PAGE_CELLS_DEFAULT)))
        .description(Some(format!("How many; at most {} are sent", limits::PAGE_CELLS_MAX)))
        .build()
}
