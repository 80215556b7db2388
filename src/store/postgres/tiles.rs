//! Tile changes on PostgreSQL, within the transaction of an append, and the activity feed: a few round trips for a batch,
//! regardless of the number of changes.

use std::collections::HashMap;

use diesel::{
    prelude::*,
    query_builder::Query,
    sql_types::{Array, BigInt, Integer, Text, Timestamptz, Uuid as UuidType},
};
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    append::fresh,
    queries::canvases::{TILE_COLUMNS, TileRow},
    schema::{canvases, tiles},
};
use crate::{
    core::canvas::{Board, CanvasSize, KnownCanvas, TilePlace},
    ids::{RoomId, TileId, UserId},
    store::{
        StoreError,
        batch::{Batch, Earlier, Places},
        statement::constant_statement,
        tile_changes::{DecidedTiles, TileReads},
        values::{Id, Moment},
    },
};

/// The id of the canvas of each room.
type Numbers = HashMap<RoomId, i64>;

/// Decides the batch's tile changes and writes the accepted ones.
pub async fn write(connection: &mut Connection, batch: &mut Batch, earlier: &Earlier) -> Result<(), StoreError> {
    let Some(reads) = batch.tile_reads(earlier) else { return Ok(()) };
    let mut board = Board::default();
    let numbers = read_canvases(connection, &reads, &mut board).await?;
    read_tiles(connection, &reads, &numbers, &mut board).await?;
    let decided = batch.decide_tiles(earlier, board);
    let ids = store(connection, &decided, &numbers).await?;
    batch.number_tiles(earlier, &decided, &ids)
}

/// Records the canvases, and returns their ids.
async fn read_canvases(
    connection: &mut Connection,
    reads: &TileReads,
    board: &mut Board,
) -> Result<Numbers, StoreError> {
    let rows = canvases::table
        .filter(canvases::room_id.eq_any(&reads.rooms))
        .select((canvases::room_id, canvases::id, canvases::width, canvases::height, canvases::is_active))
        .load::<(Id, i64, i32, i32, bool)>(connection)
        .await?;
    let mut numbers = Numbers::with_capacity(rows.len());
    for (Id(room), number, width, height, is_active) in rows {
        numbers.insert(RoomId(room), number);
        board.know_canvas(RoomId(room), KnownCanvas { size: CanvasSize { width, height }, is_active });
    }
    Ok(numbers)
}

async fn read_tiles(
    connection: &mut Connection,
    reads: &TileReads,
    numbers: &Numbers,
    board: &mut Board,
) -> Result<(), StoreError> {
    let mut found = Vec::new();
    if !reads.tiles.is_empty() {
        let named = tiles::table.filter(tiles::id.eq_any(reads.tiles.iter().map(|tile| tile.0)));
        found = named.select((tiles::canvas_id, TILE_COLUMNS)).load::<(i64, TileRow)>(connection).await?;
    }
    if !reads.places.is_empty() {
        found.extend(FindTiles::new(reads, numbers).load::<(i64, TileRow)>(connection).await?);
    }
    let rooms: HashMap<i64, RoomId> = numbers.iter().map(|(room, number)| (*number, *room)).collect();
    for (canvas, row) in found {
        // a tile of another canvas than those of the batch is unknown to all of them
        if let Some(room) = rooms.get(&canvas) {
            board.know_tile(*room, row.into_tile());
        }
    }
    if !reads.likes.is_empty() {
        let find = FindLikes {
            tiles: reads.likes.iter().map(|(tile, _)| tile.0).collect(),
            users: reads.likes.iter().map(|(_, user)| user.as_str()).collect(),
        };
        for (tile, user) in find.load::<(i64, String)>(connection).await? {
            board.know_like(TileId(tile), super::queries::user_id(user)?);
        }
    }
    Ok(())
}

/// Writes the changes, and returns the ids of the new tiles.
async fn store(
    connection: &mut Connection,
    decided: &DecidedTiles,
    numbers: &Numbers,
) -> Result<Vec<TileId>, StoreError> {
    let changes = &decided.changes;
    if !changes.deleted.is_empty() {
        let deleted = tiles::table.filter(tiles::id.eq_any(changes.deleted.iter().map(|tile| tile.0)));
        diesel::delete(deleted).execute(connection).await?;
    }
    let ids = create(connection, decided, numbers).await?;
    let update = UpdateTiles::new(decided);
    if !update.ids.is_empty() {
        update.execute(connection).await?;
    }
    let count = CountLikes::new(decided);
    if !count.ids.is_empty() {
        count.execute(connection).await?;
    }
    let likes: Vec<(TileId, &UserId, Moment)> = decided.likes().collect();
    if !likes.is_empty() {
        let add = AddLikes {
            tiles: likes.iter().map(|(tile, _, _)| tile.0).collect(),
            users: likes.iter().map(|(_, user, _)| user.as_str()).collect(),
            times: likes.iter().map(|(_, _, at)| *at).collect(),
        };
        add.execute(connection).await?;
    }
    if !changes.unliked.is_empty() {
        let remove = RemoveLikes {
            tiles: changes.unliked.iter().map(|(tile, _)| tile.0).collect(),
            users: changes.unliked.iter().map(|(_, user)| user.as_str()).collect(),
        };
        remove.execute(connection).await?;
    }
    Ok(ids)
}

/// Creates tiles, and returns their ids in the same order.
async fn create(
    connection: &mut Connection,
    decided: &DecidedTiles,
    numbers: &Numbers,
) -> Result<Vec<TileId>, StoreError> {
    if decided.changes.created.is_empty() {
        return Ok(Vec::new());
    }
    let create = CreateTiles::new(decided, numbers);
    let rows = create.load::<(i64, i64, i32, i32)>(connection).await?;
    let ids: HashMap<(i64, TilePlace), i64> =
        rows.into_iter().map(|(id, canvas, x, y)| ((canvas, TilePlace { x, y }), id)).collect();
    let id = |(room, tile): &(RoomId, crate::core::canvas::Tile)| {
        let id = numbers.get(room).and_then(|canvas| ids.get(&(*canvas, tile.at)));
        id.copied().map(TileId).ok_or_else(|| StoreError::Fault("a new tile got no number".into()))
    };
    decided.changes.created.iter().map(id).collect()
}

/// Adds the stored events of canvases to the activity feed.
pub async fn record_activity(connection: &mut Connection, batch: &Batch, places: &Places) -> Result<(), StoreError> {
    let mut record = RecordActivity::default();
    for (entry, room, seq) in fresh(batch, places) {
        let Some(payload) = entry.activity()? else { continue };
        record.rooms.push(room);
        record.seqs.push(seq);
        record.ids.push(entry.id);
        record.kinds.push(entry.kind);
        record.users.push(entry.what.author().id.as_str());
        record.payloads.push(payload);
        record.times.push(entry.at);
    }
    if !record.rooms.is_empty() {
        record.execute(connection).await?;
    }
    Ok(())
}

/// The tiles at these places. The inner limit enforces one index lookup per place, whatever the planner assumes about the
/// table's size.
struct FindTiles {
    canvases: Vec<i64>,
    xs: Vec<i32>,
    ys: Vec<i32>,
}

impl FindTiles {
    fn new(reads: &TileReads, numbers: &Numbers) -> FindTiles {
        let mut find = FindTiles { canvases: Vec::new(), xs: Vec::new(), ys: Vec::new() };
        for (room, at) in &reads.places {
            let Some(canvas) = numbers.get(&RoomId(room.0)) else { continue };
            find.canvases.push(*canvas);
            find.xs.push(at.x);
            find.ys.push(at.y);
        }
        find
    }
}

constant_statement!(
    FindTiles,
    FindTiles,
    "SELECT tile.* FROM unnest(" canvases: Array<BigInt>,
    ", " xs: Array<Integer>,
    ", " ys: Array<Integer>,
    ") AS place (canvas_id, x, y) CROSS JOIN LATERAL \
     (SELECT canvas_id, id, x, y, content, version, likes, creator, created_at, updated_at FROM tiles \
     WHERE tiles.canvas_id = place.canvas_id AND tiles.x = place.x AND tiles.y = place.y LIMIT 1) AS tile",
);

impl Query for FindTiles {
    type SqlType = (BigInt, (BigInt, Integer, Integer, Text, BigInt, BigInt, BigInt, Timestamptz, Timestamptz));
}

/// The likes that exist, of these.
struct FindLikes<'a> {
    tiles: Vec<i64>,
    users: Vec<&'a str>,
}

constant_statement!(
    FindLikes<'_>,
    FindLikes<'static>,
    "SELECT given.tile_id, given.user_id FROM unnest(" tiles: Array<BigInt>,
    ", " users: Array<Text>,
    ") AS wanted (tile_id, user_id) CROSS JOIN LATERAL (SELECT tile_id, user_id FROM tile_likes \
     WHERE tile_likes.tile_id = wanted.tile_id AND tile_likes.user_id = wanted.user_id LIMIT 1) AS given",
);

impl Query for FindLikes<'_> {
    type SqlType = (BigInt, Text);
}

/// Creates tiles.
struct CreateTiles<'a> {
    canvases: Vec<i64>,
    xs: Vec<i32>,
    ys: Vec<i32>,
    contents: Vec<&'a str>,
    versions: Vec<i64>,
    likes: Vec<i64>,
    creators: Vec<i64>,
    times: Vec<Moment>,
}

impl<'a> CreateTiles<'a> {
    fn new(decided: &'a DecidedTiles, numbers: &Numbers) -> CreateTiles<'a> {
        let created = &decided.changes.created;
        CreateTiles {
            canvases: created.iter().map(|(room, _)| numbers.get(room).copied().unwrap_or_default()).collect(),
            xs: created.iter().map(|(_, tile)| tile.at.x).collect(),
            ys: created.iter().map(|(_, tile)| tile.at.y).collect(),
            contents: created.iter().map(|(_, tile)| &*tile.content).collect(),
            versions: created.iter().map(|(_, tile)| tile.version).collect(),
            likes: created.iter().map(|(_, tile)| tile.likes).collect(),
            creators: created.iter().map(|(_, tile)| tile.creator).collect(),
            times: created.iter().map(|(_, tile)| decided.time_of(tile.id)).collect(),
        }
    }
}

constant_statement!(
    CreateTiles<'_>,
    CreateTiles<'static>,
    "INSERT INTO tiles (canvas_id, x, y, content, version, likes, creator, created_at, updated_at) \
     SELECT canvas_id, x, y, content, version, likes, creator, at, at FROM unnest(" canvases: Array<BigInt>,
    ", " xs: Array<Integer>,
    ", " ys: Array<Integer>,
    ", " contents: Array<Text>,
    ", " versions: Array<BigInt>,
    ", " likes: Array<BigInt>,
    ", " creators: Array<BigInt>,
    ", " times: Array<Timestamptz>,
    ") WITH ORDINALITY AS new (canvas_id, x, y, content, version, likes, creator, at, place) ORDER BY place \
     RETURNING id, canvas_id, x, y",
);

impl Query for CreateTiles<'_> {
    type SqlType = (BigInt, BigInt, Integer, Integer);
}

/// Changes the contents of tiles, and their numbers of likes.
#[derive(Default)]
struct UpdateTiles<'a> {
    ids: Vec<i64>,
    contents: Vec<&'a str>,
    versions: Vec<i64>,
    likes: Vec<i64>,
    times: Vec<Moment>,
}

impl<'a> UpdateTiles<'a> {
    fn new(decided: &'a DecidedTiles) -> UpdateTiles<'a> {
        let mut update = UpdateTiles::default();
        for tile in &decided.changes.changed {
            let Some(at) = decided.times.get(&tile.id) else { continue };
            update.ids.push(tile.id.0);
            update.contents.push(&tile.content);
            update.versions.push(tile.version);
            update.likes.push(tile.likes);
            update.times.push(*at);
        }
        update
    }
}

constant_statement!(
    UpdateTiles<'_>,
    UpdateTiles<'static>,
    "UPDATE tiles SET content = new.content, version = new.version, likes = new.likes, updated_at = new.at \
     FROM unnest(" ids: Array<BigInt>,
    ", " contents: Array<Text>,
    ", " versions: Array<BigInt>,
    ", " likes: Array<BigInt>,
    ", " times: Array<Timestamptz>,
    ") AS new (id, content, version, likes, at) WHERE tiles.id = new.id",
);

/// Changes the numbers of likes alone.
struct CountLikes {
    ids: Vec<i64>,
    likes: Vec<i64>,
}

impl CountLikes {
    fn new(decided: &DecidedTiles) -> CountLikes {
        let only_liked = decided.changes.changed.iter().filter(|tile| !decided.times.contains_key(&tile.id));
        let (ids, likes) = only_liked.map(|tile| (tile.id.0, tile.likes)).unzip();
        CountLikes { ids, likes }
    }
}

constant_statement!(
    CountLikes,
    CountLikes,
    "UPDATE tiles SET likes = new.likes FROM unnest(" ids: Array<BigInt>,
    ", " likes: Array<BigInt>,
    ") AS new (id, likes) WHERE tiles.id = new.id",
);

/// Adds likes.
struct AddLikes<'a> {
    tiles: Vec<i64>,
    users: Vec<&'a str>,
    times: Vec<Moment>,
}

constant_statement!(
    AddLikes<'_>,
    AddLikes<'static>,
    "INSERT INTO tile_likes (tile_id, user_id, created_at) SELECT * FROM unnest(" tiles: Array<BigInt>,
    ", " users: Array<Text>,
    ", " times: Array<Timestamptz>,
    ")",
);

/// Removes likes.
struct RemoveLikes<'a> {
    tiles: Vec<i64>,
    users: Vec<&'a str>,
}

constant_statement!(
    RemoveLikes<'_>,
    RemoveLikes<'static>,
    "DELETE FROM tile_likes USING unnest(" tiles: Array<BigInt>,
    ", " users: Array<Text>,
    ") AS gone (tile_id, user_id) WHERE tile_likes.tile_id = gone.tile_id AND tile_likes.user_id = gone.user_id",
);

/// Adds entries to the activity feed.
#[derive(Default)]
struct RecordActivity<'a> {
    rooms: Vec<Id>,
    seqs: Vec<i64>,
    ids: Vec<Id>,
    kinds: Vec<&'a str>,
    users: Vec<&'a str>,
    payloads: Vec<String>,
    times: Vec<Moment>,
}

constant_statement!(
    RecordActivity<'_>,
    RecordActivity<'static>,
    "INSERT INTO canvas_activity (room_id, seq, event_id, kind, user_id, payload, created_at) \
     SELECT room_id, seq, event_id, kind, user_id, payload::json, created_at FROM unnest(" rooms: Array<UuidType>,
    ", " seqs: Array<BigInt>,
    ", " ids: Array<UuidType>,
    ", " kinds: Array<Text>,
    ", " users: Array<Text>,
    ", " payloads: Array<Text>,
    ", " times: Array<Timestamptz>,
    ") AS new (room_id, seq, event_id, kind, user_id, payload, created_at)",
);
