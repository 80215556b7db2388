//! Settings of open rooms, which users join by name.

use super::{ConfigError, variables::Variables};

/// Settings of open rooms.
#[derive(Clone, Debug)]
pub struct Rooms {
    /// `ROOMS_AUTO_CREATE`: whether joining a room that does not exist creates it.
    pub auto_create: bool,
}

impl Rooms {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Rooms, ConfigError> {
        Ok(Rooms { auto_create: variables.boolean("ROOMS_AUTO_CREATE", true)? })
    }

    pub(super) fn describe(&self, lines: &mut Vec<(&'static str, String)>) {
        lines.push(("ROOMS_AUTO_CREATE", self.auto_create.to_string()));
    }
}
