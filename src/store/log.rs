//! The log of stored events: appending and reading. An acknowledged event must never be lost, duplicated or reordered.

use std::sync::{Arc, atomic::Ordering};

use super::{
    Append, Appended, Attempt, Before, Database, Message, NotAppended, Store, StoreError, StoredEvent, WaitFor,
    postgres, run, sqlite,
};
use crate::{
    ids::{EventId, RoomId, Seq, UserId},
    limits,
    store::{batch::Batch, values::now},
};

impl Store {
    /// Stores events in one transaction and returns the result of each, in the order of the input. All of them are
    /// stored or none, except for conflicting cell updates and refused effects, which get no seq and do not affect the
    /// others.
    ///
    /// A cell update is decided under its room's lock, after the previous ones in the batch; its sheet is created by
    /// the first write. A repeated attempt returns the versions of the first one, as long as the log contains the
    /// event.
    ///
    /// A message that its author has already stored in the room under the same client's id is not stored again; the result
    /// has [`Appended::repeats`]. With other content it is refused with [`NotAppended::OtherContent`].
    ///
    /// Rooms are locked in ascending order of their ids, so that two nodes do not deadlock. U+0000 in a text is stored
    /// as U+FFFD. [`StoreError::Missing`] if one of the rooms does not exist. After [`StoreError::Unavailable`] the
    /// result is unknown: repeat with [`Attempt::Again`].
    ///
    /// On PostgreSQL, a room that another session keeps locked for longer than a short time is skipped:
    /// [`NotAppended::Locked`]. The entries of all other rooms are stored.
    pub async fn append(
        &self,
        appends: &[Append],
        attempt: Attempt,
    ) -> Result<Vec<Result<Appended, NotAppended>>, StoreError> {
        self.append_shared(appends.into(), attempt, WaitFor::AllRooms).await
    }

    /// Like [`Store::append`], without copying the events, and with a choice of the locks to wait for.
    ///
    /// # Errors
    /// Those of [`Store::append`].
    pub async fn append_shared(
        &self,
        appends: Arc<[Append]>,
        attempt: Attempt,
        wait_for: WaitFor,
    ) -> Result<Vec<Result<Appended, NotAppended>>, StoreError> {
        if appends.is_empty() {
            return Ok(Vec::new());
        }
        let options = self.shared.options;
        let appended = match &self.shared.database {
            Database::Postgres(pools) => {
                let pools = pools.clone();
                let work = async move { postgres::append(&pools, &appends, attempt, wait_for, options).await };
                self.shared.threads.run(work).await
            }
            Database::Sqlite(pools) => {
                let pools = pools.clone();
                let work = async move {
                    let batch = Batch::new(&appends)?;
                    let mut connection = pools.log().await?;
                    sqlite::append(&mut connection, batch, attempt, options).await
                };
                self.shared.threads.run(work).await
            }
        };
        match &appended {
            Ok(_) => self.shared.append_failed.store(false, Ordering::Relaxed),
            Err(StoreError::Unavailable(_)) => self.shared.append_failed.store(true, Ordering::Relaxed),
            Err(StoreError::Missing | StoreError::Taken(_) | StoreError::Fault(_)) => {}
        }
        appended
    }

    /// The events after that seq, ascending, at most `limit`.
    pub async fn events_after(&self, room: RoomId, after: Seq, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        run!(self, read, log::events_after(room, after, limit))
    }

    /// The seq of the oldest event that is kept for recovery.
    pub async fn oldest_kept(&self, room: RoomId) -> Result<Option<Seq>, StoreError> {
        run!(self, read, log::oldest_kept(room))
    }

    /// Deletes ids of messages that are older than `CLIENT_MESSAGES_KEPT`, a bounded number at a time. Returns how many.
    pub async fn sweep_client_messages(&self) -> Result<usize, StoreError> {
        let before = now().plus_ms(-(limits::CLIENT_MESSAGES_KEPT.as_millis() as i64));
        run!(self, write, log::sweep_client_messages(before))
    }

    /// The read marks of all users who have read anything in the room.
    pub async fn read_marks(&self, room: RoomId) -> Result<Vec<(UserId, Seq)>, StoreError> {
        run!(self, read, effects::read_marks(room))
    }

    /// The messages after that place, ascending. [`StoreError::Missing`] if it names a message that is not in the room.
    pub async fn messages_after(&self, room: RoomId, after: Before, limit: i64) -> Result<Vec<Message>, StoreError> {
        run!(self, read, log::messages_after(room, after, limit))
    }

    /// One message.
    pub async fn message(&self, id: EventId) -> Result<Option<Message>, StoreError> {
        run!(self, read, log::message(id))
    }

    /// A page of history, newest first. [`StoreError::Missing`] if `before` names a message that is not in the room.
    pub async fn messages(&self, room: RoomId, before: Before, limit: i64) -> Result<Vec<Message>, StoreError> {
        run!(self, read, log::messages(room, before, limit))
    }
}
