//! Who carries commands and events: a Session per socket, a Room per room in use, a Hub per worker thread, one
//! Registry, one Journal, one PresenceTracker and one Bridge per node. They talk by the typed messages of
//! `messages.rs` and share nothing mutable but what ARCHITECTURE.md lists; none of them knows a concrete dialect.

pub mod bridge;
pub mod fanout;
pub mod gateway;
pub mod hub;
pub mod journal;
pub mod messages;
pub mod node;
pub mod outbox;
pub mod presence;
pub mod quota;
pub mod registry;
pub mod room;
pub mod session;
pub mod worker;

mod arm;
mod pump;
