//! The versions of the database and of its tables.

use diesel::{QueryableByName, sql_query, sql_types::Text};
use diesel_async::RunQueryDsl;

use super::{Connection, VERSION};
use crate::store::StoreError;

#[derive(QueryableByName)]
struct Versions {
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Text)]
    migration: String,
}

/// The version of the database server, and that of the newest migration.
pub async fn versions(connection: &mut Connection) -> Result<(String, String), StoreError> {
    let query =
        format!("SELECT {VERSION} AS version, COALESCE(MAX(version), '') AS migration FROM __diesel_schema_migrations");
    let found = sql_query(query).get_result::<Versions>(connection).await?;
    Ok((found.version, found.migration))
}
