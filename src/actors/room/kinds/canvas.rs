//! Canvases.

use super::super::kind::RoomKind;

/// A canvas.
pub(in crate::actors::room) struct Canvas;

impl RoomKind for Canvas {}
