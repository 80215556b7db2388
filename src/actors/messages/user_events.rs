//! Messages about one user, for the user's sockets and rooms on all nodes. All of them are sent to the registry, which alone
//! knows these sockets.

use std::sync::Arc;

use actix::prelude::*;

use crate::{
    actors::outbox::ConnKey,
    core::{
        presence::{StatusUpdate, UserStatus},
        profile::Author,
        upload::Upload,
        user_event::UserEvent,
    },
    ids::UserId,
};

/// An event for all sockets of a user, on any node. Returns the number of sockets on this node.
#[derive(Message, Clone)]
#[rtype(result = "usize")]
pub struct PublishToUser {
    /// The user.
    pub user: UserId,
    /// The event.
    pub what: Arc<UserEvent>,
    /// A socket on this node that is left out because it knows already.
    pub but: Option<ConnKey>,
}

/// Progress of an upload, for the user's other sockets and for the rooms that the user is in, on any node.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct PublishUpload {
    /// The uploading user.
    pub user: Author,
    /// The progress.
    pub upload: Upload,
    /// The socket that reported it, if any.
    pub but: Option<ConnKey>,
}

/// A user changes the status.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct UpdateStatus {
    /// The user.
    pub user: Author,
    /// The change.
    pub update: StatusUpdate,
    /// The socket on which it was made.
    pub by: ConnKey,
}

/// An event for several users with sockets on this node.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct DeliverToUsers {
    /// The users.
    pub users: Vec<UserId>,
    /// The event.
    pub what: Arc<UserEvent>,
    /// A socket that is left out because it knows already.
    pub but: Option<ConnKey>,
}

/// An event for several users, wherever they have sockets. To the presence tracker, which knows that.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct TellUsers {
    /// The users.
    pub users: Vec<UserId>,
    /// The event.
    pub what: Arc<UserEvent>,
}

/// A user's new status, for the rooms that the user is in, on any node.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct PublishStatus {
    /// The user.
    pub user: Author,
    /// The status, with what the user adds to it.
    pub status: UserStatus,
}
