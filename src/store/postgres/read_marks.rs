//! Read marks on PostgreSQL: one statement, however many there are.

use diesel::sql_types::{Array, BigInt, Text, Uuid as UuidType};
use diesel_async::RunQueryDsl;

use super::Connection;
use crate::store::{StoreError, effects::MarkOf, statement::constant_statement, values::Id};

/// Marks that advance, each once.
struct WriteMarks {
    rooms: Vec<Id>,
    users: Vec<String>,
    seqs: Vec<i64>,
}

constant_statement!(
    WriteMarks,
    WriteMarks,
    "INSERT INTO read_marks (room_id, user_id, seq) SELECT * FROM unnest(" rooms: Array<UuidType>,
    ", " users: Array<Text>,
    ", " seqs: Array<BigInt>,
    ") ON CONFLICT (room_id, user_id) DO UPDATE SET seq = EXCLUDED.seq",
);

/// Writes read marks. The caller holds the locks of their rooms.
pub async fn write_marks(connection: &mut Connection, marks: Vec<(MarkOf, i64)>) -> Result<(), StoreError> {
    let mut rows = WriteMarks { rooms: Vec::new(), users: Vec::new(), seqs: Vec::new() };
    for (MarkOf { room, user }, seq) in marks {
        rows.rooms.push(room);
        rows.users.push(user.to_string());
        rows.seqs.push(seq);
    }
    rows.execute(connection).await?;
    Ok(())
}
