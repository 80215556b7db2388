//! The state of open rooms besides their events: status and cursor of each member, and the sheets in use. Cursors are
//! sent to members once per period; nodes exchange their part. None of this may ever be stored.

use std::sync::Arc;

use actix::prelude::*;

use super::{Pending, Room};
use crate::{
    actors::{
        bridge::{ClusterMode, RoomMessage},
        fanout::Broadcast,
        messages::{Join, PublishStatus, PublishUpload},
    },
    core::{
        cursor::CursorUpdate,
        cursor_conflation::{CursorConflation, CursorOrigin},
        event::{
            Audience, ChatEphemeral, CursorsMoved, Durable, Ephemeral, EventBody, MemberPresence, PresenceEphemeral,
            RoomPresence, SheetDurable, UploadEphemeral,
        },
        profile::Author,
        room_presence::{self, PresenceBook},
        upload::UploadPhase,
    },
    error::{ErrorCode, Refusal},
    ids::{SheetId, Timestamp, UserId},
    limits,
};

/// State kept only for open rooms.
#[derive(Default)]
pub(super) struct OpenRoomState {
    book: PresenceBook,
    pointing: CursorConflation,
    /// Whether cursors were sent within the last period.
    pointed: Pending,
    /// Whether the complete presence state was sent recently and has changed since.
    attendance: StateNotice,
}

impl OpenRoomState {
    /// The presence data of these members.
    pub(super) fn attendees(&self, users: &[Author], now: Timestamp) -> Vec<MemberPresence> {
        self.book.of(users.iter(), now)
    }

    /// The complete presence state.
    pub(super) fn attendance<'a>(
        &self,
        users: impl Iterator<Item = &'a Author>,
        total: usize,
        now: Timestamp,
    ) -> RoomPresence {
        self.book.attendance(users, total, now)
    }
}

/// Whether the complete presence state must be sent again.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum StateNotice {
    /// With the next change, at once.
    #[default]
    Quiet,
    /// It was sent recently.
    Told,
    /// It was sent recently, and has changed since.
    Changed,
}

impl Room {
    /// The reason for refusing a newcomer if the room is full.
    pub(super) fn has_no_place_for(&self, join: &Join) -> Option<Refusal> {
        let (most, core) = (join.capacity?, self.core.as_ref()?);
        let full = core.users() >= most as usize && !core.is_member(&join.user.id);
        let sentence = "The room is full; try again when somebody has left it";
        full.then(|| Refusal::new(ErrorCode::SpaceFull, sentence))
    }

    // ---- presence ----

    /// A newcomer joins with a status.
    pub(super) fn attend(&mut self, join: &Join) {
        let now = self.node.clock.now();
        if let Some(state) = &mut self.open {
            state.book.said(&join.user.id, join.status, now);
            state.book.seen(&join.user.id, now);
        }
    }

    /// A member was active.
    pub(super) fn seen(&mut self, user: &UserId) {
        if let Some(state) = &mut self.open {
            state.book.seen(user, self.node.clock.now());
        }
    }

    /// The last activity of any member, where it is tracked.
    pub(super) fn last_sign(&self) -> Option<Timestamp> {
        self.open.as_ref().and_then(|state| state.book.last_sign())
    }

    /// A member is gone from all nodes.
    pub(super) fn forget(&mut self, user: &UserId) {
        if let Some(state) = &mut self.open {
            state.book.forget(user);
            state.pointing.forget(user);
        }
    }

    /// An event was stored, here or on another node.
    pub(super) fn happened(&mut self, broadcast: &Broadcast) {
        let Some(state) = &mut self.open else { return };
        if let EventBody::Durable { what: Durable::Sheet(SheetDurable::CellsUpdated { sheet, .. }), .. } =
            &broadcast.event.body
        {
            state.book.sheet_changed(sheet, broadcast.event.at);
        }
    }

    /// Sheets in use when the room was loaded, the most recent first.
    pub(super) fn sheets_were_changed(&mut self, sheets: &[(SheetId, Timestamp)]) {
        if let Some(state) = &mut self.open {
            sheets.iter().rev().for_each(|(sheet, at)| state.book.sheet_changed(sheet, *at));
        }
    }

    /// The presence state for a newcomer of an open room.
    pub(super) fn attendance(&self) -> Option<Arc<RoomPresence>> {
        let (state, core) = (self.open.as_ref()?, self.core.as_ref()?);
        Some(Arc::new(state.attendance(core.online(), core.users(), self.node.clock.now())))
    }

    /// Sends the presence state to the members here after a join or leave; rate-limited in large rooms.
    pub(super) fn attendance_changed(&mut self, ctx: &mut Context<Self>) {
        let users = self.core.as_ref().map_or(0, |core| core.users());
        let Some(state) = &mut self.open else { return };
        match state.attendance {
            StateNotice::Quiet => {}
            StateNotice::Told | StateNotice::Changed => {
                state.attendance = StateNotice::Changed;
                return;
            }
        }
        if users > limits::ATTENDANCE_AT_ONCE_USERS_MAX {
            state.attendance = StateNotice::Told;
            ctx.run_later(room_presence::period(users), |room, ctx| {
                let Some(state) = &mut room.open else { return };
                if std::mem::take(&mut state.attendance) == StateNotice::Changed {
                    room.attendance_changed(ctx);
                }
            });
        }
        if !self.hub_links.is_empty()
            && let Some(attendance) = self.attendance()
        {
            self.announce_local(Ephemeral::Presence(PresenceEphemeral::Attended(attendance)), ctx);
        }
    }

    // ---- other nodes ----

    /// Applies an ephemeral event of a member on another node.
    pub(super) fn note(&mut self, what: &Ephemeral) {
        let now = self.node.clock.now();
        if let Ephemeral::Presence(PresenceEphemeral::StatusChanged { user, .. }) = what {
            self.listed_anew(&user.id);
        }
        let Some(state) = &mut self.open else { return };
        match what {
            Ephemeral::Presence(PresenceEphemeral::StatusChanged { user, status }) => {
                state.book.said(&user.id, *status, now)
            }
            Ephemeral::Chat(ChatEphemeral::Typing { user, .. })
            | Ephemeral::Upload(UploadEphemeral::Reported { user, .. }) => state.book.seen(&user.id, now),
            Ephemeral::Presence(
                PresenceEphemeral::UserJoined { .. }
                | PresenceEphemeral::UserLeft { .. }
                | PresenceEphemeral::CursorsMoved(_)
                | PresenceEphemeral::Attended(_),
            )
            | Ephemeral::Call(_)
            | Ephemeral::Room(_) => {}
        }
    }

    /// Applies the presence data that another node has of its members.
    pub(super) fn learn(&mut self, attending: &[MemberPresence]) {
        if let Some(state) = &mut self.open {
            attending.iter().for_each(|attendee| state.book.learn(attendee));
        }
    }

    /// Publishes the presence data of members here to the other nodes.
    pub(super) fn publish_member_presence<'a>(&self, members: impl Iterator<Item = &'a Author>) {
        let Some(state) = &self.open else { return };
        let members: Vec<&Author> = members.collect();
        for some in members.chunks(limits::PRESENCES_PER_MESSAGE_MAX) {
            let message = RoomMessage::Presence(state.book.of(some.iter().copied(), self.node.clock.now()));
            self.node.bridge.publish_room(self.identity.id, message);
        }
    }

    // ---- status and uploads ----

    /// Whether this node announces what the user does: the user may be in the room on several nodes, and each of them
    /// is informed.
    fn is_authority_for(&self, user: &UserId) -> bool {
        self.core.as_ref().is_some_and(|core| core.is_authority_for(user))
    }

    /// Announces a new status. For a user whose join is pending this is done after the join.
    pub(super) fn publish_status(&mut self, said: PublishStatus, ctx: &mut Context<Self>) {
        let now = self.node.clock.now();
        self.listed_anew(&said.user.id);
        let Some(state) = &mut self.open else { return };
        state.book.said(&said.user.id, said.status, now);
        let speaks = self.is_authority_for(&said.user.id);
        let mut coming = self.entering.values_mut().filter(|newcomer| newcomer.is_of(&said.user.id));
        if speaks {
            coming.for_each(|newcomer| newcomer.brings(&said));
            let PublishStatus { user, status } = said;
            return self.announce(
                Ephemeral::Presence(PresenceEphemeral::StatusChanged { user, status }),
                Audience::Everyone,
                ctx,
            );
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

    // ---- cursors ----

    /// A member here moved the cursor.
    pub(super) fn point(&mut self, pointed: CursorUpdate, ctx: &mut Context<Self>) {
        let now = self.node.clock.now();
        let Some(state) = &mut self.open else { return };
        state.book.pointed(&pointed, now);
        state.pointing.point(pointed, CursorOrigin::ThisNode);
        self.broadcast_cursors(ctx);
    }

    /// Members on another node moved their cursors.
    pub(super) fn apply_remote_cursors(&mut self, cursors: Vec<CursorUpdate>, ctx: &mut Context<Self>) {
        let now = self.node.clock.now();
        let (Some(state), Some(core)) = (&mut self.open, &self.core) else { return };
        for pointed in cursors {
            // a user who has left in the meantime has no cursor
            if core.is_present(&pointed.user.id) {
                state.book.pointed(&pointed, now);
                state.pointing.point(pointed, CursorOrigin::Another);
            }
        }
        self.broadcast_cursors(ctx);
    }

    /// Sends cursors, at once after a quiet period, otherwise once per period.
    fn broadcast_cursors(&mut self, ctx: &mut Context<Self>) {
        let Some(state) = self.open.as_mut().filter(|state| state.pointed == Pending::No) else { return };
        let untold = state.pointing.take_unpublished();
        let Some(frames) = state.pointing.take_frames() else { return };
        state.pointed = Pending::Yes;
        if !untold.is_empty() && self.node.bridge.cluster_mode == ClusterMode::MultiNode {
            // the other nodes drop cursors of users whose join they do not know yet
            self.publish_diffs();
            self.node.bridge.publish_room(self.identity.id, RoomMessage::Cursors(untold));
        }
        let named = frames.others.first.user.id.clone();
        self.tell_cursors_to(frames.others, Audience::EveryoneBut(named.clone()), ctx);
        if let Some(first) = frames.first {
            self.tell_cursors_to(first, Audience::Only(named), ctx);
        }
        ctx.run_later(limits::CURSOR_PERIOD, |room, ctx| {
            if let Some(state) = &mut room.open {
                state.pointed = Pending::No;
            }
            room.broadcast_cursors(ctx);
        });
    }

    fn tell_cursors_to(&mut self, moved: CursorsMoved, audience: Audience, ctx: &mut Context<Self>) {
        let broadcast = self.ephemeral(Ephemeral::Presence(PresenceEphemeral::CursorsMoved(Arc::new(moved))), audience);
        self.deliver(&broadcast, ctx);
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
