//! The entries submitted to the journal, and its results.

use actix::prelude::*;

use crate::{
    actors::{
        outbox::ConnKey,
        room::{Requester, Room},
    },
    core::{
        canvas::Tile,
        command::{Receipt, Tag},
        sheet::{Cell, CellConflict},
        space::StateEntry,
    },
    error::Refusal,
    ids::{ClientMessageId, SheetId, UserId},
    store::{Append, Appended},
};

/// An append, and the recipient of its result.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AppendRequest {
    /// The data to store.
    pub append: Append,
    /// The room that receives the result.
    pub room: Addr<Room>,
    /// The request that caused it.
    pub origin: Option<Origin>,
}

/// The origin of a change.
#[derive(Debug)]
pub struct Origin {
    /// Who is answered.
    pub asker: Requester,
    /// Who chose the room.
    pub room_choice: RoomChoice,
    /// How the requester is informed of the result.
    pub receipt: Receipt,
}

/// Who chose the room of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoomChoice {
    /// The client.
    Named,
    /// The session, by what it knew. If the sheet belongs to another room, the update is returned to the session.
    Inferred,
}

/// The results of appends of this room, in order of their sequence numbers.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AppendResults {
    /// The results.
    pub outcomes: Vec<AppendResult>,
}

/// The result of one append.
pub struct AppendResult {
    /// The submitted entry.
    pub entry: AppendRequest,
    /// The stored event with its sequence number, or the reason why it was not stored.
    pub result: Result<Appended, NotStored>,
}

/// Why something was not stored.
#[derive(Clone, Debug)]
pub enum NotStored {
    /// Everything is already as it was asked for.
    Unchanged,
    /// It was refused.
    Refused(Refusal),
    /// These cells were changed by somebody else in the meantime.
    Conflicts(Vec<CellConflict>),
    /// The sheet belongs to another room.
    SheetElsewhere,
    /// It was refused, because the entry of the space's state is this one, or does not exist.
    StateConflict(Refusal, Option<Box<StateEntry>>),
    /// The tile is already as it was asked for.
    TileUnchanged(Box<Tile>),
    /// It was refused, because this tile is at the place or was changed in the meantime.
    TileConflict(Refusal, Box<Tile>),
}

/// An update of cells was sent to a room that the session had inferred, but the sheet belongs to another one. The
/// session finds out which and sends it there.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct WrongSheetRoom {
    /// The user.
    pub user: UserId,
    /// The socket.
    pub conn: ConnKey,
    /// The tag of the request.
    pub tag: Tag,
    /// The id under which the client may repeat the command.
    pub client_message_id: Option<ClientMessageId>,
    /// The sheet.
    pub sheet: SheetId,
    /// The cells as the client sent them.
    pub cells: Vec<Cell>,
}
