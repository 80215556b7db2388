//! The bridge over Redis. It subscribes to one channel per room in use on this node, one per user with a socket here,
//! one for this node and one for all nodes. It only transports and must never wait: what exceeds its bounds is dropped
//! and counted, because durable events are in the database and everything else is repeated. `link.rs` manages its
//! connections.

mod inbox;
mod link;
mod outgoing;
mod subscriptions;
mod topics;
mod wire;

use std::{sync::Arc, time::Instant};

use actix::prelude::*;
use futures_util::stream;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::{mpsc, oneshot};

use self::{
    inbox::{Arrival, Waiting, What},
    link::Link,
    outgoing::Outgoing,
    subscriptions::{Heard as Subscribed, Subscriptions},
    topics::{Names, Topic},
};
use super::{
    CloseBridge, Destination, LinkEvent, LinkState, LinkStatus, NodeMessageReceived, PublishNode, PublishRoom,
    RegisterNode, RoomMessage, RoomMessageReceived, RoomSubscribed, SubscribeRoom, SubscribeUser, UnsubscribeRoom,
    UnsubscribeUser,
    envelope::{Envelope, EnvelopeItem, Unread},
};
use crate::{
    actors::start_in,
    config::Redis,
    ids::{NodeId, RoomId},
    limits,
    metrics::{Lost, Metrics},
};

/// The actor. Serves one node, on its own thread.
pub struct RedisBridge {
    node: NodeId,
    config: Arc<Redis>,
    names: Names,
    board: Arc<LinkStatus>,
    metrics: Arc<Metrics>,
    began: Instant,
    enlisted: Option<RegisterNode>,
    /// The state of the link that the node was last informed of.
    told: Option<LinkEvent>,
    rooms: FxHashMap<RoomId, Room>,
    /// Rooms that were not informed by [`RoomSubscribed`] because their mailbox was full.
    untold: FxHashSet<RoomId>,
    subscriptions: Subscriptions,
    outgoing: Outgoing,
    flush_planned: bool,
    subscribing_planned: bool,
    link: Link,
    /// The incarnation of the link, so that responses of an earlier one can be recognised.
    incarnation: u64,
    /// Failed attempts since the link was last up.
    attempts: u32,
    arrivals: mpsc::UnboundedSender<Arrival>,
    waiting: Arc<Waiting>,
    hush: Option<oneshot::Sender<()>>,
}

/// A room in use on this node.
struct Room {
    to: Recipient<RoomMessageReceived>,
    listening: Recipient<RoomSubscribed>,
    incarnation: u64,
    /// Whether [`RoomSubscribed`] was sent since it attached.
    told: bool,
}

impl RedisBridge {
    /// Starts the bridge of a node. It connects by itself and reconnects when necessary.
    pub fn start(redis: Redis, node: NodeId, board: Arc<LinkStatus>, metrics: Arc<Metrics>) -> Addr<RedisBridge> {
        board.set(LinkState::Down);
        start_in(&Arbiter::new().handle(), limits::BRIDGE_MAILBOX_MAX, move || {
            // replaced in `started`, before anything can arrive
            let (arrivals, _) = mpsc::unbounded_channel();
            RedisBridge {
                node,
                names: Names::new(&redis.prefix),
                config: Arc::new(redis),
                board,
                metrics,
                began: Instant::now(),
                enlisted: None,
                told: None,
                rooms: FxHashMap::default(),
                untold: FxHashSet::default(),
                subscriptions: Subscriptions::default(),
                outgoing: Outgoing::new(node),
                flush_planned: false,
                subscribing_planned: false,
                link: Link::Away,
                incarnation: 0,
                attempts: 0,
                arrivals,
                waiting: Arc::default(),
                hush: None,
            }
        })
    }

    fn want(&mut self, topic: Topic, ctx: &mut Context<Self>) -> Subscribed {
        let heard = self.subscriptions.want(topic);
        self.plan_subscribing(ctx);
        heard
    }

    fn forget(&mut self, topic: &Topic, ctx: &mut Context<Self>) {
        self.subscriptions.forget(topic);
        self.plan_subscribing(ctx);
    }

    /// Subscribes when the mailbox is empty, so that many rooms share one command.
    fn plan_subscribing(&mut self, ctx: &mut Context<Self>) {
        if !self.subscribing_planned && self.link.is_open() {
            self.subscribing_planned = true;
            ctx.spawn(async {}.into_actor(self).map(|(), bridge, ctx| {
                bridge.subscribing_planned = false;
                bridge.subscribe_more(ctx);
            }));
        }
    }

    fn arrived(&mut self, channel: &[u8], payload: &[u8]) {
        let Some(topic) = self.names.topic(channel) else { return self.metrics.lost(Lost::Unreadable, 1) };
        let envelope = match Envelope::open(payload) {
            Ok(envelope) => envelope,
            Err(unread) => return self.metrics.lost(lost(unread), 1),
        };
        let from = envelope.from;
        if from == self.node && topic != Topic::Node(from) {
            return;
        }
        for message in envelope.messages() {
            match (&topic, message) {
                (Topic::Node(_), Ok(EnvelopeItem::Probe(number))) if from == self.node => self.heard_itself(number),
                _own if from == self.node => {}
                (Topic::Room(room), Ok(EnvelopeItem::Room(message))) if belongs(*room, &message) => {
                    self.forward_to_room(*room, RoomMessageReceived { from, message });
                }
                (Topic::Nodes | Topic::Node(_) | Topic::User(_), Ok(EnvelopeItem::Node(message))) => {
                    self.forward_to_node(NodeMessageReceived { from, message });
                }
                (_, Ok(EnvelopeItem::Room(_) | EnvelopeItem::Node(_) | EnvelopeItem::Probe(_))) => {
                    self.metrics.lost(Lost::Unreadable, 1)
                }
                (_, Err(unread)) => self.metrics.lost(lost(unread), 1),
            }
        }
    }

    fn forward_to_room(&self, id: RoomId, carried: RoomMessageReceived) {
        // messages for a detached room arrive until Redis confirms the unsubscription
        let Some(room) = self.rooms.get(&id) else { return };
        match room.to.try_send(carried) {
            Ok(()) => self.metrics.received(),
            Err(SendError::Full(_)) => self.metrics.lost(Lost::ReceiverFull, 1),
            // removed with the next sweep, unless a successor has replaced it by then
            Err(SendError::Closed(_)) => {}
        }
    }

    /// Removes rooms whose [`UnsubscribeRoom`] was lost, or that ended without one.
    fn forget_gone(&mut self, ctx: &mut Context<Self>) {
        let gone = self.rooms.iter().filter(|(_, room)| !room.to.connected());
        let gone: Vec<RoomId> = gone.map(|(id, _)| *id).collect();
        for id in gone {
            self.detach(id, ctx);
        }
    }

    fn detach(&mut self, id: RoomId, ctx: &mut Context<Self>) {
        self.rooms.remove(&id);
        self.untold.remove(&id);
        self.forget(&Topic::Room(id), ctx);
    }

    fn forward_to_node(&self, heard: NodeMessageReceived) {
        let Some(enlisted) = &self.enlisted else { return };
        match enlisted.heard.try_send(heard) {
            Ok(()) => self.metrics.received(),
            Err(SendError::Full(_)) => self.metrics.lost(Lost::ReceiverFull, 1),
            Err(SendError::Closed(_)) => {}
        }
    }
}

fn lost(unread: Unread) -> Lost {
    match unread {
        Unread::Newer => Lost::Newer,
        Unread::Rubbish => Lost::Unreadable,
    }
}

/// Whether the message belongs to the room. An event names its own room and must never be delivered to the members of
/// another one.
fn belongs(room: RoomId, message: &RoomMessage) -> bool {
    match message {
        RoomMessage::Event(broadcast) => broadcast.event.room.id == room,
        RoomMessage::Members(_) | RoomMessage::Expel { .. } | RoomMessage::KeepOnly { .. } | RoomMessage::Kind(_) => {
            true
        }
    }
}

impl Actor for RedisBridge {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::BRIDGE_MAILBOX_MAX);
        let (arrivals, receiver) = mpsc::unbounded_channel();
        self.arrivals = arrivals;
        let arrivals = stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
        ctx.add_stream(arrivals);
        ctx.run_interval(limits::LINK_TICK, RedisBridge::tick);
        ctx.run_interval(limits::DETACH_SWEEP, RedisBridge::forget_gone);
        self.subscriptions.want(Topic::Nodes);
        self.subscriptions.want(Topic::Node(self.node));
        self.subscriptions.reset();
        self.connect(ctx);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        // the thread serves nothing else
        Arbiter::current().stop();
    }
}

impl StreamHandler<Arrival> for RedisBridge {
    fn handle(&mut self, arrival: Arrival, ctx: &mut Self::Context) {
        self.waiting.taken(&arrival.what);
        if arrival.incarnation != self.incarnation {
            return;
        }
        match arrival.what {
            What::Message { channel, payload } => self.arrived(&channel, &payload),
            What::Unsubscribed { channel } => {
                let unasked = self.names.topic(&channel).is_some_and(|topic| self.subscriptions.hears(&topic));
                if unasked {
                    self.broken(&"Redis ended a subscription", ctx);
                }
            }
            What::Ended => self.broken(&"Redis closed the connection", ctx),
        }
    }
}

impl Handler<RegisterNode> for RedisBridge {
    type Result = ();

    fn handle(&mut self, message: RegisterNode, _: &mut Self::Context) {
        self.enlisted = Some(message);
        self.told = None;
        self.notify_link();
    }
}

impl Handler<SubscribeRoom> for RedisBridge {
    type Result = ();

    fn handle(&mut self, message: SubscribeRoom, ctx: &mut Self::Context) {
        let room = Room { to: message.to, listening: message.listening, incarnation: message.incarnation, told: false };
        self.rooms.insert(message.room, room);
        let heard = self.want(Topic::Room(message.room), ctx);
        if !self.link.is_open() {
            self.notify_subscribed(message.room, None);
        } else if heard == Subscribed::Already {
            self.ask_for_others(message.room, ctx);
        }
    }
}

impl Handler<UnsubscribeRoom> for RedisBridge {
    type Result = ();

    fn handle(&mut self, message: UnsubscribeRoom, ctx: &mut Self::Context) {
        if self.rooms.get(&message.room).is_some_and(|room| room.incarnation == message.incarnation) {
            self.detach(message.room, ctx);
        }
    }
}

impl Handler<SubscribeUser> for RedisBridge {
    type Result = ();

    fn handle(&mut self, message: SubscribeUser, ctx: &mut Self::Context) {
        self.want(Topic::User(message.user), ctx);
    }
}

impl Handler<UnsubscribeUser> for RedisBridge {
    type Result = ();

    fn handle(&mut self, message: UnsubscribeUser, ctx: &mut Self::Context) {
        self.forget(&Topic::User(message.user), ctx);
    }
}

impl Handler<PublishRoom> for RedisBridge {
    type Result = ();

    fn handle(&mut self, message: PublishRoom, ctx: &mut Self::Context) {
        self.publish(Topic::Room(message.room), &EnvelopeItem::Room(message.message), ctx);
    }
}

impl Handler<PublishNode> for RedisBridge {
    type Result = ();

    fn handle(&mut self, message: PublishNode, ctx: &mut Self::Context) {
        let topic = match message.to {
            Destination::User(user) => Topic::User(user),
            Destination::Node(node) => Topic::Node(node),
            Destination::Everyone => Topic::Nodes,
        };
        self.publish(topic, &EnvelopeItem::Node(message.message), ctx);
    }
}

impl Handler<CloseBridge> for RedisBridge {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: CloseBridge, ctx: &mut Self::Context) -> Self::Result {
        let (done, hushed) = oneshot::channel();
        self.hush = Some(done);
        if self.link.is_open() {
            self.publish_more(ctx);
        } else {
            self.confirm_closed();
        }
        Box::pin(async move {
            // also resolves if the actor stops, which ends publication as well
            let _gone = hushed.await;
        })
    }
}
