//! One search: candidates in order, of which those are kept whose room the user may enter and whose text matches. Bounded by
//! the number of candidates and of texts; a search that reaches a bound says where it stopped.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::{Place, Wanted};
use crate::{
    actors::{moderation::Moderation, node::Clock},
    auth::policy::{Action, Subject, may},
    core::{
        event::RoomIdentity,
        search::{Candidate, Candidates, Expression, Match, Next, Scope, find},
    },
    ids::{EventId, RoomId},
    limits,
    store::{Message, SearchStart, Store, StoreError},
};

/// A message that matches and that the user may read.
pub(super) struct Verified {
    pub place: Place,
    pub room: RoomIdentity,
    pub message: Message,
    pub how: Match,
}

pub(super) struct Reading<'a> {
    store: &'a Store,
    moderation: &'a Moderation,
    subject: Subject<'a>,
    wanted: &'a Wanted,
    start: SearchStart,
    numbers: Range<i64>,
    expression: Expression,
    candidates: Candidates,
    /// Candidates at this place or before it in the order are skipped.
    behind: Option<(Place, Bound)>,
    /// The rooms of candidates: those that the user may enter, with what they are.
    rooms: HashMap<RoomId, Option<RoomIdentity>>,
    seen: HashSet<EventId>,
    last: Option<Place>,
    examined: usize,
    denied: usize,
    texts: usize,
    confinement: Confinement,
    has_ended: bool,
}

/// Whether the message at a bound belongs to the page.
#[derive(Clone, Copy, PartialEq)]
enum Bound {
    Excluded,
    Included,
}

/// Whether the search is confined to what the user may read.
#[derive(Clone, Copy, PartialEq)]
enum Confinement {
    NotTried,
    Done,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        (store, moderation): (&'a Store, &'a Moderation),
        subject: Subject<'a>,
        wanted: &'a Wanted,
        start: SearchStart,
        numbers: Range<i64>,
    ) -> Reading<'a> {
        let scope = Scope { room: wanted.room, sender: wanted.sender.clone(), audiences: None };
        let mut reading = Reading {
            store,
            moderation,
            subject,
            wanted,
            start,
            numbers,
            expression: Expression::new(&wanted.query, &scope),
            candidates: Candidates::new(Vec::new(), Vec::new(), 0),
            behind: None,
            rooms: HashMap::new(),
            seen: HashSet::new(),
            last: None,
            examined: 0,
            denied: 0,
            texts: 0,
            confinement: Confinement::NotTried,
            has_ended: false,
        };
        reading.begin();
        reading
    }

    /// Begins behind this message.
    pub(super) fn begin_behind(&mut self, place: Option<Place>) {
        if let Some(place) = place {
            self.behind = Some((place, Bound::Excluded));
            self.begin();
        }
    }

    /// Begins with this message.
    pub(super) fn begin_at(&mut self, place: Place) {
        self.behind = Some((place, Bound::Included));
        self.begin();
    }

    /// Where the search stopped because it reached a bound. None: it has ended.
    pub(super) fn stopped_at(&self) -> Option<Place> {
        self.last.filter(|_| !self.has_ended)
    }

    fn begin(&mut self) {
        let before = match self.behind {
            Some((place, _)) => self.numbers.end.min(place.number.saturating_add(1)),
            None => self.numbers.end,
        };
        let pending = self.start.pending.iter().filter(|one| {
            one.number < before
                && self.wanted.room.is_none_or(|room| room == one.room)
                && find(&self.wanted.query, &one.content).is_some()
        });
        let known = pending.map(|one| Candidate { number: one.number, message: one.message, room: one.room });
        self.candidates = Candidates::new(self.start.buckets.clone(), known.collect(), before);
    }

    /// The next messages, newest first: as many as wanted, or fewer if there are no more or a bound is reached.
    pub(super) async fn verified(&mut self, most: usize) -> Result<Vec<Verified>, StoreError> {
        let mut verified = Vec::new();
        let mut at_once = most.min(limits::SEARCH_CHUNK);
        while verified.len() < most && !self.has_ended && !self.is_exhausted() {
            let chunk = self.chunk(at_once).await?;
            let readable = self.readable(&chunk).await?;
            self.verify(&readable, &mut verified).await?;
            if verified.len() < most {
                self.confine().await?;
            }
            at_once = limits::SEARCH_CHUNK;
        }
        Ok(verified)
    }

    fn is_exhausted(&self) -> bool {
        self.examined >= limits::SEARCH_EXAMINED_MAX || self.texts >= limits::SEARCH_TEXTS_MAX
    }

    /// The next candidates.
    async fn chunk(&mut self, most: usize) -> Result<Vec<Candidate>, StoreError> {
        let mut chunk = Vec::new();
        while chunk.len() < most {
            match self.candidates.advance() {
                Next::Candidate(one) => {
                    let place = Place { number: one.number, message: one.message };
                    let is_skipped = self.behind.is_some_and(|(behind, bound)| match bound {
                        Bound::Excluded => place >= behind,
                        Bound::Included => place > behind,
                    });
                    if !is_skipped && self.seen.insert(one.message) {
                        self.last = Some(place);
                        self.examined += 1;
                        chunk.push(one);
                    }
                }
                Next::Read(read) => {
                    let found = self.store.search_candidates(&self.expression, self.numbers.start, &read).await?;
                    self.candidates.found(&read, found);
                }
                Next::End => {
                    self.has_ended = true;
                    break;
                }
            }
        }
        Ok(chunk)
    }

    /// Those in rooms that the user may enter.
    async fn readable(&mut self, chunk: &[Candidate]) -> Result<Vec<Candidate>, StoreError> {
        let unknown: HashSet<RoomId> =
            chunk.iter().map(|one| one.room).filter(|room| !self.rooms.contains_key(room)).collect();
        if !unknown.is_empty() {
            let unknown: Vec<RoomId> = unknown.into_iter().collect();
            let mut accesses = self.store.accesses(&unknown, self.subject.user).await?;
            for room in unknown {
                let entered = accesses.remove(&room).filter(|access| {
                    let is_banned = self.moderation.ban(self.subject.user, Some(room), Clock.now()).is_some();
                    !is_banned
                        && may(self.subject, Action::Enter { room: &access.identity, right: access.right }).is_ok()
                });
                self.rooms.insert(room, entered.map(|access| access.identity));
            }
        }
        let may_read = |one: &&Candidate| self.rooms.get(&one.room).is_some_and(Option::is_some);
        let readable: Vec<Candidate> = chunk.iter().filter(may_read).copied().collect();
        self.denied += chunk.len() - readable.len();
        Ok(readable)
    }

    /// Reads the texts and keeps what matches.
    async fn verify(&mut self, chunk: &[Candidate], verified: &mut Vec<Verified>) -> Result<(), StoreError> {
        let ids: Vec<EventId> = chunk.iter().map(|one| one.message).collect();
        self.texts += ids.len();
        let read = self.store.messages_with_text(&ids).await?;
        let mut read: HashMap<EventId, (RoomId, Message)> =
            read.into_iter().map(|(room, message)| (message.id, (room, message))).collect();
        for one in chunk {
            let Some((room, message)) = read.remove(&one.message) else { continue };
            let Some(Some(identity)) = self.rooms.get(&room) else { continue };
            if !self.is_wanted(room, &message) {
                continue;
            }
            let Some(how) = find(&self.wanted.query, &message.content) else { continue };
            let place = Place { number: one.number, message: one.message };
            verified.push(Verified { place, room: identity.clone(), message, how });
        }
        Ok(())
    }

    fn is_wanted(&self, room: RoomId, message: &Message) -> bool {
        let wanted = self.wanted;
        wanted.room.is_none_or(|only| only == room)
            && wanted.sender.as_ref().is_none_or(|only| *only == message.sender.id)
            && wanted.after.is_none_or(|after| message.at >= after)
            && wanted.before.is_none_or(|before| message.at < before)
    }

    /// Confines the rest of the search to what the user may read, if most candidates are in other rooms. Not from the
    /// beginning, because a rare word has few candidates, and a user may have many rooms.
    async fn confine(&mut self) -> Result<(), StoreError> {
        let is_due = self.examined >= limits::SEARCH_EXAMINED_UNCONFINED && self.denied * 2 > self.examined;
        if !is_due || self.has_ended || self.wanted.room.is_some() || self.confinement == Confinement::Done {
            return Ok(());
        }
        self.confinement = Confinement::Done;
        let Some(audiences) = self.store.audiences(self.subject.user).await? else { return Ok(()) };
        let scope = Scope { room: None, sender: self.wanted.sender.clone(), audiences: Some(audiences) };
        self.expression = Expression::new(&self.wanted.query, &scope);
        self.behind = self.last.map(|last| (last, Bound::Excluded));
        self.has_ended = false;
        self.begin();
        Ok(())
    }
}
