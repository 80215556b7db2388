//! Refresh tokens: kept until used, expired or voided. A family that ended is forgotten as a whole, so that there is
//! no row that counts no more.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    schema::{refresh_tokens, users},
};
use crate::{
    ids::{Timestamp, TokenId, UserId},
    store::{
        RefreshRecord, RefreshUse, StoreError,
        values::{Id, Moment, now},
    },
};

pub async fn void(connection: &mut Connection, id: &UserId, before: Timestamp) -> Result<bool, StoreError> {
    write_transaction!(connection, async |connection| {
        let user = users::table.find(id.as_str());
        diesel::update(user.filter(users::tokens_not_before.lt(Moment(before))))
            .set(users::tokens_not_before.eq(Moment(before)))
            .execute(connection)
            .await?;
        diesel::delete(refresh_tokens::table.filter(refresh_tokens::user_id.eq(id.as_str())))
            .execute(connection)
            .await?;
        let found = user.select(users::number).get_result::<i64>(connection).await.optional()?;
        Ok(found.is_some())
    })
    .await
}

pub async fn save(connection: &mut Connection, record: &RefreshRecord) -> Result<(), StoreError> {
    write_transaction!(connection, async |connection| {
        let expired = refresh_tokens::table
            .filter(refresh_tokens::user_id.eq(record.user.as_str()))
            .filter(refresh_tokens::expires_at.le(Moment(now())));
        diesel::delete(expired).execute(connection).await?;
        insert(connection, record).await
    })
    .await
}

async fn insert(connection: &mut Connection, record: &RefreshRecord) -> Result<(), StoreError> {
    diesel::insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::id.eq(Id(record.id.0)),
            refresh_tokens::family.eq(Id(record.family)),
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
        // Of two that show it at once, one waits here for the other and then finds it used.
        let family = diesel::update(good)
            .set(refresh_tokens::used_at.eq(Some(Moment(now()))))
            .returning(refresh_tokens::family)
            .get_result::<Id>(connection)
            .await
            .optional()?;
        if let Some(Id(family)) = family {
            insert(connection, &RefreshRecord { family, ..successor.clone() }).await?;
            return Ok(RefreshUse::Rotated);
        }
        let used = token
            .filter(refresh_tokens::used_at.is_not_null())
            .select(refresh_tokens::family)
            .get_result::<Id>(connection)
            .await
            .optional()?;
        let Some(family) = used else { return Ok(RefreshUse::Unknown) };
        forget_family(connection, family).await?;
        Ok(RefreshUse::Reused)
    })
    .await
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
