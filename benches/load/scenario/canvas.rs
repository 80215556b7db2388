//! One canvas on which everybody creates, edits and likes tiles, each of which is stored and sent to all others; and a canvas
//! with many tiles, of which regions are read.
//!
//! A latency counts from the time a change was due until its acknowledgement. Every change must be acknowledged.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Door, Receiver, Swarm};
use crate::contender::Contender;
use crate::fill::Fill;
use crate::histogram::Histogram;
use crate::options::{Canvas, Database};
use crate::postgres::Postgres;
use crate::process;
use crate::report::{Column, Table};
use crate::rest::Caller;
use crate::scenario::{COMPLETION_TIMEOUT, JOINING_AT_ONCE, OTHER_DESCRIPTORS, SETTLING, start};
use crate::server::Server;
use crate::world::{Layout, World};

/// The highest canvas, so that everybody has places for a long run.
const HEIGHT: usize = 1_000_000;
/// Tiles in a row of the large canvas.
const ROW: usize = 400;
/// Sides of the regions that are read: a screen, and as many tiles as one answer may have.
const REGIONS: [(&str, usize, usize); 2] = [("40 x 25 tiles", 40, 25), ("100 x 100 tiles", 100, 100)];
/// Requests of each kind before the measured ones.
const WARMUP: usize = 10;
/// The goal for the 95th percentile of a region.
const GOAL_MS: f64 = 20.0;

pub fn run(options: &Canvas) -> Result<()> {
    let Canvas { people, rate, tiles, .. } = options;
    process::require_descriptors(people + OTHER_DESCRIPTORS)?;
    let mut changes =
        Table::new(format!("canvas: {people} people, {rate} changes of tiles per second"), change_columns());
    let columns = ["p50 ms", "p95 ms", "max ms"]
        .map(|heading| Column::new(heading, 1))
        .into_iter()
        .chain([Column::new("goal for p95: ms", 0)]);
    let mut regions = Table::new(format!("regions of a canvas with {tiles} tiles"), columns.collect());
    for _ in 0..options.common.reps {
        for &database in &options.databases {
            // started before this process is pinned, so that the database may use both cores
            let postgres = match database {
                Database::Sqlite => None,
                Database::Postgres => Some(Postgres::start()?),
            };
            let layout = Layout { rooms: 1, members: *people };
            let world = World::make(&options.common.binary, layout, postgres.as_ref().map(Postgres::url))?;
            process::pin_self(&options.common.generator_cores)?;
            changes.add(&format!("Convene on {database:?}"), measure_changes(options, &world)?);
            measure_regions(options, &world, database, &mut regions)?;
        }
    }
    changes.print();
    regions.print();
    Ok(())
}

fn change_columns() -> Vec<Column> {
    vec![
        Column::new("changes/s", 0),
        Column::new("deliveries/s", 0),
        Column::new("CPU ms/s", 0),
        Column::new("of it user", 0),
        Column::new("ack p50 ms", 1),
        Column::new("ack p95 ms", 1),
        Column::new("ack p99 ms", 1),
        Column::new("ack max ms", 0),
    ]
}

fn measure_changes(options: &Canvas, world: &World) -> Result<Vec<f64>> {
    let Canvas { common, people, .. } = options;
    let server = start(Contender::ConveneCells, common, world)?;
    let canvas = world.make_canvas(server.address, *people, HEIGHT)?;
    let door = |member| Ok(Door { address: server.address, path: world.canvas_path(member, canvas)?, greeting: None });
    let doors: Vec<Door> = (0..*people).map(door).collect::<Result<_>>()?;
    let mut swarm = Swarm::new()?;
    swarm.join_all(&doors, JOINING_AT_ONCE, &mut ())?;
    swarm.listen_until(Instant::now() + SETTLING, &mut ())?;
    let mut crowd = Crowd::new(options);
    crowd.run(&mut swarm, Instant::now() + common.warmup())?;
    crowd.answers.begin_window();
    let (before, began, sent) = (server.cpu_time()?, Instant::now(), crowd.sent);
    crowd.run(&mut swarm, began + common.window())?;
    let seconds = began.elapsed().as_secs_f64();
    let (cpu, deliveries) = (server.cpu_time()?.since(before), crowd.answers.deliveries as f64);
    let changes = (crowd.sent - sent) as f64;
    crowd.complete(&mut swarm)?;
    swarm.require_all_open()?;
    let latency = &crowd.answers.latency;
    let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| latency.quantile_ms(share));
    let (total, user) = (cpu.total().as_secs_f64() * 1e3 / seconds, cpu.user.as_secs_f64() * 1e3 / seconds);
    let values = vec![changes / seconds, deliveries / seconds, total, user, p50, p95, p99, latency.max_ms()];
    server.stop(Some(swarm))?;
    Ok(values)
}

/// The people of a canvas, who change tiles in turn, evenly spread over time.
struct Crowd {
    people: usize,
    between: Duration,
    text: String,
    next: Instant,
    sent: usize,
    /// Tiles that each has created.
    created: Vec<usize>,
    answers: Answers,
}

impl Crowd {
    fn new(options: &Canvas) -> Crowd {
        Crowd {
            people: options.people,
            between: Duration::from_secs_f64(1.0 / options.rate),
            text: "x".repeat(options.text_bytes),
            next: Instant::now(),
            sent: 0,
            created: vec![0; options.people],
            answers: Answers::new(options.people),
        }
    }

    fn run(&mut self, swarm: &mut Swarm, until: Instant) -> Result<()> {
        while self.next < until {
            while self.next <= Instant::now() {
                let member = self.sent % self.people;
                let (kind, message) = self.compose(member);
                self.answers.due.insert(self.sent, (self.next, kind));
                swarm.send(member, message.as_bytes())?;
                self.sent += 1;
                self.next += self.between;
            }
            swarm.turn(self.next.min(until), &mut self.answers)?;
            self.answers.require_accepted()?;
        }
        Ok(())
    }

    /// Everybody creates a tile, then edits it, then likes the newest tile of the next one.
    fn compose(&mut self, member: usize) -> (Change, String) {
        let (reference, text) = (self.sent, &self.text);
        let own = self.answers.newest.get(member).copied().flatten();
        let liked = self.answers.newest.get((member + 1) % self.people).copied().flatten();
        match (self.sent / self.people % 3, own, liked) {
            (1, Some(tile), _) => {
                let content = format!("{text}{reference}");
                let message =
                    format!(r#"{{"type":"tile_update","ref":{reference},"tile_id":{tile},"content":"{content}"}}"#);
                (Change::Other, message)
            }
            (2, _, Some(tile)) => {
                (Change::Other, format!(r#"{{"type":"tile_like","ref":{reference},"tile_id":{tile}}}"#))
            }
            (_, _, _) => {
                let y = self.created.get(member).copied().unwrap_or_default();
                if let Some(created) = self.created.get_mut(member) {
                    *created += 1;
                }
                let place = format!(r#""x":{member},"y":{y}"#);
                (Change::Creation, format!(r#"{{"type":"tile_create","ref":{reference},{place},"content":"{text}"}}"#))
            }
        }
    }

    /// Waits until every change is acknowledged.
    fn complete(&mut self, swarm: &mut Swarm) -> Result<()> {
        let deadline = Instant::now() + COMPLETION_TIMEOUT;
        while !self.answers.due.is_empty() && Instant::now() < deadline {
            swarm.turn(deadline, &mut self.answers)?;
        }
        self.answers.require_accepted()?;
        match self.answers.due.len() {
            0 => Ok(()),
            missing => Err(format!("{missing} changes were not acknowledged").into()),
        }
    }
}

/// What a change of a tile is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Creation,
    Other,
}

/// What the people receive.
struct Answers {
    /// When each change was due that is not acknowledged, by its reference.
    due: HashMap<usize, (Instant, Change)>,
    /// The newest tile of each.
    newest: Vec<Option<u64>>,
    latency: Histogram,
    deliveries: u64,
    refused: Option<String>,
}

impl Answers {
    fn new(people: usize) -> Answers {
        let (due, newest) = (HashMap::new(), vec![None; people]);
        Answers { due, newest, latency: Histogram::default(), deliveries: 0, refused: None }
    }

    fn begin_window(&mut self) {
        self.latency.clear();
        self.deliveries = 0;
    }

    fn require_accepted(&self) -> Result<()> {
        self.refused.as_ref().map_or(Ok(()), |refused| Err(refused.clone().into()))
    }
}

impl Receiver for Answers {
    fn text(&mut self, connection: usize, payload: &[u8], now: Instant) {
        if payload.starts_with(br#"{"type":"tile_"#) {
            self.deliveries += 1;
        } else if payload.starts_with(br#"{"type":"ack""#) {
            let text = String::from_utf8_lossy(payload);
            let number = |name: &str| {
                let (_, rest) = text.split_once(name)?;
                rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
            };
            let due = number("\"ref\":").and_then(|reference| self.due.remove(&(reference as usize)));
            let Some((due, change)) = due else { return };
            self.latency.record(now.saturating_duration_since(due));
            if change == Change::Creation
                && let Some(newest) = self.newest.get_mut(connection)
            {
                *newest = number("\"tile_id\":");
            }
        } else if payload.starts_with(br#"{"type":"error""#) {
            self.refused.get_or_insert_with(|| String::from_utf8_lossy(payload).into_owned());
        }
    }
}

fn measure_regions(options: &Canvas, world: &World, database: Database, table: &mut Table) -> Result<()> {
    let height = options.tiles.div_ceil(ROW);
    let server = start(Contender::ConveneCells, &options.common, world)?;
    let canvas = world.make_canvas(server.address, ROW, height)?;
    server.stop(None)?;
    let fill = Fill::new(database);
    let (series, at) = (fill.series(options.tiles), fill.time("n"));
    let tiles = format!(
        "INSERT INTO tiles (canvas_id, x, y, content, version, likes, creator, created_at, updated_at) \
         SELECT {canvas}, n % {ROW}, n / {ROW}, 'tile number ' || n, 1, 0, 1, {at}, {at} FROM {series};"
    );
    fill.run(world, &[tiles])?;
    let server: Server = start(Contender::ConveneCells, &options.common, world)?;
    let caller = Caller::new(server.address, 0)?;
    for (name, across, down) in REGIONS {
        let (across, down) = (across.min(ROW), down.min(height));
        let path = |n: usize| {
            let (x, y) = (n * 7_919 % (ROW - across + 1), n * 104_729 % (height - down + 1));
            let (x1, y1) = (x + across - 1, y + down - 1);
            format!("/api/v1/canvases/{canvas}/tiles?x0={x}&y0={y}&x1={x1}&y1={y1}")
        };
        caller.time((0..WARMUP).map(path), |_| Ok(()))?;
        let whole = (across * down).min(options.tiles);
        let latency = caller.time((WARMUP..WARMUP + options.regions).map(path), |page| {
            let count = page["tiles"].as_array().map_or(0, Vec::len);
            // the last row may be incomplete
            if count > 0 && count + across > whole { Ok(()) } else { Err(format!("{count} of {whole} tiles").into()) }
        })?;
        let [p50, p95] = [0.5, 0.95].map(|share| latency.quantile_ms(share));
        table.add(&format!("{name}, {database:?}"), vec![p50, p95, latency.max_ms(), GOAL_MS]);
    }
    server.stop(None)
}
