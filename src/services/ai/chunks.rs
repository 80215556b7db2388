//! The messages of the chat completions API: the request, and the chunks of the streamed answer. Many servers implement
//! this API, each a little differently, so unknown fields are ignored and a field of an unexpected type counts as
//! absent.

use serde::Serialize;
use serde_json::Value;

/// A request for a streamed answer.
#[derive(Serialize)]
pub struct ChatRequest<'a> {
    /// The model.
    pub model: &'a str,
    /// The conversation.
    pub messages: [Message<'a>; 2],
    /// Always true.
    pub stream: bool,
    /// Options of the stream.
    pub stream_options: StreamOptions,
}

/// One message of the conversation.
#[derive(Serialize)]
pub struct Message<'a> {
    /// Who wrote it.
    pub role: &'static str,
    /// The text.
    pub content: &'a str,
}

/// Options of the stream.
#[derive(Serialize)]
pub struct StreamOptions {
    /// Whether the stream ends with the token usage.
    pub include_usage: bool,
}

/// The content of one event of the stream.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Chunk {
    /// The next piece of the text.
    pub text: String,
    /// Why the text has ended, if it has.
    pub finish: Option<Finish>,
    /// The token usage.
    pub usage: Option<Usage>,
}

/// Why a text has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finish {
    /// It is complete.
    Complete,
    /// It reached the model's length limit.
    Length,
    /// The provider withheld it.
    Withheld,
}

/// The token usage of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Tokens of the question.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
}

/// One event of the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StreamEvent {
    /// A piece of the answer.
    Chunk(Chunk),
    /// The end of the stream.
    Done,
    /// The provider failed during the answer.
    Failed,
    /// Not a message of this API.
    Rubbish,
}

/// The text that ends a stream.
const DONE: &str = "[DONE]";

/// Parses the data of one event.
pub fn read(data: &str) -> StreamEvent {
    if data.trim() == DONE {
        return StreamEvent::Done;
    }
    let Ok(Value::Object(form)) = serde_json::from_str(data) else { return StreamEvent::Rubbish };
    if form.get("error").is_some_and(|error| !error.is_null()) {
        return StreamEvent::Failed;
    }
    // Only one answer was requested.
    let choice = match form.get("choices") {
        None | Some(Value::Null) => None,
        Some(Value::Array(choices)) => choices.first(),
        Some(_) => return StreamEvent::Rubbish,
    };
    StreamEvent::Chunk(Chunk {
        text: choice.map(text).unwrap_or_default(),
        finish: choice.and_then(finish),
        usage: form.get("usage").filter(|usage| usage.is_object()).map(usage),
    })
}

/// `delta` in streams, `message` in complete answers. Some servers send both, one of them empty.
fn text(choice: &Value) -> String {
    let contents = ["delta", "message"].into_iter().filter_map(|name| choice.get(name)?.get("content"));
    contents.map(content).find(|text| !text.is_empty()).unwrap_or_default()
}

/// A text, or a list of parts that contain text.
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
        // Some servers send this while the text has not ended.
        "" => return None,
        "length" => Finish::Length,
        "content_filter" => Finish::Withheld,
        _other => Finish::Complete,
    })
}

fn usage(usage: &Value) -> Usage {
    let tokens = |name| {
        let count = usage.get(name)?;
        // A fraction is truncated, and a value that is not a number counts as 0.
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

    fn chunk(text: &str, finish: Option<Finish>, usage: Option<Usage>) -> StreamEvent {
        StreamEvent::Chunk(Chunk { text: text.into(), finish, usage })
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
            (r#"{"error":{"message":"overloaded","type":"server_error"}}"#, StreamEvent::Failed),
            ("[DONE]", StreamEvent::Done),
            (" [DONE] ", StreamEvent::Done),
            ("<html>", StreamEvent::Rubbish),
            ("", StreamEvent::Rubbish),
            (r#"{"choices":7}"#, StreamEvent::Rubbish),
            ("[]", StreamEvent::Rubbish),
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
