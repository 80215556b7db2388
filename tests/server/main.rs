//! Black-box tests of the whole server: one test binary, so that it is linked once.
//!
//! Each module tests one area of `docs/protocol.md` from outside, over real sockets and, where the store matters, on
//! SQLite and PostgreSQL alike (`on_both!`). A test is named after the promise that it holds.

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod assistant;
mod auth;
mod bad_input;
mod blocks;
mod budgets;
mod canvas;
mod channel;
mod config;
mod conversations;
mod crash;
mod database_away;
mod devices;
mod direct;
mod documents;
mod files;
mod files_bucket;
mod frames;
mod groups;
mod heartbeat;
mod history;
mod ice_servers;
mod leaving;
mod limits;
mod locked_room;
mod message_actions;
mod metaverse;
mod moderation;
mod nexus;
mod not_writable;
mod notifications;
mod operations;
mod operators;
mod plan;
mod pooler;
mod read_only;
mod recovery;
mod redis_away;
mod repeats;
mod rights;
mod rooms_admin;
mod search;
mod sending;
mod sheets;
mod shutdown;
mod signalling;
mod slow_consumer;
mod start;
mod tls;
mod transports;
mod uploads;
mod workspace;

use support::load;
