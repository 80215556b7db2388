//! Recent exclusions of users from rooms. A socket that is being opened reads its right to a room before it asks to
//! join. If the right was lost in between, the read is outdated and the socket must be refused. The room itself closes
//! the sockets that it knows; this memory covers those that have not reached it yet.
//!
//! It must never trust a read that is older than what it remembers: whoever took longer than `ADMISSION_MAX`, or read
//! before an exclusion that was dropped for lack of space, has to try again.

use std::{collections::VecDeque, time::Instant};

use rustc_hash::FxHashMap;

use crate::{
    ids::{RoomId, UserId},
    limits,
};

/// Exclusions of the last `ADMISSION_MAX`, at most `EXCLUSIONS_REMEMBERED_MAX`.
#[derive(Default)]
pub(super) struct Exclusions {
    latest: FxHashMap<(RoomId, UserId), Instant>,
    /// The same, oldest first. A repeated exclusion is contained twice.
    order: VecDeque<(Instant, RoomId, UserId)>,
    /// The time of the newest exclusion that was dropped early.
    forgotten: Option<Instant>,
}

impl Exclusions {
    /// The user may no longer enter the room.
    pub fn add(&mut self, room: RoomId, user: &UserId, now: Instant) {
        self.forget_old(now);
        if self.order.len() >= limits::EXCLUSIONS_REMEMBERED_MAX
            && let Some(oldest) = self.pop()
        {
            self.forgotten = self.forgotten.max(Some(oldest));
        }
        self.latest.insert((room, user.clone()), now);
        self.order.push_back((now, room, user.clone()));
    }

    /// Whether a right to the room that was read at `read_at` or later may have been lost since.
    pub fn is_in_doubt(&self, room: RoomId, user: &UserId, read_at: Instant, now: Instant) -> bool {
        let too_old = now.saturating_duration_since(read_at) > limits::ADMISSION_MAX;
        if too_old || self.forgotten.is_some_and(|forgotten| read_at <= forgotten) {
            return true;
        }
        !self.latest.is_empty()
            && self.latest.get(&(room, user.clone())).is_some_and(|excluded_at| read_at <= *excluded_at)
    }

    /// Drops exclusions older than the longest admission.
    pub fn forget_old(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(at, ..)| now.saturating_duration_since(*at) > limits::ADMISSION_MAX) {
            self.pop();
        }
    }

    fn pop(&mut self) -> Option<Instant> {
        let (at, room, user) = self.order.pop_front()?;
        let key = (room, user);
        if self.latest.get(&key) == Some(&at) {
            self.latest.remove(&key);
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const STEP: Duration = Duration::from_millis(1);

    fn room_of(number: u128) -> RoomId {
        RoomId(uuid::Uuid::from_u128(number))
    }

    fn setting() -> (Exclusions, RoomId, UserId, Instant) {
        (Exclusions::default(), room_of(0), UserId::new("ann").unwrap(), Instant::now())
    }

    #[test]
    fn what_was_read_before_an_exclusion_is_in_doubt_and_what_was_read_after_it_is_not() {
        let (mut exclusions, room, ann, began) = setting();
        let excluded_at = began + STEP;
        exclusions.add(room, &ann, excluded_at);
        let now = began + 3 * STEP;
        assert!(exclusions.is_in_doubt(room, &ann, began, now));
        assert!(exclusions.is_in_doubt(room, &ann, excluded_at, now));
        assert!(!exclusions.is_in_doubt(room, &ann, began + 2 * STEP, now));
        assert!(!exclusions.is_in_doubt(room_of(1), &ann, began, now));
        assert!(!exclusions.is_in_doubt(room, &UserId::new("bob").unwrap(), began, now));
    }

    #[test]
    fn nothing_is_remembered_for_longer_than_an_admission_may_take() {
        let (mut exclusions, room, ann, began) = setting();
        exclusions.add(room, &ann, began);
        exclusions.add(room, &ann, began + STEP);
        exclusions.forget_old(began + limits::ADMISSION_MAX + STEP);
        assert_eq!((exclusions.latest.len(), exclusions.order.len()), (1, 1), "the renewed one is kept");
        exclusions.forget_old(began + limits::ADMISSION_MAX + 2 * STEP);
        assert_eq!((exclusions.latest.len(), exclusions.order.len()), (0, 0));
        let late = began + limits::ADMISSION_MAX + 3 * STEP;
        assert!(exclusions.is_in_doubt(room, &ann, began, late), "an admission that took too long is not trusted");
        assert!(!exclusions.is_in_doubt(room, &ann, late, late));
    }

    #[test]
    fn what_was_forgotten_for_lack_of_space_puts_everybody_in_doubt_who_read_before_it() {
        let (mut exclusions, room, ann, began) = setting();
        exclusions.add(room, &ann, began + STEP);
        for at in 0..limits::EXCLUSIONS_REMEMBERED_MAX {
            exclusions.add(room_of(at as u128 + 1), &ann, began + STEP * 2 + Duration::from_nanos(at as u64));
        }
        assert_eq!(exclusions.order.len(), limits::EXCLUSIONS_REMEMBERED_MAX);
        let (elsewhere, now) = (room_of(u128::MAX), began + 3 * STEP);
        assert!(exclusions.is_in_doubt(room, &ann, began, now));
        assert!(exclusions.is_in_doubt(elsewhere, &ann, began + STEP, now));
        assert!(!exclusions.is_in_doubt(elsewhere, &ann, began + 2 * STEP, now));
    }
}
