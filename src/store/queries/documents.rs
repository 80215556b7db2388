//! Documents: rooms of their own kind, with members, stored states and named versions. Their updates are events of their
//! rooms, which an append does not trim: storing a state does.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    rooms::DOCUMENT,
    schema::{document_states, document_versions, room_events, room_members, rooms, users},
    strange, user_id,
    users::UserRow,
};
use crate::{
    core::{
        document::{DocumentAccess, DocumentRole},
        event::{RoomIdentity, RoomScope},
        profile::{Author, Profile},
    },
    ids::{DocumentId, RoomId, Seq, Timestamp, UserId},
    limits,
    store::{
        Document, DocumentState, DocumentVersion, StoreError, Visibility,
        values::{Id, JsonText, Moment, now, storable},
    },
};

type Columns = (rooms::id, rooms::key, rooms::name, rooms::access, rooms::owner_id, rooms::seq, rooms::created_at);

const COLUMNS: Columns =
    (rooms::id, rooms::key, rooms::name, rooms::access, rooms::owner_id, rooms::seq, rooms::created_at);

/// The columns of a document, and the role of the user.
type Found = ((Id, String, String, Option<String>, Option<String>, i64, Moment), Option<String>);

struct Row {
    id: Id,
    key: String,
    name: String,
    access: Option<String>,
    owner_id: Option<String>,
    seq: i64,
    created_at: Moment,
    role: Option<String>,
}

impl From<Found> for Row {
    fn from(((id, key, name, access, owner_id, seq, created_at), role): Found) -> Row {
        Row { id, key, name, access, owner_id, seq, created_at, role }
    }
}

impl Row {
    fn into_document(self, asker: &UserId) -> Result<Document, StoreError> {
        let document = DocumentId::stored(self.key).map_err(|_| strange("document", "one without an id"))?;
        let owner = self.owner_id.map(user_id).transpose()?;
        let member = self.role.as_deref().map(role).transpose()?;
        Ok(Document {
            identity: RoomIdentity { id: RoomId(self.id.0), scope: RoomScope::Document { document } },
            title: self.name,
            access: self.access.as_deref().map_or(Ok(DocumentAccess::Private), access)?,
            membership: if owner.as_ref() == Some(asker) { Some(DocumentRole::Owner) } else { member },
            owner,
            seq: Seq(self.seq),
            created_at: self.created_at.0,
        })
    }
}

fn access(name: &str) -> Result<DocumentAccess, StoreError> {
    DocumentAccess::from_name(name).ok_or_else(|| strange("access", name))
}

fn role(name: &str) -> Result<DocumentRole, StoreError> {
    DocumentRole::from_name(name).ok_or_else(|| strange("role", name))
}

pub async fn find(
    connection: &mut Connection,
    document: &DocumentId,
    user: &UserId,
) -> Result<Option<Document>, StoreError> {
    let of_user = room_members::room_id.eq(rooms::id).and(room_members::user_id.eq(user.as_str()));
    let row = rooms::table
        .left_join(room_members::table.on(of_user))
        .filter(rooms::kind.eq(DOCUMENT))
        .filter(rooms::key.eq(document.as_str()))
        .select((COLUMNS, room_members::role.nullable()))
        .get_result::<Found>(connection)
        .await
        .optional()?;
    row.map(|row| Row::from(row).into_document(user)).transpose()
}

/// The documents that a user owns or is a member of, by id.
pub async fn of_user(
    connection: &mut Connection,
    user: &UserId,
    after: Option<&DocumentId>,
    limit: i64,
) -> Result<Vec<Document>, StoreError> {
    let of_user = room_members::room_id.eq(rooms::id).and(room_members::user_id.eq(user.as_str()));
    let rows = rooms::table
        .left_join(room_members::table.on(of_user))
        .filter(rooms::kind.eq(DOCUMENT))
        .filter(rooms::owner_id.eq(user.as_str()).or(room_members::user_id.is_not_null()))
        .filter(rooms::key.gt(after.map_or("", DocumentId::as_str)))
        .order(rooms::key)
        .limit(limit)
        .select((COLUMNS, room_members::role.nullable()))
        .load::<Found>(connection)
        .await?;
    rows.into_iter().map(|row| Row::from(row).into_document(user)).collect()
}

/// The documents among these rooms.
pub async fn among(connection: &mut Connection, among: &[RoomId], user: &UserId) -> Result<Vec<Document>, StoreError> {
    let of_user = room_members::room_id.eq(rooms::id).and(room_members::user_id.eq(user.as_str()));
    let among: Vec<Id> = among.iter().map(|room| Id(room.0)).collect();
    let rows = rooms::table
        .left_join(room_members::table.on(of_user))
        .filter(rooms::kind.eq(DOCUMENT))
        .filter(rooms::id.eq_any(among))
        .select((COLUMNS, room_members::role.nullable()))
        .load::<Found>(connection)
        .await?;
    rows.into_iter().map(|row| Row::from(row).into_document(user)).collect()
}

/// Creates an empty document, or returns the one that somebody else has just created.
pub async fn create(
    connection: &mut Connection,
    document: &DocumentId,
    owner: &UserId,
) -> Result<Document, StoreError> {
    let created_at = now();
    diesel::insert_into(rooms::table)
        .values((
            rooms::id.eq(Id(RoomId::generate().0)),
            rooms::kind.eq(DOCUMENT),
            rooms::key.eq(document.as_str()),
            rooms::name.eq(document.as_str()),
            rooms::visibility.eq(Visibility::Open.name()),
            rooms::access.eq(DocumentAccess::Edit.name()),
            rooms::settings.eq(JsonText("{}".into())),
            rooms::owner_id.eq(owner.as_str()),
            rooms::epoch.eq(created_at.unix_ms),
            rooms::created_at.eq(Moment(created_at)),
            rooms::active_at.eq(Moment(created_at)),
        ))
        .on_conflict_do_nothing()
        .execute(connection)
        .await?;
    find(connection, document, owner).await?.ok_or(StoreError::Missing)
}

pub async fn set_access(connection: &mut Connection, room: RoomId, access: DocumentAccess) -> Result<(), StoreError> {
    let document = rooms::table.find(Id(room.0)).filter(rooms::kind.eq(DOCUMENT));
    let changed = diesel::update(document).set(rooms::access.eq(access.name())).execute(connection).await?;
    if changed == 0 { Err(StoreError::Missing) } else { Ok(()) }
}

pub async fn members(connection: &mut Connection, room: RoomId) -> Result<Vec<(Profile, DocumentRole)>, StoreError> {
    let rows = room_members::table
        .inner_join(users::table.on(users::id.eq(room_members::user_id)))
        .filter(room_members::room_id.eq(Id(room.0)))
        .order(users::username_key)
        .limit(limits::ROOM_MEMBERS_MAX)
        .select((super::users::COLUMNS, room_members::role))
        .load::<(UserRow, String)>(connection)
        .await?;
    rows.into_iter().map(|(user, name)| Ok((Profile::try_from(user)?, role(&name)?))).collect()
}

/// [`StoreError::Taken`] if the list is full.
pub async fn set_member(
    connection: &mut Connection,
    room: RoomId,
    user: &UserId,
    role: DocumentRole,
) -> Result<(), StoreError> {
    write_transaction!(connection, async |connection| {
        let of_room = room_members::table.filter(room_members::room_id.eq(Id(room.0)));
        let member = room_members::table.find((Id(room.0), user.as_str()));
        let changed = diesel::update(member).set(room_members::role.eq(role.name())).execute(connection).await?;
        if changed > 0 {
            return Ok(());
        }
        if of_room.count().get_result::<i64>(connection).await? >= limits::ROOM_MEMBERS_MAX {
            return Err(StoreError::Taken("last place in the list of members"));
        }
        diesel::insert_into(room_members::table)
            .values((
                room_members::room_id.eq(Id(room.0)),
                room_members::user_id.eq(user.as_str()),
                room_members::role.eq(role.name()),
            ))
            .execute(connection)
            .await?;
        Ok(())
    })
    .await
}

pub async fn remove_member(connection: &mut Connection, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
    let member = room_members::table.find((Id(room.0), user.as_str()));
    Ok(diesel::delete(member).execute(connection).await? > 0)
}

pub async fn state(connection: &mut Connection, room: RoomId) -> Result<Option<DocumentState>, StoreError> {
    let row = document_states::table
        .find(Id(room.0))
        .select((document_states::seq, document_states::state))
        .get_result::<(i64, Vec<u8>)>(connection)
        .await
        .optional()?;
    Ok(row.map(|(seq, update)| DocumentState { seq: Seq(seq), update }))
}

/// Stores a state unless a later one is stored, and removes events that it contains and that are not kept for recovery.
pub async fn store_state(
    connection: &mut Connection,
    room: RoomId,
    state: &DocumentState,
    events_kept: i64,
) -> Result<(), StoreError> {
    write_transaction!(connection, async |connection| {
        let stored = document_states::table.find(Id(room.0)).select(document_states::seq);
        let stored = stored.get_result::<i64>(connection).await.optional()?;
        if stored.is_some_and(|stored| stored >= state.seq.0) {
            return Ok(());
        }
        let at = Moment(now());
        let row = (
            document_states::room_id.eq(Id(room.0)),
            document_states::seq.eq(state.seq.0),
            document_states::state.eq(state.update.as_slice()),
            document_states::stored_at.eq(at),
        );
        match stored {
            Some(_) => {
                let row = (row.1, row.2, row.3);
                diesel::update(document_states::table.find(Id(room.0))).set(row).execute(connection).await?;
            }
            None => {
                diesel::insert_into(document_states::table)
                    .values(row)
                    .on_conflict_do_nothing()
                    .execute(connection)
                    .await?;
            }
        }
        let old = room_events::table
            .filter(room_events::room_id.eq(Id(room.0)))
            .filter(room_events::seq.le(state.seq.0 - events_kept));
        diesel::delete(old).execute(connection).await?;
        Ok(())
    })
    .await
}

type VersionColumns = (
    document_versions::number,
    document_versions::seq,
    document_versions::name,
    document_versions::author_id,
    document_versions::author_username,
    document_versions::created_at,
);

const VERSION: VersionColumns = (
    document_versions::number,
    document_versions::seq,
    document_versions::name,
    document_versions::author_id,
    document_versions::author_username,
    document_versions::created_at,
);

type VersionRow = (i32, i64, Option<String>, String, String, Moment);

fn version((number, seq, name, author, username, at): VersionRow) -> Result<DocumentVersion, StoreError> {
    let author = Author::new(user_id(author)?, username);
    Ok(DocumentVersion { number, seq: Seq(seq), name, author, at: at.0 })
}

/// Stores a named version under the next number. [`StoreError::Taken`] if there are as many as there may be.
pub async fn add_version(
    connection: &mut Connection,
    room: RoomId,
    state: &DocumentState,
    author: &Author,
    name: Option<&str>,
    at: Timestamp,
) -> Result<DocumentVersion, StoreError> {
    write_transaction!(connection, async |connection| {
        let of_room = document_versions::table.filter(document_versions::room_id.eq(Id(room.0)));
        // the lock of the room's row keeps two nodes from taking the same number
        diesel::update(rooms::table.find(Id(room.0))).set(rooms::active_at.eq(Moment(at))).execute(connection).await?;
        let last = of_room.select(diesel::dsl::max(document_versions::number));
        let number = last.get_result::<Option<i32>>(connection).await?.unwrap_or_default() + 1;
        if of_room.count().get_result::<i64>(connection).await? >= limits::DOCUMENT_VERSIONS_MAX {
            return Err(StoreError::Taken("last place in the list of versions"));
        }
        diesel::insert_into(document_versions::table)
            .values((
                document_versions::room_id.eq(Id(room.0)),
                document_versions::number.eq(number),
                document_versions::seq.eq(state.seq.0),
                document_versions::name.eq(name.map(storable)),
                document_versions::author_id.eq(author.id.as_str()),
                document_versions::author_username.eq(storable(author.username())),
                document_versions::state.eq(state.update.as_slice()),
                document_versions::created_at.eq(Moment(at)),
            ))
            .execute(connection)
            .await?;
        let name = name.map(|name| storable(name).into_owned());
        Ok(DocumentVersion { number, seq: state.seq, name, author: author.clone(), at })
    })
    .await
}

/// The versions, the newest first.
pub async fn versions(
    connection: &mut Connection,
    room: RoomId,
    before: Option<i32>,
    limit: i64,
) -> Result<Vec<DocumentVersion>, StoreError> {
    let rows = document_versions::table
        .filter(document_versions::room_id.eq(Id(room.0)))
        .filter(document_versions::number.lt(before.unwrap_or(i32::MAX)))
        .order(document_versions::number.desc())
        .limit(limit)
        .select(VERSION)
        .load::<VersionRow>(connection)
        .await?;
    rows.into_iter().map(version).collect()
}

pub async fn version_state(
    connection: &mut Connection,
    room: RoomId,
    number: i32,
) -> Result<Option<(DocumentVersion, Vec<u8>)>, StoreError> {
    let row = document_versions::table
        .find((Id(room.0), number))
        .select((VERSION, document_versions::state))
        .get_result::<(VersionRow, Vec<u8>)>(connection)
        .await
        .optional()?;
    row.map(|(row, state)| Ok((version(row)?, state))).transpose()
}
