//! Refresh tokens: stored until used, expired or revoked. An ended family is deleted as a whole, so that no invalid row
//! remains.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::{
    Connection,
    schema::{refresh_tokens, users},
};
use crate::{
    ids::{Timestamp, TokenId, UserId},
    limits,
    store::{
        RefreshRecord, RefreshUse, StoreError,
        values::{Id, Moment, now},
    },
};

pub async fn void(
    connection: &mut Connection,
    id: &UserId,
    before: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    write_transaction!(connection, async |connection| {
        let user = users::table.find(id.as_str());
        let held = user.select(users::tokens_not_before).get_result::<Moment>(connection).await.optional()?;
        let Some(Moment(held)) = held else { return Ok(None) };
        let newest = refresh_tokens::table
            .filter(refresh_tokens::user_id.eq(id.as_str()))
            .order(refresh_tokens::id.desc())
            .select(refresh_tokens::id)
            .first::<Id>(connection)
            .await
            .optional()?;
        let before = revocation_moment(before, held, newest.map(|Id(newest)| newest));
        diesel::update(user.filter(users::tokens_not_before.lt(Moment(before))))
            .set(users::tokens_not_before.eq(Moment(before)))
            .execute(connection)
            .await?;
        diesel::delete(refresh_tokens::table.filter(refresh_tokens::user_id.eq(id.as_str())))
            .execute(connection)
            .await?;
        Ok(Some(before))
    })
    .await
}

/// The time before which all tokens of a user are void. The node that revokes and the nodes that issued tokens have
/// their own clocks, so the time is later than that of the newest token, whatever this node's clock shows. A token
/// issued after the last revocation may have exactly its time (`held`); the new time is then later than that, too.
fn revocation_moment(now: Timestamp, held: Timestamp, newest: Option<Uuid>) -> Timestamp {
    let Some(newest) = newest else { return now.max(held) };
    // A token's id begins with the milliseconds of its issuer's clock (UUIDv7).
    let issued_ms = (newest.as_u128() >> 80) as i64;
    now.max(held.plus_ms(1)).max(Timestamp { unix_ms: issued_ms.saturating_add(1) })
}

pub async fn save(connection: &mut Connection, record: &RefreshRecord) -> Result<(), StoreError> {
    write_transaction!(connection, async |connection| {
        let expired = refresh_tokens::table
            .filter(refresh_tokens::user_id.eq(record.user.as_str()))
            .filter(refresh_tokens::expires_at.le(Moment(now())));
        diesel::delete(expired).execute(connection).await?;
        insert(connection, record, None).await
    })
    .await
}

async fn insert(
    connection: &mut Connection,
    record: &RefreshRecord,
    parent: Option<TokenId>,
) -> Result<(), StoreError> {
    diesel::insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::id.eq(Id(record.id.0)),
            refresh_tokens::family.eq(Id(record.family)),
            refresh_tokens::parent.eq(parent.map(|parent| Id(parent.0))),
            refresh_tokens::user_id.eq(record.user.as_str()),
            refresh_tokens::expires_at.eq(Moment(record.expires_at)),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn rotate(
    connection: &mut Connection,
    id: TokenId,
    successor: &RefreshRecord,
) -> Result<RefreshUse, StoreError> {
    write_transaction!(connection, async |connection| {
        let token = refresh_tokens::table.find(Id(id.0));
        let good = token
            .filter(refresh_tokens::used_at.is_null())
            .filter(refresh_tokens::expires_at.gt(Moment(now())))
            .filter(refresh_tokens::user_id.eq(successor.user.as_str()));
        // Of two concurrent uses, one waits here for the other and then finds the token used.
        let family = diesel::update(good)
            .set(refresh_tokens::used_at.eq(Some(Moment(now()))))
            .returning(refresh_tokens::family)
            .get_result::<Id>(connection)
            .await
            .optional()?;
        if let Some(Id(family)) = family {
            insert(connection, &RefreshRecord { family, ..successor.clone() }, Some(id)).await?;
            return Ok(RefreshUse::Rotated);
        }
        let used = token
            .filter(refresh_tokens::user_id.eq(successor.user.as_str()))
            .filter(refresh_tokens::used_at.is_not_null())
            .select((refresh_tokens::family, refresh_tokens::used_at))
            .get_result::<(Id, Option<Moment>)>(connection)
            .await
            .optional()?;
        let Some((family, Some(Moment(used_at)))) = used else { return Ok(RefreshUse::Unknown) };
        if is_repetition(connection, id, used_at).await? {
            insert(connection, &RefreshRecord { family: family.0, ..successor.clone() }, Some(id)).await?;
            return Ok(RefreshUse::Rotated);
        }
        forget_family(connection, family).await?;
        Ok(RefreshUse::Reused)
    })
    .await
}

/// Whether a used token is used again by its owner: soon after its first use, and before any successor was used. Two
/// tabs that refresh at the same time do this, and a client that did not receive the response.
async fn is_repetition(connection: &mut Connection, id: TokenId, used_at: Timestamp) -> Result<bool, StoreError> {
    // Negative if another node's clock is ahead.
    let age_ms = now().unix_ms.saturating_sub(used_at.unix_ms);
    if age_ms > limits::REFRESH_REPEAT_WITHIN.as_millis() as i64 {
        return Ok(false);
    }
    let successors = refresh_tokens::table
        .filter(refresh_tokens::parent.eq(Id(id.0)))
        .select(refresh_tokens::used_at)
        .load::<Option<Moment>>(connection)
        .await?;
    Ok(successors.len() <= limits::REFRESH_REPEATS_MAX && successors.iter().all(Option::is_none))
}

pub async fn end_family(connection: &mut Connection, id: TokenId) -> Result<(), StoreError> {
    write_transaction!(connection, async |connection| {
        let family = refresh_tokens::table
            .find(Id(id.0))
            .select(refresh_tokens::family)
            .get_result::<Id>(connection)
            .await
            .optional()?;
        match family {
            Some(family) => forget_family(connection, family).await,
            None => Ok(()),
        }
    })
    .await
}

async fn forget_family(connection: &mut Connection, family: Id) -> Result<(), StoreError> {
    diesel::delete(refresh_tokens::table.filter(refresh_tokens::family.eq(family))).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(unix_ms: i64) -> Timestamp {
        Timestamp { unix_ms }
    }

    #[test]
    fn a_revocation_is_later_than_every_token_whatever_the_clocks_say() {
        let issued = |unix_ms: u64| Some(uuid::Builder::from_unix_timestamp_millis(unix_ms, &[7; 10]).into_uuid());
        assert_eq!(revocation_moment(at(1_000), at(0), None), at(1_000));
        assert_eq!(revocation_moment(at(1_000), at(2_000), None), at(2_000), "nothing was issued since");
        assert_eq!(revocation_moment(at(1_000), at(0), issued(900)), at(1_000));
        assert_eq!(revocation_moment(at(1_000), at(0), issued(21_000)), at(21_001), "the issuer's clock is ahead");
        assert_eq!(
            revocation_moment(at(1_000), at(2_000), issued(990)),
            at(2_001),
            "issued with the revocation's moment"
        );
    }
}
