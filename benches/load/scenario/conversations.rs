//! The list of conversations of a user who has many.

use crate::Result;
use crate::contender::Contender;
use crate::fill::Fill;
use crate::options::{Conversations, Database};
use crate::postgres::Postgres;
use crate::process;
use crate::report::{Column, Table};
use crate::rest::Caller;
use crate::scenario::start;
use crate::world::{Layout, World};

/// Requests before the measured ones.
const WARMUP: usize = 50;
/// The goal for the 95th percentile.
const GOAL_MS: f64 = 10.0;

pub fn run(options: &Conversations) -> Result<()> {
    let Conversations { conversations, messages, .. } = options;
    let title = format!("conversations: the list of a user with {conversations}, with {messages} messages each");
    let columns = vec![
        Column::new("p50 ms", 2),
        Column::new("p95 ms", 2),
        Column::new("max ms", 1),
        Column::new("server CPU ms", 2),
        Column::new("goal for p95: ms", 0),
    ];
    let mut table = Table::new(title, columns);
    for _ in 0..options.common.reps {
        for &database in &options.databases {
            measure(options, database, &mut table)?;
        }
    }
    table.print();
    Ok(())
}

fn measure(options: &Conversations, database: Database, table: &mut Table) -> Result<()> {
    let common = &options.common;
    let postgres = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(Postgres::start()?),
    };
    let layout = Layout { rooms: 1, members: options.others + 1 };
    let world = World::make(&common.binary, layout, postgres.as_ref().map(Postgres::url))?;
    fill(options, &world, Fill::new(database))?;
    process::pin_self(&common.generator_cores)?;
    let server = start(Contender::ConveneMessage, common, &world)?;
    let caller = Caller::new(server.address, 0)?;

    // each conversation is listed once, and its unread messages are counted
    let (mut listed, mut unread, mut cursor) = (0, 0, String::new());
    loop {
        let page = caller.get(&format!("/api/conversations?limit=100{cursor}"))?;
        let list = page["conversations"].as_array().ok_or("no list")?;
        listed += list.iter().filter(|one| one["type"] == "open").count();
        unread += list.iter().filter_map(|one| one["unread_count"].as_u64()).sum::<u64>();
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    if listed != options.conversations || unread == 0 {
        return Err(format!("{listed} conversations are listed, with {unread} unread messages").into());
    }
    for limit in [50, 100] {
        let path = |_| format!("/api/conversations?limit={limit}");
        caller.time((0..WARMUP).map(path), |_| Ok(()))?;
        let before = server.cpu_time()?;
        let latency = caller.time((0..options.requests).map(path), |_| Ok(()))?;
        let cpu_ms = server.cpu_time()?.since(before).total().as_secs_f64() * 1e3 / options.requests as f64;
        let values = vec![latency.quantile_ms(0.5), latency.quantile_ms(0.95), latency.max_ms(), cpu_ms, GOAL_MS];
        table.add(&format!("{limit} of them, {database:?}"), values);
    }
    server.stop(None)
}

/// User 0 takes part in all rooms, and has read half of the messages in every second one.
fn fill(options: &Conversations, world: &World, fill: Fill) -> Result<()> {
    let Conversations { conversations: rooms, messages, others, .. } = options;
    let (series, user, room) = (fill.series(*rooms), fill.user("0"), fill.id('a', "n"));
    let half = messages / 2;
    let sender = format!("(n % {others} + 1)");
    let statements = [
        fill.rooms(*rooms, *messages, "1 = 0"),
        fill.messages(*rooms, *messages, &sender, "'message number ' || n"),
        fill.participants(*rooms, "0", "n"),
        format!(
            "INSERT INTO read_marks (room_id, user_id, seq) SELECT {room}, {user}, {half} FROM {series} \
             WHERE n % 2 = 0;"
        ),
        format!(
            "INSERT INTO message_mentions (user_id, room_id, seq) SELECT {user}, {room}, {messages} \
             FROM {series} WHERE n % 5 = 0;"
        ),
        // nothing is searched here
        "DELETE FROM search_queue;".to_owned(),
    ];
    fill.run(world, &statements)
}
