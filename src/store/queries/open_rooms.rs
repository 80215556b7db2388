//! Open rooms, which users join by name.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{
    Connection,
    rooms::{CANVAS, OPEN},
    schema::{canvases, room_members, rooms},
    strange, user_id,
};
use crate::{
    core::event::{RoomIdentity, RoomScope},
    ids::{RoomId, RoomName, UserId},
    limits,
    store::{
        OpenRoom, RoomRole, StoreError, Visibility,
        values::{Id, JsonText, Moment, now},
    },
};

type Columns =
    (rooms::id, rooms::key, rooms::name, rooms::visibility, rooms::capacity, rooms::owner_id, rooms::created_at);

const COLUMNS: Columns =
    (rooms::id, rooms::key, rooms::name, rooms::visibility, rooms::capacity, rooms::owner_id, rooms::created_at);

#[derive(Clone, Queryable)]
struct Row {
    id: Id,
    key: String,
    name: String,
    visibility: String,
    capacity: Option<i32>,
    owner_id: Option<String>,
    created_at: Moment,
}

impl Row {
    fn into_room(self, asker: &UserId, member: Membership) -> Result<OpenRoom, StoreError> {
        let name = RoomName::stored(self.key).map_err(|_| strange("room", "one without a name"))?;
        let owner = self.owner_id.map(user_id).transpose()?;
        let membership = match member {
            _ if owner.as_ref() == Some(asker) => Some(RoomRole::Owner),
            Membership::Yes => Some(RoomRole::Member),
            Membership::No => None,
        };
        Ok(OpenRoom {
            identity: RoomIdentity { id: RoomId(self.id.0), scope: RoomScope::Open { name } },
            title: self.name,
            visibility: Visibility::from_name(&self.visibility)
                .ok_or_else(|| strange("visibility", &self.visibility))?,
            capacity: self.capacity.and_then(|most| u32::try_from(most).ok()),
            owner,
            membership,
            created_at: self.created_at.0,
        })
    }
}

enum Membership {
    Yes,
    No,
}

/// Each of them, in order, with two queries for all.
pub async fn accesses(
    connection: &mut Connection,
    asked: &[(RoomName, UserId)],
) -> Result<Vec<Option<OpenRoom>>, StoreError> {
    let names: HashSet<&str> = asked.iter().map(|(name, _)| name.as_str()).collect();
    let rows = rooms::table
        .filter(rooms::kind.eq(OPEN))
        .filter(rooms::key.eq_any(names))
        .select(COLUMNS)
        .load::<Row>(connection)
        .await?;
    // The members matter only for private rooms.
    let private: Vec<Id> =
        rows.iter().filter(|row| row.visibility != Visibility::Open.name()).map(|row| row.id).collect();
    let users: HashSet<&str> = asked.iter().map(|(_, user)| user.as_str()).collect();
    let members: HashSet<(Uuid, String)> = if private.is_empty() {
        HashSet::new()
    } else {
        let rows = room_members::table
            .filter(room_members::room_id.eq_any(private))
            .filter(room_members::user_id.eq_any(users))
            .select((room_members::room_id, room_members::user_id))
            .load::<(Id, String)>(connection)
            .await?;
        rows.into_iter().map(|(Id(room), user)| (room, user)).collect()
    };
    let rows: HashMap<&str, &Row> = rows.iter().map(|row| (row.key.as_str(), row)).collect();
    let access = |(name, user): &(RoomName, UserId)| {
        let Some(row) = rows.get(name.as_str()) else { return Ok(None) };
        let member =
            if members.contains(&(row.id.0, user.as_str().to_owned())) { Membership::Yes } else { Membership::No };
        Row::clone(row).into_room(user, member).map(Some)
    };
    asked.iter().map(access).collect()
}

/// The members of those of these open rooms and canvases that are private, including the owners. A canvas that was
/// deactivated has none.
pub async fn private_members(
    connection: &mut Connection,
    ids: &[RoomId],
) -> Result<HashMap<RoomId, HashSet<UserId>>, StoreError> {
    let mut private = HashMap::new();
    for some in ids.chunks(limits::STORE_IDS_PER_QUERY) {
        let rows = rooms::table
            .filter(rooms::id.eq_any(some.iter().map(|id| Id(id.0))))
            .filter(rooms::kind.eq_any([OPEN, CANVAS]))
            .filter(rooms::visibility.eq(Visibility::Private.name()))
            .select((rooms::id, rooms::owner_id))
            .load::<(Id, Option<String>)>(connection)
            .await?;
        let closed: HashSet<Uuid> = canvases::table
            .filter(canvases::room_id.eq_any(rows.iter().map(|(id, _)| *id)))
            .filter(diesel::dsl::not(canvases::is_active))
            .select(canvases::room_id)
            .load::<Id>(connection)
            .await?
            .into_iter()
            .map(|Id(room)| room)
            .collect();
        let found: Vec<Id> = rows.iter().map(|(id, _)| *id).filter(|Id(id)| !closed.contains(id)).collect();
        for (Id(id), owner) in rows {
            let owner = owner.filter(|_| !closed.contains(&id));
            private.insert(RoomId(id), owner.map(user_id).transpose()?.into_iter().collect::<HashSet<_>>());
        }
        let members = room_members::table
            .filter(room_members::room_id.eq_any(found))
            .select((room_members::room_id, room_members::user_id))
            .load::<(Id, String)>(connection)
            .await?;
        for (Id(id), member) in members {
            private.entry(RoomId(id)).or_default().insert(user_id(member)?);
        }
    }
    Ok(private)
}

pub async fn create(connection: &mut Connection, name: &RoomName, owner: &UserId) -> Result<OpenRoom, StoreError> {
    let created_at = now();
    diesel::insert_into(rooms::table)
        .values((
            rooms::id.eq(Id(RoomId::generate().0)),
            rooms::kind.eq(OPEN),
            rooms::key.eq(name.as_str()),
            rooms::name.eq(name.as_str()),
            rooms::visibility.eq(Visibility::Open.name()),
            rooms::settings.eq(JsonText("{}".into())),
            rooms::owner_id.eq(owner.as_str()),
            rooms::epoch.eq(created_at.unix_ms),
            rooms::created_at.eq(Moment(created_at)),
            rooms::active_at.eq(Moment(created_at)),
        ))
        .on_conflict_do_nothing()
        .execute(connection)
        .await?;
    let found = accesses(connection, &[(name.clone(), owner.clone())]).await?;
    found.into_iter().next().flatten().ok_or(StoreError::Missing)
}
