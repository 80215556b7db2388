//! Rooms of all kinds, in one table.

use std::collections::{HashMap, HashSet};

use diesel::{dsl::count_star, prelude::*};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{
    Connection,
    groups::group_role,
    schema::{group_members, room_events, room_members, rooms, sheets},
    strange, user_id,
};
use crate::{
    core::{
        canvas::CanvasSize,
        event::{RoomIdentity, RoomScope},
    },
    ids::{CanvasId, DocumentId, Epoch, GroupId, RoomId, RoomName, Seq, UserId},
    limits,
    store::{
        Channel, ChannelAccess, ChannelMedium, GroupRole, RoomActivity, RoomHead, StoreError, Visibility,
        values::{Id, JsonText, Moment, folded, now, storable},
    },
};

/// `rooms.kind` of a channel.
const CHANNEL: &str = "channel";
/// `rooms.kind` of a direct conversation.
pub const DIRECT: &str = "direct";
/// `rooms.kind` of an open room.
pub const OPEN: &str = "open";
/// `rooms.kind` of a space.
pub const SPACE: &str = "space";
/// `rooms.kind` of a canvas.
pub const CANVAS: &str = "canvas";
/// `rooms.kind` of a document.
pub const DOCUMENT: &str = "document";
/// `rooms.visibility` of a room that only its members may enter.
const PRIVATE: &str = "private";
/// `room_members.role` of the two sides of a conversation.
const MEMBER: &str = "member";

type Columns = (rooms::id, rooms::group_id, rooms::name, rooms::medium, rooms::created_at);

const COLUMNS: Columns = (rooms::id, rooms::group_id, rooms::name, rooms::medium, rooms::created_at);

#[derive(Queryable)]
struct ChannelRow {
    id: Id,
    group_id: Option<Id>,
    name: String,
    medium: Option<String>,
    created_at: Moment,
}

impl TryFrom<ChannelRow> for Channel {
    type Error = StoreError;

    fn try_from(row: ChannelRow) -> Result<Channel, StoreError> {
        let Some(Id(group)) = row.group_id else { return Err(strange("channel", "one without a group")) };
        let medium = row.medium.as_deref().unwrap_or_default();
        Ok(Channel {
            id: RoomId(row.id.0),
            group: GroupId(group),
            name: row.name,
            medium: ChannelMedium::from_name(medium).ok_or_else(|| strange("medium", medium))?,
            created_at: row.created_at.0,
        })
    }
}

pub async fn create_channel(
    connection: &mut Connection,
    group: GroupId,
    name: &str,
    medium: ChannelMedium,
    creator: &UserId,
) -> Result<Channel, StoreError> {
    let created_at = now();
    let row = diesel::insert_into(rooms::table)
        .values((
            rooms::id.eq(Id(RoomId::generate().0)),
            rooms::kind.eq(CHANNEL),
            rooms::key.eq(format!("{group}/{}", folded(name))),
            rooms::name.eq(storable(name).as_ref()),
            rooms::visibility.eq(PRIVATE),
            rooms::settings.eq(JsonText("{}".into())),
            rooms::owner_id.eq(creator.as_str()),
            rooms::group_id.eq(Id(group.0)),
            rooms::medium.eq(medium.name()),
            rooms::epoch.eq(created_at.unix_ms),
            rooms::created_at.eq(Moment(created_at)),
            rooms::active_at.eq(Moment(created_at)),
        ))
        .returning(COLUMNS)
        .get_result::<ChannelRow>(connection)
        .await?;
    row.try_into()
}

pub async fn channels_of(connection: &mut Connection, group: GroupId) -> Result<Vec<Channel>, StoreError> {
    let rows = rooms::table
        .filter(rooms::group_id.eq(Id(group.0)))
        .filter(rooms::kind.eq(CHANNEL))
        .order((rooms::created_at, rooms::id))
        .limit(limits::LIST_MAX)
        .select(COLUMNS)
        .load::<ChannelRow>(connection)
        .await?;
    rows.into_iter().map(Channel::try_from).collect()
}

/// Each of them, in order: two queries for all, or one with two primary keys for a single one.
pub async fn channel_accesses(
    connection: &mut Connection,
    asked: &[(RoomId, UserId)],
) -> Result<Vec<Option<ChannelAccess>>, StoreError> {
    if let [(id, user)] = asked {
        return Ok(vec![channel_access(connection, *id, user).await?]);
    }
    let ids: HashSet<Uuid> = asked.iter().map(|(id, _)| id.0).collect();
    let rows = rooms::table
        .filter(rooms::id.eq_any(ids.into_iter().map(Id)))
        .filter(rooms::kind.eq(CHANNEL))
        .select(COLUMNS)
        .load::<ChannelRow>(connection)
        .await?;
    let channels = rows.into_iter().map(|row| Channel::try_from(row).map(|channel| (channel.id, channel)));
    let channels: HashMap<RoomId, Channel> = channels.collect::<Result<_, _>>()?;
    let group_ids: HashSet<Uuid> = channels.values().map(|channel| channel.group.0).collect();
    let user_ids: HashSet<&str> = asked.iter().map(|(_, user)| user.as_str()).collect();
    let rows = group_members::table
        .filter(group_members::group_id.eq_any(group_ids.into_iter().map(Id)))
        .filter(group_members::user_id.eq_any(user_ids))
        .select((group_members::group_id, group_members::user_id, group_members::role))
        .load::<(Id, String, String)>(connection)
        .await?;
    let roles = rows.into_iter().map(|(Id(group), user, role)| Ok(((group, user), group_role(&role)?)));
    let roles: HashMap<(Uuid, String), GroupRole> = roles.collect::<Result<_, StoreError>>()?;
    let access = |(id, user): &(RoomId, UserId)| {
        let channel = channels.get(id)?;
        Some((channel.clone(), roles.get(&(channel.group.0, user.as_str().to_owned())).copied()))
    };
    Ok(asked.iter().map(access).collect())
}

async fn channel_access(
    connection: &mut Connection,
    id: RoomId,
    user: &UserId,
) -> Result<Option<ChannelAccess>, StoreError> {
    let of_user = group_members::group_id.nullable().eq(rooms::group_id).and(group_members::user_id.eq(user.as_str()));
    let row = rooms::table
        .left_join(group_members::table.on(of_user))
        .filter(rooms::id.eq(Id(id.0)))
        .filter(rooms::kind.eq(CHANNEL))
        .select((COLUMNS, group_members::role.nullable()))
        .get_result::<(ChannelRow, Option<String>)>(connection)
        .await
        .optional()?;
    row.map(|(row, role)| Ok((Channel::try_from(row)?, role.as_deref().map(group_role).transpose()?))).transpose()
}

/// The key of a conversation: its users in ascending order, separated by a character that user ids cannot contain.
fn direct_key(first: &UserId, second: &UserId) -> String {
    format!("{first}\n{second}")
}

pub async fn find_direct(
    connection: &mut Connection,
    first: &UserId,
    second: &UserId,
) -> Result<Option<RoomId>, StoreError> {
    let id = rooms::table
        .filter(rooms::kind.eq(DIRECT))
        .filter(rooms::key.eq(direct_key(first, second)))
        .select(rooms::id)
        .get_result::<Id>(connection)
        .await
        .optional()?;
    Ok(id.map(|Id(id)| RoomId(id)))
}

/// Creates the conversation, or returns the one that somebody has just created.
pub async fn create_direct(connection: &mut Connection, first: &UserId, second: &UserId) -> Result<RoomId, StoreError> {
    let id = Id(RoomId::generate().0);
    let created_at = now();
    write_transaction!(connection, async |connection| {
        let inserted = diesel::insert_into(rooms::table)
            .values((
                rooms::id.eq(id),
                rooms::kind.eq(DIRECT),
                rooms::key.eq(direct_key(first, second)),
                rooms::name.eq(""),
                rooms::visibility.eq(PRIVATE),
                rooms::settings.eq(JsonText("{}".into())),
                rooms::epoch.eq(created_at.unix_ms),
                rooms::created_at.eq(Moment(created_at)),
                rooms::active_at.eq(Moment(created_at)),
            ))
            .on_conflict_do_nothing()
            .execute(connection)
            .await?;
        if inserted == 0 {
            return find_direct(connection, first, second).await?.ok_or(StoreError::Missing);
        }
        insert_member(connection, id, first).await?;
        // A conversation with oneself has one member.
        if first != second {
            insert_member(connection, id, second).await?;
        }
        Ok(RoomId(id.0))
    })
    .await
}

async fn insert_member(connection: &mut Connection, room: Id, user: &UserId) -> Result<(), StoreError> {
    diesel::insert_into(room_members::table)
        .values((
            room_members::room_id.eq(room),
            room_members::user_id.eq(user.as_str()),
            room_members::role.eq(MEMBER),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn head(connection: &mut Connection, id: RoomId) -> Result<Option<RoomHead>, StoreError> {
    let head = rooms::table
        .find(Id(id.0))
        .select((rooms::seq, rooms::epoch, rooms::visibility))
        .get_result::<(i64, i64, String)>(connection)
        .await
        .optional()?;
    head.map(|(seq, epoch, visibility)| room_head(seq, epoch, &visibility)).transpose()
}

fn room_head(seq: i64, epoch: i64, visibility: &str) -> Result<RoomHead, StoreError> {
    Ok(RoomHead { seq: Seq(seq), epoch: Epoch(epoch), visibility: self::visibility(visibility)? })
}

/// Each of them, in order. A single one uses the statement that is already prepared.
pub async fn each_head(connection: &mut Connection, ids: &[RoomId]) -> Result<Vec<Option<RoomHead>>, StoreError> {
    if let [id] = ids {
        return Ok(vec![head(connection, *id).await?]);
    }
    let found: HashMap<RoomId, RoomHead> = heads(connection, ids).await?.into_iter().collect();
    Ok(ids.iter().map(|id| found.get(id).copied()).collect())
}

pub async fn heads(connection: &mut Connection, ids: &[RoomId]) -> Result<Vec<(RoomId, RoomHead)>, StoreError> {
    let mut heads = Vec::with_capacity(ids.len());
    for some in ids.chunks(limits::STORE_IDS_PER_QUERY) {
        let rows = rooms::table
            .filter(rooms::id.eq_any(some.iter().map(|id| Id(id.0))))
            .select((rooms::id, rooms::seq, rooms::epoch, rooms::visibility))
            .load::<(Id, i64, i64, String)>(connection)
            .await?;
        for (Id(id), seq, epoch, visibility) in rows {
            heads.push((RoomId(id), room_head(seq, epoch, &visibility)?));
        }
    }
    Ok(heads)
}

pub async fn activity(connection: &mut Connection, ids: &[RoomId]) -> Result<Vec<RoomActivity>, StoreError> {
    let last = room_events::room_id.eq(rooms::id).and(room_events::seq.eq(rooms::seq));
    let mut activity = Vec::with_capacity(ids.len());
    for some in ids.chunks(limits::STORE_IDS_PER_QUERY) {
        let rows = rooms::table
            .left_join(room_events::table.on(last))
            .filter(rooms::id.eq_any(some.iter().map(|id| Id(id.0))))
            .select((
                (rooms::id, rooms::kind, rooms::key, rooms::name),
                (rooms::seq, rooms::created_at, room_events::created_at.nullable()),
            ))
            .load::<((Id, String, String, String), (i64, Moment, Option<Moment>))>(connection)
            .await?;
        let since = now().plus_ms(-(limits::SHEET_ACTIVE.as_millis() as i64));
        let sheets: HashMap<Uuid, i64> = sheets::table
            .filter(sheets::room_id.eq_any(some.iter().map(|id| Id(id.0))))
            .filter(sheets::updated_at.ge(Moment(since)))
            .group_by(sheets::room_id)
            .select((sheets::room_id, count_star()))
            .load::<(Id, i64)>(connection)
            .await?
            .into_iter()
            .map(|(Id(room), count)| (room, count))
            .collect();
        activity.extend(rows.into_iter().map(|((Id(id), kind, key, name), (events, created_at, last_at))| {
            RoomActivity {
                room: RoomId(id),
                name,
                events,
                last_at: last_at.map(|moment| moment.0),
                created_at: created_at.0,
                open: (kind == OPEN).then(|| RoomName::stored(key).ok()).flatten(),
                active_sheets: sheets.get(&id).copied().unwrap_or_default(),
            }
        }));
    }
    Ok(activity)
}

pub async fn identity(connection: &mut Connection, id: RoomId) -> Result<Option<RoomIdentity>, StoreError> {
    Ok(identities(connection, &[id]).await?.pop())
}

/// Those of the rooms that exist, in no particular order.
pub async fn identities(connection: &mut Connection, ids: &[RoomId]) -> Result<Vec<RoomIdentity>, StoreError> {
    let rows = rooms::table
        .filter(rooms::id.eq_any(ids.iter().map(|id| Id(id.0))))
        .select((rooms::id, rooms::kind, rooms::key, rooms::group_id))
        .load::<(Id, String, String, Option<Id>)>(connection)
        .await?;
    rows.into_iter().map(|(id, kind, key, group)| named(RoomId(id.0), &kind, key, group)).collect()
}

/// The identities of these rooms, in order.
pub async fn each_identity(
    connection: &mut Connection,
    ids: &[RoomId],
) -> Result<Vec<Option<RoomIdentity>>, StoreError> {
    let found = identities(connection, ids).await?;
    let known: HashMap<RoomId, RoomIdentity> = found.into_iter().map(|room| (room.id, room)).collect();
    Ok(ids.iter().map(|id| known.get(id).cloned()).collect())
}

fn named(id: RoomId, kind: &str, key: String, group: Option<Id>) -> Result<RoomIdentity, StoreError> {
    Ok(RoomIdentity { id, scope: room_scope(kind, key, group)? })
}

/// What kind of room it is, as stored.
pub fn room_scope(kind: &str, key: String, group: Option<Id>) -> Result<RoomScope, StoreError> {
    Ok(match (kind, group, key.split_once('\n')) {
        (CHANNEL, Some(Id(group)), _) => RoomScope::Channel { group: GroupId(group) },
        (DIRECT, _, Some((first, second))) => {
            RoomScope::Direct { users: [user_id(first.to_owned())?, user_id(second.to_owned())?] }
        }
        (SPACE, _, _) => RoomScope::Space,
        (OPEN, _, _) => {
            RoomScope::Open { name: RoomName::stored(key).map_err(|_| strange("room", "one without a name"))? }
        }
        (CANVAS, _, _) => canvas_scope(&key).ok_or_else(|| strange("canvas", &key))?,
        (DOCUMENT, _, _) => RoomScope::Document {
            document: DocumentId::stored(key).map_err(|_| strange("document", "one without an id"))?,
        },
        _ => return Err(strange("kind of room", kind)),
    })
}

/// The key of a canvas: its id and its size.
pub fn canvas_key(canvas: CanvasId, size: CanvasSize) -> String {
    format!("{canvas} {} {}", size.width, size.height)
}

fn canvas_scope(key: &str) -> Option<RoomScope> {
    let mut parts = key.split(' ');
    let (canvas, width, height) =
        (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(RoomScope::Canvas { canvas, size: CanvasSize { width, height } })
}

/// A visibility as stored.
pub fn visibility(name: &str) -> Result<Visibility, StoreError> {
    Visibility::from_name(name).ok_or_else(|| strange("visibility", name))
}
