//! Asks the actors of which each node has exactly one whether they respond, and records when each of them did last.
//! Without one of them a node cannot serve anybody, even if its process looks healthy from outside.
//!
//! The requests are sent from a separate thread and judged by the age of the last response, so a stalled main thread is
//! detected as well as an actor that has stopped. The watchdog must never restart anything; whoever runs the node does.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use actix::{Arbiter, prelude::*};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{cluster::Cluster, messages::LivenessProbe, node::Node, presence::PresenceTracker, registry::Registry};
use crate::{limits, metrics::ActorState};

/// An actor of which each node has exactly one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Watched {
    /// Finds rooms and users.
    Registry,
    /// Stores events.
    Journal,
    /// Tracks who is online.
    Presence,
    /// Tracks the other nodes.
    Cluster,
}

impl Watched {
    /// All of them.
    pub const ALL: [Watched; 4] = [Watched::Registry, Watched::Journal, Watched::Presence, Watched::Cluster];

    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Watched::Registry => "registry",
            Watched::Journal => "journal",
            Watched::Presence => "presence",
            Watched::Cluster => "cluster",
        }
    }

    /// The description of its failure, for operators.
    pub const fn silence(self) -> &'static str {
        match self {
            Watched::Registry => "the registry does not answer; restart the process",
            Watched::Journal => "the journal does not answer; restart the process",
            Watched::Presence => "the presence tracker does not answer; restart the process",
            Watched::Cluster => "the actor that knows the other nodes does not answer; restart the process",
        }
    }
}

/// When each of the actors responded last.
pub struct LifeSigns {
    began: Instant,
    /// In milliseconds since `began`, in the order of [`Watched::ALL`].
    answered_ms: [AtomicU64; Watched::ALL.len()],
}

impl LifeSigns {
    fn new() -> LifeSigns {
        LifeSigns { began: Instant::now(), answered_ms: Watched::ALL.map(|_| AtomicU64::new(0)) }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_silent(&self, answered_ms: &AtomicU64) -> bool {
        let silence_ms = self.now_ms().saturating_sub(answered_ms.load(Ordering::Relaxed));
        u128::from(silence_ms) > limits::WATCHDOG_SILENCE_MAX.as_millis()
    }

    /// The first actor that has not responded for `WATCHDOG_SILENCE_MAX`.
    pub fn silent(&self) -> Option<Watched> {
        let mut all = Watched::ALL.into_iter().zip(&self.answered_ms);
        all.find(|(_, answered_ms)| self.is_silent(answered_ms)).map(|(actor, _)| actor)
    }
}

/// Starts the watchdog. It stops when the returned value is dropped.
pub fn watch(node: &Arc<Node>) -> Arc<LifeSigns> {
    let signs = Arc::new(LifeSigns::new());
    let arbiter = Arbiter::new();
    let (weak, node) = (Arc::downgrade(&signs), node.clone());
    let round = move || rounds(weak, node);
    if !arbiter.spawn_fn(move || drop(actix::spawn(round()))) {
        log::error!("event=watchdog_not_started");
    }
    signs
}

async fn rounds(signs: Weak<LifeSigns>, node: Arc<Node>) {
    let mut tick = interval(limits::WATCHDOG_PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_silent = Watched::ALL.map(|_| false);
    loop {
        tick.tick().await;
        let given = tokio::join!(
            answers::<Registry>(&node.registry),
            async { timeout(limits::WATCHDOG_ANSWER_MAX, node.journal.alive()).await.is_ok_and(|alive| alive.is_ok()) },
            answers::<PresenceTracker>(&node.presence),
            answers::<Cluster>(&node.cluster),
        );
        let Some(signs) = signs.upgrade() else { break };
        let given = [given.0, given.1, given.2, given.3];
        let actors = Watched::ALL.into_iter().zip(&signs.answered_ms).zip(given).zip(&mut was_silent);
        for (((actor, answered_ms), has_answered), was_silent) in actors {
            if has_answered {
                answered_ms.store(signs.now_ms(), Ordering::Relaxed);
            }
            let is_silent = signs.is_silent(answered_ms);
            let state = if is_silent { ActorState::Silent } else { ActorState::Answers };
            node.metrics.actor(actor.name(), state);
            match (std::mem::replace(was_silent, is_silent), is_silent) {
                (false, true) => log::error!("event=actor_silent actor={}", actor.name()),
                (true, false) => log::info!("event=actor_answers actor={}", actor.name()),
                (true, true) | (false, false) => {}
            }
        }
    }
    Arbiter::current().stop();
}

async fn answers<A>(actor: &Addr<A>) -> bool
where
    A: Actor + Handler<LivenessProbe>,
    A::Context: actix::dev::ToEnvelope<A, LivenessProbe>,
{
    actor.send(LivenessProbe).timeout(limits::WATCHDOG_ANSWER_MAX).await.is_ok()
}

impl Handler<LivenessProbe> for PresenceTracker {
    type Result = ();

    fn handle(&mut self, _: LivenessProbe, _: &mut Self::Context) {}
}

impl Handler<LivenessProbe> for Cluster {
    type Result = ();

    fn handle(&mut self, _: LivenessProbe, _: &mut Self::Context) {}
}

#[cfg(test)]
pub(crate) mod faults {
    //! A fault injected by tests: a panic in an actor.

    use super::*;

    /// Makes the actor panic.
    #[derive(Message, Clone, Copy)]
    #[rtype(result = "()")]
    pub(crate) struct Panic;

    macro_rules! can_panic {
        ($($actor:ty),*) => {$(
            impl Handler<Panic> for $actor {
                type Result = ();

                fn handle(&mut self, _: Panic, _: &mut Self::Context) {
                    panic!("planted by a test");
                }
            }
        )*};
    }
    can_panic!(Registry, PresenceTracker, Cluster);
}
