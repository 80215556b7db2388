//! Many users connect at once, each with messages that were queued meanwhile: the time until the last one has all of them,
//! in order, and what that costs.

use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Door, Receiver, Swarm};
use crate::contender::Contender;
use crate::fill::Fill;
use crate::options::{Database, Queues};
use crate::postgres::Postgres;
use crate::process::{self, CpuTime};
use crate::report::{Column, Table};
use crate::scenario::{OTHER_DESCRIPTORS, start};
use crate::tag::last_number;
use crate::world::{Layout, World};

/// If nothing arrives for this long, something was lost.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the deletion of what was delivered may take afterwards.
const DELETION_TIMEOUT: Duration = Duration::from_secs(60);
const QUEUE_READS: &str = "convene_queue_reads_total";
/// The goal for the time until all have everything.
const GOAL_SECONDS: f64 = 10.0;

pub fn run(options: &Queues) -> Result<()> {
    let Queues { people, rooms, messages, at_once, .. } = options;
    process::require_descriptors(people + OTHER_DESCRIPTORS)?;
    if !people.is_multiple_of(*rooms) {
        return Err("--people must be a multiple of --rooms".into());
    }
    let title = format!(
        "queues: {people} users of {rooms} conversations connect, {at_once} at once, each with {messages} queued messages"
    );
    let columns = vec![
        Column::new("s until all have them", 2),
        Column::new("s until the queues are empty", 2),
        Column::new("server CPU s", 2),
        Column::new("of it user", 2),
        Column::new("PostgreSQL CPU s", 2),
        Column::new("reads of queues", 0),
        Column::new("goal: s", 0),
    ];
    let mut table = Table::new(title, columns);
    for _ in 0..options.common.reps {
        for &database in &options.databases {
            table.add(&format!("Convene on {database:?}"), measure(options, database)?);
        }
    }
    table.print();
    Ok(())
}

fn measure(options: &Queues, database: Database) -> Result<Vec<f64>> {
    let common = &options.common;
    let postgres = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(Postgres::start()?),
    };
    // the last user is the author of all messages
    let layout = Layout { rooms: 1, members: options.people + 1 };
    let world = World::make(&common.binary, layout, postgres.as_ref().map(Postgres::url))?;
    let sql = Fill::new(database);
    eprintln!("queueing {} messages", options.people * options.messages);
    fill(options, &world, sql)?;
    process::pin_self(&common.generator_cores)?;
    let server = start(Contender::ConveneMessage, common, &world)?;
    let door = |member| Ok(Door { address: server.address, path: world.nexus_path(member)?, greeting: None });
    let doors: Vec<Door> = (0..options.people).map(door).collect::<Result<_>>()?;

    let database_cpu = || postgres.as_ref().map(Postgres::cpu_time).transpose();
    let (mut swarm, mut inboxes) = (Swarm::new()?, Inboxes::new(options));
    let (before, before_database, began) = (server.cpu_time()?, database_cpu()?, Instant::now());
    swarm.join_all(&doors, options.at_once, &mut inboxes)?;
    let mut progress = (inboxes.received, Instant::now());
    while inboxes.received < options.people * options.messages {
        inboxes.require_order()?;
        if inboxes.received > progress.0 {
            progress = (inboxes.received, Instant::now());
        } else if progress.1.elapsed() > PROGRESS_TIMEOUT {
            return Err(
                format!("{} of {} messages arrived", inboxes.received, options.people * options.messages).into()
            );
        }
        swarm.turn(Instant::now() + Duration::from_millis(100), &mut inboxes)?;
    }
    let seconds = began.elapsed().as_secs_f64();
    while sql.count(&world, "user_queue")? > 0 {
        if began.elapsed().as_secs_f64() > seconds + DELETION_TIMEOUT.as_secs_f64() {
            return Err("messages that were delivered are still queued".into());
        }
        swarm.listen_until(Instant::now() + Duration::from_millis(200), &mut inboxes)?;
    }
    let emptied = began.elapsed().as_secs_f64();
    inboxes.require_order()?;
    if inboxes.received > options.people * options.messages {
        return Err(format!("{} messages arrived", inboxes.received).into());
    }
    swarm.require_all_open()?;
    let cpu = server.cpu_time()?.since(before);
    let of_database = database_cpu()?.zip(before_database).map(|(after, before)| after.since(before));
    let reads = server.counter(QUEUE_READS)? as f64;
    server.stop(Some(swarm))?;
    let (total, user) = (cpu.total().as_secs_f64(), cpu.user.as_secs_f64());
    let of_database = of_database.map(CpuTime::total).map_or(f64::NAN, |time| time.as_secs_f64());
    Ok(vec![seconds, emptied, total, user, of_database, reads, GOAL_SECONDS])
}

/// Member `n` takes part in room `n % rooms`.
fn fill(options: &Queues, world: &World, fill: Fill) -> Result<()> {
    let Queues { people, rooms, messages, text_bytes, .. } = options;
    let text = format!("'{:x<1$}'", "", text_bytes);
    let series = fill.series(people * messages);
    let (user, room) = (fill.user(&format!("n % {people}")), fill.id('a', &format!("n % {people} % {rooms}")));
    // the number of the message: those of a room are `room`, `room + rooms` and so on
    let number = format!("(n / {people} * {rooms} + n % {people} % {rooms})");
    let (event, at) = (fill.id('b', &number), fill.time(&number));
    let (free, author) = (fill.time(&format!("0 - {}", crate::fill::BEGINNING_MS)), fill.user(&people.to_string()));
    let payload = format!(
        "'{{\"kind\":\"message_sent\",\"sender\":{{\"id\":\"' || {author} || '\",\"username\":\"' || {author} || '\"}},\
         \"content\":\"' || {text} || '\"}}'"
    );
    let payload = fill.json(&payload);
    let statements = [
        fill.rooms(*rooms, *messages, "1 = 0"),
        fill.messages(*rooms, *messages, &people.to_string(), &text),
        fill.participants(*people, "n", &format!("n % {rooms}")),
        format!(
            "INSERT INTO user_queue (user_id, rank, leased_until, created_at, room_id, seq, event_id, payload) \
             SELECT {user}, 1, {free}, {at}, {room}, n / {people} + 1, {event}, {payload} \
             FROM {series} ORDER BY n;"
        ),
        "DELETE FROM search_queue;".to_owned(),
    ];
    fill.run(world, &statements)
}

/// What each user has received.
struct Inboxes {
    /// The last `seq`.
    last: Vec<u64>,
    received: usize,
    disorder: Option<String>,
}

impl Inboxes {
    fn new(options: &Queues) -> Inboxes {
        Inboxes { last: vec![0; options.people], received: 0, disorder: None }
    }

    fn require_order(&self) -> Result<()> {
        self.disorder.clone().map_or(Ok(()), |sentence| Err(sentence.into()))
    }
}

impl Receiver for Inboxes {
    fn text(&mut self, connection: usize, payload: &[u8], _now: Instant) {
        if !payload.starts_with(b"{\"event_type\":\"chat.message\"") {
            return;
        }
        self.received += 1;
        let seq = last_number(payload, "\"seq\":").unwrap_or_default();
        let last = std::mem::replace(&mut self.last[connection], seq);
        if seq != last + 1 {
            self.disorder = Some(format!("user {connection} received message {seq} after {last}"));
        }
    }
}
