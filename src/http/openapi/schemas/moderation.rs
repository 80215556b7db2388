//! The fields of moderation.

use super::*;
use crate::store::{AuditAction, Decision, ReportState};

/// What a moderator does to a user.
pub fn sanction_kind() -> Object {
    words(text(), ["mute", "kick", "ban"])
}

/// For how long, in seconds.
pub fn sanction_seconds() -> Object {
    whole_number(1, i64::try_from(limits::SANCTION_SECONDS_MAX).unwrap_or(i64::MAX))
}

/// A reason or a note.
pub fn moderation_text() -> Object {
    chars(text(), 1..=limits::MODERATION_TEXT_CHARS_MAX).pattern(Some(NO_CONTROL_BUT_BREAKS)).build()
}

/// A reason or a note, which may be left out.
pub fn optional_moderation_text() -> Object {
    chars(optional_text(), 0..=limits::MODERATION_TEXT_CHARS_MAX).pattern(Some(NO_CONTROL_BUT_BREAKS)).build()
}

/// A room, by its id, its name, or `canvas/<id>`.
pub fn optional_room() -> Object {
    let schema = chars(optional_text(), 0..=limits::ROOM_NAME_CHARS_MAX).pattern(Some(format!("^{NO_CONTROL}*$")));
    schema.examples([json!("general")]).build()
}

/// A room in a query. Empty: all of them.
pub fn room_in_query() -> Object {
    let schema = chars(text(), 0..=limits::ROOM_NAME_CHARS_MAX).pattern(Some(format!("^{NO_CONTROL}*$")));
    schema.examples([json!("general")]).build()
}

/// The id of the last entry of the page before. Empty: the first page.
pub fn last_id_in_query() -> Object {
    text().pattern(Some("^([0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12})?$")).build()
}

/// The id of a message, or nothing.
pub fn optional_message_id() -> Object {
    optional_text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))).build()
}

/// The id of a tile, or nothing.
pub fn optional_tile_id() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
        .minimum(Some(1.0))
        .maximum(Some(limits::COUNT_MAX as f64))
        .build()
}

/// A user's id, or nothing. Spaces around it are trimmed.
pub fn optional_user_id() -> Object {
    chars(optional_text(), 0..=limits::USER_ID_CHARS_MAX).pattern(Some(format!("^{NO_CONTROL}*$"))).build()
}

/// A user's id in a query.
pub fn user_id_in_query() -> Object {
    chars(text(), 0..=limits::USER_ID_CHARS_MAX).pattern(Some(format!("^{NO_CONTROL}*$"))).build()
}

/// What happens to a text with a word.
pub fn word_action() -> Object {
    words(text(), ["refuse", "mask"])
}

/// A word or a phrase.
pub fn word_phrase() -> Object {
    a_name(chars(text(), 1..=limits::WORD_PHRASE_CHARS_MAX)).examples([json!("darn it")]).build()
}

/// What is reported.
pub fn report_target() -> Object {
    words(text(), ["message", "tile", "user"])
}

/// How far a report is.
pub fn report_state() -> Object {
    words(text(), ReportState::ALL.map(ReportState::name))
}

/// States of reports, separated by commas.
pub fn report_states() -> Object {
    text().pattern(Some("^((open|claimed|resolved)(,(open|claimed|resolved))*)?$")).build()
}

/// What was decided about a report.
pub fn decision() -> Object {
    words(text(), Decision::ALL.map(Decision::name))
}

/// An action of the audit log.
pub fn audit_action() -> Object {
    words(text(), AuditAction::ALL.map(AuditAction::name))
}
