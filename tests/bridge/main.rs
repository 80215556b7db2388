//! The contract of every bridge between nodes. Each implementation runs the same suite; a bridge only carries, so this
//! is all that rooms rely on.

use std::sync::{Arc, Mutex};

use actix::prelude::*;
use convene::{
    actors::{
        bridge::{Attach, BridgeLink, Carried, Detach, LinkBoard, Listening, Reach, RoomWord, local::LocalBridge},
        fanout::{Audience, Broadcast},
    },
    core::{
        event::{Durable, Event, EventBody, RoomIdentity, RoomScope},
        profile::Author,
    },
    ids::{EventId, GroupId, NodeId, RoomId, Seq, Timestamp, UserId},
};

/// Stands where a room stands, and keeps what it is brought.
#[derive(Default)]
struct Listener(Arc<Mutex<Vec<i64>>>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<Carried> for Listener {
    type Result = ();

    fn handle(&mut self, carried: Carried, _: &mut Self::Context) {
        if let RoomWord::Event(broadcast) = &carried.word
            && let EventBody::Durable { seq, .. } = &broadcast.event.body
        {
            self.0.lock().unwrap().push(seq.0);
        }
    }
}

impl Handler<Listening> for Listener {
    type Result = ();

    fn handle(&mut self, _: Listening, _: &mut Self::Context) {}
}

struct Heard(Arc<Mutex<Vec<i64>>>);

impl Heard {
    fn so_far(&self) -> Vec<i64> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until so many were heard; a bridge that loses one fails here.
    async fn wait_for(&self, count: usize) -> Vec<i64> {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
        while self.so_far().len() < count {
            assert!(tokio::time::Instant::now() < deadline, "heard only {:?}", self.so_far());
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        self.so_far()
    }
}

async fn attach(link: &BridgeLink, room: RoomId) -> Heard {
    let listener = Listener::default();
    let heard = Heard(listener.0.clone());
    let listening = Listener::create(|ctx| {
        ctx.set_mailbox_capacity(1_024);
        listener
    });
    let (to, listening) = (listening.clone().recipient(), listening.recipient());
    link.attach.send(Attach { room, node: link.node, to, listening }).await.unwrap();
    heard
}

fn broadcast(room: RoomId, seq: i64) -> RoomWord {
    let sender = Author { id: UserId::new("alice").unwrap(), username: "alice".into() };
    let what = Durable::MessageSent { sender, content: "hello".into() };
    let scope = RoomScope::Channel { group: GroupId::generate() };
    let body = EventBody::Durable { seq: Seq(seq), id: EventId::generate(), what };
    let room = Arc::new(RoomIdentity { id: room, scope });
    RoomWord::Event(Broadcast::new(Event { room, at: Timestamp::default(), body }, Audience::Everyone))
}

/// The suite. `link(n)` is node n's line to one and the same bridge.
async fn contract(link: impl Fn(NodeId) -> BridgeLink) {
    let (here, there, elsewhere) = (link(NodeId(1)), link(NodeId(2)), link(NodeId(3)));
    let (room, other_room) = (RoomId::generate(), RoomId::generate());
    let heard_here = attach(&here, room).await;
    let heard_there = attach(&there, room).await;
    let heard_elsewhere = attach(&elsewhere, other_room).await;

    for seq in 1..=50 {
        here.carry(room, broadcast(room, seq));
    }
    let expected: Vec<i64> = (1..=50).collect();
    assert_eq!(heard_there.wait_for(50).await, expected, "the other node hears everything, in order");

    there.carry(room, broadcast(room, 51));
    assert_eq!(heard_here.wait_for(1).await, [51], "a node does not hear itself");
    assert!(heard_elsewhere.so_far().is_empty(), "a room hears only its own");

    there.detach.send(Detach { room, node: there.node }).await.unwrap();
    here.carry(room, broadcast(room, 52));
    let again = attach(&there, room).await;
    here.carry(room, broadcast(room, 53));
    assert_eq!(again.wait_for(1).await, [53]);
    assert_eq!(heard_there.so_far(), expected, "what was detached hears nothing more");
}

fn local(bridge: &Addr<LocalBridge>, node: NodeId, reach: Reach) -> BridgeLink {
    BridgeLink::new(bridge, node, reach, Arc::new(LinkBoard::default()))
}

#[actix::test]
async fn the_local_bridge_keeps_the_contract() {
    let bridge = LocalBridge::default().start();
    contract(|node| local(&bridge, node, Reach::Cluster)).await;
}

/// With one node nothing is carried at all, so that a message costs nothing more.
#[actix::test]
async fn a_bridge_that_reaches_nobody_is_not_asked() {
    let bridge = LocalBridge::default().start();
    let (here, there) = (local(&bridge, NodeId(1), Reach::ThisNode), local(&bridge, NodeId(2), Reach::ThisNode));
    let room = RoomId::generate();
    let heard = attach(&there, room).await;
    here.carry(room, broadcast(room, 1));
    // a question behind it in the same mailbox: had it been carried, it would be there by now
    there.detach.send(Detach { room, node: NodeId(2) }).await.unwrap();
    assert!(heard.so_far().is_empty());
}
