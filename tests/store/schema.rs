//! The migrations of both databases must not drift apart.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use convene::store::Store;
use diesel::{Connection, RunQueryDsl, SqliteConnection};

use crate::fixture::{Database, connect, on_both};

/// Tables with the names of their columns.
type Tables = BTreeMap<String, BTreeSet<String>>;

fn migrations(backend: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(backend);
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            for file in ["up.sql", "down.sql"] {
                assert!(entry.path().join(file).exists(), "{} has no {file}", entry.path().display());
            }
            entry.file_name().into_string().unwrap()
        })
        .collect()
}

fn tables(columns: impl IntoIterator<Item = (String, String)>) -> Tables {
    let mut tables = Tables::new();
    for (table, column) in columns {
        tables.entry(table).or_default().insert(column);
    }
    // Tables of the migration tool, of SQLite itself, and those that FTS5 keeps.
    tables.retain(|table, _| !["__diesel", "sqlite_", "message_words"].iter().any(|prefix| table.starts_with(prefix)));
    // The full-text index: a column of PostgreSQL, a table of SQLite.
    if let Some(indexed) = tables.get_mut("message_search") {
        indexed.remove("words");
    }
    tables
}

async fn postgres_tables(url: &str) -> Tables {
    let client = connect(url).await.unwrap();
    let sql =
        "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public'";
    tables(client.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))))
}

#[derive(diesel::QueryableByName)]
struct ColumnRow {
    #[diesel(sql_type = diesel::sql_types::Text)]
    table: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    column: String,
}

fn sqlite_tables(file: &Path) -> Tables {
    let mut connection = SqliteConnection::establish(&file.to_string_lossy()).unwrap();
    let sql = "SELECT m.name AS \"table\", c.name AS \"column\" FROM sqlite_master AS m, pragma_table_info(m.name) AS c \
               WHERE m.type = 'table'";
    let rows: Vec<ColumnRow> = diesel::sql_query(sql).load(&mut connection).unwrap();
    tables(rows.into_iter().map(|row| (row.table, row.column)))
}

#[test]
fn both_databases_have_the_same_migrations() {
    assert_eq!(migrations("postgres"), migrations("sqlite"));
}

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let (postgres, sqlite) = (Database::postgres().await, Database::sqlite().await);
    let expected = postgres_tables(&postgres.url).await;
    assert!(expected.len() >= 9, "{expected:?}");
    assert_eq!(expected, sqlite_tables(sqlite.file()));
}

#[tokio::test]
async fn every_way_down_leads_to_nothing() {
    let database = Database::postgres().await;
    let client = connect(&database.url).await.unwrap();
    let sqlite = Database::sqlite().await;
    let mut file = SqliteConnection::establish(&sqlite.file().to_string_lossy()).unwrap();
    for name in migrations("postgres").iter().rev() {
        let down = |backend: &str| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(backend);
            std::fs::read_to_string(folder.join(name).join("down.sql")).unwrap()
        };
        client.batch_execute(&down("postgres")).await.unwrap();
        diesel::connection::SimpleConnection::batch_execute(&mut file, &down("sqlite")).unwrap();
    }
    assert_eq!(postgres_tables(&database.url).await, Tables::new());
    assert_eq!(sqlite_tables(sqlite.file()), Tables::new());
}

async fn migrate_at_once(url: &str) {
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let url = url.to_owned();
            tokio::spawn(async move { Store::migrate(&url).await.unwrap() })
        })
        .collect();
    let mut applied = Vec::new();
    for task in tasks {
        applied.extend(task.await.unwrap());
    }
    assert_eq!(applied.len(), migrations("sqlite").len(), "each once: {applied:?}");
    assert_eq!(Store::migrate(url).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn many_nodes_migrate_postgres_at_once() {
    migrate_at_once(&Database::empty_postgres().await.url).await;
}

#[tokio::test]
async fn many_processes_migrate_a_file_at_once() {
    migrate_at_once(&Database::empty_sqlite().url).await;
}

on_both! {
    async fn a_migrated_store_works(database: Database) {
        let store = database.store().await;
        store.ping().await.unwrap();
        assert_eq!(store.clone().backend(), convene::store::Backend::of_url(&database.url).unwrap());
    }
}
