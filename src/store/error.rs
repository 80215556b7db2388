//! What can go wrong in the store, told apart by what the caller should do: try again, choose another value, or give
//! up. Drivers' errors end here; nothing outside the store ever sees one.

use diesel::{
    ConnectionError,
    result::{DatabaseErrorInformation, DatabaseErrorKind, Error},
};

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached, or the connection broke: worth another try. Whether a commit that was under
    /// way took effect is unknown.
    #[error("the database is not reachable: {0}")]
    Unavailable(String),
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

/// How messages begin that mean "not now" and that diesel hands on without their code. SQLite's are never translated;
/// PostgreSQL's are where `lc_messages` says so, but the connection is closed after those that matter most, and a
/// closed connection is noticed without reading anything.
const NOT_NOW: [&str; 13] = [
    "database is locked",
    "database table is locked",
    "disk I/O error",
    "database or disk is full",
    "unable to open database file",
    "deadlock detected",
    "canceling statement due to",
    "terminating connection due to",
    "the database system is",
    "sorry, too many clients",
    "remaining connection slots",
    "could not write",
    "could not extend file",
];

impl From<Error> for StoreError {
    fn from(error: Error) -> StoreError {
        match error {
            Error::NotFound => StoreError::Missing,
            Error::DatabaseError(kind, information) => from_database(kind, information.as_ref()),
            Error::BrokenTransactionManager => StoreError::Unavailable(error.to_string()),
            // The rollback failed because of the same lost connection, which is what the first error tells.
            Error::RollbackErrorOnCommit { commit_error, .. } => StoreError::from(*commit_error),
            other => StoreError::Fault(other.to_string()),
        }
    }
}

impl From<ConnectionError> for StoreError {
    fn from(error: ConnectionError) -> StoreError {
        StoreError::Unavailable(error.to_string())
    }
}

fn from_database(kind: DatabaseErrorKind, information: &(dyn DatabaseErrorInformation + Send + Sync)) -> StoreError {
    let message = information.message();
    match kind {
        DatabaseErrorKind::UniqueViolation => {
            taken(information.constraint_name().unwrap_or(message)).unwrap_or_else(|| StoreError::Fault(message.into()))
        }
        DatabaseErrorKind::ForeignKeyViolation => StoreError::Missing,
        DatabaseErrorKind::UnableToSendCommand
        | DatabaseErrorKind::ClosedConnection
        | DatabaseErrorKind::SerializationFailure
        | DatabaseErrorKind::ReadOnlyTransaction => StoreError::Unavailable(message.into()),
        _ if NOT_NOW.iter().any(|start| message.starts_with(start)) => StoreError::Unavailable(message.into()),
        _ => StoreError::Fault(message.into()),
    }
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
            assert_eq!(error, StoreError::Unavailable(message.into()));
        }
        let syntax = database(DatabaseErrorKind::Unknown, "syntax error at or near \"SELEC\"");
        assert!(matches!(syntax, StoreError::Fault(_)));
        assert!(matches!(database(DatabaseErrorKind::ClosedConnection, "x"), StoreError::Unavailable(_)));
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
