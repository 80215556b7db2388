//! Injects faults for the continuity checker: a hub that stalls, a registry that lags, rooms that panic. Signals trigger them, so
//! no client message and no route can. Compiled only with the feature `faults`, which must never be enabled in a release.

use std::{io, sync::Arc, time::Duration};

use actix::Handler;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    actors::{hub::Hub, messages::StartDraining, node::Node, room::Panic},
    limits,
};

/// How long a stalled thread is blocked.
const STALL: Duration = Duration::from_millis(1_500);

/// SIGUSR1 stalls the thread of one hub after the other, SIGHUP the thread of registry, journal and cluster. SIGUSR2 makes every
/// room panic.
pub(super) fn listen(node: &Arc<Node>) -> io::Result<()> {
    let mut hub = signal(SignalKind::user_defined1())?;
    let mut rooms = signal(SignalKind::user_defined2())?;
    let mut registry = signal(SignalKind::hangup())?;
    let node = node.clone();
    actix_rt::spawn(async move {
        let mut stalled = 0;
        loop {
            tokio::select! {
                _ = hub.recv() => {
                    stalled += 1;
                    stall_hub(&node, stalled).await;
                }
                _ = rooms.recv() => panic_in_rooms(&node).await,
                _ = registry.recv() => {
                    log::warn!("event=fault kind=registry_lags");
                    stand_still(STALL);
                }
            }
        }
    });
    Ok(())
}

async fn stall_hub(node: &Node, number: usize) {
    let Ok(everyone) = node.registry.send(StartDraining).timeout(limits::ASK_TIMEOUT).await else { return };
    let at = number % everyone.hubs.len().max(1);
    log::warn!("event=fault kind=hub_stalls worker={at}");
    if let Some(Err(error)) = everyone.hubs.get(at).map(|hub| hub.try_send(Stall(STALL))) {
        log::warn!("event=fault_lost why=\"{error}\"");
    }
}

async fn panic_in_rooms(node: &Node) {
    let Ok(everyone) = node.registry.send(StartDraining).timeout(limits::ASK_TIMEOUT).await else { return };
    log::warn!("event=fault kind=rooms_panic rooms={}", everyone.rooms.len());
    for room in &everyone.rooms {
        if let Err(error) = room.try_send(Panic) {
            log::warn!("event=fault_lost why=\"{error}\"");
        }
    }
}

/// Stalls the hub's thread, for tests.
#[derive(actix::Message)]
#[rtype(result = "()")]
struct Stall(Duration);

impl Handler<Stall> for Hub {
    type Result = ();

    fn handle(&mut self, Stall(how_long): Stall, _: &mut Self::Context) {
        stand_still(how_long);
    }
}

/// Blocks this thread, like a fault of the machine.
fn stand_still(how_long: Duration) {
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    // ends by its time-out
    let _ = never.recv_timeout(how_long);
}
