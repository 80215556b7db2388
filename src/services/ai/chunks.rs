//! The messages of the chat completions API (OpenAI's, as many servers speak it): what is asked, and the pieces in which the
//! answer comes. What is not known is skipped.

use serde::{Deserialize, Serialize};

/// A request for a streamed answer.
#[derive(Serialize)]
pub struct ChatRequest<'a> {
    /// Which model.
    pub model: &'a str,
    /// What was said.
    pub messages: [Message<'a>; 2],
    /// Always.
    pub stream: bool,
    /// What comes with the stream.
    pub stream_options: StreamOptions,
}

/// One thing that was said.
#[derive(Serialize)]
pub struct Message<'a> {
    /// By whom.
    pub role: &'static str,
    /// What.
    pub content: &'a str,
}

/// What comes with the stream.
#[derive(Serialize)]
pub struct StreamOptions {
    /// What it cost, in the end.
    pub include_usage: bool,
}

/// What one event of the stream says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Chunk {
    /// The next piece of the text.
    pub text: String,
    /// The text has ended, and why.
    pub finish: Option<Finish>,
    /// What it cost.
    pub usage: Option<Usage>,
}

/// Why a text has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finish {
    /// It is complete.
    Complete,
    /// It reached the model's limit.
    Length,
    /// The provider withheld it.
    Withheld,
}

/// What an answer cost, in tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
pub struct Usage {
    /// Of the question.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// Of the answer.
    #[serde(default)]
    pub completion_tokens: u64,
}

/// What an event is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    /// A piece of the answer.
    Chunk(Chunk),
    /// Nothing more comes.
    Done,
    /// The provider failed in the middle.
    Failed,
    /// No message of this API.
    Rubbish,
}

/// The text with which streams end.
const DONE: &str = "[DONE]";

#[derive(Deserialize)]
struct ChunkForm {
    #[serde(default)]
    choices: Vec<ChoiceForm>,
    usage: Option<Usage>,
    error: Option<serde::de::IgnoredAny>,
}

/// `delta` in streams, `message` in answers that come whole.
#[derive(Deserialize)]
struct ChoiceForm {
    #[serde(alias = "message")]
    delta: Option<DeltaForm>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct DeltaForm {
    content: Option<String>,
}

/// Reads one event's data.
pub fn read(data: &str) -> Said {
    if data.trim() == DONE {
        return Said::Done;
    }
    let Ok(form) = serde_json::from_str::<ChunkForm>(data) else { return Said::Rubbish };
    if form.error.is_some() {
        return Said::Failed;
    }
    let mut chunk = Chunk { usage: form.usage, ..Chunk::default() };
    // one answer was asked for
    if let Some(choice) = form.choices.into_iter().next() {
        chunk.text = choice.delta.and_then(|delta| delta.content).unwrap_or_default();
        chunk.finish = choice.finish_reason.map(|reason| match reason.as_str() {
            "length" => Finish::Length,
            "content_filter" => Finish::Withheld,
            _other => Finish::Complete,
        });
    }
    Said::Chunk(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(text: &str, finish: Option<Finish>, usage: Option<Usage>) -> Said {
        Said::Chunk(Chunk { text: text.into(), finish, usage })
    }

    #[test]
    fn pieces_are_read_and_the_unknown_is_skipped() {
        let usage = Usage { prompt_tokens: 3, completion_tokens: 5 };
        for (data, said) in [
            (
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
                chunk("", None, None),
            ),
            (r#"{"id":"x","choices":[{"delta":{"content":"Hé\n"}}],"new":1}"#, chunk("Hé\n", None, None)),
            (r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, chunk("", Some(Finish::Complete), None)),
            (
                r#"{"choices":[{"delta":{"content":null},"finish_reason":"length"}]}"#,
                chunk("", Some(Finish::Length), None),
            ),
            (
                r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}"#,
                chunk("", None, Some(usage)),
            ),
            (
                r#"{"choices":[{"message":{"content":"all"},"finish_reason":"stop"}]}"#,
                chunk("all", Some(Finish::Complete), None),
            ),
            (r#"{"error":{"message":"overloaded","type":"server_error"}}"#, Said::Failed),
            ("[DONE]", Said::Done),
            (" [DONE] ", Said::Done),
            ("<html>", Said::Rubbish),
            ("", Said::Rubbish),
            (r#"{"choices":7}"#, Said::Rubbish),
        ] {
            assert_eq!(read(data), said, "{data}");
        }
    }
}
