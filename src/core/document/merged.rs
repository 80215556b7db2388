//! Carries an edit that refers to an earlier text over the edits made since. The two texts are kept as one sequence of
//! pieces: what both have, what was removed since, and what was added since. An edit is applied to both texts at once, so
//! that several changes of one request, each of which refers to the text after those before it, need no special case.

use super::position::Splice;

/// What the edit would change was itself removed or replaced in the meantime.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the text that the edit refers to was removed in the meantime")]
pub struct Removed;

/// Where a piece of text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Piece {
    /// In both texts.
    Both(usize),
    /// Only in the text that the edit refers to.
    Gone(usize),
    /// Only in the current text.
    New(usize),
}

/// An operation on the current text. Several apply one after another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    /// Removes code units.
    Remove { at: usize, units: usize },
    /// Inserts the text of the change.
    Insert { at: usize },
}

/// The earlier and the current text.
#[derive(Clone, Debug)]
pub(super) struct Merged {
    pieces: Vec<Piece>,
}

impl Merged {
    /// An earlier text of that length, which is still current.
    pub fn new(units: usize) -> Merged {
        let mut pieces = Vec::with_capacity(8);
        push(&mut pieces, Piece::Both(units));
        Merged { pieces }
    }

    /// Somebody else has changed the current text.
    pub fn advance(&mut self, change: &Splice) {
        let (start, end) = (change.at, change.at + change.removed);
        let mut added = Some(change.inserted_units());
        let mut at = 0;
        let mut pieces = Vec::with_capacity(self.pieces.len() + 2);
        for piece in std::mem::take(&mut self.pieces) {
            let units = match piece {
                Piece::Gone(_) => {
                    pieces.push(piece);
                    continue;
                }
                Piece::Both(units) | Piece::New(units) => units,
            };
            let of_piece = |units| match piece {
                Piece::New(_) => Piece::New(units),
                Piece::Both(_) | Piece::Gone(_) => Piece::Both(units),
            };
            let before = start.clamp(at, at + units) - at;
            let through = end.clamp(at, at + units) - at;
            push(&mut pieces, of_piece(before));
            if start < at + units
                && let Some(units) = added.take()
            {
                push(&mut pieces, Piece::New(units));
            }
            if let Piece::Both(_) = piece {
                push(&mut pieces, Piece::Gone(through - before));
            }
            push(&mut pieces, of_piece(units - through));
            at += units;
        }
        if let Some(units) = added {
            push(&mut pieces, Piece::New(units));
        }
        self.pieces = pieces;
    }

    /// Applies a change to both texts: removes `units` from `start` on, in the earlier text, and inserts `inserted` there.
    /// The operations on the current text are appended.
    ///
    /// # Errors
    /// If nothing is left of what it refers to. The state is undefined then.
    pub fn change(
        &mut self,
        start: usize,
        units: usize,
        inserted: usize,
        operations: &mut Vec<Operation>,
    ) -> Result<(), Removed> {
        let mut found = Found::default();
        self.remove(start, start + units, &mut found, operations);
        if units > 0 && found.removed == 0 {
            return Err(Removed);
        }
        if inserted > 0 {
            // of a range only the place of the first part that is left matters
            let place = match found.first {
                Some(place) => place,
                None => self.place(start).ok_or(Removed)?,
            };
            operations.push(Operation::Insert { at: place.now });
            self.pieces.insert(place.index, Piece::Both(inserted));
        }
        Ok(())
    }

    fn remove(&mut self, start: usize, end: usize, found: &mut Found, operations: &mut Vec<Operation>) {
        let (mut then, mut now) = (0, 0);
        let mut pieces = Vec::with_capacity(self.pieces.len() + 2);
        for piece in std::mem::take(&mut self.pieces) {
            let units = match piece {
                Piece::New(units) => {
                    now += units;
                    pieces.push(piece);
                    continue;
                }
                Piece::Both(units) | Piece::Gone(units) => units,
            };
            let before = start.clamp(then, then + units) - then;
            let through = end.clamp(then, then + units) - then;
            then += units;
            let is_both = matches!(piece, Piece::Both(_));
            let of_piece = |units| if is_both { Piece::Both(units) } else { Piece::Gone(units) };
            push_apart(&mut pieces, of_piece(before));
            if is_both {
                now += before;
                if through > before {
                    found.first.get_or_insert(Place { index: pieces.len(), now });
                    found.removed += through - before;
                    operations.push(Operation::Remove { at: now, units: through - before });
                }
                now += units - through;
            }
            push_apart(&mut pieces, of_piece(units - through));
        }
        self.pieces = pieces;
    }

    /// Where an insertion at that place of the earlier text goes: behind what was inserted there since. `None` strictly
    /// inside text that was removed.
    fn place(&mut self, at: usize) -> Option<Place> {
        let (mut then, mut now) = (0, 0);
        let mut is_gone_before = false;
        let mut index = 0;
        // up to the first piece that begins at or contains the place
        loop {
            match self.pieces.get(index).copied() {
                Some(Piece::New(units)) => now += units,
                Some(Piece::Both(units)) if then + units <= at => {
                    (then, now, is_gone_before) = (then + units, now + units, false);
                }
                Some(Piece::Gone(units)) if then + units <= at => {
                    (then, is_gone_before) = (then + units, true);
                }
                Some(Piece::Both(units)) => {
                    let before = at - then;
                    if before > 0 {
                        // `index` is that of the piece just read
                        self.pieces.splice(index..=index, [Piece::Both(before), Piece::Both(units - before)]);
                        index += 1;
                    }
                    return Some(Place { index, now: now + before });
                }
                Some(Piece::Gone(_)) => {
                    let is_inside = at > then || is_gone_before;
                    return (!is_inside).then_some(Place { index, now });
                }
                None => return Some(Place { index, now }),
            }
            index += 1;
        }
    }
}

/// A place between two pieces, and its offset in the current text.
#[derive(Clone, Copy, Debug)]
struct Place {
    index: usize,
    now: usize,
}

#[derive(Default)]
struct Found {
    first: Option<Place>,
    removed: usize,
}

/// Appends a piece, joined with the last one if that is of the same kind.
fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    match (pieces.last_mut(), piece) {
        (_, Piece::Both(0) | Piece::Gone(0) | Piece::New(0)) => {}
        (Some(Piece::Both(last)), Piece::Both(units))
        | (Some(Piece::Gone(last)), Piece::Gone(units))
        | (Some(Piece::New(last)), Piece::New(units)) => *last += units,
        (_, piece) => pieces.push(piece),
    }
}

/// The same without joining, so that an index of a piece stays valid.
fn push_apart(pieces: &mut Vec<Piece>, piece: Piece) {
    match piece {
        Piece::Both(0) | Piece::Gone(0) | Piece::New(0) => {}
        piece => pieces.push(piece),
    }
}
