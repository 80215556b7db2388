//! Users: the stored profile, and the part of it that other users see.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use crate::ids::{Timestamp, UserId};

/// A user's role on the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// An ordinary user.
    User,
    /// An administrator of the server.
    Admin,
}

impl Role {
    /// The name in tokens, in REST and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Admin => "admin",
        }
    }

    /// The role with this name.
    pub fn from_name(name: &str) -> Option<Role> {
        match name {
            "user" => Some(Role::User),
            "admin" => Some(Role::Admin),
            _ => None,
        }
    }
}

/// A user as stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// The opaque id.
    pub id: UserId,
    /// The stable integer that the canvas dialect uses.
    pub number: i64,
    /// Unique, 3–64 characters.
    pub username: Arc<str>,
    /// Unique if given.
    pub email: Option<String>,
    /// The name shown to others.
    pub display_name: String,
    /// The role.
    pub role: Role,
    /// When first seen.
    pub created_at: Timestamp,
    /// Tokens issued before this second are revoked.
    pub tokens_not_before: Timestamp,
    /// When the user's external issuer last supplied the stored values; zero for users who registered here.
    pub said_at: Timestamp,
    /// Blocked until then, for ignoring rate limits.
    pub blocked_until: Timestamp,
}

/// The part of a profile that events carry. Cheap to clone: all but the id is shared. The serde form is one flat map. It is
/// also the form in the log, so fields may be added but not renamed.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(from = "AuthorForm")]
pub struct Author {
    /// The user's id.
    pub id: UserId,
    card: Arc<Card>,
}

/// What others see of a user.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Card {
    username: Arc<str>,
    display_name: Option<Arc<str>>,
    number: Option<i64>,
    email: Option<Arc<str>>,
}

/// An author as it is deserialized. Rows of earlier releases have neither a display name nor a number.
#[derive(Deserialize)]
struct AuthorForm {
    id: UserId,
    username: Arc<str>,
    #[serde(default)]
    display_name: Option<Arc<str>>,
    #[serde(default)]
    number: Option<i64>,
    #[serde(default)]
    email: Option<Arc<str>>,
}

impl From<AuthorForm> for Author {
    fn from(form: AuthorForm) -> Author {
        let AuthorForm { id, username, display_name, number, email } = form;
        Author { id, card: Arc::new(Card { username, display_name, number, email }) }
    }
}

impl Serialize for Author {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Card { username, display_name, number, email } = &*self.card;
        let optional = [display_name.is_some(), number.is_some(), email.is_some()];
        let mut form = serializer.serialize_struct("Author", 2 + optional.iter().filter(|is| **is).count())?;
        form.serialize_field("id", &self.id)?;
        form.serialize_field("username", username)?;
        if let Some(display_name) = display_name {
            form.serialize_field("display_name", display_name)?;
        }
        if let Some(number) = number {
            form.serialize_field("number", number)?;
        }
        if let Some(email) = email {
            form.serialize_field("email", email)?;
        }
        form.end()
    }
}

impl Author {
    /// Creates an author of whom only the username is known.
    pub fn new(id: UserId, username: impl Into<Arc<str>>) -> Author {
        Author::known(id, username, None, None)
    }

    /// Creates an author without an e-mail address.
    pub fn known(
        id: UserId,
        username: impl Into<Arc<str>>,
        display_name: Option<Arc<str>>,
        number: Option<i64>,
    ) -> Author {
        Author::from(AuthorForm { id, username: username.into(), display_name, number, email: None })
    }

    /// The username at the time of the event.
    pub fn username(&self) -> &str {
        &self.card.username
    }

    /// The display name. Unknown in rows of earlier releases.
    pub fn display_name(&self) -> Option<&str> {
        self.card.display_name.as_deref()
    }

    /// The stable integer id. Unknown in rows of earlier releases.
    pub fn number(&self) -> Option<i64> {
        self.card.number
    }

    /// The e-mail address. Only set for members of an open room, who see each other's addresses.
    pub fn email(&self) -> Option<&str> {
        self.card.email.as_deref()
    }

    /// The same user with an e-mail address.
    pub fn with_email(&self, email: Option<Arc<str>>) -> Author {
        let card = Card { email, ..Card::clone(&self.card) };
        Author { id: self.id.clone(), card: Arc::new(card) }
    }

    /// The same user with both names passed through `change`; `None` if they stay the same.
    pub fn with_names<'a>(&'a self, change: impl Fn(&'a str) -> Cow<'a, str>) -> Option<Author> {
        let username = change(&self.card.username);
        let display_name = self.card.display_name.as_deref().map(change);
        if let (Cow::Borrowed(_), None | Some(Cow::Borrowed(_))) = (&username, &display_name) {
            return None;
        }
        let (username, display_name) = (username.into(), display_name.map(Into::into));
        let card = Card { username, display_name, ..Card::clone(&self.card) };
        Some(Author { id: self.id.clone(), card: Arc::new(card) })
    }
}

impl Profile {
    /// The part that events carry, without an address.
    pub fn author(&self) -> Author {
        let (username, display_name) = (self.username.clone(), self.display_name.as_str().into());
        Author::known(self.id.clone(), username, Some(display_name), Some(self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"{"id":"ann","username":"Ann"}"#;
    const FULL: &str = r#"{"id":"ann","username":"Ann","display_name":"Ann B.","number":7,"email":"a@b.c"}"#;

    #[test]
    fn an_author_of_any_release_is_read_and_written_as_it_was() {
        for text in [OLD, r#"{"id":"ann","username":"Ann","email":"a@b.c"}"#, FULL] {
            let author: Author = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&author).unwrap(), text);
        }
        let full: Author = serde_json::from_str(FULL).unwrap();
        assert_eq!((full.username(), full.display_name()), ("Ann", Some("Ann B.")));
        assert_eq!((full.number(), full.email()), (Some(7), Some("a@b.c")));
        let old: Author = serde_json::from_str(OLD).unwrap();
        assert_eq!((old.display_name(), old.number(), old.email()), (None, None, None));
    }

    #[test]
    fn an_author_is_cheap_to_clone() {
        assert_eq!(size_of::<Author>(), 24);
    }
}
