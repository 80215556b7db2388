//! Collaborative documents: a replica of the document (`replica`), the text by line and column with its latest versions
//! (`history`, `merged`, `position`), awareness and colours. Every replica applies the same updates in the same order, that of
//! the log. Nothing here may ever generate an id: client ids are given.

mod anchor;
mod awareness;
mod colours;
mod history;
mod merged;
mod pointer;
mod position;
mod replica;
mod rights;

pub use self::{
    anchor::{Anchor, AnchorRange, Side},
    awareness::{Awareness, ClientState, Owner},
    colours::{Colour, Colours},
    history::{Change, Conflict, Extent, Mode},
    merged::Removed,
    pointer::{Pointer, Pointing, Range, ShownAs},
    position::{Position, Splice},
    replica::{BadUpdate, Edit, Replica, Sent, changes_between, text_of},
    rights::{DocumentAccess, DocumentRole},
};

#[cfg(test)]
mod tests;
