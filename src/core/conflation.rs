//! Conflates movements (of cursors, of avatars) on the way to a room's members. Between two frames only the newest
//! position of each user is kept, so an observer is sent at most one frame per period, however many users move. Clients that read only one
//! movement per frame must not miss anybody: the users who moved take turns in the top-level fields, each with the newest
//! position, even after all movement has stopped.
//!
//! A frame lists a limited number of users; the others follow in later frames. Memory is bounded by the users of the
//! room. This module has no clock: its owner requests a frame once per period while any is pending.

use std::collections::{HashMap, VecDeque};

use crate::ids::UserId;

/// A movement of a user, of which only the newest matters.
pub trait Movement: Clone {
    /// The user.
    fn user(&self) -> &UserId;
}

/// Movements in one frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moved<T> {
    /// The one for the top-level fields: of the user who has waited longest, so that clients that read only these fields
    /// receive all users in turn.
    pub first: T,
    /// All users who moved, if there are others.
    pub moved: Vec<T>,
}

/// Where a user has moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MoveOrigin {
    /// On this node: the other nodes must be informed.
    ThisNode,
    /// On another node, which has informed all.
    Another,
}

/// The frames to send.
#[derive(Clone, PartialEq, Debug)]
pub struct MoveFrames<T> {
    /// For everybody except the user in its top-level fields.
    pub others: Moved<T>,
    /// For that user, if anybody else has moved.
    pub first: Option<Moved<T>>,
}

/// The pending movements of one room.
#[derive(Debug)]
pub struct Conflation<T> {
    newest: HashMap<UserId, Newest<T>>,
    /// Users who moved since the last frame.
    moved: Vec<UserId>,
    /// Users whose newest position has not been in the top-level fields yet, the longest waiting in front.
    owed: VecDeque<UserId>,
    /// Users who moved on this node since the other nodes were informed.
    untold: Vec<UserId>,
}

/// A user's newest position, and the lists that contain the user.
#[derive(Debug)]
struct Newest<T> {
    pointed: T,
    is_moved: bool,
    is_owed: bool,
    is_untold: bool,
}

impl<T> Default for Conflation<T> {
    fn default() -> Conflation<T> {
        Conflation { newest: HashMap::new(), moved: Vec::new(), owed: VecDeque::new(), untold: Vec::new() }
    }
}

impl<T: Movement> Conflation<T> {
    /// A user has moved.
    pub fn point(&mut self, pointed: T, on: MoveOrigin) {
        let user = pointed.user().clone();
        let unlisted = || Newest { pointed: pointed.clone(), is_moved: false, is_owed: false, is_untold: false };
        let newest = self.newest.entry(user.clone()).or_insert_with(unlisted);
        newest.pointed = pointed;
        if !std::mem::replace(&mut newest.is_moved, true) {
            self.moved.push(user.clone());
        }
        if !std::mem::replace(&mut newest.is_owed, true) {
            self.owed.push_back(user.clone());
        }
        if on == MoveOrigin::ThisNode && !std::mem::replace(&mut newest.is_untold, true) {
            self.untold.push(user);
        }
    }

    /// The user is gone; the movement is dropped.
    pub fn forget(&mut self, user: &UserId) {
        if self.newest.remove(user).is_some() {
            self.moved.retain(|moved| moved != user);
            self.owed.retain(|owed| owed != user);
            self.untold.retain(|untold| untold != user);
        }
    }

    /// Takes the movements that other nodes must be informed of.
    pub fn take_unpublished(&mut self) -> Vec<T> {
        let users = std::mem::take(&mut self.untold);
        let told = |user: &UserId| {
            let newest = self.newest.get_mut(user)?;
            newest.is_untold = false;
            Some(newest.pointed.clone())
        };
        users.iter().filter_map(told).collect()
    }

    /// Takes the newest movement of each user who moved since, without the turns of the top-level fields.
    pub fn take_moved(&mut self) -> Vec<T> {
        self.owed.clear();
        let users = std::mem::take(&mut self.moved);
        let newest = |user: &UserId| self.newest.get(user).map(|newest| newest.pointed.clone());
        let moved = users.iter().filter_map(newest).collect();
        for newest in self.newest.values_mut() {
            (newest.is_moved, newest.is_owed) = (false, false);
        }
        self.newest.retain(|_, newest| newest.is_untold);
        moved
    }

    /// Takes the next frames, if any are pending, each with at most `listed_max` movements.
    pub fn take_frames(&mut self, listed_max: usize) -> Option<MoveFrames<T>> {
        let named = self.owed.pop_front()?;
        let listed = self.moved.len().min(listed_max);
        let later = self.moved.split_off(listed);
        let moved = std::mem::replace(&mut self.moved, later);
        for user in &moved {
            self.newest.get_mut(user)?.is_moved = false;
        }
        let newest = self.newest.get_mut(&named)?;
        newest.is_owed = false;
        let first = newest.pointed.clone();
        if std::mem::take(&mut newest.is_moved) {
            self.moved.retain(|user| *user != named);
        }
        let newest = |user: &UserId| self.newest.get(user).map(|newest| newest.pointed.clone());
        let of = |users: &[UserId]| users.iter().filter_map(newest).collect::<Vec<_>>();
        let for_others = if moved.as_slice() == std::slice::from_ref(&named) { Vec::new() } else { of(&moved) };
        let but_named: Vec<UserId> = moved.into_iter().filter(|user| *user != named).collect();
        // whoever takes the next turn is already named to this user, and still takes that turn for the others
        let next = self.owed.front().or(but_named.first());
        let for_first = next.and_then(newest).map(|first| {
            let alone = but_named.is_empty() || but_named.as_slice() == std::slice::from_ref(first.user());
            Moved { first, moved: if alone { Vec::new() } else { of(&but_named) } }
        });
        if self.owed.is_empty() {
            // everything has been sent: nothing is kept while nobody moves
            self.newest.retain(|_, newest| newest.is_untold);
        }
        Some(MoveFrames { others: Moved { first, moved: for_others }, first: for_first })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        core::{
            cursor::{Coordinate, Cursor, CursorUpdate},
            event::CursorsMoved,
            profile::Author,
        },
        limits,
    };

    fn at(user: usize, x: f64) -> CursorUpdate {
        let id = UserId::new(format!("u{user}")).unwrap();
        let zero = Coordinate::default();
        CursorUpdate {
            user: Author::new(id, "name"),
            cursor: Cursor { x: Coordinate::new(x).unwrap(), y: zero, cell: None },
        }
    }

    #[test]
    fn one_who_moves_alone_is_told_as_ever() {
        let mut pointing = Conflation::default();
        pointing.point(at(1, 1.0), MoveOrigin::ThisNode);
        pointing.point(at(1, 2.0), MoveOrigin::ThisNode);
        let alone = CursorsMoved { first: at(1, 2.0), moved: Vec::new() };
        assert_eq!(pointing.take_unpublished(), [at(1, 2.0)]);
        assert_eq!(
            pointing.take_frames(limits::CURSORS_PER_FRAME_MAX),
            Some(MoveFrames { others: alone, first: None })
        );
        assert_eq!(pointing.take_frames(limits::CURSORS_PER_FRAME_MAX), None);
    }

    #[test]
    fn two_who_move_hear_of_each_other() {
        let mut pointing = Conflation::default();
        pointing.point(at(1, 1.0), MoveOrigin::ThisNode);
        pointing.point(at(2, 5.0), MoveOrigin::Another);
        let MoveFrames { others, first } = pointing.take_frames(limits::CURSORS_PER_FRAME_MAX).unwrap();
        assert_eq!(others, CursorsMoved { first: at(1, 1.0), moved: vec![at(1, 1.0), at(2, 5.0)] });
        assert_eq!(first, Some(CursorsMoved { first: at(2, 5.0), moved: Vec::new() }));
        assert_eq!(pointing.take_unpublished(), [at(1, 1.0)]);
        // the second is pending only for clients that read just the top-level fields
        assert_eq!(
            pointing.take_frames(limits::CURSORS_PER_FRAME_MAX).unwrap().others,
            CursorsMoved { first: at(2, 5.0), moved: Vec::new() }
        );
    }

    #[test]
    fn a_crowd_that_moves_at_once_is_listed_in_turns() {
        const PEOPLE: usize = limits::CURSORS_PER_FRAME_MAX * 2 + 50;
        let mut pointing = Conflation::default();
        (0..PEOPLE).for_each(|user| pointing.point(at(user, 1.0), MoveOrigin::ThisNode));
        let mut seen = std::collections::BTreeSet::new();
        for frame in 1..=3 {
            let MoveFrames { others, .. } = pointing.take_frames(limits::CURSORS_PER_FRAME_MAX).unwrap();
            assert!(others.moved.len() <= limits::CURSORS_PER_FRAME_MAX, "frame {frame}");
            seen.extend(others.moved.iter().chain([&others.first]).map(|pointed| pointed.user.id.to_string()));
        }
        assert_eq!(seen.len(), PEOPLE, "all are listed in as few frames as can be");
        assert_eq!(
            std::iter::from_fn(|| pointing.take_frames(limits::CURSORS_PER_FRAME_MAX)).count(),
            PEOPLE - 3,
            "and named in turn"
        );
        assert!(pointing.moved.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

        /// Two kinds of clients: one reads the top-level fields, one reads the lists. Both must end with the newest
        /// position of everybody else.
        #[test]
        fn every_client_ends_with_the_newest_place_of_everybody(steps in prop::collection::vec((0..6_usize, 0..2_usize), 1..60)) {
            let mut pointing = Conflation::default();
            let mut truth = BTreeMap::new();
            let observer = |user: usize| UserId::new(format!("u{user}")).unwrap();
            let mut seen_first: Vec<BTreeMap<UserId, Coordinate>> = vec![BTreeMap::new(); 6];
            let mut seen_list = seen_first.clone();
            let tell = |frames: MoveFrames<CursorUpdate>, seen_first: &mut Vec<BTreeMap<UserId, Coordinate>>, seen_list: &mut Vec<BTreeMap<UserId, Coordinate>>| {
                let named = frames.others.first.user.id.clone();
                for user in 0..6 {
                    let frame = if observer(user) == named { frames.first.as_ref() } else { Some(&frames.others) };
                    let Some(frame) = frame else { continue };
                    assert_ne!(frame.first.user.id, observer(user), "nobody is told of his own cursor first");
                    seen_first[user].insert(frame.first.user.id.clone(), frame.first.cursor.x);
                    seen_list[user].insert(frame.first.user.id.clone(), frame.first.cursor.x);
                    for pointed in &frame.moved {
                        seen_list[user].insert(pointed.user.id.clone(), pointed.cursor.x);
                    }
                }
            };
            for (step, (user, tick)) in steps.iter().enumerate() {
                pointing.point(at(*user, step as f64), MoveOrigin::ThisNode);
                truth.insert(observer(*user), Coordinate::new(step as f64).unwrap());
                if *tick == 0 && let Some(frames) = pointing.take_frames(limits::CURSORS_PER_FRAME_MAX) {
                    tell(frames, &mut seen_first, &mut seen_list);
                }
            }
            let mut frames_after = 0;
            while let Some(frames) = pointing.take_frames(limits::CURSORS_PER_FRAME_MAX) {
                frames_after += 1;
                prop_assert!(frames_after <= 6);
                tell(frames, &mut seen_first, &mut seen_list);
            }
            for user in 0..6 {
                let mut others = truth.clone();
                others.remove(&observer(user));
                seen_list[user].remove(&observer(user));
                prop_assert_eq!(&seen_first[user], &others, "by the first one named");
                prop_assert_eq!(&seen_list[user], &others, "by the lists");
            }
        }
    }
}
