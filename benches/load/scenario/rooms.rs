//! A hundred rooms of ten in which all members publish: the use case of corking.
//!
//! The overall rate is even; the order of publishers is an option. In `conversation` order a room's ten members publish
//! within a millisecond, like cursors and quick exchanges, which a cork of 2 ms can batch. `scattered` is the opposite
//! extreme: a room gets evenly spaced messages and a cork has nothing to batch.

use crate::Result;
use crate::contender::Contender;
use crate::fanout::Fanout;
use crate::options::{Rooms, Turns};
use crate::report::Table;
use crate::scenario::{Measured, OpenLoop, measure, prepare, stage};
use crate::world::Layout;

pub fn run(options: &Rooms) -> Result<()> {
    let common = &options.common;
    let chosen = common.chosen(&[
        Contender::ConveneTyping,
        Contender::ConveneTypingUncorked,
        Contender::ActixWebActors,
        Contender::NpmWs,
    ]);
    let layout = Layout { rooms: options.rooms, members: options.members };
    let world = prepare(common, &chosen, layout)?;
    let rate = layout.people() as f64 * options.rate;
    let turns = match options.turns {
        Turns::Conversation => "room after room",
        Turns::Scattered => "scattered over the rooms",
    };
    let title = format!("rooms: {} × {}, {rate} messages/s in all, {turns}", options.rooms, options.members);
    let mut table = Table::new(title, Measured::columns())
        .compared_by(Measured::CPU_COLUMN, Contender::ConveneTypingUncorked.name());
    for _ in 0..common.reps {
        for &contender in &chosen {
            let mut stage = stage(contender, common, &world, layout)?;
            let mut fanout = Fanout::new(contender, layout.people(), options.members);
            let mut load = OpenLoop::new(contender, options.text_bytes, order(layout, options.turns), rate);
            let measured = measure(&mut stage, &mut fanout, &mut load, common)?;
            table.add(contender.name(), measured.values());
            stage.end()?;
        }
    }
    table.print();
    Ok(())
}

fn order(layout: Layout, turns: Turns) -> Vec<usize> {
    match turns {
        Turns::Conversation => (0..layout.people()).collect(),
        Turns::Scattered => (0..layout.members)
            .flat_map(|member| (0..layout.rooms).map(move |room| room * layout.members + member))
            .collect(),
    }
}
