//! Settings of spaces and invites.

use super::{ConfigError, variables::Variables};
use crate::limits;

/// Settings of spaces and invites.
#[derive(Clone, Debug)]
pub struct Spaces {
    /// `INVITE_EXPIRY_HOURS`: after how many hours an invite expires whose sender names no other time.
    pub invite_expiry_hours: u32,
    /// `INVITES_PER_MINUTE`: how many users somebody may invite in a minute; 0: no limit.
    pub invites_per_minute: u32,
}

impl Spaces {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Spaces, ConfigError> {
        let hours_max = limits::INVITE_HOURS_MAX as u32;
        Ok(Spaces {
            invite_expiry_hours: variables.number(
                "INVITE_EXPIRY_HOURS",
                1..=hours_max,
                24,
                "a whole number of hours, such as 24",
            )?,
            invites_per_minute: variables.number(
                "INVITES_PER_MINUTE",
                0..=1_000_000,
                30,
                "a number such as 30, or 0 for no limit",
            )?,
        })
    }

    pub(super) fn describe(&self, lines: &mut Vec<(&'static str, String)>) {
        lines.push(("INVITE_EXPIRY_HOURS", self.invite_expiry_hours.to_string()));
        lines.push(("INVITES_PER_MINUTE", self.invites_per_minute.to_string()));
    }

    /// Milliseconds after which an invite expires whose sender names no other time.
    pub fn invite_lifetime_ms(&self) -> i64 {
        i64::from(self.invite_expiry_hours) * 3_600_000
    }
}
