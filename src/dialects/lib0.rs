//! The encoding of the binary dialects (lib0, as in the npm package): variable-length numbers, and byte strings with their
//! length. A length that exceeds the message must be refused before anything is reserved for it.

use std::sync::Arc;

/// The greatest number that Yjs can represent.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// Why a message can't be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the message can't be decoded")]
pub struct Malformed;

/// What is left of a message.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// A number: seven bits a byte, the lowest first.
    pub fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..56).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return if number <= NUMBER_MAX { Ok(number) } else { Err(Malformed) };
            }
        }
        Err(Malformed)
    }

    /// A number of 32 bits.
    pub fn number_u32(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.number()?).map_err(|_| Malformed)
    }

    /// Bytes, with their length before them.
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A text, in the same form.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    /// Bytes that outlive the message.
    pub fn shared(&mut self) -> Result<Arc<[u8]>, Malformed> {
        self.bytes().map(Arc::from)
    }
}

/// Appends a number.
pub fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends bytes with their length.
pub fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bytes_are_read_as_they_were_written() {
        for number in [0, 1, 127, 128, 300, 1 << 32, NUMBER_MAX] {
            let mut out = Vec::new();
            write_number(number, &mut out);
            write_bytes(b"text", &mut out);
            let mut reader = Reader(&out);
            assert_eq!((reader.number(), reader.text()), (Ok(number), Ok("text")));
            assert!(reader.0.is_empty());
        }
    }

    #[test]
    fn lengths_beyond_the_message_and_numbers_beyond_2_53_are_refused() {
        assert_eq!(Reader(&[5, 1, 2]).bytes(), Err(Malformed));
        assert_eq!(Reader(&[0xff, 0xff, 0xff, 0xff, 0x0f]).bytes(), Err(Malformed));
        assert_eq!(Reader(&[0xff; 12]).number(), Err(Malformed));
        assert_eq!(Reader(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f]).number(), Err(Malformed));
        assert_eq!(Reader(&[0x80]).number(), Err(Malformed));
        assert_eq!(Reader(&[2, 0xc3, 0x28]).text(), Err(Malformed));
    }
}
