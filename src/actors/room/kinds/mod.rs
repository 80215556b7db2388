//! The kinds of rooms: one file each. A kind must never know another one.

pub(super) mod canvas;
pub(super) mod channel;
pub(super) mod direct;
pub(super) mod document;
pub(super) mod open;
pub(super) mod space;
mod things;
