//! What JSON dialects share: a writer that puts a message together field by field, straight into the frame, and a reader
//! of single fields that keeps what was wrong with them. It must never know a field's name or meaning.

use std::{borrow::Cow, fmt, io::Write};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::core::command::RawJson;

// ---- out ----

/// An object under construction. [`Object::end`] closes it.
#[must_use]
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    separator: u8,
}

impl<'a> Object<'a> {
    /// Opens an object at the end of `out`.
    pub fn begin(out: &'a mut Vec<u8>) -> Object<'a> {
        Object { out, separator: b'{' }
    }

    /// A string.
    pub fn text(mut self, name: &'static str, value: &str) -> Object<'a> {
        self.name(name);
        string(self.out, value);
        self
    }

    /// A value whose text needs no escaping: an id of hexadecimal digits, a timestamp.
    pub fn plain(mut self, name: &'static str, value: impl fmt::Display) -> Object<'a> {
        self.name(name);
        let _ = write!(self.out, "\"{value}\""); // a Vec takes everything
        self
    }

    /// An integer.
    pub fn integer(mut self, name: &'static str, value: i64) -> Object<'a> {
        self.name(name);
        let _ = write!(self.out, "{value}"); // a Vec takes everything
        self
    }

    /// True or false.
    pub fn boolean(mut self, name: &'static str, value: bool) -> Object<'a> {
        self.name(name);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// Strings.
    pub fn texts<'t>(mut self, name: &'static str, values: impl IntoIterator<Item = &'t str>) -> Object<'a> {
        self.name(name);
        self.out.push(b'[');
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            string(self.out, value);
        }
        self.out.push(b']');
        self
    }

    /// A list that somebody else fills. Answers at which byte its elements belong.
    pub fn gap(mut self, name: &'static str) -> (Object<'a>, usize) {
        self.name(name);
        self.out.push(b'[');
        let place = self.out.len();
        self.out.push(b']');
        (self, place)
    }

    /// JSON as somebody else wrote it.
    pub fn raw(mut self, name: &'static str, value: &RawJson) -> Object<'a> {
        self.name(name);
        self.out.extend_from_slice(value.as_str().as_bytes());
        self
    }

    /// A value that is its own JSON as it is shown, such as a number.
    pub fn bare(mut self, name: &'static str, value: impl fmt::Display) -> Object<'a> {
        self.name(name);
        let _ = write!(self.out, "{value}"); // a Vec takes everything
        self
    }

    /// Null.
    pub fn null(mut self, name: &'static str) -> Object<'a> {
        self.name(name);
        self.out.extend_from_slice(b"null");
        self
    }

    /// An object of its own.
    pub fn object(mut self, name: &'static str, fill: impl FnOnce(Object<'_>) -> Object<'_>) -> Object<'a> {
        self.name(name);
        fill(Object::begin(self.out)).end();
        self
    }

    /// Objects of their own.
    pub fn objects<T>(
        mut self,
        name: &'static str,
        items: &[T],
        fill: impl for<'o> Fn(Object<'o>, &T) -> Object<'o>,
    ) -> Object<'a> {
        self.name(name);
        self.out.push(b'[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            fill(Object::begin(self.out), item).end();
        }
        self.out.push(b']');
        self
    }

    /// What `add` adds to it, if there is something.
    pub fn maybe<T>(self, value: Option<T>, add: impl FnOnce(Object<'a>, T) -> Object<'a>) -> Object<'a> {
        match value {
            Some(value) => add(self, value),
            None => self,
        }
    }

    /// Closes the object.
    pub fn end(self) {
        if self.separator == b'{' {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }

    /// Names are ours and plain, so they are written as they are.
    fn name(&mut self, name: &'static str) {
        self.out.push(self.separator);
        self.separator = b',';
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

/// Appends a string.
pub fn string(out: &mut Vec<u8>, value: &str) {
    let _ = serde_json::to_writer(out, value); // a str has a form, and a Vec takes everything
}

// ---- in ----

/// Whether brackets outside strings nest deeper than `depth_max`. Reads any bytes, well-formed or not, without recursion.
pub fn nests_deeper_than(text: &str, depth_max: usize) -> bool {
    let brackets = text.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count();
    if brackets <= depth_max {
        return false; // the usual case, and one that the compiler does many bytes at a time
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > depth_max {
                    return true;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// A field's value as far as a flat message needs it, so that a wrong kind can be named instead of failing the parse.
#[derive(Clone, PartialEq, Debug)]
pub enum Scalar<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// True or false.
    Boolean(bool),
    /// Null.
    Null,
    /// A number.
    Number,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Scalar<'_> {
    /// What it is, for an error's sentence.
    pub const fn kind(&self) -> &'static str {
        match self {
            Scalar::Text(_) => "a string",
            Scalar::Boolean(_) => "a boolean",
            Scalar::Null => "null",
            Scalar::Number => "a number",
            Scalar::Array => "an array",
            Scalar::Object => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar<'de>, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Boolean(value))
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Null)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Number)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Scalar<'de>, A::Error> {
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Scalar<'de>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_strings_only() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(!nests_deeper_than(&nested(64), 64));
        assert!(nests_deeper_than(&nested(65), 64));
        assert!(nests_deeper_than(&"{\"a\":[".repeat(40), 64));
        assert!(!nests_deeper_than(&format!("[\"{}\"]", "[".repeat(500)), 64));
        assert!(!nests_deeper_than(&format!("[\"\\\"{}\"]", "[".repeat(500)), 64));
        assert!(nests_deeper_than(&format!("[\"\\\\\",{}", "[".repeat(64)), 64));
        assert!(!nests_deeper_than(&format!("[{}]", "[],".repeat(500)), 64));
    }

    #[test]
    fn objects_are_put_together() {
        let mut out = b"x".to_vec();
        Object::begin(&mut out).end();
        Object::begin(&mut out)
            .text("a", "\"\n\u{1}é\u{2028}")
            .integer("b", -7)
            .boolean("c", false)
            .texts("d", ["x", "\\"])
            .texts("e", [])
            .maybe(None, |object, value: i64| object.integer("f", value))
            .maybe(Some(1), |object, value| object.integer("g", value))
            .plain("h", 12)
            .raw("i", &RawJson::from_parsed("{\"j\": 1.0}"))
            .end();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "x{}{\"a\":\"\\\"\\n\\u0001é\u{2028}\",\"b\":-7,\"c\":false,\"d\":[\"x\",\"\\\\\"],\"e\":[],\"g\":1,\"h\":\"12\",\"i\":{\"j\": 1.0}}"
        );
    }
}
