//! The cost of an idle connection: resident bytes, and the CPU to keep it.

use std::time::{Duration, Instant};

use crate::Result;
use crate::client::Swarm;
use crate::contender::Contender;
use crate::options::Idle;
use crate::report::{Column, Table};
use crate::scenario::{JOINING_AT_ONCE, doors, prepare, start};
use crate::world::Layout;

/// The connections are idle once joins are announced, corks have expired, and freed pages are returned.
const SETTLING: Duration = Duration::from_secs(5);

pub const CONTENDERS: [Contender; 3] = [Contender::ConveneTyping, Contender::ActixWebActors, Contender::NpmWs];

/// Nothing is published here, so Convene has only one row.
pub fn row(contender: Contender) -> &'static str {
    if contender.is_convene() { "Convene" } else { contender.name() }
}

pub fn run(options: &Idle) -> Result<()> {
    let common = &options.common;
    let chosen = common.chosen(&CONTENDERS);
    let layout = Layout { rooms: options.rooms, members: options.members };
    let world = prepare(common, &chosen, layout)?;
    let title = format!("idle: {} connections in {} rooms", layout.people(), layout.rooms);
    let columns = vec![
        Column::new("KiB resident per connection", 2),
        Column::new("server alone, MiB", 1),
        Column::new("CPU while idle, % of a core", 2),
    ];
    let mut table = Table::new(title, columns).compared_by(0, row(Contender::BASE));
    for _ in 0..common.reps {
        for &contender in &chosen {
            let server = start(contender, common, &world)?;
            let alone = server.resident_bytes()?;
            let mut swarm = Swarm::new()?;
            swarm.join_all(&doors(contender, &world, layout, server.address)?, JOINING_AT_ONCE, &mut ())?;
            swarm.listen_until(Instant::now() + SETTLING, &mut ())?;
            let (cpu_before, began) = (server.cpu_time()?, Instant::now());
            swarm.listen_until(began + common.window(), &mut ())?;
            swarm.require_all_open()?;
            let cpu = server.cpu_time()?.since(cpu_before).total().as_secs_f64();
            let resident = server.resident_bytes()?;
            let kib = resident.saturating_sub(alone) as f64 / 1024.0 / swarm.len() as f64;
            let percent = cpu * 100.0 / began.elapsed().as_secs_f64();
            table.add(row(contender), vec![kib, alone as f64 / 1024.0 / 1024.0, percent]);
            server.stop(Some(swarm))?;
        }
    }
    table.print();
    Ok(())
}
