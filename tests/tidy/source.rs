//! Splits a source file into the parts that the checks need: code, comments, tests, paths.

const EXCEPTION: &str = "// tidy: ";
const TEST_ONLY: &str = "#[cfg(test)]";

/// A source file: the original text and its parts, with all bytes at their original positions.
pub struct Source {
    pub path: String,
    pub text: String,
    /// Without comments and literals.
    pub all_code: String,
    /// The same without unit tests.
    pub code: String,
    pub comments: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let (all_code, comments) = split(text);
        let code = blank_tests(&all_code);
        Source { path: path.to_owned(), text: text.to_owned(), all_code, code, comments }
    }

    pub fn line_of(&self, offset: usize) -> usize {
        self.code[..offset].matches('\n').count() + 1
    }

    /// Whether the line or the one before it has an exception with a reason.
    pub fn has_exception(&self, line: usize) -> bool {
        self.comments.lines().take(line).skip(line.saturating_sub(2)).any(is_exception)
    }
}

pub fn is_exception(comment: &str) -> bool {
    comment.split_once(EXCEPTION).is_some_and(|(_, reason)| !reason.trim().is_empty())
}

/// Splits a text into code and non-doc comments. In each result everything else is blanked, so that bytes stay in
/// place. The contents of strings and characters are in neither.
pub fn split(text: &str) -> (String, String) {
    let bytes = text.as_bytes();
    let blank = |byte: u8| if byte == b'\n' { b'\n' } else { b' ' };
    let mut code = bytes.to_vec();
    let mut comments: Vec<u8> = bytes.iter().map(|byte| blank(*byte)).collect();
    let mut at = 0;
    while at < bytes.len() {
        let end = match &bytes[at..] {
            [b'/', b'/', ..] => text[at..].find('\n').map_or(bytes.len(), |length| at + length),
            [b'/', b'*', ..] => text[at..].find("*/").map_or(bytes.len(), |length| at + length + 2),
            [b'r', b'"' | b'#', ..] if !is_word(bytes, at.wrapping_sub(1)) => raw_string_end(text, at),
            [b'"', ..] | [b'\'', b'\\', ..] => string_end(bytes, at),
            // A character, not a lifetime: the quote closes after one character.
            [b'\'', ..] => {
                let character = text[at + 1..].chars().next().map_or(1, char::len_utf8);
                if bytes.get(at + 1 + character) == Some(&b'\'') { at + character + 2 } else { at + 1 }
            }
            _ => at + 1,
        };
        if end > at + 1 {
            code[at..end].iter_mut().for_each(|byte| *byte = blank(*byte));
            let is_comment = bytes[at] == b'/' && !text[at..].starts_with("///") && !text[at..].starts_with("//!");
            if is_comment {
                comments[at..end].copy_from_slice(&bytes[at..end]);
            }
        }
        at = end;
    }
    let whole = |bytes| String::from_utf8(bytes).expect("only whole characters were blanked or kept");
    (whole(code), whole(comments))
}

pub fn is_word(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// The end of the quoted text that starts at `at`.
pub fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != bytes[at] {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// The end of the raw string that may start at `at`; the next byte if there is none (a raw identifier).
pub fn raw_string_end(text: &str, at: usize) -> usize {
    let hashes = text[at + 1..].bytes().take_while(|byte| *byte == b'#').count();
    let start = at + 1 + hashes;
    if text.as_bytes().get(start) != Some(&b'"') {
        return at + 1;
    }
    let closing = format!("\"{}", "#".repeat(hashes));
    text[start + 1..].find(&closing).map_or(text.len(), |length| start + 1 + length + closing.len())
}

pub fn blank(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) }).collect()
}

/// Blanks the items under `#[cfg(test)]`.
pub fn blank_tests(code: &str) -> String {
    let mut rest = code.to_owned();
    while let Some(start) = rest.find(TEST_ONLY) {
        let after = &rest[start..];
        let end = match (after.find('{'), after.find(';')) {
            (Some(open), semicolon) if semicolon.is_none_or(|semicolon| open < semicolon) => {
                start + block_end(after, open).unwrap_or(after.len())
            }
            (_, Some(semicolon)) => start + semicolon + 1,
            _ => rest.len(),
        };
        rest = format!("{}{}{}", &rest[..start], blank(&rest[start..end]), &rest[end..]);
    }
    rest
}

/// The files that a file declares only for tests (`#[cfg(test)] mod name;`), each as its path without `.rs`.
pub fn test_modules(source: &Source) -> Vec<String> {
    let folder = match source.path.rsplit_once('/') {
        Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder.to_owned(),
        _ => source.path.trim_end_matches(".rs").to_owned(),
    };
    let declarations = source.all_code.match_indices(TEST_ONLY).filter_map(|(at, _)| {
        let item = source.all_code[at + TEST_ONLY.len()..].split(['{', ';']).next()?;
        let (_, name) = item.rsplit_once("mod ")?;
        Some((at, name.trim().to_owned()))
    });
    declarations
        .map(|(at, name)| {
            // The path of `#[path = "name_tests.rs"]` is a literal, so it is read from the text.
            let item = source.text[at..].split(';').next().unwrap_or_default();
            match item.split_once("#[path = \"").and_then(|(_, rest)| rest.split_once(".rs\"")) {
                Some((file, _)) => format!("{}/{file}", source.path.rsplit_once('/').map_or("", |(folder, _)| folder)),
                None => format!("{folder}/{name}"),
            }
        })
        .collect()
}

/// The end of the block that opens at `open`, after its closing brace.
pub fn block_end(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// All positions where `word` is a whole path segment or identifier.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| !is_word(code.as_bytes(), at.wrapping_sub(1)) && !is_word(code.as_bytes(), at + word.len()))
}

/// Positions where paths begin with a crate of this family: `actix_rt::` for `actix`.
pub fn family<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(name).map(|(at, _)| at).filter(move |at| {
        let rest = &code[at + name.len()..];
        let word = rest.bytes().take_while(|byte| is_word(&[*byte], 0)).count();
        !is_word(code.as_bytes(), at.wrapping_sub(1)) && rest.starts_with('_') && rest[word..].starts_with("::")
    })
}

/// The paths into this crate that a file uses, each with its offset, with groups expanded: `crate::{a, b::{c, d}}`
/// gives `a`, `b::c`, `b::d`.
pub fn own_paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in words(code, "crate") {
        if let Some(tree) = code[at..].strip_prefix("crate::") {
            let mut paths = Vec::new();
            expand("", tree, &mut paths);
            found.extend(paths.into_iter().map(|path| (at, path)));
        }
    }
    found
}

/// Expands the path or the group of paths at the start of `tree`.
pub fn expand(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let tree = tree.trim_start();
    let plain = tree.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(tree.len());
    let path = format!("{prefix}{}", &tree[..plain]);
    if !tree[plain..].starts_with('{') {
        found.push(path);
        return;
    }
    let end = block_end(tree, plain).unwrap_or(tree.len());
    let inside = &tree[plain + 1..end - 1];
    let (mut depth, mut start) = (0, 0);
    for (at, byte) in inside.bytes().enumerate().chain([(inside.len(), b',')]) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                if !inside[start..at].trim().is_empty() {
                    expand(&path, &inside[start..at], found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}
