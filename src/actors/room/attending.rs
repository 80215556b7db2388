//! What there is to know of the members of an open room beside that they are there: status, cursor, uploads.

use actix::prelude::*;

use super::Room;
use crate::{
    actors::{
        fanout::Audience,
        messages::{StatusIs, TellUpload},
    },
    core::event::Ephemeral,
};

impl Handler<StatusIs> for Room {
    type Result = ();

    fn handle(&mut self, StatusIs { user, status }: StatusIs, ctx: &mut Self::Context) {
        self.announce(Ephemeral::StatusChanged { user, status }, Audience::Everyone, ctx);
    }
}

impl Handler<TellUpload> for Room {
    type Result = ();

    fn handle(&mut self, TellUpload { user, upload, .. }: TellUpload, ctx: &mut Self::Context) {
        let audience = Audience::EveryoneBut(user.id.clone());
        self.announce(Ephemeral::Upload { user, upload }, audience, ctx);
    }
}
