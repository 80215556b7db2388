//! Reads the log and the history. `append`, one per database, writes them.

use std::sync::Arc;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    schema::{client_messages, messages, room_events},
    user_id,
};
use crate::{
    core::{event::ContentType, profile::Author},
    ids::{ClientMessageId, EventId, RoomId, Seq, Timestamp},
    limits,
    store::{
        Before, Message, StoreError, StoredEvent,
        values::{Attached, Id, Mentioned, Moment, Payload},
    },
};

/// A stored event in the log.
#[derive(Queryable)]
pub struct EventRow {
    seq: i64,
    event_id: Id,
    payload: Payload,
    created_at: Moment,
    client_id: Option<String>,
}

impl From<EventRow> for StoredEvent {
    fn from(row: EventRow) -> StoredEvent {
        StoredEvent {
            seq: Seq(row.seq),
            id: EventId(row.event_id.0),
            at: row.created_at.0,
            what: row.payload.0,
            // an invalid value is ignored
            client_message_id: row.client_id.and_then(|id| ClientMessageId::stored(id).ok()),
        }
    }
}

pub async fn events_after(
    connection: &mut Connection,
    room: RoomId,
    after: Seq,
    limit: usize,
) -> Result<Vec<StoredEvent>, StoreError> {
    let rows = room_events::table
        .filter(room_events::room_id.eq(Id(room.0)))
        .filter(room_events::seq.gt(after.0))
        .order(room_events::seq)
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .select((
            room_events::seq,
            room_events::event_id,
            room_events::payload,
            room_events::created_at,
            room_events::client_id,
        ))
        .load::<EventRow>(connection)
        .await?;
    Ok(rows.into_iter().map(StoredEvent::from).collect())
}

pub async fn oldest_kept(connection: &mut Connection, room: RoomId) -> Result<Option<Seq>, StoreError> {
    let seq = room_events::table
        .filter(room_events::room_id.eq(Id(room.0)))
        .order(room_events::seq)
        .select(room_events::seq)
        .first::<i64>(connection)
        .await
        .optional()?;
    Ok(seq.map(Seq))
}

/// The stored content type of a message.
pub fn content_type(name: Option<String>) -> ContentType {
    name.map(|name| ContentType::from(Arc::from(name))).unwrap_or_default()
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = messages)]
pub struct MessageRow {
    id: Id,
    seq: i64,
    sender_id: String,
    sender_username: String,
    content: String,
    created_at: Moment,
    content_type: Option<String>,
    attachments: Option<Attached>,
    mentions: Option<Mentioned>,
    edited_at: Option<Moment>,
    deleted_at: Option<Moment>,
}

impl TryFrom<MessageRow> for Message {
    type Error = StoreError;

    fn try_from(row: MessageRow) -> Result<Message, StoreError> {
        Ok(Message {
            id: EventId(row.id.0),
            seq: Seq(row.seq),
            sender: Author::new(user_id(row.sender_id)?, row.sender_username),
            content: row.content,
            content_type: content_type(row.content_type),
            attachments: row.attachments.map(|Attached(files)| files).unwrap_or_default(),
            mentions: row.mentions.map(|Mentioned(users)| users).unwrap_or_default(),
            at: row.created_at.0,
            edited_at: row.edited_at.map(|at| at.0),
            deleted_at: row.deleted_at.map(|at| at.0),
        })
    }
}

/// The seq that a place in a room's history names.
async fn seq_of(connection: &mut Connection, room: RoomId, place: Before) -> Result<i64, StoreError> {
    match place {
        Before::Newest => Ok(i64::MAX),
        Before::Seq(seq) => Ok(seq.0),
        Before::Message(id) => {
            let message = messages::table.find(Id(id.0)).filter(messages::room_id.eq(Id(room.0)));
            Ok(message.select(messages::seq).get_result::<i64>(connection).await?)
        }
    }
}

pub async fn messages(
    connection: &mut Connection,
    room: RoomId,
    before: Before,
    limit: i64,
) -> Result<Vec<Message>, StoreError> {
    let before = seq_of(connection, room, before).await?;
    let rows = messages::table
        .filter(messages::room_id.eq(Id(room.0)))
        .filter(messages::seq.lt(before))
        .order(messages::seq.desc())
        .limit(limit)
        .select(MessageRow::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(Message::try_from).collect()
}

pub async fn messages_after(
    connection: &mut Connection,
    room: RoomId,
    after: Before,
    limit: i64,
) -> Result<Vec<Message>, StoreError> {
    let after = seq_of(connection, room, after).await?;
    let rows = messages::table
        .filter(messages::room_id.eq(Id(room.0)))
        .filter(messages::seq.gt(after))
        .order(messages::seq)
        .limit(limit)
        .select(MessageRow::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(Message::try_from).collect()
}

pub async fn message(connection: &mut Connection, id: EventId) -> Result<Option<Message>, StoreError> {
    let row = messages::table.find(Id(id.0)).select(MessageRow::as_select()).get_result(connection).await.optional()?;
    row.map(Message::try_from).transpose()
}

/// Deletes the ids of messages from before that time: the oldest ones, about `CLIENT_MESSAGES_SWEPT_MAX` at a time.
pub async fn sweep_client_messages(connection: &mut Connection, before: Timestamp) -> Result<usize, StoreError> {
    let old = client_messages::table.filter(client_messages::created_at.lt(Moment(before)));
    let last = old
        .order(client_messages::created_at)
        .offset(limits::CLIENT_MESSAGES_SWEPT_MAX - 1)
        .limit(1)
        .select(client_messages::created_at)
        .load::<Moment>(connection)
        .await?;
    let up_to = last.into_iter().next().unwrap_or(Moment(before));
    Ok(diesel::delete(old.filter(client_messages::created_at.le(up_to))).execute(connection).await?)
}
