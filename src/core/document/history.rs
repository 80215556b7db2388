//! The latest versions of a document's text, with the changes that led to each: what is needed to place an edit that refers
//! to an earlier version. Only in memory, and only while somebody edits by line and column. A version must mean the same text
//! on every node, so every stored event advances it, also one that does not change the text.

use std::collections::VecDeque;

use ropey::Rope;

use super::{
    merged::{Merged, Operation, Removed},
    position::{Position, Splice, offset_of, position_of, splice},
};
use crate::{ids::Seq, limits};

/// A change by line and column, as a client asks for it or is told of it. Several apply one after another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Where it begins.
    pub start: Position,
    /// What is removed.
    pub extent: Extent,
    /// What is inserted instead.
    pub text: std::sync::Arc<str>,
}

/// How much a change removes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// Nothing.
    Nothing,
    /// Up to there.
    UpTo(Position),
    /// That many UTF-16 code units.
    Units(u32),
}

/// Why an edit is not applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Conflict {
    /// What it would change was removed in the meantime.
    #[error(transparent)]
    Removed(#[from] Removed),
    /// It refers to a version that is not kept any more.
    #[error("the version that the edit refers to is too old")]
    TooOld,
    /// It must refer to the current version, and does not.
    #[error("the edit does not refer to the current version")]
    Stale,
}

/// Which versions an edit may refer to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// An earlier one: the edit is carried over what was changed since.
    #[default]
    Merge,
    /// Only the current one.
    Strict,
}

/// The text, and how it came to be.
#[derive(Debug)]
pub(super) struct History {
    text: Rope,
    version: Seq,
    earlier: VecDeque<Earlier>,
    /// Splices in `earlier`.
    splices: usize,
}

/// A text, and what led to the next version.
#[derive(Debug)]
struct Earlier {
    version: Seq,
    text: Rope,
    changes: Vec<Splice>,
}

impl History {
    pub fn new(text: &str, version: Seq) -> History {
        History { text: Rope::from_str(text), version, earlier: VecDeque::new(), splices: 0 }
    }

    pub const fn text(&self) -> &Rope {
        &self.text
    }

    pub const fn version(&self) -> Seq {
        self.version
    }

    /// Advances to a version. Returns the changes by line and column.
    pub fn advance(&mut self, version: Seq, changes: Vec<Splice>) -> Vec<Change> {
        let before = self.text.clone();
        let told = changes.iter().map(|change| {
            let (start, end) = (change.at, change.at + change.removed);
            let told = Change {
                start: position_of(&self.text, start),
                extent: match change.removed {
                    0 => Extent::Nothing,
                    _ => Extent::UpTo(position_of(&self.text, end)),
                },
                text: change.inserted.clone(),
            };
            splice(&mut self.text, change);
            told
        });
        let told = told.collect();
        self.splices += changes.len();
        self.earlier.push_back(Earlier { version: self.version, text: before, changes });
        self.version = version;
        while self.earlier.len() > limits::DOCUMENT_HISTORY_MAX || self.splices > limits::DOCUMENT_HISTORY_CHANGES_MAX {
            let Some(oldest) = self.earlier.pop_front() else { break };
            self.splices -= oldest.changes.len();
        }
        told
    }

    /// Where a position of an earlier version is now. Text that was removed counts as its beginning.
    pub fn carry(&self, base: Option<Seq>, position: Position) -> Option<usize> {
        let (text, since) = self.since(base)?;
        let at = since.iter().flat_map(|earlier| &earlier.changes).fold(offset_of(text, position), |at, change| {
            let end = change.at + change.removed;
            match at {
                at if at < change.at || (at == change.at && change.removed > 0) => at,
                at if at >= end => at - change.removed + change.inserted_units(),
                _ => change.at,
            }
        });
        Some(at.min(self.text.len_utf16_cu()))
    }

    /// The splices of the current text that make the changes.
    ///
    /// # Errors
    /// If one of the changes is in conflict: then none may be made.
    pub fn place(&self, base: Option<Seq>, mode: Mode, changes: &[Change]) -> Result<Vec<Splice>, Conflict> {
        if mode == Mode::Strict && base.is_some_and(|base| base != self.version) {
            return Err(Conflict::Stale);
        }
        let (text, since) = self.since(base).ok_or(Conflict::TooOld)?;
        let mut authors = text.clone();
        let mut merged = Merged::new(authors.len_utf16_cu());
        for change in since.iter().flat_map(|earlier| &earlier.changes) {
            merged.advance(change);
        }
        let (mut splices, mut operations) = (Vec::with_capacity(changes.len()), Vec::new());
        for change in changes {
            let start = offset_of(&authors, change.start);
            let end = match change.extent {
                Extent::Nothing => start,
                Extent::UpTo(end) => offset_of(&authors, end).max(start),
                Extent::Units(units) => super::position::snap(&authors, start.saturating_add(units as usize)),
            };
            let asked = Splice { at: start, removed: end - start, inserted: change.text.clone() };
            merged.change(start, asked.removed, asked.inserted_units(), &mut operations)?;
            splice(&mut authors, &asked);
            splices.extend(operations.drain(..).map(|operation| match operation {
                Operation::Remove { at, units } => Splice { at, removed: units, inserted: "".into() },
                Operation::Insert { at } => Splice { at, removed: 0, inserted: change.text.clone() },
            }));
        }
        Ok(splices)
    }

    /// The text of a version, and what has happened since. A version from the future counts as the current one.
    fn since(&self, base: Option<Seq>) -> Option<(&Rope, Vec<&Earlier>)> {
        let Some(base) = base.filter(|base| *base < self.version) else { return Some((&self.text, Vec::new())) };
        // the versions ascend, but not every number is a version
        let first = self.earlier.partition_point(|earlier| earlier.version < base);
        let since: Vec<&Earlier> = self.earlier.range(first..).collect();
        let oldest = since.first()?;
        (oldest.version == base || first > 0).then_some((&oldest.text, since))
    }
}
