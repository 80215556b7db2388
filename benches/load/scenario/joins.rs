//! A storm of joins: everybody connects at once, as after a restart. On Convene each one's token is checked, its right
//! to the channel is looked up, it is sent who is there, and the room is told of it; the baselines do none of that.

use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Receiver, Swarm};
use crate::contender::Contender;
use crate::options::Idle;
use crate::report::{Column, Table};
use crate::scenario::{idle, paths, prepare, start};
use crate::world::Layout;

/// The last joins are still being announced when the last handshake ends.
const SETTLING: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Frames(u64);

impl Receiver for Frames {
    fn text(&mut self, _connection: usize, _payload: &[u8], _now: Instant) {
        self.0 += 1;
    }
}

pub fn run(options: &Idle) -> Result<()> {
    let common = &options.common;
    let chosen = common.chosen(&idle::CONTENDERS);
    let layout = Layout { rooms: options.rooms, members: options.members };
    let world = prepare(common, &chosen, layout)?;
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
        Column::new("frames per join", 1),
    ];
    let mut table = Table::new(title, columns).compared_by(1, idle::row(Contender::BASE));
    for _ in 0..common.reps {
        for &contender in &chosen {
            let server = start(contender, common, &world)?;
            let paths = paths(contender, &world, layout)?;
            let mut swarm = Swarm::new(server.address)?;
            let mut frames = Frames::default();
            let (cpu_before, began) = (server.cpu_time()?, Instant::now());
            swarm.join_all(&paths, options.at_once, &mut frames)?;
            let seconds = began.elapsed().as_secs_f64();
            swarm.listen_until(Instant::now() + SETTLING, &mut frames)?;
            let cpu = server.cpu_time()?.since(cpu_before);
            let joins = layout.people() as f64;
            let us = |time: Duration| time.as_secs_f64() * 1e6 / joins;
            table.add(
                idle::row(contender),
                vec![joins / seconds, us(cpu.total()), us(cpu.user), frames.0 as f64 / joins],
            );
            server.stop(Some(swarm))?;
        }
    }
    table.print();
    Ok(())
}
