//! Databases for the store tests: a file for SQLite, and a real PostgreSQL server that the tests start themselves.

use std::{
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use convene::{
    core::{
        event::{ChatDurable, Durable, SheetDurable},
        profile::Profile,
    },
    ids::{EventId, GroupId, RoomId, Seq, Timestamp, UserId},
    store::{Append, Attempt, ChannelMedium, NewUser, NotAppended, QueueFor, Store, StoreError, StoreOptions},
};
use tempfile::TempDir;

/// Runs one body as two tests, one on each database.
macro_rules! on_both {
    ($(async fn $name:ident($database:ident: Database) $body:block)+) => {
        $(
            mod $name {
                use super::*;

                async fn body($database: Database) $body

                #[tokio::test]
                async fn postgres() {
                    body(Database::postgres().await).await;
                }

                #[tokio::test]
                async fn sqlite() {
                    body(Database::sqlite().await).await;
                }
            }
        )+
    };
}
pub(crate) use on_both;

/// The supervisor: creates a cluster in a new folder, prints the folder, and obeys one command per line. When its input
/// ends, however the tests end, it stops and removes everything.
const SUPERVISOR: &str = r#"
set -e
# Whatever ends the tests closes our input: that is the signal to clean up.
trap '' INT TERM HUP
bin=$1 port=$2; shift 2
folder=$(mktemp -d)
"$bin/initdb" --no-sync --auth=trust --username=convene --encoding=UTF8 --locale=C.UTF-8 -D "$folder/data" >"$folder/initdb.log" 2>&1
echo "$folder"
while read -r word; do
    case $word in
        start)
            "$bin/postgres" -D "$folder/data" -k "$folder" -p "$port" -c listen_addresses=127.0.0.1 \
                -c max_connections=200 "$@" >>"$folder/server.log" 2>&1 &
            server=$! ;;
        kill)
            children=$(pgrep -P "$server" || true)
            kill -KILL "$server" $children 2>/dev/null || true
            wait "$server" 2>/dev/null || true ;;
    esac
done
kill -QUIT "$server" 2>/dev/null || true
wait || true
rm -rf "$folder"
"#;

/// A private PostgreSQL server.
pub struct Server {
    supervisor: Child,
    input: Option<ChildStdin>,
    /// The data folder.
    pub folder: PathBuf,
    /// The port on 127.0.0.1.
    pub port: u16,
}

impl Server {
    /// Starts a server with additional settings, as in `-c name=value`.
    pub async fn start(settings: &[&str]) -> Server {
        let bin = postgres_programs();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = match am_root() {
            true => {
                // PostgreSQL refuses to run as root.
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--", "sh"]);
                command
            }
            false => Command::new("sh"),
        };
        command.args(["-c", SUPERVISOR, "postgres-supervisor"]).arg(&bin).arg(port.to_string());
        for setting in settings {
            command.args(["-c", setting]);
        }
        let mut supervisor = command
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh and runuser; on Debian: apt-get install -y util-linux postgresql");
        let folder = first_line(&mut supervisor);
        let input = supervisor.stdin.take();
        let mut server = Server { supervisor, input, folder: PathBuf::from(folder), port };
        server.resume().await;
        server
    }

    /// Starts the server again after [`Server::kill`], and waits until it responds.
    pub async fn resume(&mut self) {
        self.tell("start");
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = self.try_execute("postgres", "SELECT 1").await {
            assert!(Instant::now() < deadline, "PostgreSQL does not start: {error}; see {}", self.folder.display());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// SIGKILL to the server and all its processes.
    pub async fn kill(&mut self) {
        self.tell("kill");
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.try_execute("postgres", "SELECT 1").await.is_ok() {
            assert!(Instant::now() < deadline, "PostgreSQL does not die");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Creates an empty database and returns its URL.
    pub async fn create_database(&self) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.execute("postgres", &format!("CREATE DATABASE {name}")).await;
        self.url(&name)
    }

    /// The URL of a database on this server.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://convene@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs SQL on a separate connection.
    pub async fn execute(&self, database: &str, sql: &str) {
        self.try_execute(database, sql).await.unwrap();
    }

    async fn try_execute(&self, database: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
        let client = connect(&self.url(database)).await?;
        client.batch_execute(sql).await
    }

    fn tell(&mut self, word: &str) {
        let input = self.input.as_mut().expect("the supervisor runs");
        writeln!(input, "{word}").and_then(|()| input.flush()).expect("the supervisor listens");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.supervisor.wait();
    }
}

/// A plain connection.
pub async fn connect(url: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn am_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id; on Debian: apt-get install -y coreutils");
    id.stdout.trim_ascii() == b"0"
}

/// The newest PostgreSQL in Debian's location.
fn postgres_programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max();
    newest.expect("PostgreSQL is needed for these tests; on Debian: apt-get install -y postgresql")
}

fn first_line(child: &mut Child) -> String {
    use std::io::{BufRead, BufReader};
    let mut line = String::new();
    let output = child.stdout.take().expect("piped");
    BufReader::new(output).read_line(&mut line).expect("the supervisor speaks");
    assert!(!line.is_empty(), "initdb failed; try it by hand as the user postgres");
    line.trim().to_owned()
}

/// The server shared by all tests that do not disturb it. It ends with the process.
async fn shared_server() -> &'static Server {
    static SERVER: LazyLock<tokio::sync::OnceCell<Server>> = LazyLock::new(tokio::sync::OnceCell::new);
    SERVER.get_or_init(|| async { Server::start(&["fsync=off"]).await }).await
}

/// A database for one test, with all tables, empty.
pub struct Database {
    /// For opening it again.
    pub url: String,
    _folder: Option<TempDir>,
}

impl Database {
    /// Creates one on the shared server.
    pub async fn postgres() -> Database {
        let database = Database::empty_postgres().await;
        Store::migrate(&database.url).await.unwrap();
        database
    }

    /// Creates one in a file.
    pub async fn sqlite() -> Database {
        let database = Database::empty_sqlite();
        Store::migrate(&database.url).await.unwrap();
        database
    }

    /// Creates one without tables.
    pub async fn empty_postgres() -> Database {
        Database { url: shared_server().await.create_database().await, _folder: None }
    }

    /// Creates one without tables, in a folder that does not exist yet.
    pub fn empty_sqlite() -> Database {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("made/on/demand/convene.db").display());
        Database { url, _folder: Some(folder) }
    }

    /// Opens a store on it.
    pub async fn store(&self) -> Store {
        self.store_with(StoreOptions::default()).await
    }

    /// Opens a store on it, with options.
    pub async fn store_with(&self, options: StoreOptions) -> Store {
        Store::open(&self.url, &options).await.unwrap()
    }

    /// The file of a SQLite database.
    pub fn file(&self) -> &Path {
        Path::new(self.url.strip_prefix("sqlite://").unwrap())
    }
}

/// Creates a user with that name.
pub async fn user(store: &Store, name: &str) -> Profile {
    let user = NewUser {
        username: name.into(),
        email: Some(format!("{name}@example.org")),
        display_name: name.into(),
        password_hash: "$argon2id$…".into(),
    };
    store.create_user(user).await.unwrap()
}

/// Creates a group of that user with one channel.
pub async fn channel(store: &Store, owner: &Profile) -> (GroupId, RoomId) {
    let group = store.create_group(&owner.id, "a group", None).await.unwrap().id;
    let channel = store.create_channel(group, "a channel", ChannelMedium::Text, &owner.id).await.unwrap();
    (group, channel.id)
}

/// A chat message to append.
pub fn message(room: RoomId, sender: &Profile, text: &str) -> Append {
    Append {
        room,
        id: EventId::generate(),
        at: Timestamp { unix_ms: 1_790_000_000_123 },
        what: Durable::Chat(ChatDurable::text(sender.author(), text.into(), Vec::new())).into(),
        queue_for: QueueFor::default(),
        client_message_id: None,
    }
}

/// The same, queued for these users.
pub fn message_for(room: RoomId, sender: &Profile, text: &str, absent: &[&UserId]) -> Append {
    let users: Vec<UserId> = absent.iter().map(|id| (*id).clone()).collect();
    Append { queue_for: users.into(), ..message(room, sender, text) }
}

/// Appends entries that must be accepted, and returns their seqs. Retries entries of rooms that another session keeps
/// locked.
pub async fn append(store: &Store, batch: &[Append], attempt: Attempt) -> Result<Vec<Seq>, StoreError> {
    let mut seqs = vec![Seq(0); batch.len()];
    let mut left: Vec<usize> = (0..batch.len()).collect();
    while !left.is_empty() {
        let appends: Vec<Append> = left.iter().map(|index| batch[*index].clone()).collect();
        let outcomes = store.append(&appends, attempt).await?;
        let mut locked = Vec::new();
        for (index, outcome) in left.into_iter().zip(outcomes) {
            match outcome {
                Ok(appended) => seqs[index] = appended.seq,
                Err(NotAppended::Locked) => locked.push(index),
                Err(why) => panic!("{why}"),
            }
        }
        left = locked;
    }
    Ok(seqs)
}

/// The text of a stored event.
pub fn text(what: &Durable) -> &str {
    match what {
        Durable::Chat(ChatDurable::MessageSent { content, .. }) => content,
        Durable::Chat(
            ChatDurable::MessageEdited { .. }
            | ChatDurable::MessageDeleted { .. }
            | ChatDurable::MessageErased { .. }
            | ChatDurable::ReadMarked { .. }
            | ChatDurable::Reacted { .. },
        )
        | Durable::Sheet(SheetDurable::CellsUpdated { .. })
        | Durable::Canvas(_)
        | Durable::Document(_)
        | Durable::Space(_) => panic!("{what:?} instead of a message"),
    }
}
