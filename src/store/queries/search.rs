//! Reads the full-text index, and what is needed to check its candidates.

use diesel::{dsl::sql, prelude::*, sql_types::Bool};
use diesel_async::RunQueryDsl;

use super::{
    Connection, full_text,
    log::MessageRow,
    rooms::DIRECT,
    schema::{group_members, messages, room_members, rooms, search_buckets, search_queue, search_state, space_members},
};
use crate::{
    core::{
        event::ContentType,
        search::{Audience, Bucket, Candidate, Expression, Read, number_of},
    },
    ids::{EventId, GroupId, RoomId, Seq, UserId},
    limits,
    store::{
        Message, Pending, SearchStart, StoreError,
        values::{Id, Moment},
    },
};

/// The row of `search_state`.
pub const STATE: i64 = 1;

pub async fn start(connection: &mut Connection, from: i64, before: i64) -> Result<SearchStart, StoreError> {
    // The queue first: a message that is indexed in between is found in both places, and never in none.
    let queued = search_queue::table
        .inner_join(messages::table.on(messages::id.eq(search_queue::message_id)))
        .filter(messages::deleted_at.is_null())
        .filter(messages::content_type.is_null().or(messages::content_type.ne(ContentType::Encrypted.name())))
        .order(search_queue::position.desc())
        .limit(limits::SEARCH_PENDING_MAX + 1)
        .select((messages::id, messages::room_id, messages::seq, messages::content, messages::created_at))
        .load::<(Id, Id, i64, String, Moment)>(connection)
        .await?;
    let are_all = queued.len() <= usize::try_from(limits::SEARCH_PENDING_MAX).unwrap_or(usize::MAX);
    let pending = queued.into_iter().map(|(Id(message), Id(room), seq, content, at)| Pending {
        number: number_of(RoomId(room), at.0, Seq(seq)),
        message: EventId(message),
        room: RoomId(room),
        content,
    });
    let pending = pending.filter(|one| (from..before).contains(&one.number)).collect();
    let buckets = search_buckets::table
        .filter(search_buckets::lowest.lt(before))
        .filter(search_buckets::highest.ge(from))
        .select((search_buckets::id, search_buckets::lowest, search_buckets::highest))
        .load::<(i64, i64, i64)>(connection)
        .await?;
    let buckets = buckets.into_iter().map(|(id, lowest, highest)| Bucket { id, lowest, highest }).collect();
    let old_before = search_state::table.find(STATE).select(search_state::old_before);
    let old_before = old_before.get_result::<Option<Id>>(connection).await?;
    Ok(SearchStart { pending, buckets, is_complete: are_all && old_before.is_none() })
}

pub async fn candidates(
    connection: &mut Connection,
    expression: &Expression,
    from: i64,
    wanted: &Read,
) -> Result<Vec<Candidate>, StoreError> {
    full_text::candidates(connection, expression, from, wanted).await
}

pub async fn messages_with_text(
    connection: &mut Connection,
    ids: &[EventId],
) -> Result<Vec<(RoomId, Message)>, StoreError> {
    let rows = messages::table
        .filter(messages::id.eq_any(ids.iter().map(|id| Id(id.0))))
        .filter(messages::deleted_at.is_null())
        .filter(messages::content_type.is_null().or(messages::content_type.ne(ContentType::Encrypted.name())))
        .select((messages::room_id, MessageRow::as_select()))
        .load::<(Id, MessageRow)>(connection)
        .await?;
    rows.into_iter().map(|(Id(room), row)| Ok((RoomId(room), Message::try_from(row)?))).collect()
}

pub async fn audiences(connection: &mut Connection, user: &UserId) -> Result<Option<Vec<Audience>>, StoreError> {
    let most = limits::SEARCH_AUDIENCES_MAX;
    let one_more = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let groups = group_members::table
        .filter(group_members::user_id.eq(user.as_str()))
        .limit(one_more)
        .select(group_members::group_id)
        .load::<Id>(connection)
        .await?;
    // The condition is text, so that the planner knows that the partial index has all of them.
    let public = rooms::table
        .filter(sql::<Bool>("rooms.visibility = 'open'"))
        .limit(one_more)
        .select(rooms::id)
        .load::<Id>(connection)
        .await?;
    if groups.len() + public.len() >= most {
        return Ok(None);
    }
    let owned = rooms::table
        .filter(rooms::owner_id.eq(user.as_str()))
        .limit(one_more)
        .select(rooms::id)
        .load::<Id>(connection)
        .await?;
    // Direct conversations have members, too, and one audience for all of them.
    let joined = room_members::table
        .inner_join(rooms::table.on(rooms::id.eq(room_members::room_id)))
        .filter(room_members::user_id.eq(user.as_str()))
        .filter(rooms::kind.ne(DIRECT))
        .limit(one_more)
        .select(rooms::id)
        .load::<Id>(connection)
        .await?;
    let spaces = space_members::table
        .filter(space_members::user_id.eq(user.as_str()))
        .limit(one_more)
        .select(space_members::room_id)
        .load::<Id>(connection)
        .await?;
    let groups = groups.into_iter().map(|Id(group)| Audience::Group(GroupId(group)));
    let entered =
        public.into_iter().chain(owned).chain(joined).chain(spaces).map(|Id(room)| Audience::Room(RoomId(room)));
    let mut all: Vec<Audience> = groups.chain(entered).chain([Audience::Side(user.clone())]).collect();
    all.sort_unstable();
    all.dedup();
    Ok((all.len() <= most).then_some(all))
}
