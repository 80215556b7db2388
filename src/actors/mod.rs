//! The actors that execute commands and deliver events: one Session per socket, one Room per room in use, one Hub per
//! worker thread, and one Registry, Journal, PresenceTracker, Cluster, LogReconciler and Bridge per node. They communicate by
//! the typed messages of `messages.rs` and share no mutable state except what ARCHITECTURE.md lists. None of them may
//! depend on a concrete dialect.

pub mod access;
pub mod bridge;
pub mod cluster;
pub mod due;
pub mod fanout;
pub mod file_access;
pub mod gateway;
pub mod hub;
pub mod invites;
pub mod journal;
pub mod log_reconciler;
pub mod messages;
pub mod moderation;
pub mod node;
pub mod outbox;
pub mod presence;
pub mod quota;
pub mod registry;
pub mod room;
pub mod scatter_gather;
pub mod session;
pub mod sweeper;
pub mod watchdog;
pub mod worker;

mod hub_link;
mod pump;
mod retry;

use actix::{ArbiterHandle, dev::channel, prelude::*};

/// Starts an actor on another thread with the given mailbox size from the start. `Actor::start_in_arbiter` starts with
/// sixteen places, which a burst of joins to a new room can exceed before the actor's thread runs.
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
