//! The messages of the channel dialect: a variant per `type`, whose doc comment is the description in the AsyncAPI
//! document. `x-endpoint` names the endpoint on which a message is used, if not on both.

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
    dialects::common::{Ack, AuthRefresh, Broadcast, ErrorMessage, Notice, Notified, Pong, Recovered, Restarting},
    ids::RoomId,
};

/// Messages of clients.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum FromClient<'a> {
    /// Say something in the channel
    #[schemars(extend("x-stored" = true))]
    Message(#[serde(borrow)] Say<'a>),
    /// Say something to the partner; the same as `message`
    #[schemars(extend("x-stored" = true))]
    DmMessage(#[serde(borrow)] Say<'a>),
    /// Report that the user started or stopped typing
    Typing(SetTyping),
    /// Report that the user started or stopped typing, to the partner
    DmTyping(SetTyping),
    /// Offer a call
    WebrtcOffer(#[serde(borrow)] SignalFor<'a>),
    /// Answer an offer
    WebrtcAnswer(#[serde(borrow)] SignalFor<'a>),
    /// Send a network candidate
    WebrtcIceCandidate(#[serde(borrow)] SignalFor<'a>),
    /// Check the connection
    Ping,
    /// Provide a fresh token of the same user before the old one expires
    AuthRefresh(AuthRefresh),
}

/// Messages of the server.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromServer<'a> {
    /// The reply to a ping
    Pong(Pong<'a>),
    /// The request was stored or executed
    Ack(Ack<'a>),
    /// A message was refused and had no effect
    Error(ErrorMessage<'a>),
    /// The server is shutting down; reconnect after this delay, and resume
    ServerRestarting(Restarting),
    /// An administrator's announcement in a room
    Broadcast(Broadcast<'a, RoomId>),
    /// The replay of missed events is complete
    Recovered(Recovered<RoomId>),
    /// A stored notification, or an administrator's message, for a user
    Notification(Notice<Notified<'a>>),
    /// The first frame: the users in the channel
    #[schemars(extend("x-endpoint" = "channel"))]
    OnlineUsers(OnlineUsers<'a>),
    /// A user's first socket in the channel opened
    #[schemars(extend("x-endpoint" = "channel"))]
    UserJoined(InChannel<'a>),
    /// A user's last socket in the channel closed
    #[schemars(extend("x-endpoint" = "channel"))]
    UserLeft(InChannel<'a>),
    /// A stored message; also sent to the sender
    #[schemars(extend("x-endpoint" = "channel"))]
    Message(ChannelMessage<'a>),
    /// A user started or stopped typing
    #[schemars(extend("x-endpoint" = "channel"))]
    Typing(TypingInChannel<'a>),
    /// The first frame, if the partner is not present
    #[schemars(extend("x-endpoint" = "direct"))]
    Connected(Connected<'a>),
    /// The partner is present; as the first frame it has `seq` and `epoch`
    #[schemars(extend("x-endpoint" = "direct"))]
    DmUserOnline(PartnerOnline<'a>),
    /// The partner's last socket in the conversation closed
    #[schemars(extend("x-endpoint" = "direct"))]
    DmUserOffline(InConversation<'a>),
    /// A stored direct message; its `seq` belongs to the conversation
    DmMessage(DirectMessage<'a>),
    /// The partner started or stopped typing
    #[schemars(extend("x-endpoint" = "direct"))]
    DmTyping(TypingInConversation<'a>),
    /// A user offers a call
    WebrtcOffer(Signal<'a>),
    /// A user answers an offer
    WebrtcAnswer(Signal<'a>),
    /// A network candidate of another user
    WebrtcIceCandidate(Signal<'a>),
}
