//! What is in force: the sanctions and word rules that one node knows. It is read as a whole from the database, and changed
//! in between by sanctions that other nodes or this one report. A report may arrive before or after a reading that contains
//! it; the versions decide which is newer.

use rustc_hash::FxHashMap;

use super::{Sanction, SanctionKind, WordFilter, WordRule};
use crate::ids::{RoomId, Timestamp, UserId};

/// Everything that was in force at one version, as the database had it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Snapshot {
    /// The version.
    pub version: i64,
    /// The sanctions that had not ended.
    pub sanctions: Vec<Sanction>,
    /// The word rules.
    pub rules: Vec<WordRule>,
}

/// What is in force.
#[derive(Debug, Default)]
pub struct Book {
    version: Option<i64>,
    sanctions: FxHashMap<UserId, Vec<Sanction>>,
    /// Reported changes that the last reading did not contain.
    reported: Vec<Sanction>,
    filters: FxHashMap<Option<RoomId>, WordFilter>,
}

impl Book {
    /// The version of the last reading. `None` before the first one.
    pub fn version(&self) -> Option<i64> {
        self.version
    }

    /// The sanction of this kind that concerns the user in the room and ends last. Without a room only those of the whole
    /// server count.
    pub fn find(&self, user: &UserId, room: Option<RoomId>, kind: SanctionKind, now: Timestamp) -> Option<&Sanction> {
        if self.sanctions.is_empty() {
            return None;
        }
        let concerns = |sanction: &&Sanction| {
            sanction.kind == kind && (sanction.room.is_none() || sanction.room == room) && sanction.is_active(now)
        };
        self.sanctions.get(user)?.iter().filter(concerns).max_by_key(|sanction| sanction.ends_at)
    }

    /// Applies a reported change. Returns whether it was news.
    pub fn apply(&mut self, sanction: &Sanction) -> bool {
        let of_user = self.sanctions.entry(sanction.user.clone()).or_default();
        match of_user.iter_mut().find(|known| known.id == sanction.id) {
            Some(known) if known.version >= sanction.version => return false,
            Some(known) => *known = sanction.clone(),
            None => of_user.push(sanction.clone()),
        }
        if self.version.is_none_or(|version| sanction.version > version) {
            self.reported.push(sanction.clone());
        }
        true
    }

    /// Replaces everything by a reading, except reported changes that are newer. An older reading than the last one is
    /// ignored. Returns the bans that were not known.
    pub fn replace(&mut self, snapshot: Snapshot) -> Vec<Sanction> {
        if self.version.is_some_and(|version| snapshot.version < version) {
            return Vec::new();
        }
        let mut sanctions: FxHashMap<UserId, Vec<Sanction>> = FxHashMap::default();
        for sanction in snapshot.sanctions {
            sanctions.entry(sanction.user.clone()).or_default().push(sanction);
        }
        let before = std::mem::replace(&mut self.sanctions, sanctions);
        self.version = Some(snapshot.version);
        for sanction in std::mem::take(&mut self.reported) {
            if sanction.version > snapshot.version {
                self.apply(&sanction);
            }
        }
        self.filters = WordFilter::by_room(&snapshot.rules);
        let is_known = |sanction: &Sanction| {
            before.get(&sanction.user).is_some_and(|known| known.iter().any(|known| known.id == sanction.id))
        };
        let bans = self.sanctions.values().flatten().filter(|sanction| sanction.kind == SanctionKind::Ban);
        bans.filter(|sanction| !is_known(sanction)).cloned().collect()
    }

    /// The filters that apply in a room: that of the server and its own.
    pub fn filters(&self, room: RoomId) -> impl Iterator<Item = &WordFilter> {
        [None, Some(room)].into_iter().filter_map(|of| self.filters.get(&of))
    }

    /// Whether any words are refused or masked anywhere.
    pub fn has_filters(&self) -> bool {
        !self.filters.is_empty()
    }
}
