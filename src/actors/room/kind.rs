//! What the kinds of rooms differ in. The room itself orders events, keeps the members and communicates with hubs and other
//! nodes; its kind is a state machine that decides the rest: rules, state besides the log, and messages to the same room on
//! other nodes. A kind must never send anything itself, and never read a clock: it is given the time and returns effects.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use futures_util::future::LocalBoxFuture;

use super::{Requester, Room, kinds, publish::By};
use crate::{
    actors::{
        bridge::{ClusterMode, KindMessage, RoomMessage},
        fanout::Broadcast,
        hub_link::HubLink,
        messages::{HubMessage, Join, Origin, RoomChoice},
        node::Node,
        outbox::ConnKey,
    },
    core::{
        command::{Command, Receipt},
        document::DocumentRole,
        event::{
            Audience, ChatDurable, Conflicting, Durable, Ephemeral, Event, MemberPresence, Reply, RoomIdentity,
            RoomPresence, RoomScope,
        },
        presence::{Status, UserStatus},
        profile::Author,
        room::RoomCore,
        space::{Place, SpaceSettings},
    },
    disconnect::Disconnect,
    error::{ErrorCode, Refusal},
    ids::{Area, ClientMessageId, EventId, NodeId, RoomId, Seq, SocketId, Timestamp, UserId},
    store::{DocumentState, QueueFor, Store, StoreError},
};

/// The room as its kind sees it.
pub(super) struct RoomView<'a> {
    /// Order and members.
    pub core: &'a RoomCore<ConnKey, Broadcast>,
    /// The time.
    pub now: Timestamp,
    /// This node.
    pub node: NodeId,
    /// Whether the room may be in use on other nodes.
    pub cluster_mode: ClusterMode,
    /// Whether members on this node could receive anything.
    pub has_hubs: bool,
    /// Draws a random number.
    pub random: fn() -> u64,
}

impl RoomView<'_> {
    /// The users whom a message mentions and who are not in the room.
    pub fn absent_mentioned(&self, what: &Durable) -> Vec<UserId> {
        let mentioned = match what {
            Durable::Chat(ChatDurable::MessageSent { mentions, .. }) => mentions.as_slice(),
            Durable::Chat(_) | Durable::Sheet(_) | Durable::Canvas(_) | Durable::Document(_) | Durable::Space(_) => &[],
        };
        let author = &what.author().id;
        let absent = mentioned.iter().filter(|user| *user != author && !self.core.is_present(user));
        absent.cloned().collect()
    }
}

/// What the room does for its kind.
#[derive(Debug)]
pub(super) enum Effect {
    /// Sends to the members on this node only; the rooms on other nodes do the same themselves.
    AnnounceLocal {
        /// The event.
        what: Ephemeral,
        /// The recipients.
        audience: Audience,
    },
    /// Places sockets on this node in areas, or in none, for [`Audience::In`]. Applies to events announced after it. A socket
    /// that joins is in none.
    Place(Vec<(ConnKey, Option<Area>)>),
    /// Sends to the members on all nodes.
    Announce {
        /// The event.
        what: Ephemeral,
        /// The recipients.
        audience: Audience,
    },
    /// Stores an event. The kind itself confirms it, to whom it knows; the room only refuses it.
    Store {
        /// The event.
        what: Box<Durable>,
        /// The id under which the client may repeat it.
        client_message_id: Option<ClientMessageId>,
        /// The origin of the command.
        asker: Requester,
    },
    /// Stores an event for which nobody is answered. [`RoomKind::settled`] says whether it was stored.
    StoreUnasked(Box<Durable>),
    /// Refuses a command that the kind has kept.
    Refuse {
        /// The origin of the command.
        asker: Requester,
        /// Why.
        refusal: Refusal,
    },
    /// Stores a named version of a document, and then the event that says so.
    SaveVersion {
        /// The user.
        user: Author,
        /// The socket that asks, and the tag of its request.
        asker: Requester,
        /// The id under which the client may repeat the command.
        client_message_id: Option<ClientMessageId>,
        /// The name.
        name: Option<Arc<str>>,
        /// The contents.
        state: DocumentState,
    },
    /// Publishes to the same room on other nodes.
    Publish(KindMessage),
    /// Sends to one socket.
    Reply {
        /// The socket.
        conn: ConnKey,
        /// What.
        reply: Reply,
    },
    /// Stores the document's state, from what the log has of it, and calls [`RoomKind::document_saved`].
    SaveDocument,
    /// Reads the settings of the space again, and calls [`RoomKind::settings_read`].
    ReadSettings,
    /// Reads the rights of all users here again, and calls [`RoomKind::role_read`]; who has lost them is removed.
    ReadRights,
    /// Closes a socket.
    Close {
        /// The socket.
        conn: ConnKey,
        /// Why.
        why: Disconnect,
    },
    /// Publishes pending joins and leaves, on which the next message depends.
    PublishMembers,
    /// Calls [`RoomKind::woken`] later.
    Wake {
        /// Given back.
        timer: Timer,
        /// How much later.
        after: Duration,
    },
}

/// How a command is answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is confirmed.
    Done,
    /// The event is stored, and then confirmed or refused.
    Store(Box<Durable>, RoomChoice),
    /// The kind answers it with effects, now or later.
    Kept,
    /// It is answered with this. Only for REST.
    Report(Box<Ephemeral>),
    /// Rooms of this kind have no such command.
    Unknown,
    /// It is refused.
    Refuse(Refusal),
    /// It is refused, because it conflicts with what others have done.
    Conflict(Refusal, Box<Conflicting>),
}

/// What the journal has done with an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Settled {
    /// It is stored.
    Stored,
    /// It repeats an event that was stored before, at that place.
    Repeated(Seq),
    /// It is not stored, and never will be.
    NotStored,
}

/// Reads the state of a room.
pub(super) type Loading<'a> = LocalBoxFuture<'a, Result<(), StoreError>>;

/// One of the timers of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Timer(pub u8);

/// A kind of rooms. The defaults are those of a room whose only state is its log.
pub(super) trait RoomKind {
    // ---- rules ----

    /// Who is sent that this user types.
    fn typing_audience(&self, user: &UserId) -> Audience {
        Audience::EveryoneBut(user.clone())
    }

    /// Who receives a stored event, live. `from` is the socket that has sent it, which may learn of it by the acknowledgement
    /// alone. Members who missed the event are sent it by its own audience.
    fn audience(&self, what: &Durable, _from: Option<SocketId>) -> Audience {
        what.audience()
    }

    /// In whose queues an event is put that is queued for absent users.
    fn queue_for(&self, what: &Durable, room: &RoomView<'_>) -> QueueFor {
        room.absent_mentioned(what).into()
    }

    /// The users who are sent every event on all their sockets, even on those that have not joined. If there are none, an
    /// event is also sent to those users in whose queues it is.
    fn always_sent_to(&self) -> Vec<UserId> {
        Vec::new()
    }

    /// Whether the room itself reads a right again that may have been lost since it was read. It must, unless the registry
    /// checks it before it sends the join, or it can't be lost.
    fn rereads_access(&self) -> bool {
        true
    }

    /// Whether members are sent the presence of all members after joins and leaves.
    fn sends_presence(&self) -> bool {
        false
    }

    // ---- what has happened ----

    /// The room starts: reads the state that it has besides its log. Called on a new value, which is dropped if this fails
    /// and called again while the database is unavailable. The only hook that may read anything itself.
    ///
    /// # Errors
    /// If the database can't be read.
    fn load<'a>(&'a mut self, _store: &'a Store, _room: RoomId, _now: Timestamp) -> Loading<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// A command that the room does not know itself. `by` has joined, or may enter (REST).
    fn command(&mut self, _command: Command, _by: &By, _room: &RoomView<'_>) -> (Answer, Vec<Effect>) {
        (Answer::Unknown, Vec::new())
    }

    /// A socket has joined.
    fn joined(&mut self, _join: &Join, _now: Timestamp) {}

    /// A socket has joined and is sent events from now on.
    fn admitted(&mut self, _conn: ConnKey, _user: &UserId, _room: &RoomView<'_>) -> Vec<Effect> {
        Vec::new()
    }

    /// A member was active.
    fn active(&mut self, _user: &UserId, _now: Timestamp) {}

    /// A user has left on all nodes.
    fn left(&mut self, _user: &UserId) {}

    /// Users have joined or left, on any node.
    fn members_changed(&mut self, _room: &RoomView<'_>) -> Vec<Effect> {
        Vec::new()
    }

    /// A socket has left. Called before its user has left, if it was the last one.
    fn socket_left(&mut self, _conn: ConnKey, _room: &RoomView<'_>) -> Vec<Effect> {
        Vec::new()
    }

    /// A slow socket has read all that was queued for it, and ephemeral events were dropped meanwhile. Called at most once in
    /// `RESYNC_PERIOD`.
    fn fell_behind(&mut self, _conn: ConnKey, _room: &RoomView<'_>) -> Vec<Effect> {
        Vec::new()
    }

    /// Another node is up, or up again. This one may have missed its messages.
    fn node_up(&mut self) -> Vec<Effect> {
        Vec::new()
    }

    /// Another node is gone.
    fn node_gone(&mut self, _node: NodeId, _room: &RoomView<'_>) -> Vec<Effect> {
        Vec::new()
    }

    /// The journal has settled an event of this node; if it is stored, it has been published, or waits for an earlier one.
    fn settled(&mut self, _what: &Durable, _outcome: Settled, _room: &RoomView<'_>) -> Vec<Effect> {
        Vec::new()
    }

    /// A durable event of any node has been sent to the members here. Called in sequence.
    fn delivered(&mut self, _event: &Event, _room: &RoomView<'_>) -> Vec<Effect> {
        Vec::new()
    }

    /// The settings of the space were read again.
    fn settings_read(&mut self, _settings: SpaceSettings, _room: &RoomView<'_>) -> Vec<Effect> {
        Vec::new()
    }

    /// The role of a user in a document was read again; `None` if the user has none any more, and is removed.
    fn role_read(&mut self, _user: &UserId, _role: Option<DocumentRole>, _room: &RoomView<'_>) -> Vec<Effect> {
        Vec::new()
    }

    /// Whether rights are to be read again after this node may have missed that they were changed.
    fn has_roles(&self) -> bool {
        false
    }

    /// How the others are informed that a user has joined, if not in the usual way.
    fn announcement_of_join(&mut self, _user: &Author) -> Option<Ephemeral> {
        None
    }

    /// How the others are informed that a user has left, if not in the usual way.
    fn announcement_of_leave(&mut self, _user: &Author) -> Option<Ephemeral> {
        None
    }

    /// The state of the document was stored, with all but this number of the later events; or not.
    fn document_saved(&mut self, _saved: Option<i64>) {}

    /// A durable event of any node is published next. Called in sequence.
    fn published(&mut self, _event: &Event) {}

    /// An ephemeral event was received from another node.
    fn ephemeral_received(&mut self, _what: &Ephemeral, _now: Timestamp) {}

    /// The same room on another node has published this.
    fn received(&mut self, _from: NodeId, _message: KindMessage, _room: &RoomView<'_>) -> Vec<Effect> {
        Vec::new()
    }

    /// A user has set a status. Returns the members who are sent it; `None`: nobody.
    fn status_set(&mut self, _user: &UserId, _status: &UserStatus, _now: Timestamp) -> Option<Audience> {
        None
    }

    /// A timer has expired.
    fn woken(&mut self, _timer: Timer, _room: &RoomView<'_>) -> Vec<Effect> {
        Vec::new()
    }

    // ---- what it knows ----

    /// What a newcomer is sent after the first message of the room and before missed events.
    fn opening(&self, _join: &Join, _room: &RoomView<'_>) -> Vec<Reply> {
        Vec::new()
    }

    /// The last activity of any member, where it is tracked.
    fn last_activity(&self) -> Option<Timestamp> {
        None
    }

    /// Where the user is, in a space.
    fn place_of(&self, _user: &UserId) -> Option<Place> {
        None
    }

    /// The presence data of these members.
    fn presence_of(&self, users: &[Author], now: Timestamp) -> Vec<MemberPresence> {
        let named = |user: &Author| MemberPresence {
            user: user.clone(),
            status: Status::default(),
            cursor: None,
            last_seen: now,
        };
        users.iter().map(named).collect()
    }

    /// The presence of all members, where newcomers are sent it.
    fn presence(&self, _room: &RoomView<'_>) -> Option<RoomPresence> {
        None
    }

    /// The same without the members.
    fn activity(&self, _room: &RoomView<'_>) -> Option<RoomPresence> {
        None
    }

    /// What the rooms on other nodes have to know of these members before they learn that they have joined.
    fn messages_about(&self, _members: &mut dyn Iterator<Item = &Author>, _now: Timestamp) -> Vec<KindMessage> {
        Vec::new()
    }
}

/// The kind of a room. The only place that distinguishes the kinds.
pub(super) fn kind_of(room: &RoomIdentity) -> Box<dyn RoomKind> {
    match &room.scope {
        RoomScope::Channel { .. } => Box::new(kinds::channel::Channel),
        RoomScope::Direct { users } => Box::new(kinds::direct::Direct::of(users.clone())),
        RoomScope::Open { .. } => Box::new(kinds::open::Open::default()),
        RoomScope::Space => Box::new(kinds::space::Space::new(room.id)),
        RoomScope::Canvas { canvas, size } => Box::new(kinds::canvas::Canvas::new(*canvas, *size)),
        RoomScope::Document { document } => Box::new(kinds::document::Document::new(document.clone())),
    }
}

fn view<'a>(core: &'a RoomCore<ConnKey, Broadcast>, node: &Node, hub_links: &[HubLink]) -> RoomView<'a> {
    let (now, cluster_mode) = (node.clock.now(), node.bridge.cluster_mode);
    RoomView { core, now, node: node.id, cluster_mode, has_hubs: !hub_links.is_empty(), random: || fastrand::u64(..) }
}

impl Room {
    /// The room as its kind sees it; `None` until it is loaded.
    pub(super) fn view(&self) -> Option<RoomView<'_>> {
        Some(view(self.core.as_ref()?, &self.node, &self.hub_links))
    }

    /// Informs the kind of something, and executes the effects.
    pub(super) fn with_kind(
        &mut self,
        ctx: &mut Context<Self>,
        inform: impl FnOnce(&mut dyn RoomKind, &RoomView<'_>) -> Vec<Effect>,
    ) {
        let Some(core) = &self.core else { return };
        let effects = inform(&mut *self.kind, &view(core, &self.node, &self.hub_links));
        self.execute(effects, ctx);
    }

    /// Lets the kind execute a command.
    pub(super) fn ask_kind(&mut self, command: Command, by: By, ctx: &mut Context<Self>) {
        let mut answer = Answer::Unknown;
        self.with_kind(ctx, |kind, room| {
            let effects;
            (answer, effects) = kind.command(command, &by, room);
            effects
        });
        let By { asker, client_message_id, .. } = by;
        match answer {
            Answer::Done => self.done(asker, ctx),
            Answer::Store(what, room_choice) => {
                self.store(*what, client_message_id, Origin { asker, room_choice, receipt: Receipt::Ack }, ctx);
            }
            Answer::Kept => {}
            Answer::Report(what) => self.report(asker, *what),
            Answer::Refuse(refusal) => self.refuse_asker(asker, refusal, ctx),
            Answer::Conflict(refusal, with) => self.refuse_conflict(asker, refusal, *with, ctx),
            Answer::Unknown => {
                let sentence = "Rooms of this kind have no such messages; send it to a room of another kind";
                self.refuse_asker(asker, Refusal::new(ErrorCode::UnknownMessageType, sentence), ctx);
            }
        }
    }

    fn execute(&mut self, effects: Vec<Effect>, ctx: &mut Context<Self>) {
        for effect in effects {
            match effect {
                Effect::AnnounceLocal { what, audience } => {
                    let broadcast = self.ephemeral(what, audience);
                    self.deliver(&broadcast, ctx);
                }
                Effect::Place(places) => self.place(places, ctx),
                Effect::Announce { what, audience } => self.announce(what, audience, ctx),
                Effect::Store { what, client_message_id, asker } => {
                    let origin = Origin { asker, room_choice: RoomChoice::Named, receipt: Receipt::OfKind };
                    self.store(*what, client_message_id, origin, ctx);
                }
                Effect::StoreUnasked(what) => self.append(EventId::generate(), *what, None, None, ctx),
                Effect::Refuse { asker, refusal } => self.refuse_asker(asker, refusal, ctx),
                Effect::SaveVersion { user, asker, client_message_id, name, state } => {
                    self.save_version(By { user, asker, client_message_id }, name, state, ctx);
                }
                Effect::Publish(message) => self.publish_kind(message),
                Effect::SaveDocument => self.save_document(ctx),
                Effect::ReadSettings => self.read_settings(ctx),
                Effect::ReadRights => self.read_rights(ctx),
                Effect::Reply { conn, reply } => self.send_reply(conn, reply, ctx),
                Effect::Close { conn, why } => {
                    self.send(conn, HubMessage::Expel { room: self.identity.id, conn, why }, ctx);
                }
                Effect::PublishMembers => self.publish_diffs(),
                Effect::Wake { timer, after } => {
                    ctx.run_later(after, move |room, ctx| room.with_kind(ctx, |kind, room| kind.woken(timer, room)));
                }
            }
        }
    }

    /// Places sockets in areas; one message per worker.
    fn place(&mut self, mut places: Vec<(ConnKey, Option<Area>)>, ctx: &mut Context<Self>) {
        places.sort_by_key(|(conn, _)| conn.worker);
        for of_worker in places.chunk_by(|(a, _), (b, _)| a.worker == b.worker) {
            let Some((conn, _)) = of_worker.first() else { continue };
            self.send(*conn, HubMessage::Place { room: self.identity.id, places: of_worker.to_vec() }, ctx);
        }
    }

    /// Publishes a message of the kind to the other nodes.
    pub(super) fn publish_kind(&self, message: KindMessage) {
        self.node.bridge.publish_room(self.identity.id, RoomMessage::Kind(message));
    }

    /// Publishes what other nodes have to know of members here.
    pub(super) fn publish_member_presence<'a>(&self, mut members: impl Iterator<Item = &'a Author>) {
        for message in self.kind.messages_about(&mut members, self.node.clock.now()) {
            self.publish_kind(message);
        }
    }

    /// A member was active.
    pub(super) fn seen(&mut self, user: &UserId) {
        self.kind.active(user, self.node.clock.now());
    }
}
