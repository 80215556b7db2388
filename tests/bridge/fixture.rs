//! A stand-in for a node and its rooms that records what the bridge delivers.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix::prelude::*;
use convene::{
    actors::{
        bridge::{
            BridgeLink, ClusterMode, Destination, LinkEvent, LinkStatus, NodeMessage, NodeMessageReceived, PublishNode,
            RegisterNode, RoomMessage, RoomMessageReceived, RoomSubscribed, SubscribeRoom, SubscribeUser,
            UnsubscribeRoom, UnsubscribeUser, UserSubscribed, local::LocalBridge, redis::RedisBridge,
        },
        fanout::Broadcast,
    },
    config::Config,
    core::{
        event::{Audience, ChatDurable, Durable, Event, EventBody, RoomIdentity, RoomScope},
        profile::Author,
        rate::RequestCounts,
    },
    ids::{EventId, GroupId, NodeId, RoomId, Seq, Timestamp, UserId},
    metrics::Metrics,
};

use crate::support::{DEADLINE, eventually};

/// A node: its link to the bridge, and what was delivered to it.
pub struct Node {
    pub link: BridgeLink,
    pub metrics: Arc<Metrics>,
    ear: Arc<Ear>,
}

/// The incarnation of every room here; messages of another one are not ours.
const LIFE: u64 = 1;

/// Shared with the actors that receive.
#[derive(Default)]
struct Ear {
    /// Messages of nodes, as `<from>:<number>`.
    messages: Mutex<Vec<String>>,
    links: Mutex<Vec<LinkEvent>>,
    followed: Mutex<Vec<UserId>>,
}

/// A room in use on a node.
pub struct Room {
    pub id: RoomId,
    told: Arc<Told>,
    listener: Addr<Listener<Told>>,
}

/// Makes a room end without unsubscribing.
#[derive(Message)]
#[rtype(result = "()")]
struct End;

#[derive(Default)]
struct Told {
    seqs: Mutex<Vec<i64>>,
    listening: AtomicUsize,
    others: Mutex<Option<usize>>,
}

struct Listener<T>(Arc<T>);

impl<T: 'static> Actor for Listener<T> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(64 * 1024);
    }
}

impl Handler<RoomMessageReceived> for Listener<Told> {
    type Result = ();

    fn handle(&mut self, carried: RoomMessageReceived, _: &mut Self::Context) {
        if let RoomMessage::Event(broadcast) = &carried.message
            && let EventBody::Durable { seq, .. } = &broadcast.event.body
        {
            self.0.seqs.lock().unwrap().push(seq.0);
        }
    }
}

impl Handler<End> for Listener<Told> {
    type Result = ();

    fn handle(&mut self, _: End, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<RoomSubscribed> for Listener<Told> {
    type Result = ();

    fn handle(&mut self, listening: RoomSubscribed, _: &mut Self::Context) {
        *self.0.others.lock().unwrap() = listening.others;
        self.0.listening.fetch_add(1, Ordering::Release);
    }
}

impl Handler<NodeMessageReceived> for Listener<Ear> {
    type Result = ();

    fn handle(&mut self, heard: NodeMessageReceived, _: &mut Self::Context) {
        if let NodeMessage::RateUsage { counts: RequestCounts { requests, .. }, .. } = heard.message {
            self.0.messages.lock().unwrap().push(format!("{}:{requests}", heard.from.0));
        }
    }
}

impl Handler<LinkEvent> for Listener<Ear> {
    type Result = ();

    fn handle(&mut self, is: LinkEvent, _: &mut Self::Context) {
        self.0.links.lock().unwrap().push(is);
    }
}

impl Handler<UserSubscribed> for Listener<Ear> {
    type Result = ();

    fn handle(&mut self, UserSubscribed { user }: UserSubscribed, _: &mut Self::Context) {
        self.0.followed.lock().unwrap().push(user);
    }
}

/// A message that is identified by its number.
pub fn spent(requests: u32) -> NodeMessage {
    NodeMessage::RateUsage { user: user("anybody"), counts: RequestCounts { requests, refusals: 0 } }
}

pub fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub fn event(room: RoomId, seq: i64) -> RoomMessage {
    let sender = Author::new(user("alice"), "alice");
    let what = Durable::Chat(ChatDurable::text(sender, "hello".into(), Vec::new()));
    let scope = RoomScope::Channel { group: GroupId::generate() };
    let body = EventBody::Durable { seq: Seq(seq), id: EventId::generate(), what };
    let room = Arc::new(RoomIdentity { id: room, scope });
    RoomMessage::Event(Broadcast::new(Event { room, at: Timestamp::default(), body }, Audience::Everyone))
}

impl Node {
    /// A node on a bridge within the process.
    pub async fn local(bridge: &Addr<LocalBridge>, number: u64) -> Node {
        let link = BridgeLink::new(bridge, NodeId(number), ClusterMode::MultiNode, Arc::new(LinkStatus::default()));
        Node::enlisted(link, Arc::new(Metrics::new())).await
    }

    /// A node on a Redis, which need not be running.
    pub async fn redis(url: &str, number: u64) -> Node {
        let config = Config::from(|name| (name == "REDIS_URL").then(|| url.to_owned())).expect("a URL of a Redis");
        let (board, metrics) = (Arc::new(LinkStatus::default()), Arc::new(Metrics::new()));
        let redis = config.cluster.redis.expect("it is set");
        let bridge = RedisBridge::start(redis, NodeId(number), board.clone(), metrics.clone());
        Node::enlisted(BridgeLink::new(&bridge, NodeId(number), ClusterMode::MultiNode, board), metrics).await
    }

    /// The same, once it receives from the others.
    pub async fn redis_up(url: &str, number: u64) -> Node {
        let node = Node::redis(url, number).await;
        node.wait_link(&[LinkEvent::Up]).await;
        node
    }

    async fn enlisted(link: BridgeLink, metrics: Arc<Metrics>) -> Node {
        let ear = Arc::<Ear>::default();
        let listener = Listener(ear.clone()).start();
        let enlist = RegisterNode {
            node: link.node,
            heard: listener.clone().recipient(),
            link: listener.clone().recipient(),
            followed: listener.recipient(),
        };
        link.register_node.send(enlist).await.unwrap();
        Node { link, metrics, ear }
    }

    /// Subscribes a room without waiting for the confirmation.
    pub async fn attach(&self, id: RoomId) -> Room {
        let told = Arc::<Told>::default();
        let listener = Listener(told.clone()).start();
        let (to, listening) = (listener.clone().recipient(), listener.clone().recipient());
        self.link
            .subscribe_room
            .send(SubscribeRoom { room: id, node: self.link.node, incarnation: LIFE, to, listening })
            .await
            .unwrap();
        Room { id, told, listener }
    }

    /// Subscribes a room and waits for the confirmation.
    pub async fn attached(&self, id: RoomId) -> Room {
        let room = self.attach(id).await;
        room.wait_listening(1).await;
        room
    }

    pub async fn detach(&self, room: RoomId) {
        self.link
            .unsubscribe_room
            .send(UnsubscribeRoom { room, node: self.link.node, incarnation: LIFE })
            .await
            .unwrap();
    }

    /// Unsubscribes like an older actor of the room that was stopped late.
    pub async fn detach_older(&self, room: RoomId) {
        self.link
            .unsubscribe_room
            .send(UnsubscribeRoom { room, node: self.link.node, incarnation: LIFE + 1 })
            .await
            .unwrap();
    }

    pub async fn follow(&self, user: &UserId) {
        self.link.subscribe_user.send(SubscribeUser { user: user.clone(), node: self.link.node }).await.unwrap();
    }

    /// Waits for the confirmation that the user's messages are received.
    pub async fn wait_followed(&self, user: &UserId) {
        let what = format!("words for {user}");
        eventually(&what, DEADLINE, || async { self.ear.followed.lock().unwrap().contains(user).then_some(()) }).await;
    }

    pub async fn unfollow(&self, user: &UserId) {
        self.link.unsubscribe_user.send(UnsubscribeUser { user: user.clone(), node: self.link.node }).await.unwrap();
    }

    pub async fn say(&self, to: Destination, number: u32) {
        self.link.publish_node.send(PublishNode { to, node: self.link.node, message: spent(number) }).await.unwrap();
    }

    /// Messages of other nodes, as `<from>:<number>`.
    pub fn messages(&self) -> Vec<String> {
        self.ear.messages.lock().unwrap().clone()
    }

    pub async fn wait_word(&self, message: &str) {
        let what = format!("the message {message}");
        eventually(&what, DEADLINE, || async { self.messages().iter().any(|heard| heard == message).then_some(()) })
            .await;
    }

    /// The reported states of the link, without repetitions and without a "down" before the first "up".
    pub fn links(&self) -> Vec<LinkEvent> {
        let mut links = self.ear.links.lock().unwrap().clone();
        links.dedup();
        if links.first() == Some(&LinkEvent::Down) {
            links.remove(0);
        }
        links
    }

    pub async fn wait_link(&self, expected: &[LinkEvent]) {
        self.wait_link_within(expected, DEADLINE).await;
    }

    pub async fn wait_link_within(&self, expected: &[LinkEvent], deadline: Duration) {
        let what = format!("the link to be {expected:?}");
        eventually(&what, deadline, || async { (self.links() == expected).then_some(()) }).await;
    }

    /// The value of a sample; 0 if there is none.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.metrics.render();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_default()
    }
}

impl Room {
    pub fn heard(&self) -> Vec<i64> {
        self.told.seqs.lock().unwrap().clone()
    }

    /// Waits for an event. Returns all events received by then.
    pub async fn wait_seq(&self, seq: i64) -> Vec<i64> {
        let what = format!("event {seq}");
        eventually(&what, DEADLINE, || async { self.heard().contains(&seq).then_some(()) }).await;
        self.heard()
    }

    /// Ends like a room that panics: without unsubscribing.
    pub async fn end(self) {
        self.listener.send(End).await.unwrap();
        eventually("the room to end", DEADLINE, || async { (!self.listener.connected()).then_some(()) }).await;
    }

    pub fn listening(&self) -> usize {
        self.told.listening.load(Ordering::Acquire)
    }

    /// The number of other nodes on which it is in use, as last reported.
    pub fn others(&self) -> Option<usize> {
        *self.told.others.lock().unwrap()
    }

    /// Waits for this many confirmations of the subscription.
    pub async fn wait_listening(&self, times: usize) {
        let what = format!("{times} confirmations of the subscription");
        eventually(&what, DEADLINE, || async { (self.listening() >= times).then_some(()) }).await;
    }
}
