//! One Rust type per kind of value, with an encoding for each database, so that one query text serves both. Text that
//! cannot be stored must be made storable here and nowhere else.

use std::{
    borrow::Cow,
    io::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use diesel::{
    backend::Backend,
    data_types::PgTimestamp,
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    pg::{Pg, PgValue},
    serialize::{self, IsNull, Output, ToSql},
    sql_types,
    sqlite::Sqlite,
};
use uuid::Uuid;

use crate::{
    core::event::{Attachment, Durable},
    ids::{Timestamp, UserId},
    names,
};

/// A UUID: `UUID` in PostgreSQL, 16 bytes in SQLite.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::Uuid)]
#[diesel(sql_type = sql_types::Binary)]
pub struct Id(pub Uuid);

impl FromSql<sql_types::Uuid, Pg> for Id {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Id> {
        <Uuid as FromSql<sql_types::Uuid, Pg>>::from_sql(value).map(Id)
    }
}

impl ToSql<sql_types::Uuid, Pg> for Id {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<sql_types::Uuid, Pg>::to_sql(&self.0, out)
    }
}

impl FromSql<sql_types::Binary, Sqlite> for Id {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Id> {
        let bytes = <Vec<u8> as FromSql<sql_types::Binary, Sqlite>>::from_sql(value)?;
        Ok(Id(Uuid::from_slice(&bytes)?))
    }
}

impl ToSql<sql_types::Binary, Sqlite> for Id {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.as_bytes().as_slice());
        Ok(IsNull::No)
    }
}

/// Microseconds from 1970 to 2000, the origin of PostgreSQL's timestamps.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

/// A timestamp: `TIMESTAMPTZ` in PostgreSQL, milliseconds since 1970 in SQLite. In the table that other programs use it is a
/// `TIMESTAMP` in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::Timestamptz)]
#[diesel(sql_type = sql_types::Timestamp)]
#[diesel(sql_type = sql_types::BigInt)]
pub struct Moment(pub Timestamp);

impl FromSql<sql_types::Timestamptz, Pg> for Moment {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Moment> {
        let PgTimestamp(us) = FromSql::<sql_types::Timestamptz, Pg>::from_sql(value)?;
        Ok(Moment(Timestamp { unix_ms: us.saturating_add(POSTGRES_EPOCH_US).div_euclid(1000) }))
    }
}

impl ToSql<sql_types::Timestamptz, Pg> for Moment {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let us = self.0.unix_ms.saturating_mul(1000).saturating_sub(POSTGRES_EPOCH_US);
        ToSql::<sql_types::Timestamptz, Pg>::to_sql(&PgTimestamp(us), &mut out.reborrow())
    }
}

impl FromSql<sql_types::Timestamp, Pg> for Moment {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Moment> {
        <Moment as FromSql<sql_types::Timestamptz, Pg>>::from_sql(value)
    }
}

impl ToSql<sql_types::Timestamp, Pg> for Moment {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<sql_types::Timestamptz, Pg>::to_sql(self, out)
    }
}

impl FromSql<sql_types::BigInt, Sqlite> for Moment {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Moment> {
        let unix_ms = <i64 as FromSql<sql_types::BigInt, Sqlite>>::from_sql(value)?;
        Ok(Moment(Timestamp { unix_ms }))
    }
}

impl ToSql<sql_types::BigInt, Sqlite> for Moment {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.unix_ms);
        Ok(IsNull::No)
    }
}

/// JSON text, read and written unchanged.
#[derive(Clone, PartialEq, Eq, Debug, AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::Json)]
#[diesel(sql_type = sql_types::Jsonb)]
pub struct JsonText(pub String);

/// The first byte of the binary form of JSONB: its version. The rest is text, as with JSON.
const JSONB_VERSION: u8 = 1;

impl ToSql<sql_types::Jsonb, Pg> for JsonText {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&[JSONB_VERSION])?;
        out.write_all(self.0.as_bytes())?;
        Ok(IsNull::No)
    }
}

impl FromSql<sql_types::Jsonb, Pg> for JsonText {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<JsonText> {
        match value.as_bytes().split_first() {
            Some((&JSONB_VERSION, text)) => Ok(JsonText(std::str::from_utf8(text)?.to_owned())),
            Some(_) | None => Err("JSONB of an unknown version".into()),
        }
    }
}

impl ToSql<sql_types::Json, Pg> for JsonText {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<sql_types::Text, Pg>::to_sql(self.0.as_str(), out)
    }
}

impl ToSql<sql_types::Json, Sqlite> for JsonText {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.as_str());
        Ok(IsNull::No)
    }
}

impl FromSql<sql_types::Json, Pg> for JsonText {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<JsonText> {
        <String as FromSql<sql_types::Text, Pg>>::from_sql(value).map(JsonText)
    }
}

impl FromSql<sql_types::Json, Sqlite> for JsonText {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<JsonText> {
        <String as FromSql<sql_types::Text, Sqlite>>::from_sql(value).map(JsonText)
    }
}

/// A stored event in the log, parsed without an intermediate JSON tree.
#[derive(Clone, PartialEq, Debug, FromSqlRow)]
pub struct Payload(pub Durable);

impl FromSql<sql_types::Json, Pg> for Payload {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Payload> {
        Ok(Payload(serde_json::from_slice(value.as_bytes())?))
    }
}

impl FromSql<sql_types::Json, Sqlite> for Payload {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Payload> {
        let text = <String as FromSql<sql_types::Text, Sqlite>>::from_sql(value)?;
        Ok(Payload(serde_json::from_str(&text)?))
    }
}

/// The files attached to a message, as they were when it was sent.
#[derive(Clone, PartialEq, Debug, FromSqlRow)]
pub struct Attached(pub Vec<Attachment>);

impl FromSql<sql_types::Json, Pg> for Attached {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Attached> {
        Ok(Attached(serde_json::from_slice(value.as_bytes())?))
    }
}

impl FromSql<sql_types::Json, Sqlite> for Attached {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Attached> {
        let text = <String as FromSql<sql_types::Text, Sqlite>>::from_sql(value)?;
        Ok(Attached(serde_json::from_str(&text)?))
    }
}

/// The users mentioned in a message.
#[derive(Clone, PartialEq, Debug, FromSqlRow)]
pub struct Mentioned(pub Vec<UserId>);

impl FromSql<sql_types::Json, Pg> for Mentioned {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Mentioned> {
        Ok(Mentioned(serde_json::from_slice(value.as_bytes())?))
    }
}

impl FromSql<sql_types::Json, Sqlite> for Mentioned {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Mentioned> {
        let text = <String as FromSql<sql_types::Text, Sqlite>>::from_sql(value)?;
        Ok(Mentioned(serde_json::from_str(&text)?))
    }
}

/// Text that both databases can store. PostgreSQL does not support U+0000; a single one would make a whole batch fail,
/// so it is replaced by U+FFFD, on SQLite as well.
pub fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// The same for JSON text, in which the character is escaped. JSONB does not support half of a surrogate pair either,
/// which is also replaced by U+FFFD.
pub fn storable_json(json: &str) -> Cow<'_, str> {
    if !json.contains("\\u0000") && !json.contains("\\uD") && !json.contains("\\ud") {
        return Cow::Borrowed(json);
    }
    let mut kept = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        // The characters after a backslash belong to it: `\\u0000` is a backslash followed by text.
        let (before, escape) = rest.split_at(at);
        let unit = code_unit(escape);
        let length = match (unit, escape.get(6..).and_then(code_unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(_), _) => 6,
            (None, _) => 2.min(escape.len()),
        };
        let is_kept = length == 12 || !matches!(unit, Some(0 | 0xd800..=0xdfff));
        kept.push_str(before);
        kept.push_str(if is_kept { escape.get(..length).unwrap_or_default() } else { "\\ufffd" });
        rest = escape.get(length..).unwrap_or_default();
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// The code unit of a `\\uXXXX` at the start of the text.
fn code_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

/// The form in which names are compared and looked up, regardless of case and composition.
pub fn folded(text: &str) -> String {
    names::key(&storable(text))
}

/// The forms in which a name may be stored: older releases only folded the case.
pub fn folded_now_and_before(text: &str) -> [String; 2] {
    [folded(text), storable(text).to_lowercase()]
}

/// The current time of this node's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp { unix_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgres_has_no_place_for_is_replaced() {
        assert_eq!(storable("a\0b"), "a\u{fffd}b");
        assert!(matches!(storable("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn json_loses_the_escape_and_nothing_else() {
        assert_eq!(storable_json(r#"{"a\u0000":"\\u0000 \\\u0000\n"}"#), r#"{"a\ufffd":"\\u0000 \\\ufffd\n"}"#);
        assert!(matches!(storable_json(r#"{"a":"\u00e9"}"#), Cow::Borrowed(_)));
        let halves = r#"["\ud83d\ude00","\uD83D","\ude00\ud83d","\ud83d\ud83d\ude00","\\ud83d"]"#;
        let whole = r#"["\ud83d\ude00","\ufffd","\ufffd\ufffd","\ufffd\ud83d\ude00","\\ud83d"]"#;
        assert_eq!(storable_json(halves), whole);
    }

    #[test]
    fn names_are_folded_beyond_ascii() {
        assert_eq!(folded("ÜNAL"), folded("ünal"));
    }
}
