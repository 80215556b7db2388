//! The command line: one subcommand per scenario; `Common` has the shared options.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::contender::Contender;

#[derive(Parser)]
#[command(name = "load", about = "Convene's load generator; see docs/performance.md")]
pub struct Arguments {
    #[command(subcommand)]
    pub scenario: Scenario,
}

#[derive(Subcommand)]
pub enum Scenario {
    /// One room with publications at a steady low rate: the cost of one unbatched delivery.
    Sparse(Sparse),
    /// One room with a fixed number of messages in flight: the cost at saturation.
    Window(Window),
    /// Many small rooms in which all members publish, with and without corking.
    Rooms(Rooms),
    /// Resident bytes per idle authenticated connection in a room.
    Idle(Idle),
    /// Connects per second and CPU per join, including the token check.
    Joins(Joins),
    /// Stored and acknowledged messages per second on SQLite and PostgreSQL.
    Stored(Stored),
    /// Stored and acknowledged cell updates per second, and reading and changing a large sheet.
    Cells(Cells),
    /// One room in which everybody moves the cursor, compared with one broadcast of the same bytes.
    Cursors(Cursors),
    /// One canvas on which everybody creates, edits and likes tiles, and reading regions of a large one, on SQLite and PostgreSQL.
    Canvas(Canvas),
    /// One space in which all avatars move, with and without an area of interest, beside a plain rebroadcast of every move.
    Movement(Movement),
    /// The same room on one node and spread over two: the cost of an event that crosses nodes.
    Spread(Spread),
    /// A node dies and its clients reconnect to another one at once, each with missed messages.
    Returning(Returning),
    /// Many people join one room of the workspace dialect.
    Crowd(Crowd),
    /// Clients whose connections break repeatedly, on one node and on several of which one is killed. Fails on any
    /// lost, duplicated or reordered message.
    Jitter(Jitter),
    /// A large conversation in which everybody reads each message, compared with the same without read marks.
    Receipts(Receipts),
    /// The list of conversations of a user who has many, on SQLite and PostgreSQL.
    Conversations(Conversations),
    /// Many users connect at once, each with queued messages.
    Queues(Queues),
    /// A notification to everybody who is online.
    Notify(Notify),
    /// Search in many messages, on SQLite and PostgreSQL.
    Search(Search),
    /// Counts and order with several workers. Fails on any lost, duplicated or reordered delivery.
    Order(Order),
    /// The effect of one client that never reads on the others.
    Stall(Stall),
    /// User-space instructions per delivery under callgrind, with the limit that CI enforces.
    Instructions(Instructions),
    /// The baseline server of benches/baselines/actix_web_actors.rs; started by the scenarios.
    #[command(hide = true)]
    ServeActixWebActors,
}

#[derive(Args, Clone)]
pub struct Common {
    /// Repetitions per server; the table shows medians.
    #[arg(long, default_value_t = 3)]
    pub reps: usize,
    /// Duration of a measured window in seconds.
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Duration of the load before a measured window, which is not counted.
    #[arg(long, default_value_t = 2.0)]
    pub warmup_seconds: f64,
    /// Measure only these servers (comma-separated).
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Contender>,
    /// The core or cores (`0,1`) that a server under test is pinned to.
    #[arg(long, default_value = "0")]
    pub server_cores: String,
    /// The core that this process is pinned to.
    #[arg(long, default_value = "1")]
    pub generator_cores: String,
    /// Worker threads of Convene (the baselines have one).
    #[arg(long, default_value_t = 1)]
    pub workers: usize,
    /// The Convene binary to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_convene"))]
    pub binary: PathBuf,
}

impl Common {
    pub fn window(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    pub fn warmup(&self) -> Duration {
        Duration::from_secs_f64(self.warmup_seconds)
    }

    /// The selected servers among `all`.
    pub fn chosen(&self, all: &[Contender]) -> Vec<Contender> {
        all.iter().copied().filter(|one| self.only.is_empty() || self.only.contains(one)).collect()
    }
}

#[derive(Args)]
pub struct Sparse {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, default_value_t = 1_000)]
    pub members: usize,
    /// Messages per second into the room.
    #[arg(long, default_value_t = 50.0)]
    pub rate: f64,
    /// Bytes of text in a stored message, or of the whole JSON of a baseline's broadcast.
    #[arg(long, default_value_t = 128)]
    pub text_bytes: usize,
}

#[derive(Args)]
pub struct Window {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, default_value_t = 1_000)]
    pub members: usize,
    /// Messages in flight, each from another member; one run per value.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32])]
    pub in_flight: Vec<usize>,
    #[arg(long, default_value_t = 128)]
    pub text_bytes: usize,
}

#[derive(Args)]
pub struct Rooms {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, default_value_t = 100)]
    pub rooms: usize,
    #[arg(long, default_value_t = 10)]
    pub members: usize,
    /// Messages per second from each member.
    #[arg(long, default_value_t = 10.0)]
    pub rate: f64,
    /// The order in which members publish.
    #[arg(long, value_enum, default_value_t = Turns::Conversation)]
    pub turns: Turns,
    #[arg(long, default_value_t = 128)]
    pub text_bytes: usize,
}

/// The order in which the members of all rooms publish at one even overall rate.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Turns {
    /// The members of a room publish one right after the other, then those of the next room: bursts, as with cursors.
    Conversation,
    /// One member of each room, then the next member of each room: every room gets evenly spaced messages.
    Scattered,
}

#[derive(Args)]
pub struct Idle {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, default_value_t = 50)]
    pub rooms: usize,
    #[arg(long, default_value_t = 100)]
    pub members: usize,
    /// Handshakes in progress at a time.
    #[arg(long, default_value_t = 64)]
    pub at_once: usize,
}

#[derive(Args)]
pub struct Joins {
    #[command(flatten)]
    pub idle: Idle,
    /// The databases that Convene is measured on (the baselines have none).
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Database::Sqlite, Database::Postgres])]
    pub databases: Vec<Database>,
}

#[derive(Args)]
pub struct Stored {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, default_value_t = 50)]
    pub rooms: usize,
    #[arg(long, default_value_t = 200)]
    pub senders: usize,
    /// Unacknowledged messages per sender.
    #[arg(long, default_value_t = 1)]
    pub depth: usize,
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Database::Sqlite, Database::Postgres])]
    pub databases: Vec<Database>,
    #[arg(long, default_value_t = 128)]
    pub text_bytes: usize,
}

#[derive(Args)]
pub struct Cells {
    #[command(flatten)]
    pub common: Common,
    /// Sheets, each in its own room.
    #[arg(long, default_value_t = 20)]
    pub sheets: usize,
    #[arg(long, default_value_t = 100)]
    pub clients: usize,
    /// Unacknowledged updates per client.
    #[arg(long, default_value_t = 1)]
    pub depth: usize,
    /// Cells per update.
    #[arg(long, default_value_t = 1)]
    pub cells: usize,
    /// Cells of the large sheet.
    #[arg(long, default_value_t = 100_000)]
    pub large: usize,
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Database::Sqlite, Database::Postgres])]
    pub databases: Vec<Database>,
    /// Bytes of text in a cell.
    #[arg(long, default_value_t = 16)]
    pub text_bytes: usize,
}

#[derive(Args)]
pub struct Cursors {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, default_value_t = 100)]
    pub people: usize,
    /// Moves per second of each person.
    #[arg(long, default_value_t = 30.0)]
    pub rate: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Database {
    Sqlite,
    Postgres,
}

#[derive(Args)]
pub struct Canvas {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, default_value_t = 500)]
    pub people: usize,
    /// Changes of tiles per second, of all people together: a third each creates, edits and likes.
    #[arg(long, default_value_t = 2_000.0)]
    pub rate: f64,
    /// Tiles of the large canvas.
    #[arg(long, default_value_t = 100_000)]
    pub tiles: usize,
    /// Regions of the large canvas that are read.
    #[arg(long, default_value_t = 500)]
    pub regions: usize,
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Database::Sqlite, Database::Postgres])]
    pub databases: Vec<Database>,
    #[arg(long, default_value_t = 128)]
    pub text_bytes: usize,
}

#[derive(Args)]
pub struct Spread {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, default_value_t = 1)]
    pub rooms: usize,
    /// Members per room.
    #[arg(long, default_value_t = 1_000)]
    pub members: usize,
    /// Messages per second at the steady rate, into all rooms together.
    #[arg(long, default_value_t = 50.0)]
    pub rate: f64,
    /// Messages in flight at saturation, over all rooms, each from another member.
    #[arg(long, default_value_t = 32)]
    pub in_flight: usize,
    /// The core or cores of the second node; by default those of the first.
    #[arg(long)]
    pub second_cores: Option<String>,
    #[arg(long, default_value_t = 128)]
    pub text_bytes: usize,
}

#[derive(Args)]
pub struct Returning {
    #[command(flatten)]
    pub common: Common,
    /// Clients on the node that dies.
    #[arg(long, default_value_t = 10_000)]
    pub clients: usize,
    #[arg(long, default_value_t = 100)]
    pub rooms: usize,
    /// Clients that stay connected to the writers' node (in addition to one writer per room).
    #[arg(long, default_value_t = 0)]
    pub staying: usize,
    /// Messages that each client misses.
    #[arg(long, default_value_t = 50)]
    pub missed: u64,
    /// Handshakes in progress at a time.
    #[arg(long, default_value_t = 256)]
    pub at_once: usize,
    /// Time between the last of these messages and the first reconnect; above 5, the dead node has been detected.
    #[arg(long, default_value_t = 0.0)]
    pub pause_seconds: f64,
    /// The state of the rooms on the node that the clients reconnect to.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [RoomState::InUse, RoomState::Unknown])]
    pub room_states: Vec<RoomState>,
    #[arg(long, default_value_t = 128)]
    pub text_bytes: usize,
}

impl Returning {
    pub fn pause(&self) -> Duration {
        Duration::from_secs_f64(self.pause_seconds)
    }
}

/// The state of a room on a node before the first client reconnects.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoomState {
    /// In use by its writer.
    InUse,
    /// Unknown: its writer is on a third node.
    Unknown,
}

#[derive(Args)]
pub struct Movement {
    #[command(flatten)]
    pub common: Common,
    /// Numbers of avatars; one run per value.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000])]
    pub people: Vec<usize>,
    /// Moves per second of each avatar.
    #[arg(long, default_value_t = 10.0)]
    pub rate: f64,
    /// Moves per second of each avatar with the plain rebroadcast, which can't keep up with more.
    #[arg(long, default_value_t = 0.1)]
    pub plain_rate: f64,
    /// Moves per second of each avatar in the room of Colyseus.
    #[arg(long, default_value_t = 10.0)]
    pub colyseus_rate: f64,
    /// Leave out Convene without an area of interest, where each of 10,000 clients would get 10,000 avatars.
    #[arg(long)]
    pub without_everywhere: bool,
    /// Leave out the plain rebroadcast.
    #[arg(long)]
    pub without_plain: bool,
    /// Leave out Colyseus.
    #[arg(long)]
    pub without_colyseus: bool,
    /// The radius of interest.
    #[arg(long, default_value_t = 100)]
    pub radius: u32,
}

#[derive(Args)]
pub struct Crowd {
    #[command(flatten)]
    pub common: Common,
    /// Numbers of people; one run per value.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 5_000, 10_000])]
    pub people: Vec<usize>,
    /// Joins in progress at a time.
    #[arg(long, default_value_t = 256)]
    pub at_once: usize,
    /// The number of rooms that the people join.
    #[arg(long, default_value_t = 1)]
    pub rooms: usize,
    /// The server has never seen these people, so it stores each of them.
    #[arg(long)]
    pub first_seen: bool,
    /// The database of the server.
    #[arg(long, value_enum, default_value_t = Database::Sqlite)]
    pub database: Database,
}

#[derive(Args)]
pub struct Jitter {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, default_value_t = 1_000)]
    pub clients: usize,
    #[arg(long, default_value_t = 10)]
    pub rooms: usize,
    /// Messages into each room.
    #[arg(long, default_value_t = 120)]
    pub messages: usize,
    /// The time over which the messages are spread.
    #[arg(long, default_value_t = 60.0)]
    pub talk_seconds: f64,
    /// Time between two disconnects of one client.
    #[arg(long, default_value_t = 15.0)]
    pub every_seconds: f64,
    /// How long a client stays disconnected.
    #[arg(long, default_value_t = 2.0)]
    pub away_seconds: f64,
    /// Numbers of nodes; one run per value. If there are several, one is killed half way.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 3])]
    pub nodes: Vec<usize>,
    #[arg(long, default_value_t = 128)]
    pub text_bytes: usize,
}

#[derive(Args)]
pub struct Order {
    /// Deliveries to check.
    #[arg(long, default_value_t = 5_000_000)]
    pub deliveries: u64,
    #[arg(long, default_value_t = 8)]
    pub rooms: usize,
    #[arg(long, default_value_t = 250)]
    pub members: usize,
    /// Members of each room who publish.
    #[arg(long, default_value_t = 4)]
    pub senders: usize,
    /// Messages in flight per publisher.
    #[arg(long, default_value_t = 8)]
    pub depth: usize,
    #[arg(long, default_value_t = 2)]
    pub workers: usize,
    #[arg(long, default_value = env!("CARGO_BIN_EXE_convene"))]
    pub binary: PathBuf,
}

#[derive(Args)]
pub struct Stall {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, default_value_t = 1_000)]
    pub members: usize,
    #[arg(long, default_value_t = 50.0)]
    pub rate: f64,
    /// Large, so that the buffers of the client that does not read fill within seconds.
    #[arg(long, default_value_t = 4_096)]
    pub text_bytes: usize,
}

#[derive(Args)]
pub struct Instructions {
    #[arg(long, value_enum, default_value_t = Contender::ConveneTyping)]
    pub contender: Contender,
    #[arg(long, default_value_t = 300)]
    pub members: usize,
    #[arg(long, default_value_t = 200)]
    pub messages: usize,
    /// Instructions per delivery above which the run fails.
    #[arg(long, default_value_t = 700)]
    pub limit: u64,
    /// Where callgrind writes its profile.
    #[arg(long, default_value = "target/callgrind/callgrind.out")]
    pub profile: PathBuf,
    #[arg(long, default_value = env!("CARGO_BIN_EXE_convene"))]
    pub binary: PathBuf,
}

#[derive(Args)]
pub struct Receipts {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, default_value_t = 1_000)]
    pub members: usize,
    /// Messages per second, all from one member; the others read each of them.
    #[arg(long, value_delimiter = ',', default_values_t = [10.0, 2.0])]
    pub rates: Vec<f64>,
    #[arg(long, default_value_t = 128)]
    pub text_bytes: usize,
}

#[derive(Args)]
pub struct Conversations {
    #[command(flatten)]
    pub common: Common,
    /// Conversations of the user.
    #[arg(long, default_value_t = 1_000)]
    pub conversations: usize,
    /// Messages in each.
    #[arg(long, default_value_t = 100)]
    pub messages: usize,
    /// Other users, who have sent the messages.
    #[arg(long, default_value_t = 20)]
    pub others: usize,
    /// Measured requests per size of a page.
    #[arg(long, default_value_t = 500)]
    pub requests: usize,
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Database::Sqlite, Database::Postgres])]
    pub databases: Vec<Database>,
}

#[derive(Args)]
pub struct Queues {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, default_value_t = 10_000)]
    pub people: usize,
    /// Conversations, each with an equal part of the people.
    #[arg(long, default_value_t = 100)]
    pub rooms: usize,
    /// Messages that are queued for each person.
    #[arg(long, default_value_t = 100)]
    pub messages: usize,
    /// Handshakes in progress at a time.
    #[arg(long, default_value_t = 256)]
    pub at_once: usize,
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Database::Sqlite, Database::Postgres])]
    pub databases: Vec<Database>,
    #[arg(long, default_value_t = 128)]
    pub text_bytes: usize,
}

#[derive(Args)]
pub struct Notify {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, default_value_t = 10_000)]
    pub people: usize,
    /// Notifications to all of them, one after the other.
    #[arg(long, default_value_t = 3)]
    pub notifications: usize,
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Database::Sqlite, Database::Postgres])]
    pub databases: Vec<Database>,
}

#[derive(Args)]
pub struct Search {
    #[command(flatten)]
    pub common: Common,
    #[arg(long, default_value_t = 1_000_000)]
    pub messages: usize,
    #[arg(long, default_value_t = 1_000)]
    pub rooms: usize,
    /// Measured requests per kind of query.
    #[arg(long, default_value_t = 200)]
    pub requests: usize,
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Database::Sqlite, Database::Postgres])]
    pub databases: Vec<Database>,
}
