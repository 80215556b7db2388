//! Requests of a client about the user's notifications.

use std::sync::Arc;

use super::Charge;
use crate::core::notification::NotificationFilter;

/// A command about notifications.
#[derive(Clone, PartialEq, Debug)]
pub enum NoticeCommand {
    /// Set the filter of this socket.
    Filter(NotificationFilter),
    /// Mark a notification as read.
    Read {
        /// Its id as the client wrote it.
        id: Arc<str>,
    },
    /// Dismiss a notification, or all that are read.
    Clear {
        /// Its id as the client wrote it; `None`: all that are read.
        id: Option<Arc<str>>,
    },
}

impl NoticeCommand {
    /// How it is charged.
    pub const fn charge(&self) -> Charge {
        match self {
            NoticeCommand::Filter(_) | NoticeCommand::Read { .. } | NoticeCommand::Clear { .. } => Charge::Request,
        }
    }
}
