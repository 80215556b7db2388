//! The messages of the channel dialect, as they are on the wire: a variant per `type`, whose documentation is that of the
//! AsyncAPI document. `x-endpoint` says on which of the two endpoints a message is spoken, if not on both.

pub mod calls;
pub mod chat;
pub mod presence;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::{
    calls::{Signal, SignalFor},
    chat::{ChannelMessage, DirectMessage, Say},
    presence::{
        Connected, InChannel, InConversation, OnlineUsers, PartnerOnline, SetTyping, TypingInChannel,
        TypingInConversation,
    },
};
use crate::{
    dialects::{
        common::{Ack, AuthRefresh, Broadcast, ErrorMessage, Notice, Notification, Pong, Recovered, Restarting},
        output::RelayedObject,
    },
    ids::RoomId,
};

/// What clients send.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum FromClient<'a> {
    /// Say something in the channel
    Message(#[serde(borrow)] Say<'a>),
    /// Say something to the partner; the same as `message`
    DmMessage(#[serde(borrow)] Say<'a>),
    /// Tell that one types, or stopped
    Typing(SetTyping),
    /// The same to the partner
    DmTyping(SetTyping),
    /// Offer a call
    WebrtcOffer(#[serde(borrow)] SignalFor<'a>),
    /// Answer an offer
    WebrtcAnswer(#[serde(borrow)] SignalFor<'a>),
    /// A way to reach this peer
    WebrtcIceCandidate(#[serde(borrow)] SignalFor<'a>),
    /// Ask whether the server lives
    Ping,
    /// Give a fresh token of the same user before the old one ends
    AuthRefresh(AuthRefresh),
}

/// What the server sends.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromServer<'a> {
    /// The answer to a ping
    Pong(Pong<'a>),
    /// What was asked for is stored, or done
    Ack(Ack<'a>),
    /// A message was refused; it had no effect
    Error(ErrorMessage<'a>),
    /// Come back after this delay, and resume
    ServerRestarting(Restarting),
    /// An administrator's announcement in a room
    Broadcast(Broadcast<'a, RoomId>),
    /// All that was missed has been sent
    Recovered(Recovered<RoomId>),
    /// A stored notification, or an administrator's message, for a user
    Notification(Notice<Notified<'a>>),
    /// The first frame: who is in the channel
    #[schemars(extend("x-endpoint" = "channel"))]
    OnlineUsers(OnlineUsers<'a>),
    /// A user's first socket in the channel opened
    #[schemars(extend("x-endpoint" = "channel"))]
    UserJoined(InChannel<'a>),
    /// A user's last socket in the channel ended
    #[schemars(extend("x-endpoint" = "channel"))]
    UserLeft(InChannel<'a>),
    /// A message, stored; the sender receives it, too
    #[schemars(extend("x-endpoint" = "channel"))]
    Message(ChannelMessage<'a>),
    /// Somebody types, or stopped
    #[schemars(extend("x-endpoint" = "channel"))]
    Typing(TypingInChannel<'a>),
    /// The first frame: the partner is not there
    #[schemars(extend("x-endpoint" = "direct"))]
    Connected(Connected<'a>),
    /// The partner is there; as the first frame with `seq` and `epoch`
    #[schemars(extend("x-endpoint" = "direct"))]
    DmUserOnline(PartnerOnline<'a>),
    /// The partner's last socket in the conversation ended
    #[schemars(extend("x-endpoint" = "direct"))]
    DmUserOffline(InConversation<'a>),
    /// A direct message, stored; its `seq` counts in the conversation
    DmMessage(DirectMessage<'a>),
    /// The partner types, or stopped
    #[schemars(extend("x-endpoint" = "direct"))]
    DmTyping(TypingInConversation<'a>),
    /// Somebody offers a call
    WebrtcOffer(Signal<'a>),
    /// Somebody answers an offer
    WebrtcAnswer(Signal<'a>),
    /// A way to reach a peer
    WebrtcIceCandidate(Signal<'a>),
}

/// What a user is notified of.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Notified<'a> {
    /// A stored notification, whole.
    Stored(Notification<'a>),
    /// As the administrator wrote it.
    Written(RelayedObject<'a>),
}
