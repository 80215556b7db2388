//! Canvases and their tiles.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    rooms::{CANVAS, canvas_key, visibility},
    schema::{canvas_activity, canvases, room_members, rooms, tile_likes, tiles, users},
    user_id,
};
use crate::{
    core::{
        canvas::{CanvasSize, Region, Tile, TilePlace},
        event::{RoomIdentity, RoomScope},
    },
    ids::{CanvasId, EventId, RoomId, Seq, TileId, UserId},
    limits,
    store::{
        ActivityFilter, Canvas, CanvasCursor, NewCanvas, PlacedTile, RoomRole, StoreError, StoredEvent, Visibility,
        values::{Id, JsonText, Moment, Payload, now, storable},
    },
};

// ---- canvases ----

pub async fn create(connection: &mut Connection, owner: &UserId, new: &NewCanvas) -> Result<Canvas, StoreError> {
    let (room, created_at) = (RoomId::generate(), now());
    let id = write_transaction!(connection, async |connection| {
        diesel::insert_into(rooms::table)
            .values((
                rooms::id.eq(Id(room.0)),
                rooms::kind.eq(CANVAS),
                // the final one needs the canvas' id
                rooms::key.eq(room.to_string()),
                rooms::name.eq(storable(&new.name).as_ref()),
                rooms::visibility.eq(new.visibility.name()),
                rooms::settings.eq(JsonText("{}".into())),
                rooms::owner_id.eq(owner.as_str()),
                rooms::epoch.eq(created_at.unix_ms),
                rooms::created_at.eq(Moment(created_at)),
                rooms::active_at.eq(Moment(created_at)),
            ))
            .execute(connection)
            .await?;
        let id = diesel::insert_into(canvases::table)
            .values((
                canvases::room_id.eq(Id(room.0)),
                canvases::width.eq(new.size.width),
                canvases::height.eq(new.size.height),
                canvases::is_active.eq(true),
            ))
            .returning(canvases::id)
            .get_result::<i64>(connection)
            .await?;
        diesel::update(rooms::table.find(Id(room.0)))
            .set(rooms::key.eq(canvas_key(CanvasId(id), new.size)))
            .execute(connection)
            .await?;
        Ok::<_, StoreError>(CanvasId(id))
    })
    .await?;
    one(connection, id, owner).await?.ok_or(StoreError::Missing)
}

type Columns = (
    canvases::id,
    canvases::width,
    canvases::height,
    rooms::id,
    rooms::name,
    rooms::visibility,
    rooms::owner_id,
    rooms::created_at,
);

const COLUMNS: Columns = (
    canvases::id,
    canvases::width,
    canvases::height,
    rooms::id,
    rooms::name,
    rooms::visibility,
    rooms::owner_id,
    rooms::created_at,
);

#[derive(Queryable)]
struct Row {
    id: i64,
    width: i32,
    height: i32,
    room: Id,
    name: String,
    visibility: String,
    owner_id: Option<String>,
    created_at: Moment,
}

/// A canvas with the number of its owner, and the id of the requesting user if that user is a member.
type Found = (Row, Option<i64>, Option<String>);

fn canvas((row, owner, member): Found, user: &UserId) -> Result<Canvas, StoreError> {
    let (id, size) = (CanvasId(row.id), CanvasSize { width: row.width, height: row.height });
    let membership = match member {
        _ if row.owner_id.as_deref() == Some(user.as_str()) => Some(RoomRole::Owner),
        Some(_) => Some(RoomRole::Member),
        None => None,
    };
    Ok(Canvas {
        id,
        identity: RoomIdentity { id: RoomId(row.room.0), scope: RoomScope::Canvas { canvas: id, size } },
        name: row.name,
        size,
        visibility: visibility(&row.visibility)?,
        owner,
        membership,
        created_at: row.created_at.0,
    })
}

/// The canvases in use, as that user sees them.
macro_rules! in_use {
    ($user:expr) => {
        canvases::table
            .inner_join(rooms::table)
            .left_join(users::table.on(rooms::owner_id.eq(users::id.nullable())))
            .left_join(
                room_members::table
                    .on(room_members::room_id.eq(rooms::id).and(room_members::user_id.eq($user.as_str()))),
            )
            .filter(canvases::is_active)
            .select((COLUMNS, users::number.nullable(), room_members::user_id.nullable()))
    };
}

pub async fn one(connection: &mut Connection, id: CanvasId, user: &UserId) -> Result<Option<Canvas>, StoreError> {
    let found = in_use!(user).filter(canvases::id.eq(id.0)).get_result::<Found>(connection).await.optional()?;
    found.map(|found| canvas(found, user)).transpose()
}

pub async fn page(
    connection: &mut Connection,
    user: &UserId,
    after: Option<CanvasCursor>,
    limit: i64,
) -> Result<Vec<Canvas>, StoreError> {
    let may_enter = rooms::visibility
        .eq(Visibility::Open.name())
        .or(rooms::owner_id.eq(user.as_str()))
        .or(room_members::user_id.is_not_null());
    let found = in_use!(user)
        .filter(may_enter)
        .filter(canvases::id.lt(after.map_or(i64::MAX, |after| after.0)))
        .order(canvases::id.desc())
        .limit(limit)
        .load::<Found>(connection)
        .await?;
    found.into_iter().map(|found| canvas(found, user)).collect()
}

/// Deactivates a canvas. The room's row is locked first, as by appends. The room is private from then on, so that rights to it
/// that were read before are read again.
pub async fn close(connection: &mut Connection, id: CanvasId) -> Result<bool, StoreError> {
    write_transaction!(connection, async |connection| {
        let room = canvases::table.find(id.0).select(canvases::room_id);
        let Some(room) = room.get_result::<Id>(connection).await.optional()? else { return Ok(false) };
        diesel::update(rooms::table.find(room))
            .set(rooms::visibility.eq(Visibility::Private.name()))
            .execute(connection)
            .await?;
        let canvas = canvases::table.filter(canvases::id.eq(id.0)).filter(canvases::is_active);
        Ok(diesel::update(canvas).set(canvases::is_active.eq(false)).execute(connection).await? > 0)
    })
    .await
}

// ---- members ----

pub async fn user_by_number(connection: &mut Connection, number: i64) -> Result<Option<UserId>, StoreError> {
    let id = users::table.filter(users::number.eq(number)).select(users::id);
    id.get_result::<String>(connection).await.optional()?.map(user_id).transpose()
}

/// [`StoreError::Taken`] if the list is full.
pub async fn add_member(connection: &mut Connection, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
    write_transaction!(connection, async |connection| {
        let of_room = room_members::table.filter(room_members::room_id.eq(Id(room.0)));
        if of_room.count().get_result::<i64>(connection).await? >= limits::ROOM_MEMBERS_MAX {
            return Err(StoreError::Taken("last place in the list of members"));
        }
        let added = diesel::insert_into(room_members::table)
            .values((
                room_members::room_id.eq(Id(room.0)),
                room_members::user_id.eq(user.as_str()),
                room_members::role.eq("member"),
            ))
            .on_conflict_do_nothing()
            .execute(connection)
            .await?;
        Ok(added > 0)
    })
    .await
}

pub async fn remove_member(connection: &mut Connection, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
    Ok(diesel::delete(room_members::table.find((Id(room.0), user.as_str()))).execute(connection).await? > 0)
}

// ---- tiles ----

type TileColumns = (
    tiles::id,
    tiles::x,
    tiles::y,
    tiles::content,
    tiles::version,
    tiles::likes,
    tiles::creator,
    tiles::created_at,
    tiles::updated_at,
);

/// What [`TileRow`] is read from.
pub const TILE_COLUMNS: TileColumns = (
    tiles::id,
    tiles::x,
    tiles::y,
    tiles::content,
    tiles::version,
    tiles::likes,
    tiles::creator,
    tiles::created_at,
    tiles::updated_at,
);

#[derive(Queryable)]
pub struct TileRow {
    id: i64,
    x: i32,
    y: i32,
    content: String,
    version: i64,
    likes: i64,
    creator: i64,
    created_at: Moment,
    updated_at: Moment,
}

impl TileRow {
    pub fn into_tile(self) -> Tile {
        self.placed(None).tile
    }

    /// `like`: the user's own like, if there is one.
    fn placed(self, like: Option<i64>) -> PlacedTile {
        let TileRow { id, x, y, content, version, likes, creator, created_at, updated_at } = self;
        let at = TilePlace { x, y };
        PlacedTile {
            tile: Tile { id: TileId(id), at, content: content.into(), version, likes, creator },
            created_at: created_at.0,
            updated_at: updated_at.0,
            is_liked: like.is_some(),
        }
    }
}

pub async fn tiles(
    connection: &mut Connection,
    canvas: CanvasId,
    user: &UserId,
    region: Region,
    after: Option<TilePlace>,
    limit: i64,
) -> Result<Vec<PlacedTile>, StoreError> {
    let Region { first, last } = region;
    // a page begins with the rest of the column in which the last one ended
    let after = after.unwrap_or(TilePlace { x: first.x, y: -1 });
    let of_user = tile_likes::tile_id.eq(tiles::id).and(tile_likes::user_id.eq(user.as_str()));
    let rows = tiles::table
        .left_join(tile_likes::table.on(of_user))
        .filter(tiles::canvas_id.eq(canvas.0))
        .filter(tiles::x.between(after.x.max(first.x), last.x))
        .filter(tiles::y.between(first.y, last.y))
        .filter(tiles::x.gt(after.x).or(tiles::y.gt(after.y)))
        .order((tiles::x, tiles::y))
        .limit(limit)
        .select((TILE_COLUMNS, tile_likes::tile_id.nullable()))
        .load::<(TileRow, Option<i64>)>(connection)
        .await?;
    Ok(rows.into_iter().map(|(row, like)| row.placed(like)).collect())
}

pub async fn tile(
    connection: &mut Connection,
    id: TileId,
    user: &UserId,
) -> Result<Option<(CanvasId, PlacedTile)>, StoreError> {
    let of_user = tile_likes::tile_id.eq(tiles::id).and(tile_likes::user_id.eq(user.as_str()));
    let row = tiles::table
        .left_join(tile_likes::table.on(of_user))
        .filter(tiles::id.eq(id.0))
        .select((tiles::canvas_id, TILE_COLUMNS, tile_likes::tile_id.nullable()))
        .get_result::<(i64, TileRow, Option<i64>)>(connection)
        .await
        .optional()?;
    Ok(row.map(|(canvas, row, like)| (CanvasId(canvas), row.placed(like))))
}

// ---- the activity feed ----

pub async fn activity(
    connection: &mut Connection,
    room: RoomId,
    filter: &ActivityFilter,
    limit: i64,
) -> Result<Vec<StoredEvent>, StoreError> {
    let user = match filter.user {
        None => None,
        Some(number) => {
            let id = users::table.filter(users::number.eq(number)).select(users::id);
            // of somebody who does not exist there is nothing
            let Some(id) = id.get_result::<String>(connection).await.optional()? else { return Ok(Vec::new()) };
            Some(id)
        }
    };
    let mut entries = canvas_activity::table
        .filter(canvas_activity::room_id.eq(Id(room.0)))
        .filter(canvas_activity::seq.lt(filter.before.map_or(i64::MAX, |before| before.0)))
        .into_boxed();
    if let Some(user) = user {
        entries = entries.filter(canvas_activity::user_id.eq(user));
    }
    if !filter.kinds.is_empty() {
        entries = entries.filter(canvas_activity::kind.eq_any(filter.kinds.clone()));
    }
    let rows = entries
        .order(canvas_activity::seq.desc())
        .limit(limit)
        .select((
            canvas_activity::seq,
            canvas_activity::event_id,
            canvas_activity::created_at,
            canvas_activity::payload,
        ))
        .load::<(i64, Id, Moment, Payload)>(connection)
        .await?;
    let event = |(seq, Id(id), at, Payload(what)): (i64, Id, Moment, Payload)| StoredEvent {
        seq: Seq(seq),
        id: EventId(id),
        at: at.0,
        what,
        client_message_id: None,
    };
    Ok(rows.into_iter().map(event).collect())
}
