//! Convene: a realtime collaboration server.
//!
//! The map: `transport` owns sockets, `dialects` translate bytes into `core` commands and events, `actors` carry them,
//! `store` keeps them, `auth` says who and whether, `http` is REST and pages, `services` work beside them (the assistant,
//! files), `config` reads the environment, `app` puts it together. ARCHITECTURE.md tells the whole story.

// Panics are for tests: what cannot fail says why on the spot, with `#[expect]` or by another way of writing it.
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
