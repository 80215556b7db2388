//! Open rooms as their owners manage them: created in advance, changed, and with members.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    conversations::remove_participant,
    open_rooms::accesses,
    rooms::OPEN,
    schema::{participants, room_members, rooms, users},
    users::UserRow,
};
use crate::{
    core::profile::Profile,
    ids::{RoomId, RoomName, UserId},
    limits,
    store::{
        NewRoom, OpenRoom, RoomChange, RoomRole, StoreError, Visibility,
        values::{Id, JsonText, Moment, now, storable},
    },
};

pub async fn create(
    connection: &mut Connection,
    name: &RoomName,
    owner: &UserId,
    new: &NewRoom,
) -> Result<OpenRoom, StoreError> {
    let created_at = now();
    let title = new.title.as_deref().map_or(name.as_str().into(), storable);
    diesel::insert_into(rooms::table)
        .values((
            rooms::id.eq(Id(RoomId::generate().0)),
            rooms::kind.eq(OPEN),
            rooms::key.eq(name.as_str()),
            rooms::name.eq(title.as_ref()),
            rooms::visibility.eq(new.visibility.name()),
            rooms::capacity.eq(new.capacity.and_then(|most| i32::try_from(most).ok())),
            rooms::settings.eq(JsonText("{}".into())),
            rooms::owner_id.eq(owner.as_str()),
            rooms::epoch.eq(created_at.unix_ms),
            rooms::created_at.eq(Moment(created_at)),
            rooms::active_at.eq(Moment(created_at)),
        ))
        .execute(connection)
        .await?;
    let found = accesses(connection, &[(name.clone(), owner.clone())]).await?;
    found.into_iter().next().flatten().ok_or(StoreError::Missing)
}

#[derive(AsChangeset)]
#[diesel(table_name = rooms)]
struct Changes {
    name: Option<String>,
    visibility: Option<&'static str>,
    /// The inner None: unlimited.
    capacity: Option<Option<i32>>,
}

pub async fn change(connection: &mut Connection, room: RoomId, change: &RoomChange) -> Result<(), StoreError> {
    let changes = Changes {
        name: change.title.as_deref().map(|title| storable(title).into_owned()),
        visibility: change.visibility.map(|visibility| visibility.name()),
        capacity: change.capacity.map(|most| most.and_then(|most| i32::try_from(most).ok())),
    };
    if changes.name.is_none() && changes.visibility.is_none() && changes.capacity.is_none() {
        return Ok(()); // an update that sets nothing is invalid SQL
    }
    write_transaction!(connection, async |connection| {
        let changed = diesel::update(rooms::table.find(Id(room.0))).set(changes).execute(connection).await?;
        if changed == 0 {
            return Err(StoreError::Missing);
        }
        match change.visibility {
            Some(Visibility::Private) => keep_members(connection, room).await,
            Some(Visibility::Open) | None => Ok(()),
        }
    })
    .await
}

/// Removes participants of a private room who are neither its owner nor members.
async fn keep_members(connection: &mut Connection, room: RoomId) -> Result<(), StoreError> {
    let members = room_members::table.filter(room_members::room_id.eq(Id(room.0))).select(room_members::user_id);
    let owner = rooms::table.filter(rooms::id.eq(Id(room.0))).filter(rooms::owner_id.is_not_null());
    let others = participants::table
        .filter(participants::room_id.eq(Id(room.0)))
        .filter(participants::user_id.ne_all(members))
        .filter(participants::user_id.ne_all(owner.select(rooms::owner_id.assume_not_null())));
    diesel::delete(others).execute(connection).await?;
    Ok(())
}

pub async fn members(connection: &mut Connection, room: RoomId) -> Result<Vec<(Profile, RoomRole)>, StoreError> {
    let of_room = room_members::table
        .inner_join(users::table.on(users::id.eq(room_members::user_id)))
        .filter(room_members::room_id.eq(Id(room.0)));
    let rows = of_room
        .order(users::username_key)
        .limit(limits::ROOM_MEMBERS_MAX)
        .select(super::users::COLUMNS)
        .load::<UserRow>(connection)
        .await?;
    let owner = rooms::table
        .inner_join(users::table.on(rooms::owner_id.eq(users::id.nullable())))
        .filter(rooms::id.eq(Id(room.0)))
        .select(super::users::COLUMNS)
        .get_result::<UserRow>(connection)
        .await
        .optional()?;
    let owner = owner.map(Profile::try_from).transpose()?;
    let mut all: Vec<(Profile, RoomRole)> = owner.into_iter().map(|owner| (owner, RoomRole::Owner)).collect();
    for row in rows {
        let member = Profile::try_from(row)?;
        if all.iter().all(|(owner, _)| owner.id != member.id) {
            all.push((member, RoomRole::Member));
        }
    }
    Ok(all)
}

/// [`StoreError::Taken`] if the list is full.
pub async fn add(connection: &mut Connection, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
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
        // A new member participates from the start, and may leave.
        if added > 0 {
            super::participants::add(connection, room, user).await?.added()?;
        }
        Ok(added > 0)
    })
    .await
}

pub async fn remove(connection: &mut Connection, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
    write_transaction!(connection, async |connection| {
        let member = room_members::table.find((Id(room.0), user.as_str()));
        let removed = diesel::delete(member).execute(connection).await? > 0;
        if removed {
            remove_participant(connection, room, user).await?;
        }
        Ok(removed)
    })
    .await
}
