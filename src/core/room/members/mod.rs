//! The members of a room on this node: sockets, and their users, each user once.
//!
//! A socket key identifies one connection including its generation, so a late leave of an earlier connection has no
//! effect. A socket costs two map entries of about 24 bytes and a share of its user's name.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::{Hash, Hasher},
    slice,
    sync::Arc,
};

use rustc_hash::FxHashMap;

use crate::{core::profile::Author, ids::UserId};

/// Whether the socket is the user's first in the room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FirstSocket {
    /// It is: the join is announced.
    Yes,
    /// The user was in the room already.
    No,
}

/// Whether the socket was the user's last in the room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LastSocket {
    /// It was: the leave is announced.
    Yes,
    /// The user is still in the room.
    No,
}

/// Whether the socket was already a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Already {
    /// It was; nothing has changed.
    Yes,
    /// It is new.
    No,
}

/// The result of a join.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JoinOutcome {
    /// Whether the user joined with it.
    pub first_socket: FirstSocket,
    /// Whether the socket was already a member.
    pub already: Already,
}

/// The result of a leave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaveOutcome {
    /// The user of the socket.
    pub user: Author,
    /// Whether the user left with it.
    pub last_socket: LastSocket,
}

/// A user as a map key: looked up by id alone, stored once for all sockets of the user.
#[derive(Debug)]
struct ById(Arc<Author>);

impl PartialEq for ById {
    fn eq(&self, other: &ById) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for ById {}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl Borrow<UserId> for ById {
    fn borrow(&self) -> &UserId {
        &self.0.id
    }
}

/// A user's sockets; nearly always one.
#[derive(Debug)]
#[expect(clippy::box_collection, reason = "a boxed slice would make every lone socket 8 bytes bigger")]
enum Sockets<K> {
    One(K),
    Several(Box<Vec<K>>),
}

impl<K: Copy + Eq> Sockets<K> {
    fn as_slice(&self) -> &[K] {
        match self {
            Sockets::One(socket) => slice::from_ref(socket),
            Sockets::Several(sockets) => sockets,
        }
    }

    fn add(&mut self, socket: K) {
        match self {
            Sockets::One(first) => *self = Sockets::Several(Box::new(vec![*first, socket])),
            Sockets::Several(sockets) => sockets.push(socket),
        }
    }

    fn remove(&mut self, socket: K) -> LastSocket {
        match self {
            Sockets::One(_) => LastSocket::Yes,
            Sockets::Several(sockets) => {
                sockets.retain(|known| *known != socket);
                match sockets.as_slice() {
                    [] => LastSocket::Yes,
                    [only] => {
                        *self = Sockets::One(*only);
                        LastSocket::No
                    }
                    [_, _, ..] => LastSocket::No,
                }
            }
        }
    }
}

/// The members of one room.
#[derive(Debug)]
pub struct Members<K> {
    sockets: FxHashMap<K, Arc<Author>>,
    users: HashMap<ById, Sockets<K>>,
}

impl<K> Default for Members<K> {
    fn default() -> Members<K> {
        Members { sockets: FxHashMap::default(), users: HashMap::new() }
    }
}

impl<K: Copy + Eq + Hash> Members<K> {
    /// Adds a socket. Its user is fixed: joining again has no effect.
    pub fn join(&mut self, socket: K, user: &Author) -> JoinOutcome {
        if self.sockets.contains_key(&socket) {
            return JoinOutcome { first_socket: FirstSocket::No, already: Already::Yes };
        }
        let (author, first_socket) = match self.users.remove_entry(&user.id) {
            // the name may have changed, so the key is replaced
            Some((known, mut sockets)) => {
                let author = if *known.0 == *user { known.0 } else { Arc::new(user.clone()) };
                sockets.add(socket);
                self.users.insert(ById(author.clone()), sockets);
                (author, FirstSocket::No)
            }
            None => {
                let author = Arc::new(user.clone());
                self.users.insert(ById(author.clone()), Sockets::One(socket));
                (author, FirstSocket::Yes)
            }
        };
        self.sockets.insert(socket, author);
        JoinOutcome { first_socket, already: Already::No }
    }

    /// Removes a socket; `None` if it was not a member.
    pub fn leave(&mut self, socket: K) -> Option<LeaveOutcome> {
        let author = self.sockets.remove(&socket)?;
        let last_socket = self.users.get_mut(&author.id).map_or(LastSocket::Yes, |sockets| sockets.remove(socket));
        let user = match last_socket {
            LastSocket::Yes => self.users.remove_entry(&author.id).map(|(known, _)| known.0),
            LastSocket::No => self.users.get_key_value(&author.id).map(|(known, _)| known.0.clone()),
        };
        self.give_back();
        Some(LeaveOutcome { user: Author::clone(&user.unwrap_or(author)), last_socket })
    }

    /// Frees memory after a crowd has left.
    fn give_back(&mut self) {
        if self.sockets.capacity() > 64 && self.sockets.len() * 8 < self.sockets.capacity() {
            self.sockets.shrink_to(self.sockets.len() * 2);
            self.users.shrink_to(self.users.len() * 2);
        }
    }

    /// The user's sockets here.
    pub fn sockets_of(&self, user: &UserId) -> &[K] {
        self.users.get(user).map_or(&[], Sockets::as_slice)
    }

    /// The user of a socket.
    pub fn user_of(&self, socket: K) -> Option<&Author> {
        let author = self.sockets.get(&socket)?;
        self.users.get_key_value(&author.id).map(|(known, _)| &*known.0)
    }

    /// Whether the user has a socket here.
    pub fn is_present(&self, user: &UserId) -> bool {
        self.users.contains_key(user)
    }

    /// The users, each once, with the name given at the latest join, in no particular order.
    pub fn online(&self) -> impl Iterator<Item = &Author> {
        self.users.keys().map(|known| &*known.0)
    }

    /// The number of users.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// The number of sockets.
    pub fn sockets(&self) -> usize {
        self.sockets.len()
    }
}

#[cfg(test)]
mod tests;
