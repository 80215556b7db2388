//! The profile that another issuer's token claims. Names from it must be cleaned before use, because they may violate
//! our rules.

use crate::{ids::Timestamp, limits, names};

/// The profile that another issuer's token claims, and when it was issued.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimedProfile {
    /// The display name.
    pub display_name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The issue time of the token, by the issuer's clock.
    pub at: Timestamp,
}

impl ClaimedProfile {
    /// The cleaned display name and e-mail address; None if nothing remains.
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
