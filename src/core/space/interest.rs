//! The area of interest: in a space with a radius, moves are sent only to the avatars that are near. The plane is divided into
//! squares with the radius as their side, the areas. Whoever is in one is sent the moves in it and in the eight around it, so
//! the costs of an avatar depend on its neighbourhood and not on the space. No avatar within the radius is ever left out.

use std::collections::HashMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{AvatarMove, Place};
use crate::ids::{Area, UserId};

/// A square of the plane.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Cell {
    x: i32,
    y: i32,
}

impl Cell {
    fn area(self) -> Area {
        Area(u64::from(self.x.cast_unsigned()) << 32 | u64::from(self.y.cast_unsigned()))
    }

    /// The cell itself and the eight around it.
    fn around(self) -> impl Iterator<Item = Cell> {
        (-1..=1).flat_map(move |dx| {
            (-1..=1).map(move |dy| Cell { x: self.x.saturating_add(dx), y: self.y.saturating_add(dy) })
        })
    }

    fn is_near(self, other: Cell) -> bool {
        self.x.abs_diff(other.x) <= 1 && self.y.abs_diff(other.y) <= 1
    }
}

/// The areas of a space with a radius, and who is in which.
#[derive(Debug)]
pub struct Interest {
    radius: u32,
    cells: HashMap<UserId, Cell>,
    users: FxHashMap<Cell, FxHashSet<UserId>>,
    /// Users who are in another area than before.
    crossed: HashMap<UserId, Former>,
}

/// Where a user was before the moves that have not been sent yet.
#[derive(Clone, Copy, Debug)]
struct Former {
    cell: Cell,
    /// Whether the user has just entered the space, at that place.
    is_new: bool,
}

/// A user who is in another area than before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Crossing {
    /// The user.
    pub user: UserId,
    /// The area from now on.
    pub area: Area,
    /// The other users who have come near.
    pub seen: Vec<UserId>,
}

impl Interest {
    /// A space in which nobody is.
    pub fn new(radius: u32) -> Interest {
        Interest { radius: radius.max(1), cells: HashMap::new(), users: FxHashMap::default(), crossed: HashMap::new() }
    }

    /// The radius.
    pub const fn radius(&self) -> u32 {
        self.radius
    }

    fn cell_of(&self, place: &Place) -> Cell {
        let side = f64::from(self.radius);
        // positions are within a million, so this fits; a conversion never overflows
        let cell = |coordinate: f64| (coordinate / side).floor() as i32;
        Cell { x: cell(place.x.get()), y: cell(place.y.get()) }
    }

    /// A user is at that place.
    pub fn put(&mut self, user: &UserId, place: &Place) {
        let cell = self.cell_of(place);
        let before = self.cells.get(user).copied();
        if before == Some(cell) {
            return;
        }
        self.cells.insert(user.clone(), cell);
        if let Some(before) = before {
            self.take_out(user, before);
        }
        self.users.entry(cell).or_default().insert(user.clone());
        let former = Former { cell: before.unwrap_or(cell), is_new: before.is_none() };
        self.crossed.entry(user.clone()).or_insert(former);
    }

    fn take_out(&mut self, user: &UserId, cell: Cell) {
        if let Some(users) = self.users.get_mut(&cell) {
            users.remove(user);
            if users.is_empty() {
                self.users.remove(&cell);
            }
        }
    }

    /// A user has left the space.
    pub fn forget(&mut self, user: &UserId) {
        if let Some(cell) = self.cells.remove(user) {
            self.take_out(user, cell);
        }
        self.crossed.remove(user);
    }

    /// Whether anybody is in another area than before.
    pub fn has_crossings(&self) -> bool {
        !self.crossed.is_empty()
    }

    /// The user's area.
    pub fn area_of(&self, user: &UserId) -> Option<Area> {
        self.cells.get(user).map(|cell| cell.area())
    }

    /// The users in the user's area and in those around it.
    pub fn near(&self, user: &UserId) -> impl Iterator<Item = &UserId> {
        let around = self.cells.get(user).into_iter().flat_map(|cell| cell.around());
        around.filter_map(|near| self.users.get(&near)).flatten()
    }

    /// The moves by the areas of those who are near, or were near before. `observers` are the users on this node.
    pub fn by_area<'a>(
        &self,
        moves: &[AvatarMove],
        observers: impl Iterator<Item = &'a UserId>,
    ) -> Vec<(Area, Vec<AvatarMove>)> {
        let occupied: FxHashSet<Cell> = observers.filter_map(|user| self.cells.get(user).copied()).collect();
        let mut sorted: FxHashMap<Cell, Vec<AvatarMove>> = FxHashMap::default();
        for moved in moves {
            let Some(cell) = self.cells.get(&moved.user).copied() else { continue };
            // those whom the avatar leaves behind are sent where it went
            let before = self.crossed.get(&moved.user).map(|former| former.cell).filter(|before| *before != cell);
            let left_behind = before.into_iter().flat_map(Cell::around).filter(|near| !near.is_near(cell));
            for near in cell.around().chain(left_behind).filter(|near| occupied.contains(near)) {
                sorted.entry(near).or_default().push(moved.clone());
            }
        }
        sorted.into_iter().map(|(cell, moves)| (cell.area(), moves)).collect()
    }

    /// Takes the users who are in other areas than before.
    pub fn take_crossings(&mut self, is_observer: impl Fn(&UserId) -> bool) -> Vec<Crossing> {
        let crossed = std::mem::take(&mut self.crossed);
        let crossing = |(user, former): (UserId, Former)| {
            let cell = self.cells.get(&user).copied().filter(|_| is_observer(&user))?;
            // whoever comes into the space has been sent everybody's place
            let fresh = cell.around().filter(|near| !former.is_new && !former.cell.is_near(*near));
            let seen = fresh.filter_map(|near| self.users.get(&near)).flatten();
            let seen = seen.filter(|other| **other != user).cloned().collect();
            Some(Crossing { area: cell.area(), seen, user })
        };
        crossed.into_iter().filter_map(crossing).collect()
    }
}
