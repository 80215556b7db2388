//! One notification to everybody who is online: the time from the request until the last user has received it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Result;
use crate::client::{Door, Receiver, Swarm};
use crate::contender::Contender;
use crate::options::{Database, Notify};
use crate::postgres::Postgres;
use crate::process;
use crate::report::{Column, Table};
use crate::scenario::{JOINING_AT_ONCE, OTHER_DESCRIPTORS, SETTLING, start};
use crate::world::{Layout, World};

/// If nothing arrives for this long, something was lost.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(10);
/// The goal for the time until the last user has it.
const GOAL_SECONDS: f64 = 0.5;

pub fn run(options: &Notify) -> Result<()> {
    let Notify { people, notifications, .. } = options;
    process::require_descriptors(people + OTHER_DESCRIPTORS)?;
    let title = format!("notify: {notifications} notifications, one after the other, to {people} users who are online");
    let columns = vec![
        Column::new("s until all have it", 3),
        Column::new("s until the request is answered", 3),
        Column::new("server CPU µs per user", 1),
        Column::new("PostgreSQL CPU µs per user", 1),
        Column::new("goal: s", 1),
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

fn measure(options: &Notify, database: Database, table: &mut Table) -> Result<()> {
    let common = &options.common;
    let postgres = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(Postgres::start()?),
    };
    let layout = Layout { rooms: 1, members: options.people };
    let world = World::make(&common.binary, layout, postgres.as_ref().map(Postgres::url))?;
    process::pin_self(&common.generator_cores)?;
    let server = start(Contender::ConveneMessage, common, &world)?;
    let door = |member| Ok(Door { address: server.address, path: world.nexus_path(member)?, greeting: None });
    let doors: Vec<Door> = (0..options.people).map(door).collect::<Result<_>>()?;
    let (mut swarm, mut inboxes) = (Swarm::new()?, Inboxes { of: vec![0; options.people], received: 0 });
    swarm.join_all(&doors, JOINING_AT_ONCE, &mut inboxes)?;
    swarm.listen_until(Instant::now() + SETTLING, &mut inboxes)?;

    let cpu_of_database = || postgres.as_ref().map(Postgres::cpu_time).transpose();
    for number in 1..=options.notifications {
        let (before, before_database, began) = (server.cpu_time()?, cpu_of_database()?, Instant::now());
        let url = format!("http://{}/api/notifications/broadcast", server.address);
        let request = broadcast(url, world.admin_token()?);
        let mut progress = (inboxes.received, Instant::now());
        while inboxes.received < number * options.people {
            if inboxes.received > progress.0 {
                progress = (inboxes.received, Instant::now());
            } else if progress.1.elapsed() > PROGRESS_TIMEOUT {
                return Err(format!("{} of {} users have received it", inboxes.received, options.people).into());
            }
            swarm.turn(Instant::now() + Duration::from_millis(5), &mut inboxes)?;
        }
        let delivered = began.elapsed().as_secs_f64();
        let answered = request.join().map_err(|_| "the request panicked")??.as_secs_f64();
        // What was delivered is then removed from the queues.
        swarm.listen_until(Instant::now() + SETTLING * 4, &mut inboxes)?;
        if inboxes.of.iter().any(|count| *count != number) {
            return Err("a user has received a notification twice".into());
        }
        let us = |time: Duration| time.as_secs_f64() * 1e6 / options.people as f64;
        let of_database = cpu_of_database()?.zip(before_database).map(|(after, before)| after.since(before));
        let of_database = of_database.map_or(f64::NAN, |time| us(time.total()));
        let cpu = us(server.cpu_time()?.since(before).total());
        table.add(&format!("Convene on {database:?}"), vec![delivered, answered, cpu, of_database, GOAL_SECONDS]);
    }
    swarm.require_all_open()?;
    server.stop(Some(swarm))
}

/// Sends the request from a thread of its own. Returns how long it took.
fn broadcast(url: String, token: String) -> std::thread::JoinHandle<std::result::Result<Duration, String>> {
    std::thread::spawn(move || {
        let body: Value =
            json!({ "title": "Maintenance", "message": "The server restarts at noon", "priority": "normal" });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        let began = Instant::now();
        runtime.block_on(async {
            let response = reqwest::Client::new().post(url).bearer_auth(token).json(&body).send().await;
            let response = response.map_err(|error| error.to_string())?;
            let (status, answer) = (response.status(), response.text().await.map_err(|error| error.to_string())?);
            if status.is_success() { Ok(began.elapsed()) } else { Err(format!("{status} {answer}")) }
        })
    })
}

/// How many notifications each user has received.
struct Inboxes {
    of: Vec<usize>,
    received: usize,
}

impl Receiver for Inboxes {
    fn text(&mut self, connection: usize, payload: &[u8], _now: Instant) {
        if payload.starts_with(b"{\"event_type\":\"notification\"") {
            self.of[connection] += 1;
            self.received += 1;
        }
    }
}
