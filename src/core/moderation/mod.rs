//! Moderation of rooms of every kind: who is muted or banned, and which words are refused or masked. Pure; nodes keep a
//! [`Book`] of what is in force and compare commands and joins with it. The book must never be the only barrier: the store
//! compares every stored event with the sanctions itself.

mod book;
mod sanction;
#[cfg(test)]
mod tests;
mod words;

pub use self::{
    book::{Book, Snapshot},
    sanction::{Sanction, SanctionKind},
    words::{Filtered, WordAction, WordFilter, WordRule, phrase_words},
};
