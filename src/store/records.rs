//! The input and output of the store: plain records with the types of `core`. SQL types and rows must never leave the
//! store.

use std::{collections::BTreeMap, sync::Arc};

use uuid::Uuid;

use crate::{
    core::{
        command::RawJson,
        document::{DocumentAccess, DocumentRole},
        event::{Attachment, ContentType, Durable, RoomIdentity},
        notification::{Notification, NotificationFilter, Priority},
        profile::{Author, Profile},
    },
    ids::{
        ClientMessageId, Epoch, EventId, GroupId, NotificationId, RoomId, RoomName, Seq, Timestamp, TokenId, UserId,
    },
};

/// A new user.
pub struct NewUser {
    /// 3–64 characters, unique.
    pub username: String,
    /// Unique if given.
    pub email: Option<String>,
    /// The name shown to others.
    pub display_name: String,
    /// The argon2id string.
    pub password_hash: String,
}

/// A token's claims about a user who may not be stored yet.
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

/// A stored refresh token; the token itself is a signed JWT with this `jti`.
#[derive(Clone, Debug)]
pub struct RefreshRecord {
    /// `jti`.
    pub id: TokenId,
    /// Shared by all tokens that derive from one login; late reuse of a used token ends the family.
    pub family: Uuid,
    /// The user.
    pub user: UserId,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// The result of using a refresh token.
#[derive(Debug, PartialEq, Eq)]
pub enum RefreshUse {
    /// It was valid, or was used a moment ago and is used again; the successor is stored.
    Rotated,
    /// It was used too long ago, or its successor was already used: its whole family is revoked.
    Reused,
    /// Unknown, revoked or expired.
    Unknown,
}

/// The facts that the rights of a user's open sockets depend on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SocketRights {
    /// The user.
    pub user: UserId,
    /// Tokens issued before this time are revoked.
    pub tokens_not_before: Timestamp,
    /// The end of the user's block.
    pub blocked_until: Timestamp,
    /// The user's groups.
    pub groups: Vec<GroupId>,
}

/// A member's role in a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum GroupRole {
    /// Reads and writes.
    Member,
    /// Adds and removes members, creates channels.
    Moderator,
    /// Everything.
    Owner,
}

impl GroupRole {
    /// The name on the wire and in the database.
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

/// A group, with the requesting user's role if the query returns it.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// The description.
    pub description: Option<String>,
    /// The owner.
    pub owner: UserId,
    /// When it was created.
    pub created_at: Timestamp,
    /// The requesting user's role.
    pub role: Option<GroupRole>,
}

/// A member of a group.
#[derive(Clone, Debug)]
pub struct GroupMember {
    /// The user.
    pub profile: Profile,
    /// The role.
    pub role: GroupRole,
    /// When the user joined.
    pub joined_at: Timestamp,
}

/// The type of a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChannelMedium {
    /// Messages.
    Text,
    /// Messages and a voice call.
    Voice,
    /// Messages and a video call.
    Video,
}

impl ChannelMedium {
    /// The name on the wire and in the database.
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

/// A channel of a group. It has the id of its room.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its id.
    pub id: RoomId,
    /// The group whose members may enter.
    pub group: GroupId,
    /// Its name, unique in the group.
    pub name: String,
    /// The type.
    pub medium: ChannelMedium,
    /// When it was created.
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
    /// The name on the wire and in the database.
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

/// A user's role in an open room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RoomRole {
    /// May enter it when it is private.
    Member,
    /// Created it, and may change it.
    Owner,
}

/// A document, and the requesting user's role in it.
#[derive(Clone, Debug)]
pub struct Document {
    /// The room that it is.
    pub identity: RoomIdentity,
    /// The name shown to people.
    pub title: String,
    /// What everybody may do with it.
    pub access: DocumentAccess,
    /// The owner, unless deleted.
    pub owner: Option<UserId>,
    /// The requesting user's own role, if any.
    pub membership: Option<DocumentRole>,
    /// Its last event.
    pub seq: Seq,
    /// When it was created.
    pub created_at: Timestamp,
}

/// The contents of a document after an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DocumentState {
    /// The event.
    pub seq: Seq,
    /// The contents: an update in the encoding of Yjs.
    pub update: Vec<u8>,
}

/// A named version of a document.
#[derive(Clone, PartialEq, Debug)]
pub struct DocumentVersion {
    /// Counted from 1.
    pub number: i32,
    /// The event after which it was saved.
    pub seq: Seq,
    /// The name, if it has one.
    pub name: Option<String>,
    /// Who saved it.
    pub author: Author,
    /// When.
    pub at: Timestamp,
}

/// An open room, and the requesting user's role in it.
#[derive(Clone, Debug)]
pub struct OpenRoom {
    /// The room.
    pub identity: RoomIdentity,
    /// The displayed title.
    pub title: String,
    /// Who may enter.
    pub visibility: Visibility,
    /// The maximum number of members. None: unlimited.
    pub capacity: Option<u32>,
    /// The owner.
    pub owner: Option<UserId>,
    /// The requesting user's role.
    pub membership: Option<RoomRole>,
    /// When it was created.
    pub created_at: Timestamp,
}

impl RoomRole {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            RoomRole::Member => "member",
            RoomRole::Owner => "owner",
        }
    }
}

/// An open room that is created in advance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewRoom {
    /// The displayed title; None: its name.
    pub title: Option<String>,
    /// Who may enter.
    pub visibility: Visibility,
    /// The maximum number of members. None: unlimited.
    pub capacity: Option<u32>,
}

/// Changes of an open room; None leaves a field unchanged.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RoomChange {
    /// The displayed title.
    pub title: Option<String>,
    /// Who may enter.
    pub visibility: Option<Visibility>,
    /// The maximum number of members; the inner None: unlimited.
    pub capacity: Option<Option<u32>>,
}

/// The head of a room's sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RoomHead {
    /// The last event's seq; 0 before the first.
    pub seq: Seq,
    /// The incarnation of the sequence.
    pub epoch: Epoch,
    /// Who may enter, for an open room.
    pub visibility: Visibility,
}

/// A room's activity, for administrators.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomActivity {
    /// The room.
    pub room: RoomId,
    /// Its name. Empty for a direct conversation.
    pub name: String,
    /// The number of events so far.
    pub events: i64,
    /// When the last one happened, if any.
    pub last_at: Option<Timestamp>,
    /// When the room was created.
    pub created_at: Timestamp,
    /// The name by which clients join it, if it is an open room.
    pub open: Option<RoomName>,
    /// The number of recently changed sheets.
    pub active_sheets: i64,
}

/// An event from a room's log.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredEvent {
    /// Its seq.
    pub seq: Seq,
    /// Its id.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// The event.
    pub what: Durable,
    /// The id that the author's client gave it. Only the author receives it.
    pub client_message_id: Option<ClientMessageId>,
}

/// A chat message in the history.
#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    /// Its id, which is that of the event that created it.
    pub id: EventId,
    /// Its seq in the room.
    pub seq: Seq,
    /// The sender.
    pub sender: Author,
    /// The text; for an encrypted message, the ciphertext.
    pub content: String,
    /// The content type.
    pub content_type: ContentType,
    /// Attached files.
    pub attachments: Vec<Attachment>,
    /// The mentioned users.
    pub mentions: Vec<UserId>,
    /// When.
    pub at: Timestamp,
    /// When it was last edited, if ever.
    pub edited_at: Option<Timestamp>,
    /// When it was deleted, if so; it then has no text and no attachments.
    pub deleted_at: Option<Timestamp>,
}

/// The end of a page of history (exclusive).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Before {
    /// No limit: the newest page.
    Newest,
    /// Older than this seq.
    Seq(Seq),
    /// Older than this message.
    Message(EventId),
}

/// A channel, and a user's role in its group. None: not a member.
pub type ChannelAccess = (Channel, Option<GroupRole>);

/// A notification to store, once per user.
#[derive(Clone, PartialEq, Debug)]
pub struct NewNotification {
    /// The title.
    pub title: Arc<str>,
    /// The message.
    pub message: Arc<str>,
    /// The category.
    pub category: Arc<str>,
    /// The priority.
    pub priority: Priority,
    /// The module of the client's product that it comes from.
    pub module: Option<Arc<str>>,
    /// Additional data from the sender, a JSON object.
    pub data: Option<RawJson>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
}

impl NewNotification {
    /// Additional data with these names and texts.
    pub fn data_of<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<RawJson> {
        let object: BTreeMap<&str, &str> = texts.into_iter().collect();
        serde_json::to_string(&object).ok().map(|text| RawJson::from_parsed(&text))
    }
}

/// The status of a notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotificationStatus {
    /// Not read.
    Unread,
    /// Read by its user.
    Read,
    /// Dismissed; only listed with other dismissed ones.
    Dismissed,
}

impl NotificationStatus {
    const ALL: [NotificationStatus; 3] =
        [NotificationStatus::Unread, NotificationStatus::Read, NotificationStatus::Dismissed];

    /// The name on the wire and in the database.
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

/// A notification of a user.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredNotification {
    /// The user.
    pub user: UserId,
    /// The type of the row: `updates`, or those of other programs.
    pub kind: String,
    /// The content.
    pub notification: Arc<Notification>,
    /// The status.
    pub status: NotificationStatus,
    /// The last change of the status or the content.
    pub updated_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
}

/// Selects notifications of a user; an absent field means any.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NotificationQuery {
    /// Only with that status; None: all except dismissed ones.
    pub status: Option<NotificationStatus>,
    /// Only in that category.
    pub category: Option<String>,
    /// Only with that priority.
    pub priority: Option<Priority>,
    /// Only older than this one.
    pub before: Option<NotificationId>,
}

/// The rows of a user's queue that a socket can show.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct QueueQuery {
    /// The notifications that it accepts; None: no notifications.
    pub notifications: Option<NotificationFilter>,
    /// Only notifications created since then.
    pub since: Option<Timestamp>,
    /// The messages.
    pub messages: QueuedMessages,
}

/// The queued messages that a socket can show.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum QueuedMessages {
    /// None.
    #[default]
    None,
    /// Those of the room that it is bound to.
    InRoom {
        /// The room.
        room: RoomId,
        /// The last seq that was sent live; later messages will also be sent live.
        up_to: Seq,
    },
    /// Those of all rooms.
    All,
}

/// The key of a row in a user's queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum QueuedId {
    /// A notification.
    Notification(NotificationId),
    /// A message of a room.
    Message(EventId),
}

/// A row in a user's queue.
#[derive(Clone, PartialEq, Debug)]
pub enum Queued {
    /// A notification.
    Notification(StoredNotification),
    /// A message of a room.
    Message {
        /// The room.
        room: RoomId,
        /// The message.
        event: Box<StoredEvent>,
    },
}

impl Queued {
    /// The key.
    pub fn id(&self) -> QueuedId {
        match self {
            Queued::Notification(stored) => QueuedId::Notification(stored.notification.id),
            Queued::Message { event, .. } => QueuedId::Message(event.id),
        }
    }
}

/// Leased rows of a user's queue.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Leased {
    /// In the order of delivery.
    pub items: Vec<Queued>,
    /// Other sockets have leased further rows; the first of these leases ends then, as far as was checked.
    pub held_until: Option<Timestamp>,
    /// Reads of the database for it. Those for several sockets are counted with the first one.
    pub reads: u64,
}

/// Leased messages of one conversation in a user's queue.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Conversation {
    /// The head of the room's log before the queue was read: all queued messages up to it were found.
    pub head: Seq,
    /// The messages, ascending.
    pub events: Vec<StoredEvent>,
    /// Other sockets have leased further rows; the first of these leases ends then.
    pub held_until: Option<Timestamp>,
}

/// The number of unread notifications in one category and priority.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnreadCount {
    /// The category.
    pub category: String,
    /// The priority.
    pub priority: Priority,
    /// The number.
    pub count: i64,
}

/// Whether a notification was unread before it was marked as read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadMark {
    /// It was unread.
    New,
    /// It was already read.
    Already,
}

/// A user who is blocked for exceeding the rate limit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockedUser {
    /// The user's id.
    pub id: UserId,
    /// The username.
    pub username: String,
    /// When the block ends.
    pub until: Timestamp,
}
