//! The avatars of a space: one for each user, whatever the number of the user's sockets. Moves are conflated: between two
//! frames only the newest of each avatar is kept. The newest place counts on all nodes alike. Nothing of this is ever stored.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{Interest, Place, PlaceChange, interest::Crossing};
use crate::{
    core::{
        conflation::{Conflation, MoveFrames, MoveOrigin, Moved, Movement},
        profile::Author,
    },
    ids::{Area, Timestamp, UserId},
    limits,
};

/// The place of an avatar, and by which move it came there. The form between nodes: fields may be added but not renamed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AvatarMove {
    /// The user.
    pub user: UserId,
    /// The user's stable number.
    #[serde(default)]
    pub number: i64,
    /// The place.
    pub place: Place,
    /// The client's number of the last input that is included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<i64>,
    /// Later moves have greater ones. Near the time in milliseconds, so that it also grows for a user who has left and returns.
    pub version: i64,
}

impl Movement for AvatarMove {
    fn user(&self) -> &UserId {
        &self.user
    }
}

/// Whether the user of an avatar is known to be in the space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// The user is there.
    Announced,
    /// The user is about to be announced.
    Expected,
}

/// The moves to send.
#[derive(Clone, PartialEq, Debug)]
pub enum MoveEvents {
    /// To everybody, except to the user of the first one, who is sent another frame, if any.
    Everywhere {
        /// For everybody but the user of the first move.
        others: Arc<Moved<AvatarMove>>,
        /// For that user.
        first: Option<Arc<Moved<AvatarMove>>>,
    },
    /// To those who are near.
    Near {
        /// Users of this node who are in other areas than before.
        crossings: Vec<Crossing>,
        /// The moves to send, by area.
        moves: Vec<(Area, Arc<[AvatarMove]>)>,
    },
}

/// The avatars of one space.
#[derive(Debug, Default)]
pub struct Avatars {
    known: HashMap<UserId, AvatarMove>,
    moves: Conflation<AvatarMove>,
    interest: Option<Interest>,
}

impl Avatars {
    /// Sets the radius within which moves are sent.
    pub fn set_radius(&mut self, radius: Option<u32>) {
        if self.interest.as_ref().map(Interest::radius) == radius {
            return;
        }
        self.interest = radius.map(Interest::new);
        for known in self.known.values() {
            if let Some(interest) = &mut self.interest {
                interest.put(&known.user, &known.place);
            }
        }
    }

    /// Sends the places of all avatars to the members of this node with the next moves.
    pub fn show_all(&mut self) {
        for known in self.known.values() {
            self.moves.point(known.clone(), MoveOrigin::Another);
        }
    }

    /// Where the avatar is.
    pub fn place_of(&self, user: &UserId) -> Option<&Place> {
        self.known.get(user).map(|known| &known.place)
    }

    /// Of that user, to publish.
    pub fn of(&self, user: &UserId) -> Option<&AvatarMove> {
        self.known.get(user)
    }

    /// The user's area, in a space with a radius.
    pub fn area_of(&self, user: &UserId) -> Option<Area> {
        self.interest.as_ref()?.area_of(user)
    }

    /// The avatars of which that user is sent the moves, with the own one.
    pub fn seen_by(&self, user: &UserId) -> impl Iterator<Item = &AvatarMove> {
        let near = self.interest.as_ref().map(|interest| interest.near(user));
        let all = near.is_none().then(|| self.known.values());
        let near = near.into_iter().flatten().filter_map(|near| self.known.get(near));
        near.chain(all.into_iter().flatten())
    }

    /// A socket of the user has entered. An avatar that is there already stays where it is.
    pub fn enter(&mut self, user: &Author, at: Option<PlaceChange>, now: Timestamp) {
        if self.known.contains_key(&user.id) {
            return;
        }
        let place = at.map_or_else(Place::default, |at| Place::default().changed(at));
        let number = user.number().unwrap_or_default();
        let entered = AvatarMove { user: user.id.clone(), number, place, input: None, version: now.unix_ms };
        self.put(entered);
    }

    /// A member here moves the avatar.
    pub fn step(&mut self, user: &UserId, change: PlaceChange, input: Option<i64>, now: Timestamp) {
        let Some(known) = self.known.get(user) else { return };
        let (place, version) = (known.place.changed(change), now.unix_ms.max(known.version + 1));
        let moved = AvatarMove { place, input, version, ..known.clone() };
        self.put(moved.clone());
        self.moves.point(moved, MoveOrigin::ThisNode);
    }

    /// Another node has published the place of an avatar. It is sent to the members here, unless the user is about to be
    /// announced.
    pub fn learn(&mut self, moved: AvatarMove, arrival: Arrival) {
        let is_old = self
            .known
            .get(&moved.user)
            .is_some_and(|known| (known.version, known.place.rank()) >= (moved.version, moved.place.rank()));
        if is_old {
            return;
        }
        self.put(moved.clone());
        if arrival == Arrival::Announced {
            self.moves.point(moved, MoveOrigin::Another);
        }
    }

    fn put(&mut self, moved: AvatarMove) {
        if let Some(interest) = &mut self.interest {
            interest.put(&moved.user, &moved.place);
        }
        self.known.insert(moved.user.clone(), moved);
    }

    /// The user has left on all nodes.
    pub fn forget(&mut self, user: &UserId) {
        self.known.remove(user);
        self.moves.forget(user);
        if let Some(interest) = &mut self.interest {
            interest.forget(user);
        }
    }

    /// Forgets avatars that were published and whose users have never come, if there are many.
    pub fn prune(&mut self, users: usize, is_present: impl Fn(&UserId) -> bool) {
        if self.known.len() > 2 * users + limits::AVATARS_EXPECTED_MAX {
            let absent: Vec<UserId> = self.known.keys().filter(|user| !is_present(user)).cloned().collect();
            absent.iter().for_each(|user| self.forget(user));
        }
    }

    /// Takes the moves that the other nodes must be informed of.
    pub fn take_unpublished(&mut self) -> Vec<AvatarMove> {
        self.moves.take_unpublished()
    }

    /// Takes the next moves to send, if there are any. `observers` are the users on this node.
    pub fn take_moves<'a>(&mut self, observers: impl Iterator<Item = &'a UserId>) -> Option<MoveEvents> {
        let Some(interest) = &mut self.interest else {
            return self.moves.take_frames(limits::MOVES_PER_FRAME_MAX).map(everywhere);
        };
        let moves = self.moves.take_moved();
        if moves.is_empty() && !interest.has_crossings() {
            return None;
        }
        let here: HashSet<&UserId> = observers.collect();
        let by_area = interest.by_area(&moves, here.iter().copied());
        let crossings = interest.take_crossings(|user| here.contains(user));
        let moves = by_area.into_iter().map(|(area, moves)| (area, moves.into())).collect();
        Some(MoveEvents::Near { crossings, moves })
    }
}

/// Who numbers the inputs is sent the own avatar as well, with the last number that is included.
fn everywhere(MoveFrames { others, first }: MoveFrames<AvatarMove>) -> MoveEvents {
    let own = Some(&others.first).filter(|own| own.input.is_some());
    let first = match (first, own) {
        (Some(mut frame), Some(own)) => {
            if frame.moved.is_empty() {
                frame.moved.push(frame.first.clone());
            }
            frame.moved.push(own.clone());
            Some(frame)
        }
        (None, Some(own)) => Some(Moved { first: own.clone(), moved: Vec::new() }),
        (first, None) => first,
    };
    MoveEvents::Everywhere { others: Arc::new(others), first: first.map(Arc::new) }
}
