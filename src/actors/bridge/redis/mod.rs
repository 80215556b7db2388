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
    Attach, Carried, Carry, Detach, Enlist, Follow, Heard, Hush, LinkBoard, LinkIs, LinkState, Listening, RoomWord,
    Say, To, Unfollow,
    envelope::{Envelope, Unread, Word},
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
    board: Arc<LinkBoard>,
    metrics: Arc<Metrics>,
    began: Instant,
    enlisted: Option<Enlist>,
    /// The state of the link that the node was last informed of.
    told: Option<LinkIs>,
    rooms: FxHashMap<RoomId, Room>,
    /// Rooms that were not informed by [`Listening`] because their mailbox was full.
    untold: FxHashSet<RoomId>,
    subscriptions: Subscriptions,
    outgoing: Outgoing,
    flush_planned: bool,
    subscribing_planned: bool,
    link: Link,
    /// The incarnation of the link, so that responses of an earlier one can be recognised.
    life: u64,
    /// Failed attempts since the link was last up.
    attempts: u32,
    arrivals: mpsc::UnboundedSender<Arrival>,
    waiting: Arc<Waiting>,
    hush: Option<oneshot::Sender<()>>,
}

/// A room in use on this node.
struct Room {
    to: Recipient<Carried>,
    listening: Recipient<Listening>,
    life: u64,
    /// Whether [`Listening`] was sent since it attached.
    told: bool,
}

impl RedisBridge {
    /// Starts the bridge of a node. It connects by itself and reconnects when necessary.
    pub fn start(redis: Redis, node: NodeId, board: Arc<LinkBoard>, metrics: Arc<Metrics>) -> Addr<RedisBridge> {
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
                life: 0,
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
        for word in envelope.words() {
            match (&topic, word) {
                (Topic::Node(_), Ok(Word::Probe(number))) if from == self.node => self.heard_itself(number),
                _own if from == self.node => {}
                (Topic::Room(room), Ok(Word::Room(word))) if belongs(*room, &word) => {
                    self.bring_room(*room, Carried { from, word });
                }
                (Topic::Nodes | Topic::Node(_) | Topic::User(_), Ok(Word::Node(word))) => {
                    self.bring_node(Heard { from, word });
                }
                (_, Ok(Word::Room(_) | Word::Node(_) | Word::Probe(_))) => self.metrics.lost(Lost::Unreadable, 1),
                (_, Err(unread)) => self.metrics.lost(lost(unread), 1),
            }
        }
    }

    fn bring_room(&self, id: RoomId, carried: Carried) {
        // messages for a detached room arrive until Redis confirms the unsubscription
        let Some(room) = self.rooms.get(&id) else { return };
        match room.to.try_send(carried) {
            Ok(()) => self.metrics.received(),
            Err(SendError::Full(_)) => self.metrics.lost(Lost::ReceiverFull, 1),
            // removed with the next sweep, unless a successor has replaced it by then
            Err(SendError::Closed(_)) => {}
        }
    }

    /// Removes rooms whose [`Detach`] was lost, or that ended without one.
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

    fn bring_node(&self, heard: Heard) {
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
fn belongs(room: RoomId, word: &RoomWord) -> bool {
    match word {
        RoomWord::Event(broadcast) => broadcast.event.room.id == room,
        RoomWord::Members(_)
        | RoomWord::Expel { .. }
        | RoomWord::KeepOnly { .. }
        | RoomWord::Cursors(_)
        | RoomWord::Attending(_) => true,
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
        if arrival.life != self.life {
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

impl Handler<Enlist> for RedisBridge {
    type Result = ();

    fn handle(&mut self, message: Enlist, _: &mut Self::Context) {
        self.enlisted = Some(message);
        self.told = None;
        self.tell_link();
    }
}

impl Handler<Attach> for RedisBridge {
    type Result = ();

    fn handle(&mut self, message: Attach, ctx: &mut Self::Context) {
        let room = Room { to: message.to, listening: message.listening, life: message.life, told: false };
        self.rooms.insert(message.room, room);
        let heard = self.want(Topic::Room(message.room), ctx);
        if !self.link.is_open() {
            self.tell_listening(message.room, None);
        } else if heard == Subscribed::Already {
            self.ask_for_others(message.room, ctx);
        }
    }
}

impl Handler<Detach> for RedisBridge {
    type Result = ();

    fn handle(&mut self, message: Detach, ctx: &mut Self::Context) {
        if self.rooms.get(&message.room).is_some_and(|room| room.life == message.life) {
            self.detach(message.room, ctx);
        }
    }
}

impl Handler<Follow> for RedisBridge {
    type Result = ();

    fn handle(&mut self, message: Follow, ctx: &mut Self::Context) {
        self.want(Topic::User(message.user), ctx);
    }
}

impl Handler<Unfollow> for RedisBridge {
    type Result = ();

    fn handle(&mut self, message: Unfollow, ctx: &mut Self::Context) {
        self.forget(&Topic::User(message.user), ctx);
    }
}

impl Handler<Carry> for RedisBridge {
    type Result = ();

    fn handle(&mut self, message: Carry, ctx: &mut Self::Context) {
        self.say(Topic::Room(message.room), &Word::Room(message.word), ctx);
    }
}

impl Handler<Say> for RedisBridge {
    type Result = ();

    fn handle(&mut self, message: Say, ctx: &mut Self::Context) {
        let topic = match message.to {
            To::User(user) => Topic::User(user),
            To::Node(node) => Topic::Node(node),
            To::Everyone => Topic::Nodes,
        };
        self.say(topic, &Word::Node(message.word), ctx);
    }
}

impl Handler<Hush> for RedisBridge {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Hush, ctx: &mut Self::Context) -> Self::Result {
        let (done, hushed) = oneshot::channel();
        self.hush = Some(done);
        if self.link.is_open() {
            self.publish_more(ctx);
        } else {
            self.say_hushed();
        }
        Box::pin(async move {
            // also resolves if the actor stops, which ends publication as well
            let _gone = hushed.await;
        })
    }
}
