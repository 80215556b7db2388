//! Explains why PostgreSQL can't be reached, in terms of what an operator can do about it. Only the first connection of a start is
//! explained in this way; later ones are retried.

use std::{error::Error as _, io::ErrorKind};

use tokio_postgres::{Config, Error, config::Host, error::SqlState};

use super::tls::reason;
use crate::store::{StoreError, error::Outage};

const ACCOUNT: &str = "correct the user and the password in DATABASE_URL, or in DB_USER and DB_PASSWORD";
const NAME: &str = "create the database, or correct its name in DATABASE_URL, or in DATABASE";
const PLACE: &str =
    "start PostgreSQL there, or correct the host and the port in DATABASE_URL, or in DB_HOST and DB_PORT";
const HOST: &str = "correct the host in DATABASE_URL, or in DB_HOST";
const ENCRYPTION: &str = "check that PostgreSQL has ssl = on, and that sslrootcert in DATABASE_URL names the authority of its \
                          certificate, which must be for this host name";
const CONNECTIONS: &str = "raise max_connections of PostgreSQL, or end other programs' connections";

/// The error with what to do about it.
pub(super) fn explained(config: &Config, error: &Error) -> StoreError {
    let outage = |problem: String, advice| {
        StoreError::Unavailable(Outage::before_sending(format!("{problem} ({})", reason(error))).advising(advice))
    };
    let user = config.get_user().unwrap_or_default();
    let name = config.get_dbname().unwrap_or(user);
    match error.code() {
        Some(code) if [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION].contains(code) => {
            return outage(format!("the server refuses the user \"{user}\" with this password"), ACCOUNT);
        }
        Some(code) if *code == SqlState::INVALID_CATALOG_NAME => {
            return outage(format!("the server has no database \"{name}\""), NAME);
        }
        Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => {
            return outage("the server has no free connection".to_owned(), CONNECTIONS);
        }
        Some(_) | None => {}
    }
    let said = reason(error);
    match io_kind(error) {
        _any if said.contains("password missing") => {
            outage(format!("the server asks the user \"{user}\" for a password, and none is configured"), ACCOUNT)
        }
        _any if said.contains("failed to lookup address") => {
            outage(format!("the host {} is not known", places(config)), HOST)
        }
        _any if said.contains("TLS") || said.contains("certificate") => {
            outage("no encrypted connection could be established".to_owned(), ENCRYPTION)
        }
        Some(ErrorKind::ConnectionRefused | ErrorKind::NotFound) => {
            outage(format!("nothing listens at {}", places(config)), PLACE)
        }
        Some(ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => {
            outage(format!("{} can't be reached", places(config)), PLACE)
        }
        Some(_) | None => super::tls::refused(error).into(),
    }
}

/// The kind of the operating system's error, if it is one.
fn io_kind(error: &Error) -> Option<ErrorKind> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(inner) = inner.downcast_ref::<std::io::Error>() {
            return Some(inner.kind());
        }
        source = inner.source();
    }
    None
}

/// The hosts with their ports.
fn places(config: &Config) -> String {
    let ports = config.get_ports();
    let place = |(at, host): (usize, &Host)| {
        let host = match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        // One port counts for all hosts.
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        format!("{host}:{port}")
    };
    config.get_hosts().iter().enumerate().map(place).collect::<Vec<_>>().join(",")
}
