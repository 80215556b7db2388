//! The single decision whether a user may enter a room, for sockets, for re-checks and for REST. It finds the room by
//! its reference, creates it where that is allowed, and asks the policy.

use super::node::Node;
use crate::{
    auth::policy::{Action, Subject, may},
    error::{ErrorCode, Refusal},
    store::{Access, RoomRef, StoreError},
};

/// What happens if an open room does not exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IfMissing {
    /// It is created, if the server is configured to.
    Make,
    /// The request is refused.
    Refuse,
}

impl Node {
    /// Finds a room and decides whether the subject may enter it.
    ///
    /// # Errors
    /// The refusal, if the room does not exist or the subject may not enter it.
    pub async fn enter(&self, subject: Subject<'_>, room: &RoomRef, missing: IfMissing) -> Result<Access, Refusal> {
        match room {
            // checked before anything is read, so that a confined token reveals nothing about other rooms
            RoomRef::Open(name) | RoomRef::Conversation(name) => may(subject, Action::NameRoom { name })?,
            RoomRef::Channel(_) | RoomRef::Direct(_) => {}
        }
        let found = match self.store.access(room, subject.user).await.map_err(|error| unread(&error))? {
            Some(found) => found,
            None => self.make(subject, room, missing).await?,
        };
        may(subject, Action::Enter { room: &found.identity, right: found.right })?;
        Ok(found)
    }

    async fn make(&self, subject: Subject<'_>, room: &RoomRef, missing: IfMissing) -> Result<Access, Refusal> {
        let (code, sentence) = match room {
            RoomRef::Channel(_) => (ErrorCode::RoomNotFound, "There is no such room; check the id"),
            RoomRef::Direct(_) => (ErrorCode::UserNotFound, "There is no such user; check the id"),
            RoomRef::Open(name) | RoomRef::Conversation(name)
                if missing == IfMissing::Make && self.config.rooms.auto_create =>
            {
                let made = self.store.create_open_room(name, subject.user).await;
                return made.map(Access::from).map_err(|error| unread(&error));
            }
            RoomRef::Open(_) | RoomRef::Conversation(_) => (
                ErrorCode::RoomNotFound,
                "There is no such room, and this server does not create rooms on joining; ask an administrator to create it",
            ),
        };
        Err(Refusal::new(code, sentence))
    }
}

fn unread(error: &StoreError) -> Refusal {
    match error {
        StoreError::Unavailable(_) => Refusal::unavailable(),
        StoreError::Missing | StoreError::Taken(_) | StoreError::Fault(_) => {
            log::error!("event=access_unread why=\"{error}\"");
            Refusal::internal()
        }
    }
}
