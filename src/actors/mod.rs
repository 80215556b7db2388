//! Who carries commands and events: a Session per socket, a Room per room in use, a Hub per worker thread, one
//! Registry, one Journal, one PresenceTracker, one Cluster, one Auditor and one Bridge per node. They talk by the typed messages of
//! `messages.rs` and share nothing mutable but what ARCHITECTURE.md lists; none of them knows a concrete dialect.

pub mod access;
pub mod auditor;
pub mod bridge;
pub mod cluster;
pub mod fanout;
pub mod gateway;
pub mod gather;
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
pub mod sharing;
pub mod sweeper;
pub mod watchdog;
pub mod worker;

mod arm;
mod patience;
mod pump;

use actix::{ArbiterHandle, dev::channel, prelude::*};

/// Starts an actor on another thread with a mailbox of that size from the start: `Actor::start_in_arbiter` gives it
/// sixteen places until its thread has come to it, which a crowd at the door of a new room overruns.
fn start_in<A>(arbiter: &ArbiterHandle, mailbox_max: usize, make: impl FnOnce() -> A + Send + 'static) -> Addr<A>
where
    A: Actor<Context = Context<A>>,
{
    let (sender, receiver) = channel::channel(mailbox_max);
    arbiter.spawn_fn(move || {
        Context::with_receiver(receiver).run(make());
    });
    Addr::new(sender)
}
