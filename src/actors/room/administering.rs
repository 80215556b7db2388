//! What administrators want of a room.

use actix::prelude::*;

use super::Room;
use crate::actors::messages::{Announce, CountUsers};

impl Handler<Announce> for Room {
    type Result = ();

    fn handle(&mut self, Announce(broadcast): Announce, ctx: &mut Self::Context) {
        self.deliver(&broadcast, ctx);
    }
}

impl Handler<CountUsers> for Room {
    type Result = usize;

    fn handle(&mut self, _: CountUsers, _: &mut Self::Context) -> usize {
        self.core.as_ref().map_or(0, |core| core.users())
    }
}
