//! Read marks on SQLite: a prepared statement for each, in one call on the connection's thread.

use diesel::prelude::*;

use super::{Connection, schema::read_marks};
use crate::store::{StoreError, effects::MarkOf};

/// Writes read marks, in the transaction of the caller.
pub async fn write_marks(connection: &mut Connection, marks: Vec<(MarkOf, i64)>) -> Result<(), StoreError> {
    let write = move |connection: &mut SqliteConnection| -> QueryResult<()> {
        for (MarkOf { room, user }, seq) in marks {
            diesel::insert_into(read_marks::table)
                .values((read_marks::room_id.eq(room), read_marks::user_id.eq(user.as_str()), read_marks::seq.eq(seq)))
                .on_conflict((read_marks::room_id, read_marks::user_id))
                .do_update()
                .set(read_marks::seq.eq(seq))
                .execute(connection)?;
        }
        Ok(())
    };
    connection.spawn_blocking(write).await?;
    Ok(())
}
