//! Compares the rooms in use on this node with the log. A room detects a lost event by its successor, but the last
//! event has none. So each room is periodically sent the head of its log, with one query per thousand rooms. The
//! reconciler only reports; it must never read or deliver events itself.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use rustc_hash::FxHashMap;

use super::{
    bridge::LinkEvent,
    messages::{LogHead, RoomsInMemory},
    node::Node,
    room::Room,
};
use crate::{ids::RoomId, limits, store::StoreError};

/// The actor. One per node that may have peers.
pub struct LogReconciler {
    node: Arc<Node>,
    period: Duration,
    reconciling: Reconciling,
    next: Option<SpawnHandle>,
}

/// Whether a comparison is in progress. There are never two at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reconciling {
    No,
    Yes,
    /// The link came up in the meantime: compare again at once.
    YesAndAgain,
}

impl LogReconciler {
    /// Creates a reconciler for the rooms of this node.
    pub fn new(node: Arc<Node>) -> LogReconciler {
        LogReconciler { node, period: limits::RECONCILE_PERIOD, reconciling: Reconciling::No, next: None }
    }

    fn reconcile_later(&mut self, ctx: &mut Context<Self>) {
        let next = ctx.run_later(self.period, Self::reconcile);
        if let Some(before) = self.next.replace(next) {
            ctx.cancel_future(before);
        }
    }

    fn reconcile(&mut self, ctx: &mut Context<Self>) {
        match self.reconciling {
            Reconciling::No => {}
            Reconciling::Yes | Reconciling::YesAndAgain => {
                self.reconciling = Reconciling::YesAndAgain;
                return;
            }
        }
        self.reconciling = Reconciling::Yes;
        ctx.spawn(reconcile(self.node.clone()).into_actor(self).map(|done, log_reconciler, ctx| {
            if let Err(error) = done {
                log::debug!("event=audit_put_off why=\"{error}\"");
            }
            match std::mem::replace(&mut log_reconciler.reconciling, Reconciling::No) {
                Reconciling::YesAndAgain => log_reconciler.reconcile(ctx),
                Reconciling::No | Reconciling::Yes => log_reconciler.reconcile_later(ctx),
            }
        }));
    }
}

/// Sends every room on this node the head of its log. A room whose mailbox is full gets it in the next audit.
async fn reconcile(node: Arc<Node>) -> Result<(), StoreError> {
    let placed = node.registry.send(RoomsInMemory).timeout(limits::ASK_TIMEOUT).await.unwrap_or_default();
    let rooms: FxHashMap<RoomId, Addr<Room>> = placed.into_iter().map(|placed| (placed.id, placed.room)).collect();
    let ids: Vec<RoomId> = rooms.keys().copied().collect();
    for some in ids.chunks(limits::STORE_IDS_PER_QUERY) {
        for (id, head) in node.store.room_heads(some).await? {
            let told = rooms.get(&id).map(|room| room.try_send(LogHead { seq: head.seq, epoch: head.epoch }));
            if let Some(Err(error)) = told {
                log::debug!("event=head_not_sent room={id} why=\"{error}\"");
            }
        }
    }
    Ok(())
}

impl Actor for LogReconciler {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.reconcile_later(ctx);
    }
}

impl Handler<LinkEvent> for LogReconciler {
    type Result = ();

    fn handle(&mut self, link: LinkEvent, ctx: &mut Self::Context) {
        match link {
            LinkEvent::Down => {
                self.period = limits::RECONCILE_PERIOD_LINK_DOWN;
                if self.reconciling == Reconciling::No {
                    self.reconcile_later(ctx);
                }
            }
            LinkEvent::Up => {
                self.period = limits::RECONCILE_PERIOD;
                self.reconcile(ctx);
            }
        }
    }
}
