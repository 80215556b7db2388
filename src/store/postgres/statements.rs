//! The statements of an append, and the conversion of a batch to their arrays.

use diesel::{
    query_builder::Query,
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as UuidType},
};

use super::append::{Locking, fresh};
use crate::{
    limits,
    store::{
        batch::{Batch, Entry, Places},
        statement::constant_statement,
        values::{Id, Moment},
    },
};

/// The columns of events to store.
#[derive(Default)]
struct Events<'a> {
    rooms: Vec<Id>,
    ids: Vec<Id>,
    times: Vec<Moment>,
    kinds: Vec<&'a str>,
    payloads: Vec<&'a str>,
    sender_ids: Vec<Option<&'a str>>,
    sender_usernames: Vec<Option<&'a str>>,
    contents: Vec<Option<&'a str>>,
    content_types: Vec<Option<&'a str>>,
    attachments: Vec<Option<&'a str>>,
    mentions: Vec<Option<&'a str>>,
}

impl<'a> Events<'a> {
    fn push(&mut self, room: Id, entry: &'a Entry) {
        self.rooms.push(room);
        self.ids.push(entry.id);
        self.times.push(entry.at);
        self.kinds.push(entry.kind);
        self.payloads.push(&entry.payload);
        let message = entry.message();
        self.sender_ids.push(message.as_ref().map(|message| message.sender_id));
        self.sender_usernames.push(message.as_ref().map(|message| message.sender_username));
        self.contents.push(message.as_ref().map(|message| message.content));
        self.content_types.push(message.as_ref().and_then(|message| message.content_type));
        self.attachments.push(message.as_ref().and_then(|message| message.attachments));
        self.mentions.push(message.and_then(|message| message.mentions));
    }
}

/// A whole append of messages: locks the rooms, assigns seqs, writes the events with everything that belongs to them,
/// moves the rooms' heads, and removes events that are too old for recovery where a sequence passed the next milestone.
/// Returns the id and the `seq` of each stored event: none if a room does not exist, none of skipped rooms, and none of
/// authors who are muted or banned.
///
/// The count of `waited` makes the waiting happen first, so that nothing else is locked in the meantime.
pub(super) struct AppendEvents<'a> {
    events: Events<'a>,
    all_rooms: &'a [Id],
    rooms_count: i64,
    waited: &'a [Id],
    skipped: &'a [Id],
    files: Vec<Id>,
    file_rooms: Vec<Id>,
    mention_users: Vec<&'a str>,
    mention_places: Vec<i64>,
    queue_users: Vec<&'a str>,
    queue_places: Vec<i64>,
    events_max: i64,
    trim_every: i64,
}

impl<'a> AppendEvents<'a> {
    pub(super) fn new(batch: &'a Batch, locking: &'a Locking, events_max: usize) -> AppendEvents<'a> {
        let mut statement = AppendEvents {
            events: Events::default(),
            all_rooms: &batch.rooms,
            rooms_count: i64::try_from(batch.rooms.len()).unwrap_or(i64::MAX),
            waited: &locking.waited,
            skipped: &locking.skipped,
            files: Vec::new(),
            file_rooms: Vec::new(),
            mention_users: Vec::new(),
            mention_places: Vec::new(),
            queue_users: Vec::new(),
            queue_places: Vec::new(),
            events_max: i64::try_from(events_max).unwrap_or(i64::MAX),
            trim_every: limits::TRIM_EVERY_EVENTS,
        };
        for (place, entry) in (1..).zip(&batch.entries) {
            let Some(room) = batch.rooms.get(entry.room) else { continue };
            statement.events.push(*room, entry);
            for file in entry.files() {
                statement.files.push(file);
                statement.file_rooms.push(*room);
            }
            for user in entry.mentioned() {
                statement.mention_users.push(user.as_str());
                statement.mention_places.push(place);
            }
            for user in &entry.queue_for {
                statement.queue_users.push(user.as_str());
                statement.queue_places.push(place);
            }
        }
        statement
    }
}

constant_statement!(
    AppendEvents<'_>,
    AppendEvents<'static>,
    "WITH known AS MATERIALIZED (SELECT count(*) = " rooms_count: BigInt,
    " AS all_there FROM rooms WHERE id = ANY(" all_rooms: Array<UuidType>,
    ")), waited AS MATERIALIZED (SELECT id, seq FROM rooms WHERE id = ANY(" waited: Array<UuidType>,
    ") AND (SELECT all_there FROM known) ORDER BY id FOR NO KEY UPDATE), \
     skipped AS MATERIALIZED (SELECT id, seq FROM rooms WHERE id = ANY(" skipped: Array<UuidType>,
    ") AND (SELECT all_there FROM known) AND (SELECT count(*) FROM waited) >= 0 \
     ORDER BY id FOR NO KEY UPDATE SKIP LOCKED), \
     locked AS MATERIALIZED (SELECT id, seq FROM waited UNION ALL SELECT id, seq FROM skipped), \
     placed AS MATERIALIZED (SELECT event.*, locked.seq + row_number() \
     OVER (PARTITION BY event.room_id ORDER BY event.place) AS seq FROM unnest(" events.rooms: Array<UuidType>,
    ", " events.ids: Array<UuidType>,
    ", " events.times: Array<Timestamptz>,
    ", " events.kinds: Array<Text>,
    ", " events.payloads: Array<Text>,
    ", " events.sender_ids: Array<Nullable<Text>>,
    ", " events.sender_usernames: Array<Nullable<Text>>,
    ", " events.contents: Array<Nullable<Text>>,
    ", " events.content_types: Array<Nullable<Text>>,
    ", " events.attachments: Array<Nullable<Text>>,
    ", " events.mentions: Array<Nullable<Text>>,
    ") WITH ORDINALITY AS event \
     (room_id, id, created_at, kind, payload, sender_id, sender_username, content, content_type, attachments, \
     mentions, place) \
     JOIN locked ON locked.id = event.room_id \
     WHERE NOT EXISTS (SELECT FROM sanctions WHERE sanctions.user_id = event.sender_id \
     AND sanctions.ends_at > event.created_at \
     AND (sanctions.room_id IS NULL OR sanctions.room_id = event.room_id))), \
     heads AS MATERIALIZED (SELECT room_id, min(seq) - 1 AS before, max(seq) AS seq, max(created_at) AS at \
     FROM placed GROUP BY room_id), \
     moved AS (UPDATE rooms SET seq = heads.seq, message_seq = heads.seq, active_at = GREATEST(active_at, heads.at) \
     FROM heads WHERE rooms.id = heads.room_id), \
     sent AS (INSERT INTO messages \
     (id, room_id, seq, sender_id, sender_username, content, created_at, content_type, attachments, mentions) \
     SELECT id, room_id, seq, sender_id, sender_username, content, created_at, content_type, attachments::json, \
     mentions::json FROM placed WHERE content IS NOT NULL), \
     mentioned AS (INSERT INTO message_mentions (user_id, room_id, seq) \
     SELECT mention.user_id, placed.room_id, placed.seq FROM unnest(" mention_users: Array<Text>,
    ", " mention_places: Array<BigInt>,
    ") AS mention (user_id, place) JOIN placed USING (place) ON CONFLICT DO NOTHING), \
     shared AS (INSERT INTO file_rooms (file_id, room_id) SELECT file.id, file.room_id FROM unnest(" files: Array<UuidType>,
    ", " file_rooms: Array<UuidType>,
    ") AS file (id, room_id) WHERE file.room_id IN (SELECT id FROM locked) ON CONFLICT DO NOTHING), \
     queued AS (INSERT INTO user_queue \
     (user_id, rank, leased_until, created_at, room_id, seq, event_id, payload) \
     SELECT owner.user_id, 1, to_timestamp(0), placed.created_at, placed.room_id, placed.seq, placed.id, \
     placed.payload::json FROM unnest(" queue_users: Array<Text>,
    ", " queue_places: Array<BigInt>,
    ") AS owner (user_id, place) JOIN placed USING (place) ORDER BY place ON CONFLICT DO NOTHING), \
     due AS MATERIALIZED (SELECT room_id, seq - " events_max: BigInt,
    " AS last_dropped FROM heads WHERE before / " trim_every: BigInt,
    " <> seq / " trim_every: BigInt,
    " AND seq > " events_max: BigInt,
    "), trimmed AS (DELETE FROM room_events USING due \
     WHERE room_events.room_id = due.room_id AND room_events.seq <= due.last_dropped) \
     INSERT INTO room_events (room_id, seq, event_id, kind, payload, created_at) \
     SELECT room_id, seq, id, kind, payload::json, created_at FROM placed RETURNING event_id, seq",
);

impl Query for AppendEvents<'_> {
    type SqlType = (UuidType, BigInt);
}

/// Moves the rooms' heads and writes the events and messages, all in one statement.
#[derive(Default)]
pub(super) struct InsertEvents<'a> {
    events: Events<'a>,
    client_ids: Vec<Option<&'a str>>,
    seqs: Vec<i64>,
    heads_of: Vec<Id>,
    heads: Vec<i64>,
}

constant_statement!(
    InsertEvents<'_>,
    InsertEvents<'static>,
    "WITH event AS (SELECT * FROM unnest(" events.rooms: Array<UuidType>,
    ", " seqs: Array<BigInt>,
    ", " events.ids: Array<UuidType>,
    ", " events.times: Array<Timestamptz>,
    ", " events.kinds: Array<Text>,
    ", " events.payloads: Array<Text>,
    ", " events.sender_ids: Array<Nullable<Text>>,
    ", " events.sender_usernames: Array<Nullable<Text>>,
    ", " events.contents: Array<Nullable<Text>>,
    ", " events.content_types: Array<Nullable<Text>>,
    ", " events.attachments: Array<Nullable<Text>>,
    ", " events.mentions: Array<Nullable<Text>>,
    ", " client_ids: Array<Nullable<Text>>,
    ") AS event (room_id, seq, id, created_at, kind, payload, sender_id, sender_username, content, content_type, \
     attachments, mentions, client_id)), \
     last AS (SELECT room_id, max(seq) AS seq, max(created_at) AS at FROM event WHERE content IS NOT NULL \
     GROUP BY room_id), \
     moved AS (UPDATE rooms SET seq = head.seq, message_seq = COALESCE(last.seq, message_seq), \
     active_at = GREATEST(active_at, last.at) FROM unnest(" heads_of: Array<UuidType>,
    ", " heads: Array<BigInt>,
    ") AS head (id, seq) LEFT JOIN last ON last.room_id = head.id WHERE rooms.id = head.id), \
     sent AS (INSERT INTO messages \
     (id, room_id, seq, sender_id, sender_username, content, created_at, content_type, attachments, mentions) \
     SELECT id, room_id, seq, sender_id, sender_username, content, created_at, content_type, attachments::json, \
     mentions::json FROM event WHERE content IS NOT NULL) \
     INSERT INTO room_events (room_id, seq, event_id, kind, payload, created_at, client_id) \
     SELECT room_id, seq, id, kind, payload::json, created_at, client_id FROM event",
);

impl<'a> InsertEvents<'a> {
    /// The heads move only in rooms that got an event; others may not even be locked.
    pub(super) fn new(batch: &'a Batch, before: &[i64], places: &'a Places) -> InsertEvents<'a> {
        let mut rows = InsertEvents::default();
        for ((room, before), head) in batch.rooms.iter().zip(before).zip(&places.heads) {
            if before != head {
                rows.heads_of.push(*room);
                rows.heads.push(*head);
            }
        }
        for (entry, room, seq) in fresh(batch, places) {
            rows.events.push(room, entry);
            rows.client_ids.push(entry.key.as_ref().map(|key| key.client_id.as_str()));
            rows.seqs.push(seq);
        }
        rows
    }
}

/// Queues events for users until they are written to a socket of theirs.
#[derive(Default)]
pub(super) struct QueueEvents<'a> {
    pub(super) users: Vec<&'a str>,
    rooms: Vec<Id>,
    seqs: Vec<i64>,
    ids: Vec<Id>,
    payloads: Vec<&'a str>,
    times: Vec<Moment>,
}

constant_statement!(
    QueueEvents<'_>,
    QueueEvents<'static>,
    "INSERT INTO user_queue (user_id, rank, leased_until, created_at, room_id, seq, event_id, payload) \
     SELECT user_id, 1, to_timestamp(0), created_at, room_id, seq, event_id, payload::json FROM unnest(" users: Array<Text>,
    ", " rooms: Array<UuidType>,
    ", " seqs: Array<BigInt>,
    ", " ids: Array<UuidType>,
    ", " payloads: Array<Text>,
    ", " times: Array<Timestamptz>,
    ") WITH ORDINALITY AS event (user_id, room_id, seq, event_id, payload, created_at, place) ORDER BY place \
     ON CONFLICT DO NOTHING",
);

impl<'a> QueueEvents<'a> {
    pub(super) fn new(batch: &'a Batch, places: &'a Places) -> QueueEvents<'a> {
        let mut rows = QueueEvents::default();
        for (entry, room, seq) in fresh(batch, places) {
            for user in &entry.queue_for {
                rows.users.push(user.as_str());
                rows.rooms.push(room);
                rows.seqs.push(seq);
                rows.ids.push(entry.id);
                rows.payloads.push(&entry.payload);
                rows.times.push(entry.at);
            }
        }
        rows
    }
}

/// Drops each user's oldest messages beyond the limit. Does not wait for rows that another session is deleting.
pub(super) struct TrimQueues<'a> {
    pub(super) users: Vec<&'a str>,
    pub(super) queue_max: i64,
}

constant_statement!(
    TrimQueues<'_>,
    TrimQueues<'static>,
    "DELETE FROM user_queue WHERE position IN (SELECT queued.position FROM (SELECT owner.id, \
     (SELECT position FROM user_queue AS last WHERE last.user_id = owner.id AND last.event_id IS NOT NULL \
     ORDER BY position DESC OFFSET " queue_max: BigInt,
    " LIMIT 1) AS last_dropped FROM unnest(" users: Array<Text>,
    ") AS owner (id)) AS bound JOIN user_queue AS queued ON queued.user_id = bound.id \
     AND queued.event_id IS NOT NULL AND queued.position <= bound.last_dropped \
     ORDER BY queued.position FOR UPDATE OF queued SKIP LOCKED)",
);

/// Removes the rooms' oldest events.
pub(super) struct TrimEvents {
    pub(super) rooms: Vec<Id>,
    pub(super) last_dropped: Vec<i64>,
}

constant_statement!(
    TrimEvents,
    TrimEvents,
    "DELETE FROM room_events USING unnest(" rooms: Array<UuidType>,
    ", " last_dropped: Array<BigInt>,
    ") AS old (room_id, last_dropped) \
     WHERE room_events.room_id = old.room_id AND room_events.seq <= old.last_dropped",
);

/// Removes entries from activity feeds.
pub(super) struct TrimActivity {
    pub(super) rooms: Vec<Id>,
    pub(super) last_dropped: Vec<i64>,
}

constant_statement!(
    TrimActivity,
    TrimActivity,
    "DELETE FROM canvas_activity USING unnest(" rooms: Array<UuidType>,
    ", " last_dropped: Array<BigInt>,
    ") AS old (room_id, last_dropped) \
     WHERE canvas_activity.room_id = old.room_id AND canvas_activity.seq <= old.last_dropped",
);
