//! What is handed to the journal, and what comes back of it.

use actix::prelude::*;

use crate::{
    actors::{
        outbox::ConnKey,
        room::{Asker, Room},
    },
    core::{
        command::Tag,
        sheet::{Cell, CellConflict},
    },
    error::Refusal,
    ids::{SheetId, UserId},
    store::{Append, Appended},
};

/// An append and where its outcome goes.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Entry {
    /// What to store.
    pub append: Append,
    /// The room that wants to know.
    pub room: Addr<Room>,
    /// Who asked.
    pub origin: Option<Origin>,
}

/// Who asked for a change.
#[derive(Debug)]
pub struct Origin {
    /// Who, and so who is answered.
    pub asker: Asker,
    /// Who chose the room.
    pub aim: Aim,
}

/// Who chose the room that something is asked in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aim {
    /// The client.
    Named,
    /// The session, by what it knew: what turns out to belong elsewhere comes back to it.
    Guessed,
}

/// The journal's word about appends of this room, in the order of their places.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Settled {
    /// One by one.
    pub outcomes: Vec<Outcome>,
}

/// What became of one append.
pub struct Outcome {
    /// What was handed in.
    pub entry: Entry,
    /// Its place and the event as it is stored, or why it is not.
    pub result: Result<Appended, NotStored>,
}

/// Why something was not stored.
#[derive(Clone, Debug)]
pub enum NotStored {
    /// It can't be, or not now.
    Refused(Refusal),
    /// Somebody else had changed these cells before.
    Conflicts(Vec<CellConflict>),
    /// The sheet was first written in another room.
    SheetElsewhere,
}

/// An update of cells came to a room that the client has not named, and the sheet belongs to another: the session finds
/// out to which.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Misdirected {
    /// Whose.
    pub user: UserId,
    /// Which socket.
    pub conn: ConnKey,
    /// The tag of its request.
    pub tag: Tag,
    /// Which sheet.
    pub sheet: SheetId,
    /// As the client sent them.
    pub cells: Vec<Cell>,
}
