//! Storage settings: the database and the data folder.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{ConfigError, variables::Variables};
use crate::limits;

/// The database, the data folder, and how much is kept for clients that are offline.
#[derive(Clone, Debug)]
pub struct Storage {
    /// `DATA_DIR`: contains the embedded database and the generated secret.
    pub data_dir: PathBuf,
    /// `DATABASE_URL`, or built from `DB_HOST` and its companions, or a SQLite file in the data folder.
    pub database: DatabaseUrl,
    /// `MAX_QUEUE_SIZE`: messages queued for a user who is offline.
    pub offline_queue_max: usize,
    /// `MAX_CACHE_SIZE`: stored events kept per room for recovery.
    pub recovery_events_max: usize,
}

/// A database URL with its password. Its display form hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The whole URL, `sqlite://…` or `postgres://…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Advice for an unusable database.
    pub fn advice(&self) -> &'static str {
        match self.file() {
            Some(_) => {
                "check that DATA_DIR or DATABASE_URL names a place where this user may write, and not some other file"
            }
            None => "check DATABASE_URL and that the database is running",
        }
    }

    /// The file of a SQLite database.
    pub fn file(&self) -> Option<&Path> {
        self.0.strip_prefix("sqlite://").map(Path::new)
    }

    fn parse(text: &str) -> Result<DatabaseUrl, ConfigError> {
        // SQLAlchemy's form with a driver, `postgresql+asyncpg://`, is common in existing `.env` files.
        let scheme = text.split_once("://").map(|(scheme, rest)| (scheme.split('+').next().unwrap_or_default(), rest));
        match scheme {
            Some(("sqlite", path)) if !path.is_empty() => Ok(DatabaseUrl(format!("sqlite://{path}"))),
            Some(("postgres" | "postgresql", rest)) if !rest.is_empty() => {
                if !hosts(rest).split(',').all(is_host) {
                    return Err(ConfigError::new(
                        "DATABASE_URL",
                        "has no valid port after its host; set it to postgres://user:password@host:5432/name, with %40 for a @ \
                         and %3A for a : in the password",
                    ));
                }
                Ok(DatabaseUrl(format!("postgres://{rest}")))
            }
            Some(_) | None => Err(ConfigError::new(
                "DATABASE_URL",
                "is not a database URL; set it to sqlite://path/to/file.db or postgres://user:password@host:5432/name",
            )),
        }
    }
}

/// The hosts of a URL without its scheme: the part between the account and the path.
fn hosts(rest: &str) -> &str {
    let before_parameters = rest.split('?').next().unwrap_or_default();
    let place = before_parameters.rsplit_once('@').map_or(before_parameters, |(_account, place)| place);
    place.split('/').next().unwrap_or_default()
}

/// A name, an address or the percent-encoded name of a socket folder, optionally with a port.
fn is_host(text: &str) -> bool {
    let port = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').map(|(_address, rest)| rest.strip_prefix(':').unwrap_or(rest)),
        None => Some(text.split_once(':').map_or("", |(_name, port)| port)),
    };
    port.is_some_and(|port| port.chars().all(|c| c.is_ascii_digit()))
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.split_once("://").and_then(|(scheme, rest)| {
            let (account, place) = rest.rsplit_once('@')?;
            let (user, _password) = account.split_once(':')?;
            Some(format!("{scheme}://{user}@{place}"))
        });
        // The password may also be given as a parameter, so nothing after the question mark is shown.
        let shown = shown.unwrap_or_else(|| self.0.clone());
        f.write_str(shown.split_once("?").map_or(shown.as_str(), |(before, _)| before))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

const QUEUE_MAX: usize = 100_000;

impl Storage {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Storage, ConfigError> {
        let data_dir = PathBuf::from(variables.text("DATA_DIR").unwrap_or_else(|| "./data".into()));
        let queue = limits::OFFLINE_QUEUE_MAX;
        let recovery = limits::RECOVERY_EVENTS_MAX;
        Ok(Storage {
            database: database(variables, &data_dir)?,
            data_dir,
            offline_queue_max: variables.number("MAX_QUEUE_SIZE", 0..=QUEUE_MAX, queue, "messages, such as 100")?,
            recovery_events_max: variables.number("MAX_CACHE_SIZE", 0..=QUEUE_MAX, recovery, "events, such as 1000")?,
        })
    }

    pub(super) fn describe(&self, lines: &mut Vec<(&'static str, String)>) {
        lines.push(("DATA_DIR", self.data_dir.display().to_string()));
        lines.push(("DATABASE_URL", self.database.to_string()));
        lines.push(("MAX_QUEUE_SIZE", self.offline_queue_max.to_string()));
        lines.push(("MAX_CACHE_SIZE", self.recovery_events_max.to_string()));
    }
}

fn database(variables: &Variables<'_>, data_dir: &std::path::Path) -> Result<DatabaseUrl, ConfigError> {
    // Read even if it is not used, so that an invalid value is always reported.
    let port = variables.number("DB_PORT", 1..=u16::MAX, 5432, "PostgreSQL's port, such as 5432")?;
    if let Some(url) = variables.text("DATABASE_URL") {
        return DatabaseUrl::parse(&url);
    }
    let (host, name) = (variables.text("DB_HOST"), variables.text("DATABASE"));
    if host.is_none() && name.is_none() {
        return Ok(DatabaseUrl(format!("sqlite://{}", data_dir.join("convene.db").display())));
    }
    let user = encoded(&variables.text("DB_USER").unwrap_or_else(|| "postgres".into()));
    let password = variables.text("DB_PASSWORD").map(|text| format!(":{}", encoded(&text))).unwrap_or_default();
    let host = host.unwrap_or_else(|| "127.0.0.1".into());
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let name = encoded(&name.unwrap_or_else(|| "convene".into()));
    Ok(DatabaseUrl(format!("postgres://{user}{password}@{host}:{port}/{name}")))
}

/// All characters except those that need no encoding in any part of a URL (RFC 3986 section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes characters that could end a part of a URL.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, refusal};

    #[test]
    fn the_parts_make_a_postgres_url_and_the_whole_url_wins() {
        let parts = [("DB_HOST", "db"), ("DB_USER", "u"), ("DB_PASSWORD", "p@ss:/"), ("DATABASE", "chat")];
        let storage = config(&parts).unwrap().storage;
        assert_eq!(storage.database.as_str(), "postgres://u:p%40ss%3A%2F@db:5432/chat");
        assert_eq!(storage.database.to_string(), "postgres://u@db:5432/chat");
        let storage = config(&[("DB_HOST", "db"), ("DATABASE_URL", "sqlite:///var/lib/c.db")]).unwrap().storage;
        assert_eq!(storage.database.as_str(), "sqlite:///var/lib/c.db");
    }

    #[test]
    fn a_driver_in_the_scheme_is_dropped() {
        let storage = config(&[("DATABASE_URL", "postgresql+asyncpg://u:p@h/d")]).unwrap().storage;
        assert_eq!(storage.database.as_str(), "postgres://u:p@h/d");
    }

    #[test]
    fn other_databases_are_refused_without_showing_the_password() {
        let sentence = refusal(&[("DATABASE_URL", "mysql://u:hush@h/d")]);
        assert!(
            sentence.starts_with("DATABASE_URL: is not a database URL") && !sentence.contains("hush"),
            "{sentence}"
        );
    }

    #[test]
    fn a_url_without_a_host_is_refused_and_its_password_not_shown() {
        for url in ["postgres://convene:hush/convene", "postgres://hush:hush:5432/x", "postgresql://[::1/hush:hush"] {
            let sentence = refusal(&[("DATABASE_URL", url)]);
            assert!(
                sentence.starts_with("DATABASE_URL: has no valid port") && !sentence.contains("hush"),
                "{sentence}"
            );
        }
        for url in [
            "postgres:///convene",
            "postgres://h/d",
            "postgres://u:p:q@h:1,[::1]:2/d?x=a@b",
            "postgres://u:p/w@%2Frun%2Fpg/d",
        ] {
            let shown = config(&[("DATABASE_URL", url)]).unwrap().storage.database.to_string();
            assert!(shown.starts_with("postgres://") && !shown.contains(":p"), "{shown}");
        }
    }

    #[test]
    fn the_data_folder_holds_the_embedded_database() {
        let storage = config(&[("DATA_DIR", "/srv/convene")]).unwrap().storage;
        assert_eq!(storage.database.as_str(), "sqlite:///srv/convene/convene.db");
    }

    #[test]
    fn a_password_among_the_parameters_is_not_shown() {
        let storage = config(&[("DATABASE_URL", "postgres://h/d?user=u&password=hush")]).unwrap().storage;
        assert!(!format!("{storage:?}").contains("hush"));
    }
}
