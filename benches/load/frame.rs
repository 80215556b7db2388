//! The part of RFC 6455 that a counting client needs: no allocation, no unmasking, no UTF-8 validation.

/// Frame opcodes (RFC 6455 section 5.2).
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// A complete frame at the start of a buffer.
pub struct Frame<'a> {
    pub opcode: u8,
    pub payload: &'a [u8],
    /// The length of header and payload.
    pub bytes: usize,
}

/// The first frame of `bytes`, if it is complete.
///
/// # Errors
/// A sentence, for frames that the servers under test never send: fragments, masked or oversized frames.
pub fn first(bytes: &[u8]) -> Result<Option<Frame<'_>>, &'static str> {
    let [head, length, rest @ ..] = bytes else { return Ok(None) };
    if head & FINAL == 0 || head & 0x0F == 0 {
        return Err("the server sent a fragmented message");
    }
    if length & MASKED != 0 {
        return Err("the server sent a masked frame");
    }
    let (header, length) = match *length {
        LENGTH_64 => {
            let Some(extended) = rest.first_chunk::<8>() else { return Ok(None) };
            let length = u64::from_be_bytes(*extended);
            (
                10,
                usize::try_from(length)
                    .map_err(|_| "the server sent a frame that is longer than this machine's memory")?,
            )
        }
        LENGTH_16 => {
            let [high, low, ..] = rest else { return Ok(None) };
            (4, usize::from(u16::from_be_bytes([*high, *low])))
        }
        short => (2, usize::from(short)),
    };
    let total = header + length;
    let Some(payload) = bytes.get(header..total) else { return Ok(None) };
    Ok(Some(Frame { opcode: head & 0x0F, payload, bytes: total }))
}

/// Appends a masked client frame. Payloads stay below 64 KiB.
pub fn append(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    let key = fastrand::u32(..).to_ne_bytes();
    out.push(FINAL | opcode);
    match u8::try_from(payload.len()) {
        Ok(short) if short < LENGTH_16 => out.push(MASKED | short),
        _ => {
            out.push(MASKED | LENGTH_16);
            out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(&key);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}
