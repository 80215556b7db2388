//! The effect of one client that never reads on the others and on the server's memory, and how long the server
//! tolerates it.
//!
//! The same load runs twice on one server: first without that client, then with it.

use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Door, Swarm};
use crate::contender::Contender;
use crate::fanout::Fanout;
use crate::options::Stall;
use crate::report::{Column, Table};
use crate::scenario::{Load, Measured, OpenLoop, Stage, complete, measure, prepare, stage};
use crate::world::{Layout, World};

/// The kernel buffer of the client that never reads. Small, so that the server has to buffer.
const RECEIVE_BUFFER_BYTES: usize = 16 * 1024;
/// How often its socket is checked.
const SLICE: Duration = Duration::from_millis(50);
/// Longer than any server should tolerate the client.
const WITH_STALL: Duration = Duration::from_secs(30);

pub fn run(options: &Stall) -> Result<()> {
    let common = &options.common;
    let chosen = common.chosen(&[Contender::ConveneMessage, Contender::ActixWebActors, Contender::NpmWs]);
    // The client that never reads has an account, but joins the room only later.
    let layout = Layout { rooms: 1, members: options.members };
    let world = prepare(common, &chosen, Layout { rooms: 1, members: options.members + 1 })?;
    let columns = vec![
        Column::new("p99 ms without", 2),
        Column::new("p99 ms with", 2),
        Column::new("max ms without", 1),
        Column::new("max ms with", 1),
        Column::new("cut, s after its last progress", 1),
        Column::new("cut, s after it stopped reading", 1),
        Column::new("RSS before, MiB", 1),
        Column::new("RSS highest, MiB", 1),
        Column::new("RSS after, MiB", 1),
    ];
    let title = format!(
        "stall: 1 room × {} and one that never reads, {} messages/s of {} bytes (– = not cut in {} s)",
        options.members,
        options.rate,
        options.text_bytes,
        WITH_STALL.as_secs()
    );
    let mut table = Table::new(title, columns);
    for _ in 0..common.reps {
        for &contender in &chosen {
            let mut stage = stage(contender, common, &world, layout)?;
            let values = with_and_without(options, contender, &world, &mut stage)?;
            table.add(contender.name(), values);
            stage.end()?;
        }
    }
    table.print();
    Ok(())
}

fn with_and_without(options: &Stall, contender: Contender, world: &World, stage: &mut Stage) -> Result<Vec<f64>> {
    let mut fanout = Fanout::new(contender, options.members, options.members);
    let mut load = OpenLoop::new(contender, options.text_bytes, (0..options.members).collect(), options.rate);
    let without: Measured = measure(stage, &mut fanout, &mut load, &options.common)?;

    let Stage { server, swarm } = stage;
    let before = server.resident_bytes()?;
    let (path, greeting) = contender.way_in(world, options.members, 0)?;
    let door = Door { address: server.address, path, greeting };
    let deaf = swarm.join_with_receive_buffer(&door, RECEIVE_BUFFER_BYTES, &mut ())?;
    swarm.make_deaf(deaf);
    let mut stalled = Stalled::new(deaf);
    let mut highest = before;
    fanout.begin_window();
    load.resume();
    while stalled.since.elapsed() < WITH_STALL {
        let until = Instant::now() + SLICE;
        load.run(swarm, &mut fanout, until)?;
        stalled.look(swarm, &fanout);
        highest = highest.max(server.resident_bytes()?);
    }
    let values = vec![
        without.p99_ms,
        fanout.latency.quantile_ms(0.99),
        without.max_ms,
        fanout.latency.max_ms(),
        stalled.after(stalled.last_progress),
        stalled.after(stalled.since),
        mib(before),
        mib(highest),
        mib(server.resident_bytes()?),
    ];
    complete(swarm, &mut fanout)?;
    Ok(values)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

/// The client that never reads, observed from outside: the bytes in its kernel buffer, and when it is disconnected.
struct Stalled {
    connection: usize,
    since: Instant,
    waiting_bytes: usize,
    last_progress: Instant,
    gone_at: Option<Instant>,
}

impl Stalled {
    fn new(connection: usize) -> Self {
        let now = Instant::now();
        Stalled { connection, since: now, waiting_bytes: 0, last_progress: now, gone_at: None }
    }

    fn look(&mut self, swarm: &mut Swarm, fanout: &Fanout) {
        let now = Instant::now();
        let waiting_bytes = swarm.waiting_bytes(self.connection);
        if let Some(bytes) = waiting_bytes.filter(|bytes| *bytes > self.waiting_bytes) {
            self.waiting_bytes = bytes;
            self.last_progress = now;
        }
        // The server notifies the room, resets the connection, or both.
        let gone_at = fanout.departed_at.or(waiting_bytes.is_none().then_some(now));
        self.gone_at = self.gone_at.or(gone_at);
    }

    /// Seconds from `moment` to the disconnect.
    fn after(&self, moment: Instant) -> f64 {
        self.gone_at.map_or(f64::NAN, |gone| gone.saturating_duration_since(moment).as_secs_f64())
    }
}
