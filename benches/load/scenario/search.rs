//! Search in a large number of messages, by several kinds of queries.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Result;
use crate::contender::Contender;
use crate::fill::Fill;
use crate::options::{Database, Search};
use crate::postgres::Postgres;
use crate::process;
use crate::report::{Column, Table};
use crate::rest::Caller;
use crate::scenario::start;
use crate::world::{Layout, World};

/// Users who send messages; user 0 searches.
const SENDERS: usize = 50;
/// Requests of each kind before the measured ones.
const WARMUP: usize = 10;
/// The goal for the 95th percentile.
const GOAL_MS: f64 = 50.0;
/// If the index does not grow for this long, something is wrong.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(120);

/// What a query must find.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finds {
    Something,
    Nothing,
}

/// A kind of query: its name, the query with its parameters in the n-th request, and what it finds.
type Kind = (&'static str, fn(usize) -> String, Finds);

/// One word of each group is in each message: `daily` has 10 different words, `weekly` 100, and so on (see `fill`).
const KINDS: [Kind; 12] = [
    ("word of all messages", |_| "q=about".to_owned(), Finds::Something),
    ("common word", |n| format!("q=daily{}", n % 10), Finds::Something),
    ("rare word", |n| format!("q=customer{}", n % 100 * 7_919 % 100_000), Finds::Something),
    ("unknown word", |n| format!("q=nothing{n}"), Finds::Nothing),
    ("two words", |n| format!("q=daily{}%20weekly{}", n % 10, n % 10 + n % 9 * 10), Finds::Something),
    ("phrase", |n| format!("q=%22daily{}%20weekly{}%22", n % 10, n % 10 + n % 9 * 10), Finds::Something),
    ("common prefix", |_| "q=proj*".to_owned(), Finds::Something),
    ("rare prefix", |n| format!("q=customer{}*", n % 900 + 100), Finds::Something),
    ("common word without another", |n| format!("q=daily{}%20-weekly{}", n % 10, n % 100), Finds::Something),
    (
        "common word in one conversation",
        |n| format!("q=daily{}&conversation_id=room-{}", n % 10, n % 10),
        Finds::Something,
    ),
    (
        "common word of one sender",
        |n| format!("q=weekly{}&sender={}", n % 50 + 50, crate::world::user_id(n % 50 + 1)),
        Finds::Something,
    ),
    ("common word, best first", |n| format!("q=daily{}&order=best", n % 10), Finds::Something),
];

pub fn run(options: &Search) -> Result<()> {
    let Search { messages, rooms, .. } = options;
    let title = format!("search: {messages} messages in {rooms} rooms, half of which the user may not enter");
    let columns = vec![
        Column::new("p50 ms", 1),
        Column::new("p95 ms", 1),
        Column::new("max ms", 1),
        Column::new("results per page", 1),
        Column::new("goal for p95: ms", 0),
    ];
    let mut table = Table::new(title, columns);
    let mut indexed = Table::new("the index", vec![Column::new("messages/s", 0), Column::new("server CPU µs each", 1)]);
    for _ in 0..options.common.reps {
        for &database in &options.databases {
            measure(options, database, &mut table, &mut indexed)?;
        }
    }
    table.print();
    indexed.print();
    Ok(())
}

fn measure(options: &Search, database: Database, table: &mut Table, indexed: &mut Table) -> Result<()> {
    let common = &options.common;
    let postgres = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(Postgres::start()?),
    };
    let layout = Layout { rooms: 1, members: SENDERS + 1 };
    let world = World::make(&common.binary, layout, postgres.as_ref().map(Postgres::url))?;
    let each = options.messages / options.rooms;
    eprintln!("filling {database:?} with {} messages", options.rooms * each);
    let fill = Fill::new(database);
    fill_messages(options, &world, fill)?;
    process::pin_self(&common.generator_cores)?;
    let server = start(Contender::ConveneMessage, common, &world)?;

    let (before, began) = (server.cpu_time()?, Instant::now());
    wait_for_index(&world, fill)?;
    let count = (options.rooms * each) as f64;
    let cpu_us = server.cpu_time()?.since(before).total().as_secs_f64() * 1e6 / count;
    indexed.add(&format!("{database:?}"), vec![count / began.elapsed().as_secs_f64(), cpu_us]);

    let caller = Caller::new(server.address, 0)?;
    for (name, query, finds) in KINDS {
        let path = |n: usize| format!("/api/search/messages?{}", query(n));
        caller.time((0..WARMUP).map(path), |_| Ok(()))?;
        let mut found = 0;
        let latency = caller.time((WARMUP..WARMUP + options.requests).map(path), |page| {
            let results = page["results"].as_array().map_or(0, Vec::len);
            found += results;
            check(page, results, finds)
        })?;
        let each = found as f64 / options.requests as f64;
        let values = vec![latency.quantile_ms(0.5), latency.quantile_ms(0.95), latency.max_ms(), each, GOAL_MS];
        table.add(&format!("{name}, {database:?}"), values);
    }
    server.stop(None)
}

fn check(page: &Value, results: usize, finds: Finds) -> Result<()> {
    let is_right = match finds {
        Finds::Something => results > 0 || page["has_more"] == true,
        Finds::Nothing => results == 0,
    };
    if page["complete"] != true {
        return Err("the index is not complete".into());
    }
    if is_right { Ok(()) } else { Err(format!("{results} results: {page}").into()) }
}

fn wait_for_index(world: &World, fill: Fill) -> Result<()> {
    let mut last = (i64::MAX, Instant::now());
    loop {
        let left = fill.count(world, "search_queue")?;
        if left == 0 {
            return Ok(());
        }
        if left < last.0 {
            last = (left, Instant::now());
        } else if last.1.elapsed() > PROGRESS_TIMEOUT {
            return Err(format!("{left} messages are still not indexed").into());
        }
        for _ in 0..10 {
            process::pause();
        }
    }
}

/// Words of groups of different sizes, in an order that makes phrases. The rooms 100 to 199, 300 to 399 and so on are private.
fn fill_messages(options: &Search, world: &World, fill: Fill) -> Result<()> {
    let Search { rooms, messages, .. } = options;
    let text = "'daily' || (n % 10) || ' weekly' || (n % 100) || ' the project' || (n * 31 % 1000) || ' of ticket' || \
                (n * 17 % 10000) || ' and customer' || (n * 7919 % 100000) || ' is about reference' || n";
    let sender = format!("(n / 100 % {SENDERS} + 1)");
    let statements = [
        fill.rooms(*rooms, messages / rooms, "n / 100 % 2 = 1"),
        fill.messages(*rooms, messages / rooms, &sender, text),
    ];
    fill.run(world, &statements)
}
