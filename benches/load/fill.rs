//! Rows that are written directly into the database of a stopped server, because a million messages over REST would take
//! hours. Both databases get the same rows from one text, in which only ids, times and numbered names differ.

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};

use crate::Result;
use crate::options::Database;
use crate::world::World;

/// The time of the first message, in milliseconds since 1970.
pub const BEGINNING_MS: u64 = 1_760_000_000_000;

/// Writes SQL for one database.
#[derive(Clone, Copy)]
pub struct Fill {
    database: Database,
}

impl Fill {
    pub fn new(database: Database) -> Fill {
        Fill { database }
    }

    /// A table `series` of the numbers `n` from 0.
    pub fn series(self, count: usize) -> String {
        let last = count.saturating_sub(1);
        match self.database {
            Database::Sqlite => format!(
                "(WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}) \
                 SELECT n FROM numbers) AS series"
            ),
            Database::Postgres => format!("generate_series(0, {last}) AS series (n)"),
        }
    }

    /// A UUID of a numeric expression. `family` distinguishes rooms from messages.
    pub fn id(self, family: char, number: &str) -> String {
        match self.database {
            Database::Sqlite => format!("unhex('0000000{family}00007000' || '8000' || printf('%012x', {number}))"),
            Database::Postgres => {
                format!("('0000000{family}-0000-7000-8000-' || lpad(to_hex(({number})::bigint), 12, '0'))::uuid")
            }
        }
    }

    /// A time, of a numeric expression in milliseconds after the beginning.
    pub fn time(self, ms: &str) -> String {
        match self.database {
            Database::Sqlite => format!("({BEGINNING_MS} + {ms})"),
            Database::Postgres => format!("to_timestamp(({BEGINNING_MS} + {ms})::bigint / 1000.0)"),
        }
    }

    /// The id of the user with that number.
    pub fn user(self, number: &str) -> String {
        match self.database {
            Database::Sqlite => format!("('b' || printf('%06d', {number}))"),
            Database::Postgres => format!("('b' || lpad(({number})::text, 6, '0'))"),
        }
    }

    /// JSON of a text expression.
    pub fn json(self, text: &str) -> String {
        match self.database {
            Database::Sqlite => text.to_owned(),
            Database::Postgres => format!("({text})::json"),
        }
    }

    /// Open rooms `room-0`, `room-1` and so on, with so many messages each. Those of which the expression `is_private` is
    /// true are private and belong to user 1.
    pub fn rooms(self, count: usize, messages: usize, is_private: &str) -> String {
        let (series, id, owner) = (self.series(count), self.id('a', "n"), self.user("1"));
        let (created, active) = (self.time("0"), self.time(&format!("({} + n)", messages * count)));
        format!(
            "INSERT INTO rooms (id, kind, key, name, visibility, settings, owner_id, seq, epoch, created_at, message_seq, \
             active_at) SELECT {id}, 'open', 'room-' || n, 'room-' || n, CASE WHEN {is_private} THEN 'private' ELSE 'open' END, \
             '{{}}', {owner}, {messages}, {BEGINNING_MS}, {created}, {messages}, {active} FROM {series};"
        )
    }

    /// The messages of these rooms, one after the other in turn. `sender` and `text` are expressions of the number `n`.
    pub fn messages(self, rooms: usize, messages: usize, sender: &str, text: &str) -> String {
        let (series, id, room) =
            (self.series(rooms * messages), self.id('b', "n"), self.id('a', &format!("n % {rooms}")));
        let (sender, at) = (self.user(sender), self.time("n"));
        format!(
            "INSERT INTO messages (id, room_id, seq, sender_id, sender_username, content, created_at) \
             SELECT {id}, {room}, n / {rooms} + 1, {sender}, {sender}, {text}, {at} FROM {series};"
        )
    }

    /// Makes user `member`, an expression of `n`, take part in the room `room`.
    pub fn participants(self, count: usize, member: &str, room: &str) -> String {
        let (series, user, id, at) = (self.series(count), self.user(member), self.id('a', room), self.time("0"));
        format!(
            "INSERT INTO participants (user_id, room_id, joined_at, joined_seq) \
             SELECT {user}, {id}, {at}, 0 FROM {series};"
        )
    }

    /// Executes statements, in one transaction, and updates what the database knows of the tables.
    pub fn run(self, world: &World, statements: &[String]) -> Result<()> {
        let whole = format!("BEGIN;\n{}\nCOMMIT; ANALYZE;", statements.join("\n"));
        match self.database {
            Database::Sqlite => connect(world)?.batch_execute(&whole)?,
            Database::Postgres => with_postgres(world, async |client| client.batch_execute(&whole).await)?,
        }
        Ok(())
    }

    /// The number of rows of a table.
    pub fn count(self, world: &World, table: &str) -> Result<i64> {
        let query = format!("SELECT count(*) AS count FROM {table}");
        Ok(match self.database {
            Database::Sqlite => {
                #[derive(diesel::QueryableByName)]
                struct Row {
                    #[diesel(sql_type = diesel::sql_types::BigInt)]
                    count: i64,
                }
                let row: Row = diesel::RunQueryDsl::get_result(diesel::sql_query(query), &mut connect(world)?)?;
                row.count
            }
            Database::Postgres => {
                with_postgres(world, async |client| Ok(client.query_one(query.as_str(), &[]).await?.get(0)))?
            }
        })
    }
}

fn connect(world: &World) -> Result<SqliteConnection> {
    let url = world.database_url();
    let path = url.strip_prefix("sqlite://").ok_or("the world's database is not SQLite")?;
    let mut connection = SqliteConnection::establish(path)?;
    connection.batch_execute("PRAGMA busy_timeout = 30000; PRAGMA cache_size = -262144;")?;
    Ok(connection)
}

fn with_postgres<T>(
    world: &World,
    work: impl AsyncFnOnce(&tokio_postgres::Client) -> std::result::Result<T, tokio_postgres::Error>,
) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(&world.database_url(), tokio_postgres::NoTls).await?;
        let link = tokio::spawn(connection);
        let done = work(&client).await?;
        drop(client);
        link.await??;
        Ok(done)
    })
}
