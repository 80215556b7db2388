//! Events for one user, delivered to all sockets of that user on any node, in whatever rooms these are. Nodes exchange
//! the serde form: fields may be added but must never be renamed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    core::{
        assistant::AnswerEvent, call::CallMessage, device::DeviceNotice, notification::Notification,
        presence::PresenceNotice, upload::Upload,
    },
    ids::{NotificationId, UserId},
};

/// An event for one user.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserEvent {
    /// A new notification.
    Notified {
        /// The recipient.
        user: UserId,
        /// The notification.
        notification: Arc<Notification>,
    },
    /// A notification was marked as read.
    NotificationRead {
        /// Its recipient.
        user: UserId,
        /// Its id.
        id: NotificationId,
    },
    /// A notification was changed.
    NotificationUpdated {
        /// The recipient.
        user: UserId,
        /// The new content.
        notification: Arc<Notification>,
    },
    /// A notification was deleted, by its recipient or its sender.
    NotificationDeleted {
        /// Its recipient.
        user: UserId,
        /// Its id.
        id: NotificationId,
    },
    /// All notifications so far were marked as read.
    AllNotificationsRead {
        /// Their recipient.
        user: UserId,
    },
    /// All notifications that were read so far were dismissed.
    ReadNotificationsDeleted {
        /// Their recipient.
        user: UserId,
    },
    /// Progress of an answer of the assistant.
    Answer(AnswerEvent),
    /// Progress of an upload.
    Upload(Upload),
    /// The presence of a user changed who shares a conversation with this one, or is the same.
    Presence(PresenceNotice),
    /// The user's directory of devices changed, or a device has few prekeys left.
    Device(DeviceNotice),
    /// The list of the user's conversations changed: one was created, or the user was added to some or removed from them.
    ConversationsChanged,
    /// A message of the other side of a call to the user's sockets, which decide what their clients are sent.
    Call(CallMessage),
    /// Another socket of the user opened.
    SocketOpened {
        /// The user.
        user: UserId,
        /// The name of the socket.
        connection: Arc<str>,
    },
    /// Another socket of the user closed.
    SocketClosed {
        /// The user.
        user: UserId,
        /// The name of the socket.
        connection: Arc<str>,
    },
}
