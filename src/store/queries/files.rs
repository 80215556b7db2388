//! Uploaded files, their parts and their rooms.

use diesel::{dsl::sql, prelude::*, sql_types::BigInt, upsert::excluded};
use diesel_async::RunQueryDsl;

use super::{
    Connection, rooms,
    schema::{file_parts, file_rooms, files, users},
    user_id,
};
use crate::{
    core::event::RoomIdentity,
    ids::{FileId, RoomId, Timestamp, UserId},
    store::{
        Advance, Advanced, AfterAdvance, Begun, Claim, FilePart, FileQuota, FileRecord, Lease, NewFile, StoreError,
        values::{Id, Moment, now, storable},
    },
};

/// Sizes are far below the limit; the databases use signed integers.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn unsigned(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or_default()
}

type Columns = (
    files::id,
    files::owner_id,
    files::name,
    files::mime_type,
    files::size_bytes,
    files::received_bytes,
    files::created_at,
    files::completed_at,
    files::expires_at,
    files::lease,
    files::leased_at,
);

const COLUMNS: Columns = (
    files::id,
    files::owner_id,
    files::name,
    files::mime_type,
    files::size_bytes,
    files::received_bytes,
    files::created_at,
    files::completed_at,
    files::expires_at,
    files::lease,
    files::leased_at,
);

#[derive(Queryable)]
struct Row {
    id: Id,
    owner_id: String,
    name: String,
    mime_type: String,
    size_bytes: i64,
    received_bytes: i64,
    created_at: Moment,
    completed_at: Option<Moment>,
    expires_at: Moment,
    lease: Option<Id>,
    leased_at: Moment,
}

impl TryFrom<Row> for FileRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<FileRecord, StoreError> {
        Ok(FileRecord {
            id: FileId(row.id.0),
            owner: user_id(row.owner_id)?,
            name: row.name,
            mime_type: row.mime_type,
            size_bytes: unsigned(row.size_bytes),
            received_bytes: unsigned(row.received_bytes),
            created_at: row.created_at.0,
            completed_at: row.completed_at.map(|Moment(at)| at),
            expires_at: row.expires_at.0,
            written_at: row.lease.map(|_| row.leased_at.0),
        })
    }
}

pub async fn begin(connection: &mut Connection, file: &NewFile, quota: FileQuota) -> Result<Begun, StoreError> {
    write_transaction!(connection, async |connection| {
        // The lock on the user's row serialises uploads that start at the same time.
        let locked = diesel::update(users::table.find(file.owner.as_str())).set(users::role.eq(users::role));
        if locked.execute(connection).await? == 0 {
            return Err(StoreError::Missing);
        }
        let owned = || files::table.filter(files::owner_id.eq(file.owner.as_str()));
        let unfinished = owned().filter(files::completed_at.is_null()).filter(files::expires_at.gt(Moment(now())));
        if unfinished.count().get_result::<i64>(connection).await? >= quota.unfinished_max {
            return Ok(Begun::TooMany);
        }
        if let Some(files_max) = quota.files_max
            && owned().count().get_result::<i64>(connection).await? >= i64::from(files_max)
        {
            return Ok(Begun::TooManyFiles);
        }
        if let Some(bytes_max) = quota.bytes_max {
            // A sum of large integers has different types on the two databases.
            let sum = sql::<BigInt>("CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT)");
            let used_bytes = unsigned(owned().select(sum).get_result(connection).await?);
            if used_bytes.saturating_add(file.size_bytes) > bytes_max {
                return Ok(Begun::TooMuch { used_bytes });
            }
        }
        insert(connection, file).await.map(Begun::Yes)
    })
    .await
}

async fn insert(connection: &mut Connection, file: &NewFile) -> Result<FileRecord, StoreError> {
    let created_at = Moment(now());
    let completed_at = (file.size_bytes == 0).then_some(created_at);
    diesel::insert_into(files::table)
        .values((
            files::id.eq(Id(file.id.0)),
            files::owner_id.eq(file.owner.as_str()),
            files::name.eq(storable(&file.name).as_ref()),
            files::mime_type.eq(storable(&file.mime_type).as_ref()),
            files::metadata.eq(file.metadata.as_deref()),
            files::size_bytes.eq(signed(file.size_bytes)),
            files::received_bytes.eq(0),
            files::leased_at.eq(created_at),
            files::created_at.eq(created_at),
            files::completed_at.eq(completed_at),
            files::expires_at.eq(Moment(file.expires_at)),
        ))
        .execute(connection)
        .await?;
    if let Some(RoomId(room)) = file.room {
        diesel::insert_into(file_rooms::table)
            .values((file_rooms::file_id.eq(Id(file.id.0)), file_rooms::room_id.eq(Id(room))))
            .execute(connection)
            .await?;
    }
    one(connection, file.id).await?.ok_or(StoreError::Missing)
}

pub async fn one(connection: &mut Connection, id: FileId) -> Result<Option<FileRecord>, StoreError> {
    Ok(several(connection, &[id]).await?.pop())
}

pub async fn several(connection: &mut Connection, ids: &[FileId]) -> Result<Vec<FileRecord>, StoreError> {
    let ids: Vec<Id> = ids.iter().map(|id| Id(id.0)).collect();
    let rows = files::table
        .filter(files::id.eq_any(ids))
        .filter(files::completed_at.is_not_null().or(files::expires_at.gt(Moment(now()))))
        .select(COLUMNS)
        .load::<Row>(connection)
        .await?;
    rows.into_iter().map(FileRecord::try_from).collect()
}

pub async fn of_user(
    connection: &mut Connection,
    owner: &UserId,
    before: Option<FileId>,
    limit: i64,
) -> Result<Vec<FileRecord>, StoreError> {
    // Ids sort by time.
    let before = before.map_or(uuid::Uuid::max(), |FileId(id)| id);
    let rows = files::table
        .filter(files::owner_id.eq(owner.as_str()))
        .filter(files::completed_at.is_not_null().or(files::expires_at.gt(Moment(now()))))
        .filter(files::id.lt(Id(before)))
        .order(files::id.desc())
        .limit(limit)
        .select(COLUMNS)
        .load::<Row>(connection)
        .await?;
    rows.into_iter().map(FileRecord::try_from).collect()
}

pub async fn metadata(connection: &mut Connection, id: FileId) -> Result<Option<String>, StoreError> {
    let found = files::table.find(Id(id.0)).select(files::metadata).get_result::<Option<String>>(connection).await;
    Ok(found.optional()?.flatten())
}

pub async fn parts(connection: &mut Connection, id: FileId) -> Result<Vec<FilePart>, StoreError> {
    let rows = file_parts::table
        .filter(file_parts::file_id.eq(Id(id.0)))
        .order(file_parts::start_byte)
        .select((file_parts::start_byte, file_parts::length_bytes, file_parts::name))
        .load::<(i64, i64, String)>(connection)
        .await?;
    let part = |(start, length, name)| FilePart { start: unsigned(start), length: unsigned(length), name };
    Ok(rows.into_iter().map(part).collect())
}

pub async fn rooms_of(connection: &mut Connection, id: FileId, limit: i64) -> Result<Vec<RoomIdentity>, StoreError> {
    let ids = file_rooms::table
        .filter(file_rooms::file_id.eq(Id(id.0)))
        .order(file_rooms::room_id.desc())
        .limit(limit)
        .select(file_rooms::room_id)
        .load::<Id>(connection)
        .await?;
    let mut found = Vec::with_capacity(ids.len());
    for Id(room) in ids {
        found.extend(rooms::identity(connection, RoomId(room)).await?);
    }
    Ok(found)
}

pub async fn claim(
    connection: &mut Connection,
    id: FileId,
    lease: Lease,
    idle_since: Timestamp,
) -> Result<Claim, StoreError> {
    let at = Moment(now());
    let free = files::lease.is_null().or(files::leased_at.lt(Moment(idle_since)));
    let claimed = diesel::update(files::table.find(Id(id.0)))
        .filter(files::completed_at.is_not_null().or(files::expires_at.gt(at)))
        .filter(free)
        .set((files::lease.eq(Some(Id(lease.0))), files::leased_at.eq(at)))
        .execute(connection)
        .await?;
    match one(connection, id).await? {
        None => Ok(Claim::Gone),
        Some(file) if claimed == 1 => Ok(Claim::Yes(file)),
        Some(_) => Ok(Claim::Held),
    }
}

pub async fn advance(connection: &mut Connection, advance: &Advance) -> Result<Advanced, StoreError> {
    let id = Id(advance.id.0);
    let to = signed(advance.to);
    let lease = match advance.then {
        AfterAdvance::GoOn => Some(Id(advance.lease.0)),
        AfterAdvance::Release => None,
    };
    write_transaction!(connection, async |connection| {
        let at = Moment(now());
        let held = files::table
            .find(id)
            .filter(files::lease.eq(Some(Id(advance.lease.0))))
            .filter(files::received_bytes.eq(signed(advance.from)));
        let moved = diesel::update(held)
            .set((
                files::received_bytes.eq(to),
                files::lease.eq(lease),
                files::leased_at.eq(at),
                files::expires_at.eq(Moment(advance.expires_at)),
            ))
            .execute(connection)
            .await?;
        if moved == 0 {
            return Ok(Advanced::Lost);
        }
        for part in &advance.parts {
            diesel::insert_into(file_parts::table)
                .values((
                    file_parts::file_id.eq(id),
                    file_parts::start_byte.eq(signed(part.start)),
                    file_parts::length_bytes.eq(signed(part.length)),
                    file_parts::name.eq(&part.name),
                ))
                .on_conflict((file_parts::file_id, file_parts::start_byte))
                .do_update()
                .set(file_parts::length_bytes.eq(excluded(file_parts::length_bytes)))
                .execute(connection)
                .await?;
        }
        let complete = files::table.find(id).filter(files::size_bytes.eq(to)).filter(files::completed_at.is_null());
        match diesel::update(complete).set(files::completed_at.eq(Some(at))).execute(connection).await? {
            0 => Ok(Advanced::Kept),
            _ => Ok(Advanced::Complete),
        }
    })
    .await
}

pub async fn doom(connection: &mut Connection, id: FileId) -> Result<(), StoreError> {
    diesel::update(files::table.find(Id(id.0)))
        .set((
            files::completed_at.eq(None::<Moment>),
            files::expires_at.eq(Moment(Timestamp::default())),
            files::lease.eq(None::<Id>),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn expired(connection: &mut Connection, limit: i64) -> Result<Vec<FileId>, StoreError> {
    let ids = files::table
        .filter(files::completed_at.is_null())
        .filter(files::expires_at.le(Moment(now())))
        .order(files::expires_at)
        .limit(limit)
        .select(files::id)
        .load::<Id>(connection)
        .await?;
    Ok(ids.into_iter().map(|Id(id)| FileId(id)).collect())
}

pub async fn expired_uploads(connection: &mut Connection, limit: i64) -> Result<Vec<(FileId, UserId)>, StoreError> {
    let rows = files::table
        .filter(files::completed_at.is_null())
        .filter(files::expires_at.le(Moment(now())))
        // A deleted file has this time.
        .filter(files::expires_at.gt(Moment(Timestamp::default())))
        .order(files::expires_at)
        .limit(limit)
        .select((files::id, files::owner_id))
        .load::<(Id, String)>(connection)
        .await?;
    rows.into_iter().map(|(Id(id), owner)| Ok((FileId(id), user_id(owner)?))).collect()
}

pub async fn forget(connection: &mut Connection, id: FileId) -> Result<(), StoreError> {
    write_transaction!(connection, async |connection| {
        let given_up = files::table
            .find(Id(id.0))
            .filter(files::completed_at.is_null())
            .filter(files::expires_at.le(Moment(now())));
        if diesel::delete(given_up).execute(connection).await? == 1 {
            let shared = file_rooms::table.filter(file_rooms::file_id.eq(Id(id.0)));
            diesel::delete(shared).execute(connection).await?;
        }
        Ok(())
    })
    .await
}
