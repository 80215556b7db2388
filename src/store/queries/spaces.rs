//! Spaces and their members. Triggers count the members; a constraint compares their number with the capacity.

use std::collections::{HashMap, HashSet};

use diesel::{dsl::exists, prelude::*};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{
    Connection,
    rooms::{SPACE, visibility},
    schema::{rooms, space_members, spaces, users},
    strange, user_id,
    users::{COLUMNS as USER_COLUMNS, UserRow},
};
use crate::{
    core::{
        profile::Profile,
        space::{SpaceRefused, SpaceRole},
    },
    ids::{RoomId, UserId},
    limits,
    store::{
        NewSpace, PageOf, Paged, Space, SpaceAccess, SpaceChange, SpaceMember, SpaceResult, StoreError, Visibility,
        values::{Id, JsonText, Moment, folded, now, storable},
    },
};

type Columns = (
    rooms::id,
    rooms::name,
    rooms::visibility,
    spaces::capacity,
    spaces::members,
    spaces::interest_radius,
    rooms::owner_id,
    rooms::created_at,
);

/// The columns of a [`SpaceRow`].
const COLUMNS: Columns = (
    rooms::id,
    rooms::name,
    rooms::visibility,
    spaces::capacity,
    spaces::members,
    spaces::interest_radius,
    rooms::owner_id,
    rooms::created_at,
);

#[derive(Queryable, Clone)]
struct SpaceRow {
    id: Id,
    name: String,
    visibility: String,
    capacity: i32,
    members: i32,
    interest_radius: Option<i32>,
    owner_id: Option<String>,
    created_at: Moment,
}

impl TryFrom<SpaceRow> for Space {
    type Error = StoreError;

    fn try_from(row: SpaceRow) -> Result<Space, StoreError> {
        let whole = |number: i32| u32::try_from(number).unwrap_or_default();
        Ok(Space {
            id: RoomId(row.id.0),
            name: row.name.into(),
            visibility: visibility(&row.visibility)?,
            capacity: whole(row.capacity),
            members: whole(row.members),
            interest_radius: row.interest_radius.map(whole),
            owner: row.owner_id.map(user_id).transpose()?,
            created_at: row.created_at.0,
        })
    }
}

fn role(name: &str) -> Result<SpaceRole, StoreError> {
    SpaceRole::from_name(name).ok_or_else(|| strange("role in a space", name))
}

fn stored(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub async fn create(connection: &mut Connection, owner: &UserId, new: &NewSpace) -> Result<SpaceAccess, StoreError> {
    let (id, created_at) = (RoomId::generate(), now());
    write_transaction!(connection, async |connection| {
        diesel::insert_into(rooms::table)
            .values((
                rooms::id.eq(Id(id.0)),
                rooms::kind.eq(SPACE),
                rooms::key.eq(id.to_string()),
                rooms::name.eq(storable(&new.name).as_ref()),
                rooms::visibility.eq(new.visibility.name()),
                rooms::settings.eq(JsonText("{}".into())),
                rooms::owner_id.eq(owner.as_str()),
                rooms::epoch.eq(created_at.unix_ms),
                rooms::created_at.eq(Moment(created_at)),
                rooms::active_at.eq(Moment(created_at)),
            ))
            .execute(connection)
            .await?;
        diesel::insert_into(spaces::table)
            .values((
                spaces::room_id.eq(Id(id.0)),
                spaces::capacity.eq(stored(new.capacity)),
                spaces::interest_radius.eq(new.interest_radius.map(stored)),
            ))
            .execute(connection)
            .await?;
        add_member(connection, id, owner, SpaceRole::Admin).await?;
        let space = one(connection, id).await?.ok_or(StoreError::Missing)?;
        Ok(SpaceAccess { space, role: Some(SpaceRole::Admin) })
    })
    .await
}

/// The role of the next member: a space whose last admin has left gets a new one with its next member. Locks the space, so that
/// nobody leaves meanwhile.
pub async fn role_of_newcomer(connection: &mut Connection, space: RoomId) -> Result<SpaceRole, StoreError> {
    lock(connection, space).await?;
    let members = space_members::table.filter(space_members::room_id.eq(Id(space.0)));
    let is_empty = members.count().get_result::<i64>(connection).await? == 0;
    Ok(if is_empty { SpaceRole::Admin } else { SpaceRole::Member })
}

/// Adds a member. Returns false if the user is one. [`StoreError::Taken`] if the space is full: the transaction is over then.
pub async fn add_member(
    connection: &mut Connection,
    space: RoomId,
    user: &UserId,
    role: SpaceRole,
) -> Result<bool, StoreError> {
    let added = diesel::insert_into(space_members::table)
        .values((
            space_members::room_id.eq(Id(space.0)),
            space_members::user_id.eq(user.as_str()),
            space_members::role.eq(role.name()),
            space_members::joined_at.eq(Moment(now())),
        ))
        .on_conflict_do_nothing()
        .execute(connection)
        .await?;
    Ok(added > 0)
}

/// The space.
pub async fn one(connection: &mut Connection, id: RoomId) -> Result<Option<Space>, StoreError> {
    let found = spaces::table.inner_join(rooms::table).filter(spaces::room_id.eq(Id(id.0))).select(COLUMNS);
    found.get_result::<SpaceRow>(connection).await.optional()?.map(Space::try_from).transpose()
}

/// The user's role in a space.
pub async fn role_of(connection: &mut Connection, id: RoomId, user: &UserId) -> Result<Option<SpaceRole>, StoreError> {
    let member = space_members::table.find((Id(id.0), user.as_str())).select(space_members::role);
    member.get_result::<String>(connection).await.optional()?.as_deref().map(role).transpose()
}

/// Each of them, in order, with two queries.
pub async fn accesses(
    connection: &mut Connection,
    asked: &[(RoomId, UserId)],
) -> Result<Vec<Option<SpaceAccess>>, StoreError> {
    if let [(id, user)] = asked {
        let Some(space) = one(connection, *id).await? else { return Ok(vec![None]) };
        return Ok(vec![Some(SpaceAccess { space, role: role_of(connection, *id, user).await? })]);
    }
    let ids: HashSet<Uuid> = asked.iter().map(|(id, _)| id.0).collect();
    let rows = spaces::table
        .inner_join(rooms::table)
        .filter(spaces::room_id.eq_any(ids.iter().copied().map(Id)))
        .select(COLUMNS)
        .load::<SpaceRow>(connection)
        .await?;
    let spaces = rows.into_iter().map(|row| Space::try_from(row).map(|space| (space.id, space)));
    let spaces: HashMap<RoomId, Space> = spaces.collect::<Result<_, _>>()?;
    let users: HashSet<&str> = asked.iter().map(|(_, user)| user.as_str()).collect();
    let rows = space_members::table
        .filter(space_members::room_id.eq_any(ids.into_iter().map(Id)))
        .filter(space_members::user_id.eq_any(users))
        .select((space_members::room_id, space_members::user_id, space_members::role))
        .load::<(Id, String, String)>(connection)
        .await?;
    let roles = rows.into_iter().map(|(Id(space), user, name)| Ok(((space, user), role(&name)?)));
    let roles: HashMap<(Uuid, String), SpaceRole> = roles.collect::<Result<_, StoreError>>()?;
    let access = |(id, user): &(RoomId, UserId)| {
        let role = roles.get(&(id.0, user.as_str().to_owned())).copied();
        Some(SpaceAccess { space: spaces.get(id)?.clone(), role })
    };
    Ok(asked.iter().map(access).collect())
}

pub async fn visible(
    connection: &mut Connection,
    user: &UserId,
    page: PageOf,
) -> Result<Paged<SpaceAccess>, StoreError> {
    let of_user = || space_members::room_id.eq(spaces::room_id).and(space_members::user_id.eq(user.as_str()));
    let is_visible = || rooms::visibility.eq(Visibility::Open.name()).or(space_members::role.is_not_null());
    let total = spaces::table
        .inner_join(rooms::table)
        .left_join(space_members::table.on(of_user()))
        .filter(is_visible())
        .count()
        .get_result::<i64>(connection)
        .await?;
    let rows = spaces::table
        .inner_join(rooms::table)
        .left_join(space_members::table.on(of_user()))
        .filter(is_visible())
        .order((space_members::role.is_null(), space_members::joined_at, rooms::created_at, rooms::id))
        .offset(page.offset)
        .limit(page.limit)
        .select((COLUMNS, space_members::role.nullable()))
        .load::<(SpaceRow, Option<String>)>(connection)
        .await?;
    let access = |(row, name): (SpaceRow, Option<String>)| {
        Ok(SpaceAccess { space: row.try_into()?, role: name.as_deref().map(role).transpose()? })
    };
    Ok(Paged { items: rows.into_iter().map(access).collect::<Result<_, StoreError>>()?, total })
}

pub async fn change(connection: &mut Connection, id: RoomId, change: &SpaceChange) -> SpaceResult<()> {
    #[derive(AsChangeset)]
    #[diesel(table_name = rooms)]
    struct OfRoom {
        name: Option<String>,
        visibility: Option<&'static str>,
    }
    #[derive(AsChangeset)]
    #[diesel(table_name = spaces)]
    struct OfSpace {
        capacity: Option<i32>,
        /// The inner None: everywhere.
        interest_radius: Option<Option<i32>>,
    }
    let of_room = OfRoom {
        name: change.name.as_deref().map(|name| storable(name).into_owned()),
        visibility: change.visibility.map(Visibility::name),
    };
    let of_space = OfSpace {
        capacity: change.capacity.map(stored),
        interest_radius: change.interest_radius.map(|radius| radius.map(stored)),
    };
    write_transaction!(connection, async |connection| {
        if !lock(connection, id).await? {
            return Ok(Err(SpaceRefused::NoSuchSpace));
        }
        // an update that sets nothing is invalid SQL
        if of_space.capacity.is_some() || of_space.interest_radius.is_some() {
            diesel::update(spaces::table.find(Id(id.0))).set(of_space).execute(connection).await?;
        }
        if of_room.name.is_some() || of_room.visibility.is_some() {
            diesel::update(rooms::table.find(Id(id.0))).set(of_room).execute(connection).await?;
        }
        Ok(Ok(()))
    })
    .await
}

/// Locks the space until the end of the transaction, so that its members do not change meanwhile. Returns false if there is
/// none.
async fn lock(connection: &mut Connection, id: RoomId) -> Result<bool, StoreError> {
    let space = diesel::update(spaces::table.find(Id(id.0)));
    Ok(space.set(spaces::members.eq(spaces::members)).execute(connection).await? > 0)
}

pub async fn members(connection: &mut Connection, id: RoomId, page: PageOf) -> Result<Paged<SpaceMember>, StoreError> {
    let of_space = || space_members::table.filter(space_members::room_id.eq(Id(id.0)));
    let total = of_space().count().get_result::<i64>(connection).await?;
    let rows = of_space()
        .inner_join(users::table)
        .order((space_members::joined_at, space_members::user_id))
        .offset(page.offset)
        .limit(page.limit)
        .select((USER_COLUMNS, space_members::role, space_members::joined_at))
        .load::<(UserRow, String, Moment)>(connection)
        .await?;
    let items = rows.into_iter().map(member).collect::<Result<_, _>>()?;
    Ok(Paged { items, total })
}

fn member((row, name, joined_at): (UserRow, String, Moment)) -> Result<SpaceMember, StoreError> {
    Ok(SpaceMember { profile: Profile::try_from(row)?, role: role(&name)?, joined_at: joined_at.0 })
}

pub async fn member_ids(connection: &mut Connection, id: RoomId) -> Result<Vec<UserId>, StoreError> {
    let of_space = space_members::table.filter(space_members::room_id.eq(Id(id.0)));
    let ids = of_space.select(space_members::user_id).limit(i64::from(limits::SPACE_CAPACITY_MAX));
    ids.load::<String>(connection).await?.into_iter().map(user_id).collect()
}

pub async fn invitable(
    connection: &mut Connection,
    id: RoomId,
    search: &str,
    page: PageOf,
) -> Result<Paged<Profile>, StoreError> {
    // see `users::search`
    let from = folded(search);
    let to = format!("{from}\u{10ffff}");
    let matching = || {
        let named = users::username_key.ge(from.clone()).and(users::username_key.lt(to.clone()));
        let shown = users::display_name_key.ge(from.clone()).and(users::display_name_key.lt(to.clone()));
        let membership = space_members::table
            .filter(space_members::room_id.eq(Id(id.0)))
            .filter(space_members::user_id.eq(users::id));
        users::table.filter(named.or(shown)).filter(diesel::dsl::not(exists(membership)))
    };
    let total = matching().count().get_result::<i64>(connection).await?;
    let rows = matching()
        .order(users::username_key)
        .offset(page.offset)
        .limit(page.limit)
        .select(USER_COLUMNS)
        .load::<UserRow>(connection)
        .await?;
    Ok(Paged { items: rows.into_iter().map(Profile::try_from).collect::<Result<_, _>>()?, total })
}

pub async fn set_role(
    connection: &mut Connection,
    id: RoomId,
    user: &UserId,
    new: SpaceRole,
) -> SpaceResult<SpaceMember> {
    write_transaction!(connection, async |connection| {
        if !lock(connection, id).await? {
            return Ok(Err(SpaceRefused::NoSuchSpace));
        }
        match role_of(connection, id, user).await? {
            None => return Ok(Err(SpaceRefused::NoSuchMember)),
            Some(SpaceRole::Admin) if new == SpaceRole::Member && is_needed(connection, id, user).await? => {
                return Ok(Err(SpaceRefused::LastAdmin));
            }
            Some(SpaceRole::Admin | SpaceRole::Member) => {}
        }
        let of_user = space_members::table.find((Id(id.0), user.as_str()));
        diesel::update(of_user).set(space_members::role.eq(new.name())).execute(connection).await?;
        let row = space_members::table
            .find((Id(id.0), user.as_str()))
            .inner_join(users::table)
            .select((USER_COLUMNS, space_members::role, space_members::joined_at))
            .get_result::<(UserRow, String, Moment)>(connection)
            .await?;
        member(row).map(Ok)
    })
    .await
}

/// Whether the other members would be left without an admin.
async fn is_needed(connection: &mut Connection, id: RoomId, admin: &UserId) -> Result<bool, StoreError> {
    let roles = space_members::table
        .filter(space_members::room_id.eq(Id(id.0)))
        .filter(space_members::user_id.ne(admin.as_str()))
        .select(space_members::role)
        .distinct()
        .load::<String>(connection)
        .await?;
    Ok(!roles.is_empty() && roles.iter().all(|role| role != SpaceRole::Admin.name()))
}

pub async fn remove_member(connection: &mut Connection, id: RoomId, user: &UserId) -> SpaceResult<()> {
    write_transaction!(connection, async |connection| {
        if !lock(connection, id).await? {
            return Ok(Err(SpaceRefused::NoSuchSpace));
        }
        match role_of(connection, id, user).await? {
            None => return Ok(Err(SpaceRefused::NoSuchMember)),
            Some(SpaceRole::Admin) if is_needed(connection, id, user).await? => {
                return Ok(Err(SpaceRefused::LastAdmin));
            }
            Some(SpaceRole::Admin | SpaceRole::Member) => {}
        }
        let member = space_members::table.find((Id(id.0), user.as_str()));
        diesel::delete(member).execute(connection).await?;
        Ok(Ok(()))
    })
    .await
}
