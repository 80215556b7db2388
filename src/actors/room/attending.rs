//! The state of open rooms besides their events: status and cursor of each member, and the sheets in use. Cursors are
//! sent to members once per period; nodes exchange their part. None of this may ever be stored.

use std::sync::Arc;

use actix::prelude::*;

use super::{Pending, Room};
use crate::{
    actors::{
        bridge::{Reach, RoomWord},
        fanout::Broadcast,
        messages::{Join, StatusIs, TellUpload},
    },
    core::{
        attendance::{self, AttendanceBook},
        cursor::Pointed,
        event::{
            Attendance, Attendee, Audience, ChatEphemeral, CursorsMoved, Durable, Ephemeral, EventBody,
            PresenceEphemeral, SheetDurable, UploadEphemeral,
        },
        pointing::{MovedOn, Pointing},
        profile::Author,
        upload::UploadPhase,
    },
    error::{ErrorCode, Refusal},
    ids::{SheetId, Timestamp, UserId},
    limits,
};

/// State kept only for open rooms.
#[derive(Default)]
pub(super) struct Goings {
    book: AttendanceBook,
    pointing: Pointing,
    /// Whether cursors were sent within the last period.
    pointed: Pending,
    /// Whether the complete presence state was sent recently and has changed since.
    attendance: Attending,
}

impl Goings {
    /// The presence data of these members.
    pub(super) fn attendees(&self, users: &[Author], now: Timestamp) -> Vec<Attendee> {
        self.book.of(users.iter(), now)
    }

    /// The complete presence state.
    pub(super) fn attendance<'a>(
        &self,
        users: impl Iterator<Item = &'a Author>,
        total: usize,
        now: Timestamp,
    ) -> Attendance {
        self.book.attendance(users, total, now)
    }
}

/// Whether the complete presence state must be sent again.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Attending {
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

    // ---- who is there ----

    /// A newcomer joins with a status.
    pub(super) fn attend(&mut self, join: &Join) {
        let now = self.node.clock.now();
        if let Some(goings) = &mut self.open {
            goings.book.said(&join.user.id, join.status, now);
            goings.book.seen(&join.user.id, now);
        }
    }

    /// A member was active.
    pub(super) fn seen(&mut self, user: &UserId) {
        if let Some(goings) = &mut self.open {
            goings.book.seen(user, self.node.clock.now());
        }
    }

    /// The last activity of any member, where it is tracked.
    pub(super) fn last_sign(&self) -> Option<Timestamp> {
        self.open.as_ref().and_then(|goings| goings.book.last_sign())
    }

    /// A member is gone from all nodes.
    pub(super) fn forget(&mut self, user: &UserId) {
        if let Some(goings) = &mut self.open {
            goings.book.forget(user);
            goings.pointing.forget(user);
        }
    }

    /// An event was stored, here or on another node.
    pub(super) fn happened(&mut self, broadcast: &Broadcast) {
        let Some(goings) = &mut self.open else { return };
        if let EventBody::Durable { what: Durable::Sheet(SheetDurable::CellsUpdated { sheet, .. }), .. } =
            &broadcast.event.body
        {
            goings.book.sheet_changed(sheet, broadcast.event.at);
        }
    }

    /// Sheets in use when the room was loaded, the most recent first.
    pub(super) fn sheets_were_changed(&mut self, sheets: &[(SheetId, Timestamp)]) {
        if let Some(goings) = &mut self.open {
            sheets.iter().rev().for_each(|(sheet, at)| goings.book.sheet_changed(sheet, *at));
        }
    }

    /// The presence state for a newcomer of an open room.
    pub(super) fn attendance(&self) -> Option<Arc<Attendance>> {
        let (goings, core) = (self.open.as_ref()?, self.core.as_ref()?);
        Some(Arc::new(goings.attendance(core.online(), core.users(), self.node.clock.now())))
    }

    /// Sends the presence state to the members here after a join or leave; rate-limited in large rooms.
    pub(super) fn attendance_changed(&mut self, ctx: &mut Context<Self>) {
        let users = self.core.as_ref().map_or(0, |core| core.users());
        let Some(goings) = &mut self.open else { return };
        match goings.attendance {
            Attending::Quiet => {}
            Attending::Told | Attending::Changed => {
                goings.attendance = Attending::Changed;
                return;
            }
        }
        if users > limits::ATTENDANCE_AT_ONCE_USERS_MAX {
            goings.attendance = Attending::Told;
            ctx.run_later(attendance::period(users), |room, ctx| {
                let Some(goings) = &mut room.open else { return };
                if std::mem::take(&mut goings.attendance) == Attending::Changed {
                    room.attendance_changed(ctx);
                }
            });
        }
        if !self.arms.is_empty()
            && let Some(attendance) = self.attendance()
        {
            self.announce_here(Ephemeral::Presence(PresenceEphemeral::Attended(attendance)), ctx);
        }
    }

    // ---- from and to other nodes ----

    /// Applies an ephemeral event of a member on another node.
    pub(super) fn note(&mut self, what: &Ephemeral) {
        let now = self.node.clock.now();
        if let Ephemeral::Presence(PresenceEphemeral::StatusChanged { user, .. }) = what {
            self.listed_anew(&user.id);
        }
        let Some(goings) = &mut self.open else { return };
        match what {
            Ephemeral::Presence(PresenceEphemeral::StatusChanged { user, status }) => {
                goings.book.said(&user.id, *status, now)
            }
            Ephemeral::Chat(ChatEphemeral::Typing { user, .. })
            | Ephemeral::Upload(UploadEphemeral::Reported { user, .. }) => goings.book.seen(&user.id, now),
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
    pub(super) fn learn(&mut self, attending: &[Attendee]) {
        if let Some(goings) = &mut self.open {
            attending.iter().for_each(|attendee| goings.book.learn(attendee));
        }
    }

    /// Publishes the presence data of members here to the other nodes.
    pub(super) fn say_attending<'a>(&self, members: impl Iterator<Item = &'a Author>) {
        let Some(goings) = &self.open else { return };
        let members: Vec<&Author> = members.collect();
        for some in members.chunks(limits::ATTENDING_PER_WORD_MAX) {
            let word = RoomWord::Attending(goings.book.of(some.iter().copied(), self.node.clock.now()));
            self.node.bridge.carry(self.identity.id, word);
        }
    }

    // ---- what a member says everywhere ----

    /// Whether this node announces what the user does: the user may be in the room on several nodes, and each of them
    /// is informed.
    fn speaks_for(&self, user: &UserId) -> bool {
        self.core.as_ref().is_some_and(|core| core.speaks_for(user))
    }

    /// Announces a new status. For a user whose join is pending this is done after the join.
    pub(super) fn tell_status(&mut self, said: StatusIs, ctx: &mut Context<Self>) {
        let now = self.node.clock.now();
        self.listed_anew(&said.user.id);
        let Some(goings) = &mut self.open else { return };
        goings.book.said(&said.user.id, said.status, now);
        let speaks = self.speaks_for(&said.user.id);
        let mut coming = self.entering.values_mut().filter(|newcomer| newcomer.is_of(&said.user.id));
        if speaks {
            coming.for_each(|newcomer| newcomer.brings(&said));
            let StatusIs { user, status } = said;
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
    pub(super) fn tell_upload(&mut self, told: TellUpload, ctx: &mut Context<Self>) {
        if self.speaks_for(&told.user.id) || self.ends_for_the_absent(&told) {
            let audience = Audience::EveryoneBut(told.user.id.clone());
            let TellUpload { user, upload, but: _ } = told;
            let reported = UploadEphemeral::Reported { user, upload: upload.into() };
            return self.announce(Ephemeral::Upload(reported), audience, ctx);
        }
        if let Some(newcomer) = self.entering.values_mut().find(|newcomer| newcomer.is_of(&told.user.id)) {
            newcomer.tells_upload(told);
        }
    }

    /// Whether an upload ends with the user's last socket in the room: in that case no other node announces it.
    fn ends_for_the_absent(&self, told: &TellUpload) -> bool {
        let ends = match told.upload.phase {
            UploadPhase::Cancelled { .. } => true,
            UploadPhase::Started { .. } | UploadPhase::Progress { .. } | UploadPhase::Complete { .. } => false,
        };
        let coming = self.entering.values().any(|newcomer| newcomer.is_of(&told.user.id));
        ends && !coming && !self.core.as_ref().is_some_and(|core| core.is_present(&told.user.id))
    }

    // ---- cursors ----

    /// A member here moved the cursor.
    pub(super) fn point(&mut self, pointed: Pointed, ctx: &mut Context<Self>) {
        let now = self.node.clock.now();
        let Some(goings) = &mut self.open else { return };
        goings.book.pointed(&pointed, now);
        goings.pointing.point(pointed, MovedOn::ThisNode);
        self.tell_cursors(ctx);
    }

    /// Members on another node moved their cursors.
    pub(super) fn point_elsewhere(&mut self, cursors: Vec<Pointed>, ctx: &mut Context<Self>) {
        let now = self.node.clock.now();
        let (Some(goings), Some(core)) = (&mut self.open, &self.core) else { return };
        for pointed in cursors {
            // a user who has left in the meantime has no cursor
            if core.is_present(&pointed.user.id) {
                goings.book.pointed(&pointed, now);
                goings.pointing.point(pointed, MovedOn::Another);
            }
        }
        self.tell_cursors(ctx);
    }

    /// Sends cursors, at once after a quiet period, otherwise once per period.
    fn tell_cursors(&mut self, ctx: &mut Context<Self>) {
        let Some(goings) = self.open.as_mut().filter(|goings| goings.pointed == Pending::No) else { return };
        let untold = goings.pointing.take_untold();
        let Some(frames) = goings.pointing.take_frames() else { return };
        goings.pointed = Pending::Yes;
        if !untold.is_empty() && self.node.bridge.reach == Reach::Cluster {
            // the other nodes drop cursors of users whose join they do not know yet
            self.say_diffs();
            self.node.bridge.carry(self.identity.id, RoomWord::Cursors(untold));
        }
        let named = frames.others.first.user.id.clone();
        self.tell_cursors_to(frames.others, Audience::EveryoneBut(named.clone()), ctx);
        if let Some(first) = frames.first {
            self.tell_cursors_to(first, Audience::Only(named), ctx);
        }
        ctx.run_later(limits::CURSOR_PERIOD, |room, ctx| {
            if let Some(goings) = &mut room.open {
                goings.pointed = Pending::No;
            }
            room.tell_cursors(ctx);
        });
    }

    fn tell_cursors_to(&mut self, moved: CursorsMoved, audience: Audience, ctx: &mut Context<Self>) {
        let broadcast = self.ephemeral(Ephemeral::Presence(PresenceEphemeral::CursorsMoved(Arc::new(moved))), audience);
        self.deliver(&broadcast, ctx);
    }
}

impl Handler<StatusIs> for Room {
    type Result = ();

    fn handle(&mut self, said: StatusIs, ctx: &mut Self::Context) {
        self.tell_status(said, ctx);
    }
}

impl Handler<TellUpload> for Room {
    type Result = ();

    fn handle(&mut self, told: TellUpload, ctx: &mut Self::Context) {
        self.tell_upload(told, ctx);
    }
}
