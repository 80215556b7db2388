//! Messages of the node to its rooms about other nodes and about the log.

use actix::prelude::*;

use super::Room;
use crate::actors::messages::{HeadIs, PeerNews};

impl Handler<PeerNews> for Room {
    type Result = ();

    fn handle(&mut self, news: PeerNews, ctx: &mut Self::Context) {
        match news {
            PeerNews::Up(_) => self.peer_up(),
            PeerNews::Gone(node) => self.peer_gone(node, ctx),
        }
    }
}

impl Handler<HeadIs> for Room {
    type Result = ();

    fn handle(&mut self, head: HeadIs, ctx: &mut Self::Context) {
        self.head_is(head.seq, head.epoch, ctx);
    }
}
