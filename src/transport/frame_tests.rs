use super::*;
use crate::limits::MESSAGE_BYTES_MAX;

/// A frame as a client sends it; `first` is the byte with flags and opcode.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [7, 99, 3, 250];
    let mut out = vec![first];
    match payload.len() {
        n @ 0..=125 => out.push(0x80 | n as u8),
        n @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

/// The messages decoded from `reads`, and the result.
fn decode(reads: &[&[u8]]) -> (Vec<String>, Result<(), Disconnect>) {
    let (mut decoder, mut seen) = (Decoder::default(), Vec::new());
    for read in reads {
        let fed = decoder.feed(&mut read.to_vec(), MESSAGE_BYTES_MAX, |message| {
            seen.push(format!("{message:?}"));
            ControlFlow::Continue(())
        });
        if fed.is_err() {
            assert!(decoder.partial.is_none(), "nothing is kept after a breach");
            return (seen, fed);
        }
    }
    (seen, Ok(()))
}

fn breach(bytes: &[u8]) -> Disconnect {
    decode(&[bytes]).1.expect_err("a breach")
}

#[test]
fn a_decoder_is_a_pointer_and_keeps_nothing_between_messages() {
    assert_eq!(size_of::<Decoder>(), size_of::<usize>());
    let mut decoder = Decoder::default();
    let stream = [masked(0x01, b"he"), masked(0x89, b"ping"), masked(0x80, b"llo")].concat();
    for (index, byte) in stream.iter().enumerate() {
        decoder.feed(&mut [*byte], MESSAGE_BYTES_MAX, |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(decoder.partial.is_none(), index + 1 == stream.len());
    }
}

#[test]
fn a_message_comes_out_alike_however_it_is_cut() {
    let stream = [masked(0x81, "héllo".repeat(50).as_bytes()), masked(0x8a, b""), masked(0x82, b"")].concat();
    let whole = decode(&[&stream]);
    assert_eq!(whole.0.len(), 3);
    for cut in 0..=stream.len() {
        assert_eq!(decode(&[&stream[..cut], &stream[cut..]]), whole);
    }
}

#[test]
fn fragments_are_joined_around_control_frames() {
    let euro = "€".as_bytes();
    let stream = [masked(0x01, &euro[..1]), masked(0x89, b"p"), masked(0x00, &euro[1..2]), masked(0x80, &euro[2..])];
    assert_eq!(decode(&[&stream.concat()]), (vec!["Ping([112])".into(), "Text(\"€\")".into()], Ok(())));
    let empty = [masked(0x02, b""), masked(0x00, b""), masked(0x80, b"")].concat();
    assert_eq!(decode(&[&empty]), (vec!["Binary([])".into()], Ok(())));
}

#[test]
fn breaches_of_the_protocol_end_with_1002() {
    let close = |payload: &[u8]| masked(0x88, payload);
    let frames: &[(&str, Vec<u8>)] = &[
        ("a reserved bit", masked(0xc1, b"x")),
        ("another reserved bit", masked(0x91, b"x")),
        ("an unknown data opcode", masked(0x83, b"x")),
        ("an unknown control opcode", masked(0x8b, b"x")),
        ("no mask", vec![0x81, 1, b'x']),
        ("a fragmented ping", masked(0x09, b"x")),
        ("a fragmented close", masked(0x08, b"")),
        ("a long ping", masked(0x89, &[0; 126])),
        ("a continuation of nothing", masked(0x80, b"x")),
        ("a text inside a text", [masked(0x01, b"x"), masked(0x81, b"y")].concat()),
        ("a binary inside a text", [masked(0x01, b"x"), masked(0x02, b"y")].concat()),
        ("a continuation after the end", [masked(0x01, b""), masked(0x80, b""), masked(0x80, b"")].concat()),
        ("125 in two bytes", vec![0x81, 0xfe, 0, 125, 0, 0, 0, 0]),
        ("65535 in eight bytes", vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]),
        ("a length of 2^63", vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("half a close code", close(&[3])),
        ("close code 999", close(&999_u16.to_be_bytes())),
        ("close code 1004", close(&1004_u16.to_be_bytes())),
        ("close code 1005", close(&1005_u16.to_be_bytes())),
        ("close code 1006", close(&1006_u16.to_be_bytes())),
        ("close code 1015", close(&1015_u16.to_be_bytes())),
        ("close code 1016", close(&1016_u16.to_be_bytes())),
        ("close code 2999", close(&2999_u16.to_be_bytes())),
        ("close code 5000", close(&5000_u16.to_be_bytes())),
    ];
    for (what, bytes) in frames {
        assert_eq!(breach(bytes), Disconnect::ProtocolError, "{what}");
    }
}

#[test]
fn text_that_is_not_utf8_ends_with_1007() {
    assert_eq!(breach(&masked(0x81, &[0xff])), Disconnect::InvalidText);
    assert_eq!(breach(&masked(0x81, &[0xed, 0xa0, 0x80])), Disconnect::InvalidText); // half of a surrogate pair
    assert_eq!(breach(&masked(0x81, &"€".as_bytes()[..2])), Disconnect::InvalidText);
    let fragments = [masked(0x01, &"€".as_bytes()[..1]), masked(0x80, b"x")].concat();
    assert_eq!(breach(&fragments), Disconnect::InvalidText);
    assert_eq!(breach(&masked(0x88, &[3, 232, 0xff])), Disconnect::InvalidText);
    assert_eq!(decode(&[&masked(0x82, &[0xff])]).1, Ok(()));
}

#[test]
fn too_much_is_refused_by_its_header() {
    let over = MESSAGE_BYTES_MAX as u64 + 1;
    let mut header = vec![0x81, 0xff];
    header.extend_from_slice(&over.to_be_bytes());
    header.extend_from_slice(&[0; 4]);
    assert_eq!(breach(&header), Disconnect::TooBig);
    let half = vec![b'x'; MESSAGE_BYTES_MAX / 2];
    let exact = [masked(0x01, &half), masked(0x80, &half)].concat();
    assert_eq!(decode(&[&exact]).1, Ok(()));
    let header_of_one_more = [masked(0x01, &half), masked(0x00, &half), vec![0x80, 0x81, 0, 0, 0, 0]].concat();
    assert_eq!(breach(&header_of_one_more), Disconnect::TooBig);
}

#[test]
fn nothing_is_read_behind_a_close_or_a_break() {
    let stream = [masked(0x88, &[3, 232, b'b', b'y', b'e']), masked(0x81, b"late"), vec![0xff; 9]].concat();
    assert_eq!(decode(&[&stream]), (vec!["Close(Some(1000))".into()], Ok(())));
    assert_eq!(decode(&[&masked(0x88, b"")]).0, ["Close(None)"]);
    let (mut decoder, mut count) = (Decoder::default(), 0);
    let mut stream = [masked(0x81, b"a"), masked(0x81, b"b"), vec![0x81]].concat();
    let fed = decoder.feed(&mut stream, MESSAGE_BYTES_MAX, |_| {
        count += 1;
        ControlFlow::Break(())
    });
    assert_eq!((fed, count), (Ok(()), 1));
    assert!(decoder.partial.is_none());
}

#[test]
fn a_frame_is_built_in_place() {
    for bytes in [0, 1, 125, 126, 300, 0xffff, 0x10000, 200_000] {
        let payload = vec![b'x'; bytes];
        let built = build(|out| {
            out.extend_from_slice(&payload);
            Encoded::Text
        });
        assert_eq!(built.unwrap(), text(&payload));
        let built = build(|out| {
            out.extend_from_slice(&payload);
            Encoded::Binary
        });
        assert_eq!(built.unwrap(), binary(&payload));
    }
    assert_eq!(build(|_| Encoded::Nothing), None);
    assert_eq!(text(b"hi")[..], [0x81, 2, b'h', b'i']);
}

#[test]
fn control_frames_stay_within_their_bounds() {
    assert_eq!(ping(b"")[..], [0x89, 0]);
    assert_eq!(pong(&[7; 200]).len(), 2 + CONTROL_BYTES_MAX);
    assert_eq!(close(1000, "")[..], [0x88, 2, 3, 232]);
    let long = close(4401, &"€".repeat(100));
    assert_eq!(long.len(), 2 + 2 + 41 * 3, "cut at a character");
    for disconnect in Disconnect::ALL {
        let frame = close(disconnect.code(), disconnect.reason());
        assert_eq!(&frame[4..], disconnect.reason().as_bytes());
    }
}

#[test]
fn characters_are_counted_however_they_are_written_and_cut() {
    const MOST: usize = 100;
    let bounds = MessageBounds { bytes_max: 12 * MOST, characters_max: MOST };
    let fed = |opcode: u8, text: &[u8], piece: usize| {
        let mut stream = Vec::new();
        let pieces: Vec<&[u8]> = text.chunks(piece).collect();
        for (at, part) in pieces.iter().enumerate() {
            let first = if at == 0 { opcode } else { 0 };
            let last = if at + 1 == pieces.len() { 0x80 } else { 0 };
            stream.push(first | last);
            match u8::try_from(part.len()) {
                Ok(length) if length < 126 => stream.push(0x80 | length),
                _ => {
                    stream.push(0x80 | 126);
                    stream.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
                }
            }
            stream.extend([0; 4]);
            stream.extend(*part);
        }
        let mut came = 0;
        let fed = Decoder::default().feed(&mut stream, bounds, |_| {
            came += 1;
            ControlFlow::Continue(())
        });
        fed.map(|()| came)
    };
    for character in ["a", "ß", "日", "🎉", r"\u00df", r"\ud83c\udf89", r"\UD83C", r"\n"] {
        let ones = match character {
            r"\UD83C" => 5, // an escaped letter and four more letters, not a \u escape
            _ => 1,
        };
        let most = character.repeat(MOST / ones);
        for piece in [1, 3, 7, 50, 2_000] {
            assert_eq!(fed(1, most.as_bytes(), piece), Ok(1), "{character} in pieces of {piece}");
            let more = most.clone() + "x";
            assert_eq!(fed(1, more.as_bytes(), piece), Err(Disconnect::TooBig), "{character} in pieces of {piece}");
        }
    }
    // Binary messages are only limited in bytes.
    assert_eq!(fed(2, &[b'x'; 12 * MOST], 64), Ok(1));
    assert_eq!(fed(2, &[b'x'; 12 * MOST + 1], 64), Err(Disconnect::TooBig));
}
