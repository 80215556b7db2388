//! Settings of calls: how long they ring, and the STUN and TURN servers that clients are told to use, because media does not pass through this
//! server.

use std::time::Duration;

use super::{ConfigError, Secret, variables::Variables};

const STUN_URLS: &str = "ICE_STUN_URLS";
const TURN_URLS: &str = "ICE_TURN_URLS";
const TURN_SECRET: &str = "ICE_TURN_SECRET";
const TURN_USERNAME: &str = "ICE_TURN_USERNAME";
const TURN_PASSWORD: &str = "ICE_TURN_PASSWORD";
const TURN_TTL: &str = "ICE_TURN_TTL_SECONDS";
const RING: &str = "CALL_RING_SECONDS";

const RING_SECONDS: std::ops::RangeInclusive<u64> = 1..=600;
/// From a minute to a week.
const TTL_SECONDS: std::ops::RangeInclusive<u64> = 60..=604_800;

/// Settings of calls.
#[derive(Clone, Debug)]
pub struct Calls {
    /// `CALL_RING_SECONDS`: how long a call rings that nobody answers.
    pub ring_time: Duration,
    /// `ICE_STUN_URLS`: STUN servers.
    pub stun_urls: Vec<String>,
    /// TURN servers with their credentials.
    pub turn: Option<Turn>,
}

/// TURN servers.
#[derive(Clone, Debug)]
pub struct Turn {
    /// `ICE_TURN_URLS`.
    pub urls: Vec<String>,
    /// How clients authenticate there.
    pub credentials: TurnCredentials,
}

/// How clients authenticate to the TURN servers.
#[derive(Clone, Debug)]
pub enum TurnCredentials {
    /// `ICE_TURN_SECRET` is shared with the TURN servers. Each user gets credentials that are derived from it and expire
    /// after `ICE_TURN_TTL_SECONDS`.
    Shared {
        /// The secret.
        secret: Secret,
        /// How long credentials are valid.
        ttl: Duration,
    },
    /// `ICE_TURN_USERNAME` and `ICE_TURN_PASSWORD`, the same for all users.
    Static {
        /// The name.
        username: String,
        /// The password, which clients are given.
        password: Secret,
    },
}

impl Calls {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Calls, ConfigError> {
        let stun_urls = urls(variables, STUN_URLS, &["stun:", "stuns:"], "stun:stun.example.org:3478")?;
        let turn_urls = urls(variables, TURN_URLS, &["turn:", "turns:"], "turn:turn.example.org:3478")?;
        let ttl = variables.seconds(TURN_TTL, TTL_SECONDS, 43_200)?;
        let [secret, username, password] = [TURN_SECRET, TURN_USERNAME, TURN_PASSWORD].map(|name| variables.text(name));
        let ring_time = variables.seconds(RING, RING_SECONDS, 45)?;
        if turn_urls.is_empty() {
            return Ok(Calls { ring_time, stun_urls, turn: None });
        }
        let credentials = match (secret, username, password) {
            (Some(secret), None, None) => TurnCredentials::Shared { secret: Secret::new(secret), ttl },
            (None, Some(username), Some(password)) => {
                TurnCredentials::Static { username, password: Secret::new(password) }
            }
            _incomplete => {
                let problem =
                    "needs credentials; set either ICE_TURN_SECRET, or ICE_TURN_USERNAME and ICE_TURN_PASSWORD";
                return Err(ConfigError::new(TURN_URLS, problem));
            }
        };
        Ok(Calls { ring_time, stun_urls, turn: Some(Turn { urls: turn_urls, credentials }) })
    }

    pub(super) fn describe(&self, lines: &mut Vec<(&'static str, String)>) {
        lines.push((RING, self.ring_time.as_secs().to_string()));
        if !self.stun_urls.is_empty() {
            lines.push((STUN_URLS, self.stun_urls.join(",")));
        }
        let Some(turn) = &self.turn else { return };
        lines.push((TURN_URLS, turn.urls.join(",")));
        match &turn.credentials {
            TurnCredentials::Shared { ttl, .. } => {
                lines.push((TURN_SECRET, "(given)".to_owned()));
                lines.push((TURN_TTL, ttl.as_secs().to_string()));
            }
            TurnCredentials::Static { username, .. } => {
                lines.push((TURN_USERNAME, username.clone()));
                lines.push((TURN_PASSWORD, "(given)".to_owned()));
            }
        }
    }
}

/// A list of addresses with one of these schemes.
fn urls(
    variables: &Variables<'_>,
    name: &'static str,
    schemes: &[&str],
    example: &str,
) -> Result<Vec<String>, ConfigError> {
    let urls = variables.list(name);
    let is_bad = |url: &&String| {
        let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
        rest.is_none_or(str::is_empty) || url.chars().any(|c| !c.is_ascii_graphic())
    };
    match urls.iter().find(is_bad) {
        Some(bad) => {
            Err(ConfigError::value(name, bad, format!("is not the address of such a server; write it as {example}")))
        }
        None => Ok(urls),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, refusal};
    use super::*;

    #[test]
    fn turn_servers_need_one_kind_of_credentials() {
        let calls = config(&[]).unwrap().calls;
        assert!(calls.stun_urls.is_empty() && calls.turn.is_none());
        let urls = ("ICE_TURN_URLS", "turn:t.example:3478?transport=udp,turns:t.example:5349");
        let turn = config(&[urls, ("ICE_TURN_SECRET", "hush")]).unwrap().calls.turn.unwrap();
        assert_eq!(turn.urls.len(), 2);
        assert!(matches!(turn.credentials, TurnCredentials::Shared { ttl, .. } if ttl.as_secs() == 43_200));
        let turn = config(&[urls, ("ICE_TURN_USERNAME", "u"), ("ICE_TURN_PASSWORD", "p")]).unwrap().calls.turn;
        assert!(matches!(turn.unwrap().credentials, TurnCredentials::Static { .. }));
        for given in [
            &[urls][..],
            &[urls, ("ICE_TURN_USERNAME", "u")],
            &[urls, ("ICE_TURN_SECRET", "s"), ("ICE_TURN_USERNAME", "u")],
        ] {
            assert!(refusal(given).starts_with("ICE_TURN_URLS: needs credentials"), "{given:?}");
        }
        for bad in ["http://t.example", "turn:", "turn:a b"] {
            assert!(refusal(&[("ICE_TURN_URLS", bad)]).starts_with("ICE_TURN_URLS: "), "{bad}");
        }
        assert!(refusal(&[("ICE_STUN_URLS", "turn:t.example")]).contains("stun:stun.example.org"));
    }
}
