//! Spaces, in which users have positions.

use super::super::kind::{RoomKind, RoomView};
use crate::{core::event::Durable, store::QueueFor};

/// A space.
pub(in crate::actors::room) struct Space;

impl RoomKind for Space {
    /// In none: what happens in a space concerns those who are there.
    fn queue_for(&self, _: &Durable, _: &RoomView<'_>) -> QueueFor {
        QueueFor::default()
    }
}
