//! One room with a fixed number of messages in flight, each published when its predecessor has reached everybody: the
//! cost of a delivery when the server is never idle.

use std::time::{Duration, Instant};

use crate::Result;
use crate::client::Swarm;
use crate::contender::Contender;
use crate::fanout::Fanout;
use crate::options::Window;
use crate::report::Table;
use crate::scenario::{Load, Measured, measure, prepare, stage};
use crate::world::Layout;

/// If nothing completes for this long, something was lost.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(10);

pub fn run(options: &Window) -> Result<()> {
    let common = &options.common;
    let chosen = common.chosen(&[
        Contender::ConveneTyping,
        Contender::ConveneMessage,
        Contender::ActixWebActors,
        Contender::NpmWs,
    ]);
    let layout = Layout { rooms: 1, members: options.members };
    let world = prepare(common, &chosen, layout)?;
    for &in_flight in &options.in_flight {
        let title = format!("window: 1 room × {}, {in_flight} in flight", options.members);
        let mut table =
            Table::new(title, Measured::columns()).compared_by(Measured::CPU_COLUMN, Contender::BASE.name());
        for _ in 0..common.reps {
            for &contender in &chosen {
                let mut stage = stage(contender, common, &world, layout)?;
                let mut fanout = Fanout::new(contender, options.members, options.members);
                let mut load = ClosedLoop::new(contender, options.text_bytes, (0..in_flight).collect());
                let measured = measure(&mut stage, &mut fanout, &mut load, common)?;
                table.add(contender.name(), measured.values());
                stage.end()?;
            }
        }
        table.print();
    }
    Ok(())
}

/// Publishers who each publish again when everybody has received their message.
pub struct ClosedLoop {
    contender: Contender,
    text_bytes: usize,
    publishers: Vec<usize>,
    /// Publications of each member so far.
    rounds: Vec<u64>,
    started: bool,
}

impl ClosedLoop {
    /// One message of each of `publishers` is in flight.
    pub fn new(contender: Contender, text_bytes: usize, publishers: Vec<usize>) -> Self {
        let people = publishers.iter().max().map_or(0, |last| last + 1);
        ClosedLoop { contender, text_bytes, publishers, rounds: vec![0; people], started: false }
    }

    fn publish(&mut self, publisher: usize, swarm: &mut Swarm, fanout: &mut Fanout) -> Result<()> {
        let round = &mut self.rounds[publisher];
        *round += 1;
        let text = self.contender.compose(publisher, *round, self.text_bytes);
        fanout.published(publisher, Instant::now());
        swarm.send(publisher, &text)
    }
}

impl Load for ClosedLoop {
    fn run(&mut self, swarm: &mut Swarm, fanout: &mut Fanout, until: Instant) -> Result<()> {
        if !self.started {
            self.started = true;
            for turn in 0..self.publishers.len() {
                self.publish(self.publishers[turn], swarm, fanout)?;
            }
        }
        let mut progress = Instant::now();
        let mut completed = Vec::new();
        while Instant::now() < until {
            swarm.turn(until, fanout)?;
            std::mem::swap(&mut completed, &mut fanout.completed);
            if !completed.is_empty() {
                progress = Instant::now();
            } else if progress.elapsed() > PROGRESS_TIMEOUT {
                swarm.require_all_open()?;
                fanout.require_complete()?;
            }
            for publisher in completed.drain(..) {
                self.publish(publisher, swarm, fanout)?;
            }
        }
        Ok(())
    }
}
