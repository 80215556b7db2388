//! What is neither a room nor a socket. It may use the store, the settings and the actors' messages; it must never know
//! HTTP or a dialect.

pub mod files;
