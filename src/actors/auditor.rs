//! Compares the rooms in use on this node with the log. A room detects a lost event by its successor, but the last
//! event has none. So each room is periodically sent the head of its log, with one query per thousand rooms. The
//! auditor only reports; it must never read or deliver events itself.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use rustc_hash::FxHashMap;

use super::{
    bridge::LinkIs,
    messages::{HeadIs, RoomsInMemory},
    node::Node,
    room::Room,
};
use crate::{ids::RoomId, limits, store::StoreError};

/// The actor. One per node that may have peers.
pub struct Auditor {
    node: Arc<Node>,
    period: Duration,
    auditing: Auditing,
    next: Option<SpawnHandle>,
}

/// Whether an audit is in progress. There are never two at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Auditing {
    No,
    Yes,
    /// The link came up in the meantime: audit again at once.
    YesAndAgain,
}

impl Auditor {
    /// Creates an auditor for the rooms of this node.
    pub fn new(node: Arc<Node>) -> Auditor {
        Auditor { node, period: limits::AUDIT_PERIOD, auditing: Auditing::No, next: None }
    }

    fn audit_later(&mut self, ctx: &mut Context<Self>) {
        let next = ctx.run_later(self.period, Self::audit);
        if let Some(before) = self.next.replace(next) {
            ctx.cancel_future(before);
        }
    }

    fn audit(&mut self, ctx: &mut Context<Self>) {
        match self.auditing {
            Auditing::No => {}
            Auditing::Yes | Auditing::YesAndAgain => {
                self.auditing = Auditing::YesAndAgain;
                return;
            }
        }
        self.auditing = Auditing::Yes;
        ctx.spawn(audit(self.node.clone()).into_actor(self).map(|done, auditor, ctx| {
            if let Err(error) = done {
                log::debug!("event=audit_put_off why=\"{error}\"");
            }
            match std::mem::replace(&mut auditor.auditing, Auditing::No) {
                Auditing::YesAndAgain => auditor.audit(ctx),
                Auditing::No | Auditing::Yes => auditor.audit_later(ctx),
            }
        }));
    }
}

/// Sends every room on this node the head of its log. A room whose mailbox is full gets it in the next audit.
async fn audit(node: Arc<Node>) -> Result<(), StoreError> {
    let placed = node.registry.send(RoomsInMemory).timeout(limits::ASK_TIMEOUT).await.unwrap_or_default();
    let rooms: FxHashMap<RoomId, Addr<Room>> = placed.into_iter().map(|placed| (placed.id, placed.room)).collect();
    let ids: Vec<RoomId> = rooms.keys().copied().collect();
    for some in ids.chunks(limits::STORE_IDS_PER_QUERY) {
        for (id, head) in node.store.room_heads(some).await? {
            let told = rooms.get(&id).map(|room| room.try_send(HeadIs { seq: head.seq, epoch: head.epoch }));
            if let Some(Err(error)) = told {
                log::debug!("event=head_not_told room={id} why=\"{error}\"");
            }
        }
    }
    Ok(())
}

impl Actor for Auditor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.audit_later(ctx);
    }
}

impl Handler<LinkIs> for Auditor {
    type Result = ();

    fn handle(&mut self, link: LinkIs, ctx: &mut Self::Context) {
        match link {
            LinkIs::Down => {
                self.period = limits::AUDIT_PERIOD_BLIND;
                if self.auditing == Auditing::No {
                    self.audit_later(ctx);
                }
            }
            LinkIs::Up => {
                self.period = limits::AUDIT_PERIOD;
                self.audit(ctx);
            }
        }
    }
}
