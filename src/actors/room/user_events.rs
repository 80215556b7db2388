//! What users do outside the room, and its members are sent: they set a status and upload files. A user may be in the room
//! on several nodes, all of which are informed; only one of them may announce it.

use actix::prelude::*;

use super::Room;
use crate::{
    actors::messages::{PublishStatus, PublishUpload},
    core::{
        event::{Audience, Ephemeral, PresenceEphemeral, UploadEphemeral},
        presence::UserStatus,
        upload::UploadPhase,
    },
    ids::UserId,
};

impl Room {
    /// An ephemeral event of a member on another node was received.
    pub(super) fn note(&mut self, what: &Ephemeral) {
        if let Ephemeral::Presence(PresenceEphemeral::StatusChanged { user, .. }) = what {
            self.listed_anew(&user.id);
        }
        self.kind.ephemeral_received(what, self.node.clock.now());
    }

    /// Whether this node announces what the user does: the user may be in the room on several nodes, and each of them
    /// is informed.
    fn is_authority_for(&self, user: &UserId) -> bool {
        self.core.as_ref().is_some_and(|core| core.is_authority_for(user))
    }

    /// Announces a new status. For a user whose join is pending this is done after the join.
    pub(super) fn publish_status(&mut self, said: PublishStatus, ctx: &mut Context<Self>) {
        self.listed_anew(&said.user.id);
        let now = self.node.clock.now();
        let Some(audience) = self.kind.status_set(&said.user.id, &said.status, now) else { return };
        let speaks = self.is_authority_for(&said.user.id);
        let mut coming = self.entering.values_mut().filter(|newcomer| newcomer.is_of(&said.user.id));
        if speaks {
            coming.for_each(|newcomer| newcomer.brings(&said));
            let PublishStatus { user, status: UserStatus { status, details } } = said;
            let changed = PresenceEphemeral::StatusChanged { user, status, details };
            return self.announce(Ephemeral::Presence(changed), audience, ctx);
        }
        let first = coming.next();
        coming.for_each(|newcomer| newcomer.brings(&said));
        if let Some(newcomer) = first {
            newcomer.brings(&said);
            newcomer.tells_status(said);
        }
    }

    /// Announces upload progress, in the same way.
    pub(super) fn publish_upload(&mut self, told: PublishUpload, ctx: &mut Context<Self>) {
        if self.is_authority_for(&told.user.id) || self.ends_for_the_absent(&told) {
            let audience = Audience::EveryoneBut(told.user.id.clone());
            let PublishUpload { user, upload, but: _ } = told;
            let reported = UploadEphemeral::Reported { user, upload: upload.into() };
            return self.announce(Ephemeral::Upload(reported), audience, ctx);
        }
        if let Some(newcomer) = self.entering.values_mut().find(|newcomer| newcomer.is_of(&told.user.id)) {
            newcomer.tells_upload(told);
        }
    }

    /// Whether an upload ends with the user's last socket in the room: in that case no other node announces it.
    fn ends_for_the_absent(&self, told: &PublishUpload) -> bool {
        let ends = match told.upload.phase {
            UploadPhase::Cancelled { .. } => true,
            UploadPhase::Started { .. } | UploadPhase::Progress { .. } | UploadPhase::Complete { .. } => false,
        };
        let coming = self.entering.values().any(|newcomer| newcomer.is_of(&told.user.id));
        ends && !coming && !self.core.as_ref().is_some_and(|core| core.is_present(&told.user.id))
    }
}

impl Handler<PublishStatus> for Room {
    type Result = ();

    fn handle(&mut self, said: PublishStatus, ctx: &mut Self::Context) {
        self.publish_status(said, ctx);
    }
}

impl Handler<PublishUpload> for Room {
    type Result = ();

    fn handle(&mut self, told: PublishUpload, ctx: &mut Self::Context) {
        self.publish_upload(told, ctx);
    }
}
