//! Invites. A partial unique index allows one pending invite per user and space; accepting one adds a member, which the
//! constraint on the number of members may refuse.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{
    Connection, notifications,
    schema::{invites, notifications as notification_rows, rooms},
    spaces, strange, users,
};
use crate::{
    core::{
        invite::{Invite, InviteHappening, InviteNews, InviteState, InviteTemplate},
        notification::{INVITES, Priority},
        profile::Author,
        space::{SpaceLabel, SpaceRefused},
    },
    ids::{NotificationId, RoomId, Timestamp, UserId},
    limits,
    store::{
        AnsweredInvite, InviteAnswer, InviteList, NewInvite, NewNotification, NotificationStatus, PageOf, Paged,
        SentInvite, SpaceResult, StoreError, StoredNotification, invite_data,
        values::{Id, Moment, now, storable},
    },
};

type Columns = (
    invites::id,
    invites::space_id,
    invites::from_user,
    invites::to_user,
    invites::state,
    invites::message,
    invites::template,
    invites::created_at,
    invites::expires_at,
    invites::decided_at,
);

/// The columns of an [`InviteRow`].
const COLUMNS: Columns = (
    invites::id,
    invites::space_id,
    invites::from_user,
    invites::to_user,
    invites::state,
    invites::message,
    invites::template,
    invites::created_at,
    invites::expires_at,
    invites::decided_at,
);

#[derive(Queryable)]
struct InviteRow {
    id: Id,
    space_id: Id,
    from_user: String,
    to_user: String,
    state: String,
    message: Option<String>,
    template: Option<String>,
    created_at: Moment,
    expires_at: Moment,
    decided_at: Option<Moment>,
}

/// An invite to insert.
#[derive(Insertable)]
#[diesel(table_name = invites)]
struct NewRow<'a> {
    id: Id,
    space_id: Id,
    from_user: &'a str,
    to_user: &'a str,
    state: &'static str,
    message: Option<&'a str>,
    template: Option<&'static str>,
    created_at: Moment,
    expires_at: Moment,
    remind_at: Option<Moment>,
}

impl<'a> From<&'a Invite> for NewRow<'a> {
    fn from(invite: &'a Invite) -> NewRow<'a> {
        NewRow {
            id: Id(invite.id.0),
            space_id: Id(invite.space.id.0),
            from_user: invite.from.id.as_str(),
            to_user: invite.to.id.as_str(),
            state: invite.state.name(),
            message: invite.message.as_deref(),
            template: invite.template.map(InviteTemplate::name),
            created_at: Moment(invite.created_at),
            expires_at: Moment(invite.expires_at),
            remind_at: Some(Moment(Invite::remind_at(invite.created_at, invite.expires_at))),
        }
    }
}

/// Completes rows, with the names of the space that each is stored with and of the users.
async fn complete(connection: &mut Connection, rows: Vec<(InviteRow, String)>) -> Result<Vec<Invite>, StoreError> {
    let mut ids = Vec::with_capacity(rows.len() * 2);
    for id in rows.iter().flat_map(|(row, _)| [&row.from_user, &row.to_user]) {
        ids.push(super::user_id(id.clone())?);
    }
    ids.sort_unstable();
    ids.dedup();
    let authors = users::by_ids(connection, &ids).await?.into_iter().map(|profile| profile.author());
    let authors: HashMap<UserId, Author> = authors.map(|author| (author.id.clone(), author)).collect();
    let author = |id: String| {
        let id = super::user_id(id)?;
        // the foreign keys prevent that one is missing, except between the two queries
        Ok::<Author, StoreError>(authors.get(&id).cloned().unwrap_or_else(|| Author::new(id, "")))
    };
    let invite = |(row, space): (InviteRow, String)| {
        Ok(Invite {
            id: NotificationId(row.id.0),
            from: author(row.from_user)?,
            to: author(row.to_user)?,
            space: SpaceLabel { id: RoomId(row.space_id.0), name: space.into() },
            state: InviteState::from_name(&row.state).ok_or_else(|| strange("state of an invite", &row.state))?,
            message: row.message.map(Into::into),
            template: row.template.as_deref().and_then(InviteTemplate::from_name),
            created_at: row.created_at.0,
            expires_at: row.expires_at.0,
            decided_at: row.decided_at.map(|moment| moment.0),
        })
    };
    rows.into_iter().map(invite).collect()
}

async fn by_id(connection: &mut Connection, id: NotificationId) -> Result<Option<Invite>, StoreError> {
    let found = invites::table
        .inner_join(rooms::table.on(rooms::id.eq(invites::space_id)))
        .filter(invites::id.eq(Id(id.0)))
        .select((COLUMNS, rooms::name));
    let row = found.get_result::<(InviteRow, String)>(connection).await.optional()?;
    Ok(complete(connection, row.into_iter().collect()).await?.pop())
}

/// The pending invite of that user to that space.
async fn pending(connection: &mut Connection, space: RoomId, to: &UserId) -> Result<Option<Invite>, StoreError> {
    let id = invites::table
        .filter(invites::space_id.eq(Id(space.0)))
        .filter(invites::to_user.eq(to.as_str()))
        .filter(invites::state.eq(InviteState::Pending.name()))
        .select(invites::id)
        .get_result::<Id>(connection)
        .await
        .optional()?;
    match id {
        Some(Id(id)) => by_id(connection, NotificationId(id)).await,
        None => Ok(None),
    }
}

pub async fn send(connection: &mut Connection, new: &NewInvite, queue_max: usize) -> SpaceResult<SentInvite> {
    write_transaction!(connection, async |connection| {
        let at = now();
        let (space, from, to) = match sides(connection, new).await? {
            Ok(sides) => sides,
            Err(refused) => return Ok(Err(refused)),
        };
        expire(connection, new, at).await?;
        if let Some(invite) = pending(connection, new.space, &new.to).await? {
            return Ok(Ok(SentInvite { invite, news: None }));
        }
        if is_crowded(connection, &new.to, at).await? {
            return Ok(Err(SpaceRefused::TooManyPending));
        }
        let invite = Invite {
            id: NotificationId::generate(),
            from,
            to,
            space,
            state: InviteState::Pending,
            message: new.message.as_deref().map(|message| storable(message).into()),
            template: new.template,
            created_at: at,
            expires_at: at.plus_ms(new.lifetime_ms),
            decided_at: None,
        };
        let news = notifications::add_invite(connection, &invite, queue_max).await?;
        let row = NewRow::from(&invite);
        let inserted = diesel::insert_into(invites::table).values(row).on_conflict_do_nothing();
        if inserted.execute(connection).await? == 0 {
            // somebody else has just invited the same user
            diesel::delete(notification_rows::table.find(Id(invite.id.0))).execute(connection).await?;
            let other = pending(connection, new.space, &new.to).await?.ok_or(StoreError::Missing)?;
            return Ok(Ok(SentInvite { invite: other, news: None }));
        }
        trim(connection, &new.to).await?;
        Ok(Ok(SentInvite { invite, news: Some(news) }))
    })
    .await
}

/// The space and both users, if the one may invite the other.
async fn sides(connection: &mut Connection, new: &NewInvite) -> SpaceResult<(SpaceLabel, Author, Author)> {
    let Some(space) = spaces::one(connection, new.space).await? else { return Ok(Err(SpaceRefused::NoSuchSpace)) };
    if spaces::role_of(connection, new.space, &new.from).await?.is_none() {
        return Ok(Err(SpaceRefused::NoAccess));
    }
    let from = users::by_id(connection, &new.from).await?.ok_or(StoreError::Missing)?;
    let Some(to) = users::by_id(connection, &new.to).await? else { return Ok(Err(SpaceRefused::NoSuchUser)) };
    if spaces::role_of(connection, new.space, &new.to).await?.is_some() {
        return Ok(Err(SpaceRefused::AlreadyMember));
    }
    if space.is_full() {
        return Ok(Err(SpaceRefused::Full));
    }
    Ok(Ok((space.label(), from.author(), to.author())))
}

/// Makes room in the unique index for a new invite.
async fn expire(connection: &mut Connection, new: &NewInvite, at: Timestamp) -> Result<(), StoreError> {
    let expired = invites::table
        .filter(invites::space_id.eq(Id(new.space.0)))
        .filter(invites::to_user.eq(new.to.as_str()))
        .filter(invites::state.eq(InviteState::Pending.name()))
        .filter(invites::expires_at.le(Moment(at)));
    diesel::update(expired).set(invites::state.eq(InviteState::Expired.name())).execute(connection).await?;
    Ok(())
}

async fn is_crowded(connection: &mut Connection, to: &UserId, at: Timestamp) -> Result<bool, StoreError> {
    let count = invites::table
        .filter(invites::to_user.eq(to.as_str()))
        .filter(invites::state.eq(InviteState::Pending.name()))
        .filter(invites::expires_at.gt(Moment(at)))
        .count()
        .get_result::<i64>(connection)
        .await?;
    Ok(count >= limits::INVITES_PENDING_PER_USER_MAX)
}

/// Deletes the oldest invites of the user beyond the limit, except those that can still be accepted.
async fn trim(connection: &mut Connection, to: &UserId) -> Result<(), StoreError> {
    let received = || invites::table.filter(invites::to_user.eq(to.as_str()));
    let count = received().count().get_result::<i64>(connection).await?;
    if count <= limits::INVITES_KEPT_PER_USER_MAX {
        return Ok(());
    }
    let over = received()
        .filter(invites::state.ne(InviteState::Pending.name()).or(invites::expires_at.le(Moment(now()))))
        .order((invites::created_at, invites::id))
        .limit(count - limits::INVITES_KEPT_PER_USER_MAX)
        .select(invites::id)
        .load::<Id>(connection)
        .await?;
    diesel::delete(notification_rows::table.filter(notification_rows::id.eq_any(over))).execute(connection).await?;
    Ok(())
}

pub async fn answer(
    connection: &mut Connection,
    user: &UserId,
    id: NotificationId,
    answer: InviteAnswer,
    queue_max: usize,
) -> SpaceResult<AnsweredInvite> {
    write_transaction!(connection, async |connection| {
        let at = now();
        let (state, status, happening) = match answer {
            InviteAnswer::Accept => (InviteState::Accepted, NotificationStatus::Read, InviteHappening::Accepted),
            InviteAnswer::Decline => (InviteState::Declined, NotificationStatus::Dismissed, InviteHappening::Declined),
        };
        let ours = invites::table
            .find(Id(id.0))
            .filter(invites::to_user.eq(user.as_str()))
            .filter(invites::state.eq(InviteState::Pending.name()))
            .filter(invites::expires_at.gt(Moment(at)));
        let decided = (invites::state.eq(state.name()), invites::decided_at.eq(Some(Moment(at))));
        // waits for whoever answers the same invite at this moment
        if diesel::update(ours).set(decided).execute(connection).await? == 0 {
            let found = by_id(connection, id).await?.filter(|invite| invite.to.id == *user);
            return Ok(Err(found.map_or(SpaceRefused::NoSuchInvite, |invite| answered_already(&invite, at))));
        }
        let invite = by_id(connection, id).await?.ok_or(StoreError::Missing)?;
        match answer {
            InviteAnswer::Accept => {
                let role = spaces::role_of_newcomer(connection, invite.space.id).await?;
                if !spaces::add_member(connection, invite.space.id, user, role).await? {
                    // a member by other means: the invite has served its purpose
                    notifications::close_invite(connection, id, status, state).await?;
                    return Ok(Err(SpaceRefused::AlreadyMember));
                }
            }
            InviteAnswer::Decline => {}
        }
        notifications::close_invite(connection, id, status, state).await?;
        let told = InviteNews { happening, invite: invite.clone() };
        let news = tell(connection, &invite.from.id, told, queue_max).await?;
        Ok(Ok(AnsweredInvite { invite, news }))
    })
    .await
}

/// Why an invite can't be answered.
fn answered_already(invite: &Invite, at: Timestamp) -> SpaceRefused {
    match invite.state_at(at) {
        InviteState::Accepted => SpaceRefused::AlreadyMember,
        InviteState::Declined => SpaceRefused::Declined,
        // a pending one was found expired by the update
        InviteState::Expired | InviteState::Pending => SpaceRefused::Expired,
    }
}

/// Stores a notification for one side of an invite.
async fn tell(
    connection: &mut Connection,
    user: &UserId,
    news: InviteNews,
    queue_max: usize,
) -> Result<StoredNotification, StoreError> {
    let new = NewNotification {
        title: news.title().into(),
        message: news.text().into(),
        category: INVITES.into(),
        priority: Priority::default(),
        module: None,
        data: Some(invite_data::of_news(&news)?),
        expires_at: match news.happening {
            InviteHappening::Reminder => Some(news.invite.expires_at),
            InviteHappening::Received | InviteHappening::Accepted | InviteHappening::Declined => None,
        },
    };
    let stored = notifications::add(connection, std::slice::from_ref(user), &new, queue_max).await?;
    stored.into_iter().next().ok_or(StoreError::Missing)
}

/// Makes an invite of a notification that another program has stored. None if it can't be answered: the space or a user does
/// not exist, it was answered already, or another invite of the user is pending.
pub async fn adopt(connection: &mut Connection, news: &InviteNews) -> Result<Option<InviteNews>, StoreError> {
    let InviteNews { happening, invite } = news;
    let is_received = *happening == InviteHappening::Received && invite.state == InviteState::Pending;
    if !is_received
        || spaces::one(connection, invite.space.id).await?.is_none()
        || users::by_id(connection, &invite.from.id).await?.is_none()
    {
        return Ok(None);
    }
    let row = NewRow::from(invite);
    let inserted = diesel::insert_into(invites::table).values(row).on_conflict_do_nothing();
    if inserted.execute(connection).await? == 0 {
        return Ok(None);
    }
    // with the names of the space and of the users
    let adopted = by_id(connection, invite.id).await?;
    Ok(adopted.map(|invite| InviteNews { happening: *happening, invite }))
}

pub async fn list(
    connection: &mut Connection,
    user: &UserId,
    list: InviteList,
    page: PageOf,
) -> Result<Paged<Invite>, StoreError> {
    let at = now();
    let wanted = || {
        let query = invites::table.inner_join(rooms::table.on(rooms::id.eq(invites::space_id))).into_boxed();
        let pending = invites::state.eq(InviteState::Pending.name());
        match list {
            InviteList::Sent => query.filter(invites::from_user.eq(user.as_str())),
            InviteList::Received => query.filter(invites::to_user.eq(user.as_str())),
            InviteList::Pending => {
                query.filter(invites::to_user.eq(user.as_str())).filter(pending.and(invites::expires_at.gt(Moment(at))))
            }
            InviteList::PendingAndExpired => query
                .filter(invites::to_user.eq(user.as_str()))
                .filter(pending.or(invites::state.eq(InviteState::Expired.name()))),
        }
    };
    let total = wanted().count().get_result::<i64>(connection).await?;
    let rows = wanted()
        .order((invites::created_at.desc(), invites::id.desc()))
        .offset(page.offset)
        .limit(page.limit)
        .select((COLUMNS, rooms::name))
        .load::<(InviteRow, String)>(connection)
        .await?;
    let mut items = complete(connection, rows).await?;
    for invite in &mut items {
        invite.state = invite.state_at(at);
    }
    Ok(Paged { items, total })
}

pub async fn remind(
    connection: &mut Connection,
    at: Timestamp,
    queue_max: usize,
) -> Result<Vec<StoredNotification>, StoreError> {
    // nearly always nothing is due, and no transaction is needed
    let due = invites::table
        .filter(invites::state.eq(InviteState::Pending.name()))
        .filter(invites::remind_at.le(Moment(at)))
        .order(invites::remind_at)
        .limit(limits::REMINDERS_PER_COMMIT)
        .select(invites::id)
        .load::<Id>(connection)
        .await?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    write_transaction!(connection, async |connection| {
        // of several nodes that have found the same ones, the first takes them
        let ours = invites::table
            .filter(invites::id.eq_any(due))
            .filter(invites::state.eq(InviteState::Pending.name()))
            .filter(invites::remind_at.le(Moment(at)));
        let ours = diesel::update(ours)
            .set(invites::remind_at.eq(None::<Moment>))
            .returning((invites::id, invites::expires_at))
            .get_results::<(Id, Moment)>(connection)
            .await?;
        let mut told = Vec::with_capacity(ours.len());
        for (Id(id), _) in ours.into_iter().filter(|(_, expires_at)| expires_at.0 > at) {
            let Some(invite) = by_id(connection, NotificationId(id)).await? else { continue };
            let to = invite.to.id.clone();
            let news = InviteNews { happening: InviteHappening::Reminder, invite };
            told.push(tell(connection, &to, news, queue_max).await?);
        }
        Ok(told)
    })
    .await
}
