//! The presence data of users in an open room: status, cursor and last activity, and the sheets in use. Every node
//! keeps it for all members: its own members report it, that of others is received from their nodes.

use std::{collections::HashMap, time::Duration};

use crate::{
    core::{
        cursor::{Cursor, CursorUpdate},
        event::{MemberPresence, RoomPresence},
        presence::Status,
        profile::Author,
    },
    ids::{SheetId, Timestamp, UserId},
    limits,
};

/// The minimum period between two complete states sent to the members of a room of this size: as long as the bytes take
/// at the rate granted to each member.
pub fn period(users: usize) -> Duration {
    let listed = u32::try_from(users.min(limits::ONLINE_USERS_LISTED_MAX)).unwrap_or(u32::MAX);
    let bytes = listed.saturating_mul(limits::ATTENDEE_BYTES);
    Duration::from_secs(1).saturating_mul(bytes) / limits::ATTENDANCE_BYTES_PER_SECOND
}

#[derive(Clone, Debug)]
struct Known {
    status: Status,
    cursor: Option<Cursor>,
    last_seen: Timestamp,
}

/// The presence data of one room.
#[derive(Debug, Default)]
pub struct PresenceBook {
    users: HashMap<UserId, Known>,
    /// The most recently changed first.
    sheets: Vec<(SheetId, Timestamp)>,
}

impl PresenceBook {
    fn known(&mut self, user: &UserId, now: Timestamp) -> Option<&mut Known> {
        if !self.users.contains_key(user) {
            if self.users.len() >= limits::ATTENDEES_KNOWN_MAX {
                return None;
            }
            self.users.insert(user.clone(), Known { status: Status::default(), cursor: None, last_seen: now });
        }
        self.users.get_mut(user)
    }

    /// The user was active.
    pub fn seen(&mut self, user: &UserId, now: Timestamp) {
        if let Some(known) = self.known(user, now) {
            known.last_seen = known.last_seen.max(now);
        }
    }

    /// The user's cursor moved.
    pub fn pointed(&mut self, pointed: &CursorUpdate, now: Timestamp) {
        if let Some(known) = self.known(&pointed.user.id, now) {
            known.cursor = Some(pointed.cursor.clone());
            known.last_seen = known.last_seen.max(now);
        }
    }

    /// The user set a status.
    pub fn said(&mut self, user: &UserId, status: Status, now: Timestamp) {
        if let Some(known) = self.known(user, now) {
            known.status = status;
        }
    }

    /// The last activity of anybody in the room.
    pub fn last_sign(&self) -> Option<Timestamp> {
        self.users.values().map(|known| known.last_seen).max()
    }

    /// Merges what another node knows of a user there.
    pub fn learn(&mut self, attendee: &MemberPresence) {
        if let Some(known) = self.known(&attendee.user.id, attendee.last_seen) {
            known.status = attendee.status;
            known.cursor = attendee.cursor.clone().or(known.cursor.take());
            known.last_seen = known.last_seen.max(attendee.last_seen);
        }
    }

    /// The user is not in the room on any node.
    pub fn forget(&mut self, user: &UserId) {
        self.users.remove(user);
    }

    /// A sheet changed.
    pub fn sheet_changed(&mut self, sheet: &SheetId, at: Timestamp) {
        // fast path: usually the sheet that changed last changes again
        if let Some(first) = self.sheets.first_mut().filter(|(first, _)| first == sheet) {
            first.1 = first.1.max(at);
            return;
        }
        self.sheets.retain(|(known, _)| known != sheet);
        self.sheets.insert(0, (sheet.clone(), at));
        self.sheets.truncate(limits::ACTIVE_SHEETS_MAX);
    }

    /// Recently changed sheets, the most recent first.
    pub fn active_sheets(&self, now: Timestamp) -> impl Iterator<Item = &SheetId> {
        let since = now.plus_ms(-(limits::SHEET_ACTIVE.as_millis() as i64));
        self.sheets.iter().filter(move |(_, at)| *at >= since).map(|(sheet, _)| sheet)
    }

    /// The presence data of these users.
    pub fn of<'a>(&self, users: impl Iterator<Item = &'a Author>, now: Timestamp) -> Vec<MemberPresence> {
        let attendee = |user: &Author| match self.users.get(&user.id) {
            Some(Known { status, cursor, last_seen }) => {
                MemberPresence { user: user.clone(), status: *status, cursor: cursor.clone(), last_seen: *last_seen }
            }
            None => MemberPresence { user: user.clone(), status: Status::default(), cursor: None, last_seen: now },
        };
        users.map(attendee).collect()
    }

    /// The complete state, for the given users in the room.
    pub fn attendance<'a>(
        &self,
        users: impl Iterator<Item = &'a Author>,
        total: usize,
        now: Timestamp,
    ) -> RoomPresence {
        let users = self.of(users.take(limits::ONLINE_USERS_LISTED_MAX), now);
        RoomPresence { users, total, active_sheets: self.active_sheets(now).cloned().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    #[test]
    fn sheets_are_active_for_a_while_the_latest_first() {
        let mut book = PresenceBook::default();
        let sheet = |name: &str| SheetId::new(name).unwrap();
        book.sheet_changed(&sheet("a"), moment(0));
        book.sheet_changed(&sheet("b"), moment(10));
        book.sheet_changed(&sheet("a"), moment(20));
        let active =
            |book: &PresenceBook, at| book.active_sheets(moment(at)).map(SheetId::to_string).collect::<Vec<_>>();
        assert_eq!(active(&book, 30), ["a", "b"]);
        assert_eq!(active(&book, 10 + 15 * 60), ["a", "b"]);
        assert_eq!(active(&book, 11 + 15 * 60), ["a"]);
        assert!(active(&book, 21 + 15 * 60).is_empty());
    }

    #[test]
    fn the_larger_the_room_the_more_rarely_it_is_told() {
        let periods = [51, 500, 1_000, usize::MAX].map(|users| period(users).as_millis());
        assert_eq!(periods, [311, 3_051, 6_103, 6_103]);
    }

    #[test]
    fn whoever_is_gone_comes_back_as_new() {
        let mut book = PresenceBook::default();
        let ann = Author::new(UserId::new("ann").unwrap(), "ann");
        let status = |book: &PresenceBook| book.attendance([ann.clone()].iter(), 1, moment(9)).users[0].status;
        book.said(&ann.id, Status::Busy, moment(1));
        assert_eq!(status(&book), Status::Busy);
        book.seen(&ann.id, moment(7));
        assert_eq!(book.last_sign(), Some(moment(7)));
        book.forget(&ann.id);
        assert_eq!(book.last_sign(), None);
        assert_eq!(status(&book), Status::Online);
    }
}
