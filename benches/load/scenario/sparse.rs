//! One room of a thousand, fifty messages a second: each delivery is a write of its own, and its cost is mostly the
//! kernel's.

use crate::Result;
use crate::contender::Contender;
use crate::fanout::Fanout;
use crate::options::Sparse;
use crate::report::Table;
use crate::scenario::{Measured, OpenLoop, measure, prepare, stage};
use crate::world::Layout;

pub fn run(options: &Sparse) -> Result<()> {
    let common = &options.common;
    let chosen = common.chosen(&[
        Contender::ConveneTyping,
        Contender::ConveneMessage,
        Contender::ActixWebActors,
        Contender::NpmWs,
    ]);
    let layout = Layout { rooms: 1, members: options.members };
    let world = prepare(common, &chosen, layout)?;
    let title = format!("sparse: 1 room × {}, {} messages/s", options.members, options.rate);
    let mut table = Table::new(title, Measured::columns()).compared_by(Measured::CPU_COLUMN, Contender::BASE.name());
    for _ in 0..common.reps {
        for &contender in &chosen {
            let mut stage = stage(contender, common, &world, layout)?;
            let mut fanout = Fanout::new(contender, options.members, options.members);
            let order = (0..options.members).collect();
            let mut load = OpenLoop::new(contender, options.text_bytes, order, options.rate);
            let measured = measure(&mut stage, &mut fanout, &mut load, common)?;
            table.add(contender.name(), measured.values());
            stage.end()?;
        }
    }
    table.print();
    Ok(())
}
