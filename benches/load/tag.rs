//! Finds one number in frames of one kind without parsing their JSON.
//!
//! The first frame of a kind is searched. The position of the number is remembered, and later frames with the same
//! start are read at that position. This works because each server always writes its fields in the same order.

/// Enough of the start of a frame to distinguish kinds: `{"type":"typing"`.
const PREFIX_BYTES: usize = 16;

/// The result of reading a frame.
pub enum Sighting {
    Number(u64),
    /// An `error` frame. A refusal fails a benchmark.
    Refusal,
    Other,
}

pub struct TagReader {
    /// Text that a frame of this kind contains, such as `"typing"`.
    marker: &'static [u8],
    /// The text right before the number, such as `"user_id":"b`.
    before: &'static [u8],
    known: Option<(Vec<u8>, usize)>,
    others: Vec<Vec<u8>>,
}

impl TagReader {
    pub fn new(marker: &'static str, before: &'static str) -> Self {
        TagReader { marker: marker.as_bytes(), before: before.as_bytes(), known: None, others: Vec::new() }
    }

    pub fn read(&mut self, payload: &[u8]) -> Sighting {
        if let Some((prefix, offset)) = &self.known
            && payload.starts_with(prefix)
            && payload.get(offset - self.before.len()..*offset) == Some(self.before)
        {
            return Sighting::Number(number_at(payload, *offset));
        }
        if self.others.iter().any(|prefix| payload.starts_with(prefix)) {
            return Sighting::Other;
        }
        self.search(payload)
    }

    #[cold]
    fn search(&mut self, payload: &[u8]) -> Sighting {
        let marked = find(payload, self.marker).is_some();
        if let (true, Some(found)) = (marked, find(payload, self.before)) {
            let offset = found + self.before.len();
            self.known = Some((payload[..offset.min(PREFIX_BYTES)].to_vec(), offset));
            return Sighting::Number(number_at(payload, offset));
        }
        if find(payload, b"\"type\":\"error\"").is_some() {
            return Sighting::Refusal;
        }
        if !marked && payload.len() >= PREFIX_BYTES {
            self.others.push(payload[..PREFIX_BYTES].to_vec());
        }
        Sighting::Other
    }
}

/// The number that begins at `offset`.
fn number_at(payload: &[u8], offset: usize) -> u64 {
    let digits = payload[offset..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// The number after the last occurrence of `before`.
pub fn last_number(payload: &[u8], before: &str) -> Option<u64> {
    let found = payload.windows(before.len()).rposition(|window| window == before.as_bytes())?;
    Some(number_at(payload, found + before.len()))
}

pub fn find(payload: &[u8], needle: &[u8]) -> Option<usize> {
    payload.windows(needle.len()).position(|window| window == needle)
}
