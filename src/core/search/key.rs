//! The keys of the index. Each is a letter that says what it stands for, the number of the bucket, and a value without
//! spaces or ASCII punctuation. Text that people write only ever becomes a value after the letter for words, so it can
//! never be taken for a key of a room or a sender.
//!
//! A bucket holds a bounded number of messages. All keys contain it, so that the search for a common word reads the newest
//! bucket and not the whole index, and a prefix is only expanded within it.

use std::collections::BTreeSet;

use super::{
    query::{Query, Term, TermEnd},
    words::{Atom, AtomKind, atoms},
};
use crate::{
    ids::{GroupId, RoomId, Seq, Timestamp, UserId},
    limits,
};

/// Bits of a message's number in the index for its place in its room, below those of its time.
const SEQ_BITS: u32 = 10;
/// Bits for its room, below these.
const ROOM_BITS: u32 = 10;
/// Times up to the year 2248 have numbers of their own.
const TIME_MS_MAX: i64 = (1 << (i64::BITS - 1 - SEQ_BITS - ROOM_BITS)) - 1;

/// A message's number in the index, by which results are ordered: its time in milliseconds, then its place in its room.
/// Two messages hardly ever share it; if they do, the index moves one of them to the next free number.
pub fn number_of(room: RoomId, at: Timestamp, seq: Seq) -> i64 {
    let low = |bits: u32| (1_i64 << bits) - 1;
    // the last bits of an id are random
    let room = i64::from(room.0.as_bytes()[14]) << 8 | i64::from(room.0.as_bytes()[15]);
    time_of(at) | (seq.0 & low(SEQ_BITS)) << ROOM_BITS | (room & low(ROOM_BITS))
}

/// The first number of that time, for the bounds of a search.
pub fn time_of(at: Timestamp) -> i64 {
    at.unix_ms.clamp(0, TIME_MS_MAX) << (SEQ_BITS + ROOM_BITS)
}

/// A key without its bucket.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    letter: char,
    value: String,
}

impl Key {
    /// Of the messages of a room.
    pub fn room(room: RoomId) -> Key {
        Key::hashed('r', room.0.as_bytes())
    }

    /// Of the messages of a sender.
    pub fn sender(sender: &UserId) -> Key {
        Key::hashed('s', sender.as_str().as_bytes())
    }

    fn word(value: impl Into<String>) -> Key {
        Key { letter: 'w', value: value.into() }
    }

    /// Ids are hashed, because those of users may be long and contain any characters. Two with the same hash cost time and
    /// nothing else, since every result is checked.
    fn hashed(letter: char, id: &[u8]) -> Key {
        // FNV-1a, which is the same in all releases
        let hash = id.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Key { letter, value: format!("{:012x}", hash >> 16) }
    }

    /// The key as it is stored in a bucket.
    pub fn in_bucket(&self, bucket: i64) -> String {
        format!("{}{bucket:05x}{}", self.letter, self.value)
    }
}

/// Who may read the messages of a room, as a key of the index: with it, a search looks only at the messages that the user may
/// read. It must never be the only check.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Audience {
    /// The members of a group.
    Group(GroupId),
    /// A user's own direct conversations.
    Side(UserId),
    /// Whoever may enter that room.
    Room(RoomId),
}

impl Audience {
    /// The key.
    pub fn key(&self) -> Key {
        match self {
            Audience::Group(group) => Key::hashed('g', group.0.as_bytes()),
            Audience::Side(user) => Key::hashed('u', user.as_str().as_bytes()),
            Audience::Room(room) => Key::room(*room),
        }
    }
}

/// The keys of a message's text.
pub fn keys_of(text: &str) -> BTreeSet<Key> {
    let units = atoms(text);
    let mut keys = BTreeSet::new();
    for (place, atom) in units.iter().enumerate() {
        keys.insert(match atom.kind {
            AtomKind::Word => Key::word(cut(&atom.text)),
            AtomKind::Sign => Key::word(pair(atom, units.get(place + 1))),
        });
    }
    keys
}

/// A character with the next one of its run. A character alone is found as the beginning of such a pair.
fn pair(atom: &Atom, next: Option<&Atom>) -> String {
    let next = next.filter(|next| next.is_joined && next.kind == AtomKind::Sign);
    format!("{}{}", atom.text, next.map(|next| &*next.text).unwrap_or_default())
}

/// Longer words are indexed by their beginning.
fn cut(word: &str) -> &str {
    let end = word.char_indices().nth(limits::SEARCH_WORD_CHARS_MAX).map_or(word.len(), |(end, _)| end);
    word.get(..end).unwrap_or_default()
}

fn is_cut(word: &str) -> bool {
    word.chars().nth(limits::SEARCH_WORD_CHARS_MAX - 1).is_some()
}

/// What a search looks for in the index, besides the words.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scope {
    /// In this room alone.
    pub room: Option<RoomId>,
    /// By this sender alone.
    pub sender: Option<UserId>,
    /// Messages with one of these audiences. None: all.
    pub audiences: Option<Vec<Audience>>,
}

/// What a search looks for in the index: all of `all`, one of `any` unless that is None, and none of `none`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expression {
    /// Whole keys, and beginnings of keys.
    pub all: BTreeSet<(Key, KeyEnd)>,
    /// Alternatives.
    pub any: Option<Vec<Key>>,
    /// Excluded ones.
    pub none: BTreeSet<(Key, KeyEnd)>,
}

/// Whether a key of the index may continue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum KeyEnd {
    /// The key itself.
    Whole,
    /// All keys that begin with it.
    Prefix,
}

impl Expression {
    /// Every message that matches the query in that scope matches the expression; the reverse is not guaranteed.
    pub fn new(query: &Query, scope: &Scope) -> Expression {
        let mut all: BTreeSet<_> = query.terms.iter().flat_map(keys_of_term).collect();
        all.extend(scope.room.map(|room| (Key::room(room), KeyEnd::Whole)));
        all.extend(scope.sender.as_ref().map(|sender| (Key::sender(sender), KeyEnd::Whole)));
        let any = scope.audiences.as_ref().map(|audiences| audiences.iter().map(Audience::key).collect());
        let none = query.excluded.iter().filter_map(exact_key).collect();
        Expression { all, any, none }
    }
}

fn keys_of_term(term: &Term) -> Vec<(Key, KeyEnd)> {
    let last = term.atoms.len() - 1;
    let mut keys = Vec::new();
    for (place, atom) in term.atoms.iter().enumerate() {
        let may_continue = place == last && term.end == TermEnd::Prefix;
        let continues_run = atom.is_joined && place > 0;
        let follows_sign = place.checked_sub(1).and_then(|before| term.atoms.get(before)).map(|before| before.kind);
        let next = term.atoms.get(place + 1).filter(|next| next.is_joined && next.kind == AtomKind::Sign);
        match (atom.kind, next) {
            (AtomKind::Word, _) => {
                let end = if may_continue { KeyEnd::Prefix } else { KeyEnd::Whole };
                keys.push((Key::word(cut(&atom.text)), end));
            }
            (AtomKind::Sign, Some(next)) => {
                let is_last = place + 1 == last && term.end == TermEnd::Prefix;
                let end = if is_last { KeyEnd::Prefix } else { KeyEnd::Whole };
                keys.push((Key::word(format!("{}{}", atom.text, next.text)), end));
            }
            // It is the second half of the pair before it.
            (AtomKind::Sign, None) if continues_run && follows_sign == Some(AtomKind::Sign) => {}
            (AtomKind::Sign, None) => keys.push((Key::word(&*atom.text), KeyEnd::Prefix)),
        }
    }
    keys
}

/// The key that exactly those messages have in which the term occurs, if there is one.
fn exact_key(term: &Term) -> Option<(Key, KeyEnd)> {
    match (term.atoms.as_slice(), term.end) {
        ([atom], _) if atom.kind == AtomKind::Sign || is_cut(&atom.text) => None,
        ([atom], TermEnd::Exact) => Some((Key::word(&*atom.text), KeyEnd::Whole)),
        ([atom], TermEnd::Prefix) => Some((Key::word(&*atom.text), KeyEnd::Prefix)),
        (_several, _) => None,
    }
}
