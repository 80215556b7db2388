//! What the database is: its product, its version, and the newest migration that was applied to it, perhaps by another release.

use diesel::migration::{Migration, MigrationSource};

use super::{Database, Store, StoreError, postgres, run};

/// What the database is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AboutDatabase {
    /// `PostgreSQL` or `SQLite`.
    pub product: &'static str,
    /// Its version, as it reports it.
    pub version: String,
    /// The newest migration.
    pub migration: String,
}

impl AboutDatabase {
    /// This release's newest migration, if the database has a newer one.
    pub fn is_newer_than(&self) -> Option<String> {
        newest_known().filter(|known| self.migration > *known)
    }
}

/// The newest migration that this release contains; the same for both databases.
fn newest_known() -> Option<String> {
    let all = MigrationSource::<diesel::pg::Pg>::migrations(&postgres::MIGRATIONS).ok()?;
    all.iter().map(|migration| migration.name().version().to_string()).max()
}

impl Store {
    /// What the database is. The tables must exist.
    pub async fn about(&self) -> Result<AboutDatabase, StoreError> {
        let product = match &self.shared.database {
            Database::Postgres(_) => "PostgreSQL",
            Database::Sqlite(_) => "SQLite",
        };
        let (version, migration) = run!(self, read, about::versions())?;
        Ok(AboutDatabase { product, version, migration })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_newer_migration_is_newer() {
        let known = newest_known().unwrap();
        let about =
            |migration: &str| AboutDatabase { product: "SQLite", version: "3".into(), migration: migration.into() };
        assert_eq!(about(&known).is_newer_than(), None);
        assert_eq!(about("20200101000000").is_newer_than(), None);
        assert_eq!(about("29990101000000").is_newer_than(), Some(known));
    }
}
