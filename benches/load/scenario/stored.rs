//! Stored and acknowledged messages: the throughput of one node when everybody publishes, and the latency of
//! acknowledgements at half of that. The latency counts from the send (saturated) or from the time the message was due
//! (at half the rate).

use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Receiver, Swarm};
use crate::contender::Contender;
use crate::histogram::Histogram;
use crate::options::{Common, Database, Stored};
use crate::postgres::Postgres;
use crate::process;
use crate::report::{Column, Table};
use crate::scenario::{Stage, stage};
use crate::tag::{Sighting, TagReader};
use crate::world::{Layout, World};

/// References in use at a time; they wrap around.
const REFERENCES: usize = 1 << 16;
/// If nothing is acknowledged for this long, something was lost.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(15);

pub fn run(options: &Stored) -> Result<()> {
    let common = &options.common;
    process::require_descriptors(options.senders + 256)?;
    let layout = Layout { rooms: options.rooms, members: options.senders / options.rooms };
    let title = format!(
        "stored: {} senders in {} rooms, {} unacknowledged each",
        layout.people(),
        options.rooms,
        options.depth
    );
    let mut table = Table::new(title, columns());
    for _ in 0..common.reps {
        for &database in &options.databases {
            let values = measure(options, layout, database)?;
            table.add(&format!("Convene on {database:?}"), values);
        }
    }
    table.print();
    Ok(())
}

/// One repetition on one database; both are created for it, because a table that has grown would change the result.
fn measure(options: &Stored, layout: Layout, database: Database) -> Result<Vec<f64>> {
    let common = &options.common;
    // Started before this process is pinned, so that the database may use both cores.
    let postgres = match database {
        Database::Sqlite => None,
        Database::Postgres => Some(Postgres::start()?),
    };
    let world = World::make(&common.binary, layout, postgres.as_ref().map(Postgres::url))?;
    let mut stage = stage(Contender::ConveneMessage, common, &world, layout)?;
    let text_bytes = options.text_bytes;
    let message = move |_sender, reference| {
        format!(r#"{{"type":"message","ref":{reference},"content":"{:x<1$}"}}"#, "", text_bytes)
    };
    let mut senders = Senders::new(layout.people(), message);
    let values = senders.measure(&mut stage, common, options.depth)?;
    stage.end()?;
    Ok(values)
}

/// The columns of [`Senders::measure`].
pub fn columns() -> Vec<Column> {
    vec![
        Column::new("acknowledged/s", 0),
        Column::new("p50 ms", 1),
        Column::new("p99 ms", 1),
        Column::new("max ms", 1),
        Column::new("server CPU µs per message", 1),
        Column::new("half: sent/s", 0),
        Column::new("half: p50 ms", 1),
        Column::new("half: p99 ms", 1),
        Column::new("half: max ms", 1),
    ]
}

#[derive(Clone, Copy)]
struct Pending {
    since: Instant,
    sender: usize,
    open: bool,
}

/// The senders, and the acknowledgements that they wait for.
pub struct Senders {
    /// Composes the message of a sender with a reference.
    compose: Box<dyn Fn(usize, usize) -> String>,
    people: usize,
    acks: Acks,
    next_reference: usize,
    started: bool,
}

pub struct Acks {
    tags: TagReader,
    pending: Vec<Pending>,
    open: usize,
    /// Senders whose message was just acknowledged.
    ready: Vec<usize>,
    acknowledged: u64,
    latency: Histogram,
    refusal: Option<String>,
}

impl std::ops::Deref for Senders {
    type Target = Acks;

    fn deref(&self) -> &Acks {
        &self.acks
    }
}

impl Senders {
    pub fn new(people: usize, compose: impl Fn(usize, usize) -> String + 'static) -> Self {
        let acks = Acks {
            tags: TagReader::new("\"type\":\"ack\"", "\"ref\":"),
            pending: vec![Pending { since: Instant::now(), sender: 0, open: false }; REFERENCES],
            open: 0,
            ready: Vec::new(),
            acknowledged: 0,
            latency: Histogram::default(),
            refusal: None,
        };
        Senders { compose: Box::new(compose), people, acks, next_reference: 0, started: false }
    }

    /// Saturates the server, then applies half of the rate it reached.
    pub fn measure(&mut self, stage: &mut Stage, common: &Common, depth: usize) -> Result<Vec<f64>> {
        let Stage { server, swarm } = stage;
        self.saturate(swarm, depth, Instant::now() + common.warmup())?;
        self.begin_window();
        let (cpu_before, began) = (server.cpu_time()?, Instant::now());
        self.saturate(swarm, depth, began + common.window())?;
        let seconds = began.elapsed().as_secs_f64();
        let cpu = server.cpu_time()?.since(cpu_before).total();
        let per_second = self.acknowledged as f64 / seconds;
        let mut values = vec![per_second];
        values.extend(self.latencies());
        values.push(cpu.as_secs_f64() * 1e6 / self.acknowledged as f64);

        self.complete(swarm)?;
        self.begin_window();
        let began = Instant::now();
        self.pace(swarm, per_second / 2.0, common.window())?;
        values.push(self.acknowledged as f64 / began.elapsed().as_secs_f64());
        values.extend(self.latencies());
        self.complete(swarm)?;
        Ok(values)
    }

    pub fn begin_window(&mut self) {
        self.acks.acknowledged = 0;
        self.acks.latency.clear();
    }

    pub fn latencies(&self) -> [f64; 3] {
        [self.latency.quantile_ms(0.5), self.latency.quantile_ms(0.99), self.latency.max_ms()]
    }

    pub fn send(&mut self, swarm: &mut Swarm, sender: usize, since: Instant) -> Result<()> {
        let reference = self.next_reference;
        let pending = &mut self.acks.pending[reference];
        if pending.open {
            return Err(format!("{REFERENCES} messages are unacknowledged").into());
        }
        *pending = Pending { since, sender, open: true };
        self.acks.open += 1;
        self.next_reference = (reference + 1) % REFERENCES;
        let text = (self.compose)(sender, reference);
        swarm.send(sender, text.as_bytes())
    }

    /// Keeps `depth` messages of every sender unacknowledged.
    fn saturate(&mut self, swarm: &mut Swarm, depth: usize, until: Instant) -> Result<()> {
        if !self.started {
            self.started = true;
            for turn in 0..depth * self.people {
                self.send(swarm, turn % self.people, Instant::now())?;
            }
        }
        let mut progress = Instant::now();
        let mut ready = Vec::new();
        while Instant::now() < until {
            swarm.turn(until, &mut self.acks)?;
            self.require_accepted(swarm)?;
            std::mem::swap(&mut ready, &mut self.acks.ready);
            if !ready.is_empty() {
                progress = Instant::now();
            } else if progress.elapsed() > PROGRESS_TIMEOUT {
                return Err(format!("{} messages are not acknowledged", self.open).into());
            }
            for sender in ready.drain(..) {
                self.send(swarm, sender, Instant::now())?;
            }
        }
        Ok(())
    }

    /// The senders publish in turn at an even rate; ticks of a millisecond leave the core to the database in between.
    fn pace(&mut self, swarm: &mut Swarm, per_second: f64, length: Duration) -> Result<()> {
        let began = Instant::now();
        let mut sent: u64 = 0;
        while began.elapsed() < length {
            let due = (began.elapsed().as_secs_f64() * per_second) as u64;
            while sent < due {
                let since = began + Duration::from_secs_f64(sent as f64 / per_second);
                self.send(swarm, (sent % self.people as u64) as usize, since)?;
                sent += 1;
            }
            swarm.turn(Instant::now() + Duration::from_millis(1), &mut self.acks)?;
            self.require_accepted(swarm)?;
        }
        Ok(())
    }

    /// Waits for the outstanding acknowledgements.
    pub fn complete(&mut self, swarm: &mut Swarm) -> Result<()> {
        let deadline = Instant::now() + PROGRESS_TIMEOUT;
        while self.open > 0 {
            if Instant::now() > deadline {
                return Err(format!("{} messages were never acknowledged", self.open).into());
            }
            swarm.turn(deadline, &mut self.acks)?;
            self.require_accepted(swarm)?;
        }
        self.acks.ready.clear();
        Ok(())
    }

    fn require_accepted(&self, swarm: &Swarm) -> Result<()> {
        swarm.require_all_open()?;
        match &self.refusal {
            Some(refusal) => Err(format!("the server refused a message: {refusal}").into()),
            None => Ok(()),
        }
    }
}

impl Receiver for Acks {
    fn text(&mut self, _connection: usize, payload: &[u8], now: Instant) {
        let reference = match self.tags.read(payload) {
            Sighting::Number(reference) => reference as usize,
            Sighting::Refusal => return self.refusal = Some(String::from_utf8_lossy(payload).into_owned()),
            Sighting::Other => return,
        };
        let Some(pending) = self.pending.get_mut(reference).filter(|pending| pending.open) else {
            return self.refusal = Some(format!("an unexpected acknowledgement: ref {reference}"));
        };
        pending.open = false;
        self.open -= 1;
        self.acknowledged += 1;
        self.latency.record(now.saturating_duration_since(pending.since));
        self.ready.push(pending.sender);
    }
}
