//! Property tests of the wire format: streams cut anywhere, random and damaged bytes, and another implementation as
//! peer. This test's own allocator counts memory, so that the bounds are measured.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    io::{self, Cursor, Read, Write},
    ops::ControlFlow,
};

use convene::{
    disconnect::Disconnect,
    limits::MESSAGE_BYTES_MAX,
    transport::frame::{self, Decoder, Inbound},
};
use proptest::{collection::vec, prelude::*, sample::Index};
use tokio_tungstenite::tungstenite::{
    Message, WebSocket,
    protocol::{Role, frame::CloseFrame},
};

// ---- memory, counted per thread ----

struct Counting;

#[derive(Clone, Copy, Default)]
struct Tally {
    live: isize,
    peak: isize,
    total: usize,
}

thread_local!(static TALLY: Cell<Tally> = const { Cell::new(Tally { live: 0, peak: 0, total: 0 }) });

fn count(taken: usize, given_back: usize) {
    let mut tally = TALLY.get();
    tally.live += taken as isize - given_back as isize;
    tally.peak = tally.peak.max(tally.live);
    tally.total += taken;
    TALLY.set(tally);
}

// SAFETY: everything is passed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller guarantees what the system allocator requires.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller guarantees what the system allocator requires.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller guarantees what the system allocator requires.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The peak and the total memory that `work` allocates.
fn measured(work: impl FnOnce()) -> Tally {
    let before = TALLY.get();
    TALLY.set(Tally::default());
    work();
    let during = TALLY.get();
    TALLY.set(Tally { live: before.live + during.live, ..before });
    during
}

/// The memory that a decoder may hold in addition to the message: its own fields, the start of a header, a control
/// frame's payload.
const DECODER_BYTES_MAX: isize = 512;

// ---- streams ----

#[derive(Clone, PartialEq, Debug)]
enum Sent {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

impl From<Inbound<'_>> for Sent {
    fn from(inbound: Inbound<'_>) -> Sent {
        match inbound {
            Inbound::Text(text) => Sent::Text(text.to_owned()),
            Inbound::Binary(bytes) => Sent::Binary(bytes.to_vec()),
            Inbound::Ping(bytes) => Sent::Ping(bytes.to_vec()),
            Inbound::Pong => Sent::Pong,
            Inbound::Close(code) => Sent::Close(code),
        }
    }
}

fn push_frame(stream: &mut Vec<u8>, first: u8, payload: &[u8], mask: [u8; 4]) {
    stream.push(first);
    match payload.len() {
        n @ 0..=125 => stream.push(0x80 | n as u8),
        n @ 126..=0xffff => {
            stream.push(0x80 | 126);
            stream.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            stream.push(0x80 | 127);
            stream.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    stream.extend_from_slice(&mask);
    stream.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// One message, the positions where it is split into fragments, a ping between fragments or none, the mask.
type Part = (Sent, Vec<Index>, Option<Vec<u8>>, [u8; 4]);

/// Bytes without a pattern, generated from two numbers. A strategy per byte would take minutes to generate and to
/// shrink.
fn noise(bytes_max: usize) -> impl Strategy<Value = Vec<u8>> {
    (0..bytes_max, any::<u32>()).prop_map(|(bytes, seed)| {
        let step = |state: &mut u32| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some((*state >> 24) as u8)
        };
        std::iter::repeat_n((), bytes).scan(seed, |state, ()| step(state)).collect()
    })
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let sent = prop_oneof![
        "\\PC{0,300}".prop_map(Sent::Text),
        noise(70_000).prop_map(Sent::Binary),
        noise(300).prop_map(Sent::Binary),
        vec(any::<u8>(), 0..=125_usize).prop_map(Sent::Ping),
        Just(Sent::Pong),
    ];
    let ping = prop::option::of(vec(any::<u8>(), 0..=125_usize));
    vec((sent, vec(any::<Index>(), 0..4), ping, any::<[u8; 4]>()), 0..6)
}

/// The bytes of `parts`, and the expected messages in order.
fn stream_of(parts: &[Part]) -> (Vec<u8>, Vec<Sent>) {
    let (mut stream, mut expected) = (Vec::new(), Vec::new());
    for (sent, cuts, ping, mask) in parts {
        let (opcode, payload) = match sent {
            Sent::Text(text) => (1, text.as_bytes()),
            Sent::Binary(bytes) => (2, bytes.as_slice()),
            Sent::Ping(bytes) => (9, bytes.as_slice()),
            Sent::Pong => (10, &[][..]),
            Sent::Close(_) => (8, &[][..]),
        };
        let mut cuts: Vec<usize> = match opcode {
            1 | 2 => cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect(),
            _ => Vec::new(),
        };
        cuts.sort_unstable();
        let ends = cuts.iter().copied().chain([payload.len()]);
        let mut start = 0;
        for (index, end) in ends.enumerate() {
            let flags = if index == cuts.len() { 0x80 } else { 0 };
            push_frame(&mut stream, flags | if index == 0 { opcode } else { 0 }, &payload[start..end], *mask);
            if let (0, Some(ping)) = (flags, ping) {
                push_frame(&mut stream, 0x89, ping, *mask);
                expected.push(Sent::Ping(ping.clone()));
            }
            start = end;
        }
        expected.push(sent.clone());
    }
    (stream, expected)
}

/// Feeds `stream` in reads of the given sizes, repeatedly, up to the end or to a violation.
fn feed(stream: &mut [u8], reads: &[usize], limit: usize, mut on: impl FnMut(Inbound<'_>)) -> Result<(), Disconnect> {
    let (mut decoder, mut start) = (Decoder::default(), 0);
    for read in reads.iter().cycle() {
        if start == stream.len() {
            break;
        }
        let end = (start + read).min(stream.len());
        decoder.feed(&mut stream[start..end], limit, |inbound| {
            on(inbound);
            ControlFlow::Continue(())
        })?;
        start = end;
    }
    Ok(())
}

fn decode(stream: &[u8], reads: &[usize], limit: usize) -> (Vec<Sent>, Result<(), Disconnect>) {
    let mut out = Vec::new();
    let fed = feed(&mut stream.to_vec(), reads, limit, |inbound| out.push(inbound.into()));
    (out, fed)
}

/// The memory for decoding, without that for processing the messages.
fn memory_of(stream: &[u8], reads: &[usize], limit: usize) -> Tally {
    let mut stream = stream.to_vec();
    measured(|| {
        let _ = feed(&mut stream, reads, limit, |_| {});
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_any_valid_stream_gives_the_same_messages(parts in parts(), reads in vec(1..5_000_usize, 1..6), bytewise in any::<bool>()) {
        let (stream, expected) = stream_of(&parts);
        let limit = 128 * 1024;
        let reads = if bytewise { vec![1] } else { reads };
        prop_assert_eq!(&decode(&stream, &[stream.len().max(1)], limit), &(expected.clone(), Ok(())));
        prop_assert_eq!(&decode(&stream, &reads, limit), &(expected, Ok(())));
        let memory = memory_of(&stream, &reads, limit);
        prop_assert_eq!(memory.live, 0);
        prop_assert!(memory.peak <= limit as isize + DECODER_BYTES_MAX);
    }

    #[test]
    fn random_bytes_never_panic_nor_hold_more_than_the_limit(stream in noise(4_000), reads in vec(1..600_usize, 1..6)) {
        let limit = 1_000;
        let memory = memory_of(&stream, &reads, limit);
        prop_assert_eq!(memory.live, 0);
        prop_assert!(memory.peak <= limit as isize + DECODER_BYTES_MAX, "held {} bytes", memory.peak);
    }

    #[test]
    fn a_damaged_stream_gives_a_part_of_the_messages_or_a_breach(parts in parts(), at in any::<Index>(), bit in 0..8_u8, reads in vec(1..5_000_usize, 1..6)) {
        let (mut stream, _) = stream_of(&parts);
        prop_assume!(!stream.is_empty());
        let at = at.index(stream.len());
        stream[at] ^= 1 << bit;
        let limit = 80_000;
        let whole = decode(&stream, &[stream.len()], limit);
        prop_assert_eq!(&decode(&stream, &reads, limit), &whole);
        prop_assert!(memory_of(&stream, &reads, limit).peak <= limit as isize + DECODER_BYTES_MAX);
    }

    #[test]
    fn an_independent_implementation_agrees_both_ways(texts in vec("\\PC{0,200}", 1..5), bytes in noise(70_000), code in 4_000..5_000_u16) {
        let mut ours = Vec::new();
        for text in &texts {
            ours.extend_from_slice(&frame::text(text.as_bytes()));
        }
        ours.extend_from_slice(&frame::binary(&bytes));
        ours.extend_from_slice(&frame::close(code, "reason"));
        let mut peer = WebSocket::from_raw_socket(Wire { incoming: Cursor::new(ours), outgoing: Vec::new() }, Role::Client, None);
        for text in &texts {
            prop_assert_eq!(peer.read().unwrap(), Message::text(text.clone()));
            peer.send(Message::text(text.clone())).unwrap();
        }
        prop_assert_eq!(peer.read().unwrap(), Message::binary(bytes.clone()));
        peer.send(Message::binary(bytes.clone())).unwrap();
        let close = CloseFrame { code: code.into(), reason: "reason".into() };
        prop_assert_eq!(peer.read().unwrap(), Message::Close(Some(close)));
        let _ = peer.flush(); // the peer answers the close by itself, and then counts the connection as closed
        let mut expected: Vec<_> = texts.into_iter().map(Sent::Text).collect();
        expected.extend([Sent::Binary(bytes), Sent::Close(Some(code))]);
        prop_assert_eq!(decode(&peer.get_ref().outgoing, &[1_000], 128 * 1024), (expected, Ok(())));
    }
}

/// A connection whose incoming bytes are fixed and whose outgoing bytes are recorded.
struct Wire {
    incoming: Cursor<Vec<u8>>,
    outgoing: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.incoming.read(buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn many_small_reads_and_many_small_fragments_cost_linear_memory_traffic() {
    let limit = 1 << 18;
    let payload = vec![b'x'; limit];
    let mut whole = Vec::new();
    push_frame(&mut whole, 0x81, &payload, [1, 2, 3, 4]);
    let mut fragments = Vec::new();
    for index in 0..limit {
        let first = if index == 0 { 1 } else { 0 };
        push_frame(&mut fragments, first, b"x", [1, 2, 3, 4]);
    }
    push_frame(&mut fragments, 0x80, b"", [1, 2, 3, 4]);
    for (stream, reads) in [(&whole, 1), (&whole, 1_400), (&fragments, 1), (&fragments, 1_400)] {
        let memory = memory_of(stream, &[reads], limit);
        assert!(memory.peak <= limit as isize + DECODER_BYTES_MAX, "held {} bytes", memory.peak);
        // Growth by doubling moves each byte about once; pieces of headers come on top when headers are split.
        assert!(memory.total <= 16 * limit, "moved {} bytes", memory.total);
    }
}

#[test]
fn a_promise_of_much_reserves_nothing() {
    let mut stream = Vec::new();
    push_frame(&mut stream, 0x82, &vec![0; MESSAGE_BYTES_MAX], [0; 4]);
    stream.truncate(100);
    let memory = memory_of(&stream, &[stream.len()], MESSAGE_BYTES_MAX);
    assert!(memory.peak <= 100 + DECODER_BYTES_MAX, "held {} bytes", memory.peak);
}

#[test]
fn whole_messages_cost_no_allocation() {
    let mut stream = Vec::new();
    for _ in 0..100 {
        push_frame(&mut stream, 0x81, b"{\"type\":\"ping\"}", [9, 8, 7, 6]);
    }
    assert_eq!(memory_of(&stream, &[stream.len()], MESSAGE_BYTES_MAX).total, 0);
}
