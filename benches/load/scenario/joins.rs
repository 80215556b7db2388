//! Many joins at once, as after a restart. Convene checks each token and the right to the channel, sends the list of
//! members, and notifies the room; the baselines do none of this.

use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Receiver, Swarm};
use crate::contender::Contender;
use crate::options::{Database, Idle, Joins};
use crate::postgres::Postgres;
use crate::process::{self, CpuTime};
use crate::report::{Column, Table};
use crate::scenario::{OTHER_DESCRIPTORS, doors, idle, start};
use crate::world::{Layout, World};

/// The last joins are still being announced when the last handshake ends.
const SETTLING: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Frames(u64);

impl Receiver for Frames {
    fn text(&mut self, _connection: usize, _payload: &[u8], _now: Instant) {
        self.0 += 1;
    }
}

/// One row of the table.
struct Host {
    contender: Contender,
    world: World,
    postgres: Option<Postgres>,
}

impl Host {
    fn name(&self) -> String {
        match &self.postgres {
            Some(_) => format!("{} on PostgreSQL", idle::row(self.contender)),
            None => idle::row(self.contender).to_owned(),
        }
    }
}

pub fn run(options: &Joins) -> Result<()> {
    let Joins { idle: options, databases } = options;
    let layout = Layout { rooms: options.rooms, members: options.members };
    process::require_descriptors(layout.people() + OTHER_DESCRIPTORS)?;
    let hosts = hosts(options, layout, databases)?;
    let title = format!(
        "joins: {} into {} rooms of {}, {} at once",
        layout.people(),
        layout.rooms,
        layout.members,
        options.at_once
    );
    let columns = vec![
        Column::new("joins/s", 0),
        Column::new("CPU µs per join", 1),
        Column::new("of it user", 1),
        Column::new("PostgreSQL CPU µs per join", 1),
        Column::new("frames per join", 1),
    ];
    let mut table = Table::new(title, columns).compared_by(1, idle::row(Contender::BASE));
    for _ in 0..options.common.reps {
        for host in &hosts {
            table.add(&host.name(), measure(options, layout, host)?);
        }
    }
    table.print();
    Ok(())
}

/// All servers to measure, created before this process is pinned, so that a database may use both cores.
fn hosts(options: &Idle, layout: Layout, databases: &[Database]) -> Result<Vec<Host>> {
    let common = &options.common;
    let mut hosts = Vec::new();
    let chosen = common.chosen(&idle::CONTENDERS);
    for &contender in &chosen {
        if !contender.is_convene() {
            hosts.push(Host { contender, world: World::empty()?, postgres: None });
            continue;
        }
        for &database in databases {
            let postgres = match database {
                Database::Sqlite => None,
                Database::Postgres => Some(Postgres::start()?),
            };
            let world = World::make(&common.binary, layout, postgres.as_ref().map(Postgres::url))?;
            hosts.push(Host { contender, world, postgres });
        }
    }
    process::pin_self(&common.generator_cores)?;
    Ok(hosts)
}

fn measure(options: &Idle, layout: Layout, host: &Host) -> Result<Vec<f64>> {
    let server = start(host.contender, &options.common, &host.world)?;
    let doors = doors(host.contender, &host.world, layout, server.address)?;
    let database = || host.postgres.as_ref().map(Postgres::cpu_time).transpose();
    let mut swarm = Swarm::new()?;
    let mut frames = Frames::default();
    let (cpu_before, database_before, began) = (server.cpu_time()?, database()?, Instant::now());
    swarm.join_all(&doors, options.at_once, &mut frames)?;
    let seconds = began.elapsed().as_secs_f64();
    swarm.listen_until(Instant::now() + SETTLING, &mut frames)?;
    let cpu = server.cpu_time()?.since(cpu_before);
    let database = database()?.zip(database_before).map(|(after, before)| after.since(before));
    server.stop(Some(swarm))?;

    let joins = layout.people() as f64;
    let us = |time: Duration| time.as_secs_f64() * 1e6 / joins;
    let database_us = database.map(CpuTime::total).map_or(f64::NAN, us);
    Ok(vec![joins / seconds, us(cpu.total()), us(cpu.user), database_us, frames.0 as f64 / joins])
}
