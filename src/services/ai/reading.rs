//! Reads one answer of a provider, streamed or whole, and forwards it to the user as it arrives. It must not discard a
//! complete answer because of a wrong content type or a missing end marker.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::{
    chunks::{self, Chunk, Finish, StreamEvent, Usage},
    events::EventParser,
    provider::{Fault, ProgressReporter},
    provider_error::{Trouble, broke_off, failed, senseless, stalled, torn},
};
use crate::limits;

/// An answer that is being read.
pub(super) struct Reading<'a> {
    reporter: &'a ProgressReporter,
    text: String,
    /// How much of the text the user has received.
    told_bytes: usize,
    /// When the rest must be sent to the user.
    tell_at: Option<Instant>,
    finish: Option<Finish>,
    usage: Option<Usage>,
    heard: Heard,
    state: State,
}

/// Whether any part of an answer has arrived.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    Something,
}

/// Whether more data is expected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Done,
    Failed,
    Rubbish,
    Full,
}

/// The form of an answer. It is detected from the first byte that is not blank, because content types are unreliable.
enum Form {
    Unknown,
    Events(EventParser),
    Whole(Vec<u8>),
}

/// How the bytes of an answer ended without an end marker.
enum Ending {
    Clean,
    Silent,
    Torn(reqwest::Error),
}

impl<'a> Reading<'a> {
    pub fn new(reporter: &'a ProgressReporter) -> Reading<'a> {
        let (text, told_bytes, tell_at) = (String::new(), 0, None);
        let (heard, state) = (Heard::Nothing, State::Open);
        Reading { reporter, text, told_bytes, tell_at, finish: None, usage: None, heard, state }
    }

    /// Whether the user has received some of the text.
    pub fn has_told(&self) -> bool {
        self.told_bytes > 0
    }

    /// The token usage, if the provider reports it.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Reads the whole answer.
    pub async fn read(&mut self, response: Response, idle: Duration) -> Result<(), Trouble> {
        let (mut stream, mut form) = (response.bytes_stream(), Form::Unknown);
        let (mut silent_until, mut last_word_until) = (Instant::now() + idle, None);
        while self.state == State::Open {
            let until = self.tell_at.map_or(silent_until, |at| at.min(silent_until));
            match timeout_at(until, stream.next()).await {
                Err(_elapsed) if Instant::now() < silent_until => self.tell(),
                Err(_elapsed) => return self.end(form, Ending::Silent),
                Ok(Some(Ok(bytes))) => {
                    form = self.feed(form, &bytes);
                    silent_until = Instant::now() + idle;
                    if self.finish.is_some() {
                        // The text is complete. The token usage may follow, but is not worth a long wait.
                        let until = last_word_until.get_or_insert(Instant::now() + limits::PROVIDER_LAST_WORD_WAIT);
                        silent_until = silent_until.min(*until);
                    }
                }
                Ok(Some(Err(error))) => return self.end(form, Ending::Torn(error)),
                Ok(None) => return self.end(form, Ending::Clean),
            }
        }
        self.settle()
    }

    fn feed(&mut self, form: Form, bytes: &[u8]) -> Form {
        let (mut form, bytes) = match form {
            known @ (Form::Events(_) | Form::Whole(_)) => (known, bytes),
            Form::Unknown => {
                let at = bytes.iter().position(|byte| !is_blank(*byte)).unwrap_or(bytes.len());
                match bytes.get(at..).unwrap_or_default() {
                    [] => return Form::Unknown,
                    bytes @ [b'{' | b'[', ..] => (Form::Whole(Vec::new()), bytes),
                    bytes => (Form::Events(EventParser::default()), bytes),
                }
            }
        };
        let fits = match &mut form {
            Form::Unknown => true,
            Form::Events(parser) => parser.feed(bytes, |data| self.event(data)).is_ok(),
            Form::Whole(body) => {
                body.extend_from_slice(bytes);
                body.len() <= limits::PROVIDER_BODY_BYTES_MAX
            }
        };
        if !fits {
            self.doubt(State::Rubbish);
        }
        form
    }

    fn event(&mut self, data: &str) {
        if self.state == State::Open {
            match chunks::read(data) {
                StreamEvent::Done => self.state = State::Done,
                StreamEvent::Failed => self.doubt(State::Failed),
                StreamEvent::Rubbish => self.doubt(State::Rubbish),
                StreamEvent::Chunk(chunk) => self.chunk(chunk),
            }
        }
    }

    /// Invalid data after the end of the text does not discard the text.
    fn doubt(&mut self, state: State) {
        self.state = if self.finish.is_some() { State::Done } else { state };
    }

    fn chunk(&mut self, Chunk { text, finish, usage }: Chunk) {
        self.heard = Heard::Something;
        self.finish = finish.or(self.finish);
        self.usage = usage.or(self.usage);
        if text.is_empty() {
            return;
        }
        self.reporter.spend(text.chars().count());
        let room = limits::ANSWER_BYTES_MAX.saturating_sub(self.text.len());
        if text.len() > room {
            self.text.push_str(text.get(..text.floor_char_boundary(room)).unwrap_or_default());
            self.state = State::Full;
        } else {
            self.text.push_str(&text);
        }
        self.tell_at.get_or_insert(Instant::now() + limits::ANSWER_GATHER);
    }

    /// Sends the pending text to the user.
    fn tell(&mut self) {
        self.tell_at = None;
        let Some(delta) = self.text.get(self.told_bytes..).filter(|delta| !delta.is_empty()) else { return };
        self.reporter.text(percent(self.text.len()), delta);
        self.told_bytes = self.text.len();
    }

    // ---- end of the answer ----

    /// Handles the end of the bytes, whether clean or not. Incomplete last data is used if it can be parsed.
    fn end(&mut self, form: Form, ending: Ending) -> Result<(), Trouble> {
        match form {
            Form::Unknown => {}
            Form::Events(parser) => parser.finish(|data| self.last_event(data)),
            Form::Whole(body) => {
                self.last_event(&String::from_utf8_lossy(&body));
                if self.state == State::Open && self.heard == Heard::Something {
                    self.state = State::Done;
                }
            }
        }
        if self.state != State::Open || self.finish.is_some() {
            return self.settle();
        }
        let trouble = match ending {
            Ending::Silent => stalled(),
            Ending::Torn(error) => torn(error),
            Ending::Clean if self.heard == Heard::Nothing => senseless(),
            Ending::Clean => broke_off("the stream ended early"),
        };
        Err(self.unfinished(trouble))
    }

    fn last_event(&mut self, data: &str) {
        if chunks::read(data) != StreamEvent::Rubbish {
            self.event(data);
        }
    }

    fn settle(&mut self) -> Result<(), Trouble> {
        match self.state {
            State::Open | State::Done | State::Full => Ok(()),
            State::Failed => Err(self.unfinished(failed())),
            State::Rubbish => Err(self.unfinished(senseless())),
        }
    }

    /// Sends the pending text before the error. An answer that has begun is not retried.
    fn unfinished(&mut self, trouble: Trouble) -> Trouble {
        if self.text.is_empty() {
            return trouble;
        }
        self.tell();
        match trouble {
            Trouble::Passing { why, .. } | Trouble::Final { why, .. } => Trouble::Final {
                why: format!("{why}, in the middle of an answer"),
                fault: Fault::unavailable("The model stopped in the middle of its answer; ask again"),
            },
        }
    }

    /// The text, with a note if it is incomplete. Sends the pending text first.
    pub fn conclude(&mut self) -> Result<String, Trouble> {
        self.tell();
        match self.finish {
            _ if self.state == State::Full => self.text.push_str("\n\n(The answer was cut off: it is too long.)"),
            Some(Finish::Length) => self.text.push_str("\n\n(The answer was cut off at the model's limit.)"),
            Some(Finish::Withheld) if self.text.is_empty() => {
                let fault = Fault::unavailable("The model's provider withheld the answer; rephrase the question");
                return Err(Trouble::Final { why: "withheld".into(), fault });
            }
            Some(Finish::Withheld) => self.text.push_str("\n\n(The provider withheld the rest of the answer.)"),
            Some(Finish::Complete) | None if self.text.trim().is_empty() => {
                let fault = Fault::unavailable("The model returned an empty answer; rephrase the question");
                return Err(Trouble::Final { why: "empty answer".into(), fault });
            }
            Some(Finish::Complete) | None => {}
        }
        Ok(std::mem::take(&mut self.text))
    }
}

/// White space, or part of a byte order mark.
fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || "\u{feff}".as_bytes().contains(&byte)
}

/// An estimate, because the length of the answer is unknown: 10 at the first piece, half after about 1,500 bytes, then
/// ever slower towards 95.
fn percent(bytes: usize) -> u8 {
    let share = 1.0 - (-(bytes as f64) / 2_000.0).exp();
    (10.0 + 85.0 * share) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentage_grows_and_never_claims_the_end() {
        let all: Vec<u8> = (0..200_000).step_by(97).map(percent).collect();
        assert!(all.is_sorted() && all.first() == Some(&10) && all.last() <= Some(&95));
    }
}
