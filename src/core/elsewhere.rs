//! Who of a room is on other nodes. Each node's room is the only authority for its own part and tells it by diffs; this
//! keeps the parts of the others, notices when a diff is missing, and says when a user comes first or goes last,
//! wherever that is. It never guesses: what it has missed it asks for.

use serde::{Deserialize, Serialize};

use crate::{
    core::profile::Author,
    ids::{NodeId, UserId},
};

/// What a room says to the rooms of the same id elsewhere about its own part of the members.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum PartWord {
    /// Where the part stands; whoever has another version asks.
    Digest {
        /// Which life of the room on its node.
        life: u64,
        /// Diffs so far.
        version: u64,
    },
    /// Users whose first socket on the node came, or whose last one went.
    Diff {
        /// Which life of the room on its node.
        life: u64,
        /// The version after it; the one before is one less.
        version: u64,
        /// Who came.
        joined: Vec<Author>,
        /// Who went.
        left: Vec<UserId>,
    },
    /// Tell your part.
    Ask {
        /// Whose part.
        of: NodeId,
    },
    /// A piece of the whole part, in answer.
    Part {
        /// Which life of the room on its node.
        life: u64,
        /// The version that it is of.
        version: u64,
        /// Which piece, from 0.
        piece: u32,
        /// How many there are.
        pieces: u32,
        /// Who is there.
        users: Vec<Author>,
    },
    /// The room is no longer in use on its node.
    Gone {
        /// Which life of the room on its node.
        life: u64,
    },
}
