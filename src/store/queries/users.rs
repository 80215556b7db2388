//! Users.

use std::{borrow::Cow, collections::HashMap};

use diesel::{IntoSql, prelude::*, sql_types};
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    schema::{group_members, users},
    strange, user_id,
};
use crate::{
    core::profile::{Profile, Role},
    ids::{GroupId, Timestamp, UserId},
    limits, names,
    store::{
        ClaimedProfile, NewUser, SocketRights, StoreError, TokenUser,
        values::{Id, Moment, folded, folded_now_and_before, now, storable},
    },
};

type Columns = (
    users::id,
    users::number,
    users::username,
    users::email,
    users::display_name,
    users::role,
    users::tokens_not_before,
    users::created_at,
    users::blocked_until,
    users::said_at,
);

/// The columns of a [`UserRow`].
pub const COLUMNS: Columns = (
    users::id,
    users::number,
    users::username,
    users::email,
    users::display_name,
    users::role,
    users::tokens_not_before,
    users::created_at,
    users::blocked_until,
    users::said_at,
);

/// A stored user.
#[derive(Queryable)]
pub struct UserRow {
    id: String,
    number: i64,
    username: String,
    email: Option<String>,
    display_name: String,
    role: String,
    tokens_not_before: Moment,
    created_at: Moment,
    blocked_until: Moment,
    said_at: Moment,
}

impl TryFrom<UserRow> for Profile {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Profile, StoreError> {
        Ok(Profile {
            id: user_id(row.id)?,
            number: row.number,
            username: row.username.into(),
            email: row.email,
            display_name: row.display_name,
            role: Role::from_name(&row.role).ok_or_else(|| strange("role", &row.role))?,
            created_at: row.created_at.0,
            tokens_not_before: row.tokens_not_before.0,
            blocked_until: row.blocked_until.0,
            said_at: row.said_at.0,
        })
    }
}

/// A user to insert; the folded columns are derived from the others.
struct Fresh<'a> {
    id: &'a UserId,
    username: Cow<'a, str>,
    email: Option<Cow<'a, str>>,
    display_name: Cow<'a, str>,
    password_hash: Option<&'a str>,
}

/// The insert statement of a [`Fresh`] user.
macro_rules! insert {
    ($fresh:expr) => {
        diesel::insert_into(users::table).values((
            users::id.eq($fresh.id.as_str()),
            users::username.eq($fresh.username.as_ref()),
            users::username_key.eq(folded(&$fresh.username)),
            users::email.eq($fresh.email.as_deref()),
            users::email_key.eq($fresh.email.as_deref().map(folded)),
            users::display_name.eq($fresh.display_name.as_ref()),
            users::display_name_key.eq(folded(&$fresh.display_name)),
            users::password_hash.eq($fresh.password_hash),
            users::role.eq(Role::User.name()),
            users::tokens_not_before.eq(Moment(Timestamp { unix_ms: 0 })),
            users::created_at.eq(Moment(now())),
        ))
    };
}

pub async fn ping(connection: &mut Connection) -> Result<(), StoreError> {
    diesel::select(1_i32.into_sql::<sql_types::Integer>()).get_result::<i32>(connection).await?;
    Ok(())
}

/// Begins a write that changes nothing: a read-only database refuses it.
pub async fn begin_write(connection: &mut Connection) -> Result<(), StoreError> {
    let nobody = users::table.filter(false.into_sql::<sql_types::Bool>());
    diesel::delete(nobody).execute(connection).await?;
    Ok(())
}

/// Writes one row unchanged to the disk: a full database refuses it.
pub async fn write_one(connection: &mut Connection) -> Result<(), StoreError> {
    let Some(id) = users::table.select(users::id).first::<String>(connection).await.optional()? else {
        return begin_write(connection).await;
    };
    diesel::update(users::table.find(&id)).set(users::id.eq(&id)).execute(connection).await?;
    Ok(())
}

pub async fn create(connection: &mut Connection, user: NewUser) -> Result<Profile, StoreError> {
    let id = UserId::generate();
    let fresh = Fresh {
        id: &id,
        username: storable(&user.username),
        email: user.email.as_deref().map(storable),
        display_name: storable(&user.display_name),
        password_hash: Some(&user.password_hash),
    };
    insert!(fresh).returning(COLUMNS).get_result::<UserRow>(connection).await?.try_into()
}

pub async fn provision(connection: &mut Connection, user: &TokenUser) -> Result<Profile, StoreError> {
    // Names from another issuer may violate our rules: they are cleaned, and a name that looks like another user's is
    // marked.
    let most = *limits::USERNAME_CHARS.end();
    let names = [user.username.as_deref(), Some(user.id.as_str())].into_iter().flatten();
    let mut names = names.filter_map(|name| names::cleaned(name, most));
    let said = names.next();
    let is_nameless = said.is_none();
    let wished = said.unwrap_or_else(|| NAMELESS.to_owned());
    let looks_like_another = match names::taken_for(&wished) {
        Some(simpler) => by_name(connection, &simpler).await?.is_some(),
        None => false,
    };
    let is_marked = looks_like_another || !names::is_of_one_script(&wished) || is_nameless;
    let display_name =
        user.display_name.as_deref().and_then(|name| names::cleaned(name, limits::DISPLAY_NAME_CHARS_MAX));
    let email = user.email.as_deref().filter(|email| email.chars().count() <= limits::EMAIL_CHARS_MAX);
    let mut fresh = Fresh {
        id: &user.id,
        display_name: display_name.unwrap_or_else(|| wished.clone()).into(),
        username: if is_marked { suffixed(&wished).into() } else { wished.clone().into() },
        email: email.filter(|email| !email.chars().any(names::is_hidden)).map(Into::into),
        password_hash: None,
    };
    for _ in 0..limits::PROVISION_ATTEMPTS_MAX {
        let inserted = insert!(fresh)
            .on_conflict_do_nothing()
            .returning(COLUMNS)
            .get_result::<UserRow>(connection)
            .await
            .optional()?;
        if let Some(row) = inserted {
            return row.try_into();
        }
        // One of the three is taken. Another node may have stored this very user in the meantime.
        if let Some(profile) = by_id(connection, &user.id).await? {
            return Ok(profile);
        }
        if by_name(connection, &fresh.username).await?.is_some() {
            fresh.username = suffixed(&wished).into();
        } else {
            fresh.email = None;
        }
    }
    Err(StoreError::Fault("no free name was found for a new user".into()))
}

pub async fn follow(
    connection: &mut Connection,
    profile: &Profile,
    said: &ClaimedProfile,
) -> Result<Profile, StoreError> {
    let (display_name, email) = said.fit();
    let display_name = display_name.unwrap_or_else(|| profile.display_name.clone());
    let older = users::table.find(profile.id.as_str()).filter(users::said_at.lt(Moment(said.at)));
    diesel::update(older)
        .set((
            users::display_name.eq(&display_name),
            users::display_name_key.eq(folded(&display_name)),
            users::said_at.eq(Moment(said.at)),
        ))
        .execute(connection)
        .await?;
    if let Some(email) = email {
        let said_now = users::table.find(profile.id.as_str()).filter(users::said_at.eq(Moment(said.at)));
        let changed = diesel::update(said_now)
            .set((users::email.eq(&email), users::email_key.eq(folded(&email))))
            .execute(connection)
            .await;
        match changed.map_err(StoreError::from) {
            // An e-mail address that belongs to another user is not changed.
            Ok(_) | Err(StoreError::Taken(_)) => {}
            Err(error) => return Err(error),
        }
    }
    by_id(connection, &profile.id).await?.ok_or(StoreError::Missing)
}

/// The username of a user whose token has no visible name.
const NAMELESS: &str = "user";

/// The name with a random suffix, within the length limit.
fn suffixed(name: &str) -> String {
    let suffix = format!("-{:06x}", fastrand::u32(..) & 0xff_ffff);
    let kept = limits::USERNAME_CHARS.end().saturating_sub(suffix.len());
    name.chars().take(kept).chain(suffix.chars()).collect()
}

pub async fn by_id(connection: &mut Connection, id: &UserId) -> Result<Option<Profile>, StoreError> {
    let row = users::table.find(id.as_str()).select(COLUMNS).get_result::<UserRow>(connection).await.optional()?;
    row.map(Profile::try_from).transpose()
}

/// Each of them, in order. A single one uses the statement that is already prepared.
pub async fn several(connection: &mut Connection, ids: &[UserId]) -> Result<Vec<Option<Profile>>, StoreError> {
    if let [id] = ids {
        return Ok(vec![by_id(connection, id).await?]);
    }
    let found = by_ids(connection, ids).await?.into_iter().map(|profile| (profile.id.clone(), profile));
    let found: HashMap<UserId, Profile> = found.collect();
    Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
}

pub async fn by_ids(connection: &mut Connection, ids: &[UserId]) -> Result<Vec<Profile>, StoreError> {
    let mut profiles = Vec::with_capacity(ids.len());
    // SQLite binds each id separately, and only a limited number.
    for some in ids.chunks(limits::STORE_IDS_PER_QUERY) {
        let ids: Vec<&str> = some.iter().map(UserId::as_str).collect();
        let rows = users::table.filter(users::id.eq_any(ids)).select(COLUMNS).load::<UserRow>(connection).await?;
        for row in rows {
            profiles.push(Profile::try_from(row)?);
        }
    }
    Ok(profiles)
}

/// Two queries: the users, and all their memberships.
pub async fn standings(connection: &mut Connection, ids: &[UserId]) -> Result<Vec<SocketRights>, StoreError> {
    let mut standings = Vec::with_capacity(ids.len());
    for some in ids.chunks(limits::STORE_IDS_PER_QUERY) {
        let ids: Vec<&str> = some.iter().map(UserId::as_str).collect();
        let rows = group_members::table
            .filter(group_members::user_id.eq_any(&ids))
            .select((group_members::user_id, group_members::group_id))
            .load::<(String, Id)>(connection)
            .await?;
        let mut groups: HashMap<String, Vec<GroupId>> = HashMap::new();
        for (user, Id(group)) in rows {
            groups.entry(user).or_default().push(GroupId(group));
        }
        let rows = users::table
            .filter(users::id.eq_any(&ids))
            .select((users::id, users::tokens_not_before, users::blocked_until))
            .load::<(String, Moment, Moment)>(connection)
            .await?;
        for (id, tokens_not_before, blocked_until) in rows {
            let groups = groups.remove(&id).unwrap_or_default();
            standings.push(SocketRights {
                user: user_id(id)?,
                tokens_not_before: tokens_not_before.0,
                blocked_until: blocked_until.0,
                groups,
            });
        }
    }
    Ok(standings)
}

pub async fn by_name(connection: &mut Connection, username: &str) -> Result<Option<Profile>, StoreError> {
    let row = users::table
        .filter(users::username_key.eq_any(folded_now_and_before(username)))
        .limit(1)
        .select(COLUMNS)
        .get_result::<UserRow>(connection)
        .await
        .optional()?;
    row.map(Profile::try_from).transpose()
}

pub async fn credentials(
    connection: &mut Connection,
    login: &str,
) -> Result<Option<(Profile, Option<String>)>, StoreError> {
    let keys = folded_now_and_before(login);
    let rows = users::table
        .filter(users::email_key.eq_any(&keys).or(users::username_key.eq_any(&keys)))
        .select((COLUMNS, users::password_hash))
        .load::<(UserRow, Option<String>)>(connection)
        .await?;
    // One user's username may be another user's e-mail address: the address takes precedence.
    let by_address = |row: &UserRow| row.email.as_deref().map(folded).as_deref() == Some(&keys[0]);
    let row = rows.into_iter().max_by_key(|(row, _)| by_address(row));
    row.map(|(row, hash)| Ok((Profile::try_from(row)?, hash))).transpose()
}

pub async fn search(connection: &mut Connection, query: &str, limit: i64) -> Result<Vec<Profile>, StoreError> {
    let from = folded(query);
    // The upper bound of all texts with this prefix: comparison is bytewise in both databases, and no wildcard needs
    // escaping.
    let to = format!("{from}\u{10ffff}");
    let named = users::username_key.ge(&from).and(users::username_key.lt(&to));
    let shown = users::display_name_key.ge(&from).and(users::display_name_key.lt(&to));
    let rows = users::table
        .filter(named.or(shown))
        .order(users::username_key)
        .limit(limit)
        .select(COLUMNS)
        .load::<UserRow>(connection)
        .await?;
    rows.into_iter().map(Profile::try_from).collect()
}
