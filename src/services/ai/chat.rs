//! The provider behind an OpenAI-compatible endpoint. It asks again only what may be asked again, and only while the user
//! has been told nothing; a text that has begun is never begun anew.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt, future::LocalBoxFuture};
use reqwest::{Client, Response, StatusCode, Url, header, redirect};
use tokio::time::{Instant, timeout_at};

use super::{
    analyst::{analyse, as_json},
    chunks::{self, ChatRequest, Chunk, Finish, Message, Said, StreamOptions, Usage},
    events::EventParser,
    prompt,
    provider::{Answer, Fault, Provider, Task, Teller},
};
use crate::{
    config::AiProvider,
    core::analysis::Report,
    limits,
    metrics::{AiTokens, Metrics},
};

/// The endpoint and how it is spoken to.
pub struct Chat {
    client: Client,
    url: Url,
    config: AiProvider,
    metrics: Arc<Metrics>,
}

/// Why one attempt came to nothing.
enum Trouble {
    /// It may be asked again, after that time if the provider said so.
    Passing { why: String, after: Option<Duration>, fault: Fault },
    /// It is of no use to ask again.
    Final { why: String, fault: Fault },
}

/// An answer that is being read.
struct Reading<'a> {
    teller: &'a Teller,
    text: String,
    /// How much of the text the user was told.
    told_bytes: usize,
    /// When the rest has to be told.
    tell_at: Option<Instant>,
    finish: Option<Finish>,
    usage: Option<Usage>,
    state: State,
}

/// Whether more is to come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Done,
    Failed,
    Rubbish,
    Full,
}

const AGAIN: &str = "ask again in a moment";

impl Chat {
    /// A client of its own for that endpoint: no redirects, no proxies of the environment.
    ///
    /// # Errors
    /// If TLS can't be set up.
    pub fn new(config: AiProvider, metrics: Arc<Metrics>) -> Result<Chat, reqwest::Error> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(limits::PROVIDER_CONNECT_MAX)
            .user_agent(concat!("convene/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Chat { client, url: config.completions_url(), config, metrics })
    }

    async fn ask(&self, task: Task, teller: &Teller) -> Result<Answer, Fault> {
        let report = match task.table.clone() {
            Some(table) => Some(analyse(table, task.query.clone(), |_, _| {}).await?),
            None => None,
        };
        let body = self.body(task, report.as_ref()).await?;
        teller.spend(body.chars().count());
        let mut attempt = 1;
        let text = loop {
            teller.progress(5, "Asking the model");
            let mut reading = Reading::new(teller);
            let trouble = match self.attempt(&body, &mut reading).await {
                Ok(()) => break reading.text,
                Err(trouble) => trouble,
            };
            let (why, after, fault) = match trouble {
                Trouble::Passing { why, after, fault } if reading.told_bytes == 0 => (why, after, fault),
                Trouble::Passing { why, fault, .. } | Trouble::Final { why, fault } => {
                    log::warn!("event=ai_provider_failed attempt={attempt} why=\"{why}\"");
                    return Err(fault);
                }
            };
            log::warn!("event=ai_provider_trouble attempt={attempt} why=\"{why}\"");
            let pause = after.unwrap_or_else(|| pause_before(attempt));
            if attempt >= limits::PROVIDER_ATTEMPTS_MAX || pause > limits::PROVIDER_RETRY_AFTER_MAX {
                return Err(fault);
            }
            self.metrics.ai.retried();
            teller.progress(5, "The model is busy; asking again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        };
        let findings = report.map(|report| as_json(&report.findings)).transpose()?;
        Ok(Answer { result: text, findings })
    }

    /// Written beside everything else: a large table takes its time.
    async fn body(&self, task: Task, report: Option<&Report>) -> Result<String, Fault> {
        let figures = report.map(|report| report.result.clone());
        let (model, characters) = (self.config.model.clone(), self.config.table_characters);
        let written = tokio::task::spawn_blocking(move || {
            let turn = prompt::user_turn(&task.query, task.table.as_ref(), figures.as_deref(), characters);
            let request = ChatRequest {
                model: &model,
                messages: [
                    Message { role: "system", content: prompt::SYSTEM },
                    Message { role: "user", content: &turn },
                ],
                stream: true,
                stream_options: StreamOptions { include_usage: true },
            };
            serde_json::to_string(&request).map_err(|error| error.to_string())
        });
        written.await.unwrap_or_else(|error| Err(error.to_string())).map_err(|why| {
            log::error!("event=ai_request_unwritable why=\"{why}\"");
            Fault::unavailable("The request can't be written, which is a fault of the server; ask about another range")
        })
    }

    /// Asks once and reads the answer.
    async fn attempt(&self, body: &str, reading: &mut Reading<'_>) -> Result<(), Trouble> {
        let response = self.send(body).await?;
        let kind =
            response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // servers that do not stream answer whole
        let whole = kind.trim_start().to_ascii_lowercase().starts_with("application/json");
        if whole {
            self.read_whole(response, reading).await?
        } else {
            self.read_stream(response, reading).await?
        }
        reading.tell();
        if let Some(usage) = reading.usage {
            self.metrics.ai.tokens(AiTokens::Prompt, usage.prompt_tokens);
            self.metrics.ai.tokens(AiTokens::Completion, usage.completion_tokens);
        }
        match reading.finish {
            _ if reading.state == State::Full => reading.text.push_str("\n\n(The answer was cut off: it is too long.)"),
            Some(Finish::Length) => reading.text.push_str("\n\n(The answer was cut off at the model's limit.)"),
            Some(Finish::Withheld) if reading.text.is_empty() => {
                let fault = Fault::unavailable("The model's provider withheld the answer; ask in other words");
                return Err(Trouble::Final { why: "withheld".into(), fault });
            }
            Some(Finish::Withheld) => reading.text.push_str("\n\n(The provider withheld the rest of the answer.)"),
            Some(Finish::Complete) | None if reading.text.trim().is_empty() => {
                let fault = Fault::unavailable("The model answered nothing; ask in other words");
                return Err(Trouble::Final { why: "empty answer".into(), fault });
            }
            Some(Finish::Complete) | None => {}
        }
        Ok(())
    }

    async fn send(&self, body: &str) -> Result<Response, Trouble> {
        let mut request = self.client.post(self.url.clone()).header(header::CONTENT_TYPE, "application/json");
        request = request.header(header::ACCEPT, "text/event-stream").body(body.to_owned());
        if let Some(key) = &self.config.api_key {
            request = request.bearer_auth(key.expose());
        }
        match timeout_at(Instant::now() + self.config.idle_timeout, request.send()).await {
            Err(_elapsed) => Err(stalled()),
            // the URL is left out of it: it says nothing that the operator does not know
            Ok(Err(error)) => Err(Trouble::Passing {
                why: short(&error.without_url()),
                after: None,
                fault: Fault::unavailable(format!("The model can't be reached; {AGAIN}")),
            }),
            Ok(Ok(response)) if response.status().is_success() => Ok(response),
            Ok(Ok(response)) => Err(refused(&response)),
        }
    }

    async fn read_stream(&self, response: Response, reading: &mut Reading<'_>) -> Result<(), Trouble> {
        let (mut stream, mut parser) = (response.bytes_stream(), EventParser::default());
        let mut silent_until = Instant::now() + self.config.idle_timeout;
        while reading.state == State::Open {
            let until = reading.tell_at.map_or(silent_until, |at| at.min(silent_until));
            match timeout_at(until, stream.next()).await {
                Err(_elapsed) if Instant::now() < silent_until => reading.tell(),
                Err(_elapsed) => return Err(reading.unfinished(stalled())),
                Ok(Some(Ok(bytes))) => {
                    silent_until = Instant::now() + self.config.idle_timeout;
                    if parser.feed(&bytes, |data| reading.event(data)).is_err() {
                        reading.state = State::Rubbish;
                    }
                }
                Ok(Some(Err(error))) => return Err(reading.unfinished(broke_off(&short(&error.without_url())))),
                // a stream may end without its last word, but not in the middle of the text
                Ok(None) if reading.finish.is_some() => break,
                Ok(None) => return Err(reading.unfinished(broke_off("the stream ended early"))),
            }
        }
        reading.settle()
    }

    async fn read_whole(&self, response: Response, reading: &mut Reading<'_>) -> Result<(), Trouble> {
        let (mut stream, mut body) = (response.bytes_stream(), Vec::new());
        loop {
            match timeout_at(Instant::now() + self.config.idle_timeout, stream.next()).await {
                Err(_elapsed) => return Err(stalled()),
                Ok(Some(Err(error))) => return Err(broke_off(&short(&error.without_url()))),
                Ok(Some(Ok(bytes))) if body.len() + bytes.len() <= limits::PROVIDER_BODY_BYTES_MAX => {
                    body.extend_from_slice(&bytes)
                }
                Ok(Some(Ok(_))) => {
                    reading.state = State::Rubbish;
                    return reading.settle();
                }
                Ok(None) => break,
            }
        }
        reading.event(&String::from_utf8_lossy(&body));
        reading.settle()
    }
}

impl Provider for Chat {
    fn answer<'a>(&'a self, task: Task, teller: &'a Teller) -> LocalBoxFuture<'a, Result<Answer, Fault>> {
        Box::pin(self.ask(task, teller))
    }

    fn name(&self) -> &'static str {
        "chat"
    }
}

impl<'a> Reading<'a> {
    fn new(teller: &'a Teller) -> Reading<'a> {
        let (text, told_bytes, tell_at) = (String::new(), 0, None);
        Reading { teller, text, told_bytes, tell_at, finish: None, usage: None, state: State::Open }
    }

    fn event(&mut self, data: &str) {
        if self.state != State::Open {
            return;
        }
        match chunks::read(data) {
            Said::Done => self.state = State::Done,
            Said::Failed => self.state = State::Failed,
            Said::Rubbish => self.state = State::Rubbish,
            Said::Chunk(Chunk { text, finish, usage }) => {
                self.finish = finish.or(self.finish);
                self.usage = usage.or(self.usage);
                if text.is_empty() {
                    return;
                }
                self.teller.spend(text.chars().count());
                let room = limits::ANSWER_BYTES_MAX.saturating_sub(self.text.len());
                if text.len() > room {
                    self.text.push_str(text.get(..text.floor_char_boundary(room)).unwrap_or_default());
                    self.state = State::Full;
                } else {
                    self.text.push_str(&text);
                }
                self.tell_at.get_or_insert(Instant::now() + limits::ANSWER_GATHER);
            }
        }
    }

    /// Tells the user what has gathered.
    fn tell(&mut self) {
        self.tell_at = None;
        let Some(delta) = self.text.get(self.told_bytes..).filter(|delta| !delta.is_empty()) else { return };
        self.teller.text(percent(self.text.len()), delta);
        self.told_bytes = self.text.len();
    }

    fn settle(&mut self) -> Result<(), Trouble> {
        match self.state {
            State::Open | State::Done | State::Full => Ok(()),
            State::Failed => Err(self.unfinished(Trouble::Final {
                why: "the provider reported an error in its stream".into(),
                fault: Fault::unavailable(format!("The model failed; {AGAIN}")),
            })),
            State::Rubbish => Err(self.unfinished(Trouble::Final {
                why: "the answer is none of a chat completions API; check AI_BASE_URL".into(),
                fault: Fault::unavailable("The model's answer makes no sense; ask again, or tell an administrator"),
            })),
        }
    }

    /// What has gathered is told before the bad news; a text that has begun is not begun anew.
    fn unfinished(&mut self, trouble: Trouble) -> Trouble {
        if self.text.is_empty() {
            return trouble;
        }
        self.tell();
        match trouble {
            Trouble::Passing { why, .. } | Trouble::Final { why, .. } => Trouble::Final {
                why: format!("{why}, in the middle of an answer"),
                fault: Fault::unavailable("The model stopped in the middle of its answer; ask again for all of it"),
            },
        }
    }
}

/// An estimate, as nobody knows how long a text will be: a tenth at its first piece, half after about 1,500 bytes, and
/// ever slower towards 95.
fn percent(bytes: usize) -> u8 {
    let share = 1.0 - (-(bytes as f64) / 2_000.0).exp();
    (10.0 + 85.0 * share) as u8
}

/// Doubled each time, with a random part so that many do not come back at once.
fn pause_before(attempt: u32) -> Duration {
    let (first, last) = (*limits::PROVIDER_RETRY.start(), *limits::PROVIDER_RETRY.end());
    let pause = first.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(last);
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}

fn stalled() -> Trouble {
    // the provider has taken the question and may be at work on it: asked again it would do all of it twice
    let fault = Fault::unavailable(format!("The model said nothing for too long; {AGAIN}"));
    Trouble::Final { why: "stalled".into(), fault }
}

fn broke_off(why: &str) -> Trouble {
    let fault = Fault::unavailable(format!("The connection to the model broke; {AGAIN}"));
    Trouble::Passing { why: why.to_owned(), after: None, fault }
}

fn short(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    if let Some(source) = error.source() {
        text = format!("{text}: {source}");
    }
    text.replace(['"', '\n', '\r'], " ")
}

fn refused(response: &Response) -> Trouble {
    let status = response.status();
    let why = format!("status {}", status.as_u16());
    let after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = after.and_then(|text| retry_after(text, SystemTime::now()));
    let sentence = match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            let when = after
                .map_or_else(|| AGAIN.to_owned(), |wait| format!("ask again in {} seconds", wait.as_secs().max(1)));
            let fault = Fault::unavailable(format!("The model has too much to do; {when}"));
            return Trouble::Passing { why, after, fault };
        }
        _ if status.is_server_error() => {
            let fault = Fault::unavailable(format!("The model is out of order; {AGAIN}"));
            return Trouble::Passing { why, after, fault };
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "The model's provider refuses this server's key; an administrator has to check AI_API_KEY"
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            "The model is not found where this server asks; an administrator has to check AI_BASE_URL and AI_MODEL"
        }
        StatusCode::PAYLOAD_TOO_LARGE => "The question is too large for the model; ask about fewer cells",
        _ if status.is_redirection() => {
            "The model's provider is elsewhere; an administrator has to put its own address into AI_BASE_URL"
        }
        _ => "The model's provider does not accept the question; ask more briefly, or about fewer cells",
    };
    Trouble::Final { why, fault: Fault::unavailable(sentence) }
}

/// Seconds, or a date (RFC 9110 section 10.2.3).
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = SystemTime::from(chrono::DateTime::parse_from_rfc2822(text).ok()?);
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_differ() {
        for attempt in 1..100 {
            let pause = pause_before(attempt);
            assert!(pause >= *limits::PROVIDER_RETRY.start() / 2 && pause <= *limits::PROVIDER_RETRY.end());
        }
        assert!((0..100).any(|_| pause_before(3) != pause_before(3)));
    }

    #[test]
    fn a_provider_may_say_when_to_come_back() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_705_314_600);
        assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Mon, 15 Jan 2024 10:30:09 GMT", now), Some(Duration::from_secs(9)));
        assert_eq!(retry_after("Mon, 15 Jan 2024 10:29:09 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }

    #[test]
    fn the_percentage_grows_and_never_claims_the_end() {
        let all: Vec<u8> = (0..200_000).step_by(97).map(percent).collect();
        assert!(all.is_sorted() && all.first() == Some(&10) && all.last() <= Some(&95));
    }
}
