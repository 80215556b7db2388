//! Reactions: each user adds each emoji to a message at most once, and may remove it. The number of different reactions
//! per message is bounded. Only a change is an event.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use super::{Known, message};
use crate::{
    core::{emoji::Emoji, event::ReactionChange},
    ids::{EventId, UserId},
    limits,
    store::{
        MessageRefused,
        values::{Id, Moment},
    },
};

/// Why a reaction is not stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReactionRefused {
    /// The message does not exist in the room, or was deleted.
    #[error(transparent)]
    Message(#[from] MessageRefused),
    /// The user has already added it, or has not added what is to be removed: nothing changes.
    #[error("the reaction does not change anything")]
    Unchanged,
    /// The message has the maximum number of different reactions.
    #[error("the message has too many different reactions")]
    TooMany,
}

/// A user's reaction to a message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReactionOf {
    pub message: Id,
    pub emoji: Emoji,
    pub user: UserId,
}

/// The known reactions to some messages.
#[derive(Default)]
pub struct KnownReactions {
    /// The number of users per reaction.
    pub counts: HashMap<Uuid, HashMap<Emoji, i64>>,
    /// The existing reactions of the users concerned.
    pub given: HashSet<ReactionOf>,
    changes: BTreeMap<ReactionOf, Option<Moment>>,
}

/// Adds or removes the reaction.
pub(super) fn react(
    known: &mut Known,
    room: Id,
    reaction: ReactionOf,
    change: ReactionChange,
    at: Moment,
) -> Result<(), ReactionRefused> {
    message::open(known, room, EventId(reaction.message.0))?;
    let Known { reactions, .. } = known;
    let counts = reactions.counts.entry(reaction.message.0).or_default();
    match (change, reactions.given.contains(&reaction)) {
        (ReactionChange::Added, true) | (ReactionChange::Removed, false) => return Err(ReactionRefused::Unchanged),
        (ReactionChange::Added, false) => {
            if !counts.contains_key(&reaction.emoji) && counts.len() >= limits::REACTIONS_PER_MESSAGE_MAX {
                return Err(ReactionRefused::TooMany);
            }
            *counts.entry(reaction.emoji.clone()).or_default() += 1;
            reactions.given.insert(reaction.clone());
            reactions.changes.insert(reaction, Some(at));
        }
        (ReactionChange::Removed, true) => {
            counts.entry(reaction.emoji.clone()).and_modify(|count| *count -= 1);
            counts.retain(|_, count| *count > 0);
            reactions.given.remove(&reaction);
            reactions.changes.insert(reaction, None);
        }
    }
    Ok(())
}

/// The reactions that change, in order: with the time if added, None if removed.
pub(super) fn changed(known: &mut Known) -> Vec<(ReactionOf, Option<Moment>)> {
    std::mem::take(&mut known.reactions.changes).into_iter().collect()
}
