//! Changes of a user's directory of devices, of which the user's sockets are informed. Keys are never part of them: they
//! are read over REST. Nodes exchange the serde form: fields may be added but must never be renamed.

use serde::{Deserialize, Serialize};

use crate::ids::{DeviceId, UserId};

/// What happened to a device of a user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeviceNotice {
    /// The user.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// What happened.
    pub change: DeviceChange,
    /// The prekeys of the device that were not given out yet.
    pub prekeys_left: u32,
}

/// What can happen to a device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChange {
    /// It was added.
    Added,
    /// Its name, its keys or its prekeys were changed by itself.
    Updated,
    /// It was removed.
    Removed,
    /// It has few prekeys left and should add some.
    PrekeysLow,
}
