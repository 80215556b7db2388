//! What can go wrong in the store, told apart by what the caller should do: try again, choose another value, or give
//! up. Drivers' errors end here; nothing outside the store ever sees one.

use diesel::{
    ConnectionError,
    result::{DatabaseErrorInformation, DatabaseErrorKind, Error},
};

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached, does not answer, or refuses for now: worth another try. Whether a commit that was
    /// under way took effect is unknown, unless the outage says otherwise.
    #[error("the database is not available: {0}")]
    Unavailable(Outage),
    /// A unique value is taken; which one.
    #[error("{0} is taken")]
    Taken(&'static str),
    /// Something it refers to is not there (any more).
    #[error("what it refers to does not exist")]
    Missing,
    /// Anything else: a fault of ours, or of the configuration.
    #[error("the database refused: {0}")]
    Fault(String),
}

/// Why the database can't be used for the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    why: String,
    effect: Effect,
    /// What it says about the connection that it was met on.
    connection: Suspicion,
}

/// What is known of the effect of what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It may have been stored.
    Unknown,
    /// The database said no before anything was stored.
    None,
}

/// Whether a connection may go back to its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suspicion {
    /// The next query may fare better on the same connection.
    None,
    /// The next query gets a new connection.
    Connection,
    /// Every connection that is open may be as useless: the server became a read-only standby, say.
    AllConnections,
    /// Another session holds a lock for longer than we wait.
    LockWait,
}

impl Outage {
    /// Nothing was stored, since nothing was sent.
    pub(super) fn before_sending(why: impl Into<String>) -> Outage {
        Outage { why: why.into(), effect: Effect::None, connection: Suspicion::None }
    }

    /// The connection broke, or its answer did not come: the effect is unknown.
    pub(super) fn unanswered(why: impl Into<String>) -> Outage {
        Outage { why: why.into(), effect: Effect::Unknown, connection: Suspicion::Connection }
    }

    /// The database refused it: nothing was stored.
    fn refused(why: impl Into<String>, connection: Suspicion) -> Outage {
        Outage { why: why.into(), effect: Effect::None, connection }
    }

    /// Whether it is certain that nothing was stored.
    pub fn is_known_not_stored(&self) -> bool {
        self.effect == Effect::None
    }

    /// Whether another session held a lock for too long.
    pub(super) fn is_lock_wait(&self) -> bool {
        self.connection == Suspicion::LockWait
    }

    /// Whether the connection that met it must not be used again.
    pub(super) fn spoils_connection(&self) -> bool {
        matches!(self.connection, Suspicion::Connection | Suspicion::AllConnections)
    }

    /// Whether that holds for all connections that are open.
    pub(super) fn spoils_all_connections(&self) -> bool {
        self.connection == Suspicion::AllConnections
    }
}

impl std::fmt::Display for Outage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

/// How messages begin that mean "not now", and that diesel hands on without their code, with what each says about the
/// connection. SQLite's are never translated. PostgreSQL's are where `lc_messages` says so; a connection that meets a
/// message of an unknown kind is therefore not used again, whatever the words.
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
    // 25006, where the kind does not say so
    ("cannot execute", Suspicion::AllConnections),
    // 26000 and 42P05: a pooler gave the statement to another server connection; 0A000: a table was changed since
    ("prepared statement", Suspicion::Connection),
    ("cached plan must not change result type", Suspicion::Connection),
    ("no connection to the server", Suspicion::Connection),
];

/// How messages begin after which the effect of what was under way is unknown: PostgreSQL ends the session (57P01, 57P02,
/// 57P05), or SQLite's file can't be written.
const UNKNOWN_EFFECT: [&str; 3] = ["terminating connection", "server conn crashed", "disk I/O error"];

impl From<Error> for StoreError {
    fn from(error: Error) -> StoreError {
        match error {
            Error::NotFound => StoreError::Missing,
            Error::DatabaseError(kind, information) => from_database(kind, information.as_ref()),
            Error::BrokenTransactionManager => StoreError::Unavailable(Outage::unanswered(error.to_string())),
            // The rollback failed because of the same lost connection, which is what the first error tells.
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

/// The outage that a message of no known kind tells of, if it does.
fn not_now(message: &str) -> Option<Outage> {
    if UNKNOWN_EFFECT.iter().any(|start| message.starts_with(start)) {
        return Some(Outage::unanswered(message));
    }
    let (_, connection) = NOT_NOW.iter().find(|(start, _)| message.starts_with(start))?;
    Some(Outage::refused(message, *connection))
}

/// What is taken, from PostgreSQL's name of the constraint or SQLite's message, both of which name table and column.
fn taken(constraint: &str) -> Option<StoreError> {
    const NAMES: [(&str, &str); 4] =
        [("username_key", "username"), ("email_key", "email"), ("group_members", "membership"), ("rooms", "name")];
    NAMES.iter().find(|(part, _)| constraint.contains(part)).map(|(_, name)| StoreError::Taken(name))
}

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
