//! Read marks. In a small room each is stored as an event of its own at once. In a large one they are collected for a short
//! time and stored together, since each event goes to all members. A mark must never be confirmed before it is stored.

use std::sync::Arc;

use actix::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Pending, Requester, Room, publish::By};
use crate::{
    actors::{
        fanout::Broadcast,
        messages::{NotStored, Origin},
    },
    core::{
        command::Receipt,
        event::{ChatDurable, Durable, EventBody, ReadMark},
        profile::Author,
        read_marks::{self, OtherSockets, ReadMarks},
    },
    error::{ErrorCode, Refusal},
    ids::{EventId, Seq, UserId},
    limits,
};

/// The marks of a large room that are not stored yet.
#[derive(Default)]
pub(super) struct CollectedReads {
    marks: ReadMarks,
    /// Users who have sent a mark over REST, so that all their sockets have to be informed.
    over_rest: FxHashSet<UserId>,
    /// Requests that are answered when the marks are stored.
    askers: Vec<(UserId, Requester)>,
    /// The same of marks that the journal has, by the id of their event.
    stored_soon: FxHashMap<EventId, Vec<(UserId, Requester)>>,
    /// Messages whose place is being read, with the marks that name them.
    placing: FxHashMap<EventId, Vec<(Author, Requester)>>,
    /// Places that were found lately.
    places: FxHashMap<EventId, Seq>,
    timer: Pending,
}

impl CollectedReads {
    /// Whether nothing is collected, so that the room may retire.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty() && self.placing.is_empty() && self.stored_soon.is_empty()
    }

    /// The readers of a stored event with collected marks. The event keeps only those that it lists.
    pub fn take_marked(&self, id: EventId, what: &mut Durable) -> FxHashSet<UserId> {
        let Durable::Chat(what) = what else { return FxHashSet::default() };
        let is_asked = self.stored_soon.get(&id).is_some_and(|askers| !askers.is_empty());
        let marked = what.readers().filter(|_| is_asked).map(|reader| reader.id.clone()).collect();
        what.drop_unlisted();
        marked
    }

    fn remember(&mut self, message: EventId, place: Seq) {
        if self.places.len() >= limits::READ_PLACES_MAX {
            self.places.clear();
        }
        self.places.insert(message, place);
    }
}

impl Room {
    /// A user has read up to a message.
    pub(super) fn mark_read(&mut self, message: EventId, by: By, ctx: &mut Context<Self>) {
        let By { user, asker, client_message_id } = by;
        let users = self.core.as_ref().map_or(0, |core| core.users());
        // a mark with an id must be found again under it
        if client_message_id.is_some() || users <= limits::READS_AT_ONCE_USERS_MAX {
            return self.store_chat(ChatDurable::read(user, message), client_message_id, asker, Receipt::Ack, ctx);
        }
        match self.place_of(message) {
            Some(up_to) => self.collect_read(ReadMark { reader: user, message, up_to }, asker, ctx),
            None => self.read_place(message, user, asker, ctx),
        }
    }

    /// The place of a message, if it is in memory.
    fn place_of(&mut self, message: EventId) -> Option<Seq> {
        if let Some(place) = self.reads.places.get(&message) {
            return Some(*place);
        }
        let found = self.core.as_ref()?.recent().find_map(|broadcast| match &broadcast.event.body {
            EventBody::Durable { seq, id, what: Durable::Chat(what) } if *id == message && what.is_message() => {
                Some(*seq)
            }
            EventBody::Durable { .. } | EventBody::Ephemeral(_) => None,
        })?;
        self.reads.remember(message, found);
        Some(found)
    }

    /// Reads the place of a message from the store, once for all marks that name it meanwhile.
    fn read_place(&mut self, message: EventId, reader: Author, asker: Requester, ctx: &mut Context<Self>) {
        let placing = self.reads.placing.len();
        match self.reads.placing.get_mut(&message) {
            Some(waiting) if waiting.len() < limits::READS_COLLECTED_MAX => return waiting.push((reader, asker)),
            Some(_) => return self.refuse_asker(asker, Refusal::unavailable(), ctx),
            None if placing >= limits::READ_PLACES_MAX => {
                return self.store_chat(ChatDurable::read(reader, message), None, asker, Receipt::Ack, ctx);
            }
            None => {}
        }
        self.reads.placing.insert(message, vec![(reader, asker)]);
        let (store, id) = (self.node.store.clone(), self.identity.id);
        let placed = async move { store.message_place(message).await };
        ctx.spawn(placed.into_actor(self).map(move |placed, room, ctx| {
            let place = match placed {
                Ok(place) => place.filter(|place| place.room.id == id).map(|place| place.seq).ok_or_else(|| {
                    let sentence = "There is no such message in this room; take an id from its history";
                    Refusal::new(ErrorCode::NotFound, sentence)
                }),
                Err(error) => Err(error.into()),
            };
            let waiting = room.reads.placing.remove(&message).unwrap_or_default();
            if let Ok(up_to) = place {
                room.reads.remember(message, up_to);
            }
            for (reader, asker) in waiting {
                match &place {
                    Ok(up_to) => room.collect_read(ReadMark { reader, message, up_to: *up_to }, asker, ctx),
                    Err(refusal) => room.refuse_asker(asker, refusal.clone(), ctx),
                }
            }
            room.rest(ctx);
        }));
    }

    fn collect_read(&mut self, mark: ReadMark, asker: Requester, ctx: &mut Context<Self>) {
        let reader = mark.reader.id.clone();
        self.reads.marks.add(mark);
        match asker {
            Requester::Route(_) => {
                self.reads.over_rest.insert(reader.clone());
                self.reads.askers.push((reader, asker));
            }
            Requester::Socket { ref tag, .. } if tag.wants_answer() => self.reads.askers.push((reader, asker)),
            Requester::Socket { .. } => {}
        }
        if self.reads.marks.len().max(self.reads.askers.len()) >= limits::READS_COLLECTED_MAX {
            return self.store_reads(ctx);
        }
        if self.reads.timer == Pending::No {
            self.reads.timer = Pending::Yes;
            let users = self.core.as_ref().map_or(0, |core| core.users());
            ctx.run_later(read_marks::period(users), |room, ctx| {
                room.reads.timer = Pending::No;
                room.store_reads(ctx);
            });
        }
    }

    /// Stores what was collected.
    pub(super) fn store_reads(&mut self, ctx: &mut Context<Self>) {
        if self.reads.marks.is_empty() {
            return;
        }
        let over_rest = std::mem::take(&mut self.reads.over_rest);
        let core = self.core.as_ref();
        let has_other_sockets = |user: &UserId| {
            let sockets = core.map_or(0, |core| core.sockets_known(user));
            let own = usize::from(!over_rest.contains(user));
            if sockets > own { OtherSockets::Yes } else { OtherSockets::No }
        };
        let events = self.reads.marks.take(has_other_sockets);
        let mut askers: FxHashMap<UserId, Vec<Requester>> = FxHashMap::default();
        for (user, asker) in std::mem::take(&mut self.reads.askers) {
            askers.entry(user).or_default().push(asker);
        }
        for event in events {
            let of_event = event.readers().flat_map(|reader| {
                let waiting = askers.remove(&reader.id).unwrap_or_default();
                waiting.into_iter().map(|asker| (reader.id.clone(), asker)).collect::<Vec<_>>()
            });
            let of_event: Vec<_> = of_event.collect();
            let id = EventId::generate();
            self.reads.stored_soon.insert(id, of_event);
            self.append(id, Durable::Chat(event), None, None::<Origin>, ctx);
        }
    }

    /// The journal has settled an event. Answers the requests that wait for it if it has collected marks. `marked` are the
    /// readers whose marks have advanced.
    pub(super) fn reads_settled(
        &mut self,
        id: EventId,
        settled: Result<(&Arc<Broadcast>, &FxHashSet<UserId>), &NotStored>,
        ctx: &mut Context<Self>,
    ) {
        for (user, asker) in self.reads.stored_soon.remove(&id).unwrap_or_default() {
            match &settled {
                Ok((stored, marked)) if marked.contains(&user) => self.acknowledge(asker, stored, ctx),
                Ok(_) | Err(NotStored::Unchanged) => self.done(asker, ctx),
                Err(NotStored::Refused(refusal)) => self.refuse_asker(asker, refusal.clone(), ctx),
                Err(
                    NotStored::Conflicts(_)
                    | NotStored::SheetElsewhere
                    | NotStored::StateConflict(..)
                    | NotStored::TileUnchanged(_)
                    | NotStored::TileConflict(..),
                ) => self.refuse_asker(asker, Refusal::internal(), ctx),
            }
        }
    }
}
