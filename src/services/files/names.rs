//! Sanitises file names and media types from uploaders. A name is only for display and must never be used as a path,
//! but it still appears in headers, in download folders and on screens. Pure.

use crate::{
    limits::{FILE_NAME_CHARS_MAX, MIME_TYPE_CHARS_MAX},
    names::{is_visible, without_hidden},
};

/// The name of a file without a usable name.
const NAMELESS: &str = "file";
/// The longest file extension that is kept when a long name is shortened.
const ENDING_CHARS_MAX: usize = 20;
/// The default media type (RFC 2046 section 4.5.1).
pub const OCTET_STREAM: &str = "application/octet-stream";

/// The last component of a path of any operating system, without characters that are invisible, change the text
/// direction, or have a meaning for file systems.
pub fn safe_name(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).find(|part| !part.trim_matches(['.', ' ']).is_empty()).unwrap_or_default();
    let visible = without_hidden(last);
    let plain: String = visible.chars().map(|c| if "<>:\"|?*".contains(c) { '_' } else { c }).collect();
    let name = plain.trim_matches(|c: char| c == '.' || c.is_whitespace());
    if is_visible(name) { shortened(name) } else { NAMELESS.to_owned() }
}

/// Shortened in the middle, so that the extension is kept.
fn shortened(name: &str) -> String {
    let count = name.chars().count();
    if count <= FILE_NAME_CHARS_MAX {
        return name.to_owned();
    }
    let ending = match name.rsplit_once('.') {
        Some((_, ending)) if ending.chars().count() <= ENDING_CHARS_MAX => format!(".{ending}"),
        Some(_) | None => String::new(),
    };
    let kept = FILE_NAME_CHARS_MAX - ending.chars().count();
    let begin: String = name.chars().take(kept).collect();
    without_hidden(&begin) + &ending
}

/// The media type: the uploader's if it is valid, otherwise guessed from the file extension.
pub fn media_type(given: Option<&str>, name: &str) -> String {
    let bare = given.and_then(|text| text.split(';').next()).map(|text| text.trim().to_ascii_lowercase());
    match bare.filter(|text| is_media_type(text)) {
        Some(text) => text,
        None => mime_guess::from_path(name).first_raw().unwrap_or(OCTET_STREAM).to_owned(),
    }
}

/// Two tokens separated by a slash (RFC 6838 section 4.2).
fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    text.len() <= MIME_TYPE_CHARS_MAX && text.split_once('/').is_some_and(|(kind, rest)| token(kind) && token(rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_becomes_its_last_part() {
        for (given, name) in [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\x\\y.txt", "y.txt"),
            ("C:\\", "C_"),
            ("/", "file"),
            ("..", "file"),
            ("", "file"),
            ("a/..", "a"),
            (" .hidden. ", "hidden"),
            ("a\0b\r\nc.txt", "abc.txt"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("a<b>:\"c\"|?*", "a_b___c____"),
            ("Überblick 日本.txt", "Überblick 日本.txt"),
        ] {
            assert_eq!(safe_name(given), name, "{given:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_ending() {
        let name = safe_name(&format!("{}.pdf", "é".repeat(5_000)));
        assert_eq!(name.chars().count(), FILE_NAME_CHARS_MAX);
        assert!(name.ends_with("é.pdf"));
        assert_eq!(safe_name(&"x.".repeat(5_000)).chars().count(), FILE_NAME_CHARS_MAX);
    }

    #[test]
    fn a_media_type_is_the_uploaders_or_that_of_the_ending() {
        assert_eq!(media_type(Some("Image/PNG; q=1"), "x.txt"), "image/png");
        assert_eq!(media_type(Some("nonsense"), "x.csv"), "text/csv");
        assert_eq!(media_type(Some("a/b\r\nSet-Cookie: c"), "x"), OCTET_STREAM);
        assert_eq!(media_type(None, "x.tar.unknown-ending"), OCTET_STREAM);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_name_is_dangerous(given: String) {
            let name = safe_name(&given);
            prop_assert!(!name.is_empty() && name.chars().count() <= FILE_NAME_CHARS_MAX);
            prop_assert!(!name.contains(['/', '\\', '\0', '"']) && name != "." && name != "..");
            prop_assert!(is_visible(&name) && without_hidden(&name) == name);
            prop_assert_eq!(safe_name(&name), name, "what is safe stays as it is");
        }
    }
}
