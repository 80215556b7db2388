//! Users who are blocked for exceeding the rate limit.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{Connection, schema::users, user_id};
use crate::{
    ids::{Timestamp, UserId},
    store::{
        BlockedUser, StoreError,
        values::{Moment, now},
    },
};

/// Never shortens a block.
pub async fn block(connection: &mut Connection, id: &UserId, until: Timestamp) -> Result<bool, StoreError> {
    let user = users::table.find(id.as_str()).filter(users::blocked_until.lt(Moment(until)));
    let longer = diesel::update(user).set(users::blocked_until.eq(Moment(until))).execute(connection).await?;
    Ok(longer > 0)
}

/// Stores the time of the lifting instead, so that a node that missed it can distinguish a lifted block from one that
/// was never stored.
pub async fn lift(connection: &mut Connection, id: &UserId, at: Timestamp) -> Result<bool, StoreError> {
    let blocked = users::table.find(id.as_str()).filter(users::blocked_until.gt(Moment(at)));
    let lifted = diesel::update(blocked).set(users::blocked_until.eq(Moment(at))).execute(connection).await?;
    Ok(lifted > 0)
}

pub async fn blocked(
    connection: &mut Connection,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<BlockedUser>, StoreError> {
    let rows = users::table
        .filter(users::blocked_until.gt(Moment(now())))
        .filter(users::id.gt(after.as_ref().map_or("", UserId::as_str)))
        .order(users::id)
        .limit(limit)
        .select((users::id, users::username, users::blocked_until))
        .load::<(String, String, Moment)>(connection)
        .await?;
    let blocked = |(id, username, until): (String, String, Moment)| {
        Ok(BlockedUser { id: user_id(id)?, username, until: until.0 })
    };
    rows.into_iter().map(blocked).collect()
}
