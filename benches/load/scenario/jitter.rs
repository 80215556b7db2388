//! Clients with unreliable connections: each is disconnected without a close frame repeatedly and reconnects a moment
//! later, while writers continue. Every client must receive every message once and in order, or the run fails.
//!
//! On one node, and on three of which one is killed half way and its clients reconnect to the others.

use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Door, Swarm};
use crate::cluster::Cluster;
use crate::contender::Contender;
use crate::options::Jitter;
use crate::process::{self, CpuTime};
use crate::report::{Column, Table};
use crate::returns::Returns;
use crate::scenario::{JOINING_AT_ONCE, OTHER_DESCRIPTORS, SETTLING, start};
use crate::server::Server;
use crate::world::{Layout, World};

/// How long the last clients may take to become current after the last message.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(20);
const TURN: Duration = Duration::from_millis(5);
/// The clients are disconnected at the same moments in each run.
const SEED: u64 = 15;

/// Where the rooms run.
#[expect(clippy::large_enum_variant, reason = "there is one")]
enum Place {
    OneNode(World),
    Nodes(Cluster),
}

pub fn run(options: &Jitter) -> Result<()> {
    let common = &options.common;
    let layout = layout(options)?;
    process::require_descriptors(layout.people() + OTHER_DESCRIPTORS)?;
    let mut places = Vec::new();
    for &nodes in &options.nodes {
        let place = match nodes {
            1 => Place::OneNode(World::make(&common.binary, layout, None)?),
            _ => Place::Nodes(Cluster::make(common, layout)?),
        };
        places.push((nodes, place));
    }
    process::pin_self(&common.generator_cores)?;
    let title = format!(
        "jitter: {} clients in {} rooms, each cut every {} s for {} s, {} messages a room",
        options.clients, options.rooms, options.every_seconds, options.away_seconds, options.messages
    );
    let columns = vec![
        Column::new("% once and in order", 2),
        Column::new("CPU s of the nodes", 1),
        Column::new("of it user", 1),
        Column::new("frames per message delivered", 2),
        Column::new("returns", 0),
        Column::new("p50 ms of one", 1),
        Column::new("p99 ms of one", 1),
    ];
    let mut table = Table::new(title, columns);
    for _ in 0..common.reps {
        for (nodes, place) in &places {
            let mut play = Play::begin(options, layout, place, *nodes)?;
            let values = play.measure()?;
            play.end()?;
            let name = if *nodes == 1 { "one node".to_owned() } else { format!("{nodes} nodes, one killed") };
            table.add(&name, values);
        }
    }
    table.print();
    Ok(())
}

/// The last member of each room is its writer, whose connection stays up.
fn layout(options: &Jitter) -> Result<Layout> {
    if options.rooms == 0 || !options.clients.is_multiple_of(options.rooms) {
        return Err("--clients must be a multiple of --rooms".into());
    }
    Ok(Layout { rooms: options.rooms, members: options.clients / options.rooms + 1 })
}

/// One repetition. Member `n` is connection `n`.
struct Play<'a> {
    options: &'a Jitter,
    layout: Layout,
    place: &'a Place,
    /// Writers use the first node; the last one is killed.
    nodes: Vec<Server>,
    /// The last node is killed when this many nodes are left.
    killed_at: usize,
    /// CPU time of killed nodes.
    gone: CpuTime,
    swarm: Swarm,
    returns: Returns,
    /// When the client is disconnected next, and when it reconnects if it is disconnected.
    lines: Vec<(Instant, Option<Instant>)>,
    random: fastrand::Rng,
}

impl<'a> Play<'a> {
    fn begin(options: &'a Jitter, layout: Layout, place: &'a Place, nodes: usize) -> Result<Play<'a>> {
        let common = &options.common;
        let node = |number: usize| match place {
            Place::OneNode(world) => start(Contender::ConveneMessage, common, world),
            Place::Nodes(cluster) => cluster.node(common, &format!("n{number}"), &common.server_cores),
        };
        let nodes = (0..nodes).map(node).collect::<Result<Vec<_>>>()?;
        let killed_at = if nodes.len() > 1 { nodes.len() } else { usize::MAX };
        let mut play = Play {
            killed_at,
            options,
            layout,
            place,
            nodes,
            gone: CpuTime::default(),
            swarm: Swarm::new()?,
            returns: Returns::new(layout.people()),
            lines: Vec::new(),
            random: fastrand::Rng::with_seed(SEED),
        };
        let doors = (0..layout.people()).map(|member| play.door(member, member)).collect::<Result<Vec<_>>>()?;
        play.swarm.join_all(&doors, JOINING_AT_ONCE, &mut play.returns)?;
        play.swarm.listen_until(Instant::now() + SETTLING, &mut play.returns)?;
        play.swarm.forgive_failed_handshakes();
        Ok(play)
    }

    fn is_writer(&self, member: usize) -> bool {
        member % self.layout.members == self.layout.members - 1
    }

    /// How a member connects; `number` selects the node. Writers always use the first node.
    fn door(&self, member: usize, number: usize) -> Result<Door> {
        let at = if self.is_writer(member) { 0 } else { number % self.nodes.len() };
        let room = self.layout.room_of(member);
        match self.place {
            Place::OneNode(world) => {
                Ok(Door { address: self.nodes[at].address, path: world.path(member, room)?, greeting: None })
            }
            Place::Nodes(cluster) => cluster.door(&self.nodes[at], member, room),
        }
    }

    fn cpu(&self) -> Result<CpuTime> {
        let mut total = self.gone;
        for node in &self.nodes {
            total = total.plus(node.cpu_time()?);
        }
        Ok(total)
    }

    fn measure(&mut self) -> Result<Vec<f64>> {
        let (before, starts) = (self.cpu()?, self.heads());
        self.returns.begin();
        let returned_before = self.returns.current;
        self.talk()?;
        self.catch_up(&starts)?;
        let cpu = self.cpu()?.since(before);
        let delivered = (self.layout.people() * self.options.messages) as f64;
        Ok(vec![
            100.0, // otherwise the run has failed
            cpu.total().as_secs_f64(),
            cpu.user.as_secs_f64(),
            self.returns.frames as f64 / delivered,
            (self.returns.current - returned_before) as f64,
            self.returns.latency.quantile_ms(0.5),
            self.returns.latency.quantile_ms(0.99),
        ])
    }

    /// The position of each room's writer.
    fn heads(&self) -> Vec<u64> {
        let writer = |room| (room + 1) * self.layout.members - 1;
        (0..self.layout.rooms).map(|room| self.returns.seen(writer(room))).collect()
    }

    /// The writers publish at an even rate while connections break.
    fn talk(&mut self) -> Result<()> {
        let (began, every) = (Instant::now(), Duration::from_secs_f64(self.options.every_seconds));
        self.lines = (0..self.layout.people()).map(|_| (began + every.mul_f64(self.random.f64()), None)).collect();
        let total = self.options.messages * self.layout.rooms;
        let interval = Duration::from_secs_f64(self.options.talk_seconds) / u32::try_from(total)?;
        let text = format!(r#"{{"type":"message","content":"{:x<1$}"}}"#, "", self.options.text_bytes);
        let mut sent = 0;
        while sent < total {
            let now = Instant::now();
            while sent < total && began + interval * u32::try_from(sent)? <= now {
                let writer = (sent % self.layout.rooms + 1) * self.layout.members - 1;
                self.swarm.send(writer, text.as_bytes())?;
                sent += 1;
            }
            if sent >= total / 2 && self.nodes.len() == self.killed_at {
                self.kill_one()?;
            }
            self.cut(now, every)?;
            self.bring_back(now)?;
            self.swarm.turn(now + TURN, &mut self.returns)?;
            self.returns.require_right()?;
        }
        Ok(())
    }

    fn kill_one(&mut self) -> Result<()> {
        let Some(doomed) = self.nodes.pop() else { return Ok(()) };
        self.gone = doomed.cpu_time()?;
        doomed.kill()
    }

    fn cut(&mut self, now: Instant, every: Duration) -> Result<()> {
        let away = Duration::from_secs_f64(self.options.away_seconds);
        for member in 0..self.layout.people() {
            if self.is_writer(member) {
                continue;
            }
            let (next, back) = &mut self.lines[member];
            if back.is_some() {
                continue;
            }
            if *next <= now || self.swarm.is_closed(member) {
                self.swarm.cut(member)?;
                *next = now + every;
                *back = Some(now + away);
            }
        }
        Ok(())
    }

    fn bring_back(&mut self, now: Instant) -> Result<()> {
        for member in 0..self.layout.people() {
            if self.lines[member].1.take_if(|back| *back <= now).is_some() {
                let number = self.random.usize(..);
                let mut door = self.door(member, number)?;
                door.path += &format!("&since={}&epoch={}", self.returns.seen(member), self.returns.epoch(member));
                self.returns.expect(member);
                self.swarm.reopen(member, &door)?;
            }
        }
        Ok(())
    }

    /// Everybody reconnects and receives all messages.
    fn catch_up(&mut self, starts: &[u64]) -> Result<()> {
        let deadline = Instant::now() + CATCH_UP_TIMEOUT;
        loop {
            let now = Instant::now();
            for line in &mut self.lines {
                line.0 = deadline + CATCH_UP_TIMEOUT; // no more disconnects
            }
            self.cut(now, Duration::from_secs(1))?;
            self.bring_back(now)?;
            self.swarm.turn(now + TURN, &mut self.returns)?;
            self.returns.require_right()?;
            let goal = |member| starts[self.layout.room_of(member)] + self.options.messages as u64;
            let late = (0..self.layout.people()).filter(|member| self.returns.seen(*member) < goal(*member)).count();
            if late == 0 {
                return Ok(());
            }
            if now > deadline {
                return Err(format!("{late} clients have not received all messages of their room").into());
            }
        }
    }

    fn end(self) -> Result<()> {
        let mut swarm = Some(self.swarm);
        for node in self.nodes {
            node.stop(swarm.take())?;
        }
        Ok(())
    }
}
