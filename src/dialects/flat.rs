//! What the dialects of flat JSON objects say in the same words (docs/protocol.md, Common). It knows the fields that
//! they share, and must never know one that only a single dialect has.

use super::json::Object;
use crate::{
    core::{
        command::{RawJson, Tag},
        notification::Notification,
        profile::Author,
    },
    error::Refusal,
    ids::{EventId, Seq, Timestamp},
};

/// The answer to a ping.
pub fn pong<'a>(object: Object<'a>, tag: &Tag, at: Timestamp) -> Object<'a> {
    object.text("type", "pong").maybe(tag.reference.as_ref(), with_reference).plain("timestamp", at)
}

/// It is done, and on disk if it has a place there.
pub fn ack<'a>(object: Object<'a>, tag: &Tag, place: Option<(EventId, Seq)>) -> Object<'a> {
    let object = object.text("type", "ack").maybe(tag.reference.as_ref(), with_reference);
    object.maybe(place, |object, (id, seq)| object.plain("id", id).integer("seq", seq.0))
}

/// A fresh token was taken.
pub fn auth_refreshed<'a>(object: Object<'a>, tag: &Tag, expires_at: Timestamp) -> Object<'a> {
    object.text("type", "ack").maybe(tag.reference.as_ref(), with_reference).plain("expires_at", expires_at)
}

/// A refusal.
pub fn error<'a>(object: Object<'a>, tag: &Tag, refusal: &Refusal, at: Timestamp) -> Object<'a> {
    object
        .text("type", "error")
        .maybe(tag.reference.as_ref(), with_reference)
        .text("error", &refusal.sentence)
        .text("code", refusal.code.name())
        .maybe(refusal.retry_after_seconds, |object, seconds| object.integer("retry_after", i64::from(seconds)))
        .plain("timestamp", at)
}

/// The node goes; come back after the delay.
pub fn restarting(object: Object<'_>, reconnect_in_ms: u64, at: Timestamp) -> Object<'_> {
    object
        .text("type", "server_restarting")
        .integer("reconnect_in_ms", i64::try_from(reconnect_in_ms).unwrap_or(i64::MAX))
        .plain("timestamp", at)
}

/// A stored notification, whole.
pub fn notification<'a>(object: Object<'a>, notification: &Notification) -> Object<'a> {
    object
        .plain("id", notification.id)
        .text("title", &notification.title)
        .text("message", &notification.message)
        .text("category", &notification.category)
        .text("priority", notification.priority.name())
        .maybe(notification.module.as_deref(), |object, module| object.text("module_name", module))
        .maybe(notification.data.as_ref(), |object, data| object.raw("data", data))
        .plain("created_at", notification.created_at)
}

/// The request's own name.
pub fn with_reference<'a>(object: Object<'a>, reference: &RawJson) -> Object<'a> {
    object.raw("ref", reference)
}

/// Whom it is about.
pub fn with_user<'a>(object: Object<'a>, user: &Author) -> Object<'a> {
    object.text("user_id", user.id.as_str()).text("username", &user.username)
}
