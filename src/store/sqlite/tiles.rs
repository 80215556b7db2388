//! Tile changes on SQLite, within the transaction of an append, and the activity feed.

use std::collections::HashMap;

use diesel::{SqliteConnection, prelude::*};

use super::{
    queries::canvases::{TILE_COLUMNS, TileRow},
    schema::{canvas_activity, canvases, room_events, tile_comments, tile_likes, tiles},
};
use crate::{
    core::canvas::{Board, CanvasSize, KnownCanvas, Tile},
    ids::{RoomId, TileId, UserId},
    store::{
        StoreError,
        batch::{Batch, Earlier, Entry},
        tile_changes::{CommentChange, DecidedTiles, TileReads, silenced},
        values::{Id, JsonText, Moment, Payload},
    },
};

/// Decides the batch's tile changes and writes the accepted ones.
pub fn write(connection: &mut SqliteConnection, batch: &mut Batch, earlier: &Earlier) -> Result<(), StoreError> {
    let Some(reads) = batch.tile_reads(earlier) else { return Ok(()) };
    let mut board = Board::default();
    let numbers = read_canvases(connection, &reads, &mut board)?;
    read_tiles(connection, &reads, &mut board)?;
    let decided = batch.decide_tiles(earlier, board);
    let ids = store(connection, &decided, &numbers)?;
    batch.number_tiles(earlier, &decided, &ids)
}

/// Records the canvases, and returns the id of each.
fn read_canvases(
    connection: &mut SqliteConnection,
    reads: &TileReads,
    board: &mut Board,
) -> Result<HashMap<RoomId, i64>, StoreError> {
    let mut numbers = HashMap::new();
    for room in &reads.rooms {
        let found = canvases::table
            .filter(canvases::room_id.eq(room))
            .select((canvases::id, canvases::width, canvases::height, canvases::is_active))
            .get_result::<(i64, i32, i32, bool)>(connection)
            .optional()?;
        let Some((number, width, height, is_active)) = found else { continue };
        numbers.insert(RoomId(room.0), number);
        board.know_canvas(RoomId(room.0), KnownCanvas { size: CanvasSize { width, height }, is_active });
    }
    Ok(numbers)
}

fn read_tiles(connection: &mut SqliteConnection, reads: &TileReads, board: &mut Board) -> Result<(), StoreError> {
    let on_canvas = || tiles::table.inner_join(canvases::table);
    let columns = (canvases::room_id, TILE_COLUMNS);
    let mut know = |(room, row): (Id, TileRow)| board.know_tile(RoomId(room.0), row.into_tile());
    for tile in &reads.tiles {
        let found = on_canvas().filter(tiles::id.eq(tile.0)).select(columns).get_result(connection).optional()?;
        found.into_iter().for_each(&mut know);
    }
    for (room, at) in &reads.places {
        let there = on_canvas()
            .filter(canvases::room_id.eq(room))
            .filter(tiles::x.eq(at.x))
            .filter(tiles::y.eq(at.y))
            .select(columns)
            .get_result(connection)
            .optional()?;
        there.into_iter().for_each(&mut know);
    }
    for (tile, user) in &reads.likes {
        let like = tile_likes::table.find((tile.0, user.as_str())).select(tile_likes::tile_id);
        if like.get_result::<i64>(connection).optional()?.is_some() {
            board.know_like(*tile, user.clone());
        }
    }
    Ok(())
}

/// Writes the changes, and returns the ids of the new tiles.
fn store(
    connection: &mut SqliteConnection,
    decided: &DecidedTiles,
    numbers: &HashMap<RoomId, i64>,
) -> Result<Vec<TileId>, StoreError> {
    for tile in &decided.changes.deleted {
        diesel::delete(tiles::table.find(tile.0)).execute(connection)?;
    }
    let mut ids = Vec::with_capacity(decided.changes.created.len());
    for (room, tile) in &decided.changes.created {
        let (canvas, at) = (numbers.get(room).copied().unwrap_or_default(), decided.time_of(tile.id));
        ids.push(create(connection, canvas, tile, at)?);
    }
    for tile in &decided.changes.changed {
        let row = tiles::table.find(tile.id.0);
        match decided.times.get(&tile.id) {
            Some(at) => {
                let content = (tiles::content.eq(&*tile.content), tiles::version.eq(tile.version));
                let update = diesel::update(row).set((content, tiles::likes.eq(tile.likes), tiles::updated_at.eq(at)));
                update.execute(connection)?
            }
            None => diesel::update(row).set(tiles::likes.eq(tile.likes)).execute(connection)?,
        };
    }
    for (tile, user, at) in decided.likes() {
        like(connection, tile, user, at)?;
    }
    for (tile, user) in &decided.changes.unliked {
        diesel::delete(tile_likes::table.find((tile.0, user.as_str()))).execute(connection)?;
    }
    Ok(ids)
}

fn create(connection: &mut SqliteConnection, canvas: i64, tile: &Tile, at: Moment) -> Result<TileId, StoreError> {
    let id = diesel::insert_into(tiles::table)
        .values((
            tiles::canvas_id.eq(canvas),
            tiles::x.eq(tile.at.x),
            tiles::y.eq(tile.at.y),
            tiles::content.eq(&*tile.content),
            tiles::version.eq(tile.version),
            tiles::likes.eq(tile.likes),
            tiles::creator.eq(tile.creator),
            tiles::created_at.eq(at),
            tiles::updated_at.eq(at),
        ))
        .returning(tiles::id)
        .get_result::<i64>(connection)?;
    Ok(TileId(id))
}

fn like(connection: &mut SqliteConnection, tile: TileId, user: &UserId, at: Moment) -> Result<(), StoreError> {
    diesel::insert_into(tile_likes::table)
        .values((tile_likes::tile_id.eq(tile.0), tile_likes::user_id.eq(user.as_str()), tile_likes::created_at.eq(at)))
        .execute(connection)?;
    Ok(())
}

/// Adds or deletes the comment that a stored event is about. Of a deleted one the log keeps no text.
pub fn write_comment(connection: &mut SqliteConnection, room: Id, seq: i64, entry: &Entry) -> Result<(), StoreError> {
    match entry.comment() {
        None => {}
        Some(CommentChange::Add { tile, text }) => {
            // the same batch may have deleted the tile
            let there = tiles::table.find(tile.0).select(tiles::id).get_result::<i64>(connection).optional()?;
            let Some(tile) = there else { return Ok(()) };
            diesel::insert_into(tile_comments::table)
                .values((
                    tile_comments::id.eq(entry.id),
                    tile_comments::seq.eq(seq),
                    tile_comments::tile_id.eq(tile),
                    tile_comments::user_id.eq(entry.what.author().id.as_str()),
                    tile_comments::content.eq(text),
                    tile_comments::created_at.eq(entry.at),
                ))
                .execute(connection)?;
        }
        Some(CommentChange::Delete(comment)) => {
            let deleted = diesel::delete(tile_comments::table.find(comment)).returning(tile_comments::seq);
            let Some(seq) = deleted.get_result::<i64>(connection).optional()? else { return Ok(()) };
            let event = room_events::table.find((room, seq));
            let found = event.select(room_events::payload).get_result::<Payload>(connection).optional()?;
            if let Some(text) = found.map(|Payload(what)| silenced(&what)).transpose()?.flatten() {
                diesel::update(event).set(room_events::payload.eq(JsonText(text))).execute(connection)?;
            }
        }
    }
    Ok(())
}

/// Adds a stored event to the activity feed, if it is one of a canvas.
pub fn record_activity(connection: &mut SqliteConnection, room: Id, seq: i64, entry: &Entry) -> Result<(), StoreError> {
    let Some(payload) = entry.activity()? else { return Ok(()) };
    diesel::insert_into(canvas_activity::table)
        .values((
            canvas_activity::room_id.eq(room),
            canvas_activity::seq.eq(seq),
            canvas_activity::event_id.eq(entry.id),
            canvas_activity::kind.eq(entry.kind),
            canvas_activity::user_id.eq(entry.what.author().id.as_str()),
            canvas_activity::payload.eq(JsonText(payload)),
            canvas_activity::created_at.eq(entry.at),
        ))
        .execute(connection)?;
    Ok(())
}
