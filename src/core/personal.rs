//! What a user is told on every socket that the user has, on any node, whichever rooms these are in. The serde form is
//! the one between nodes, so fields may be added but not renamed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    core::{assistant::AnswerNews, notification::Notification, upload::Upload},
    ids::{NotificationId, UserId},
};

/// News for one user.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Personal {
    /// Something to know.
    Notified {
        /// Who is to know.
        user: UserId,
        /// What.
        notification: Arc<Notification>,
    },
    /// It was read, here or on another socket.
    NotificationRead {
        /// By whom.
        user: UserId,
        /// Which.
        id: NotificationId,
    },
    /// It says something else now.
    NotificationUpdated {
        /// Who is to know.
        user: UserId,
        /// What it says.
        notification: Arc<Notification>,
    },
    /// It was put away, by its user or by whoever sent it.
    NotificationDeleted {
        /// Whose it was.
        user: UserId,
        /// Which.
        id: NotificationId,
    },
    /// All that there were so far are read.
    AllNotificationsRead {
        /// By whom.
        user: UserId,
    },
    /// The assistant is at work.
    Answer(AnswerNews),
    /// A file is on its way.
    Upload(Upload),
}
