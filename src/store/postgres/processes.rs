//! The name of this process on PostgreSQL, and the other processes.

use std::fs;

use diesel::{QueryableByName, sql_query, sql_types::Text};
use diesel_async::RunQueryDsl;

use super::Connection;
use crate::{limits, store::StoreError};

/// The start of the `application_name` of every server process.
const PREFIX: &str = "convene ";

/// The `application_name` of this process, readable for operators.
pub(super) fn own_name() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String =
        host.trim().chars().filter(char::is_ascii_graphic).take(limits::PROCESS_HOST_CHARS_MAX).collect();
    format!("{PREFIX}{}@{host}", std::process::id())
}

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    application_name: String,
}

/// The names of other processes.
pub(in crate::store) async fn other_processes(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    let found = sql_query(
        "SELECT DISTINCT application_name::text FROM pg_stat_activity \
         WHERE datname = current_database() AND starts_with(application_name, $1) AND application_name <> $2 LIMIT 10",
    )
    .bind::<Text, _>(PREFIX)
    .bind::<Text, _>(own_name())
    .load::<Named>(connection)
    .await?;
    Ok(found.into_iter().map(|named| named.application_name).collect())
}
