//! The form of a frame: the fields that it must have, and their types. Further fields are allowed, because the protocol
//! is extended by fields that old clients ignore.

use serde_json::Value;
use uuid::Uuid;

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Text,
    /// A string that is a UUID.
    Uuid,
    /// A non-negative integer.
    Count,
    Boolean,
    /// RFC 3339 in UTC with milliseconds.
    Time,
    /// A list of strings.
    Texts,
    /// A string or a number that clients return unchanged.
    Opaque,
    /// A string, null, or absent.
    OptionalText,
}

/// Asserts that `value` is an object that has all these fields.
#[track_caller]
pub fn assert_shape(value: &Value, fields: &[(&str, Kind)]) {
    let object = value.as_object().unwrap_or_else(|| panic!("an object, not {value}"));
    for (name, kind) in fields {
        let field = object.get(*name).unwrap_or(&Value::Null);
        let text = field.as_str();
        let fits = match kind {
            Kind::Text => text.is_some(),
            Kind::Uuid => text.is_some_and(|text| Uuid::try_parse(text).is_ok()),
            Kind::Count => field.is_u64(),
            Kind::Boolean => field.is_boolean(),
            Kind::Time => {
                super::rest::assert_timestamp(field);
                true
            }
            Kind::Opaque => field.is_number() || text.is_some(),
            Kind::Texts => field.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
            Kind::OptionalText => field.is_null() || text.is_some(),
        };
        assert!(fits, "field '{name}' should be {kind:?} in {value}");
    }
}

/// The field as a number.
#[track_caller]
pub fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_else(|| panic!("'{field}' should be a whole number in {value}"))
}

/// The field as a string.
#[track_caller]
pub fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("'{field}' should be a text in {value}")).to_owned()
}

/// The field as a client returns it: a string unchanged, a number in digits.
#[track_caller]
pub fn opaque(value: &Value, field: &str) -> String {
    match &value[field] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => panic!("'{field}' should be a text or a number in {value}"),
    }
}

/// The strings of a list, sorted.
#[track_caller]
pub fn sorted_texts(value: &Value) -> Vec<String> {
    let list = value.as_array().unwrap_or_else(|| panic!("a list, not {value}"));
    let mut texts: Vec<String> = list.iter().map(|item| item.as_str().expect("a text").to_owned()).collect();
    texts.sort();
    texts
}
