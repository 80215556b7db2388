//! Comments on tiles on PostgreSQL, within the transaction of an append. They are rare beside changes of tiles, so each is a
//! statement of its own.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    append::fresh,
    schema::{room_events, tile_comments, tiles},
};
use crate::store::{
    StoreError,
    batch::{Batch, Places},
    tile_changes::{CommentChange, silenced},
    values::{JsonText, Payload},
};

/// Adds and deletes the comments that the stored events are about. Of a deleted one the log keeps no text.
pub async fn write(connection: &mut Connection, batch: &Batch, places: &Places) -> Result<(), StoreError> {
    for (entry, room, seq) in fresh(batch, places) {
        match entry.comment() {
            None => {}
            Some(CommentChange::Add { tile, text }) => {
                // the same batch may have deleted the tile
                let there = tiles::table.find(tile.0).select(tiles::id);
                let Some(tile) = there.get_result::<i64>(connection).await.optional()? else { continue };
                diesel::insert_into(tile_comments::table)
                    .values((
                        tile_comments::id.eq(entry.id),
                        tile_comments::seq.eq(seq),
                        tile_comments::tile_id.eq(tile),
                        tile_comments::user_id.eq(entry.what.author().id.as_str()),
                        tile_comments::content.eq(text),
                        tile_comments::created_at.eq(entry.at),
                    ))
                    .execute(connection)
                    .await?;
            }
            Some(CommentChange::Delete(comment)) => {
                let deleted = diesel::delete(tile_comments::table.find(comment)).returning(tile_comments::seq);
                let Some(seq) = deleted.get_result::<i64>(connection).await.optional()? else { continue };
                let event = room_events::table.find((room, seq));
                let found = event.select(room_events::payload).get_result::<Payload>(connection).await.optional()?;
                if let Some(text) = found.map(|Payload(what)| silenced(&what)).transpose()?.flatten() {
                    diesel::update(event).set(room_events::payload.eq(JsonText(text))).execute(connection).await?;
                }
            }
        }
    }
    Ok(())
}
