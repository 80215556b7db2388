//! The errors of the store, classified by what the caller should do: retry, choose another value, or give up. Errors of
//! the database drivers are converted here; nothing outside the store may see them.

use diesel::{
    ConnectionError,
    result::{DatabaseErrorInformation, DatabaseErrorKind, Error},
};

use crate::{error::Refusal, logged::logged};

/// Why the store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database is unreachable, does not respond, or refuses temporarily: a retry may succeed. Whether a commit in
    /// progress took effect is unknown, unless the outage says otherwise.
    #[error("the database is not available: {0}")]
    Unavailable(Outage),
    /// A unique value is already taken; the text names it.
    #[error("{0} is taken")]
    Taken(&'static str),
    /// A referenced object does not exist (any more).
    #[error("what it refers to does not exist")]
    Missing,
    /// Anything else: an internal fault or a configuration error.
    #[error("the database refused: {0}")]
    Fault(String),
}

impl StoreError {
    /// What an operator should do about an error at the start, if that is known.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            StoreError::Unavailable(outage) => outage.advice,
            StoreError::Fault(why) if why.starts_with("permission denied for schema") => Some(
                "let this user create tables: make it the owner of the database, or GRANT CREATE ON SCHEMA public to it",
            ),
            StoreError::Taken(_) | StoreError::Missing | StoreError::Fault(_) => None,
        }
    }

    /// The cause alone.
    pub fn reason(&self) -> String {
        match self {
            StoreError::Unavailable(outage) => outage.to_string(),
            StoreError::Fault(why) => why.clone(),
            StoreError::Taken(_) | StoreError::Missing => self.to_string(),
        }
    }
}

impl From<StoreError> for Refusal {
    /// The refusal of a request for which the store could not be read. A fault is logged.
    fn from(error: StoreError) -> Refusal {
        match error {
            StoreError::Unavailable(_) => Refusal::unavailable(),
            StoreError::Missing | StoreError::Taken(_) | StoreError::Fault(_) => {
                log::error!("event=read_failed why={error}", error = logged(&error));
                Refusal::internal()
            }
        }
    }
}

/// Why the database is currently not usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    why: String,
    effect: Effect,
    /// Whether the connection may still be used.
    connection: Suspicion,
    /// What an operator should do about it, if that is known.
    advice: Option<&'static str>,
}

/// What is known about the effect of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It may have been stored.
    Unknown,
    /// The database refused before anything was stored.
    None,
}

/// Whether a connection may return to its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suspicion {
    /// The next query may succeed on the same connection.
    None,
    /// The next query needs a new connection.
    Connection,
    /// All open connections may be unusable, for example because the server became a read-only standby.
    AllConnections,
    /// Another session held a lock for too long.
    LockWait,
}

impl Outage {
    /// Nothing was stored, because nothing was sent.
    pub(super) fn before_sending(why: impl Into<String>) -> Outage {
        Outage { why: why.into(), effect: Effect::None, connection: Suspicion::None, advice: None }
    }

    /// The connection broke, or the response did not arrive: the effect is unknown.
    pub(super) fn unanswered(why: impl Into<String>) -> Outage {
        Outage { why: why.into(), effect: Effect::Unknown, connection: Suspicion::Connection, advice: None }
    }

    /// The database refused the request: nothing was stored.
    fn refused(why: impl Into<String>, connection: Suspicion) -> Outage {
        Outage { why: why.into(), effect: Effect::None, connection, advice: None }
    }

    /// The same, with what an operator should do about it.
    pub(super) fn advising(self, advice: &'static str) -> Outage {
        Outage { advice: Some(advice), ..self }
    }

    /// Whether it is certain that nothing was stored.
    pub fn is_known_not_stored(&self) -> bool {
        self.effect == Effect::None
    }

    /// Whether another session held a lock for too long.
    pub(super) fn is_lock_wait(&self) -> bool {
        self.connection == Suspicion::LockWait
    }

    /// Whether the connection on which it occurred must not be used again.
    pub(super) fn spoils_connection(&self) -> bool {
        matches!(self.connection, Suspicion::Connection | Suspicion::AllConnections)
    }

    /// Whether no open connection may be used again.
    pub(super) fn spoils_all_connections(&self) -> bool {
        self.connection == Suspicion::AllConnections
    }
}

impl std::fmt::Display for Outage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

/// Prefixes of messages that mean a temporary failure, which diesel passes on without their code, and whether the connection
/// stays usable. SQLite's messages are never translated. PostgreSQL's are translated according to `lc_messages`, so a
/// connection on which an unknown message occurs is not used again.
const NOT_NOW: [(&str, Suspicion); 17] = [
    ("database is locked", Suspicion::None),
    ("database table is locked", Suspicion::None),
    ("database or disk is full", Suspicion::None),
    ("unable to open database file", Suspicion::None),
    ("attempt to write a readonly database", Suspicion::Connection),
    // 40P01, 55P03, 57014
    ("deadlock detected", Suspicion::None),
    ("canceling statement due to lock timeout", Suspicion::LockWait),
    ("canceling statement due to", Suspicion::None),
    // 57P03, 53300
    ("the database system is", Suspicion::Connection),
    ("sorry, too many clients", Suspicion::Connection),
    ("remaining connection slots", Suspicion::Connection),
    // 53100
    ("could not write", Suspicion::Connection),
    ("could not extend file", Suspicion::Connection),
    // 25006, if the error kind does not show it.
    ("cannot execute", Suspicion::AllConnections),
    // 26000 and 42P05: a pooler assigned the statement to another server connection. 0A000: a table was changed in the
    // meantime.
    ("prepared statement", Suspicion::Connection),
    ("cached plan must not change result type", Suspicion::Connection),
    ("no connection to the server", Suspicion::Connection),
];

/// Prefixes of messages after which the effect of the request is unknown: PostgreSQL ends the session (57P01, 57P02,
/// 57P05), or SQLite's file can't be written.
const UNKNOWN_EFFECT: [&str; 3] = ["terminating connection", "server conn crashed", "disk I/O error"];

impl From<Error> for StoreError {
    fn from(error: Error) -> StoreError {
        match error {
            Error::NotFound => StoreError::Missing,
            Error::DatabaseError(kind, information) => from_database(kind, information.as_ref()),
            Error::BrokenTransactionManager => StoreError::Unavailable(Outage::unanswered(error.to_string())),
            // The rollback failed because of the same lost connection; the first error describes the cause.
            Error::RollbackErrorOnCommit { commit_error, .. } => StoreError::from(*commit_error),
            other => StoreError::Fault(other.to_string()),
        }
    }
}

impl From<ConnectionError> for StoreError {
    fn from(error: ConnectionError) -> StoreError {
        StoreError::Unavailable(Outage::before_sending(error.to_string()))
    }
}

fn from_database(kind: DatabaseErrorKind, information: &(dyn DatabaseErrorInformation + Send + Sync)) -> StoreError {
    let message = information.message();
    match kind {
        DatabaseErrorKind::UniqueViolation => {
            taken(information.constraint_name().unwrap_or(message)).unwrap_or_else(|| StoreError::Fault(message.into()))
        }
        DatabaseErrorKind::ForeignKeyViolation => StoreError::Missing,
        DatabaseErrorKind::CheckViolation => out_of_places(information.constraint_name().unwrap_or(message))
            .unwrap_or_else(|| StoreError::Fault(message.into())),
        DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection => {
            StoreError::Unavailable(Outage::unanswered(message))
        }
        DatabaseErrorKind::SerializationFailure => StoreError::Unavailable(Outage::refused(message, Suspicion::None)),
        DatabaseErrorKind::ReadOnlyTransaction => {
            StoreError::Unavailable(Outage::refused(message, Suspicion::AllConnections))
        }
        _ => not_now(message).map_or_else(|| StoreError::Fault(message.into()), StoreError::Unavailable),
    }
}

/// The outage that a message of an unknown kind describes, if any.
fn not_now(message: &str) -> Option<Outage> {
    if UNKNOWN_EFFECT.iter().any(|start| message.starts_with(start)) {
        return Some(Outage::unanswered(message));
    }
    let (_, connection) = NOT_NOW.iter().find(|(start, _)| message.starts_with(start))?;
    Some(Outage::refused(message, *connection))
}

/// The value that is taken, from PostgreSQL's name of the constraint or SQLite's message, both of which contain table
/// and column.
fn taken(constraint: &str) -> Option<StoreError> {
    const NAMES: [(&str, &str); 4] =
        [("username_key", "username"), ("email_key", "email"), ("group_members", "membership"), ("rooms", "name")];
    NAMES.iter().find(|(part, _)| constraint.contains(part)).map(|(_, name)| StoreError::Taken(name))
}

/// The last place, from the name of the constraint that limits the members of a space.
fn out_of_places(constraint: &str) -> Option<StoreError> {
    constraint.contains("spaces_capacity").then_some(StoreError::Taken(LAST_PLACE))
}

/// What is taken when a space is full.
pub(super) const LAST_PLACE: &str = "last place of the space";

#[cfg(test)]
mod tests {
    use super::*;

    fn database(kind: DatabaseErrorKind, message: &str) -> StoreError {
        StoreError::from(Error::DatabaseError(kind, Box::new(message.to_owned())))
    }

    #[test]
    fn what_passes_is_told_from_what_stays() {
        for message in ["database is locked", "disk I/O error", "deadlock detected", "database or disk is full"] {
            let error = database(DatabaseErrorKind::Unknown, message);
            assert!(matches!(&error, StoreError::Unavailable(outage) if outage.why == message), "{error:?}");
        }
        let syntax = database(DatabaseErrorKind::Unknown, "syntax error at or near \"SELEC\"");
        assert!(matches!(syntax, StoreError::Fault(_)));
        assert!(matches!(database(DatabaseErrorKind::ClosedConnection, "x"), StoreError::Unavailable(_)));
    }

    fn outage(kind: DatabaseErrorKind, message: &str) -> Outage {
        match database(kind, message) {
            StoreError::Unavailable(outage) => outage,
            other => panic!("{message}: {other:?}"),
        }
    }

    #[test]
    fn a_refusal_is_told_from_an_unknown_outcome() {
        let refused = [
            "cannot execute UPDATE in a read-only transaction",
            "prepared statement \"s0\" does not exist",
            "prepared statement \"s0\" already exists",
            "could not extend file \"base/1/2\": No space left on device",
            "canceling statement due to lock timeout",
        ];
        for message in refused {
            assert!(outage(DatabaseErrorKind::Unknown, message).is_known_not_stored(), "{message}");
        }
        let unknown = "terminating connection due to administrator command";
        assert!(!outage(DatabaseErrorKind::Unknown, unknown).is_known_not_stored());
        assert!(!outage(DatabaseErrorKind::ClosedConnection, "x").is_known_not_stored());
    }

    #[test]
    fn a_useless_connection_is_told_from_a_busy_database() {
        assert!(outage(DatabaseErrorKind::ReadOnlyTransaction, "x").spoils_all_connections());
        for message in ["prepared statement \"s0\" does not exist", "terminating connection due to idle timeout"] {
            assert!(outage(DatabaseErrorKind::Unknown, message).spoils_connection(), "{message}");
        }
        for message in ["deadlock detected", "canceling statement due to lock timeout", "database is locked"] {
            assert!(!outage(DatabaseErrorKind::Unknown, message).spoils_connection(), "{message}");
        }
        assert!(outage(DatabaseErrorKind::Unknown, "canceling statement due to lock timeout").is_lock_wait());
        assert!(!outage(DatabaseErrorKind::Unknown, "canceling statement due to statement timeout").is_lock_wait());
    }

    #[test]
    fn a_taken_value_is_named_from_either_database() {
        for text in ["users_username_key_key", "UNIQUE constraint failed: users.username_key"] {
            assert_eq!(taken(text), Some(StoreError::Taken("username")));
        }
        for text in ["group_members_pkey", "UNIQUE constraint failed: group_members.group_id, group_members.user_id"] {
            assert_eq!(taken(text), Some(StoreError::Taken("membership")));
        }
        for text in ["rooms_kind_key_key", "UNIQUE constraint failed: rooms.kind, rooms.key"] {
            assert_eq!(taken(text), Some(StoreError::Taken("name")));
        }
        assert_eq!(taken("messages_pkey"), None);
    }
}
