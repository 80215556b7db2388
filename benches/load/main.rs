//! The load generator: what the figures in docs/performance.md come from.
//!
//! It starts each server under test as a child on a core of its own, drives it over real sockets from another
//! core, reads the child's CPU time and resident memory around each measured window, and puts the servers next to
//! each other in one table, with their repetitions interleaved so that a slow minute of the machine hits all alike.
//!
//! `bash benches/run.sh sparse --reps 3` is the way in. The map:
//!
//! | file | is |
//! |---|---|
//! | `options.rs` | the command line |
//! | `scenario/` | one file per question asked; each ends in a table |
//! | `contender.rs` | who is compared, and how each is started and spoken to |
//! | `world.rs` | users, group and channels on Convene, made over REST |
//! | `server.rs`, `process.rs`, `postgres.rs`, `redis.rs` | child processes: start, pin, read their usage, stop |
//! | `cluster.rs` | nodes on one PostgreSQL and one Redis |
//! | `client.rs`, `frame.rs`, `tag.rs` | thousands of WebSockets on one epoll, counting frames without parsing JSON |
//! | `fanout.rs` | who was sent what, and how long it took |
//! | `returns.rs` | clients that come back, and whether each is sent exactly what it missed |
//! | `histogram.rs`, `report.rs` | percentiles, medians, tables |
//!
//! It must never measure what it did not also count: a lost delivery fails the run.

#[path = "../baselines/actix_web_actors.rs"]
mod actix_web_actors;
mod client;
mod cluster;
mod contender;
mod fanout;
mod frame;
mod histogram;
mod options;
mod postgres;
mod process;
mod redis;
mod report;
mod returns;
mod scenario;
mod server;
mod tag;
mod world;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use options::{Arguments, Scenario};

/// The allocator of the server under test, so that the baseline in this same binary has it too.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A benchmark stops at the first thing that goes wrong and says it in one sentence; nobody handles its errors.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    // `cargo bench` adds `--bench` to what it runs; alone, it asks what there is.
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
        Scenario::Spread(options) => scenario::spread::run(&options),
        Scenario::Crowd(options) => scenario::crowd::run(&options),
        Scenario::Jitter(options) => scenario::jitter::run(&options),
        Scenario::Returning(options) => scenario::returning::run(&options),
        Scenario::Order(options) => scenario::order::run(&options),
        Scenario::Stall(options) => scenario::stall::run(&options),
        Scenario::Instructions(options) => scenario::instructions::run(&options),
        Scenario::ServeActixWebActors => actix_web_actors::serve().map_err(Into::into),
    }
}
