//! The directory of devices that encrypt messages end to end: their public keys, and prekeys that are given out once. It
//! must never interpret a key.

use super::{Store, StoreError, run};
use crate::{
    core::command::RawJson,
    ids::{DeviceId, Timestamp, UserId},
};

/// A device of a user.
#[derive(Clone, PartialEq, Debug)]
pub struct Device {
    /// Its id, unique among those of the user.
    pub id: DeviceId,
    /// The name that its user sees.
    pub name: Option<String>,
    /// Its public keys, a JSON object.
    pub keys: RawJson,
    /// When it was added.
    pub created_at: Timestamp,
    /// When its name or keys were changed last.
    pub updated_at: Timestamp,
    /// The prekeys that were not given out yet.
    pub prekeys_left: i64,
}

/// A device as it describes itself.
#[derive(Clone, PartialEq, Debug)]
pub struct NewDevice {
    /// Its id.
    pub id: DeviceId,
    /// The name that its user sees.
    pub name: Option<String>,
    /// Its public keys, a JSON object.
    pub keys: RawJson,
    /// Further prekeys. Those whose id is known are ignored.
    pub prekeys: Vec<Prekey>,
}

/// A public key that is given out once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prekey {
    /// Its id, unique among those of the device.
    pub id: String,
    /// The key, as the device wrote it.
    pub key: String,
}

/// What came of storing a device.
#[derive(Clone, PartialEq, Debug)]
pub enum PutDevice {
    /// It is new.
    Added(Device),
    /// It was known.
    Updated(Device),
    /// The user has the maximum number of devices.
    TooManyDevices,
    /// The device would have too many prekeys.
    TooManyPrekeys,
}

/// What was given out of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimedPrekey {
    /// The device.
    pub device: DeviceId,
    /// Its prekey. `None` if it has none left, or the claimant has got the maximum number of them.
    pub prekey: Option<Prekey>,
    /// The prekeys that were not given out yet.
    pub left: i64,
}

impl Store {
    /// Adds a device, or changes its name and keys, and adds prekeys to it. Other keys invalidate the earlier prekeys.
    pub async fn put_device(&self, user: &UserId, device: &NewDevice) -> Result<PutDevice, StoreError> {
        let (user, device) = (user.clone(), device.clone());
        run!(self, write, devices::put(&user, &device))
    }

    /// A device of a user.
    pub async fn device(&self, user: &UserId, device: &DeviceId) -> Result<Option<Device>, StoreError> {
        let (user, device) = (user.clone(), device.clone());
        run!(self, read, devices::one(&user, &device))
    }

    /// The devices of a user, by id.
    pub async fn devices(&self, user: &UserId) -> Result<Vec<Device>, StoreError> {
        let user = user.clone();
        run!(self, read, devices::all(&user))
    }

    /// Removes a device with its prekeys. Returns false if there is no such device.
    pub async fn remove_device(&self, user: &UserId, device: &DeviceId) -> Result<bool, StoreError> {
        let (user, device) = (user.clone(), device.clone());
        run!(self, write, devices::remove(&user, &device))
    }

    /// Gives a claimant one prekey of each of these devices of a user, or of all; no prekey is ever given out twice. Devices
    /// that do not exist are left out.
    pub async fn claim_prekeys(
        &self,
        user: &UserId,
        devices: Option<&[DeviceId]>,
        claimant: &UserId,
    ) -> Result<Vec<ClaimedPrekey>, StoreError> {
        let (user, devices, claimant) = (user.clone(), devices.map(<[DeviceId]>::to_vec), claimant.clone());
        run!(self, write, devices::claim(&user, devices.as_deref(), &claimant))
    }
}
