//! The interface between nodes. Rooms publish messages to the rooms with the same id on other nodes, and nodes publish
//! messages to other nodes; the bridge delivers both. It only transports: durable events are in the database before
//! they are published, so a bridge may lose, repeat or delay any message, and must never wait for anybody.

pub mod envelope;
pub mod local;
pub mod redis;

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use actix::prelude::*;
use serde::{Deserialize, Serialize};

use super::{fanout::Broadcast, outbox::ConnKey};
use crate::{
    core::{
        canvas::TileEdit,
        command::RawJson,
        cursor::CursorUpdate,
        document::{ClientState, Colour},
        event::MemberPresence,
        moderation::Sanction,
        peers::NodeHeartbeat,
        presence::{Status, StatusDetails},
        profile::Author,
        rate::RequestCounts,
        remote_members::MembershipMessage,
        roster::RosterMessage,
        space::AvatarMove,
        upload::Upload,
        user_event::UserEvent,
    },
    ids::{NodeId, RoomId, Timestamp, UserId},
};

// ---- messages between nodes ----

/// Messages between rooms with the same id on different nodes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomMessage {
    /// An event, ephemeral or already stored.
    Event(#[serde(with = "envelope::published")] Arc<Broadcast>),
    /// Members of the room on the sending node.
    Members(MembershipMessage),
    /// The user was removed from the room.
    Expel {
        /// The user.
        user: UserId,
    },
    /// All other users were removed from the room.
    KeepOnly {
        /// The users who may stay.
        users: Vec<UserId>,
    },
    /// A message of the room's kind, which the room passes on unread.
    Kind(KindMessage),
}

/// What the clients of a user show of themselves in a document.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ClientsOf {
    /// The user.
    pub user: UserId,
    /// The clients.
    pub states: Vec<ClientState>,
}

/// Messages between rooms with the same id that only their kind understands (`actors/room/kind.rs`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KindMessage {
    /// Cursor movements of members on the sending node.
    Cursors(Vec<CursorUpdate>),
    /// What clients of members on the sending node show of themselves in a document.
    Awareness(Vec<ClientsOf>),
    /// The colours of members on the sending node in a document.
    Colours(Vec<(UserId, Colour)>),
    /// The rights of a document were changed: those of its users must be read again.
    RightsChanged,
    /// The settings of a space were changed: they must be read again.
    SettingsChanged,
    /// Presence data of members on the sending node.
    Presence(Vec<MemberPresence>),
    /// Tiles that members on the sending node edit or have stopped to edit.
    TileEditing(Vec<TileEdit>),
    /// Where avatars of members on the sending node are.
    Moves(Vec<AvatarMove>),
}

/// Messages between nodes outside of rooms.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeMessage {
    /// A heartbeat.
    Heartbeat(NodeHeartbeat),
    /// The roster of users online on the sending node.
    Roster(RosterMessage),
    /// A durable event of a direct conversation, for sockets of one of its users that are in other rooms.
    Direct {
        /// The user.
        user: UserId,
        /// The event.
        #[serde(rename = "event", with = "envelope::published")]
        broadcast: Arc<Broadcast>,
    },
    /// An administrator's notice for all sockets of a user.
    Notice {
        /// The user.
        user: UserId,
        /// The content, as it was received.
        data: RawJson,
        /// The time.
        at: Timestamp,
    },
    /// An event for several users, for their sockets on the receiving node.
    UserEvents {
        /// The users.
        users: Vec<UserId>,
        /// The event.
        what: Arc<UserEvent>,
    },
    /// An event for all sockets of a user.
    UserEvent {
        /// The user.
        user: UserId,
        /// The event.
        what: Arc<UserEvent>,
    },
    /// Progress of an upload, for a user's sockets and rooms.
    Upload {
        /// The uploading user.
        user: Author,
        /// The progress.
        upload: Upload,
    },
    /// A user's status, for the user's rooms.
    Status {
        /// The user.
        user: Author,
        /// The status.
        status: Status,
        /// What the user adds to it.
        #[serde(default, skip_serializing_if = "StatusDetails::is_empty")]
        details: StatusDetails,
        /// When it was set. A status older than the known one is ignored.
        at: Timestamp,
    },
    /// A user cancels a question to the assistant.
    CancelAsk {
        /// The user.
        user: UserId,
        /// The client's id for the question.
        request: Arc<str>,
        /// The id of this request, for the answer.
        question: u64,
    },
    /// The answer to [`NodeMessage::CancelAsk`] by the node that had the question; the others do not answer.
    AskCancelled {
        /// The id of the request.
        question: u64,
    },
    /// Closes a connection of the receiving node.
    Close {
        /// The user.
        user: UserId,
        /// The connection.
        conn: ConnKey,
        /// The id of this request, for the answer.
        question: u64,
    },
    /// The answer to [`NodeMessage::Close`].
    Closed {
        /// The id of the request.
        question: u64,
        /// The number of sockets that were closed: one or none.
        sockets: u32,
    },
    /// The user was removed from these rooms. Published in addition to [`RoomMessage::Expel`], which only reaches nodes on
    /// which the room is in use: on the others, sockets of the user may be about to join it.
    Exclude {
        /// The user.
        user: UserId,
        /// The rooms.
        rooms: Vec<RoomId>,
    },
    /// The user's tokens issued before this time are revoked.
    Revoke {
        /// The user.
        user: UserId,
        /// The time.
        before: Timestamp,
    },
    /// The user is blocked for ignoring rate limits.
    Block {
        /// The user.
        user: UserId,
        /// The end of the block.
        until: Timestamp,
    },
    /// The user's block was ended early.
    Lift {
        /// The user.
        user: UserId,
        /// The time at which it ended.
        at: Timestamp,
    },
    /// A mute or a ban was stored, or ended.
    Sanction(Sanction),
    /// A notice for all sockets of all users.
    NoticeToAll {
        /// The notice.
        data: RawJson,
        /// When it was sent.
        at: Timestamp,
    },
    /// Recent requests of a user's sockets on the sending node.
    RateUsage {
        /// The user.
        user: UserId,
        /// The requests since the last such message.
        counts: RequestCounts,
    },
}

/// The receivers of a [`NodeMessage`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Destination {
    /// The nodes on which the user has a socket.
    User(UserId),
    /// A single node.
    Node(NodeId),
    /// All nodes.
    Everyone,
}

// ---- from the bridge ----

/// A message delivered to a room.
#[derive(Message, Clone, Debug)]
#[rtype(result = "()")]
pub struct RoomMessageReceived {
    /// The sending node.
    pub from: NodeId,
    /// The message.
    pub message: RoomMessage,
}

/// To a room: messages of other nodes are received from now on, or cannot be for now and this message will be repeated.
/// Sent after every [`SubscribeRoom`], and again after every interruption of the link.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct RoomSubscribed {
    /// The number of other nodes that have the room in use; `None` if unknown, or if no other node can be reached.
    pub others: Option<usize>,
}

/// A message delivered to a node.
#[derive(Message, Clone, Debug)]
#[rtype(result = "()")]
pub struct NodeMessageReceived {
    /// The sending node.
    pub from: NodeId,
    /// The message.
    pub message: NodeMessage,
}

/// To a node: whether messages of the other nodes are received.
#[derive(Message, Clone, Copy, PartialEq, Eq, Debug)]
#[rtype(result = "()")]
pub enum LinkEvent {
    /// All subscriptions are confirmed and a probe was received.
    Up,
    /// Nothing is received.
    Down,
}

// ---- to the bridge ----

/// Registers a node.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RegisterNode {
    /// The node.
    pub node: NodeId,
    /// Receives the messages of other nodes.
    pub heard: Recipient<NodeMessageReceived>,
    /// Receives the state of the link.
    pub link: Recipient<LinkEvent>,
    /// Is informed when the subscription to a user is confirmed.
    pub followed: Recipient<UserSubscribed>,
}

/// A room is in use here: subscribe to its messages.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SubscribeRoom {
    /// The room.
    pub room: RoomId,
    /// Its node.
    pub node: NodeId,
    /// The incarnation of the room on that node, so that an older one cannot detach it.
    pub incarnation: u64,
    /// Receives the messages.
    pub to: Recipient<RoomMessageReceived>,
    /// Is informed when the subscription is confirmed.
    pub listening: Recipient<RoomSubscribed>,
}

/// The room is no longer in use here.
#[derive(Message)]
#[rtype(result = "()")]
pub struct UnsubscribeRoom {
    /// The room.
    pub room: RoomId,
    /// Its node.
    pub node: NodeId,
    /// The incarnation that was attached; a newer one stays attached.
    pub incarnation: u64,
}

/// A user's first socket on the node opened: subscribe to the user's messages.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SubscribeUser {
    /// The user.
    pub user: UserId,
    /// The node.
    pub node: NodeId,
}

/// The subscription to a user's messages is confirmed; those published since [`SubscribeUser`] may have been missed. Not sent
/// for users followed before the link came up, because the link counts as up only when their subscriptions are
/// confirmed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct UserSubscribed {
    /// The user.
    pub user: UserId,
}

/// A user's last socket on the node closed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct UnsubscribeUser {
    /// The user.
    pub user: UserId,
    /// The node.
    pub node: NodeId,
}

/// Publishes a message to the rooms with the same id on other nodes.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PublishRoom {
    /// The room.
    pub room: RoomId,
    /// The sending node.
    pub node: NodeId,
    /// The message.
    pub message: RoomMessage,
}

/// Publishes a message to other nodes.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PublishNode {
    /// The receivers.
    pub to: Destination,
    /// The sending node.
    pub node: NodeId,
    /// The message.
    pub message: NodeMessage,
}

/// Closes the bridge. Answered when earlier messages have been published or cannot be; afterwards nothing more is
/// transported.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CloseBridge;

// ---- access to the bridge ----

/// Whether the bridge connects other nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClusterMode {
    /// There is no other node, so nothing is published.
    SingleNode,
    /// There may be other nodes.
    MultiNode,
}

/// The state of the link to the other nodes, for health checks. Written by the bridge only.
#[derive(Debug, Default)]
pub struct LinkStatus(AtomicU8);

/// The state of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkState {
    /// There are no other nodes.
    Disabled,
    /// Messages of other nodes are received.
    Up,
    /// They are not.
    Down,
}

impl LinkStatus {
    /// The current state.
    pub fn state(&self) -> LinkState {
        match self.0.load(Ordering::Relaxed) {
            0 => LinkState::Disabled,
            1 => LinkState::Up,
            _ => LinkState::Down,
        }
    }

    /// Sets the state.
    pub fn set(&self, state: LinkState) {
        let code = match state {
            LinkState::Disabled => 0,
            LinkState::Up => 1,
            LinkState::Down => 2,
        };
        self.0.store(code, Ordering::Relaxed);
    }
}

/// A node's access to its bridge, of whichever kind.
#[derive(Clone)]
pub struct BridgeLink {
    /// This node.
    pub node: NodeId,
    /// Whether there may be other nodes.
    pub cluster_mode: ClusterMode,
    /// The state of the link.
    pub board: Arc<LinkStatus>,
    /// For [`RegisterNode`].
    pub register_node: Recipient<RegisterNode>,
    /// For [`SubscribeRoom`].
    pub subscribe_room: Recipient<SubscribeRoom>,
    /// For [`UnsubscribeRoom`].
    pub unsubscribe_room: Recipient<UnsubscribeRoom>,
    /// For [`SubscribeUser`].
    pub subscribe_user: Recipient<SubscribeUser>,
    /// For [`UnsubscribeUser`].
    pub unsubscribe_user: Recipient<UnsubscribeUser>,
    /// For [`PublishRoom`].
    pub publish_room: Recipient<PublishRoom>,
    /// For [`PublishNode`].
    pub publish_node: Recipient<PublishNode>,
    /// For [`CloseBridge`].
    pub close_bridge: Recipient<CloseBridge>,
}

impl BridgeLink {
    /// Creates a node's access to a bridge.
    pub fn new<B>(bridge: &Addr<B>, node: NodeId, cluster_mode: ClusterMode, board: Arc<LinkStatus>) -> BridgeLink
    where
        B: Actor<Context = Context<B>>
            + Handler<RegisterNode>
            + Handler<SubscribeRoom>
            + Handler<UnsubscribeRoom>
            + Handler<SubscribeUser>
            + Handler<UnsubscribeUser>
            + Handler<PublishRoom>
            + Handler<PublishNode>
            + Handler<CloseBridge>,
    {
        BridgeLink {
            node,
            cluster_mode,
            board,
            register_node: bridge.clone().recipient(),
            subscribe_room: bridge.clone().recipient(),
            unsubscribe_room: bridge.clone().recipient(),
            subscribe_user: bridge.clone().recipient(),
            unsubscribe_user: bridge.clone().recipient(),
            publish_room: bridge.clone().recipient(),
            publish_node: bridge.clone().recipient(),
            close_bridge: bridge.clone().recipient(),
        }
    }

    /// Publishes a message to the room on other nodes. If the bridge is full it is lost; rooms close their gaps from
    /// the database.
    pub fn publish_room(&self, room: RoomId, message: RoomMessage) {
        if self.cluster_mode == ClusterMode::MultiNode
            && self.publish_room.try_send(PublishRoom { room, node: self.node, message }).is_err()
        {
            log::warn!("event=bridge_full room={room}");
        }
    }

    /// Publishes a message to other nodes. If the bridge is full it is lost; heartbeats, rosters and profiles are
    /// repeated.
    pub fn publish_node(&self, to: Destination, message: NodeMessage) {
        if self.cluster_mode == ClusterMode::MultiNode
            && self.publish_node.try_send(PublishNode { to, node: self.node, message }).is_err()
        {
            log::warn!("event=bridge_full");
        }
    }
}
