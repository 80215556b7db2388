//! The JSON in `notifications.data` of invites and of what happens to them. Other programs read and write it, so its fields
//! may be added to but never renamed, and rows of other programs may lack all but the ids.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::StoreError;
use crate::{
    core::{
        command::RawJson,
        invite::{Invite, InviteHappening, InviteNews, InviteState, InviteTemplate},
        notification::{INVITES, Priority},
        profile::Author,
        space::SpaceLabel,
    },
    ids::{NotificationId, RoomId, Timestamp, UserId},
    limits,
};

/// `data` of an invite.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Received {
    space_id: RoomId,
    #[serde(default)]
    space_name: String,
    from_user_id: UserId,
    #[serde(default)]
    from_username: String,
    #[serde(default)]
    to_username: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    /// Texts, so that unknown values do not make the rest unreadable.
    #[serde(default)]
    state: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    priority: String,
}

/// `data` of a notification about an invite.
#[derive(Serialize, Deserialize)]
struct News {
    event: String,
    invite: Whole,
}

/// An invite as clients know it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whole {
    id: NotificationId,
    from_user: Person,
    to_user: Person,
    space: Space,
    state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    created_at: String,
    expires_at: String,
}

#[derive(Serialize, Deserialize)]
struct Person {
    id: UserId,
    username: String,
}

#[derive(Serialize, Deserialize)]
struct Space {
    id: RoomId,
    name: String,
}

impl From<&Author> for Person {
    fn from(author: &Author) -> Person {
        Person { id: author.id.clone(), username: author.username().to_owned() }
    }
}

impl From<Person> for Author {
    fn from(person: Person) -> Author {
        Author::new(person.id, person.username)
    }
}

fn written(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Fault(error.to_string()))
}

/// `data` of the notification that an invite is.
pub fn of_received(invite: &Invite) -> Result<String, StoreError> {
    written(&Received {
        space_id: invite.space.id,
        space_name: invite.space.name.to_string(),
        from_user_id: invite.from.id.clone(),
        from_username: invite.from.username().to_owned(),
        to_username: invite.to.username().to_owned(),
        message: invite.message.as_deref().map(str::to_owned),
        template: invite.template.map(|template| template.name().to_owned()),
        state: invite.state.name().to_owned(),
        category: INVITES.to_owned(),
        priority: Priority::default().name().to_owned(),
    })
}

/// Reads the same: of the invite with that id, to that user, with the times of its row. None if it does not name a space and
/// a sender.
pub fn received(
    json: &str,
    id: NotificationId,
    to: &UserId,
    (created_at, expires_at): (Timestamp, Option<Timestamp>),
) -> Option<InviteNews> {
    let data: Received = serde_json::from_str(json).ok()?;
    let invite = Invite {
        id,
        from: Author::new(data.from_user_id, data.from_username),
        to: Author::new(to.clone(), data.to_username),
        space: SpaceLabel { id: data.space_id, name: data.space_name.into() },
        state: InviteState::from_name(&data.state).unwrap_or(InviteState::Pending),
        message: data.message.map(Into::into),
        template: data.template.as_deref().and_then(InviteTemplate::from_name),
        created_at,
        // rows of other programs may have no end
        expires_at: expires_at.unwrap_or_else(|| created_at.plus_ms(limits::INVITE_LIFETIME_MS)),
        decided_at: None,
    };
    Some(InviteNews { happening: InviteHappening::Received, invite })
}

/// The same `data` with another state. What is no object stays as it is.
pub fn with_state(json: &str, state: InviteState) -> String {
    match serde_json::from_str::<Map<String, Value>>(json) {
        Ok(mut data) => {
            data.insert("state".to_owned(), Value::String(state.name().to_owned()));
            Value::Object(data).to_string()
        }
        Err(_) => json.to_owned(),
    }
}

/// The additional data of a notification about an invite.
pub fn of_news(InviteNews { happening, invite }: &InviteNews) -> Result<RawJson, StoreError> {
    let text = written(&News {
        event: happening.name().to_owned(),
        invite: Whole {
            id: invite.id,
            from_user: (&invite.from).into(),
            to_user: (&invite.to).into(),
            space: Space { id: invite.space.id, name: invite.space.name.to_string() },
            state: invite.state.name().to_owned(),
            message: invite.message.as_deref().map(str::to_owned),
            template: invite.template.map(|template| template.name().to_owned()),
            created_at: invite.created_at.to_string(),
            expires_at: invite.expires_at.to_string(),
        },
    })?;
    Ok(RawJson::from_parsed(&text))
}

/// Reads the same. None if it is about something else.
pub fn news(json: &str) -> Option<InviteNews> {
    let News { event, invite } = serde_json::from_str(json).ok()?;
    let invite = Invite {
        id: invite.id,
        from: invite.from_user.into(),
        to: invite.to_user.into(),
        space: SpaceLabel { id: invite.space.id, name: Arc::from(invite.space.name) },
        state: InviteState::from_name(&invite.state)?,
        message: invite.message.map(Into::into),
        template: invite.template.as_deref().and_then(InviteTemplate::from_name),
        created_at: invite.created_at.parse().ok()?,
        expires_at: invite.expires_at.parse().ok()?,
        decided_at: None,
    };
    Some(InviteNews { happening: InviteHappening::from_name(&event)?, invite })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite() -> Invite {
        let author = |id: &str| Author::new(UserId::new(id).unwrap(), id);
        Invite {
            id: NotificationId::generate(),
            from: author("ada"),
            to: author("bob"),
            space: SpaceLabel { id: RoomId::generate(), name: "Atrium".into() },
            state: InviteState::Pending,
            message: Some("Come \"in\"".into()),
            template: None,
            created_at: Timestamp { unix_ms: 1_700_000_000_123 },
            expires_at: Timestamp { unix_ms: 1_700_003_600_123 },
            decided_at: None,
        }
    }

    #[test]
    fn an_invite_reads_back() {
        let sent = invite();
        let times = (sent.created_at, Some(sent.expires_at));
        let read = received(&of_received(&sent).unwrap(), sent.id, &sent.to.id, times).unwrap();
        assert_eq!(read, InviteNews { happening: InviteHappening::Received, invite: sent });
    }

    #[test]
    fn what_happened_reads_back() {
        for happening in [InviteHappening::Accepted, InviteHappening::Declined, InviteHappening::Reminder] {
            let told = InviteNews { happening, invite: invite() };
            assert_eq!(news(of_news(&told).unwrap().as_str()), Some(told));
        }
        assert_eq!(news("{}"), None);
    }

    #[test]
    fn two_ids_are_enough_and_other_fields_are_kept() {
        let space = RoomId::generate();
        let json = format!(r#"{{"spaceId":"{space}","fromUserId":"ada","theirs":[1]}}"#);
        let created_at = Timestamp { unix_ms: 7 };
        let to = UserId::new("bob").unwrap();
        let read = received(&json, NotificationId::generate(), &to, (created_at, None)).unwrap().invite;
        assert_eq!((read.space.id, read.from.id.as_str(), read.state), (space, "ada", InviteState::Pending));
        assert!(read.expires_at > created_at);
        let closed = with_state(&json, InviteState::Declined);
        assert!(closed.contains(r#""theirs":[1]"#) && closed.contains(r#""state":"declined""#), "{closed}");
        assert_eq!(with_state("[]", InviteState::Declined), "[]");
    }
}
