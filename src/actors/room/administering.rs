//! What administrators and owners want of a room.

use actix::prelude::*;

use super::Room;
use crate::{
    actors::messages::{Announce, CountUsers, KeepOnly, RoomUse},
    ids::UserId,
};

impl Room {
    /// Before anybody comes or goes: who is there was there in every hour that has begun since.
    pub(super) fn pass_hours(&mut self) {
        let present = self.core.iter().flat_map(|core| core.online().map(|author| &author.id));
        self.usage.pass(self.node.clock.now(), present);
    }

    /// Sends everybody else out who is here.
    pub(super) fn keep_only(&mut self, users: &[UserId], ctx: &mut Context<Self>) {
        let here = self.core.iter().flat_map(|core| core.online().filter(|user| !core.sockets_of(&user.id).is_empty()));
        let going: Vec<UserId> = here.map(|user| user.id.clone()).filter(|user| !users.contains(user)).collect();
        for user in going {
            self.expel(&user, ctx);
        }
        self.rest(ctx);
    }
}

impl Handler<Announce> for Room {
    type Result = ();

    fn handle(&mut self, Announce(broadcast): Announce, ctx: &mut Self::Context) {
        self.deliver(&broadcast, ctx);
    }
}

impl Handler<KeepOnly> for Room {
    type Result = ();

    fn handle(&mut self, keep: KeepOnly, ctx: &mut Self::Context) {
        self.keep_only(&keep.users, ctx);
    }
}

impl Handler<CountUsers> for Room {
    type Result = RoomUse;

    fn handle(&mut self, _: CountUsers, _: &mut Self::Context) -> RoomUse {
        self.pass_hours();
        RoomUse {
            users: self.core.as_ref().map_or(0, |core| core.users()) as u64,
            users_per_hour_milli: self.usage.users_per_hour_milli(),
            last_sign: self.last_sign(),
        }
    }
}
