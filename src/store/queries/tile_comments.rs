//! Comments on tiles. They are written where the events are stored.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    schema::{tile_comments, users},
    user_id,
};
use crate::{
    ids::{EventId, TileId},
    store::{
        StoreError, TileComment,
        values::{Id, Moment},
    },
};

type Row = (Id, i64, String, String, Moment, String, i64);

macro_rules! with_users {
    () => {
        tile_comments::table.inner_join(users::table).select((
            tile_comments::id,
            tile_comments::tile_id,
            tile_comments::user_id,
            tile_comments::content,
            tile_comments::created_at,
            users::username,
            users::number,
        ))
    };
}

fn comment((Id(id), tile, user, text, created_at, username, number): Row) -> Result<TileComment, StoreError> {
    let (id, tile) = (EventId(id), TileId(tile));
    Ok(TileComment { id, tile, user: user_id(user)?, number, username, text, created_at: created_at.0 })
}

pub async fn page(
    connection: &mut Connection,
    tile: TileId,
    before: Option<EventId>,
    limit: i64,
) -> Result<Vec<TileComment>, StoreError> {
    let mut listed = with_users!().filter(tile_comments::tile_id.eq(tile.0)).into_boxed();
    if let Some(before) = before {
        listed = listed.filter(tile_comments::id.lt(Id(before.0)));
    }
    let rows = listed.order(tile_comments::id.desc()).limit(limit).load::<Row>(connection).await?;
    rows.into_iter().map(comment).collect()
}

pub async fn one(connection: &mut Connection, id: EventId) -> Result<Option<TileComment>, StoreError> {
    let found = with_users!().filter(tile_comments::id.eq(Id(id.0))).get_result::<Row>(connection).await.optional()?;
    found.map(comment).transpose()
}
