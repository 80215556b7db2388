//! The failures of a provider: the text for the operator's log, the sentence for the user, and whether a retry makes
//! sense.

use std::time::{Duration, SystemTime};

use reqwest::{Response, StatusCode, header};

use super::provider::Fault;

/// Why one attempt failed.
pub(super) enum Trouble {
    /// A retry may succeed, after `after` if the provider specified a time.
    Passing { why: String, after: Option<Duration>, fault: Fault },
    /// A retry can't succeed.
    Final { why: String, fault: Fault },
}

const AGAIN: &str = "ask again in a moment";

/// The provider was silent for too long.
pub(super) fn stalled() -> Trouble {
    // The provider has received the question and may be working on it. A retry would make it do the work twice.
    let fault = Fault::unavailable(format!("The model did not respond for too long; {AGAIN}"));
    Trouble::Final { why: "stalled".into(), fault }
}

/// The connection can't be established.
pub(super) fn unreachable(error: reqwest::Error) -> Trouble {
    // The URL is omitted, because the operator knows it and it may contain a key.
    let why = short(&error.without_url());
    Trouble::Passing { why, after: None, fault: Fault::unavailable(format!("The model can't be reached; {AGAIN}")) }
}

/// The connection was closed before the end of the answer.
pub(super) fn broke_off(why: &str) -> Trouble {
    let fault = Fault::unavailable(format!("The connection to the model broke; {AGAIN}"));
    Trouble::Passing { why: why.to_owned(), after: None, fault }
}

/// Like [`broke_off`], with the error of the connection.
pub(super) fn torn(error: reqwest::Error) -> Trouble {
    broke_off(&short(&error.without_url()))
}

/// The provider reports an error within the answer.
pub(super) fn failed() -> Trouble {
    Trouble::Final {
        why: "the provider reported an error in its stream".into(),
        fault: Fault::unavailable(format!("The model failed; {AGAIN}")),
    }
}

/// The response does not come from a chat completions API.
pub(super) fn senseless() -> Trouble {
    Trouble::Final {
        why: "the answer does not conform to the chat completions API; check AI_BASE_URL".into(),
        fault: Fault::unavailable("The model's answer is invalid; ask again, or contact an administrator"),
    }
}

fn short(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    if let Some(source) = error.source() {
        text = format!("{text}: {source}");
    }
    text.replace(['"', '\n', '\r'], " ")
}

/// The provider refuses the request.
pub(super) fn refused(response: &Response) -> Trouble {
    let status = response.status();
    let why = format!("status {}", status.as_u16());
    let after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = after.and_then(|text| retry_after(text, SystemTime::now()));
    let sentence = match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            let when = after
                .map_or_else(|| AGAIN.to_owned(), |wait| format!("ask again in {} seconds", wait.as_secs().max(1)));
            let fault = Fault::unavailable(format!("The model is overloaded; {when}"));
            return Trouble::Passing { why, after, fault };
        }
        _ if status.is_server_error() => {
            let fault = Fault::unavailable(format!("The model is not working; {AGAIN}"));
            return Trouble::Passing { why, after, fault };
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "The model's provider rejects this server's key; an administrator must check AI_API_KEY"
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            "The model was not found; an administrator must check AI_BASE_URL and AI_MODEL"
        }
        StatusCode::PAYLOAD_TOO_LARGE => "The question is too large for the model; ask about fewer cells",
        _ if status.is_redirection() => {
            "The model's provider has moved; an administrator must set AI_BASE_URL to its final address"
        }
        _ => "The model's provider does not accept the question; shorten it, or ask about fewer cells",
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
    fn a_provider_may_say_when_to_come_back() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_705_314_600);
        assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Mon, 15 Jan 2024 10:30:09 GMT", now), Some(Duration::from_secs(9)));
        assert_eq!(retry_after("Mon, 15 Jan 2024 10:29:09 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }
}
