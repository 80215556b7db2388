//! The messages of the chat completions API (OpenAI's, as many servers speak it): what is asked, and the pieces in which the
//! answer comes. What is not known is skipped, and a field of another type than it should have counts as absent: many
//! servers speak this API, each a little differently.

use serde::Serialize;
use serde_json::Value;

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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Of the question.
    pub prompt_tokens: u64,
    /// Of the answer.
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

/// Reads one event's data.
pub fn read(data: &str) -> Said {
    if data.trim() == DONE {
        return Said::Done;
    }
    let Ok(Value::Object(form)) = serde_json::from_str(data) else { return Said::Rubbish };
    if form.get("error").is_some_and(|error| !error.is_null()) {
        return Said::Failed;
    }
    // one answer was asked for
    let choice = match form.get("choices") {
        None | Some(Value::Null) => None,
        Some(Value::Array(choices)) => choices.first(),
        Some(_) => return Said::Rubbish,
    };
    Said::Chunk(Chunk {
        text: choice.map(text).unwrap_or_default(),
        finish: choice.and_then(finish),
        usage: form.get("usage").filter(|usage| usage.is_object()).map(usage),
    })
}

/// `delta` in streams, `message` in answers that come whole; some servers send both, one of them empty.
fn text(choice: &Value) -> String {
    let contents = ["delta", "message"].into_iter().filter_map(|name| choice.get(name)?.get("content"));
    contents.map(content).find(|text| !text.is_empty()).unwrap_or_default()
}

/// A text, or a list of parts that have one.
fn content(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part.as_str().or_else(|| part.get("text")?.as_str()));
            texts.collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

fn finish(choice: &Value) -> Option<Finish> {
    Some(match choice.get("finish_reason")?.as_str()? {
        // so some servers write that it has not ended
        "" => return None,
        "length" => Finish::Length,
        "content_filter" => Finish::Withheld,
        _other => Finish::Complete,
    })
}

fn usage(usage: &Value) -> Usage {
    let tokens = |name| {
        let count = usage.get(name)?;
        // what is no whole number is cut off, and what is none at all is 0
        count.as_u64().or_else(|| count.as_f64().map(|count| count as u64))
    };
    Usage {
        prompt_tokens: tokens("prompt_tokens").unwrap_or_default(),
        completion_tokens: tokens("completion_tokens").unwrap_or_default(),
    }
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
            ("[]", Said::Rubbish),
            (r#"{"choices":null,"error":null}"#, chunk("", None, None)),
            (
                r#"{"choices":[{"delta":{"content":"a"},"message":{"content":""},"finish_reason":""}]}"#,
                chunk("a", None, None),
            ),
            (r#"{"choices":[{"delta":{},"message":{"content":"b"},"finish_reason":7}]}"#, chunk("b", None, None)),
            (r#"{"choices":[{"delta":null,"message":null}],"usage":null}"#, chunk("", None, None)),
            (
                r#"{"choices":[],"usage":{"prompt_tokens":3.0,"completion_tokens":5.9,"cost":1e-5}}"#,
                chunk("", None, Some(usage)),
            ),
            (
                r#"{"choices":[],"usage":{"prompt_tokens":null,"completion_tokens":"5"}}"#,
                chunk("", None, Some(Usage::default())),
            ),
            (
                r#"{"choices":[{"delta":{"content":["a",{"type":"text","text":"b"},{"type":"image"},7]}}]}"#,
                chunk("ab", None, None),
            ),
        ] {
            assert_eq!(read(data), said, "{data}");
        }
    }
}
