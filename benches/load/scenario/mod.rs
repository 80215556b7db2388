//! One file per scenario. This module has the shared parts: preparing a stage (a server with its rooms and members),
//! and measuring a window.

pub mod canvas;
pub mod cells;
pub mod conversations;
pub mod crowd;
pub mod cursors;
pub mod idle;
pub mod instructions;
pub mod jitter;
pub mod joins;
pub mod movement;
pub mod notify;
pub mod order;
pub mod queues;
pub mod receipts;
pub mod returning;
pub mod rooms;
pub mod search;
pub mod sparse;
pub mod spread;
pub mod stall;
pub mod stored;
pub mod window;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Door, Swarm};
use crate::contender::Contender;
use crate::fanout::Fanout;
use crate::options::Common;
use crate::process;
use crate::report::Column;
use crate::server::Server;
use crate::world::{Layout, World};

/// Handshakes in progress at a time while a stage is prepared. The `joins` scenario has its own option.
const JOINING_AT_ONCE: usize = 64;
/// Descriptors in addition to one per socket.
const OTHER_DESCRIPTORS: usize = 256;
/// A delivery that takes longer than this after the last publication counts as lost.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the announcements of joins to end before a window begins.
const SETTLING: Duration = Duration::from_millis(500);

/// A running server.
pub struct Stage {
    pub server: Server,
    pub swarm: Swarm,
}

impl Stage {
    pub fn end(self) -> Result<()> {
        self.server.stop(Some(self.swarm))
    }
}

/// Prepares a scenario: pins the generator, checks the descriptor limit, and creates a world if Convene takes part.
pub fn prepare(common: &Common, chosen: &[Contender], layout: Layout) -> Result<World> {
    process::require_descriptors(layout.people() + OTHER_DESCRIPTORS)?;
    process::pin_self(&common.generator_cores)?;
    if chosen.iter().any(|contender| contender.is_convene()) {
        World::make(&common.binary, layout, None)
    } else {
        World::empty()
    }
}

/// How all members connect to the server at `address`.
pub fn doors(contender: Contender, world: &World, layout: Layout, address: SocketAddr) -> Result<Vec<Door>> {
    let door = |member| {
        let (path, greeting) = contender.way_in(world, member, layout.room_of(member))?;
        Ok(Door { address, path, greeting })
    };
    (0..layout.people()).map(door).collect()
}

/// Starts the contender on the server cores.
pub fn start(contender: Contender, common: &Common, world: &World) -> Result<Server> {
    let mut command = contender.command(&common.binary, common.workers, world)?;
    command.cores = Some(common.server_cores.clone());
    Server::start(&command)
}

/// Starts the contender and joins every member of the layout to its room. Member `n` is connection `n`.
pub fn stage(contender: Contender, common: &Common, world: &World, layout: Layout) -> Result<Stage> {
    let server = start(contender, common, world)?;
    let mut swarm = Swarm::new()?;
    swarm.join_all(&doors(contender, world, layout, server.address)?, JOINING_AT_ONCE, &mut ())?;
    swarm.listen_until(Instant::now() + SETTLING, &mut ())?;
    Ok(Stage { server, swarm })
}

/// A source of load that can run repeatedly.
pub trait Load {
    fn run(&mut self, swarm: &mut Swarm, fanout: &mut Fanout, until: Instant) -> Result<()>;
}

/// The measured figures of a window.
pub struct Measured {
    deliveries_per_second: f64,
    cpu_us: f64,
    user_us: f64,
    p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    bytes: f64,
    frames_per_read: f64,
}

impl Measured {
    pub fn columns() -> Vec<Column> {
        vec![
            Column::new("deliveries/s", 0),
            Column::new("CPU µs per delivery", 3),
            Column::new("of it user", 3),
            Column::new("p50 ms", 2),
            Column::new("p99 ms", 2),
            Column::new("max ms", 1),
            Column::new("bytes", 0),
            Column::new("frames per read", 1),
            Column::new("deliveries per CPU-second", 0),
        ]
    }

    /// The column by which rows are compared.
    pub const CPU_COLUMN: usize = 1;

    pub fn values(&self) -> Vec<f64> {
        vec![
            self.deliveries_per_second,
            self.cpu_us,
            self.user_us,
            self.p50_ms,
            self.p99_ms,
            self.max_ms,
            self.bytes,
            self.frames_per_read,
            1e6 / self.cpu_us,
        ]
    }
}

/// Warms up, measures one window, and checks that every publication arrived exactly once.
pub fn measure(stage: &mut Stage, fanout: &mut Fanout, load: &mut impl Load, common: &Common) -> Result<Measured> {
    let Stage { server, swarm } = stage;
    load.run(swarm, fanout, Instant::now() + common.warmup())?;

    fanout.begin_window();
    let cpu_before = server.cpu_time()?;
    let reads_before = swarm.reads;
    let began = Instant::now();
    load.run(swarm, fanout, began + common.window())?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = server.cpu_time()?.since(cpu_before);
    let deliveries = fanout.deliveries as f64;
    let measured = Measured {
        deliveries_per_second: deliveries / seconds,
        cpu_us: cpu.total().as_secs_f64() * 1e6 / deliveries,
        user_us: cpu.user.as_secs_f64() * 1e6 / deliveries,
        p50_ms: fanout.latency.quantile_ms(0.5),
        p99_ms: fanout.latency.quantile_ms(0.99),
        max_ms: fanout.latency.max_ms(),
        bytes: fanout.delivered_bytes as f64 / deliveries,
        frames_per_read: deliveries / (swarm.reads - reads_before) as f64,
    };

    complete(swarm, fanout)?;
    if fanout.overtaken > 0 {
        eprintln!("  note: {} times a member published before everybody had its previous message", fanout.overtaken);
    }
    Ok(measured)
}

/// Waits until all deliveries are complete.
pub fn complete(swarm: &mut Swarm, fanout: &mut Fanout) -> Result<()> {
    let deadline = Instant::now() + COMPLETION_TIMEOUT;
    while fanout.missing > 0 && !fanout.refused() && Instant::now() < deadline {
        swarm.turn(deadline, fanout)?;
    }
    swarm.require_all_open()?;
    fanout.require_complete()
}

/// Members publish in a fixed order at an even rate, whatever the server does. A latency counts from the time a message
/// was due, so that a generator blocked by the server does not hide it.
pub struct OpenLoop {
    pub contender: Contender,
    pub text_bytes: usize,
    pub order: Vec<usize>,
    pub interval: Duration,
    next: Instant,
    sent: u64,
}

impl OpenLoop {
    pub fn new(contender: Contender, text_bytes: usize, order: Vec<usize>, per_second: f64) -> Self {
        let interval = Duration::from_secs_f64(1.0 / per_second);
        OpenLoop { contender, text_bytes, order, interval, next: Instant::now(), sent: 0 }
    }

    /// After a pause: does not make up for messages that were due in between.
    pub fn resume(&mut self) {
        self.next = Instant::now();
    }
}

impl Load for OpenLoop {
    fn run(&mut self, swarm: &mut Swarm, fanout: &mut Fanout, until: Instant) -> Result<()> {
        let people = self.order.len() as u64;
        loop {
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            while self.next <= now {
                let publisher = self.order[(self.sent % people) as usize];
                let text = self.contender.compose(publisher, self.sent / people, self.text_bytes);
                fanout.published(publisher, self.next);
                swarm.send(publisher, &text)?;
                self.sent += 1;
                // An exact rhythm would stay in step with the kernel's clock tick, which samples user and system time.
                self.next += self.interval.mul_f64(0.5 + fastrand::f64());
            }
            swarm.turn(self.next.min(until), fanout)?;
        }
    }
}
