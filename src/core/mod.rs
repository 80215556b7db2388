//! What must be right, as plain state machines: input and `now` go in, effects come out. No actix, no I/O, no clock,
//! no JSON, no log here, so that everything runs under seeded, replayable simulation.

pub mod command;
pub mod event;
pub mod profile;
