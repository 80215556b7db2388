//! The file `.env`: one `NAME=value` per line. Errors must never quote a value, because it may be a secret. References
//! to other variables (`${…}`) are not expanded.

use std::{collections::BTreeMap, fs, io, path::Path};

use super::ConfigError;

/// The variables of the file. Empty if there is no file.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(why) if why.kind() == io::ErrorKind::InvalidData => {
            Err(ConfigError::new(".env", "is not UTF-8 text; save it as UTF-8, or remove the file"))
        }
        Err(why) => Err(ConfigError::new(
            ".env",
            format!("can't be read ({why}); give this user read permission, or remove it"),
        )),
    }
}

fn parse(text: &str) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut variables = BTreeMap::new();
    let mut reader = Reader { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 };
    while let Some((name, value)) = reader.variable()? {
        variables.insert(name, value);
    }
    Ok(variables)
}

/// The rest of the file, and its current line number.
struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    /// The next variable, or None at the end.
    fn variable(&mut self) -> Result<Option<(String, String)>, ConfigError> {
        loop {
            self.skip_blanks();
            match self.peek() {
                None => return Ok(None),
                Some('\n') => self.skip(),
                Some('#') => self.skip_line(),
                Some(_) => break,
            }
        }
        let line = self.line;
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        let written = self.rest.get(..end).unwrap_or_default();
        let name = written.split_once('=').map(|(name, _)| name.trim());
        let name = name.map(|name| name.strip_prefix("export ").unwrap_or(name).trim());
        let Some(name) = name.filter(|name| is_name(name)).map(str::to_owned) else {
            return Err(wrong(line, None, "does not have the form NAME=value; correct it, or put a # before it"));
        };
        while self.take() != Some('=') {}
        let value = self.value(line, &name)?;
        Ok(Some((name, value)))
    }

    fn value(&mut self, line: usize, name: &str) -> Result<String, ConfigError> {
        let bad = |what: &str| Err(wrong(line, Some(name), what));
        let before = self.rest.len();
        self.skip_blanks();
        if self.peek() == Some('#') && self.rest.len() < before {
            self.skip_line();
            return Ok(String::new());
        }
        let mut value = String::new();
        loop {
            match self.take() {
                None | Some('\n') => return Ok(value),
                Some('\'') => match self.rest.split_once('\'') {
                    Some((quoted, rest)) => {
                        value.push_str(quoted);
                        self.line += quoted.matches('\n').count();
                        self.rest = rest;
                    }
                    None => return bad("has no closing '; add it, or put the value in double quotes"),
                },
                Some('"') => loop {
                    match self.take() {
                        None => {
                            return bad("has no closing \"; add it, or put the value in single quotes");
                        }
                        Some('"') => break,
                        Some('\\') => self.escaped(line, name, &mut value)?,
                        Some('$') => self.dollar(line, name, &mut value)?,
                        Some(other) => value.push(other),
                    }
                },
                Some('\\') => self.escaped(line, name, &mut value)?,
                Some('$') => self.dollar(line, name, &mut value)?,
                Some(c) if is_blank(c) => {
                    self.skip_blanks();
                    match self.peek() {
                        None | Some('\n') => {}
                        Some('#') => self.skip_line(),
                        Some(_) => return bad("has a space in its value; put the whole value in single quotes"),
                    }
                    return Ok(value);
                }
                Some(other) => value.push(other),
            }
        }
    }

    fn escaped(&mut self, line: usize, name: &str, value: &mut String) -> Result<(), ConfigError> {
        match self.take() {
            Some('n') => value.push('\n'),
            Some(c) if "\\'\"$ ".contains(c) => value.push(c),
            Some(_) | None => {
                let what = "has an unknown escape; write \\\\ for a \\, or put the whole value in single quotes";
                return Err(wrong(line, Some(name), what));
            }
        }
        Ok(())
    }

    /// A dollar sign is literal. A reference that other programs would expand is refused, so that it is not
    /// misunderstood.
    fn dollar(&mut self, line: usize, name: &str, value: &mut String) -> Result<(), ConfigError> {
        let braced = self.rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        if braced.is_some_and(|(inner, _)| is_name(inner)) {
            let what = "refers to another variable with ${…}, which is not supported; write the value itself, or put the whole \
                        value in single quotes if it contains these characters";
            return Err(wrong(line, Some(name), what));
        }
        value.push('$');
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn skip(&mut self) {
        self.take();
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(is_blank);
    }

    fn skip_line(&mut self) {
        while !matches!(self.take(), None | Some('\n')) {}
    }
}

/// White space within a line, including the carriage return that some editors write.
fn is_blank(c: char) -> bool {
    c.is_whitespace() && c != '\n'
}

fn is_name(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(first) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

fn wrong(line: usize, name: Option<&str>, what: &str) -> ConfigError {
    match name {
        Some(name) => ConfigError::new(".env", format!("line {line}: {name} {what}")),
        None => ConfigError::new(".env", format!("line {line} {what}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(written: &str) -> String {
        parse(&format!("NAME={written}\nNEXT=1\n")).unwrap().remove("NAME").unwrap()
    }

    #[test]
    fn values_arrive_as_they_are_written() {
        for (written, meant) in [
            ("pa$word#1", "pa$word#1"),
            ("\"pa$word#1\"", "pa$word#1"),
            ("'pa$word ${x}#1'", "pa$word ${x}#1"),
            ("pa\\$word", "pa$word"),
            ("sk-abc${", "sk-abc${"),
            ("$5$salt$hash", "$5$salt$hash"),
            ("a=b==", "a=b=="),
            ("plain  # a comment", "plain"),
            ("  'two words' # a comment", "two words"),
            ("\"line\\nbreak\"", "line\nbreak"),
            ("\"of\ntwo lines\"", "of\ntwo lines"),
            ("", ""),
            (" # nothing", ""),
            ("#sharp", "#sharp"),
            ("\r", ""),
            ("crlf\r", "crlf"),
        ] {
            assert_eq!(value(written), meant, "{written:?}");
        }
    }

    #[test]
    fn names_may_be_exported_and_lines_may_be_empty() {
        let read = parse("\u{feff}# comment\n\n  export A=1\r\nB = 2\n").unwrap();
        assert_eq!((read["A"].as_str(), read["B"].as_str()), ("1", "2"));
    }

    #[test]
    fn a_refusal_names_the_line_and_the_variable_and_never_the_value() {
        for (written, variable) in [
            ("JWT_SECRET_KEY=hush horse battery staple", "JWT_SECRET_KEY"),
            ("AI_API_KEY=hush\\q", "AI_API_KEY"),
            ("DB_PASSWORD='hush", "DB_PASSWORD"),
            ("DB_PASSWORD=\"hush", "DB_PASSWORD"),
            ("DATABASE_URL=postgres://hush:${DB_PASSWORD}@db/x", "DATABASE_URL"),
            ("hush", "line 3 does not"),
            ("hush hush=1", "line 3 does not"),
        ] {
            let sentence = parse(&format!("# one\nX=1\n{written}\n")).unwrap_err().to_string();
            assert!(sentence.starts_with(".env: line 3") && sentence.contains(variable), "{sentence}");
            assert!(!sentence.contains("hush"), "{sentence}");
        }
    }
}
