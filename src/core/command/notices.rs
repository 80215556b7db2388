//! What a client may ask about its user's notifications.

use std::sync::Arc;

use super::Charge;
use crate::core::notification::NotificationFilter;

/// A command about notifications.
#[derive(Clone, PartialEq, Debug)]
pub enum NoticeCommand {
    /// Which of them this socket wants from now on.
    Filter(NotificationFilter),
    /// One was read.
    Read {
        /// Its id, as the client wrote it.
        id: Arc<str>,
    },
}

impl NoticeCommand {
    /// How it is counted.
    pub const fn charge(&self) -> Charge {
        match self {
            NoticeCommand::Filter(_) | NoticeCommand::Read { .. } => Charge::Request,
        }
    }
}
