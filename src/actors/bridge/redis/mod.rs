//! The bridge over Redis: one subscription per room in use on this node and per user with a socket here, one for the node
//! itself and one for all nodes. It only carries, and never waits: what does not fit its bounds is dropped and counted,
//! because everything durable is in the database and everything else is told again. `link.rs` is the life of its
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

/// The actor. Serves one node, on a thread of its own.
pub struct RedisBridge {
    node: NodeId,
    config: Arc<Redis>,
    names: Names,
    board: Arc<LinkBoard>,
    metrics: Arc<Metrics>,
    began: Instant,
    enlisted: Option<Enlist>,
    /// What the node was told last.
    told: Option<LinkIs>,
    rooms: FxHashMap<RoomId, Room>,
    /// Rooms whose full mailbox did not take [`Listening`].
    untold: FxHashSet<RoomId>,
    subscriptions: Subscriptions,
    outgoing: Outgoing,
    flush_planned: bool,
    subscribing_planned: bool,
    link: Link,
    /// Counts links, so that an answer of an earlier one is told apart.
    life: u64,
    /// Failures since the link was last up.
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
    /// It was told [`Listening`] since it attached.
    told: bool,
}

impl RedisBridge {
    /// Starts the bridge of a node. It connects by itself, and again whenever it has to.
    pub fn start(redis: Redis, node: NodeId, board: Arc<LinkBoard>, metrics: Arc<Metrics>) -> Addr<RedisBridge> {
        board.set(LinkState::Down);
        start_in(&Arbiter::new().handle(), limits::BRIDGE_MAILBOX_MAX, move || {
            // replaced before anything can arrive
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

    /// When the mailbox is empty, so that a crowd of rooms goes in one command.
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
        // a room that has gone is still heard until Redis confirms
        let Some(room) = self.rooms.get(&id) else { return };
        match room.to.try_send(carried) {
            Ok(()) => self.metrics.received(),
            Err(SendError::Full(_)) => self.metrics.lost(Lost::ReceiverFull, 1),
            // it is forgotten with the next sweep, unless its successor has taken its place by then
            Err(SendError::Closed(_)) => {}
        }
    }

    /// Forgets rooms whose [`Detach`] was lost, or that ended without one.
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

/// An event says itself which room it is of; another room's members must never be told it.
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
        // nobody else is on it
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
            // dropped with the actor, which is as quiet
            let _gone = hushed.await;
        })
    }
}
