//! What REST may ask of the actors, as plain async calls, so that no route ever sees an address or a mailbox.

use std::sync::Arc;

use super::{
    messages::{CloseUser, CountAll, ExpelFrom, Revoke, Statistics, WhoIsOnline},
    node::{Node, parse_connection_name},
};
use crate::{
    disconnect::Disconnect,
    ids::{RoomId, Timestamp, UserId},
    limits::ASK_TIMEOUT,
};

/// A line to the actors.
#[derive(Clone)]
pub struct Gateway {
    node: Arc<Node>,
}

impl Gateway {
    /// The line to this node's actors.
    pub fn new(node: Arc<Node>) -> Gateway {
        Gateway { node }
    }

    /// Those of the users who are online.
    pub async fn online(&self, users: Vec<UserId>) -> Vec<UserId> {
        self.node.presence.send(WhoIsOnline(users)).timeout(ASK_TIMEOUT).await.unwrap_or_default()
    }

    /// Closes the user's sockets and voids what is remembered of the user's tokens issued before that moment.
    pub async fn revoke_user(&self, user: UserId, before: Timestamp) {
        let revoked = self.node.registry.send(Revoke { user, before }).timeout(ASK_TIMEOUT).await;
        if let Err(error) = revoked {
            log::error!("event=revoke_lost why=\"{error}\"");
        }
    }

    /// Closes the user's sockets in these rooms.
    pub async fn leave_group(&self, rooms: Vec<RoomId>, user: UserId) {
        let expelled = self.node.registry.send(ExpelFrom { user, rooms }).timeout(ASK_TIMEOUT).await;
        if let Err(error) = expelled {
            log::error!("event=expel_lost why=\"{error}\"");
        }
    }

    /// Closes one connection by its name. Answers whether there was one.
    pub async fn disconnect(&self, connection: String) -> bool {
        let Some(name) = parse_connection_name(&connection).filter(|name| name.node == self.node.id) else {
            return false;
        };
        let close = CloseUser { user: name.user, conn: Some(name.conn), why: Disconnect::Revoked };
        self.node.registry.send(close).timeout(ASK_TIMEOUT).await.is_ok_and(|closed| closed > 0)
    }

    /// What the node has.
    pub async fn statistics(&self) -> Statistics {
        self.node.registry.send(CountAll).timeout(ASK_TIMEOUT).await.unwrap_or_default()
    }

    /// Whether the node takes no new sockets.
    pub fn is_draining(&self) -> bool {
        self.node.is_draining()
    }
}
