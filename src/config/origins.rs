//! Decides which web origins may use the server from a browser. The check is a pure function, so that WebSocket
//! upgrades and CORS agree.

use std::fmt;

use super::{ConfigError, variables::Variables};

/// Origins that may connect. A request without an `Origin` header does not come from a page and is not checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origins {
    /// Pages of the host that the request is sent to.
    SameHost,
    /// Pages of any host.
    Any,
    /// Pages of the same host and of these origins, each as `scheme://host[:port]` in lower case.
    Listed(Vec<String>),
}

impl Origins {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Origins, ConfigError> {
        let list = variables.list("ALLOWED_ORIGINS");
        if list.iter().any(|origin| origin == "*") {
            return Ok(Origins::Any);
        }
        if list.is_empty() {
            return Ok(Origins::SameHost);
        }
        list.into_iter().map(checked).collect::<Result<_, _>>().map(Origins::Listed)
    }

    /// Whether a page of this origin may use the server at `host` (the `Host` header).
    pub fn allow(&self, origin: &str, host: &str) -> bool {
        match self {
            Origins::Any => true,
            Origins::SameHost => same_host(origin, host),
            Origins::Listed(list) => list.iter().any(|one| one.eq_ignore_ascii_case(origin)) || same_host(origin, host),
        }
    }
}

fn same_host(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _other => return false,
    };
    let bare = |name: &str| name.strip_suffix(default_port).unwrap_or(name).to_ascii_lowercase();
    bare(authority) == bare(host)
}

fn checked(origin: String) -> Result<String, ConfigError> {
    let origin = origin.trim_end_matches('/').to_ascii_lowercase();
    let sound = origin.split_once("://").is_some_and(|(scheme, authority)| {
        let authority_chars = |c: char| c.is_ascii_graphic() && !"/?#@\\".contains(c);
        !scheme.is_empty() && !authority.is_empty() && authority.chars().all(authority_chars)
    });
    if sound {
        return Ok(origin);
    }
    let problem = "is not an origin; set it to scheme://host[:port], such as https://chat.example, to several separated by commas, or to *";
    Err(ConfigError::value("ALLOWED_ORIGINS", &origin, problem))
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origins::SameHost => Ok(()),
            Origins::Any => f.write_str("*"),
            Origins::Listed(list) => f.write_str(&list.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, refusal};

    #[test]
    fn by_default_only_pages_of_the_same_host_connect() {
        let origins = config(&[]).unwrap().listen.origins;
        assert!(origins.allow("http://localhost:8000", "localhost:8000"));
        assert!(origins.allow("https://chat.example", "chat.example:443"));
        assert!(origins.allow("https://Chat.Example:443", "chat.example"));
        assert!(!origins.allow("https://chat.example", "chat.example:8000"));
        assert!(!origins.allow("https://evil.example", "chat.example"));
        assert!(!origins.allow("null", "chat.example"));
        assert!(!origins.allow("https://chat.example.evil", "chat.example"));
    }

    #[test]
    fn listed_origins_are_added_to_it() {
        let origins =
            config(&[("ALLOWED_ORIGINS", "https://a.example/, http://localhost:3000")]).unwrap().listen.origins;
        assert!(origins.allow("https://a.example", "chat.example"));
        assert!(origins.allow("http://localhost:3000", "chat.example"));
        assert!(origins.allow("https://chat.example", "chat.example"));
        assert!(!origins.allow("http://a.example", "chat.example"));
    }

    #[test]
    fn a_star_allows_all_and_a_bare_name_is_refused() {
        assert!(config(&[("ALLOWED_ORIGINS", "*")]).unwrap().listen.origins.allow("null", "x"));
        assert!(refusal(&[("ALLOWED_ORIGINS", "a.example")]).starts_with("ALLOWED_ORIGINS: \"a.example\" is not"));
    }
}
