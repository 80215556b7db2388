//! Differences between what the receivers of a batch receive: events that are not for everyone, and events that their
//! author's own sockets receive with the id that the author's client gave them. Everybody else receives shared bytes.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Broadcast;
use crate::{
    core::{
        backlog::Frame,
        event::{Audience, Listener},
    },
    dialects::DialectKind,
    ids::{Area, UserId},
};

/// The differences within one batch.
pub(super) struct Differences {
    /// The audiences of the frames that are not for one area, each with the index of its frame; `None` if all frames are
    /// for everyone.
    audiences: Option<Vec<(usize, Audience)>>,
    /// The indices of the frames for each area, so that a member looks only at those of its own: a room may have many
    /// areas in use.
    areas: FxHashMap<Area, Vec<usize>>,
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
        let mut areas: FxHashMap<Area, Vec<usize>> = FxHashMap::default();
        let mut audiences = Vec::new();
        let targeted = told.iter().any(|(_, broadcast)| !broadcast.audience.is_everyone());
        for (at, (_, broadcast)) in told.iter().enumerate().filter(|_| targeted) {
            match broadcast.audience.area() {
                Some(area) => areas.entry(area).or_default().push(at),
                None => audiences.push((at, broadcast.audience.clone())),
            }
        }
        let own = told.iter().enumerate().filter_map(|(at, (_, broadcast))| {
            let (author, frame) = broadcast.authors_frame(kind)?;
            Some(Own { author: author.clone(), at, frame })
        });
        let own: Vec<Own> = own.collect();
        let audiences = targeted.then_some(audiences);
        (targeted || !own.is_empty()).then_some(Differences { audiences, areas, own })
    }

    /// Whether this socket receives all frames as they are.
    pub fn is_none_for(&self, listener: Listener<'_>) -> bool {
        self.audiences.is_none() && self.own.iter().all(|own| own.author != *listener.user)
    }

    /// The frames that this socket receives, in the order of the batch.
    pub fn selection(&self, frames: &[Frame], listener: Listener<'_>) -> Vec<Frame> {
        let form = |at: usize| {
            let own = self.own.iter().find(|own| own.at == at && own.author == *listener.user);
            own.map(|own| &own.frame).or_else(|| frames.get(at)).cloned()
        };
        let Some(audiences) = &self.audiences else { return (0..frames.len()).filter_map(form).collect() };
        let included = audiences.iter().filter(|(_, audience)| audience.includes(listener));
        let mut indices: Vec<usize> = included.map(|(at, _)| *at).collect();
        if let Some(near) = listener.area.and_then(|area| self.areas.get(&area)) {
            indices.extend(near);
            indices.sort_unstable();
        }
        indices.into_iter().filter_map(form).collect()
    }
}
