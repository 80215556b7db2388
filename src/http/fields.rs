//! Reads the fields of request bodies and queries one by one, so that every refusal names the field and says what is
//! allowed.

use std::{num::IntErrorKind, ops::RangeInclusive, str::FromStr};

use serde_json::{Map, Value};

use super::{ApiError, extract::depth};
use crate::{
    auth::tokens::query_value,
    core::command::{RawJson, bad_attachments},
    error::ErrorCode,
    ids::{ClientMessageId, EventId, FileId, Timestamp},
    limits, names,
};

/// The fields of a body.
#[derive(Clone, Debug)]
pub(super) struct Fields(Map<String, Value>);

/// How spaces around a text are treated.
#[derive(Clone, Copy)]
enum Spaces {
    /// Removed: for names.
    Trimmed,
    /// Kept: for passwords and tokens.
    Kept,
}

impl Fields {
    /// Parses a JSON object.
    pub(super) fn from_json(body: &[u8]) -> Result<Fields, ApiError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Fields(fields)),
            Ok(_) => Err(ApiError::new(ErrorCode::InvalidMessage, "The body must be a JSON object")),
            Err(why) => {
                Err(ApiError::new(ErrorCode::InvalidJson, format!("The body is not JSON ({why}); send a JSON object")))
            }
        }
    }

    /// Parses an HTML form. The last value of a repeated field counts.
    pub(super) fn from_form(body: &[u8]) -> Result<Fields, ApiError> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(body).map_err(|why| {
            ApiError::new(ErrorCode::InvalidMessage, format!("The body is not a form ({why}); send a form or JSON"))
        })?;
        Ok(Fields(pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect()))
    }

    /// A name or similar text: one line, trimmed.
    pub(super) fn line(&self, name: &str, chars: RangeInclusive<usize>) -> Result<String, ApiError> {
        self.optional_line(name, chars)?.ok_or_else(|| missing(name))
    }

    /// Like [`Fields::line`], but the field may be absent, null or empty.
    pub(super) fn optional_line(&self, name: &str, chars: RangeInclusive<usize>) -> Result<Option<String>, ApiError> {
        let Some(text) = self.optional_text(name, chars, Spaces::Trimmed)? else { return Ok(None) };
        if !text.is_empty() && !names::is_readable(&text) {
            return Err(ApiError::field(name, "must be one line with a visible character and without invisible ones"));
        }
        Ok(Some(text))
    }

    /// Text with line breaks. It may be absent, null or empty.
    pub(super) fn optional_lines(&self, name: &str, chars_max: usize) -> Result<Option<String>, ApiError> {
        let Some(text) = self.optional_text(name, 0..=chars_max, Spaces::Trimmed)? else { return Ok(None) };
        if text.chars().any(|c| c.is_control() && !"\n\r\t".contains(c)) {
            return Err(ApiError::field(name, "must have no control characters except line breaks and tabs"));
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// A password or a token, unchanged.
    pub(super) fn secret(&self, name: &str, chars: RangeInclusive<usize>) -> Result<String, ApiError> {
        self.optional_text(name, chars, Spaces::Kept)?.ok_or_else(|| missing(name))
    }

    /// Text of any length, unchanged. It may be absent or null.
    pub(super) fn optional_raw_text(&self, name: &str) -> Result<Option<String>, ApiError> {
        self.optional_text(name, 0..=usize::MAX, Spaces::Kept)
    }

    /// File ids. The field may be absent or null.
    pub(super) fn file_ids(&self, name: &str) -> Result<Vec<FileId>, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(ids)) => {
                let id = |id: &Value| id.as_str().and_then(|id| id.parse().ok());
                Ok(ids.iter().map(id).collect::<Option<_>>().ok_or_else(bad_attachments)?)
            }
            Some(Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
                Err(bad_attachments().into())
            }
        }
    }

    /// Texts of any length. The field may be absent or null.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<&str>>, ApiError> {
        let wrong = || ApiError::field(name, "must be a list of strings");
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(texts)) => {
                texts.iter().map(Value::as_str).collect::<Option<_>>().map(Some).ok_or_else(wrong)
            }
            Some(Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => Err(wrong()),
        }
    }

    /// The client's own id of a message. The field may be absent or null.
    pub(super) fn client_message_id(&self, name: &str) -> Result<Option<ClientMessageId>, ApiError> {
        self.optional_raw_text(name)?.map(|text| client_message_id(name, text)).transpose()
    }

    /// The id of a message. The field may be absent or null.
    pub(super) fn message_id(&self, name: &str) -> Result<Option<EventId>, ApiError> {
        let Some(text) = self.optional_raw_text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| ApiError::field(name, "must be the id of a message, a UUID"))
    }

    /// A whole number within a range. The field may be absent or null.
    pub(super) fn optional_number(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, ApiError> {
        let number = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => whole(value).filter(|number| range.contains(number)),
        };
        let (least, most) = range.into_inner();
        let wrong = || ApiError::field(name, format!("must be a whole number from {least} to {most}"));
        number.map(Some).ok_or_else(wrong)
    }

    /// A number, which may have a fraction. The field may be absent or null.
    pub(super) fn optional_fraction(&self, name: &str) -> Result<Option<f64>, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| ApiError::field(name, "must be a number")),
        }
    }

    /// True or false. The field may be absent or null.
    pub(super) fn optional_boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_bool().map(Some).ok_or_else(|| ApiError::field(name, "must be true or false")),
        }
    }

    /// A timestamp. The field may be absent or null.
    pub(super) fn optional_moment(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.optional_text(name, 0..=64, Spaces::Trimmed)? else { return Ok(None) };
        let wrong = || ApiError::field(name, "must be a timestamp such as 2025-10-27T12:00:00Z (RFC 3339)");
        text.parse().map(Some).map_err(|_| wrong())
    }

    /// An object that is passed on unchanged. The field may be absent or null.
    pub(super) fn optional_object(&self, name: &str, bytes_max: usize) -> Result<Option<RawJson>, ApiError> {
        let value = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(value @ Value::Object(_)) => value,
            Some(Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Array(_)) => {
                return Err(ApiError::field(name, "must be a JSON object"));
            }
        };
        let (text, depth_max) = (value.to_string(), limits::JSON_DEPTH_MAX - 2);
        if text.len() > bytes_max || depth(value) > depth_max {
            let problem = format!("must have at most {bytes_max} bytes and {depth_max} levels");
            return Err(ApiError::field(name, problem));
        }
        Ok(Some(RawJson::from_parsed(&text)))
    }

    /// A list of objects. The field may be absent or null.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Fields>, ApiError> {
        let wrong = || ApiError::field(name, "must be a list of JSON objects");
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                let fields = |item: &Value| item.as_object().map(|fields| Fields(fields.clone()));
                items.iter().map(fields).collect::<Option<_>>().ok_or_else(wrong)
            }
            Some(Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => Err(wrong()),
        }
    }

    /// Sets a field to a text.
    pub(super) fn set(&mut self, name: &str, text: &str) {
        self.0.insert(name.to_owned(), Value::String(text.to_owned()));
    }

    /// Adds a text to a field that is an object, or is absent or null. A field of another type stays as it is.
    pub(super) fn add_to_object(&mut self, name: &str, key: &str, text: String) {
        let field = self.0.entry(name).or_insert(Value::Null);
        if field.is_null() {
            *field = Value::Object(Map::new());
        }
        if let Value::Object(object) = field {
            object.insert(key.to_owned(), Value::String(text));
        }
    }

    /// Whether the field is present, even if null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn optional_text(
        &self,
        name: &str,
        chars: RangeInclusive<usize>,
        spaces: Spaces,
    ) -> Result<Option<String>, ApiError> {
        let text = match self.0.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.as_str(),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                return Err(ApiError::field(name, "must be a string"));
            }
        };
        let text = match spaces {
            Spaces::Trimmed => text.trim(),
            Spaces::Kept => text,
        };
        if !chars.contains(&text.chars().count()) {
            let (least, most) = chars.into_inner();
            return Err(ApiError::field(name, format!("must have {least} to {most} characters")));
        }
        Ok(Some(text.to_owned()))
    }
}

/// A whole number, also in the form `4.0`, which is the same number in JSON.
fn whole(value: &Value) -> Option<u64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_991.0;
    let is_whole = |number: &f64| number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(number);
    value.as_u64().or_else(|| value.as_f64().filter(is_whole).map(|number| number as u64))
}

/// The client's own id of a message or another change.
pub(super) fn client_message_id(name: &str, text: String) -> Result<ClientMessageId, ApiError> {
    let expected = "must be a string of 1 to 128 characters without control characters";
    ClientMessageId::new(text).map_err(|_| ApiError::field(name, expected))
}

fn missing(name: &str) -> ApiError {
    ApiError::field(name, "is missing; send it as a string")
}

/// A username: it must not look like an e-mail address, and must have no spaces or invisible characters.
pub(super) fn username(fields: &Fields) -> Result<String, ApiError> {
    let name = fields.line("username", limits::USERNAME_CHARS)?;
    if name.chars().any(|c| c.is_whitespace() || c == '@' || names::is_hidden(c)) {
        return Err(ApiError::field("username", "must have no spaces, no @ and no invisible characters"));
    }
    if !names::is_of_one_script(&name) {
        let problem = "mixes letters of scripts that look alike; use the letters of one script";
        return Err(ApiError::field("username", problem));
    }
    Ok(name)
}

/// An e-mail address with one @ and text on both sides. Only sending mail could verify it further.
pub(super) fn email(fields: &Fields) -> Result<String, ApiError> {
    let email = fields.line("email", 3..=limits::EMAIL_CHARS_MAX)?;
    let sound = email.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && !host.is_empty() && !host.contains('@') && !host.starts_with('.') && !host.ends_with('.')
    });
    if !sound || email.chars().any(|c| c.is_whitespace() || names::is_hidden(c)) {
        return Err(ApiError::field("email", "must be an address such as name@example.org"));
    }
    Ok(email)
}

/// A page size of at least 1. Larger values, even if they do not fit into an integer, count as `most`.
pub(super) fn query_limit(text: &str, most: i64) -> Result<i64, ApiError> {
    match text.parse::<i64>() {
        Ok(number) if number >= 1 => Ok(number.min(most)),
        Err(why) if *why.kind() == IntErrorKind::PosOverflow => Ok(most),
        Ok(_) | Err(_) => Err(ApiError::field("limit", "must be a number of at least 1")),
    }
}

/// The requested page size of a list.
pub(super) struct Page {
    limit: i64,
}

impl Page {
    /// A page of half the size.
    pub(super) const fn half(&self) -> Page {
        Page { limit: self.limit / 2 }
    }

    /// What is left of the page after so many.
    pub(super) fn but(&self, taken: usize) -> Page {
        let taken = i64::try_from(taken).unwrap_or(i64::MAX);
        Page { limit: self.limit.saturating_sub(taken).max(0) }
    }

    /// Reads `limit` from a query. Without it, `default`; at most `most`.
    pub(super) fn asked(query: &str, default: i64, most: i64) -> Result<Page, ApiError> {
        let limit = match query_value(query, "limit") {
            None => default,
            Some(text) => query_limit(&text, most)?,
        };
        Ok(Page { limit })
    }

    /// The page size.
    pub(super) fn size(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX)
    }

    /// How many items to read: one more than the page size, which shows whether there is another page.
    pub(super) const fn to_read(&self) -> i64 {
        self.limit + 1
    }

    /// Truncates the items to the page size. Returns whether there are more.
    pub(super) fn cut<T>(&self, found: &mut Vec<T>) -> bool {
        let limit = self.size();
        let has_more = found.len() > limit;
        found.truncate(limit);
        has_more
    }
}

/// A number from a query.
pub(super) fn query_number<T>(text: &str, name: &str, range: RangeInclusive<T>) -> Result<T, ApiError>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(_) | Err(_) => {
            let (first, last) = range.into_inner();
            Err(ApiError::field(name, format!("must be a number from {first} to {last}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Fields {
        Fields::from_json(json.as_bytes()).unwrap()
    }

    fn sentence<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn every_refusal_names_the_field() {
        let some = fields(r#"{"name": 5, "empty": " ", "null": null, "lines": "a\nb"}"#);
        assert_eq!(sentence(some.line("name", 1..=8)), "name: must be a string");
        assert_eq!(sentence(some.line("empty", 1..=8)), "empty: must have 1 to 8 characters");
        assert_eq!(sentence(some.line("null", 1..=8)), "null: is missing; send it as a string");
        assert_eq!(sentence(some.line("absent", 1..=8)), "absent: is missing; send it as a string");
        assert!(sentence(some.line("lines", 1..=8)).starts_with("lines: must be one line"));
        assert_eq!(some.optional_lines("lines", 8).unwrap().as_deref(), Some("a\nb"));
        assert_eq!(some.optional_lines("empty", 8).unwrap(), None);
    }

    #[test]
    fn names_are_trimmed_and_passwords_are_not() {
        let some = fields(r#"{"a": " x ", "b": " x "}"#);
        assert_eq!(some.line("a", 1..=8).unwrap(), "x");
        assert_eq!(some.secret("b", 1..=8).unwrap(), " x ");
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(fields(r#"{"a": "éééé"}"#).line("a", 1..=4).is_ok());
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let some = fields(r#"{"a": 4, "b": 4.0, "c": 4.5, "d": -1, "e": 1e300, "f": "4"}"#);
        let read = |name: &str| some.optional_number(name, 1..=9).ok().flatten();
        assert_eq!(["a", "b", "c", "d", "e", "f"].map(read), [Some(4), Some(4), None, None, None, None]);
    }

    #[test]
    fn no_limit_is_too_large_to_be_the_most() {
        for (text, limit) in [("1", Some(1)), ("7", Some(7)), ("8", Some(7)), ("99999999999999999999", Some(7))] {
            assert_eq!(query_limit(text, 7).ok(), limit, "{text}");
        }
        for text in ["0", "-1", "-99999999999999999999", "", "x", "1.5"] {
            assert_eq!(sentence(query_limit(text, 7)), "limit: must be a number of at least 1", "{text}");
        }
    }

    #[test]
    fn one_more_than_a_page_tells_that_there_is_another() {
        let page = Page::asked("limit=2", 50, 100).unwrap();
        assert_eq!(page.to_read(), 3);
        for (read, has_more) in [(0, false), (2, false), (3, true)] {
            let mut found: Vec<_> = (0..read).collect();
            assert_eq!((page.cut(&mut found), found.len()), (has_more, read.min(2)));
        }
        let limit = |query| Page::asked(query, 50, 100).ok().map(|page| page.limit);
        assert_eq!(["", "limit=", "limit=200", "limit=0"].map(limit), [Some(50), Some(50), Some(100), None]);
    }

    #[test]
    fn no_json_and_no_object_are_told_apart() {
        let code = |body: &str| format!("{:?}", Fields::from_json(body.as_bytes()).unwrap_err());
        assert!(code("{").contains("InvalidJson"));
        assert!(code("").contains("InvalidJson"));
        assert!(code("[]").contains("InvalidMessage"));
    }

    #[test]
    fn user_names_can_be_told_from_addresses_and_from_each_other() {
        let name = |text: &str| username(&fields(&serde_json::json!({ "username": text }).to_string()));
        assert!(["ann", "Ann_1", "Анна", "小明さん"].into_iter().all(|text| name(text).is_ok()));
        for text in [
            "a n n",
            "ann@example.org",
            "an\u{200b}n",
            "an\u{202e}n",
            "an\u{3164}n",
            "\u{2800}\u{2800}\u{2800}",
            "аnn",
            "ab",
            &"a".repeat(65),
        ] {
            assert!(sentence(name(text)).starts_with("username: "), "{text}");
        }
    }

    #[test]
    fn addresses_need_both_sides() {
        let address = |text: &str| email(&fields(&serde_json::json!({ "email": text }).to_string()));
        assert!(address("a@b").is_ok() && address("a.b+c@example.org").is_ok());
        for text in ["ab", "@b", "a@", "a@b@c", "a b@c", "a@.c", "a@c."] {
            assert!(sentence(address(text)).starts_with("email: "), "{text}");
        }
    }

    #[test]
    fn a_form_has_the_same_fields() {
        let form = Fields::from_form(b"username=ann&password=a%20b+c&grant_type=").unwrap();
        assert_eq!(form.secret("password", 1..=9).unwrap(), "a b c");
        assert_eq!(form.line("username", 1..=9).unwrap(), "ann");
    }
}
