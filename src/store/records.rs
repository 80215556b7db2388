//! What goes in and out of the store: plain records in the core's types. No SQL type and no row ever leaves the store.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    core::{
        command::RawJson,
        event::{Attachment, Durable, RoomIdentity},
        notification::{Notification, NotificationFilter, Priority},
        profile::{Author, Profile},
    },
    ids::{Epoch, EventId, GroupId, NotificationId, RoomId, RoomName, Seq, Timestamp, TokenId, UserId},
};

/// What a new user brings.
pub struct NewUser {
    /// 3–64 characters, unique.
    pub username: String,
    /// Unique if given.
    pub email: Option<String>,
    /// What people see.
    pub display_name: String,
    /// The argon2id string.
    pub password_hash: String,
}

/// What a token says about a user who is perhaps not stored yet.
#[derive(Clone, Debug)]
pub struct TokenUser {
    /// `sub`.
    pub id: UserId,
    /// `username`, if the token has one.
    pub username: Option<String>,
    /// `email`, if the token has one.
    pub email: Option<String>,
    /// `display_name`, if the token has one.
    pub display_name: Option<String>,
}

/// A refresh token as kept; the token itself is a signed JWT with this `jti`.
#[derive(Clone, Debug)]
pub struct RefreshRecord {
    /// `jti`.
    pub id: TokenId,
    /// All tokens that came of one login; late reuse of a used one ends the family.
    pub family: Uuid,
    /// Whose.
    pub user: UserId,
    /// Its end.
    pub expires_at: Timestamp,
}

/// What became of a refresh token that was shown.
#[derive(Debug, PartialEq, Eq)]
pub enum RefreshUse {
    /// It was good, or was used a moment ago and is shown again; the successor is stored.
    Rotated,
    /// It had been used before, longer ago, or its successor had: its whole family is void now.
    Reused,
    /// Unknown, revoked or expired.
    Unknown,
}

/// What a user's open sockets stand on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Who.
    pub user: UserId,
    /// Tokens issued before are void.
    pub tokens_not_before: Timestamp,
    /// Shut out until then.
    pub blocked_until: Timestamp,
    /// The groups that the user is in.
    pub groups: Vec<GroupId>,
}

/// What a member may do in a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum GroupRole {
    /// Reads and writes.
    Member,
    /// Adds and removes members, makes channels.
    Moderator,
    /// Everything.
    Owner,
}

impl GroupRole {
    /// As on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            GroupRole::Member => "member",
            GroupRole::Moderator => "moderator",
            GroupRole::Owner => "owner",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<GroupRole> {
        match name {
            "member" => Some(GroupRole::Member),
            "moderator" => Some(GroupRole::Moderator),
            "owner" => Some(GroupRole::Owner),
            _ => None,
        }
    }
}

/// A group, with the asking user's role in it where the query knows one.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Who made it.
    pub owner: UserId,
    /// When.
    pub created_at: Timestamp,
    /// The asking user's role.
    pub role: Option<GroupRole>,
}

/// A member of a group.
#[derive(Clone, Debug)]
pub struct GroupMember {
    /// Who.
    pub profile: Profile,
    /// As what.
    pub role: GroupRole,
    /// Since when.
    pub joined_at: Timestamp,
}

/// What is carried in a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChannelMedium {
    /// Messages.
    Text,
    /// A voice call beside them.
    Voice,
    /// A video call beside them.
    Video,
}

impl ChannelMedium {
    /// As on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            ChannelMedium::Text => "TEXT",
            ChannelMedium::Voice => "VOICE",
            ChannelMedium::Video => "VIDEO",
        }
    }

    /// The medium of that name.
    pub fn from_name(name: &str) -> Option<ChannelMedium> {
        match name {
            "TEXT" => Some(ChannelMedium::Text),
            "VOICE" => Some(ChannelMedium::Voice),
            "VIDEO" => Some(ChannelMedium::Video),
            _ => None,
        }
    }
}

/// A channel of a group. Its id is its room's.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its id.
    pub id: RoomId,
    /// Whose members may enter.
    pub group: GroupId,
    /// Its name, unique in the group.
    pub name: String,
    /// What is carried.
    pub medium: ChannelMedium,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Who may enter an open room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Visibility {
    /// Everybody.
    Open,
    /// Its members.
    Private,
}

impl Visibility {
    /// As on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Visibility::Open => "open",
            Visibility::Private => "private",
        }
    }

    /// The visibility of that name.
    pub fn from_name(name: &str) -> Option<Visibility> {
        [Visibility::Open, Visibility::Private].into_iter().find(|visibility| visibility.name() == name)
    }
}

/// What somebody is in an open room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RoomRole {
    /// May enter it when it is private.
    Member,
    /// Made it, and may change it.
    Owner,
}

/// An open room, and what the asking user is in it.
#[derive(Clone, Debug)]
pub struct OpenRoom {
    /// Which.
    pub identity: RoomIdentity,
    /// What people see.
    pub title: String,
    /// Who may enter.
    pub visibility: Visibility,
    /// How many users may be in; absent: any number.
    pub capacity: Option<u32>,
    /// Who made it.
    pub owner: Option<UserId>,
    /// What the asking user is in it.
    pub membership: Option<RoomRole>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl RoomRole {
    /// As on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            RoomRole::Member => "member",
            RoomRole::Owner => "owner",
        }
    }
}

/// An open room that is made ahead of its first visitor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewRoom {
    /// What people see; absent: its name.
    pub title: Option<String>,
    /// Who may enter.
    pub visibility: Visibility,
    /// How many users may be in; absent: any number.
    pub capacity: Option<u32>,
}

/// What is to change about an open room; what is absent stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RoomChange {
    /// What people see.
    pub title: Option<String>,
    /// Who may enter.
    pub visibility: Option<Visibility>,
    /// How many users may be in; the inner one absent: any number.
    pub capacity: Option<Option<u32>>,
}

/// Where a room's sequence stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RoomHead {
    /// The last event's place; 0 before the first.
    pub seq: Seq,
    /// Which life of the sequence.
    pub epoch: Epoch,
    /// Who may enter, if it is an open room.
    pub visibility: Visibility,
}

/// A room as administrators see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomActivity {
    /// Which.
    pub room: RoomId,
    /// Its name; a direct conversation has none.
    pub name: String,
    /// Events so far.
    pub events: i64,
    /// When the last one happened, if there was one.
    pub last_at: Option<Timestamp>,
    /// When the room was made.
    pub created_at: Timestamp,
    /// What clients call it, if it is an open room.
    pub open: Option<RoomName>,
    /// Sheets that were changed lately.
    pub active_sheets: i64,
}

/// An event from a room's log.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredEvent {
    /// Its place.
    pub seq: Seq,
    /// Its id.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Durable,
}

/// A chat message of the history.
#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    /// Its id, that of the event which brought it.
    pub id: EventId,
    /// Its place in the room.
    pub seq: Seq,
    /// Who wrote it.
    pub sender: Author,
    /// The text.
    pub content: String,
    /// Uploaded files that go with it.
    pub attachments: Vec<Attachment>,
    /// When.
    pub at: Timestamp,
    /// When it was edited last, if it was.
    pub edited_at: Option<Timestamp>,
    /// When it was deleted, if it was: then it has no text and no attachments.
    pub deleted_at: Option<Timestamp>,
}

/// Where a page of history ends (exclusive).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Before {
    /// Nothing newer to leave out: the newest page.
    Newest,
    /// Older than this place.
    Seq(Seq),
    /// Older than this message.
    Message(EventId),
}

/// A channel, and a user's role in its group: none means no entry.
pub type ChannelAccess = (Channel, Option<GroupRole>);

/// A notification to store, once per user.
#[derive(Clone, PartialEq, Debug)]
pub struct NewNotification {
    /// In a few words.
    pub title: Arc<str>,
    /// In a sentence.
    pub message: Arc<str>,
    /// What it is about.
    pub category: Arc<str>,
    /// How much it matters.
    pub priority: Priority,
    /// Which part of the client's product it comes from.
    pub module: Option<Arc<str>>,
    /// Whatever else its sender gave, a JSON object.
    pub data: Option<RawJson>,
    /// When it is worth nothing any more.
    pub expires_at: Option<Timestamp>,
}

/// What became of a notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotificationStatus {
    /// Nothing yet.
    Unread,
    /// Its user has read it.
    Read,
    /// It was put away, and is in no list any more but that of such ones.
    Dismissed,
}

impl NotificationStatus {
    const ALL: [NotificationStatus; 3] =
        [NotificationStatus::Unread, NotificationStatus::Read, NotificationStatus::Dismissed];

    /// As on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            NotificationStatus::Unread => "unread",
            NotificationStatus::Read => "read",
            NotificationStatus::Dismissed => "dismissed",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<NotificationStatus> {
        NotificationStatus::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A notification as its user sees it.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredNotification {
    /// Whose.
    pub user: UserId,
    /// Which kind of row: `updates`, or what other parts of the product write.
    pub kind: String,
    /// What it says.
    pub notification: Arc<Notification>,
    /// What became of it.
    pub status: NotificationStatus,
    /// When that changed last.
    pub updated_at: Timestamp,
    /// When it is worth nothing any more.
    pub expires_at: Option<Timestamp>,
}

/// Which of a user's notifications; an absent field means any.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NotificationQuery {
    /// Those of that status; absent: all but the dismissed ones.
    pub status: Option<NotificationStatus>,
    /// Those of that category.
    pub category: Option<String>,
    /// Those of that priority.
    pub priority: Option<Priority>,
    /// Those older than this one.
    pub before: Option<NotificationId>,
}

/// Which of a user's queue a socket can show, and wants.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct QueueQuery {
    /// The notifications that it takes; absent: none.
    pub notifications: Option<NotificationFilter>,
    /// Of the notifications those made since then.
    pub since: Option<Timestamp>,
    /// The messages.
    pub messages: QueuedMessages,
}

/// Which queued messages a socket can show.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum QueuedMessages {
    /// None.
    #[default]
    None,
    /// Those of the room that it is bound to.
    InRoom {
        /// Which.
        room: RoomId,
        /// The last place that it was sent live: what comes behind that will come live, too.
        up_to: Seq,
    },
    /// Those of all rooms.
    All,
}

/// What a row of a user's queue holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum QueuedId {
    /// A notification.
    Notification(NotificationId),
    /// A message of a room.
    Message(EventId),
}

/// The same with its content.
#[derive(Clone, PartialEq, Debug)]
pub enum Queued {
    /// A notification.
    Notification(StoredNotification),
    /// A message of a room.
    Message {
        /// Which room.
        room: RoomId,
        /// The message.
        event: StoredEvent,
    },
}

impl Queued {
    /// What it is found by.
    pub fn id(&self) -> QueuedId {
        match self {
            Queued::Notification(stored) => QueuedId::Notification(stored.notification.id),
            Queued::Message { event, .. } => QueuedId::Message(event.id),
        }
    }
}

/// What was leased of a user's queue.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Leased {
    /// In the order of delivery.
    pub items: Vec<Queued>,
    /// Other sockets hold more, the first of it until then; as far as was looked.
    pub held_until: Option<Timestamp>,
}

/// What was leased of the messages that one conversation has in a user's queue.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Conversation {
    /// Where the room's log stood before its queued messages were read: all of them up to that place were found.
    pub head: Seq,
    /// The messages, ascending.
    pub events: Vec<StoredEvent>,
    /// Other sockets hold more, the first of it until then.
    pub held_until: Option<Timestamp>,
}

/// How many unread notifications there are of one category and priority.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnreadCount {
    /// The category.
    pub category: String,
    /// The priority.
    pub priority: Priority,
    /// How many.
    pub count: i64,
}

/// Whether a notification that was marked as read was unread before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadMark {
    /// It was unread.
    New,
    /// It had been read.
    Already,
}

/// A user who is shut out for going on after refusals.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockedUser {
    /// Who.
    pub id: UserId,
    /// The user's name.
    pub username: String,
    /// Until when.
    pub until: Timestamp,
}
