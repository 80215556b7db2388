//! What the node tells its rooms about other nodes and about the log.

use actix::prelude::*;

use super::Room;
use crate::actors::messages::{HeadIs, PeerNews};

impl Handler<PeerNews> for Room {
    type Result = ();

    fn handle(&mut self, _: PeerNews, _: &mut Self::Context) {}
}

impl Handler<HeadIs> for Room {
    type Result = ();

    fn handle(&mut self, _: HeadIs, _: &mut Self::Context) {}
}
