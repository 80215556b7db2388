//! The single decision whether a user may enter a room, for sockets, for re-checks and for REST. It finds the room by
//! its reference, creates it where that is allowed, and asks the policy.

use std::collections::HashSet;

use futures_util::future::join_all;

use super::node::Node;
use crate::{
    auth::policy::{Action, Subject, may},
    core::{
        command::{Command, MessageAddress, MessageRight},
        event::{Attachment, RoomIdentity},
        profile::Role,
        space::SpaceRefused,
    },
    error::{ErrorCode, Refusal},
    ids::{RoomId, UserId},
    store::{Access, RoomRef},
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
            RoomRef::Document(document) => may(subject, Action::NameDocument { document })?,
            RoomRef::Channel(_) | RoomRef::Direct(_) | RoomRef::Space(_) | RoomRef::Canvas(_) => {}
        }
        let found = match self.store.access(room, subject.user).await.map_err(Refusal::from)? {
            Some(found) => found,
            None => self.make(subject, room, missing).await?,
        };
        self.refuse_banned(subject.user, found.identity.id)?;
        may(subject, Action::Enter { room: &found.identity, right: found.right })?;
        Ok(found)
    }

    /// # Errors
    /// If the user is banned from the room or from the server.
    pub fn refuse_banned(&self, user: &UserId, room: RoomId) -> Result<(), Refusal> {
        self.moderation.ban(user, Some(room), self.clock.now()).map_or(Ok(()), Err)
    }

    /// The room of a message that a client names, if the subject may do that with the message. Of a message in a
    /// conversation in which the user takes no part nothing is revealed, not even that it exists.
    ///
    /// # Errors
    /// `NOT_FOUND`; `PERMISSION_DENIED` to a participant who may not change the message.
    pub async fn room_of_message(
        &self,
        subject: Subject<'_>,
        at: &MessageAddress,
        right: MessageRight,
    ) -> Result<RoomIdentity, Refusal> {
        let place = self.store.message_place(at.message).await.map_err(Refusal::from)?;
        let place = place.ok_or_else(no_such_message)?;
        let is_there = at.room.as_ref().is_none_or(|room| room.means(&place.room, subject.user));
        if !is_there || may(subject, Action::Reach { room: &place.room }).is_err() {
            return Err(no_such_message());
        }
        let is_participant = self.store.is_participant(&place.room, subject.user).await.map_err(Refusal::from)?;
        let is_revealed = match right {
            MessageRight::Change => is_participant || subject.role == Role::Admin,
            MessageRight::Answer => is_participant,
        };
        if !is_revealed {
            return Err(no_such_message());
        }
        match right {
            MessageRight::Change => may(subject, Action::ChangeMessage { author: &place.sender })?,
            MessageRight::Answer => {}
        }
        Ok(place.room)
    }

    /// Makes the user a participant of a conversation. Only open rooms keep who takes part; that of the others is known.
    ///
    /// # Errors
    /// If it can't be stored.
    pub async fn take_part(&self, room: &RoomIdentity, user: &UserId) -> Result<(), Refusal> {
        match room.scope.name() {
            Some(_) => self.store.add_participant(room.id, user).await.map(|_| ()).map_err(Refusal::from),
            None => Ok(()),
        }
    }

    /// Those of the users who exist and may enter the room: only they are notified that a message mentions them.
    ///
    /// # Errors
    /// If the database can't be read.
    async fn may_be_mentioned(&self, room: &RoomIdentity, users: Vec<UserId>) -> Result<Vec<UserId>, Refusal> {
        if users.is_empty() {
            return Ok(users);
        }
        let known = self.store.users_by_ids(&users).await.map_err(Refusal::from)?;
        let may_enter = async |user: UserId| {
            let subject = Subject { user: &user, role: Role::User, rooms: None };
            let is_side = room.scope.is_direct() && may(subject, Action::Stay { room }).is_ok();
            let enters = is_side
                || (!room.scope.is_direct()
                    && self.enter(subject, &RoomRef::of(room, &user), IfMissing::Refuse).await.is_ok());
            enters.then_some(user)
        };
        let known = known.into_iter().map(|profile| may_enter(profile.id));
        let admitted = join_all(known).await.into_iter().flatten();
        let admitted: HashSet<UserId> = admitted.collect();
        Ok(users.into_iter().filter(|user| admitted.contains(user)).collect())
    }

    /// Looks up the files and users that a command for a room names. Users who may not enter the room are no longer
    /// mentioned in it.
    ///
    /// # Errors
    /// `NOT_FOUND` for a file that does not exist, is not complete, or is not shared with the subject; or if the database
    /// can't be read.
    pub async fn look_up_named(
        &self,
        subject: Subject<'_>,
        room: Option<&RoomIdentity>,
        command: Command,
    ) -> Result<(Command, Vec<Attachment>), Refusal> {
        let files = command.files();
        let attachments = if files.is_empty() { Vec::new() } else { self.attachments(subject, files).await? };
        if command.mentions().is_empty() {
            return Ok((command, attachments));
        }
        let mentioned = match room {
            Some(room) => self.may_be_mentioned(room, command.mentions().to_vec()).await?,
            None => Vec::new(),
        };
        Ok((command.mentioning(mentioned), attachments))
    }

    async fn make(&self, subject: Subject<'_>, room: &RoomRef, missing: IfMissing) -> Result<Access, Refusal> {
        let (code, sentence) = match room {
            RoomRef::Channel(_) => (ErrorCode::RoomNotFound, "There is no such room; check the id"),
            RoomRef::Canvas(_) => {
                (ErrorCode::RoomNotFound, "There is no such canvas, or it was deactivated; check the id")
            }
            RoomRef::Direct(_) => (ErrorCode::UserNotFound, "There is no such user; check the id"),
            RoomRef::Open(name) | RoomRef::Conversation(name)
                if missing == IfMissing::Make && self.config.rooms.auto_create =>
            {
                let made = self.store.create_open_room(name, subject.user).await;
                return made.map(Access::from).map_err(Refusal::from);
            }
            RoomRef::Space(_) => return Err(SpaceRefused::NoSuchSpace.into()),
            RoomRef::Document(document) if missing == IfMissing::Make => {
                let made = self.store.create_document(document, subject.user).await;
                return made.map(Access::from).map_err(Refusal::from);
            }
            RoomRef::Document(_) => (ErrorCode::RoomNotFound, "There is no such document; check the id"),
            RoomRef::Open(_) | RoomRef::Conversation(_) => (
                ErrorCode::RoomNotFound,
                "There is no such room, and this server does not create rooms on joining; ask an administrator to create it",
            ),
        };
        Err(Refusal::new(code, sentence))
    }
}

fn no_such_message() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "There is no such message in a conversation of yours; check the id")
}
