//! Parses server-sent events (WHATWG HTML, section 9.2.6) from bytes that arrive in pieces. A line or an event above
//! its limit is an error; it must never be buffered.

use crate::limits;

/// Parses a stream of events and keeps only their data.
#[derive(Debug, Default)]
pub struct EventParser {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: HasData,
    after: After,
    is_begun: Begun,
}

/// The stream does not contain events, or one that is too large.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a line or an event of the stream is too long")]
pub struct TooLong;

/// An event with an empty `data` field counts. An event without one does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum HasData {
    #[default]
    No,
    Yes,
}

/// The kind of the last byte: `\r\n` ends one line, not two.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum After {
    #[default]
    Other,
    CarriageReturn,
}

/// A byte order mark may precede the first line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Begun {
    #[default]
    No,
    Yes,
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl EventParser {
    /// Parses the next bytes and passes the data of each event that they complete to `event`.
    ///
    /// # Errors
    /// If a line or an event is too long. The stream is unusable afterwards.
    pub fn feed(&mut self, bytes: &[u8], mut event: impl FnMut(&str)) -> Result<(), TooLong> {
        let mut rest = bytes;
        if let (After::CarriageReturn, [b'\n', behind @ ..]) = (self.after, rest) {
            rest = behind;
        }
        if !bytes.is_empty() {
            self.after = After::Other;
        }
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, behind) = rest.split_at(at);
            self.extend(line)?;
            self.end_line(&mut event)?;
            rest = match behind {
                [b'\r', b'\n', behind @ ..] => behind,
                [b'\r'] => {
                    self.after = After::CarriageReturn;
                    &[]
                }
                [_, behind @ ..] => behind,
                [] => &[],
            };
        }
        self.extend(rest)
    }

    /// Ends the stream. The standard discards an event without a final empty line; here it is passed to `event`, which
    /// must expect incomplete data.
    pub fn finish(mut self, mut event: impl FnMut(&str)) {
        // Ends the line in progress, then the event, as an empty line would.
        let _too_long = self.end_line(&mut event).and_then(|()| self.end_line(&mut event));
    }

    fn extend(&mut self, part: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + part.len() > limits::PROVIDER_LINE_BYTES_MAX {
            return Err(TooLong);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn end_line(&mut self, event: &mut impl FnMut(&str)) -> Result<(), TooLong> {
        let line = std::mem::take(&mut self.line);
        let mut text = line.as_slice();
        if self.is_begun == Begun::No {
            self.is_begun = Begun::Yes;
            text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        }
        if text.is_empty() {
            if self.has_data == HasData::Yes {
                event(&String::from_utf8_lossy(&self.data));
            }
            self.data.clear();
            self.has_data = HasData::No;
        } else if let Some(value) = data_of(text) {
            if self.data.len() + value.len() >= limits::PROVIDER_EVENT_BYTES_MAX {
                return Err(TooLong);
            }
            if self.has_data == HasData::Yes {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value);
            self.has_data = HasData::Yes;
        }
        // Reuses the buffer for the next line.
        self.line = line;
        self.line.clear();
        Ok(())
    }
}

/// The value of a `data` line. Comments and other fields are ignored.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<String> {
        let (mut parser, mut found) = (EventParser::default(), Vec::new());
        for piece in pieces {
            parser.feed(piece, |data| found.push(data.to_owned())).unwrap();
        }
        found
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        for (stream, expected) in [
            ("data: a\n\n", vec!["a"]),
            ("data:a\r\n\r\ndata:  b\r\rdata\n\n", vec!["a", " b", ""]),
            (": a comment\n\ndata: one\nevent: x\nid: 7\ndata: two\n\n", vec!["one\ntwo"]),
            ("\u{feff}data: a\n\n", vec!["a"]),
            ("data: never ended\n", vec![]),
            ("dataset: x\n\nretry: 10\n\n", vec![]),
            ("data: ünï\n\ndata: [DONE]\n\n", vec!["ünï", "[DONE]"]),
        ] {
            assert_eq!(events(&[stream.as_bytes()]), expected, "{stream:?}");
        }
    }

    #[test]
    fn what_nothing_ended_is_handed_out_at_the_end() {
        for (stream, expected) in [
            ("data: a\n\ndata: b", vec!["b"]),
            ("data: b\n", vec!["b"]),
            ("data: b\r", vec!["b"]),
            ("data: b\ndata: c", vec!["b\nc"]),
            ("data: a\n\n", vec![]),
            (": nothing", vec![]),
            ("", vec![]),
        ] {
            let (mut parser, mut found) = (EventParser::default(), Vec::new());
            parser.feed(stream.as_bytes(), |_| {}).unwrap();
            parser.finish(|data| found.push(data.to_owned()));
            assert_eq!(found, expected, "{stream:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let mut parser = EventParser::default();
        let piece = vec![b'x'; 64 * 1024];
        let refused = (0..100).map(|_| parser.feed(&piece, |_| panic!("no event"))).position(|fed| fed.is_err());
        assert_eq!(refused, Some(limits::PROVIDER_LINE_BYTES_MAX / piece.len()));
        let mut parser = EventParser::default();
        let line = [b"data:", piece.as_slice(), b"\n"].concat();
        let refused = (0..100).map(|_| parser.feed(&line, |_| panic!("no event"))).position(|fed| fed.is_err());
        assert!(refused.is_some_and(|at| at <= limits::PROVIDER_EVENT_BYTES_MAX / piece.len()));
    }

    fn line() -> impl Strategy<Value = String> {
        prop_oneof![
            Just(String::new()),
            "data: ?[a-zü]{0,5}",
            ":[a-z ]{0,5}",
            "(event|id|data)(:[a-z]{0,3})?",
            "[\u{feff}a-z:]{0,4}",
        ]
    }

    proptest! {
        #[test]
        fn it_is_the_same_however_it_is_split(
            lines in prop::collection::vec((line(), prop::sample::select(vec!["\n", "\r", "\r\n"])), 0..20),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let stream: String = lines.iter().map(|(line, end)| format!("{line}{end}")).collect();
            let bytes = stream.as_bytes();
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
            places.sort_unstable();
            let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(events(&pieces), events(&[bytes]));
        }

        #[test]
        fn rubbish_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = EventParser::default().feed(&bytes, |_| {});
        }
    }
}
