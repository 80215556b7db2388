//! Open rooms. Besides their events they have state: status and cursor of each member, and the sheets in use. Cursors are
//! sent to members once per period; nodes exchange their part. None of this may ever be stored.

use std::sync::Arc;

use super::super::{
    kind::{Answer, Effect, Loading, RoomKind, RoomView, Timer},
    publish::By,
};
use crate::{
    actors::{
        bridge::{ClusterMode, KindMessage},
        messages::{Join, RoomChoice},
    },
    core::{
        command::{Command, PresenceCommand, SheetCommand},
        conflation::{Conflation, MoveOrigin},
        cursor::CursorUpdate,
        event::{
            Audience, ChatEphemeral, CursorsMoved, Durable, Ephemeral, Event, EventBody, MemberPresence,
            PresenceEphemeral, RoomPresence, SheetDurable, UploadEphemeral,
        },
        presence::UserStatus,
        profile::Author,
        room_presence::{self, PresenceBook},
    },
    ids::{NodeId, RoomId, Timestamp, UserId},
    limits,
    store::{QueueFor, Store},
};

/// The end of a period in which cursors are collected.
const CURSORS: Timer = Timer(0);
/// The end of a period in which changes of the members are collected.
const PRESENCE: Timer = Timer(1);

/// An open room.
#[derive(Default)]
pub(in crate::actors::room) struct Open {
    book: PresenceBook,
    pointing: Conflation<CursorUpdate>,
    /// Whether cursors were sent within the last period.
    cursors: CursorNotice,
    presence: PresenceNotice,
}

/// Whether cursors must wait for the end of a period.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum CursorNotice {
    /// They are sent at once.
    #[default]
    Quiet,
    /// Cursors were sent within the last period.
    Sent,
}

/// Whether the presence of all members must be sent again.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum PresenceNotice {
    /// With the next change, at once.
    #[default]
    Quiet,
    /// It was sent recently.
    Sent,
    /// It was sent recently, and has changed since.
    Changed,
}

impl Open {
    /// A member here moved the cursor.
    fn cursor_moved(&mut self, update: CursorUpdate, room: &RoomView<'_>) -> Vec<Effect> {
        self.book.pointed(&update, room.now);
        self.pointing.point(update, MoveOrigin::ThisNode);
        self.send_cursors(room)
    }

    /// Sends cursors, at once after a quiet period, otherwise once per period.
    fn send_cursors(&mut self, room: &RoomView<'_>) -> Vec<Effect> {
        if self.cursors == CursorNotice::Sent {
            return Vec::new();
        }
        let unpublished = self.pointing.take_unpublished();
        let Some(frames) = self.pointing.take_frames(limits::CURSORS_PER_FRAME_MAX) else { return Vec::new() };
        self.cursors = CursorNotice::Sent;
        let mut effects = Vec::with_capacity(5);
        if !unpublished.is_empty() && room.cluster_mode == ClusterMode::MultiNode {
            // the other nodes drop cursors of users whose join they do not know yet
            effects.push(Effect::PublishMembers);
            effects.push(Effect::Publish(KindMessage::Cursors(unpublished)));
        }
        let named = frames.others.first.user.id.clone();
        effects.push(moved(frames.others, Audience::EveryoneBut(named.clone())));
        effects.extend(frames.first.map(|first| moved(first, Audience::Only(named))));
        effects.push(Effect::Wake { timer: CURSORS, after: limits::CURSOR_PERIOD });
        effects
    }
}

fn moved(cursors: CursorsMoved, audience: Audience) -> Effect {
    Effect::AnnounceLocal { what: Ephemeral::Presence(PresenceEphemeral::CursorsMoved(Arc::new(cursors))), audience }
}

impl RoomKind for Open {
    /// Also in those of the participants who are not here.
    fn queue_for(&self, what: &Durable, room: &RoomView<'_>) -> QueueFor {
        let present = room.core.online().map(|user| user.id.clone()).collect();
        QueueFor { users: room.absent_mentioned(what), participants_except: Some(present) }
    }

    fn sends_presence(&self) -> bool {
        true
    }

    /// Reads the sheets in use.
    fn load<'a>(&'a mut self, store: &'a Store, room: RoomId, now: Timestamp) -> Loading<'a> {
        Box::pin(async move {
            let since = now.plus_ms(-(limits::SHEET_ACTIVE.as_millis() as i64));
            let sheets = store.active_sheets(room, since).await?;
            sheets.iter().rev().for_each(|(sheet, at)| self.book.sheet_changed(sheet, *at));
            Ok(())
        })
    }

    fn command(&mut self, command: Command, by: &By, room: &RoomView<'_>) -> (Answer, Vec<Effect>) {
        if let Command::Presence(PresenceCommand::MoveCursor { cursor, .. }) = command {
            return (Answer::Done, self.cursor_moved(CursorUpdate { user: by.user.clone(), cursor }, room));
        }
        let Command::Sheet(SheetCommand::UpdateCells { sheet, room, cells }) = command else {
            return (Answer::Unknown, Vec::new());
        };
        let room_choice = if room.is_some() { RoomChoice::Named } else { RoomChoice::Inferred };
        let what = SheetDurable::CellsUpdated { sheet, author: by.user.clone(), cells };
        (Answer::Store(Box::new(Durable::Sheet(what)), room_choice), Vec::new())
    }

    fn joined(&mut self, join: &Join, now: Timestamp) {
        self.book.said(&join.user.id, join.status, now);
        self.book.seen(&join.user.id, now);
    }

    fn active(&mut self, user: &UserId, now: Timestamp) {
        self.book.seen(user, now);
    }

    fn left(&mut self, user: &UserId) {
        self.book.forget(user);
        self.pointing.forget(user);
    }

    /// Sends the presence of all members; rate-limited in large rooms.
    fn members_changed(&mut self, room: &RoomView<'_>) -> Vec<Effect> {
        match self.presence {
            PresenceNotice::Quiet => {}
            PresenceNotice::Sent | PresenceNotice::Changed => {
                self.presence = PresenceNotice::Changed;
                return Vec::new();
            }
        }
        let (mut effects, users) = (Vec::new(), room.core.users());
        if users > limits::ATTENDANCE_AT_ONCE_USERS_MAX {
            self.presence = PresenceNotice::Sent;
            effects.push(Effect::Wake { timer: PRESENCE, after: room_presence::period(users) });
        }
        if room.has_hubs
            && let Some(presence) = self.presence(room)
        {
            let what = Ephemeral::Presence(PresenceEphemeral::Attended(Arc::new(presence)));
            effects.push(Effect::AnnounceLocal { what, audience: Audience::Everyone });
        }
        effects
    }

    fn published(&mut self, event: &Event) {
        if let EventBody::Durable { what: Durable::Sheet(SheetDurable::CellsUpdated { sheet, .. }), .. } = &event.body {
            self.book.sheet_changed(sheet, event.at);
        }
    }

    fn ephemeral_received(&mut self, what: &Ephemeral, now: Timestamp) {
        match what {
            Ephemeral::Presence(PresenceEphemeral::StatusChanged { user, status, .. }) => {
                self.book.said(&user.id, *status, now)
            }
            Ephemeral::Chat(ChatEphemeral::Typing { user, .. })
            | Ephemeral::Upload(UploadEphemeral::Reported { user, .. }) => self.book.seen(&user.id, now),
            Ephemeral::Presence(
                PresenceEphemeral::UserJoined { .. }
                | PresenceEphemeral::UserLeft { .. }
                | PresenceEphemeral::CursorsMoved(_)
                | PresenceEphemeral::Attended(_),
            )
            | Ephemeral::Call(_)
            | Ephemeral::Room(_)
            | Ephemeral::Document(_)
            | Ephemeral::Canvas(_)
            | Ephemeral::Space(_) => {}
        }
    }

    fn received(&mut self, _: NodeId, message: KindMessage, room: &RoomView<'_>) -> Vec<Effect> {
        match message {
            KindMessage::Presence(members) => {
                members.iter().for_each(|member| self.book.learn(member));
                Vec::new()
            }
            KindMessage::Cursors(cursors) => {
                for update in cursors {
                    // a user who has left in the meantime has no cursor
                    if room.core.is_present(&update.user.id) {
                        self.book.pointed(&update, room.now);
                        self.pointing.point(update, MoveOrigin::Another);
                    }
                }
                self.send_cursors(room)
            }
            // of other kinds of rooms
            KindMessage::Awareness(_)
            | KindMessage::Colours(_)
            | KindMessage::RightsChanged
            | KindMessage::TileEditing(_)
            | KindMessage::SettingsChanged
            | KindMessage::Moves(_) => Vec::new(),
        }
    }

    fn status_set(&mut self, user: &UserId, status: &UserStatus, now: Timestamp) -> Option<Audience> {
        self.book.said(user, status.status, now);
        Some(Audience::Everyone)
    }

    fn woken(&mut self, timer: Timer, room: &RoomView<'_>) -> Vec<Effect> {
        if timer == CURSORS {
            self.cursors = CursorNotice::Quiet;
            return self.send_cursors(room);
        }
        match std::mem::take(&mut self.presence) {
            PresenceNotice::Changed => self.members_changed(room),
            PresenceNotice::Quiet | PresenceNotice::Sent => Vec::new(),
        }
    }

    fn last_activity(&self) -> Option<Timestamp> {
        self.book.last_sign()
    }

    fn presence_of(&self, users: &[Author], now: Timestamp) -> Vec<MemberPresence> {
        self.book.of(users.iter(), now)
    }

    fn presence(&self, room: &RoomView<'_>) -> Option<RoomPresence> {
        Some(self.book.attendance(room.core.online(), room.core.users(), room.now))
    }

    fn activity(&self, room: &RoomView<'_>) -> Option<RoomPresence> {
        Some(self.book.attendance([].into_iter(), room.core.users(), room.now))
    }

    fn messages_about(&self, members: &mut dyn Iterator<Item = &Author>, now: Timestamp) -> Vec<KindMessage> {
        let members: Vec<&Author> = members.collect();
        let chunks = members.chunks(limits::PRESENCES_PER_MESSAGE_MAX);
        chunks.map(|some| KindMessage::Presence(self.book.of(some.iter().copied(), now))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        actors::{fanout::Broadcast, outbox::ConnKey},
        core::{
            cursor::{Coordinate, Cursor},
            history::HistoryBounds,
            remote_members::Others,
            room::{Place, RoomCore},
        },
        ids::{Epoch, NodeId, Seq},
    };

    type Core = RoomCore<ConnKey, Broadcast>;

    fn user(number: u32) -> Author {
        Author::new(UserId::new(format!("user-{number}")).unwrap(), "name")
    }

    fn core(users: u32) -> Core {
        let place = Place { node: NodeId(1), incarnation: 1, others: Others::None };
        let bounds = HistoryBounds { events_max: 1, bytes_max: 1 };
        let mut core = Core::new(place, (Seq(0), Epoch(1)), bounds);
        for generation in 0..users {
            core.join(ConnKey { worker: 0, generation }, &user(generation));
        }
        core
    }

    fn view(core: &Core, cluster_mode: ClusterMode) -> RoomView<'_> {
        RoomView { core, now: Timestamp { unix_ms: 1 }, node: NodeId(1), cluster_mode, has_hubs: true, random: || 7 }
    }

    fn update(number: u32) -> CursorUpdate {
        let at = || Coordinate::new(1.0).unwrap();
        CursorUpdate { user: user(number), cursor: Cursor { x: at(), y: at(), cell: None } }
    }

    fn names(effects: &[Effect]) -> Vec<&'static str> {
        let name = |effect: &Effect| match effect {
            Effect::AnnounceLocal { .. } => "announce",
            Effect::Place(_) => "place",
            Effect::Announce { .. } => "announce_everywhere",
            Effect::Publish(_) => "publish",
            Effect::PublishMembers => "members",
            Effect::Wake { .. } => "wake",
            Effect::Reply { .. } => "reply",
            Effect::SaveDocument => "save",
            Effect::Close { .. } => "close",
            Effect::Store { .. } => "store",
            Effect::Refuse { .. } => "refuse",
            Effect::SaveVersion { .. } => "version",
            Effect::ReadRights => "rights",
            Effect::ReadSettings => "settings",
            Effect::StoreUnasked(_) => "store_unasked",
        };
        effects.iter().map(name).collect()
    }

    #[test]
    fn cursors_are_sent_at_once_and_then_once_per_period() {
        let (core, mut open) = (core(2), Open::default());
        let room = view(&core, ClusterMode::MultiNode);
        assert_eq!(names(&open.cursor_moved(update(0), &room)), ["members", "publish", "announce", "wake"]);
        assert_eq!(names(&open.cursor_moved(update(0), &room)), [""; 0]);
        assert_eq!(names(&open.cursor_moved(update(1), &room)), [""; 0]);
        assert_eq!(names(&open.woken(CURSORS, &room))[..2], ["members", "publish"]);
    }

    #[test]
    fn cursors_of_users_who_have_left_are_dropped() {
        let (core, mut open) = (core(1), Open::default());
        let room = view(&core, ClusterMode::MultiNode);
        assert_eq!(names(&open.received(NodeId(2), KindMessage::Cursors(vec![update(7)]), &room)), [""; 0]);
        assert_eq!(
            names(&open.received(NodeId(2), KindMessage::Cursors(vec![update(0)]), &room)),
            ["announce", "wake"]
        );
    }

    #[test]
    fn the_presence_of_a_large_room_is_sent_at_most_once_per_period() {
        let small = core(2);
        let mut open = Open::default();
        let room = view(&small, ClusterMode::SingleNode);
        assert_eq!(names(&open.members_changed(&room)), ["announce"]);
        assert_eq!(names(&open.members_changed(&room)), ["announce"]);
        let large = core(u32::try_from(limits::ATTENDANCE_AT_ONCE_USERS_MAX).unwrap() + 1);
        let room = view(&large, ClusterMode::SingleNode);
        assert_eq!(names(&open.members_changed(&room)), ["wake", "announce"]);
        assert_eq!(names(&open.members_changed(&room)), [""; 0]);
        assert_eq!(names(&open.woken(PRESENCE, &room)), ["wake", "announce"], "it has changed since");
        assert_eq!(names(&open.woken(PRESENCE, &room)), [""; 0]);
        assert_eq!(names(&open.members_changed(&room)), ["wake", "announce"]);
    }
}
