//! The logic that must be right, as plain state machines: input and `now` go in, effects come out. Nothing in this
//! folder may use actix, I/O, a clock, JSON, SQL or the log, so that all of it runs under seeded, replayable
//! simulation.

pub mod analysis;
pub mod assistant;
pub mod attendance;
pub mod backlog;
pub mod command;
pub mod cork;
pub mod cursor;
pub mod elsewhere;
pub mod event;
pub mod history;
pub mod listing;
pub mod notification;
pub mod peers;
pub mod personal;
pub mod pointing;
pub mod presence;
pub mod presence_pace;
pub mod profile;
pub mod rate;
pub mod room;
pub mod roster;
pub mod sheet;
pub mod steady;
pub mod typing;
pub mod upload;
pub mod usage;

#[cfg(test)]
mod simulation;
