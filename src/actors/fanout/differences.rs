//! Differences between what the receivers of a batch receive: events that are not for everyone, and events that their
//! author's own sockets receive with the id that the author's client gave them. Everybody else receives shared bytes.

use std::sync::Arc;

use super::Broadcast;
use crate::{
    core::{backlog::Frame, event::Audience},
    dialects::DialectKind,
    ids::UserId,
};

/// The differences within one batch.
pub(super) struct Differences {
    /// The audiences of the frames, if any is not everyone.
    audiences: Option<Vec<Audience>>,
    /// The forms of frames for their authors' own sockets.
    own: Vec<Own>,
}

/// The form of a frame for its author's own sockets.
struct Own {
    author: UserId,
    /// The index of the frame that it replaces.
    at: usize,
    frame: Frame,
}

impl Differences {
    /// `None` if all receivers receive the same, as is usual.
    pub fn new(told: &[(Frame, &Arc<Broadcast>)], kind: DialectKind) -> Option<Differences> {
        let targeted = told.iter().any(|(_, broadcast)| broadcast.audience != Audience::Everyone);
        let audiences = targeted.then(|| told.iter().map(|(_, broadcast)| broadcast.audience.clone()).collect());
        let own = told.iter().enumerate().filter_map(|(at, (_, broadcast))| {
            let (author, frame) = broadcast.authors_frame(kind)?;
            Some(Own { author: author.clone(), at, frame })
        });
        let own: Vec<Own> = own.collect();
        (targeted || !own.is_empty()).then_some(Differences { audiences, own })
    }

    /// Whether this user receives all frames as they are.
    pub fn is_none_for(&self, user: &UserId) -> bool {
        self.audiences.is_none() && self.own.iter().all(|own| own.author != *user)
    }

    /// The frames that this user receives.
    pub fn selection(&self, frames: &[Frame], user: &UserId) -> Vec<Frame> {
        let hears = |at: usize| {
            let audience = self.audiences.as_ref().and_then(|audiences| audiences.get(at));
            audience.is_none_or(|audience| audience.includes(user))
        };
        let mut own = self.own.iter().filter(|own| own.author == *user).peekable();
        let mut selection = Vec::with_capacity(frames.len());
        for (at, frame) in frames.iter().enumerate() {
            // both are in the order of the batch
            let own = own.next_if(|own| own.at == at).map_or(frame, |own| &own.frame);
            if hears(at) {
                selection.push(own.clone());
            }
        }
        selection
    }
}
