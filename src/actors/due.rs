//! Delivers notifications that no request of a client of this node stores: reminders of invites, and rows that other programs
//! have stored. It looks for them periodically. Every node does; what one takes, the others do not find, so each is delivered
//! once, also after restarts. It must never decide what is due; the store does.

use std::sync::Arc;

use actix::prelude::*;

use super::node::Node;
use crate::{
    limits,
    store::{StoreError, StoredNotification},
};

/// The actor. One per node; kept alive by its timer.
pub struct DueNotifications {
    node: Arc<Node>,
    state: Looking,
}

/// Whether the store is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looking {
    No,
    Yes,
    /// The last attempt has failed, which was logged.
    Failed,
}

impl DueNotifications {
    /// Delivers the notifications of this node's database.
    pub fn new(node: Arc<Node>) -> DueNotifications {
        DueNotifications { node, state: Looking::No }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.state == Looking::Yes || self.node.is_draining() {
            return;
        }
        let before = std::mem::replace(&mut self.state, Looking::Yes);
        let node = self.node.clone();
        let found = async move {
            let mut due = node.store.remind_of_invites(node.clock.now()).await?;
            due.append(&mut node.store.take_arrivals().await?);
            Ok(due)
        };
        ctx.spawn(found.into_actor(self).map(move |found, due, ctx| due.found(before, found, ctx)));
    }

    fn found(&mut self, before: Looking, found: Result<Vec<StoredNotification>, StoreError>, ctx: &mut Context<Self>) {
        match found {
            Ok(due) => {
                self.state = Looking::No;
                let has_more = due.len() as i64 >= limits::ARRIVALS_PER_COMMIT;
                due.into_iter().for_each(|stored| self.node.publish_notification(stored));
                if has_more {
                    self.look(ctx);
                }
            }
            Err(error) => {
                self.state = Looking::Failed;
                if before != Looking::Failed {
                    log::warn!("event=due_notifications_not_read why=\"{error}\"");
                }
            }
        }
    }
}

impl Actor for DueNotifications {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(limits::DUE_PERIOD, Self::look);
    }
}
