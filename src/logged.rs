//! Formats values for log lines, which are `key=value` pairs separated by spaces. Names and error texts come from
//! users, so they must not be able to forge another field or another line.

use std::fmt;

/// Formats a value for a log line: bare if it is one word, otherwise quoted, with unprintable characters escaped.
pub fn logged<T: fmt::Display>(value: T) -> Logged<T> {
    Logged(value)
}

/// See [`logged`].
pub struct Logged<T>(T);

impl<T: fmt::Display> fmt::Display for Logged<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let is_plain = |c: char| c.is_alphanumeric() || (c.is_ascii_graphic() && !"\"=\\".contains(c));
        if !text.is_empty() && text.chars().all(is_plain) {
            return f.write_str(&text);
        }
        f.write_str("\"")?;
        for c in text.chars() {
            match c {
                '\'' => f.write_str("'")?,
                other => write!(f, "{}", other.escape_debug())?,
            }
        }
        f.write_str("\"")
    }
}

/// Formats a whole log line. Characters that would begin another line are escaped.
pub fn one_line(line: &fmt::Arguments<'_>) -> String {
    line.to_string().chars().fold(String::new(), |mut written, c| {
        if c.is_control() {
            written.extend(c.escape_default())
        } else {
            written.push(c)
        }
        written
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_look_like_another_field_is_quoted() {
        for (value, line) in [
            ("01932c07-209b", "01932c07-209b"),
            ("auth0|jürgen@example.org", "auth0|jürgen@example.org"),
            ("bob by=root", "\"bob by=root\""),
            ("a=b", "\"a=b\""),
            ("say \"hi\"", "\"say \\\"hi\\\"\""),
            ("it's\nts=1 \u{202e}", "\"it's\\nts=1 \\u{202e}\""),
            ("", "\"\""),
        ] {
            assert_eq!(logged(value).to_string(), line);
        }
    }

    #[test]
    fn a_line_stays_one() {
        assert_eq!(one_line(&format_args!("event=a why=\"é\n{}\"", "ts=1\r")), "event=a why=\"é\\nts=1\\r\"");
    }
}
