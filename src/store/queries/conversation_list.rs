//! The list of a user's conversations: one statement per page. It finds the user's rooms by the indexes on who is in what,
//! orders them by their last message, and counts what is unread only for those of the page.

use std::sync::Arc;

use diesel::{
    deserialize::QueryableByName,
    query_builder::Query,
    sql_types::{BigInt, Json, Nullable, Text, Untyped},
};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{
    Connection, Db,
    log::content_type,
    rooms::{room_scope, visibility},
    types, user_id,
};
use crate::{
    core::{event::RoomIdentity, profile::Author},
    ids::{Epoch, EventId, RoomId, Seq, Timestamp, UserId},
    limits,
    store::{
        ConversationCursor, ConversationSummary, Message, Partner, StoreError,
        statement::constant_statement,
        values::{Attached, Id, Mentioned, Moment},
    },
};

/// Before everything.
const BEGINNING: Moment = Moment(Timestamp { unix_ms: 0 });
/// Behind every conversation.
const END: Moment = Moment(Timestamp { unix_ms: limits::UNIX_MS_MAX });

/// One page of the list.
struct ConversationPage<'a> {
    user: &'a str,
    beginning: Moment,
    before: Moment,
    before_id: Id,
    limit: i64,
    counted_max: i64,
}

// `mine`: all of the user's rooms, with the place and the time from which on messages may be unread. `page`: those of the
// page. `marked`: with the place up to which the user has read, or from which on the user takes part.
constant_statement!(
    for Db: ConversationPage<'_>,
    ConversationPage<'static>,
    "WITH mine AS ( \
     SELECT rooms.id, rooms.active_at, participants.joined_seq AS since_seq, " beginning: types::Moment,
    " AS since_at FROM participants JOIN rooms ON rooms.id = participants.room_id WHERE participants.user_id = " user: Text,
    " AND (rooms.visibility = 'open' OR rooms.owner_id = participants.user_id OR EXISTS (SELECT 1 FROM room_members \
     WHERE room_members.room_id = rooms.id AND room_members.user_id = participants.user_id)) \
     UNION ALL \
     SELECT rooms.id, rooms.active_at, 0, " beginning: types::Moment,
    " FROM room_members JOIN rooms ON rooms.id = room_members.room_id WHERE room_members.user_id = " user: Text,
    " AND rooms.kind = 'direct' AND rooms.message_seq > 0 \
     UNION ALL \
     SELECT rooms.id, rooms.active_at, 0, group_members.joined_at \
     FROM group_members JOIN rooms ON rooms.group_id = group_members.group_id WHERE group_members.user_id = " user: Text,
    " AND rooms.kind = 'channel'), \
     page AS (SELECT id, active_at, since_seq, since_at FROM mine WHERE (active_at, id) < (" before: types::Moment,
    ", " before_id: types::Id,
    ") ORDER BY active_at DESC, id DESC LIMIT " limit: BigInt,
    "), \
     marked AS (SELECT page.id, page.active_at, page.since_at, COALESCE(read_marks.seq, 0) AS read_seq, \
     CASE WHEN read_marks.seq > page.since_seq THEN read_marks.seq ELSE page.since_seq END AS from_seq \
     FROM page LEFT JOIN read_marks ON read_marks.room_id = page.id AND read_marks.user_id = " user: Text,
    ") \
     SELECT rooms.id, rooms.kind, rooms.key, rooms.name, rooms.visibility, rooms.group_id, rooms.owner_id, rooms.seq, \
     rooms.epoch, rooms.active_at, marked.read_seq, \
     (SELECT count(*) FROM (SELECT sender_id, created_at, deleted_at FROM messages \
     WHERE messages.room_id = marked.id AND messages.seq > marked.from_seq ORDER BY messages.seq DESC LIMIT " counted_max: BigInt,
    ") AS behind WHERE behind.sender_id <> " user: Text,
    " AND behind.deleted_at IS NULL AND behind.created_at >= marked.since_at) AS unread, \
     (SELECT count(*) FROM (SELECT seq FROM message_mentions WHERE message_mentions.user_id = " user: Text,
    " AND message_mentions.room_id = marked.id AND message_mentions.seq > marked.from_seq LIMIT " counted_max: BigInt,
    ") AS named) AS mentioned, \
     partner.id AS partner_id, partner.username AS partner_username, partner.display_name AS partner_name, \
     last.id AS last_id, last.seq AS last_seq, last.sender_id AS last_sender_id, \
     last.sender_username AS last_sender_username, last.content AS last_content, last.created_at AS last_at, \
     last.content_type AS last_content_type, last.attachments AS last_attachments, last.mentions AS last_mentions, \
     last.edited_at AS last_edited_at, last.deleted_at AS last_deleted_at \
     FROM marked JOIN rooms ON rooms.id = marked.id \
     LEFT JOIN messages AS last ON last.room_id = rooms.id AND last.seq = rooms.message_seq \
     LEFT JOIN room_members AS other ON rooms.kind = 'direct' AND other.room_id = rooms.id AND other.user_id <> " user: Text,
    " LEFT JOIN users AS partner ON partner.id = other.user_id \
     ORDER BY marked.active_at DESC, marked.id DESC",
);

impl Query for ConversationPage<'_> {
    type SqlType = Untyped;
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = types::Id)]
    id: Id,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    key: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    visibility: String,
    #[diesel(sql_type = Nullable<types::Id>)]
    group_id: Option<Id>,
    #[diesel(sql_type = Nullable<Text>)]
    owner_id: Option<String>,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = BigInt)]
    epoch: i64,
    #[diesel(sql_type = types::Moment)]
    active_at: Moment,
    #[diesel(sql_type = BigInt)]
    read_seq: i64,
    #[diesel(sql_type = BigInt)]
    unread: i64,
    #[diesel(sql_type = BigInt)]
    mentioned: i64,
    #[diesel(sql_type = Nullable<Text>)]
    partner_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    partner_username: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    partner_name: Option<String>,
    #[diesel(embed)]
    last: LastRow,
}

#[derive(QueryableByName)]
struct LastRow {
    #[diesel(sql_type = Nullable<types::Id>)]
    last_id: Option<Id>,
    #[diesel(sql_type = Nullable<BigInt>)]
    last_seq: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    last_sender_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    last_sender_username: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    last_content: Option<String>,
    #[diesel(sql_type = Nullable<types::Moment>)]
    last_at: Option<Moment>,
    #[diesel(sql_type = Nullable<Text>)]
    last_content_type: Option<String>,
    #[diesel(sql_type = Nullable<Json>)]
    last_attachments: Option<Attached>,
    #[diesel(sql_type = Nullable<Json>)]
    last_mentions: Option<Mentioned>,
    #[diesel(sql_type = Nullable<types::Moment>)]
    last_edited_at: Option<Moment>,
    #[diesel(sql_type = Nullable<types::Moment>)]
    last_deleted_at: Option<Moment>,
}

impl LastRow {
    fn into_message(self) -> Result<Option<Message>, StoreError> {
        let (Some(id), Some(seq), Some(sender), Some(username), Some(content), Some(at)) = (
            self.last_id,
            self.last_seq,
            self.last_sender_id,
            self.last_sender_username,
            self.last_content,
            self.last_at,
        ) else {
            return Ok(None);
        };
        Ok(Some(Message {
            id: EventId(id.0),
            seq: Seq(seq),
            sender: Author::new(user_id(sender)?, username),
            content,
            content_type: content_type(self.last_content_type),
            attachments: self.last_attachments.map(|Attached(files)| files).unwrap_or_default(),
            mentions: self.last_mentions.map(|Mentioned(users)| users).unwrap_or_default(),
            at: at.0,
            edited_at: self.last_edited_at.map(|at| at.0),
            deleted_at: self.last_deleted_at.map(|at| at.0),
        }))
    }
}

impl TryFrom<Row> for ConversationSummary {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<ConversationSummary, StoreError> {
        let scope = room_scope(&row.kind, row.key, row.group_id)?;
        let partner = match (row.partner_id, row.partner_username, row.partner_name) {
            (Some(id), Some(username), Some(display_name)) => {
                Some(Partner { author: Author::new(user_id(id)?, Arc::<str>::from(username)), display_name })
            }
            _absent => None,
        };
        Ok(ConversationSummary {
            room: RoomIdentity { id: RoomId(row.id.0), scope },
            title: row.name,
            visibility: visibility(&row.visibility)?,
            owner: row.owner_id.map(user_id).transpose()?,
            partner,
            last_message: row.last.into_message()?,
            unread: row.unread,
            mentioned: row.mentioned,
            read_up_to: Seq(row.read_seq),
            head: Seq(row.seq),
            epoch: Epoch(row.epoch),
            active_at: row.active_at.0,
        })
    }
}

pub async fn page(
    connection: &mut Connection,
    user: &UserId,
    after: Option<ConversationCursor>,
    limit: i64,
) -> Result<Vec<ConversationSummary>, StoreError> {
    let (before, before_id) = match after {
        Some(cursor) => (Moment(cursor.active_at), Id(cursor.room.0)),
        None => (END, Id(Uuid::max())),
    };
    let user = user.as_str();
    let page = ConversationPage {
        user,
        beginning: BEGINNING,
        before,
        before_id,
        limit,
        counted_max: limits::UNREAD_COUNTED_MAX,
    };
    let rows = page.load::<Row>(connection).await?;
    rows.into_iter().map(ConversationSummary::try_from).collect()
}
