//! Rooms that are known by their names.

use super::{ConfigError, variables::Variables};

/// What open rooms are like here.
#[derive(Clone, Debug)]
pub struct Rooms {
    /// `ROOMS_AUTO_CREATE`: whether joining a room that does not exist makes it.
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
