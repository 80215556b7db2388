//! Invites to spaces, and what their two sides are notified of.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    core::{profile::Author, space::SpaceLabel},
    ids::{NotificationId, Timestamp},
    limits,
};

/// What has become of an invite.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InviteState {
    /// It can be accepted and declined.
    Pending,
    /// The user has become a member.
    Accepted,
    /// The user has declined it.
    Declined,
    /// It was neither accepted nor declined in time.
    Expired,
}

impl InviteState {
    const ALL: [InviteState; 4] =
        [InviteState::Pending, InviteState::Accepted, InviteState::Declined, InviteState::Expired];

    /// The name on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            InviteState::Pending => "pending",
            InviteState::Accepted => "accepted",
            InviteState::Declined => "declined",
            InviteState::Expired => "expired",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<InviteState> {
        InviteState::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A text for invites that senders can choose by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InviteTemplate {
    /// To see a space.
    Welcome,
    /// To a meeting.
    Meeting,
    /// To an event.
    Event,
    /// To work together.
    Collaboration,
}

impl InviteTemplate {
    /// All of them.
    pub const ALL: [InviteTemplate; 4] =
        [InviteTemplate::Welcome, InviteTemplate::Meeting, InviteTemplate::Event, InviteTemplate::Collaboration];

    /// The name on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            InviteTemplate::Welcome => "welcome",
            InviteTemplate::Meeting => "meeting",
            InviteTemplate::Event => "event",
            InviteTemplate::Collaboration => "collaboration",
        }
    }

    /// The template of that name.
    pub fn from_name(name: &str) -> Option<InviteTemplate> {
        InviteTemplate::ALL.into_iter().find(|template| template.name() == name)
    }

    /// The text from this sender about this space.
    pub fn text(self, from: &str, space: &str) -> String {
        match self {
            InviteTemplate::Welcome => format!("{from} would like to show you {space}"),
            InviteTemplate::Meeting => format!("{from} invites you to a meeting in {space}"),
            InviteTemplate::Event => format!("{from} invites you to an event in {space}"),
            InviteTemplate::Collaboration => format!("{from} invites you to work together in {space}"),
        }
    }
}

/// An invite to a space.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Invite {
    /// Its id, which is that of the notification of the invited user.
    pub id: NotificationId,
    /// Who invites.
    pub from: Author,
    /// Who is invited.
    pub to: Author,
    /// To which space.
    pub space: SpaceLabel,
    /// What has become of it.
    pub state: InviteState,
    /// The sender's own text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Arc<str>>,
    /// The template that the sender has chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<InviteTemplate>,
    /// When it was sent.
    pub created_at: Timestamp,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
    /// When it was accepted or declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
}

impl Invite {
    /// The text for the invited user.
    pub fn text(&self) -> String {
        let (from, space) = (self.from.username(), &*self.space.name);
        match (&self.message, self.template) {
            (Some(message), _) => message.to_string(),
            (None, Some(template)) => template.text(from, space),
            (None, None) => format!("{from} invites you to {space}"),
        }
    }

    /// When the invited user is reminded: when a quarter of the lifetime is left, at most an hour before the end.
    pub fn remind_at(created_at: Timestamp, expires_at: Timestamp) -> Timestamp {
        let lifetime_ms = expires_at.unix_ms.saturating_sub(created_at.unix_ms).max(0);
        expires_at.plus_ms(-(lifetime_ms / 4).min(limits::REMINDER_LEAD_MS_MAX))
    }

    /// The state at that time: a pending invite expires without being changed.
    pub fn state_at(&self, now: Timestamp) -> InviteState {
        match self.state {
            InviteState::Pending if self.expires_at <= now => InviteState::Expired,
            state => state,
        }
    }
}

/// What one side of an invite is notified of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InviteHappening {
    /// To the invited user: it was sent.
    Received,
    /// To the sender: it was accepted.
    Accepted,
    /// To the sender: it was declined.
    Declined,
    /// To the invited user: it is about to expire.
    Reminder,
}

impl InviteHappening {
    const ALL: [InviteHappening; 4] =
        [InviteHappening::Received, InviteHappening::Accepted, InviteHappening::Declined, InviteHappening::Reminder];

    /// The name in the data of notifications.
    pub const fn name(self) -> &'static str {
        match self {
            InviteHappening::Received => "invite_received",
            InviteHappening::Accepted => "invite_accepted",
            InviteHappening::Declined => "invite_declined",
            InviteHappening::Reminder => "invite_reminder",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<InviteHappening> {
        InviteHappening::ALL.into_iter().find(|happening| happening.name() == name)
    }
}

/// What happened to an invite: the part of a notification by which the metaverse dialect shows it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct InviteNews {
    /// What happened.
    pub happening: InviteHappening,
    /// The invite.
    pub invite: Invite,
}

impl InviteNews {
    /// The title of the notification.
    pub fn title(&self) -> String {
        let Invite { to, space, .. } = &self.invite;
        match self.happening {
            InviteHappening::Received => format!("Invitation to {}", space.name),
            InviteHappening::Accepted => format!("{} accepted your invitation", to.username()),
            InviteHappening::Declined => format!("{} declined your invitation", to.username()),
            InviteHappening::Reminder => format!("Your invitation to {} expires soon", space.name),
        }
    }

    /// The text of the notification.
    pub fn text(&self) -> String {
        let Invite { to, space, .. } = &self.invite;
        match self.happening {
            InviteHappening::Received | InviteHappening::Reminder => self.invite.text(),
            InviteHappening::Accepted => format!("{} is now a member of {}", to.username(), space.name),
            InviteHappening::Declined => format!("{} does not want to join {}", to.username(), space.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reminder_comes_when_a_quarter_is_left_and_at_most_an_hour_before_the_end() {
        let minute = 60_000;
        let at = |created: i64, expires: i64| {
            let moment = |minutes: i64| Timestamp { unix_ms: minutes * minute };
            Invite::remind_at(moment(created), moment(expires)).unix_ms / minute
        };
        assert_eq!(at(0, 24 * 60), 23 * 60);
        assert_eq!(at(0, 240), 180);
        assert_eq!(at(0, 60), 45);
        assert_eq!(at(100, 100), 100);
    }
}
