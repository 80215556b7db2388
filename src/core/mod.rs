//! The logic that must be right, as plain state machines: input and `now` go in, effects come out. Nothing in this
//! folder may use actix, I/O, a clock, JSON, SQL or the log, so that all of it runs under seeded, replayable
//! simulation.

pub mod analysis;
pub mod assistant;
pub mod backlog;
pub mod call;
pub mod canvas;
pub mod command;
pub mod conflation;
pub mod cork;
pub mod cursor;
pub mod device;
pub mod document;
pub mod emoji;
pub mod event;
pub mod history;
pub mod invite;
pub mod member_list;
pub mod moderation;
pub mod monotonic;
pub mod notification;
pub mod peers;
pub mod presence;
pub mod presence_pace;
pub mod profile;
pub mod rate;
pub mod read_marks;
pub mod remote_members;
pub mod room;
pub mod room_presence;
pub mod roster;
pub mod search;
pub mod sheet;
pub mod space;
pub mod typing;
pub mod upload;
pub mod usage;
pub mod user_event;
pub mod user_rates;

#[cfg(test)]
mod simulation;
