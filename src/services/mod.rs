//! The assistant, file uploads and search. They run next to the actors that deliver messages and exchange typed messages with
//! them. They may use the store and the settings, but must never depend on HTTP or on a dialect.

pub mod ai;
pub mod files;
pub mod search;
