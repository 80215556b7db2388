//! The cost of spreading a room's members over two nodes: the same rooms, people and load, once with all members on one
//! of two nodes and once with half of each room on each.
//!
//! Both nodes run in both cases, on one PostgreSQL and one Redis, so that the idle cost of a cluster is included in
//! both. Each kind of event is measured at a steady rate, saturated, and at half of what two nodes reached saturated.

use std::time::Instant;

use crate::Result;
use crate::client::{Door, Swarm};
use crate::cluster::{Bill, Cluster};
use crate::contender::Contender;
use crate::fanout::Fanout;
use crate::options::Spread;
use crate::process;
use crate::report::{Column, Table};
use crate::scenario::window::ClosedLoop;
use crate::scenario::{JOINING_AT_ONCE, Load, OTHER_DESCRIPTORS, OpenLoop, SETTLING, complete};
use crate::server::Server;
use crate::world::Layout;

const DELIVERIES_COLUMN: usize = 0;
const CPU_COLUMN: usize = 1;
/// Reads of a room's log for messages that Redis did not deliver in time.
const GAP_READS: &str = "convene_room_gaps_total";

/// Where the members of a room are.
#[derive(Clone, Copy)]
enum Placement {
    Together,
    Halved,
}

impl Placement {
    const ALL: [Placement; 2] = [Placement::Together, Placement::Halved];

    fn name(self) -> &'static str {
        match self {
            Placement::Together => "one node",
            Placement::Halved => "two nodes",
        }
    }

    /// Neighbours in a room are on different nodes, and so are the first members of neighbouring rooms.
    fn node_of(self, member: usize, layout: Layout) -> usize {
        match self {
            Placement::Together => 0,
            Placement::Halved => (layout.room_of(member) + member % layout.members) % 2,
        }
    }
}

/// The rate of publications.
#[derive(Clone, Copy)]
enum Pace {
    /// Messages per second, in total.
    Steady(f64),
    /// Messages in flight, in total.
    Saturated(usize),
}

pub fn run(options: &Spread) -> Result<()> {
    let common = &options.common;
    let layout = Layout { rooms: options.rooms, members: options.members };
    if options.in_flight > layout.people() {
        return Err("a member has one message in flight: --in-flight is at most the number of members".into());
    }
    process::require_descriptors(layout.people() + OTHER_DESCRIPTORS)?;
    let cluster = Cluster::make(common, layout)?;
    process::pin_self(&common.generator_cores)?;
    for contender in common.chosen(&[Contender::ConveneTyping, Contender::ConveneMessage]) {
        let measure = |heading: &str, pace| measure_all(options, &cluster, layout, contender, heading, pace);
        measure(&format!("steady, {} messages/s", options.rate), Pace::Steady(options.rate))?.print();
        let saturated = measure(&format!("{} in flight", options.in_flight), Pace::Saturated(options.in_flight))?;
        saturated.print();
        let reached = saturated.median(Placement::Halved.name(), DELIVERIES_COLUMN) / layout.members as f64;
        let half = reached / 2.0;
        measure(&format!("half of saturation, {half:.0} messages/s"), Pace::Steady(half))?.print();
    }
    Ok(())
}

/// All repetitions of both placements at one rate.
fn measure_all(
    options: &Spread,
    cluster: &Cluster,
    layout: Layout,
    contender: Contender,
    heading: &str,
    pace: Pace,
) -> Result<Table> {
    let title = format!("spread: {}, {} × {}, {heading}", contender.name(), layout.rooms, layout.members);
    let columns = vec![
        Column::new("deliveries/s", 0),
        Column::new("CPU µs per delivery", 3),
        Column::new("of it user", 3),
        Column::new("Redis CPU µs per delivery", 3),
        Column::new("PostgreSQL CPU µs per delivery", 3),
        Column::new("local p50 ms", 2),
        Column::new("local p99 ms", 2),
        Column::new("across p50 ms", 2),
        Column::new("across p99 ms", 2),
        Column::new("across − local p99 ms", 2),
        Column::new("frames per read", 1),
        Column::new("gap reads", 0),
    ];
    let mut table = Table::new(title, columns).compared_by(CPU_COLUMN, Placement::Together.name());
    for _ in 0..options.common.reps {
        for placement in Placement::ALL {
            let mut stage = Stage::set(options, cluster, layout, placement)?;
            let nodes = (0..layout.people()).map(|member| placement.node_of(member, layout) as u8).collect();
            let mut fanout = Fanout::new(contender, layout.people(), layout.members).over_nodes(nodes);
            let values = match pace {
                Pace::Steady(rate) => {
                    let order = (0..layout.people()).map(|turn| speaker(turn, layout)).collect();
                    let mut load = OpenLoop::new(contender, options.text_bytes, order, rate);
                    stage.measure(options, cluster, &mut fanout, &mut load)?
                }
                Pace::Saturated(in_flight) => {
                    let publishers = (0..in_flight).map(|turn| speaker(turn, layout)).collect();
                    let mut load = ClosedLoop::new(contender, options.text_bytes, publishers);
                    stage.measure(options, cluster, &mut fanout, &mut load)?
                }
            };
            table.add(placement.name(), values);
            stage.end()?;
        }
    }
    Ok(table)
}

/// The publisher of a turn: one member of each room, then the next member of each.
fn speaker(turn: usize, layout: Layout) -> usize {
    let (room, place) = (turn % layout.rooms, turn / layout.rooms);
    room * layout.members + place % layout.members
}

/// Two nodes with all members connected. Member `n` is connection `n`.
struct Stage {
    nodes: [Server; 2],
    swarm: Swarm,
}

impl Stage {
    fn set(options: &Spread, cluster: &Cluster, layout: Layout, placement: Placement) -> Result<Stage> {
        let common = &options.common;
        let second_cores = options.second_cores.as_ref().unwrap_or(&common.server_cores);
        let nodes = [cluster.node(common, "a", &common.server_cores)?, cluster.node(common, "b", second_cores)?];
        let door = |member| cluster.door(&nodes[placement.node_of(member, layout)], member, layout.room_of(member));
        let doors: Vec<Door> = (0..layout.people()).map(door).collect::<Result<_>>()?;
        let mut swarm = Swarm::new()?;
        swarm.join_all(&doors, JOINING_AT_ONCE, &mut ())?;
        swarm.listen_until(Instant::now() + SETTLING, &mut ())?;
        Ok(Stage { nodes, swarm })
    }

    /// Warms up, measures one window, and checks that every publication arrived exactly once.
    fn measure(
        &mut self,
        options: &Spread,
        cluster: &Cluster,
        fanout: &mut Fanout,
        load: &mut impl Load,
    ) -> Result<Vec<f64>> {
        let common = &options.common;
        let gaps_before = self.gap_reads()?;
        load.run(&mut self.swarm, fanout, Instant::now() + common.warmup())?;

        fanout.begin_window();
        let (bill_before, reads_before) = (self.bill(cluster)?, self.swarm.reads);
        let began = Instant::now();
        load.run(&mut self.swarm, fanout, began + common.window())?;
        let seconds = began.elapsed().as_secs_f64();
        let bill = self.bill(cluster)?.since(bill_before);
        let deliveries = fanout.deliveries as f64;
        let us = |cpu: std::time::Duration| cpu.as_secs_f64() * 1e6 / deliveries;
        let (local, across) = (&fanout.latency, &fanout.across);
        let mut values = vec![
            deliveries / seconds,
            us(bill.nodes.total()),
            us(bill.nodes.user),
            us(bill.redis.total()),
            us(bill.postgres.total()),
            local.quantile_ms(0.5),
            local.quantile_ms(0.99),
            across.quantile_ms(0.5),
            across.quantile_ms(0.99),
            across.quantile_ms(0.99) - local.quantile_ms(0.99),
            deliveries / (self.swarm.reads - reads_before) as f64,
        ];
        complete(&mut self.swarm, fanout)?;
        values.push((self.gap_reads()? - gaps_before) as f64);
        if fanout.overtaken > 0 {
            eprintln!(
                "  note: {} times a member published before everybody had its previous message",
                fanout.overtaken
            );
        }
        Ok(values)
    }

    fn bill(&self, cluster: &Cluster) -> Result<Bill> {
        cluster.bill(&[&self.nodes[0], &self.nodes[1]])
    }

    fn gap_reads(&self) -> Result<u64> {
        Ok(self.nodes[0].counter(GAP_READS)? + self.nodes[1].counter(GAP_READS)?)
    }

    fn end(self) -> Result<()> {
        let [first, second] = self.nodes;
        first.stop(Some(self.swarm))?;
        second.stop(None)
    }
}
