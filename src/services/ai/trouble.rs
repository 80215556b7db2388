//! What goes wrong with a provider: what the operator's log says, what the user is told, and whether it is of use to ask
//! again.

use std::time::{Duration, SystemTime};

use reqwest::{Response, StatusCode, header};

use super::provider::Fault;

/// Why one attempt came to nothing.
pub(super) enum Trouble {
    /// It may be asked again, after that time if the provider said so.
    Passing { why: String, after: Option<Duration>, fault: Fault },
    /// It is of no use to ask again.
    Final { why: String, fault: Fault },
}

const AGAIN: &str = "ask again in a moment";

/// The provider said nothing for too long.
pub(super) fn stalled() -> Trouble {
    // the provider has taken the question and may be at work on it: asked again it would do all of it twice
    let fault = Fault::unavailable(format!("The model said nothing for too long; {AGAIN}"));
    Trouble::Final { why: "stalled".into(), fault }
}

/// The connection can't be made.
pub(super) fn unreachable(error: reqwest::Error) -> Trouble {
    // the URL is left out of it: it says nothing that the operator does not know
    let why = short(&error.without_url());
    Trouble::Passing { why, after: None, fault: Fault::unavailable(format!("The model can't be reached; {AGAIN}")) }
}

/// The connection ended before the answer did.
pub(super) fn broke_off(why: &str) -> Trouble {
    let fault = Fault::unavailable(format!("The connection to the model broke; {AGAIN}"));
    Trouble::Passing { why: why.to_owned(), after: None, fault }
}

/// The same, as the connection says it.
pub(super) fn torn(error: reqwest::Error) -> Trouble {
    broke_off(&short(&error.without_url()))
}

/// The provider reports an error of its own in the answer.
pub(super) fn failed() -> Trouble {
    Trouble::Final {
        why: "the provider reported an error in its stream".into(),
        fault: Fault::unavailable(format!("The model failed; {AGAIN}")),
    }
}

/// Who answers is something else.
pub(super) fn senseless() -> Trouble {
    Trouble::Final {
        why: "the answer is none of a chat completions API; check AI_BASE_URL".into(),
        fault: Fault::unavailable("The model's answer makes no sense; ask again, or tell an administrator"),
    }
}

fn short(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    if let Some(source) = error.source() {
        text = format!("{text}: {source}");
    }
    text.replace(['"', '\n', '\r'], " ")
}

/// The provider refuses.
pub(super) fn refused(response: &Response) -> Trouble {
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
    fn a_provider_may_say_when_to_come_back() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_705_314_600);
        assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Mon, 15 Jan 2024 10:30:09 GMT", now), Some(Duration::from_secs(9)));
        assert_eq!(retry_after("Mon, 15 Jan 2024 10:29:09 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }
}
