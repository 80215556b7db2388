//! Reads single variables. Every kind of invalid value has an error sentence that names the variable and says what to
//! do.

use std::{
    borrow::Cow, cell::RefCell, collections::BTreeSet, fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration,
};

/// An invalid variable: one sentence that names it and says what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    variable: Cow<'static, str>,
    problem: String,
}

impl ConfigError {
    /// `problem` must end with what to do about it.
    pub(super) fn new(variable: impl Into<Cow<'static, str>>, problem: impl Into<String>) -> ConfigError {
        ConfigError { variable: variable.into(), problem: problem.into() }
    }

    /// An invalid value of a variable.
    pub(super) fn value(variable: &'static str, value: &str, problem: impl Display) -> ConfigError {
        ConfigError::new(variable, format!("\"{value}\" {problem}"))
    }
}

/// Variables that are read only in some configurations. They are listed so that misspelled ones are detected; a
/// variable that is always read need not be here.
const KNOWN: &[&str] = &[
    "ACCESS_TOKEN_MINUTES",
    "AI_API_KEY",
    "AI_BASE_URL",
    "AI_CHARACTERS_PER_DAY",
    "AI_CONCURRENCY_MAX",
    "AI_CONCURRENCY_PER_USER",
    "AI_IDLE_TIMEOUT_SECONDS",
    "AI_MODEL",
    "AI_QUEUE_MAX",
    "AI_REQUESTS_PER_HOUR",
    "AI_TABLE_CHARACTERS_MAX",
    "AI_TIMEOUT_SECONDS",
    "ALLOWED_ORIGINS",
    "ALLOW_ANONYMOUS",
    "CALL_RING_SECONDS",
    "CORK_MS",
    "DATABASE",
    "DATABASE_URL",
    "DATA_DIR",
    "DB_HOST",
    "DB_PASSWORD",
    "DB_PORT",
    "DB_USER",
    "FILES_DIR",
    "FILES_PER_USER_BYTES_MAX",
    "FILES_PER_USER_MAX",
    "FILES_S3_ACCESS_KEY_ID",
    "FILES_S3_BUCKET",
    "FILES_S3_ENDPOINT",
    "FILES_S3_PATH_STYLE",
    "FILES_S3_PREFIX",
    "FILES_S3_REGION",
    "FILES_S3_SECRET_ACCESS_KEY",
    "FILE_BYTES_MAX",
    "FILE_TYPES_ALLOWED",
    "HTTP_BODY_SECONDS",
    "HTTP_CONNECTIONS_PER_ADDRESS",
    "HTTP_KEEP_ALIVE_SECONDS",
    "HTTP_UNREAD_SECONDS",
    "ICE_STUN_URLS",
    "ICE_TURN_PASSWORD",
    "ICE_TURN_SECRET",
    "ICE_TURN_TTL_SECONDS",
    "ICE_TURN_URLS",
    "ICE_TURN_USERNAME",
    "INVITES_PER_MINUTE",
    "INVITE_EXPIRY_HOURS",
    "JWT_ALGORITHM",
    "JWT_AUDIENCE",
    "JWT_ISSUER",
    "JWT_PUBLIC_KEY_FILE",
    "JWT_SECRET_KEY",
    "LEAVE_GRACE_MS",
    "LOGIN_ATTEMPTS_PER_MINUTE",
    "LOG_LEVEL",
    "MAX_CACHE_SIZE",
    "MAX_CONNECTIONS_PER_USER",
    "MAX_DOCUMENT_CONNECTIONS_PER_USER",
    "MAX_QUEUE_SIZE",
    "NODE_NAME",
    "RECONNECTS_PER_SECOND",
    "RECONNECT_SPREAD_MS",
    "REDIS_DB",
    "REDIS_HOST",
    "REDIS_PASSWORD",
    "REDIS_PORT",
    "REDIS_PREFIX",
    "REDIS_URL",
    "REDIS_USERNAME",
    "REFRESH_TOKEN_DAYS",
    "REGISTRATIONS_PER_HOUR",
    "REST_READS_PER_MINUTE",
    "REST_WRITES_PER_MINUTE",
    "ROOMS_AUTO_CREATE",
    "RUST_LOG",
    "SHUTDOWN_DELAY_MS",
    "SHUTDOWN_TIMEOUT_SECONDS",
    "TLS_CERT_FILE",
    "TLS_KEY_FILE",
    "TRUSTED_PROXIES",
    "UPLOADS_PER_USER_MAX",
    "UPLOAD_EXPIRY_HOURS",
    "WEBSOCKET_BLOCK_DURATION_MINUTES",
    "WEBSOCKET_EDITS_PER_SECOND",
    "WEBSOCKET_EPHEMERAL_PER_SECOND",
    "WEBSOCKET_HEARTBEAT_INTERVAL",
    "WEBSOCKET_HEARTBEAT_TIMEOUT",
    "WEBSOCKET_MAX_CONNECTIONS",
    "WEBSOCKET_PING_INTERVAL",
    "WEBSOCKET_PING_TIMEOUT",
    "WEBSOCKET_REQUESTS_PER_HOUR",
    "WEBSOCKET_REQUESTS_PER_MINUTE",
    "WEBSOCKET_TIMEOUT",
    "WORKERS",
    "WS_HOST",
    "WS_PORT",
];

/// The edit distance (added, removed, changed or swapped letters) up to which a name counts as a misspelling of
/// another.
const MISSPELLED_BY: usize = 2;

/// Variables of other programs and libraries whose names resemble settings.
const FOREIGN: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Starts of names that only this server uses, so that a variable with one of them is meant for it.
const PREFIXES: [&str; 5] = ["FILES_S3_", "ICE_TURN_", "JWT_", "UPLOAD", "WEBSOCKET_"];

/// What other programs put before their settings; ours have no such prefix.
const OWN_PREFIX: &str = "CONVENE_";

/// The setting that this name may be a misspelling of. None if it is a setting itself.
pub(super) fn meant<'a>(name: &str, known: &'a BTreeSet<String>) -> Option<&'a str> {
    if known.contains(name) || FOREIGN.contains(&name) {
        return None;
    }
    if let Some(bare) = name.strip_prefix(OWN_PREFIX)
        && let Some(setting) = known.get(bare)
    {
        return Some(setting);
    }
    let nearest = known.iter().map(String::as_str).min_by_key(|known| strsim::osa_distance(known, name))?;
    // Short names are similar by chance.
    let near = name.len() > 2 * MISSPELLED_BY && strsim::osa_distance(nearest, name) <= MISSPELLED_BY;
    (near || PREFIXES.iter().any(|prefix| name.starts_with(prefix))).then_some(nearest)
}

/// The source of variables.
pub(super) struct Variables<'a> {
    source: &'a dyn Fn(&str) -> Option<String>,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(source: &'a dyn Fn(&str) -> Option<String>) -> Variables<'a> {
        let asked = KNOWN.iter().map(|name| (*name).to_owned()).collect();
        Variables { source, asked: RefCell::new(asked) }
    }

    /// The names of all settings that were read or are listed in `KNOWN`.
    pub(super) fn known(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }

    /// The value without surrounding spaces. An empty value counts as unset.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        if !self.asked.borrow().contains(name) {
            self.asked.borrow_mut().insert(name.to_owned());
        }
        let value = (self.source)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// A number within a range. `advice` completes "set it to …".
    pub(super) fn number<T>(
        &self,
        name: &'static str,
        range: RangeInclusive<T>,
        default: T,
        advice: &str,
    ) -> Result<T, ConfigError>
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.text(name) else { return Ok(default) };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            Ok(_) | Err(_) => {
                let (first, last) = range.into_inner();
                let problem = format!("is not a number from {first} to {last}; set it to {advice}");
                Err(ConfigError::value(name, &text, problem))
            }
        }
    }

    /// A duration in whole seconds.
    pub(super) fn seconds(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Result<Duration, ConfigError> {
        self.number(name, range, default, &format!("seconds, such as {default}")).map(Duration::from_secs)
    }

    /// A duration in whole milliseconds.
    pub(super) fn milliseconds(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Result<Duration, ConfigError> {
        self.number(name, range, default, &format!("milliseconds, such as {default}")).map(Duration::from_millis)
    }

    /// A boolean.
    pub(super) fn boolean(&self, name: &'static str, default: bool) -> Result<bool, ConfigError> {
        let Some(text) = self.text(name) else { return Ok(default) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _other => Err(ConfigError::value(name, &text, "is neither true nor false; set it to one of them")),
        }
    }

    /// The parts of a comma-separated list, without empty ones.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_setting_is_suggested() {
        let known: BTreeSet<String> = KNOWN.iter().map(|name| (*name).to_owned()).collect();
        for (name, setting) in [
            ("WS_PROT", "WS_PORT"),
            ("LOGLEVEL", "LOG_LEVEL"),
            ("CONVENE_WS_PORT", "WS_PORT"),
            ("WEBSOCKET_MAX_CONNECTIONS_PER_NODE", "WEBSOCKET_MAX_CONNECTIONS"),
            ("JWT_SECRET", "JWT_SECRET_KEY"),
        ] {
            assert_eq!(meant(name, &known), Some(setting), "{name}");
        }
        for name in ["WS_PORT", "HOME", "PATH", "SSL_CERT_FILE", "CONVENE_SERVICE_HOST", "KUBERNETES_PORT"] {
            assert_eq!(meant(name, &known), None, "{name}");
        }
    }
}
