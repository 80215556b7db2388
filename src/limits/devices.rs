//! Bounds of the directory of devices that encrypt messages end to end.

use std::time::Duration;

/// Characters of a device's id.
pub const DEVICE_ID_CHARS_MAX: usize = 64;
/// Characters of a device's name.
pub const DEVICE_NAME_CHARS_MAX: usize = 128;
/// Devices of one user.
pub const DEVICES_PER_USER_MAX: usize = 20;
/// Bytes of a device's public keys, as JSON.
pub const DEVICE_KEYS_BYTES_MAX: usize = 8 * 1024;
/// Prekeys of a device that were not given out yet.
pub const PREKEYS_PER_DEVICE_MAX: usize = 200;
/// Characters of a prekey's id.
pub const PREKEY_ID_CHARS_MAX: usize = 64;
/// Characters of a prekey.
pub const PREKEY_CHARS_MAX: usize = 1024;
/// If a device has at most this many prekeys left when one is given out, its user is informed.
pub const PREKEYS_LOW: i64 = 10;
/// Prekeys of one device that are given to the same user within [`PREKEYS_KEPT`], so that nobody can use them up.
pub const PREKEYS_PER_CLAIMANT_MAX: i64 = 10;
/// How long prekeys that were given out are remembered.
pub const PREKEYS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
