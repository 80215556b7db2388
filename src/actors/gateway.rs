//! The requests that REST may make to the actors, as plain async calls. A route must never see an address or a mailbox.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;
use tokio::{sync::oneshot, time::timeout};

use super::{
    access::IfMissing,
    fanout::Broadcast,
    messages::{
        Announce, ApplySanction, CloseRemoteSocket, CloseUser, CountAll, CountOnline, DeliverRestRequest, Ended,
        ExpelFrom, FilterOnline, KeepOnly, LiftBlock, LimitsOf, ListNodes, ListOnline, LivenessProbe, Notify,
        NotifyAll, PublishToUser, PublishUpload, RemoteSocketCounts, RestRequest, Revoke, SanctionSource, SocketsOf,
        Statistics, StatusesOf, SurveyRooms, TellUsers,
    },
    moderation::Moderation,
    node::{Node, StopCall, parse_connection_name},
    outbox::ConnKey,
    registry::Registry,
};
use crate::{
    auth::policy::{Denied, Subject},
    core::{
        command::{Command, MessageAddress, MessageRight, RawJson},
        event::{Attachment, Audience, Ephemeral, Event, EventBody, RoomEphemeral, RoomIdentity},
        moderation::Sanction,
        presence::{SocketLocation, UserStatus},
        profile::Author,
        rate::{LimitStatus, RateLimits},
        roster::RoomInUse,
        upload::Upload,
        user_event::UserEvent,
    },
    disconnect::Disconnect,
    error::Refusal,
    ids::{ClientMessageId, NodeId, RoomId, Timestamp, UserId},
    limits::{self, ASK_TIMEOUT, REST_REQUEST_WAIT},
    store::{Access, FileRecord, RoomRef, StoreError},
};

/// A node as shown to administrators.
#[derive(Clone, PartialEq, Debug)]
pub struct NodeReport {
    /// Its id.
    pub id: NodeId,
    /// Its display name.
    pub name: String,
    /// Open sockets, rooms in memory, users with a socket.
    pub statistics: Statistics,
    /// Recent rate of messages received from clients, per second.
    pub messages_per_second: f64,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Whether it is shutting down.
    pub draining: bool,
    /// Seconds since its last heartbeat; 0 for this node.
    pub silent_seconds: u32,
}

/// Access to the actors.
#[derive(Clone)]
pub struct Gateway {
    pub(super) node: Arc<Node>,
}

impl Gateway {
    /// Access to this node's actors.
    pub fn new(node: Arc<Node>) -> Gateway {
        Gateway { node }
    }

    /// Those of the users who are online.
    pub async fn online(&self, users: Vec<UserId>) -> Vec<UserId> {
        self.node.presence.send(FilterOnline(users)).timeout(ASK_TIMEOUT).await.unwrap_or_default()
    }

    /// Makes the registry perform an action and waits until it is done. An actor drops a request whose caller has
    /// stopped waiting, so the action is sent without waiting and its completion is confirmed by a second message: an
    /// overloaded registry performs it late, but never skips it.
    ///
    /// # Errors
    /// If the registry accepts nothing for `EFFECT_PATIENCE`; the action was not performed.
    async fn order<M>(&self, what: &str, order: M) -> Result<(), Refusal>
    where
        M: Message<Result = ()> + Send + 'static,
        Registry: Handler<M>,
    {
        let (began, mut order) = (Instant::now(), order);
        while let Err(error) = self.node.registry.try_send(order) {
            match error {
                SendError::Full(back) if began.elapsed() < limits::EFFECT_PATIENCE => order = back,
                SendError::Full(_) | SendError::Closed(_) => {
                    log::error!("event=effect_lost what={what}");
                    return Err(Refusal::unavailable());
                }
            }
            tokio::time::sleep(limits::OVERFLOW_RETRY).await;
        }
        self.registry_has_caught_up(what).await;
        Ok(())
    }

    async fn registry_has_caught_up(&self, what: &str) {
        if let Err(error) = self.node.registry.send(LivenessProbe).timeout(ASK_TIMEOUT).await {
            log::warn!("event=effect_late what={what} why=\"{error}\"");
        }
    }

    /// Closes the user's sockets and invalidates what is cached about tokens issued before that time.
    ///
    /// # Errors
    /// If the actors are overloaded; the caller should retry.
    pub async fn revoke_user(&self, user: UserId, before: Timestamp) -> Result<(), Refusal> {
        self.order("revoke", Revoke { user, before }).await
    }

    /// Closes the user's sockets in these rooms.
    ///
    /// # Errors
    /// If the actors are overloaded; the caller should retry.
    pub async fn leave_group(&self, rooms: Vec<RoomId>, user: UserId) -> Result<(), Refusal> {
        self.order("expel", ExpelFrom { user, rooms }).await
    }

    /// Removes all other users from a room.
    ///
    /// # Errors
    /// If the actors are overloaded; the caller should retry.
    pub async fn keep_only(&self, room: RoomId, users: Vec<UserId>) -> Result<(), Refusal> {
        self.order("keep_only", KeepOnly { room, users }).await
    }

    /// Who is muted or banned, as this node knows it.
    pub fn moderation(&self) -> Arc<Moderation> {
        self.node.moderation.clone()
    }

    /// Applies a mute or ban that was stored, or its end. It holds on this node when this returns; other nodes are told.
    ///
    /// # Errors
    /// If the actors are overloaded; nodes then read it from the database within a second.
    pub async fn apply_sanction(&self, sanction: Sanction) -> Result<(), Refusal> {
        let apply = ApplySanction { sanction: Arc::new(sanction), source: SanctionSource::Request };
        self.order("sanction", apply).await
    }

    /// Reads the word rules again after a change. Other nodes notice it within half a second.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn refresh_moderation(&self) -> Result<(), StoreError> {
        self.node.refresh_moderation().await
    }

    /// Closes all sockets of a user, on all nodes. Returns how many were closed.
    pub async fn kick(&self, user: UserId) -> usize {
        let mut closed = 0;
        for SocketLocation { node, worker, generation, .. } in self.sockets_of(user.clone()).await {
            let conn = ConnKey { worker, generation };
            let ended = if node == self.node.id {
                let close = CloseUser { user: user.clone(), conn: Some(conn), why: Disconnect::Revoked };
                self.node.registry.send(close).timeout(ASK_TIMEOUT).await.unwrap_or_default() > 0
            } else {
                let close = CloseRemoteSocket { on: node, user: user.clone(), conn };
                self.node.cluster.send(close).timeout(ASK_TIMEOUT).await == Ok(Ended::Yes)
            };
            closed += usize::from(ended);
        }
        closed
    }

    /// Sends a notice to all sockets of all users, on all nodes.
    ///
    /// # Errors
    /// If the actors are overloaded; the caller should retry.
    pub async fn notify_all(&self, data: RawJson) -> Result<(), Refusal> {
        self.order("announcement", NotifyAll { data, at: self.node.clock.now() }).await
    }

    /// Closes a connection by its name, on whichever node it is.
    pub async fn disconnect(&self, connection: &str) -> Ended {
        let Some(name) = parse_connection_name(connection) else { return Ended::NotThere };
        let (user, conn) = (name.user, name.conn);
        if name.node == self.node.id {
            let close = CloseUser { user, conn: Some(conn), why: Disconnect::Revoked };
            return match self.node.registry.send(close).timeout(ASK_TIMEOUT).await {
                Ok(0) => Ended::NotThere,
                Ok(_) => Ended::Yes,
                Err(_) => Ended::Unanswered,
            };
        }
        let close = CloseRemoteSocket { on: name.node, user, conn };
        self.node.cluster.send(close).timeout(ASK_TIMEOUT).await.unwrap_or(Ended::Unanswered)
    }

    async fn sockets_of(&self, user: UserId) -> Vec<SocketLocation> {
        self.node.presence.send(SocketsOf(user)).timeout(ASK_TIMEOUT).await.unwrap_or_default()
    }

    /// Sends a notice to all sockets of a user. Returns their number, as far as this node knows.
    pub async fn notify(&self, user: UserId, data: RawJson) -> usize {
        let sockets = self.sockets_of(user.clone()).await;
        let elsewhere = sockets.iter().filter(|socket| socket.node != self.node.id).count();
        let notify = Notify { user, data, at: self.node.clock.now() };
        let here = self.node.registry.send(notify).timeout(ASK_TIMEOUT).await.unwrap_or_else(|error| {
            log::error!("event=notice_lost why=\"{error}\"");
            0
        });
        here + elsewhere
    }

    /// Sends an event to all sockets of a user. Returns their number, as far as this node knows.
    pub async fn tell(&self, what: UserEvent, user: UserId) -> usize {
        let sockets = self.sockets_of(user.clone()).await;
        let elsewhere = sockets.iter().filter(|socket| socket.node != self.node.id).count();
        let tell = PublishToUser { user, what: Arc::new(what), but: None };
        let here = self.node.registry.send(tell).timeout(ASK_TIMEOUT).await.unwrap_or_else(|error| {
            log::error!("event=news_lost why=\"{error}\"");
            0
        });
        here + elsewhere
    }

    /// Informs the users that the list of their conversations has changed. Not stored: a client that was not connected reads the
    /// list when it connects.
    pub fn conversations_changed(&self, users: Vec<UserId>) {
        let what = Arc::new(UserEvent::ConversationsChanged);
        if self.node.presence.try_send(TellUsers { users, what }).is_err() {
            log::warn!("event=news_lost why=presence_full");
        }
    }

    /// Ends a user's block on all nodes.
    ///
    /// # Errors
    /// If the actors are overloaded; the caller should retry.
    pub async fn lift_block(&self, user: UserId, at: Timestamp) -> Result<(), Refusal> {
        self.order("lift", LiftBlock { user, at }).await
    }

    /// A user's position relative to the limits, merged from all nodes that answer in time.
    pub async fn limits_of(&self, user: UserId) -> LimitStatus {
        self.node.cluster.send(LimitsOf(user)).timeout(ASK_TIMEOUT).await.unwrap_or_default()
    }

    /// The rate limits.
    pub fn rates(&self) -> RateLimits {
        self.node.rates
    }

    /// The users who are online on any node, at most `most`.
    pub async fn everyone_online(&self, most: usize) -> Vec<UserId> {
        self.node.presence.send(ListOnline(most)).timeout(ASK_TIMEOUT).await.unwrap_or_default()
    }

    /// The status of each of the users; `None` if offline.
    pub async fn statuses(&self, users: Vec<UserId>) -> Vec<Option<UserStatus>> {
        let most = users.len();
        let found = self.node.presence.send(StatusesOf(users)).timeout(ASK_TIMEOUT).await;
        found.unwrap_or_else(|_| vec![None; most])
    }

    /// Executes a command in a room for a user, by the same rules as on a socket. The caller must have checked that the
    /// user may enter the room. Returns the stored event, if one was stored: now, or earlier under the same id of the client.
    ///
    /// # Errors
    /// The room's refusal, or `SERVICE_UNAVAILABLE` if there is no answer in time; the event may have been stored nevertheless.
    pub async fn ask(
        &self,
        room: RoomIdentity,
        user: Author,
        client_message_id: Option<ClientMessageId>,
        command: Command,
        attachments: Vec<Attachment>,
    ) -> Result<Option<Box<Event>>, Refusal> {
        if self.node.is_draining() {
            return Err(Refusal::unavailable());
        }
        let (answer, answered) = oneshot::channel();
        let request = RestRequest { user, client_message_id, command, attachments, answer };
        let bring = DeliverRestRequest { room: Arc::new(room), request };
        match self.node.registry.send(bring).timeout(ASK_TIMEOUT).await {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => return Err(refusal),
            Err(error) => {
                log::warn!("event=rest_request_lost why=\"{error}\"");
                return Err(Refusal::unavailable());
            }
        }
        // storing takes at most the journal's time-out, and starting the room about as long
        match timeout(REST_REQUEST_WAIT, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(Refusal::unanswered()),
        }
    }

    /// Finds a room and decides whether the subject may enter it, by the same rules as for sockets.
    ///
    /// # Errors
    /// The refusal, if the room does not exist or the subject may not enter it.
    pub async fn enter(&self, subject: Subject<'_>, room: &RoomRef, missing: IfMissing) -> Result<Access, Refusal> {
        self.node.enter(subject, room, missing).await
    }

    /// Executes a command in a room with the files and users that it names. Otherwise like [`Gateway::ask`].
    ///
    /// # Errors
    /// `NOT_FOUND` for a file that does not exist, is not complete, or is not shared with the user; otherwise like
    /// [`Gateway::ask`].
    pub async fn ask_with_named(
        &self,
        subject: Subject<'_>,
        room: RoomIdentity,
        user: Author,
        client_message_id: Option<ClientMessageId>,
        command: Command,
    ) -> Result<Option<Box<Event>>, Refusal> {
        let (command, attachments) = self.node.look_up_named(subject, Some(&room), command).await?;
        self.ask(room, user, client_message_id, command, attachments).await
    }

    /// The room of a message, if the subject may do that with the message, by the same rules as for sockets.
    ///
    /// # Errors
    /// `NOT_FOUND`; `PERMISSION_DENIED` to a participant who may not change the message.
    pub async fn room_of_message(
        &self,
        subject: Subject<'_>,
        at: &MessageAddress,
        right: MessageRight,
    ) -> Result<RoomIdentity, Refusal> {
        self.node.room_of_message(subject, at, right).await
    }

    /// Broadcasts an announcement in a room. Returns whether it was handed over.
    pub async fn announce(&self, room: RoomIdentity, data: RawJson) -> bool {
        let body = EventBody::Ephemeral(Ephemeral::Room(RoomEphemeral::Announced { data }));
        let event = Event { room: Arc::new(room), at: self.node.clock.now(), body };
        let announce = Announce(Broadcast::new(event, Audience::Everyone));
        self.node.registry.send(announce).timeout(ASK_TIMEOUT).await.is_ok()
    }

    /// Sends the progress of an upload to the user's sockets and rooms. If it is lost, it is not repeated.
    pub fn publish_upload(&self, user: Author, upload: Upload) {
        if self.node.registry.try_send(PublishUpload { user, upload, but: None }).is_err() {
            log::warn!("event=upload_not_sent why=registry_full");
        }
    }

    /// All nodes, this one first. Sockets of other nodes are counted by the roster, which is updated at once; the
    /// figure of the heartbeat, which is sent once per second, is used only for a node whose roster is not known.
    pub async fn nodes(&self) -> Vec<NodeReport> {
        let sockets = self.node.presence.send(RemoteSocketCounts).timeout(ASK_TIMEOUT).await.unwrap_or_default();
        let known = self.node.cluster.send(ListNodes).timeout(ASK_TIMEOUT).await.unwrap_or_default();
        let own = NodeReport {
            id: self.node.id,
            name: self.node.config.node.name.clone(),
            statistics: self.statistics().await,
            messages_per_second: known.messages_per_second,
            uptime_seconds: known.uptime_seconds,
            draining: self.node.is_leaving(),
            silent_seconds: 0,
        };
        let peers = known.peers.into_iter().map(|(id, peer)| NodeReport {
            id,
            name: peer.beat.name,
            statistics: Statistics {
                // a node that is leaving keeps its users' sockets in the roster, but has fewer
                connections: match peer.beat.leaving_ms {
                    None => sockets.get(&id).copied().unwrap_or(peer.beat.connections),
                    Some(_) => peer.beat.connections,
                },
                rooms: peer.beat.rooms,
                users: peer.beat.users,
            },
            messages_per_second: peer.beat.messages_per_second,
            uptime_seconds: peer.beat.uptime_seconds,
            draining: peer.beat.leaving_ms.is_some(),
            silent_seconds: peer.silent_ticks,
        });
        std::iter::once(own).chain(peers).collect()
    }

    /// The number of users online on all nodes.
    pub async fn users_online(&self) -> usize {
        self.node.presence.send(CountOnline).timeout(ASK_TIMEOUT).await.unwrap_or_default()
    }

    /// The rooms in use on all nodes that answer in time. `None` if too many requests are pending.
    pub async fn rooms(&self) -> Option<Arc<Vec<RoomInUse>>> {
        self.node.cluster.send(SurveyRooms).timeout(ASK_TIMEOUT).await.ok().flatten()
    }

    /// Shuts the node down, like SIGTERM.
    pub fn stop(&self) -> StopCall {
        self.node.stop.pull()
    }

    /// The figures of this node.
    pub async fn statistics(&self) -> Statistics {
        self.node.registry.send(CountAll).timeout(ASK_TIMEOUT).await.unwrap_or_default()
    }

    /// Whether the node is shutting down.
    pub fn is_leaving(&self) -> bool {
        self.node.is_leaving()
    }

    /// Whether the subject may download a file.
    ///
    /// # Errors
    /// If the database is unavailable.
    pub async fn may_fetch(&self, subject: Subject<'_>, file: &FileRecord) -> Result<Result<(), Denied>, StoreError> {
        self.node.may_fetch(subject, file).await
    }

    /// Whether the node accepts no new requests.
    pub fn is_draining(&self) -> bool {
        self.node.is_draining()
    }
}
