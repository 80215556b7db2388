//! RFC 6455 compliance: which frames are accepted, and how the server answers invalid ones.

use serde_json::json;

use crate::support::raw::{BINARY, CLOSE, CONTINUATION, FrameOut, PING, PONG, RawSocket, TEXT};
use crate::support::{Server, Socket};

struct Setting {
    server: Server,
    path: String,
    witness: Socket,
}

impl Setting {
    /// A server, a witness in the channel, and the path for raw sockets of another user.
    async fn new() -> Setting {
        // Other members' sockets must not interfere: the raw user's joins are announced once, before each test's
        // frames.
        let server = Server::builder().env("MAX_CONNECTIONS_PER_USER", 0).env("LEAVE_GRACE_MS", 0).start().await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        let witness = bob.join(&channel).await;
        let path = format!("/ws/channel/{channel}?token={}", alice.token);
        Setting { server, path, witness }
    }

    async fn open(&mut self) -> RawSocket {
        let mut raw = RawSocket::upgrade(self.server.authority(), &self.path).await;
        assert_eq!(raw.next_json().await["type"], "online_users");
        self.witness.expect("user_joined").await;
        raw
    }

    /// Sends the frames on a new socket and expects this close code. The witness must receive only the leave.
    async fn expect_close(&mut self, what: &str, frames: &[FrameOut], code: u16) {
        println!("{what}");
        let mut raw = self.open().await;
        for frame in frames {
            raw.send(frame).await;
        }
        raw.expect_close(code).await;
        self.witness.expect("user_left").await;
    }
}

fn say(content: &str) -> String {
    json!({"type": "message", "content": content}).to_string()
}

#[tokio::test]
async fn frames_against_the_protocol_close_with_1002() {
    let mut setting = Setting::new().await;
    let text = FrameOut::new(TEXT, say("must not arrive"));
    let cases = [
        ("unmasked", vec![text.clone().unmasked()]),
        ("first reserved bit", vec![text.clone().reserved(0x40)]),
        ("second reserved bit", vec![text.clone().reserved(0x20)]),
        ("third reserved bit", vec![text.clone().reserved(0x10)]),
        ("reserved data opcode", vec![FrameOut::new(0x3, "x")]),
        ("reserved control opcode", vec![FrameOut::new(0xB, "x")]),
        ("fragmented ping", vec![FrameOut::new(PING, "x").unfinished()]),
        ("fragmented close", vec![FrameOut::new(CLOSE, 1000u16.to_be_bytes()).unfinished()]),
        ("ping of 126 bytes", vec![FrameOut::new(PING, [b'x'; 126])]),
        ("continuation of nothing", vec![FrameOut::new(CONTINUATION, "x")]),
        ("new text inside fragments", vec![FrameOut::new(TEXT, "{").unfinished(), text.clone()]),
        ("new binary inside fragments", vec![FrameOut::new(TEXT, "{").unfinished(), FrameOut::new(BINARY, "x")]),
        ("close with one byte", vec![FrameOut::new(CLOSE, [3])]),
        ("close with a code nobody may send", vec![FrameOut::new(CLOSE, 1005u16.to_be_bytes())]),
        ("close with code 0", vec![FrameOut::new(CLOSE, 0u16.to_be_bytes())]),
        ("close with code 65535", vec![FrameOut::new(CLOSE, 65_535u16.to_be_bytes())]),
    ];
    for (what, frames) in cases {
        setting.expect_close(what, &frames, 1002).await;
    }
}

#[tokio::test]
async fn text_that_is_not_utf_8_closes_with_1007() {
    let mut setting = Setting::new().await;
    let split = "{\"type\":\"message\",\"content\":\"👋\"}".as_bytes();
    let (first, second) = split.split_at(split.len() - 4);
    let cases = [
        ("a byte that is never UTF-8", vec![FrameOut::new(TEXT, b"{\"type\":\"\xff\"}")]),
        ("a surrogate", vec![FrameOut::new(TEXT, b"\xed\xa0\x80")]),
        ("an overlong form", vec![FrameOut::new(TEXT, b"\xc0\xaf")]),
        ("cut in the middle of a character", vec![FrameOut::new(TEXT, first)]),
        (
            "bad only in the second fragment",
            vec![FrameOut::new(TEXT, "ok").unfinished(), FrameOut::new(CONTINUATION, b"\xff")],
        ),
        ("a close reason", vec![FrameOut::new(CLOSE, b"\x03\xe8\xff")]),
    ];
    for (what, frames) in cases {
        setting.expect_close(what, &frames, 1007).await;
    }
    // A character that is split over two fragments is complete when the message is.
    let mut raw = setting.open().await;
    raw.send(&FrameOut::new(TEXT, first).unfinished()).await;
    raw.send(&FrameOut::new(CONTINUATION, second)).await;
    assert_eq!(raw.next_json().await["content"], "👋");
}

#[tokio::test]
async fn fragments_join_with_control_frames_between_them() {
    let mut setting = Setting::new().await;
    let mut raw = setting.open().await;
    let message = say("in pieces");
    let pieces: Vec<&[u8]> = message.as_bytes().chunks(5).collect();
    for (index, piece) in pieces.iter().enumerate() {
        let opcode = if index == 0 { TEXT } else { CONTINUATION };
        let frame = FrameOut::new(opcode, piece);
        let last = index + 1 == pieces.len();
        raw.send(&if last { frame } else { frame.unfinished() }).await;
        if !last {
            let payload = format!("ping {index}");
            raw.send(&FrameOut::new(PING, &payload)).await;
            let pong = raw.next_frame().await.expect("a pong");
            assert_eq!((pong.opcode(), pong.payload.as_slice()), (PONG, payload.as_bytes()));
        }
    }
    assert_eq!(raw.next_json().await["content"], "in pieces");
    setting.witness.expect_message("in pieces").await;
    // Empty fragments are allowed.
    raw.send(&FrameOut::new(TEXT, "").unfinished()).await;
    raw.send(&FrameOut::new(CONTINUATION, say("empty ends")).unfinished()).await;
    raw.send(&FrameOut::new(CONTINUATION, "")).await;
    assert_eq!(raw.next_json().await["content"], "empty ends");
}

#[tokio::test]
async fn bytes_may_come_one_by_one_and_frames_many_at_once() {
    let mut setting = Setting::new().await;
    let mut raw = setting.open().await;
    for byte in FrameOut::new(TEXT, say("drop by drop")).bytes() {
        raw.write(&[byte]).await;
    }
    assert_eq!(raw.next_json().await["content"], "drop by drop");
    let burst: Vec<u8> = (0..100).flat_map(|number| FrameOut::new(TEXT, say(&number.to_string())).bytes()).collect();
    raw.write(&burst).await;
    for number in 0..100 {
        assert_eq!(raw.next_json().await["content"], number.to_string());
    }
    // All three encodings of the length, at their boundaries.
    for length in [125, 126, 127, 65_535] {
        let filler = "x".repeat(length - r#"{"type":"ping","filler":""}"#.len());
        raw.send(&FrameOut::new(TEXT, format!(r#"{{"type":"ping","filler":"{filler}"}}"#))).await;
        assert_eq!(raw.next_json().await["type"], "pong", "a frame of {length} bytes");
    }
}

#[tokio::test]
async fn a_frame_may_come_with_the_handshake() {
    let setting = Setting::new().await;
    let mut raw = RawSocket::connect(setting.server.authority()).await;
    let key = crate::support::raw::KEY;
    let mut early = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\n\r\n",
        setting.path
    )
    .into_bytes();
    early.extend(FrameOut::new(TEXT, say("early")).bytes());
    raw.write(&early).await;
    assert_eq!(raw.read_http().await.status, 101);
    assert_eq!(raw.next_json().await["type"], "online_users", "the first frame is still the first");
    assert_eq!(raw.next_json().await["content"], "early");
}

#[tokio::test]
async fn a_close_is_echoed() {
    let mut setting = Setting::new().await;
    for code in [1000u16, 1001, 3000, 4000, 4999] {
        let mut raw = setting.open().await;
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend(b"bye");
        raw.send(&FrameOut::new(CLOSE, payload)).await;
        raw.expect_close(code).await;
        setting.witness.expect("user_left").await;
    }
    let mut raw = setting.open().await;
    raw.send(&FrameOut::new(CLOSE, "")).await;
    let close = raw.next_frame().await.expect("a close without a code is answered by a close");
    assert!([None, Some(1000)].contains(&close.close_code()), "{close:?}");
    raw.expect_end().await;
    setting.witness.expect("user_left").await;
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload_and_a_stray_pong_with_nothing() {
    let mut setting = Setting::new().await;
    let mut raw = setting.open().await;
    for payload in [&b""[..], b"x", &[0xff; 125]] {
        raw.send(&FrameOut::new(PONG, payload)).await;
        raw.send(&FrameOut::new(PING, payload)).await;
        let pong = raw.next_frame().await.expect("a pong");
        assert_eq!((pong.opcode(), pong.payload.as_slice()), (PONG, payload));
    }
}

#[tokio::test]
async fn a_bad_handshake_is_refused() {
    let setting = Setting::new().await;
    let headers = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let (upgrade, connection) = ("Upgrade: websocket", "Connection: Upgrade");
    let (version, key) = ("Sec-WebSocket-Version: 13", format!("Sec-WebSocket-Key: {}", crate::support::raw::KEY));
    let cases = [
        ("no key", headers(&[upgrade, connection, version])),
        ("a key that is no key", headers(&[upgrade, connection, version, "Sec-WebSocket-Key: short"])),
        ("no version", headers(&[upgrade, connection, &key])),
        ("an old version", headers(&[upgrade, connection, "Sec-WebSocket-Version: 8", &key])),
        ("no upgrade", headers(&[version, &key])),
    ];
    for (what, lines) in cases {
        let mut raw = RawSocket::connect(setting.server.authority()).await;
        let answer = raw.get(setting.server.authority(), &setting.path, &lines).await;
        assert!((400..=426).contains(&answer.status), "{what}: {answer:?}");
        if what == "an old version" {
            assert_eq!(answer.header("sec-websocket-version"), "13", "RFC 6455 section 4.4: {answer:?}");
        }
    }
}
