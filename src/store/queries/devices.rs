//! Devices and their prekeys. A prekey is given out by an update that only succeeds while it is free, so that two claimants
//! never get the same one, on any node.

use std::collections::{HashMap, HashSet};

use diesel::{dsl::count_star, prelude::*};
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    schema::{device_prekeys, devices},
};
use crate::{
    core::command::RawJson,
    ids::{DeviceId, Timestamp, UserId},
    limits,
    store::{
        ClaimedPrekey, Device, NewDevice, Prekey, PutDevice, StoreError,
        values::{Moment, now, storable},
    },
};

/// Free prekeys that are read for one claim. Other claimants may take some of them meanwhile.
const CANDIDATES: i64 = 16;
/// Attempts to claim one of the candidates.
const ATTEMPTS: usize = 4;

type Row = (String, Option<String>, String, Moment, Moment);

const COLUMNS: (devices::id, devices::name, devices::keys, devices::created_at, devices::updated_at) =
    (devices::id, devices::name, devices::keys, devices::created_at, devices::updated_at);

fn device((id, name, keys, created_at, updated_at): Row, prekeys_left: i64) -> Result<Device, StoreError> {
    let keys = RawJson::from_parsed(&keys);
    Ok(Device { id: device_id(id)?, name, keys, created_at: created_at.0, updated_at: updated_at.0, prekeys_left })
}

fn device_id(text: String) -> Result<DeviceId, StoreError> {
    DeviceId::stored(text).map_err(|_| StoreError::Fault("the database holds an invalid device id".into()))
}

/// Claims before this moment are forgotten.
fn forgotten(at: Timestamp) -> Moment {
    let kept_ms = i64::try_from(limits::PREKEYS_KEPT.as_millis()).unwrap_or(i64::MAX);
    Moment(at.plus_ms(-kept_ms))
}

/// The number of free prekeys of each device of a user.
async fn free_prekeys(connection: &mut Connection, user: &UserId) -> Result<HashMap<String, i64>, StoreError> {
    let counts = device_prekeys::table
        .filter(device_prekeys::user_id.eq(user.as_str()))
        .filter(device_prekeys::claimed_by.is_null())
        .group_by(device_prekeys::device_id)
        .select((device_prekeys::device_id, count_star()))
        .load::<(String, i64)>(connection)
        .await?;
    Ok(counts.into_iter().collect())
}

pub async fn put(connection: &mut Connection, user: &UserId, new: &NewDevice) -> Result<PutDevice, StoreError> {
    write_transaction!(connection, async |connection| {
        let at = now();
        let own = device_prekeys::table
            .filter(device_prekeys::user_id.eq(user.as_str()))
            .filter(device_prekeys::device_id.eq(new.id.as_str()));
        diesel::delete(own.filter(device_prekeys::claimed_at.lt(Some(forgotten(at))))).execute(connection).await?;
        let stored = devices::table.find((user.as_str(), new.id.as_str()));
        let known = stored.select(devices::keys).get_result::<String>(connection).await.optional()?;
        if known.is_none() {
            let mine = devices::table.filter(devices::user_id.eq(user.as_str()));
            let count = mine.count().get_result::<i64>(connection).await?;
            if count >= i64::try_from(limits::DEVICES_PER_USER_MAX).unwrap_or(i64::MAX) {
                return Ok(PutDevice::TooManyDevices);
            }
        }
        let are_replaced = known.as_deref().is_some_and(|keys| keys != new.keys.as_str());
        let prekeys = if are_replaced {
            Vec::new()
        } else {
            own.select((device_prekeys::id, device_prekeys::claimed_by.is_null()))
                .load::<(String, bool)>(connection)
                .await?
        };
        let ids: HashSet<&str> = prekeys.iter().map(|(id, _)| id.as_str()).collect();
        let added: Vec<&Prekey> = new.prekeys.iter().filter(|prekey| !ids.contains(prekey.id.as_str())).collect();
        let free = prekeys.iter().filter(|(_, is_free)| *is_free).count();
        if free + added.len() > limits::PREKEYS_PER_DEVICE_MAX {
            return Ok(PutDevice::TooManyPrekeys);
        }
        if are_replaced {
            diesel::delete(own).execute(connection).await?;
        }
        upsert(connection, user, new, at).await?;
        insert_prekeys(connection, user, new, &added).await?;
        let row = stored.select(COLUMNS).get_result::<Row>(connection).await?;
        let stored = device(row, i64::try_from(free + added.len()).unwrap_or(i64::MAX))?;
        Ok(if known.is_some() { PutDevice::Updated(stored) } else { PutDevice::Added(stored) })
    })
    .await
}

async fn upsert(connection: &mut Connection, user: &UserId, new: &NewDevice, at: Timestamp) -> Result<(), StoreError> {
    let name = new.name.as_deref().map(storable);
    let described =
        (devices::name.eq(name.as_deref()), devices::keys.eq(new.keys.as_str()), devices::updated_at.eq(Moment(at)));
    diesel::insert_into(devices::table)
        .values((
            devices::user_id.eq(user.as_str()),
            devices::id.eq(new.id.as_str()),
            devices::created_at.eq(Moment(at)),
            described,
        ))
        .on_conflict((devices::user_id, devices::id))
        .do_update()
        .set(described)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_prekeys(
    connection: &mut Connection,
    user: &UserId,
    new: &NewDevice,
    added: &[&Prekey],
) -> Result<(), StoreError> {
    if added.is_empty() {
        return Ok(());
    }
    let row = |prekey: &&Prekey| {
        (
            device_prekeys::user_id.eq(user.to_string()),
            device_prekeys::device_id.eq(new.id.to_string()),
            device_prekeys::id.eq(prekey.id.clone()),
            device_prekeys::prekey.eq(prekey.key.clone()),
        )
    };
    let rows: Vec<_> = added.iter().map(row).collect();
    insert_rows!(connection, device_prekeys::table, rows);
    Ok(())
}

pub async fn one(connection: &mut Connection, user: &UserId, id: &DeviceId) -> Result<Option<Device>, StoreError> {
    let found = devices::table.find((user.as_str(), id.as_str()));
    let Some(row) = found.select(COLUMNS).get_result::<Row>(connection).await.optional()? else { return Ok(None) };
    let free = free_prekeys(connection, user).await?;
    device(row, free.get(id.as_str()).copied().unwrap_or_default()).map(Some)
}

pub async fn all(connection: &mut Connection, user: &UserId) -> Result<Vec<Device>, StoreError> {
    let rows = devices::table
        .filter(devices::user_id.eq(user.as_str()))
        .order(devices::id)
        .select(COLUMNS)
        .load::<Row>(connection)
        .await?;
    let free = free_prekeys(connection, user).await?;
    let left = |row: &Row| free.get(&row.0).copied().unwrap_or_default();
    rows.into_iter()
        .map(|row| {
            let left = left(&row);
            device(row, left)
        })
        .collect()
}

pub async fn remove(connection: &mut Connection, user: &UserId, id: &DeviceId) -> Result<bool, StoreError> {
    let device = devices::table.find((user.as_str(), id.as_str()));
    Ok(diesel::delete(device).execute(connection).await? > 0)
}

pub async fn claim(
    connection: &mut Connection,
    user: &UserId,
    wanted: Option<&[DeviceId]>,
    claimant: &UserId,
) -> Result<Vec<ClaimedPrekey>, StoreError> {
    let at = now();
    let old = device_prekeys::table
        .filter(device_prekeys::user_id.eq(user.as_str()))
        .filter(device_prekeys::claimed_at.lt(Some(forgotten(at))));
    diesel::delete(old).execute(connection).await?;
    let ids = devices::table
        .filter(devices::user_id.eq(user.as_str()))
        .order(devices::id)
        .select(devices::id)
        .load::<String>(connection)
        .await?;
    let is_wanted = |id: &String| wanted.is_none_or(|wanted| wanted.iter().any(|one| one.as_str() == id));
    let got = device_prekeys::table
        .filter(device_prekeys::user_id.eq(user.as_str()))
        .filter(device_prekeys::claimed_by.eq(claimant.as_str()))
        .group_by(device_prekeys::device_id)
        .select((device_prekeys::device_id, count_star()))
        .load::<(String, i64)>(connection)
        .await?;
    let got: HashMap<String, i64> = got.into_iter().collect();
    let mut claimed = Vec::new();
    for id in ids.into_iter().filter(is_wanted) {
        let has_enough = got.get(&id).is_some_and(|count| *count >= limits::PREKEYS_PER_CLAIMANT_MAX);
        let prekey = if has_enough { None } else { claim_one(connection, user, &id, claimant, at).await? };
        claimed.push((device_id(id)?, prekey));
    }
    let free = free_prekeys(connection, user).await?;
    let with_rest = |(device, prekey): (DeviceId, Option<Prekey>)| {
        let left = free.get(device.as_str()).copied().unwrap_or_default();
        ClaimedPrekey { device, prekey, left }
    };
    Ok(claimed.into_iter().map(with_rest).collect())
}

/// Every update that finds its row taken means that another claimant has got it, so the attempts end.
async fn claim_one(
    connection: &mut Connection,
    user: &UserId,
    device: &str,
    claimant: &UserId,
    at: Timestamp,
) -> Result<Option<Prekey>, StoreError> {
    for _ in 0..ATTEMPTS {
        let candidates = device_prekeys::table
            .filter(device_prekeys::user_id.eq(user.as_str()))
            .filter(device_prekeys::device_id.eq(device))
            .filter(device_prekeys::claimed_by.is_null())
            .order(device_prekeys::id)
            .limit(CANDIDATES)
            .select(device_prekeys::id)
            .load::<String>(connection)
            .await?;
        if candidates.is_empty() {
            return Ok(None);
        }
        for id in candidates {
            let free = device_prekeys::table
                .find((user.as_str(), device, id.as_str()))
                .filter(device_prekeys::claimed_by.is_null());
            let claim = diesel::update(free)
                .set((device_prekeys::claimed_by.eq(claimant.as_str()), device_prekeys::claimed_at.eq(Moment(at))));
            let key = claim.returning(device_prekeys::prekey).get_result::<String>(connection).await.optional()?;
            if let Some(key) = key {
                return Ok(Some(Prekey { id, key }));
            }
        }
    }
    Ok(None)
}
