//! Reading single variables with one sentence for every way in which a value can be wrong.

use std::{borrow::Cow, fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

/// A variable with a bad value: one sentence that names it and says what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    variable: Cow<'static, str>,
    problem: String,
}

impl ConfigError {
    /// The problem ends with what to do about it.
    pub(super) fn new(variable: impl Into<Cow<'static, str>>, problem: impl Into<String>) -> ConfigError {
        ConfigError { variable: variable.into(), problem: problem.into() }
    }

    /// A value that is not what the variable takes.
    pub(super) fn value(variable: &'static str, value: &str, problem: impl Display) -> ConfigError {
        ConfigError::new(variable, format!("\"{value}\" {problem}"))
    }
}

/// The source of variables.
pub(super) struct Variables<'a> {
    source: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(source: &'a dyn Fn(&str) -> Option<String>) -> Variables<'a> {
        Variables { source }
    }

    /// The value without the spaces around it; an empty one counts as none.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let value = (self.source)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// A number within a range; `advice` completes "set it to …".
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

    /// A span of whole seconds.
    pub(super) fn seconds(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Result<Duration, ConfigError> {
        self.number(name, range, default, &format!("seconds, such as {default}")).map(Duration::from_secs)
    }

    /// A span of whole milliseconds.
    pub(super) fn milliseconds(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Result<Duration, ConfigError> {
        self.number(name, range, default, &format!("milliseconds, such as {default}")).map(Duration::from_millis)
    }

    /// Yes or no.
    pub(super) fn boolean(&self, name: &'static str, default: bool) -> Result<bool, ConfigError> {
        let Some(text) = self.text(name) else { return Ok(default) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _other => Err(ConfigError::value(name, &text, "is neither true nor false; set it to one of them")),
        }
    }

    /// The parts of a comma list, without empty ones.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }
}
