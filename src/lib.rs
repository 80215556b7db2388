//! Convene: a realtime collaboration server.
//!
//! `transport` owns sockets, `dialects` convert between bytes and the commands and events of `core`, `actors` deliver
//! them, `store` persists them, `auth` authenticates and authorises, `http` serves REST and the pages, `services`
//! provides the assistant and files, `config` reads the environment, and `app` assembles everything. ARCHITECTURE.md
//! describes the design and its invariants.

// Only tests may panic. Code that cannot fail must prove it, with `#[expect]` and a reason or in another form.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

pub mod actors;
pub mod app;
pub mod auth;
pub mod config;
pub mod core;
pub mod dialects;
pub mod disconnect;
pub mod error;
pub mod http;
pub mod ids;
pub mod limits;
pub mod logged;
pub mod metrics;
pub mod names;
pub mod services;
pub mod store;
pub mod transport;

pub use transport::{body::Connection, mounted::mount};
