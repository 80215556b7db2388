//! What another issuer's token says of its user: names that follow none of our rules until they are made fit.

use crate::{ids::Timestamp, limits, names};

/// What another issuer's token says of its user, and when it said so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SaidProfile {
    /// What people see.
    pub display_name: Option<String>,
    /// The address.
    pub email: Option<String>,
    /// The moment of the token's issue, by the issuer's clock.
    pub at: Timestamp,
}

impl SaidProfile {
    /// Display name and address, made fit; none where nothing is left.
    pub(super) fn fit(&self) -> (Option<String>, Option<String>) {
        let name = self.display_name.as_deref().and_then(|name| names::cleaned(name, limits::DISPLAY_NAME_CHARS_MAX));
        let is_fit = |email: &&str| {
            email.chars().count() <= limits::EMAIL_CHARS_MAX
                && !email.is_empty()
                && !email.chars().any(names::is_hidden)
        };
        (name, self.email.as_deref().filter(is_fit).map(str::to_owned))
    }
}
