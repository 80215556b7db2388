//! Many people join one room, or many small ones: the server's cost until everybody has joined and knows the members.
//!
//! Each client speaks the workspace dialect: its token is checked, it joins the room with a message, it receives the
//! room's state, and the others are notified.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Door, Receiver, Swarm};
use crate::contender::Contender;
use crate::options::{Crowd, Database};
use crate::postgres::Postgres;
use crate::process;
use crate::report::{Column, Table};
use crate::scenario::{OTHER_DESCRIPTORS, start};
use crate::world::{Layout, World};

/// The last joins are still being announced when the last client has joined.
const SETTLING: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Counted {
    frames: u64,
    bytes: u64,
}

impl Receiver for Counted {
    fn text(&mut self, _connection: usize, payload: &[u8], _now: Instant) {
        self.frames += 1;
        self.bytes += payload.len() as u64;
    }
}

pub fn run(options: &Crowd) -> Result<()> {
    let common = &options.common;
    let most = options.people.iter().copied().max().unwrap_or_default();
    process::require_descriptors(most + OTHER_DESCRIPTORS)?;
    let postgres = match options.database {
        Database::Sqlite => None,
        Database::Postgres => Some(Postgres::start()?),
    };
    let known = if options.first_seen { 1 } else { most };
    let layout = Layout { rooms: 1, members: known };
    let world = World::make(&common.binary, layout, postgres.as_ref().map(Postgres::url))?;
    process::pin_self(&common.generator_cores)?;
    let columns = vec![
        Column::new("CPU s", 2),
        Column::new("of it user", 2),
        Column::new("CPU µs per person", 0),
        Column::new("s", 2),
        Column::new("frames per person", 1),
        Column::new("MB in all", 0),
    ];
    let title = format!("crowd: people joining {} room(s), {} at a time", options.rooms, options.at_once);
    let mut table = Table::new(title, columns);
    let mut first = 0;
    for _ in 0..common.reps {
        for &people in &options.people {
            table.add(&format!("{people} people"), measure(options, first..first + people, &world)?);
            // People are seen for the first time only once.
            if options.first_seen {
                first += people;
            }
        }
    }
    table.print();
    Ok(())
}

fn measure(options: &Crowd, members: Range<usize>, world: &World) -> Result<Vec<f64>> {
    let server = start(Contender::ConveneCells, &options.common, world)?;
    let people = members.len();
    let door = |(number, member)| {
        let room = number * options.rooms / people;
        let greeting = Some(format!(r#"{{"type":"join_room","room_id":"crowd-{room}"}}"#));
        Ok(Door { address: server.address, path: world.workspace_path(member)?, greeting })
    };
    let doors: Vec<Door> = members.enumerate().map(door).collect::<Result<_>>()?;
    let (mut swarm, mut counted) = (Swarm::new()?, Counted::default());
    let (before, began) = (server.cpu_time()?, Instant::now());
    swarm.join_all(&doors, options.at_once, &mut counted)?;
    let seconds = began.elapsed().as_secs_f64();
    swarm.listen_until(Instant::now() + SETTLING, &mut counted)?;
    swarm.require_all_open()?;
    let cpu = server.cpu_time()?.since(before);
    server.stop(Some(swarm))?;
    let total = cpu.total().as_secs_f64();
    Ok(vec![
        total,
        cpu.user.as_secs_f64(),
        total * 1e6 / people as f64,
        seconds,
        counted.frames as f64 / people as f64,
        counted.bytes as f64 / 1e6,
    ])
}
