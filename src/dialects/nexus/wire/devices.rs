//! The user's own devices that encrypt messages end to end. Their keys are read over REST.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    core::device::{DeviceChange, DeviceNotice},
    ids::UserId,
};

#[derive(Serialize, JsonSchema)]
pub struct DeviceUpdate<'a> {
    pub user_id: &'a UserId,
    #[schemars(example = &"laptop-1")]
    pub device_id: &'a str,
    pub change: Change,
    /// The prekeys of the device that were not given out yet.
    pub one_time_prekeys_left: u32,
}

/// What happened: with `prekeys_low` the device should publish further prekeys.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Added,
    Updated,
    Removed,
    PrekeysLow,
}

impl From<DeviceChange> for Change {
    fn from(change: DeviceChange) -> Change {
        match change {
            DeviceChange::Added => Change::Added,
            DeviceChange::Updated => Change::Updated,
            DeviceChange::Removed => Change::Removed,
            DeviceChange::PrekeysLow => Change::PrekeysLow,
        }
    }
}

impl<'a> From<&'a DeviceNotice> for DeviceUpdate<'a> {
    fn from(notice: &'a DeviceNotice) -> DeviceUpdate<'a> {
        DeviceUpdate {
            user_id: &notice.user,
            device_id: notice.device.as_str(),
            change: notice.change.into(),
            one_time_prekeys_left: notice.prekeys_left,
        }
    }
}
