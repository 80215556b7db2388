//! Listening settings: address, port, TLS, and the origins and proxies that are trusted.

use std::{
    net::{IpAddr, SocketAddr},
    thread,
    time::Duration,
};

use super::{ConfigError, Origins, TlsFiles, TrustedProxies, variables::Variables};

/// Address, threads, TLS, and the origins and proxies that are trusted.
#[derive(Clone, Debug)]
pub struct Listen {
    /// `WS_HOST`: an address or a name that resolves to one.
    pub host: String,
    /// `WS_PORT`: 0 chooses any free port.
    pub port: u16,
    /// `WORKERS`: threads that serve sockets.
    pub workers: usize,
    /// `HTTP_KEEP_ALIVE_SECONDS`: how long an idle HTTP connection stays open.
    pub keep_alive: Duration,
    /// `TLS_CERT_FILE` and `TLS_KEY_FILE`; plain HTTP without them.
    pub tls: Option<TlsFiles>,
    /// `ALLOWED_ORIGINS`: origins whose pages may use the server from a browser.
    pub origins: Origins,
    /// `TRUSTED_PROXIES`: proxies whose `X-Forwarded-For` is trusted.
    pub proxies: TrustedProxies,
    /// `INTERNAL_ADDRESS` and `ADMIN_INTERNAL_ONLY`: a second address, for operators.
    pub internal: Option<InternalListen>,
}

/// An address that only operators and monitoring reach. With it, the public address serves neither metrics nor details of health.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InternalListen {
    /// `INTERNAL_ADDRESS`.
    pub address: SocketAddr,
    /// `ADMIN_INTERNAL_ONLY`: where administrators' requests are served.
    pub administration: Administration,
}

/// Where administrators' requests are served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Administration {
    /// At both addresses.
    Everywhere,
    /// At the internal address only.
    InternalOnly,
}

/// Who can reach the listening address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reach {
    /// Only this machine.
    Loopback,
    /// Possibly everybody.
    Network,
}

/// Above the number of cores of any machine; a larger value is a typo.
const WORKERS_MAX: usize = 1_024;

impl Listen {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Listen, ConfigError> {
        let cores = thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
        let advice = format!("the number of threads, such as {cores}");
        Ok(Listen {
            host: host(variables)?,
            port: variables.number("WS_PORT", 0..=u16::MAX, 8000, "a free port, such as 8000")?,
            workers: variables.number("WORKERS", 1..=WORKERS_MAX, cores, &advice)?,
            keep_alive: variables.seconds("HTTP_KEEP_ALIVE_SECONDS", 1..=3_600, 75)?,
            tls: TlsFiles::read(variables)?,
            origins: Origins::read(variables)?,
            proxies: TrustedProxies::read(variables)?,
            internal: InternalListen::read(variables)?,
        })
    }

    pub(super) fn describe(&self, lines: &mut Vec<(&'static str, String)>) {
        lines.push(("WS_HOST", self.host.clone()));
        lines.push(("WS_PORT", self.port.to_string()));
        lines.push(("WORKERS", self.workers.to_string()));
        lines.push(("HTTP_KEEP_ALIVE_SECONDS", self.keep_alive.as_secs().to_string()));
        if let Some(tls) = &self.tls {
            tls.describe(lines);
        }
        lines.push(("ALLOWED_ORIGINS", self.origins.to_string()));
        lines.push(("TRUSTED_PROXIES", self.proxies.to_string()));
        if let Some(internal) = &self.internal {
            lines.push((INTERNAL_ADDRESS, internal.address.to_string()));
            let internal_only = internal.administration == Administration::InternalOnly;
            lines.push((ADMIN_INTERNAL_ONLY, internal_only.to_string()));
        }
    }

    /// Where administrators' requests are served.
    pub fn administration(&self) -> Administration {
        self.internal.map_or(Administration::Everywhere, |internal| internal.administration)
    }

    pub(super) fn reach(&self) -> Reach {
        let loopback = match self.host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        };
        if loopback { Reach::Loopback } else { Reach::Network }
    }
}

const INTERNAL_ADDRESS: &str = "INTERNAL_ADDRESS";
const ADMIN_INTERNAL_ONLY: &str = "ADMIN_INTERNAL_ONLY";

impl InternalListen {
    fn read(variables: &Variables<'_>) -> Result<Option<InternalListen>, ConfigError> {
        let internal_only = variables.boolean(ADMIN_INTERNAL_ONLY, false)?;
        let Some(text) = variables.text(INTERNAL_ADDRESS) else {
            if internal_only {
                let problem = "needs INTERNAL_ADDRESS; set that to an address such as 127.0.0.1:9090, or unset it";
                return Err(ConfigError::new(ADMIN_INTERNAL_ONLY, problem));
            }
            return Ok(None);
        };
        let address = text.parse().map_err(|_| {
            let problem = "is not an address with a port; set it to one such as 127.0.0.1:9090, or [::1]:9090";
            ConfigError::value(INTERNAL_ADDRESS, &text, problem)
        })?;
        let administration = if internal_only { Administration::InternalOnly } else { Administration::Everywhere };
        Ok(Some(InternalListen { address, administration }))
    }
}

fn host(variables: &Variables<'_>) -> Result<String, ConfigError> {
    let text = variables.text("WS_HOST").unwrap_or_else(|| "127.0.0.1".into());
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&text);
    let name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
    if bare.parse::<IpAddr>().is_ok() || bare.chars().all(name) {
        return Ok(bare.to_owned());
    }
    let problem = "is not an address; set it to one of this machine's, such as 127.0.0.1, or 0.0.0.0 for all of them";
    Err(ConfigError::value("WS_HOST", &text, problem))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, refusal};
    use super::*;

    #[test]
    fn only_loopback_addresses_are_loopback() {
        for host in ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "::ffff:127.0.0.1"] {
            assert_eq!(config(&[("WS_HOST", host)]).unwrap().listen.reach(), Reach::Loopback, "{host}");
        }
        for host in ["0.0.0.0", "::", "192.168.1.4", "chat.example"] {
            assert_eq!(config(&[("WS_HOST", host)]).unwrap().listen.reach(), Reach::Network, "{host}");
        }
    }

    #[test]
    fn connections_are_kept_for_longer_than_proxies_keep_theirs() {
        assert_eq!(config(&[]).unwrap().listen.keep_alive.as_secs(), 75);
        assert!(refusal(&[("HTTP_KEEP_ALIVE_SECONDS", "0")]).starts_with("HTTP_KEEP_ALIVE_SECONDS: \"0\" is not"));
    }

    #[test]
    fn an_internal_address_has_a_port() {
        assert!(config(&[]).unwrap().listen.internal.is_none());
        let given = [("INTERNAL_ADDRESS", "[::1]:9090"), ("ADMIN_INTERNAL_ONLY", "true")];
        let listen = config(&given).unwrap().listen;
        assert_eq!(listen.internal.unwrap().address.port(), 9090);
        assert_eq!(listen.administration(), Administration::InternalOnly);
        assert!(refusal(&[("INTERNAL_ADDRESS", "9090")]).starts_with("INTERNAL_ADDRESS: \"9090\" is not an address"));
        assert!(refusal(&[("ADMIN_INTERNAL_ONLY", "true")]).starts_with("ADMIN_INTERNAL_ONLY: needs INTERNAL_ADDRESS"));
    }

    #[test]
    fn a_url_is_no_host() {
        assert!(refusal(&[("WS_HOST", "http://localhost")]).starts_with("WS_HOST: \"http://localhost\" is not"));
    }
}
