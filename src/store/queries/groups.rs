//! Groups and their members.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    schema::{group_members, groups, users},
    strange, user_id,
    users::{COLUMNS as USER_COLUMNS, UserRow},
};
use crate::{
    core::profile::Profile,
    ids::{GroupId, UserId},
    limits,
    store::{
        Group, GroupMember, GroupRole, StoreError,
        values::{Id, Moment, now, storable},
    },
};

type Columns = (groups::id, groups::name, groups::description, groups::owner_id, groups::created_at);

const COLUMNS: Columns = (groups::id, groups::name, groups::description, groups::owner_id, groups::created_at);

#[derive(Queryable)]
struct GroupRow {
    id: Id,
    name: String,
    description: Option<String>,
    owner_id: String,
    created_at: Moment,
}

fn group(row: GroupRow, role: Option<GroupRole>) -> Result<Group, StoreError> {
    Ok(Group {
        id: GroupId(row.id.0),
        name: row.name,
        description: row.description,
        owner: user_id(row.owner_id)?,
        created_at: row.created_at.0,
        role,
    })
}

/// A stored role.
pub fn group_role(name: &str) -> Result<GroupRole, StoreError> {
    GroupRole::from_name(name).ok_or_else(|| strange("group role", name))
}

pub async fn create(
    connection: &mut Connection,
    owner: &UserId,
    name: &str,
    description: Option<&str>,
) -> Result<Group, StoreError> {
    let id = GroupId::generate();
    write_transaction!(connection, async |connection| {
        let row = diesel::insert_into(groups::table)
            .values((
                groups::id.eq(Id(id.0)),
                groups::name.eq(storable(name).as_ref()),
                groups::description.eq(description.map(storable).as_deref()),
                groups::owner_id.eq(owner.as_str()),
                groups::created_at.eq(Moment(now())),
            ))
            .returning(COLUMNS)
            .get_result::<GroupRow>(connection)
            .await?;
        insert_member(connection, id, owner, GroupRole::Owner).await?;
        group(row, Some(GroupRole::Owner))
    })
    .await
}

async fn insert_member(
    connection: &mut Connection,
    id: GroupId,
    user: &UserId,
    role: GroupRole,
) -> Result<Moment, StoreError> {
    let joined_at = Moment(now());
    diesel::insert_into(group_members::table)
        .values((
            group_members::group_id.eq(Id(id.0)),
            group_members::user_id.eq(user.as_str()),
            group_members::role.eq(role.name()),
            group_members::joined_at.eq(joined_at),
        ))
        .execute(connection)
        .await?;
    Ok(joined_at)
}

pub async fn of_user(connection: &mut Connection, user: &UserId) -> Result<Vec<Group>, StoreError> {
    let rows = group_members::table
        .inner_join(groups::table)
        .filter(group_members::user_id.eq(user.as_str()))
        .order((groups::created_at, groups::id))
        .limit(limits::LIST_MAX)
        .select((COLUMNS, group_members::role))
        .load::<(GroupRow, String)>(connection)
        .await?;
    rows.into_iter().map(|(row, role)| group(row, Some(group_role(&role)?))).collect()
}

pub async fn by_id(connection: &mut Connection, id: GroupId, user: &UserId) -> Result<Option<Group>, StoreError> {
    let of_user = group_members::group_id.eq(groups::id).and(group_members::user_id.eq(user.as_str()));
    let row = groups::table
        .left_join(group_members::table.on(of_user))
        .filter(groups::id.eq(Id(id.0)))
        .select((COLUMNS, group_members::role.nullable()))
        .get_result::<(GroupRow, Option<String>)>(connection)
        .await
        .optional()?;
    row.map(|(row, role)| group(row, role.as_deref().map(group_role).transpose()?)).transpose()
}

pub async fn members(connection: &mut Connection, id: GroupId) -> Result<Vec<GroupMember>, StoreError> {
    let rows = group_members::table
        .inner_join(users::table)
        .filter(group_members::group_id.eq(Id(id.0)))
        .order((group_members::joined_at, group_members::user_id))
        .limit(limits::LIST_MAX)
        .select((USER_COLUMNS, group_members::role, group_members::joined_at))
        .load::<(UserRow, String, Moment)>(connection)
        .await?;
    let member = |(row, role, joined_at): (UserRow, String, Moment)| {
        Ok(GroupMember { profile: Profile::try_from(row)?, role: group_role(&role)?, joined_at: joined_at.0 })
    };
    rows.into_iter().map(member).collect()
}

pub async fn role(connection: &mut Connection, id: GroupId, user: &UserId) -> Result<Option<GroupRole>, StoreError> {
    let name = group_members::table
        .find((Id(id.0), user.as_str()))
        .select(group_members::role)
        .get_result::<String>(connection)
        .await
        .optional()?;
    name.as_deref().map(group_role).transpose()
}

pub async fn add_member(
    connection: &mut Connection,
    id: GroupId,
    user: &UserId,
    role: GroupRole,
) -> Result<GroupMember, StoreError> {
    write_transaction!(connection, async |connection| {
        let joined_at = insert_member(connection, id, user, role).await?.0;
        let row = users::table.find(user.as_str()).select(USER_COLUMNS).get_result::<UserRow>(connection).await?;
        Ok(GroupMember { profile: Profile::try_from(row)?, role, joined_at })
    })
    .await
}

pub async fn remove_member(connection: &mut Connection, id: GroupId, user: &UserId) -> Result<bool, StoreError> {
    let removed = diesel::delete(group_members::table.find((Id(id.0), user.as_str()))).execute(connection).await?;
    Ok(removed > 0)
}
