//! Settings of this node: its name, its log, and its shutdown.

use std::{fs, time::Duration};

use super::{ConfigError, variables::Variables};

/// The log filter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Logging {
    /// `RUST_LOG` (env_logger's directives), or `LOG_LEVEL`.
    pub filter: String,
}

impl Logging {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Logging, ConfigError> {
        let by_level = level(variables)?;
        let Some(filter) = variables.text("RUST_LOG") else { return Ok(Logging { filter: by_level.into() }) };
        env_filter::Builder::new().try_parse(&filter).map_err(|why| {
            let problem =
                format!("is not a valid log filter ({why}); set it to something like info or convene=debug,info");
            ConfigError::value("RUST_LOG", &filter, problem)
        })?;
        Ok(Logging { filter })
    }

    pub(super) fn describe(&self, lines: &mut Vec<(&'static str, String)>) {
        lines.push(("RUST_LOG", self.filter.clone()));
    }
}

/// The env_logger name of a level. Python's level names are accepted too, because existing `.env` files use them.
fn level(variables: &Variables<'_>) -> Result<&'static str, ConfigError> {
    let Some(level) = variables.text("LOG_LEVEL") else { return Ok("info") };
    match level.to_ascii_lowercase().as_str() {
        "off" => Ok("off"),
        "critical" | "fatal" | "error" => Ok("error"),
        "warning" | "warn" => Ok("warn"),
        "info" => Ok("info"),
        "debug" => Ok("debug"),
        "notset" | "trace" => Ok("trace"),
        _other => {
            let problem = "is not a level; set it to ERROR, WARNING, INFO, DEBUG, TRACE or OFF";
            Err(ConfigError::value("LOG_LEVEL", &level, problem))
        }
    }
}

/// The node's name, and how it shuts down.
#[derive(Clone, Debug)]
pub struct Node {
    /// `NODE_NAME`: identifies the node in health responses and logs.
    pub name: String,
    /// `RECONNECT_SPREAD_MS`: the longest time over which the reconnects of a stopping node's clients are spread.
    pub reconnect_spread: Duration,
    /// `RECONNECT_FLOOR_MS`: the minimum reconnect delay when no other node is known, because no node accepts
    /// connections until this one has been restarted.
    pub reconnect_floor: Duration,
    /// `RECONNECTS_PER_SECOND`: how many clients reconnect per second, unless that would exceed the spread.
    pub reconnects_per_second: u32,
    /// `SHUTDOWN_DELAY_MS`: how long a stopping node continues to serve, so that load balancers notice.
    pub shutdown_delay: Duration,
    /// `SHUTDOWN_TIMEOUT_SECONDS`: how long a graceful shutdown may take.
    pub shutdown_timeout: Duration,
}

const NODE_NAME_CHARS_MAX: usize = 128;

impl Node {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Node, ConfigError> {
        Ok(Node {
            name: name(variables)?,
            reconnect_spread: variables.milliseconds("RECONNECT_SPREAD_MS", 0..=600_000, 5_000)?,
            reconnect_floor: variables.milliseconds("RECONNECT_FLOOR_MS", 0..=600_000, 1_000)?,
            reconnects_per_second: variables.number(
                "RECONNECTS_PER_SECOND",
                1..=1_000_000,
                2_000,
                "clients a second, such as 2000",
            )?,
            shutdown_delay: variables.milliseconds("SHUTDOWN_DELAY_MS", 0..=600_000, 0)?,
            shutdown_timeout: variables.seconds("SHUTDOWN_TIMEOUT_SECONDS", 1..=3_600, 20)?,
        })
    }

    /// The time over which this many clients reconnect, in milliseconds.
    pub fn spread_ms(&self, clients: u64) -> u64 {
        let at_that_rate_ms = clients.saturating_mul(1_000) / u64::from(self.reconnects_per_second.max(1));
        at_that_rate_ms.min(self.reconnect_spread.as_millis() as u64)
    }

    pub(super) fn describe(&self, lines: &mut Vec<(&'static str, String)>) {
        lines.push(("NODE_NAME", self.name.clone()));
        lines.push(("RECONNECT_FLOOR_MS", self.reconnect_floor.as_millis().to_string()));
        lines.push(("RECONNECT_SPREAD_MS", self.reconnect_spread.as_millis().to_string()));
        lines.push(("RECONNECTS_PER_SECOND", self.reconnects_per_second.to_string()));
        lines.push(("SHUTDOWN_DELAY_MS", self.shutdown_delay.as_millis().to_string()));
        lines.push(("SHUTDOWN_TIMEOUT_SECONDS", self.shutdown_timeout.as_secs().to_string()));
    }
}

fn name(variables: &Variables<'_>) -> Result<String, ConfigError> {
    let sound = |text: &str| {
        text.chars().count() <= NODE_NAME_CHARS_MAX && text.chars().all(|c| c.is_ascii_graphic() && c != '"')
    };
    match variables.text("NODE_NAME") {
        Some(name) if sound(&name) => Ok(name),
        Some(name) => {
            let problem = "is not a valid node name; set it to up to 128 letters, digits and signs without spaces";
            Err(ConfigError::value("NODE_NAME", &name, problem))
        }
        None => {
            let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            let host = Some(host.trim()).filter(|host| !host.is_empty() && sound(host)).unwrap_or("node");
            Ok(format!("{host}-{:04x}", fastrand::u16(..)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, refusal};

    #[test]
    fn python_level_names_are_understood_and_rust_log_wins() {
        let filter = |variables: &[(&str, &str)]| config(variables).unwrap().logging.filter;
        assert_eq!(filter(&[]), "info");
        assert_eq!(filter(&[("LOG_LEVEL", "WARNING")]), "warn");
        assert_eq!(filter(&[("LOG_LEVEL", "WARNING"), ("RUST_LOG", "convene=debug")]), "convene=debug");
        let sentence = refusal(&[("RUST_LOG", "convene=shouting")]);
        assert!(sentence.starts_with("RUST_LOG: \"convene=shouting\" is not a valid log filter"), "{sentence}");
        assert!(
            refusal(&[("LOG_LEVEL", "loud"), ("RUST_LOG", "info")]).starts_with("LOG_LEVEL: \"loud\" is not a level")
        );
    }

    #[test]
    fn clients_come_back_at_a_rate_but_not_for_ever() {
        let node = config(&[("RECONNECTS_PER_SECOND", "100"), ("RECONNECT_SPREAD_MS", "4000")]).unwrap().node;
        assert_eq!([0, 1, 150, 1_000_000].map(|clients| node.spread_ms(clients)), [0, 10, 1_500, 4_000]);
    }

    #[test]
    fn a_node_always_has_a_name() {
        assert!(!config(&[]).unwrap().node.name.is_empty());
        assert!(refusal(&[("NODE_NAME", "two words")]).starts_with("NODE_NAME: \"two words\""));
    }
}
