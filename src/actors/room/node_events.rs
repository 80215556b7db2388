//! Messages of the node to its rooms about other nodes and about the log.

use actix::prelude::*;

use super::Room;
use crate::actors::messages::{LogHead, PeerEvent};

impl Handler<PeerEvent> for Room {
    type Result = ();

    fn handle(&mut self, news: PeerEvent, ctx: &mut Self::Context) {
        match news {
            PeerEvent::Up(_) => self.peer_up(ctx),
            PeerEvent::Gone(node) => self.peer_gone(node, ctx),
        }
    }
}

impl Handler<LogHead> for Room {
    type Result = ();

    fn handle(&mut self, head: LogHead, ctx: &mut Self::Context) {
        self.head_is(head.seq, head.epoch, ctx);
    }
}
