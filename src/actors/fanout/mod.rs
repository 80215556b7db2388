//! Broadcasts, encoded at most once per dialect however many receivers and workers there are, and the batches into
//! which a hub combines them. Uses the interface of dialects and must never depend on a concrete one.

mod differences;

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock},
};

use bytes::{Buf, Bytes};
use rustc_hash::{FxHashMap, FxHasher};

use self::differences::Differences;
use super::outbox::Outbox;
use crate::{
    core::{
        backlog::{Class, Frame},
        event::{
            Audience, CallEphemeral, CanvasEphemeral, ChatEphemeral, DocumentEphemeral, Durable, Entered, Ephemeral,
            Event, EventBody, Listener, MemberPresence, PresenceEphemeral, Reply, RoomEphemeral, RoomIdentity,
            SpaceEphemeral, UploadEphemeral,
        },
        history::Logged,
        upload::UploadPhase,
    },
    dialects::{DialectKind, Stamp},
    ids::{ClientMessageId, EventId, Seq, Timestamp, UserId},
    store::StoredEvent,
    transport::frame,
};

/// An event on its way to sockets.
#[derive(Debug)]
pub struct Broadcast {
    /// The event.
    pub event: Event,
    /// Who receives it.
    pub audience: Audience,
    /// The id that the author's client gave the event. Only the author's own sockets receive it.
    pub client_message_id: Option<ClientMessageId>,
    class: Class,
    /// One slot per dialect, allocated when the first one is encoded: a broadcast that is only kept in memory needs
    /// none.
    encoded: OnceLock<Box<[OnceLock<Option<Bytes>>; DialectKind::COUNT]>>,
}

impl Broadcast {
    /// Creates the broadcast of a stored event, with the event's own audience.
    pub fn durable(room: Arc<RoomIdentity>, stored: StoredEvent) -> Arc<Broadcast> {
        let audience = stored.what.audience();
        Broadcast::durable_for(room, stored, audience)
    }

    /// The same with another audience.
    pub fn durable_for(room: Arc<RoomIdentity>, stored: StoredEvent, audience: Audience) -> Arc<Broadcast> {
        let StoredEvent { seq, id, at, what, client_message_id } = stored;
        let event = Event { room, at, body: EventBody::Durable { seq, id, what } };
        Broadcast::with_id(event, audience, client_message_id)
    }

    /// The same event as an edit or a deletion leaves it; `None` if that does not change it.
    pub fn changed_by(&self, change: &Durable) -> Option<Arc<Broadcast>> {
        let EventBody::Durable { seq, id, what } = &self.event.body else { return None };
        let what = what.changed_by(*id, change)?;
        let body = EventBody::Durable { seq: *seq, id: *id, what };
        Some(Broadcast::new(Event { body, ..self.event.clone() }, self.audience.clone()))
    }

    /// Creates a broadcast that is not encoded yet; it is encoded for the first receiver of each dialect.
    pub fn new(event: Event, audience: Audience) -> Arc<Broadcast> {
        Broadcast::with_id(event, audience, None)
    }

    /// The same for an event to which the author's client gave an id.
    pub fn with_id(event: Event, audience: Audience, client_message_id: Option<ClientMessageId>) -> Arc<Broadcast> {
        let class = match &event.body {
            EventBody::Durable { .. } => Class::Durable,
            EventBody::Ephemeral(ephemeral) => class_of(&event, ephemeral),
        };
        Arc::new(Broadcast { event, audience, client_message_id, class, encoded: OnceLock::new() })
    }

    /// How it may be treated if it cannot be delivered at once.
    pub fn class(&self) -> Class {
        self.class
    }

    /// The frame of a direct message for a user's socket that is bound to another room. There are few such sockets, so it
    /// is not cached.
    pub fn direct_frame(&self, kind: DialectKind, user: &UserId) -> Option<Frame> {
        let own = self.client_message_id.as_ref().filter(|_| self.author() == Some(user));
        let stamp = Stamp::new(self.event.at).for_author(own);
        let bytes = frame::build(|out| kind.dialect().encode_direct(&self.event, stamp, out))?;
        Some(Frame { bytes, class: self.class })
    }

    /// Whether it concerns presence, so that it may be delayed and combined with others.
    pub fn is_presence(&self) -> bool {
        match &self.event.body {
            EventBody::Durable { .. } => false,
            EventBody::Ephemeral(what) => match what {
                Ephemeral::Presence(
                    PresenceEphemeral::UserJoined { .. }
                    | PresenceEphemeral::UserLeft { .. }
                    | PresenceEphemeral::StatusChanged { .. }
                    | PresenceEphemeral::Attended(_),
                ) => true,
                Ephemeral::Presence(PresenceEphemeral::CursorsMoved(_))
                | Ephemeral::Chat(_)
                | Ephemeral::Upload(_)
                | Ephemeral::Call(_)
                | Ephemeral::Room(_)
                | Ephemeral::Document(
                    DocumentEphemeral::Awareness(_)
                    | DocumentEphemeral::Pointed { .. }
                    | DocumentEphemeral::Session { .. }
                    | DocumentEphemeral::Renewed { .. },
                )
                | Ephemeral::Canvas(_)
                | Ephemeral::Space(_) => false,
                Ephemeral::Document(DocumentEphemeral::Opened { .. } | DocumentEphemeral::Closed { .. }) => true,
            },
        }
    }

    /// The key by which a later broadcast of the same batch replaces this one.
    fn presence_key(&self) -> Option<u64> {
        match self.class {
            Class::Presence(key) | Class::Ephemeral(key) if self.is_presence() => Some(key),
            Class::Presence(_) | Class::Ephemeral(_) | Class::Durable | Class::Part => None,
        }
    }

    fn author(&self) -> Option<&UserId> {
        match &self.event.body {
            EventBody::Durable { what, .. } => Some(&what.author().id),
            EventBody::Ephemeral(_) => None,
        }
    }

    /// The frame for a user's sockets of that dialect; `None` if the dialect has no such message.
    pub fn frame_for(&self, kind: DialectKind, user: &UserId) -> Option<Frame> {
        match self.authors_frame(kind) {
            Some((author, frame)) if author == user => Some(frame),
            Some(_) | None => self.frame(kind),
        }
    }

    /// The frame for the author's sockets, if it differs from that of other users. It is needed once or twice, so it is
    /// not cached.
    fn authors_frame(&self, kind: DialectKind) -> Option<(&UserId, Frame)> {
        let (id, author) = (self.client_message_id.as_ref()?, self.author()?);
        let stamp = Stamp::new(self.event.at).for_author(Some(id));
        let bytes = frame::build(|out| kind.dialect().encode_event(&self.event, stamp, out))?;
        Some((author, Frame { bytes, class: self.class }))
    }

    /// The frame that all users share, for sockets of that dialect; `None` if the dialect has no such message.
    pub fn frame(&self, kind: DialectKind) -> Option<Frame> {
        let slot = self.encoded.get_or_init(Box::default).get(kind as usize)?;
        let bytes = slot.get_or_init(|| {
            let stamp = Stamp::new(self.event.at);
            frame::build(|out| kind.dialect().encode_event(&self.event, stamp, out))
        });
        bytes.clone().map(|bytes| Frame { bytes, class: self.class })
    }
}

impl Logged for Broadcast {
    fn seq(&self) -> Seq {
        match &self.event.body {
            EventBody::Durable { seq, .. } => *seq,
            EventBody::Ephemeral(_) => Seq::default(),
        }
    }

    fn size_bytes(&self) -> usize {
        // The history adds this value and subtracts it later, so it must not change when a frame is encoded. Counts the
        // text of the event, and once more the frame of the one dialect that most rooms use.
        let id = self.client_message_id.as_ref().map_or(0, |id| id.as_str().len());
        size_of::<Broadcast>() + 2 * self.event.size_bytes() + id
    }
}

/// For typing, presence and status only a user's newest frame matters. Signals are independent of each other, and none
/// may be replaced.
fn class_of(event: &Event, ephemeral: &Ephemeral) -> Class {
    match ephemeral {
        // by cell, because a start in one cell does not mean a stop in another
        Ephemeral::Chat(ChatEphemeral::Typing { user, cell, .. }) => {
            keyed((event.room.id, Kind::Typing, &user.id, cell.as_deref()))
        }
        // by the user in the top-level fields, because clients that read only these would miss that user's position
        // otherwise
        Ephemeral::Presence(what) => match what {
            PresenceEphemeral::CursorsMoved(moved) => keyed((event.room.id, Kind::Cursors, &moved.first.user.id)),
            PresenceEphemeral::Attended(_) => keyed((event.room.id, Kind::RoomPresence)),
            PresenceEphemeral::UserJoined { user, .. } | PresenceEphemeral::UserLeft { user, .. } => {
                Class::Presence(key_of((event.room.id, Kind::Present, &user.id)))
            }
            PresenceEphemeral::StatusChanged { user, .. } => {
                Class::Presence(key_of((event.room.id, Kind::Status, &user.id)))
            }
        },
        // by the clients that it is about
        Ephemeral::Document(DocumentEphemeral::Awareness(states)) => {
            let clients: Vec<u64> = states.iter().map(|state| state.client).collect();
            keyed((event.room.id, Kind::Awareness, clients))
        }
        Ephemeral::Document(DocumentEphemeral::Opened { user, .. } | DocumentEphemeral::Closed { user, .. }) => {
            Class::Presence(key_of((event.room.id, Kind::Present, &user.id)))
        }
        Ephemeral::Document(DocumentEphemeral::Pointed { pointing, .. } | DocumentEphemeral::Renewed { pointing }) => {
            keyed((event.room.id, Kind::Cursors, &pointing.user.id))
        }
        Ephemeral::Document(DocumentEphemeral::Session { .. })
        | Ephemeral::Call(CallEphemeral::Signal { .. })
        | Ephemeral::Space(SpaceEphemeral::Changed(_))
        | Ephemeral::Room(RoomEphemeral::Announced { .. } | RoomEphemeral::Broadcast { .. }) => Class::Durable,
        // as cursors
        Ephemeral::Space(SpaceEphemeral::Moved(moved)) => keyed((event.room.id, Kind::Moves, &moved.first.user)),
        // each has other moves, so none replaces another one
        Ephemeral::Space(SpaceEphemeral::MovedNear { area, frame, .. }) => {
            keyed((event.room.id, Kind::MovesNear, area, frame))
        }
        Ephemeral::Canvas(CanvasEphemeral::TileEditing { user, at, .. }) => {
            keyed((event.room.id, Kind::TileEditing, &user.id, at))
        }
        Ephemeral::Canvas(CanvasEphemeral::Highlighted { user, highlight }) => {
            keyed((event.room.id, Kind::Highlight, &user.id, highlight.at))
        }
        Ephemeral::Upload(UploadEphemeral::Reported { user, upload }) => match upload.phase {
            UploadPhase::Started { .. } | UploadPhase::Complete { .. } | UploadPhase::Cancelled { .. } => {
                Class::Durable
            }
            UploadPhase::Progress { .. } => keyed((event.room.id, Kind::Upload, &user.id, &upload.file)),
        },
    }
}

/// The kinds of frames of which only the newest matters.
#[derive(Hash)]
enum Kind {
    Typing,
    Cursors,
    RoomPresence,
    Upload,
    Present,
    Status,
    Awareness,
    TileEditing,
    Highlight,
    Moves,
    MovesNear,
}

fn keyed(key: impl Hash) -> Class {
    Class::Ephemeral(key_of(key))
}

fn key_of(key: impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    key.hash(&mut hasher);
    hasher.finish()
}

/// The frame of a reply to one socket.
pub fn reply_frame(kind: DialectKind, reply: &Reply, at: Timestamp) -> Option<Frame> {
    let bytes = frame::build(|out| kind.dialect().encode_reply(reply, Stamp::new(at), out))?;
    Some(Frame { bytes, class: Class::Durable })
}

/// What a room sends to a newcomer before any live event, in order.
#[derive(Clone, Debug)]
pub enum Opening {
    /// A reply to this socket only.
    Reply(Box<Reply>),
    /// The first message about a large room, with a shared list of members.
    LargeRoom(Box<LargeRoomOpening>),
    /// A missed event.
    Replay(Arc<Broadcast>),
}

impl Opening {
    /// Appends the frames for a socket of that dialect that joins at that time.
    pub fn frames(&self, kind: DialectKind, listener: Listener<'_>, at: Timestamp, out: &mut Vec<Frame>) {
        match self {
            Opening::Reply(reply) => out.extend(reply_frame(kind, reply, at)),
            Opening::LargeRoom(crowd) => crowd.frames(kind, at, out),
            Opening::Replay(broadcast) if broadcast.audience.includes(listener) => {
                out.extend(broadcast.frame_for(kind, listener.user));
            }
            Opening::Replay(_) => {}
        }
    }
}

/// The first message about a large room.
#[derive(Clone, Debug)]
pub struct LargeRoomOpening {
    /// Everything except the members.
    pub entered: Entered,
    /// The newcomer, if not contained in the shared list.
    pub unlisted: Option<MemberPresence>,
    /// The shared list.
    pub members: Vec<Arc<SharedMembers>>,
}

/// Some members of a large room, encoded once per dialect for all newcomers.
#[derive(Debug)]
pub struct SharedMembers {
    room: Arc<RoomIdentity>,
    members: Vec<MemberPresence>,
    encoded: [OnceLock<Bytes>; DialectKind::COUNT],
}

impl SharedMembers {
    /// Creates a segment that is not encoded yet.
    pub fn new(room: Arc<RoomIdentity>, members: Vec<MemberPresence>) -> Arc<SharedMembers> {
        Arc::new(SharedMembers { room, members, encoded: Default::default() })
    }

    /// The encoded members, each preceded by a comma.
    fn bytes(&self, kind: DialectKind) -> Bytes {
        let Some(slot) = self.encoded.get(kind as usize) else { return Bytes::new() };
        let encode = || {
            let mut out = Vec::new();
            kind.dialect().encode_members(&self.room, &self.members, &mut out);
            Bytes::from(out)
        };
        slot.get_or_init(encode).clone()
    }
}

impl LargeRoomOpening {
    /// A single message in several frames of the queue: its head, the shared segments, and its tail.
    fn frames(&self, kind: DialectKind, at: Timestamp, out: &mut Vec<Frame>) {
        let dialect = kind.dialect();
        let mut own = Vec::new();
        let Some(before) = dialect.encode_entered(&self.entered, Stamp::new(at), &mut own) else { return };
        let tail = own.split_off(before);
        if let Some(newcomer) = &self.unlisted {
            dialect.encode_members(&self.entered.room, std::slice::from_ref(newcomer), &mut own);
        }
        let mut pieces = vec![Bytes::from(own)];
        pieces.extend(self.members.iter().map(|members| members.bytes(kind)).filter(|bytes| !bytes.is_empty()));
        // the first member is not preceded by a comma
        match &self.unlisted {
            Some(_) => remove_at(&mut pieces, before),
            None => {
                if let Some(first) = pieces.get_mut(1) {
                    first.advance(1); // not empty: empty ones were filtered out
                }
            }
        }
        pieces.push(Bytes::from(tail));
        let payload_bytes = pieces.iter().map(Bytes::len).sum();
        out.push(Frame { bytes: frame::text_header(payload_bytes), class: Class::Part });
        out.extend(pieces.into_iter().map(|bytes| Frame { bytes, class: Class::Part }));
        if let Some(last) = out.last_mut() {
            last.class = Class::Durable;
        }
    }
}

/// Removes a byte from the first piece, which is not shared.
fn remove_at(pieces: &mut [Bytes], at: usize) {
    if let Some(first) = pieces.first_mut() {
        let mut bytes = Vec::from(std::mem::take(first));
        if at < bytes.len() {
            bytes.remove(at);
        }
        *first = bytes.into();
    }
}

/// Several consecutive broadcasts of one room, encoded once per dialect.
pub struct Batch {
    broadcasts: Vec<Arc<Broadcast>>,
    forms: [Option<Form>; DialectKind::COUNT],
}

/// The encoded form of a batch in one dialect.
pub struct Form {
    /// The frames, for sockets that have to queue them.
    pub frames: Vec<Frame>,
    /// The same bytes concatenated, for sockets that accept them at once.
    pub wire: Bytes,
    /// What some receivers receive in another form, or not at all; `None` if all receive the same.
    differences: Option<Box<Differences>>,
    /// Messages of a direct conversation to be recorded as sent.
    pub direct: Option<Box<Direct>>,
}

/// The messages of a direct conversation in a batch. They stay in their user's queue until a socket has written them,
/// so the session must know that they were sent.
#[derive(Debug)]
pub struct Direct {
    up_to: Seq,
    /// The messages, each with the user for whom it is queued.
    messages: Vec<(UserId, EventId)>,
}

impl Direct {
    /// The messages in what a room sends to a newcomer.
    pub fn of_opening(opening: &[Opening]) -> Option<Direct> {
        let entered = opening.iter().find_map(|part| {
            let Opening::Reply(reply) = part else { return None };
            let Reply::Entered(entered) = &**reply else { return None };
            Some(entered)
        });
        let up_to = entered.filter(|entered| entered.room.scope.is_direct())?.seq;
        let replayed = opening.iter().filter_map(|part| match part {
            Opening::Reply(_) | Opening::LargeRoom(_) => None,
            Opening::Replay(broadcast) => Some(&**broadcast),
        });
        Some(Direct { up_to, messages: replayed.filter_map(queued).collect() })
    }

    fn of_batch(broadcasts: &[Arc<Broadcast>]) -> Option<Box<Direct>> {
        broadcasts.first().filter(|first| first.event.room.scope.is_direct())?;
        let up_to = broadcasts.iter().map(|broadcast| broadcast.seq()).max().filter(|seq| *seq > Seq::default())?;
        Some(Box::new(Direct { up_to, messages: broadcasts.iter().filter_map(|one| queued(one)).collect() }))
    }

    /// Records that the messages were sent to this socket.
    pub fn note(&self, outbox: &Outbox) {
        let for_its_user = self.messages.iter().filter(|(user, _)| *user == outbox.user);
        outbox.note_direct(self.up_to, for_its_user.map(|(_, id)| *id));
    }
}

fn queued(broadcast: &Broadcast) -> Option<(UserId, EventId)> {
    match &broadcast.event.body {
        EventBody::Durable { id, .. } => broadcast.event.queued_for().map(|user| (user.clone(), *id)),
        EventBody::Ephemeral(_) => None,
    }
}

impl Batch {
    /// Creates a batch.
    pub fn new(broadcasts: Vec<Arc<Broadcast>>) -> Batch {
        Batch { broadcasts, forms: Default::default() }
    }

    /// The part of the batch from that position on, as a new batch.
    pub fn since(&self, from: usize) -> Batch {
        Batch::new(self.broadcasts.get(from..).unwrap_or_default().to_vec())
    }

    /// The number of broadcasts.
    pub fn count(&self) -> usize {
        self.broadcasts.len()
    }

    /// The form for one dialect, created on first use.
    pub fn form(&mut self, kind: DialectKind) -> Option<&Form> {
        let slot = self.forms.get_mut(kind as usize)?;
        Some(slot.get_or_insert_with(|| Form::new(&self.broadcasts, kind)))
    }
}

/// Omits presence broadcasts that are replaced by a later one in the batch.
fn newest(broadcasts: &[Arc<Broadcast>]) -> impl Iterator<Item = &Arc<Broadcast>> {
    let mut last = FxHashMap::default();
    if broadcasts.len() > 1 {
        let keyed = broadcasts.iter().enumerate().filter_map(|(at, b)| Some((b.presence_key()?, at)));
        last.extend(keyed);
    }
    let is_newest = move |(at, b): &(usize, &Arc<Broadcast>)| {
        b.presence_key().and_then(|key| last.get(&key).copied()).is_none_or(|last| last == *at)
    };
    broadcasts.iter().enumerate().filter(is_newest).map(|(_, b)| b)
}

fn laid_out(frames: &[Frame]) -> Bytes {
    let mut wire = Vec::with_capacity(frames.iter().map(|frame| frame.bytes.len()).sum());
    for frame in frames {
        wire.extend_from_slice(&frame.bytes);
    }
    wire.into()
}

impl Form {
    fn new(broadcasts: &[Arc<Broadcast>], kind: DialectKind) -> Form {
        let told: Vec<_> = newest(broadcasts).filter_map(|b| Some((b.frame(kind)?, b))).collect();
        let differences = Differences::new(&told, kind).map(Box::new);
        let frames: Vec<Frame> = told.into_iter().map(|(frame, _)| frame).collect();
        let wire = match frames.as_slice() {
            [only] => only.bytes.clone(),
            several => laid_out(several),
        };
        Form { frames, wire, differences, direct: Direct::of_batch(broadcasts) }
    }

    /// Whether this socket receives all frames as they are, so that `wire` can be sent.
    pub fn is_whole_for(&self, listener: Listener<'_>) -> bool {
        self.differences.as_ref().is_none_or(|differences| differences.is_none_for(listener))
    }

    /// The frames that this socket receives.
    pub fn selection(&self, listener: Listener<'_>) -> Vec<Frame> {
        match &self.differences {
            None => self.frames.clone(),
            Some(differences) => differences.selection(&self.frames, listener),
        }
    }
}

#[cfg(test)]
mod tests;
