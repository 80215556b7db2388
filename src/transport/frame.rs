//! The WebSocket wire format (RFC 6455, without extensions). A message that arrives whole is passed on without a copy,
//! and nothing is kept between messages. This module must never do I/O, read a clock, or buffer more than the caller's
//! limit.

use std::ops::ControlFlow;

use bytes::{Buf, Bytes};

use crate::{dialects::Encoded, disconnect::Disconnect};

/// The longest payload of a control frame (RFC 6455 section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;
/// The longest header that a server writes: two bytes plus a length of eight bytes.
const HEADER_BYTES_MAX: usize = 10;
/// The size of a typical event, so that most frames are built without reallocation.
const USUAL_FRAME_BYTES: usize = 320;

/// A complete message or control frame of a client, borrowed from the read buffer if possible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inbound<'a> {
    /// A text message, validated as UTF-8.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// Must be answered by a pong with the same payload.
    Ping(&'a [u8]),
    /// The answer to a ping, or an unsolicited heartbeat.
    Pong,
    /// The client closes. Nothing after it is read.
    Close(Option<u16>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Result<Opcode, Disconnect> {
        match bits {
            0 => Ok(Opcode::Continuation),
            1 => Ok(Opcode::Text),
            2 => Ok(Opcode::Binary),
            8 => Ok(Opcode::Close),
            9 => Ok(Opcode::Ping),
            10 => Ok(Opcode::Pong),
            _ => Err(Disconnect::ProtocolError),
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Text => 1,
            Opcode::Binary => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        }
    }

    const fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// Whether a frame is the last of its message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fragment {
    Last,
    More,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    fragment: Fragment,
    opcode: Opcode,
    mask: [u8; 4],
    payload_bytes: usize,
}

impl Header {
    /// The header at the start of `bytes` and its length. None if it is incomplete.
    fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, Disconnect> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let opcode = Opcode::from_bits(first & 0x0f)?;
        let fragment = if first & 0x80 == 0 { Fragment::More } else { Fragment::Last };
        let short = second & 0x7f;
        let reserved_bits = first & 0x70 != 0;
        let unmasked = second & 0x80 == 0;
        let unfit_control =
            opcode.is_control() && (fragment == Fragment::More || usize::from(short) > CONTROL_BYTES_MAX);
        if reserved_bits || unmasked || unfit_control {
            return Err(Disconnect::ProtocolError);
        }
        let (payload_bytes, rest, length_bytes) = match short {
            126 => {
                let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
                (u64::from(u16::from_be_bytes(*length)), rest, 2)
            }
            127 => {
                let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
                (u64::from_be_bytes(*length), rest, 8)
            }
            length => (u64::from(length), rest, 0),
        };
        let minimal = match length_bytes {
            2 => payload_bytes > CONTROL_BYTES_MAX as u64,
            8 => payload_bytes > u64::from(u16::MAX) && payload_bytes >> 63 == 0,
            _ => true,
        };
        if !minimal {
            return Err(Disconnect::ProtocolError);
        }
        let Some((mask, _)) = rest.split_first_chunk() else { return Ok(None) };
        let payload_bytes = usize::try_from(payload_bytes).map_err(|_| Disconnect::TooBig)?;
        Ok(Some((Header { fragment, opcode, mask: *mask, payload_bytes }, 2 + length_bytes + mask.len())))
    }
}

/// Converts a client's byte stream into messages. Between messages it owns no memory and is one pointer in size.
#[derive(Default)]
pub struct Decoder {
    partial: Option<Box<Partial>>,
}

/// State that is kept while a frame or a message is incomplete.
#[derive(Default)]
struct Partial {
    /// The start of an incomplete header.
    header: Vec<u8>,
    /// The frame whose payload is incomplete, and the number of payload bytes received.
    arriving: Option<(Header, usize)>,
    /// The payload of an incomplete control frame, which may arrive in the middle of a message.
    control: Vec<u8>,
    /// The message received so far, unmasked.
    message: Vec<u8>,
    /// The kind of the message in progress, from its first frame to its last.
    open: Option<Opcode>,
    /// The character count of the message in progress, once it is long.
    characters: Characters,
}

/// The size limits of one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageBounds {
    /// Bytes, all fragments together.
    pub bytes_max: usize,
    /// Characters of a text message, however each is encoded in JSON.
    pub characters_max: usize,
}

/// A limit in bytes only.
impl From<usize> for MessageBounds {
    fn from(bytes_max: usize) -> MessageBounds {
        MessageBounds { bytes_max, characters_max: bytes_max }
    }
}

/// Counts the characters of a JSON text that arrives in pieces. A multi-byte character counts as one, and so does an
/// escape or a pair of escapes. It scans a text only once it has more bytes than allowed characters.
#[derive(Clone, Copy, Default)]
struct Characters {
    seen_bytes: usize,
    count: usize,
    escape: Escape,
}

/// The position relative to an escape.
#[derive(Clone, Copy, Default)]
enum Escape {
    #[default]
    Outside,
    /// After the backslash.
    Begun,
    /// After `seen` of the four digits. `second_half`: the digits so far can be the second half of a surrogate pair.
    Digits { seen: u8, second_half: bool },
}

impl Characters {
    /// Scans the message received so far.
    fn look_at(&mut self, message: &[u8], opcode: Opcode, bounds: MessageBounds) -> Result<(), Disconnect> {
        if opcode != Opcode::Text || message.len() <= bounds.characters_max {
            return Ok(());
        }
        for byte in message.get(self.seen_bytes..).unwrap_or_default() {
            self.step(*byte);
        }
        self.seen_bytes = message.len();
        if self.count > bounds.characters_max { Err(Disconnect::TooBig) } else { Ok(()) }
    }

    fn step(&mut self, byte: u8) {
        let (escape, characters) = match self.escape {
            Escape::Outside if byte == b'\\' => (Escape::Begun, 0),
            // Continuation bytes of a multi-byte character begin with the bits 10.
            Escape::Outside => (Escape::Outside, usize::from(byte & 0xc0 != 0x80)),
            Escape::Begun if byte == b'u' => (Escape::Digits { seen: 0, second_half: true }, 0),
            Escape::Begun => (Escape::Outside, 1),
            Escape::Digits { seen: 3, second_half } => (Escape::Outside, usize::from(!second_half)),
            Escape::Digits { seen, second_half } => {
                // Second halves are DC00 to DFFF.
                let fits = match seen {
                    0 => matches!(byte, b'd' | b'D'),
                    1 => matches!(byte, b'c'..=b'f' | b'C'..=b'F'),
                    _ => true,
                };
                (Escape::Digits { seen: seen + 1, second_half: second_half && fits }, 0)
            }
        };
        self.escape = escape;
        self.count += characters;
    }
}

/// The result of one decoding step.
enum Step {
    /// This many bytes were consumed.
    Consumed(usize),
    /// All bytes were consumed, and more are needed.
    Starved,
    /// Decoding has ended.
    Stopped,
}

impl From<(ControlFlow<()>, usize)> for Step {
    fn from((flow, bytes): (ControlFlow<()>, usize)) -> Step {
        match flow {
            ControlFlow::Continue(()) => Step::Consumed(bytes),
            ControlFlow::Break(()) => Step::Stopped,
        }
    }
}

impl Decoder {
    /// Consumes `data`, which it unmasks in place, and calls `on` with every complete message. When `on` breaks, and
    /// after a close frame, the rest is discarded. A message that exceeds `bounds`, all fragments together, is refused:
    /// if it has too many bytes, as soon as a header shows it; if it has too many characters, when they arrive.
    ///
    /// # Errors
    /// The close reason if the client violates the protocol. Messages before the violation were passed to `on`.
    pub fn feed(
        &mut self,
        data: &mut [u8],
        bounds: impl Into<MessageBounds>,
        mut on: impl FnMut(Inbound<'_>) -> ControlFlow<()>,
    ) -> Result<(), Disconnect> {
        let flow = self.consume(data, bounds.into(), &mut on);
        if !matches!(flow, Ok(ControlFlow::Continue(()))) || self.partial.as_ref().is_some_and(|p| p.is_idle()) {
            self.partial = None;
        }
        flow.map(|_| ())
    }

    fn consume(
        &mut self,
        mut data: &mut [u8],
        bounds: MessageBounds,
        on: &mut impl FnMut(Inbound<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Disconnect> {
        loop {
            let arriving = self.partial.as_mut().and_then(|p| p.arriving.take());
            let step = match arriving {
                Some((header, here)) => self.continue_frame(header, here, data, bounds, on)?,
                None => self.begin_frame(data, bounds, on)?,
            };
            match step {
                Step::Consumed(bytes) => data = data.get_mut(bytes..).unwrap_or_default(),
                Step::Starved => return Ok(ControlFlow::Continue(())),
                Step::Stopped => return Ok(ControlFlow::Break(())),
            }
        }
    }

    /// Reads a header and, if the payload is complete, the frame.
    fn begin_frame(
        &mut self,
        data: &mut [u8],
        bounds: MessageBounds,
        on: &mut impl FnMut(Inbound<'_>) -> ControlFlow<()>,
    ) -> Result<Step, Disconnect> {
        let Some((header, header_bytes)) = self.header(data)? else { return Ok(Step::Starved) };
        self.admit(&header, bounds)?;
        let rest = data.get_mut(header_bytes..).unwrap_or_default();
        let Some(payload) = rest.get_mut(..header.payload_bytes) else {
            self.partial.get_or_insert_default().arriving = Some((header, 0));
            return Ok(Step::Consumed(header_bytes));
        };
        unmask(payload, header.mask, 0);
        let flow = match (header.opcode, header.fragment) {
            (Opcode::Text | Opcode::Binary, Fragment::Last) => {
                Characters::default().look_at(payload, header.opcode, bounds)?;
                on(message(header.opcode, payload)?)
            }
            (Opcode::Text | Opcode::Binary | Opcode::Continuation, _) => {
                let partial = self.partial.get_or_insert_default();
                partial.append(&header, 0, payload, bounds)?;
                partial.end_of_data(&header, on)?
            }
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => control(header.opcode, payload, on)?,
        };
        Ok((flow, header_bytes + header.payload_bytes).into())
    }

    /// Adds more of a payload that arrives in several reads.
    fn continue_frame(
        &mut self,
        header: Header,
        here: usize,
        data: &mut [u8],
        bounds: MessageBounds,
        on: &mut impl FnMut(Inbound<'_>) -> ControlFlow<()>,
    ) -> Result<Step, Disconnect> {
        let partial = self.partial.get_or_insert_default();
        let bytes = data.len().min(header.payload_bytes - here);
        let piece = data.get_mut(..bytes).unwrap_or_default();
        unmask(piece, header.mask, here);
        if header.opcode.is_control() {
            partial.control.extend_from_slice(piece);
        } else {
            partial.append(&header, here, piece, bounds)?;
        }
        if here + bytes < header.payload_bytes {
            partial.arriving = Some((header, here + bytes));
            return Ok(Step::Starved);
        }
        let flow = if header.opcode.is_control() {
            control(header.opcode, &std::mem::take(&mut partial.control), on)?
        } else {
            partial.end_of_data(&header, on)?
        };
        Ok((flow, bytes).into())
    }

    /// The next header, from `data` alone or from the kept start and `data`, and the number of bytes of `data` it used.
    fn header(&mut self, data: &[u8]) -> Result<Option<(Header, usize)>, Disconnect> {
        let kept = self.partial.as_mut().map(|p| &mut p.header).filter(|kept| !kept.is_empty());
        let Some(kept) = kept else {
            let parsed = Header::parse(data)?;
            if parsed.is_none() && !data.is_empty() {
                self.partial.get_or_insert_default().header.extend_from_slice(data);
            }
            return Ok(parsed);
        };
        for (index, byte) in data.iter().enumerate() {
            kept.push(*byte);
            if let Some((header, _)) = Header::parse(kept)? {
                *kept = Vec::new();
                return Ok(Some((header, index + 1)));
            }
        }
        Ok(None)
    }

    /// Whether this frame is allowed now and within the limits.
    fn admit(&self, header: &Header, bounds: MessageBounds) -> Result<(), Disconnect> {
        let (open, so_far) = self.partial.as_ref().map_or((None, 0), |p| (p.open, p.message.len()));
        match (header.opcode, open) {
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => return Ok(()),
            (Opcode::Continuation, None) | (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(Disconnect::ProtocolError);
            }
            (Opcode::Continuation, Some(_)) | (Opcode::Text | Opcode::Binary, None) => {}
        }
        if header.payload_bytes > bounds.bytes_max.saturating_sub(so_far) {
            return Err(Disconnect::TooBig);
        }
        Ok(())
    }
}

impl Partial {
    fn is_idle(&self) -> bool {
        self.header.is_empty() && self.arriving.is_none() && self.open.is_none()
    }

    /// Adds a piece of a data frame, of which `here` bytes came before. Memory grows with the received bytes, never
    /// with the length that a header announces, and by doubling, so that many small pieces cost linear time.
    fn append(&mut self, header: &Header, here: usize, piece: &[u8], bounds: MessageBounds) -> Result<(), Disconnect> {
        if header.opcode != Opcode::Continuation {
            self.open = Some(header.opcode);
        }
        let needed = self.message.len() + piece.len();
        if needed > self.message.capacity() {
            let most = match header.fragment {
                Fragment::Last => self.message.len() + (header.payload_bytes - here),
                Fragment::More => bounds.bytes_max,
            };
            let wanted = needed.max(self.message.capacity() * 2).min(most).max(needed);
            self.message.reserve_exact(wanted - self.message.len());
        }
        self.message.extend_from_slice(piece);
        match self.open {
            Some(opcode) => self.characters.look_at(&self.message, opcode, bounds),
            None => Ok(()),
        }
    }

    /// Handles a complete data frame. If it is the last of its message, the message is complete.
    fn end_of_data(
        &mut self,
        header: &Header,
        on: &mut impl FnMut(Inbound<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Disconnect> {
        if header.fragment == Fragment::More {
            return Ok(ControlFlow::Continue(()));
        }
        let whole = std::mem::take(&mut self.message);
        self.characters = Characters::default();
        let opcode = self.open.take().unwrap_or(header.opcode);
        Ok(on(message(opcode, &whole)?))
    }
}

fn message(opcode: Opcode, payload: &[u8]) -> Result<Inbound<'_>, Disconnect> {
    if opcode == Opcode::Binary {
        return Ok(Inbound::Binary(payload));
    }
    simdutf8::basic::from_utf8(payload).map(Inbound::Text).map_err(|_| Disconnect::InvalidText)
}

fn control(
    opcode: Opcode,
    payload: &[u8],
    on: &mut impl FnMut(Inbound<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Disconnect> {
    match opcode {
        Opcode::Ping => Ok(on(Inbound::Ping(payload))),
        Opcode::Pong => Ok(on(Inbound::Pong)),
        Opcode::Close | Opcode::Continuation | Opcode::Text | Opcode::Binary => {
            let code = close_code(payload)?;
            let _ = on(Inbound::Close(code)); // nothing may follow a close, so the result does not matter
            Ok(ControlFlow::Break(()))
        }
    }
}

/// The code of a close frame, if it has one and it is allowed in a frame (RFC 6455 section 7.4 and its registry).
fn close_code(payload: &[u8]) -> Result<Option<u16>, Disconnect> {
    if payload.is_empty() {
        return Ok(None);
    }
    let Some((code, reason)) = payload.split_first_chunk() else { return Err(Disconnect::ProtocolError) };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Disconnect::ProtocolError);
    }
    match simdutf8::basic::from_utf8(reason) {
        Ok(_) => Ok(Some(code)),
        Err(_) => Err(Disconnect::InvalidText),
    }
}

/// Unmasks a piece of a payload that begins at `offset`.
fn unmask(data: &mut [u8], mut mask: [u8; 4], offset: usize) {
    mask.rotate_left(offset % 4);
    let [a, b, c, d] = mask;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, tail) = data.as_chunks_mut();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

// ---- Encoding ----

/// A text message as one frame.
pub fn text(payload: &[u8]) -> Bytes {
    whole(Opcode::Text, payload)
}

/// A binary message as one frame.
pub fn binary(payload: &[u8]) -> Bytes {
    whole(Opcode::Binary, payload)
}

/// A ping. A payload over [`CONTROL_BYTES_MAX`] is truncated.
pub fn ping(payload: &[u8]) -> Bytes {
    whole(Opcode::Ping, payload.get(..CONTROL_BYTES_MAX).unwrap_or(payload))
}

/// The pong for a ping with this payload. A payload over [`CONTROL_BYTES_MAX`] is truncated.
pub fn pong(payload: &[u8]) -> Bytes {
    whole(Opcode::Pong, payload.get(..CONTROL_BYTES_MAX).unwrap_or(payload))
}

/// A close frame. A reason that is too long is truncated at a character boundary.
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut payload = code.to_be_bytes().to_vec();
    let end = reason.floor_char_boundary(CONTROL_BYTES_MAX - payload.len());
    payload.extend_from_slice(reason.get(..end).unwrap_or_default().as_bytes());
    whole(Opcode::Close, &payload)
}

/// Builds a frame from what `write` appends, without copying it: the header is written into space reserved before it.
/// None if `write` reports that there is nothing to send. `write` must only append.
pub fn build(write: impl FnOnce(&mut Vec<u8>) -> Encoded) -> Option<Bytes> {
    let mut out = Vec::with_capacity(USUAL_FRAME_BYTES);
    out.extend_from_slice(&[0; HEADER_BYTES_MAX]);
    let opcode = match write(&mut out) {
        Encoded::Text => Opcode::Text,
        Encoded::Binary => Opcode::Binary,
        Encoded::Nothing => return None,
    };
    let payload_bytes = out.len().checked_sub(HEADER_BYTES_MAX)?;
    let (header, header_bytes) = header_out(opcode, payload_bytes);
    let start = HEADER_BYTES_MAX - header_bytes;
    for (place, byte) in out.iter_mut().skip(start).zip(header).take(header_bytes) {
        *place = byte;
    }
    let mut frame = Bytes::from(out);
    frame.advance(start); // within the reserved space, as `checked_sub` has verified
    Some(frame)
}

/// The header of a text message whose payload has this length.
pub fn text_header(payload_bytes: usize) -> Bytes {
    let (header, header_bytes) = header_out(Opcode::Text, payload_bytes);
    Bytes::copy_from_slice(header.get(..header_bytes).unwrap_or_default())
}

fn whole(opcode: Opcode, payload: &[u8]) -> Bytes {
    let (header, header_bytes) = header_out(opcode, payload.len());
    let mut out = Vec::with_capacity(header_bytes + payload.len());
    out.extend(header.into_iter().take(header_bytes));
    out.extend_from_slice(payload);
    out.into()
}

/// An unmasked header and its length within the array.
fn header_out(opcode: Opcode, payload_bytes: usize) -> ([u8; HEADER_BYTES_MAX], usize) {
    let first = 0x80 | opcode.bits();
    let [a, b, c, d, e, f, g, h] = (payload_bytes as u64).to_be_bytes();
    match payload_bytes {
        0..=CONTROL_BYTES_MAX => ([first, h, 0, 0, 0, 0, 0, 0, 0, 0], 2),
        126..=0xffff => ([first, 126, g, h, 0, 0, 0, 0, 0, 0], 4),
        _ => ([first, 127, a, b, c, d, e, f, g, h], 10),
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
