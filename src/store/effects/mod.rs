//! Events that change more than the log: edits and deletions of messages, reactions, read marks, and the states of spaces. One
//! file per effect defines what must be read under the rooms' locks, what is refused, and what is written: the same for both
//! databases. Pure; the SQL is in `queries/effects`. Plain messages and cell updates have their own hand-written paths;
//! a batch without effects does not use this module.
//!
//! A new effect needs a file here, its lines in [`Reads`], [`Known`] and [`Writes`], and their SQL.

mod message;
mod reaction;
mod read_mark;
mod space_state;

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

pub use self::{message::MessageRefused, reaction::ReactionRefused, read_mark::ReadRefused, space_state::StateRefused};
pub(super) use self::{
    message::{KnownMessage, Rewrite, edit_erased},
    reaction::{KnownReactions, ReactionOf},
    read_mark::{KnownMark, MarkOf},
    space_state::{KnownStates, StateOf},
};
use super::{
    NotAppended, StoreError,
    batch::{Batch, Earlier, Entry, payload},
    values::{Id, Moment},
};
use crate::{
    core::{
        emoji::Emoji,
        event::{ChatDurable, Durable, SpaceDurable},
        profile::Author,
        space::{StateChange, StateEntry},
    },
    ids::{EventId, Seq},
};

/// Why an effect was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EffectRefused {
    /// An edit or a deletion.
    #[error(transparent)]
    Message(#[from] MessageRefused),
    /// A read mark.
    #[error(transparent)]
    Read(#[from] ReadRefused),
    /// A reaction.
    #[error(transparent)]
    Reaction(#[from] ReactionRefused),
    /// A change of a space's state.
    #[error(transparent)]
    State(#[from] StateRefused),
}

/// What must be read before the effects of a batch can be decided.
#[derive(Default)]
pub(super) struct Reads {
    /// Messages, by id.
    pub messages: BTreeSet<Id>,
    /// Read marks.
    pub marks: BTreeSet<MarkOf>,
    /// Reactions.
    pub reactions: BTreeSet<ReactionOf>,
    /// Entries of the states of spaces.
    pub states: BTreeSet<StateOf>,
}

/// The read state, updated by previous effects in the batch.
#[derive(Default)]
pub(super) struct Known {
    pub messages: HashMap<Uuid, KnownMessage>,
    pub marks: HashMap<MarkOf, KnownMark>,
    pub reactions: KnownReactions,
    pub states: KnownStates,
}

/// What the effects of a batch write.
#[derive(Default)]
pub(super) struct Writes {
    /// Messages to rewrite, each once, ordered by id.
    pub rewrites: Vec<Rewrite>,
    /// Read marks that advance, each once, in order.
    pub marks: Vec<(MarkOf, i64)>,
    /// Reactions that are added (with the time) or removed; each once, in order.
    pub reactions: Vec<(ReactionOf, Option<Moment>)>,
    /// Entries of the states of spaces that are set, or deleted; each once, in order.
    pub states: Vec<(StateOf, Option<StateEntry>)>,
}

impl Batch {
    /// Whether any event is an effect.
    pub fn has_effects(&self) -> bool {
        self.effect_reads(&Earlier::new()).is_some()
    }

    /// What must be read. None for a batch without effects, as most are.
    pub fn effect_reads(&self, earlier: &Earlier) -> Option<Reads> {
        let mut reads = Reads::default();
        let mut has_effects = false;
        for entry in self.entries.iter().filter(|entry| is_open(entry, earlier)) {
            let Some(room) = self.rooms.get(entry.room) else { continue };
            match &*entry.what {
                Durable::Chat(
                    ChatDurable::MessageEdited { message, .. } | ChatDurable::MessageDeleted { message, .. },
                ) => {
                    reads.messages.insert(Id(message.0));
                }
                Durable::Chat(what @ ChatDurable::ReadMarked { .. }) => {
                    for (mark, _) in read_mark::marks(what) {
                        reads.messages.insert(Id(mark.message.0));
                        reads.marks.insert(MarkOf { room: *room, user: mark.reader.id });
                    }
                }
                Durable::Chat(ChatDurable::Reacted { message, by, emoji, .. }) => {
                    reads.messages.insert(Id(message.0));
                    reads.reactions.insert(reaction_of(*message, by, emoji));
                }
                Durable::Space(SpaceDurable::StateChanged(StateChange { key, .. })) => {
                    reads.states.insert(StateOf { room: *room, key: key.clone() });
                }
                Durable::Chat(ChatDurable::MessageSent { .. } | ChatDurable::MessageErased { .. })
                | Durable::Sheet(_)
                | Durable::Canvas(_)
                | Durable::Document(_)
                | Durable::Space(SpaceDurable::Acted { .. }) => continue,
            }
            has_effects = true;
        }
        has_effects.then_some(reads)
    }

    /// Decides the effects in the order of the batch. Refused ones get no seq; the others are written. `heads` are those of
    /// [`Batch::rooms`]. An entry of a space's state is named by the seq of its event, which follows from the head: nothing in
    /// a space is refused after this.
    pub fn decide_effects(&mut self, earlier: &Earlier, heads: &[i64], mut known: Known) -> Result<Writes, StoreError> {
        let (mut writes, mut heads) = (Writes::default(), heads.to_vec());
        let Batch { rooms, entries } = self;
        for entry in entries.iter_mut().filter(|entry| is_open(entry, earlier)) {
            let (Some(room), Some(head)) = (rooms.get(entry.room).copied(), heads.get_mut(entry.room)) else {
                continue;
            };
            let seq = Seq(*head + 1);
            let decided: Result<(), EffectRefused> = match &*entry.what {
                Durable::Chat(ChatDurable::MessageEdited { message, content, secrecy, .. }) => {
                    message::edit(&mut known, room, *message, (content, *secrecy), entry.at).map_err(Into::into)
                }
                Durable::Chat(ChatDurable::MessageDeleted { message, .. }) => {
                    message::delete(&mut known, room, *message, entry.at).map_err(Into::into)
                }
                Durable::Chat(asked @ ChatDurable::ReadMarked { .. }) => match read_mark::read(&mut known, room, asked)
                {
                    Ok(what) => {
                        let what = Durable::Chat(what);
                        entry.payload = payload(&what)?;
                        entry.what = what.into();
                        Ok(())
                    }
                    Err(refused) => Err(refused.into()),
                },
                Durable::Chat(ChatDurable::Reacted { message, by, emoji, change }) => {
                    let reaction = reaction_of(*message, by, emoji);
                    reaction::react(&mut known, room, reaction, *change, entry.at).map_err(Into::into)
                }
                Durable::Space(SpaceDurable::StateChanged(change)) => {
                    match space_state::change(&mut known, room, seq, change) {
                        Ok(change) => {
                            let what = Durable::Space(SpaceDurable::StateChanged(change));
                            entry.payload = payload(&what)?;
                            entry.what = what.into();
                            Ok(())
                        }
                        Err(refused) => Err(refused.into()),
                    }
                }
                Durable::Chat(ChatDurable::MessageSent { .. } | ChatDurable::MessageErased { .. })
                | Durable::Sheet(_)
                | Durable::Canvas(_)
                | Durable::Document(_)
                | Durable::Space(SpaceDurable::Acted { .. }) => Ok(()),
            };
            match decided {
                Ok(()) => *head = seq.0,
                Err(refused) => entry.refused = Some(NotAppended::Effect(refused)),
            }
        }
        self.erase_edits_of_deleted(&known)?;
        writes.rewrites = message::rewrites(&known)?;
        writes.marks = read_mark::advanced(&known);
        writes.reactions = reaction::changed(&mut known);
        writes.states = space_state::changed(&mut known);
        Ok(writes)
    }
}

impl Batch {
    /// Edits of messages that the same batch deletes are stored without their texts.
    fn erase_edits_of_deleted(&mut self, known: &Known) -> Result<(), StoreError> {
        for entry in &mut self.entries {
            let Durable::Chat(ChatDurable::MessageEdited { message, .. }) = &*entry.what else { continue };
            let is_deleted = known.messages.get(&message.0).is_some_and(|message| message.is_deleted);
            if let Some(erased) = message::edit_erased(&entry.what, Id(message.0)).filter(|_| is_deleted) {
                entry.payload = payload(&erased)?;
                entry.what = erased.into();
            }
        }
        Ok(())
    }
}

fn reaction_of(message: EventId, by: &Author, emoji: &Emoji) -> ReactionOf {
    ReactionOf { message: Id(message.0), emoji: emoji.clone(), user: by.id.clone() }
}

/// Whether it must still be decided: neither refused nor already stored.
fn is_open(entry: &Entry, earlier: &Earlier) -> bool {
    entry.refused.is_none() && !earlier.contains_key(&entry.id.0)
}
