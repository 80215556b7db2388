//! The load generator, which produces the figures in docs/performance.md.
//!
//! It starts each server under test as a child process on a core of its own and drives it over real sockets from
//! another core. Around each measured window it reads the child's CPU time and resident memory. All servers appear in
//! one table; their repetitions are interleaved, so that a slow minute of the machine affects all of them.
//!
//! Run it with `bash benches/run.sh sparse --reps 3`. The modules:
//!
//! | file | contents |
//! |---|---|
//! | `options.rs` | the command line |
//! | `scenario/` | one file per scenario; each prints a table |
//! | `contender.rs` | the servers that are compared, and how each is started and addressed |
//! | `world.rs` | users, group and channels on Convene, created over REST |
//! | `server.rs`, `process.rs`, `postgres.rs`, `redis.rs` | child processes: start, pin, measure, stop |
//! | `cluster.rs` | nodes on one PostgreSQL and one Redis |
//! | `client.rs`, `frame.rs`, `tag.rs` | thousands of WebSockets on one epoll, counting frames without parsing JSON |
//! | `fanout.rs` | deliveries and their latency |
//! | `fill.rs` | rows that are written directly into a database |
//! | `rest.rs` | REST requests and their durations |
//! | `returns.rs` | clients that reconnect, and whether each receives exactly what it missed |
//! | `histogram.rs`, `report.rs` | percentiles, medians, tables |
//!
//! It must never report a figure for deliveries that it did not count: a lost delivery fails the run.

#[path = "../baselines/actix_web_actors.rs"]
mod actix_web_actors;
mod client;
mod cluster;
mod contender;
mod fanout;
mod fill;
mod frame;
mod histogram;
mod options;
mod postgres;
mod process;
mod redis;
mod report;
mod rest;
mod returns;
mod scenario;
mod server;
mod tag;
mod world;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use options::{Arguments, Scenario};

/// The same allocator as the server under test, because the actix-web-actors baseline runs in this binary.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A benchmark stops at the first error and prints it in one sentence; no caller handles errors.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    // `cargo bench` adds `--bench` to the arguments. Without other arguments, show the help.
    let mut words: Vec<String> = std::env::args().filter(|argument| argument != "--bench").collect();
    if words.len() < 2 {
        words.push("--help".to_owned());
    }
    match run(Arguments::parse_from(words).scenario) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(scenario: Scenario) -> Result<()> {
    match scenario {
        Scenario::Sparse(options) => scenario::sparse::run(&options),
        Scenario::Window(options) => scenario::window::run(&options),
        Scenario::Rooms(options) => scenario::rooms::run(&options),
        Scenario::Idle(options) => scenario::idle::run(&options),
        Scenario::Joins(options) => scenario::joins::run(&options),
        Scenario::Stored(options) => scenario::stored::run(&options),
        Scenario::Cells(options) => scenario::cells::run(&options),
        Scenario::Cursors(options) => scenario::cursors::run(&options),
        Scenario::Canvas(options) => scenario::canvas::run(&options),
        Scenario::Movement(options) => scenario::movement::run(&options),
        Scenario::Spread(options) => scenario::spread::run(&options),
        Scenario::Crowd(options) => scenario::crowd::run(&options),
        Scenario::Jitter(options) => scenario::jitter::run(&options),
        Scenario::Returning(options) => scenario::returning::run(&options),
        Scenario::Receipts(options) => scenario::receipts::run(&options),
        Scenario::Conversations(options) => scenario::conversations::run(&options),
        Scenario::Queues(options) => scenario::queues::run(&options),
        Scenario::Notify(options) => scenario::notify::run(&options),
        Scenario::Search(options) => scenario::search::run(&options),
        Scenario::Order(options) => scenario::order::run(&options),
        Scenario::Stall(options) => scenario::stall::run(&options),
        Scenario::Instructions(options) => scenario::instructions::run(&options),
        Scenario::ServeActixWebActors => actix_web_actors::serve().map_err(Into::into),
    }
}
