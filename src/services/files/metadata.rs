//! Parses base64 and the header `Upload-Metadata` (tus 1.0, Creation): comma-separated pairs of a key and a base64
//! value. Pure.

use std::collections::HashMap;

use crate::limits;

/// Why a header is invalid. Each error says what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadMetadata {
    /// Too long.
    #[error("Upload-Metadata has more than {} bytes; send less", limits::UPLOAD_METADATA_BYTES_MAX)]
    TooLong,
    /// The header does not follow the protocol.
    #[error("Upload-Metadata must be comma-separated keys, each with a base64 value; correct `{0}`")]
    Malformed(String),
    /// A key occurs twice, so its value is ambiguous.
    #[error("Upload-Metadata has the key `{0}` twice; send it once")]
    Doubled(String),
}

/// The pairs of the header. Invalid UTF-8 in values is replaced.
pub fn parse(header: &str) -> Result<HashMap<String, String>, BadMetadata> {
    if header.len() > limits::UPLOAD_METADATA_BYTES_MAX {
        return Err(BadMetadata::TooLong);
    }
    let mut found = HashMap::new();
    for pair in header.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let shown = || key.chars().filter(|c| !c.is_control()).take(64).collect::<String>();
        let bytes = base64(value.trim()).ok_or_else(|| BadMetadata::Malformed(shown()))?;
        let value = String::from_utf8_lossy(&bytes).into_owned();
        if found.insert(key.to_owned(), value).is_some() {
            return Err(BadMetadata::Doubled(shown()));
        }
    }
    Ok(found)
}

/// Decodes base64, padded or not (RFC 4648 section 4).
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            bits = bits << 6 | u32::from(value_of(*digit)?);
        }
        match group.len() {
            4 => bytes.extend_from_slice(bits.to_be_bytes().get(1..)?),
            3 => bytes.extend_from_slice((bits << 6).to_be_bytes().get(1..3)?),
            2 => bytes.extend_from_slice((bits << 12).to_be_bytes().get(1..2)?),
            _ => return None,
        }
    }
    Some(bytes)
}

const fn value_of(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_the_rfc_shows_it() {
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for bad in ["Z", "Zm9v!", "Zm 9v", "Zm9v\n", "é"] {
            assert_eq!(base64(bad), None, "{bad}");
        }
    }

    #[test]
    fn metadata_is_read_pair_by_pair() {
        let found = parse("filename d29ybGQudHh0, filetype dGV4dC9wbGFpbg==,is_private").unwrap();
        assert_eq!((found["filename"].as_str(), found["filetype"].as_str()), ("world.txt", "text/plain"));
        assert_eq!(found["is_private"], "");
        assert!(parse("").unwrap().is_empty());
        assert_eq!(parse("filename ???"), Err(BadMetadata::Malformed("filename".into())));
        assert_eq!(parse("a Zg==,a Zg=="), Err(BadMetadata::Doubled("a".into())));
        assert_eq!(parse(&"a".repeat(limits::UPLOAD_METADATA_BYTES_MAX + 1)), Err(BadMetadata::TooLong));
    }
}
