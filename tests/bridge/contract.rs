//! The contract of every bridge. Each implementation runs the same suite.

use std::sync::Arc;

use actix::prelude::*;
use convene::{
    actors::bridge::{BridgeLink, CloseBridge, ClusterMode, Destination, LinkEvent, LinkStatus, local::LocalBridge},
    ids::{NodeId, RoomId},
};

use crate::{
    fixture::{Node, event, user},
    support::{DEADLINE, eventually, redis::Redis},
};

/// The suite, on three running nodes of one bridge.
async fn contract([here, there, elsewhere]: [Node; 3]) {
    for node in [&here, &there, &elsewhere] {
        assert_eq!(node.links(), [LinkEvent::Up]);
    }
    rooms(&here, &there, &elsewhere).await;
    gone(&here, &there).await;
    messages(&here, &there, &elsewhere).await;
    here.link.close_bridge.send(CloseBridge).await.unwrap();
    for node in [&here, &there, &elsewhere] {
        assert_eq!(node.links(), [LinkEvent::Up], "nothing has broken meanwhile");
    }
}

async fn rooms(here: &Node, there: &Node, elsewhere: &Node) {
    let (room, other) = (RoomId::generate(), RoomId::generate());
    let at_here = here.attached(room).await;
    let at_there = there.attached(room).await;
    let at_elsewhere = elsewhere.attached(other).await;
    let others = [&at_here, &at_there, &at_elsewhere].map(|room| room.others());
    assert_eq!(others, [Some(0), Some(1), Some(0)], "a room learns whether it is in use elsewhere");

    for seq in 1..=50 {
        here.link.publish_room(room, event(room, seq));
    }
    let expected: Vec<i64> = (1..=50).collect();
    assert_eq!(at_there.wait_seq(50).await, expected, "the other node receives everything in order");

    there.link.publish_room(room, event(room, 51));
    assert_eq!(at_here.wait_seq(51).await, [51], "a node does not receive its own messages");
    assert!(at_elsewhere.heard().is_empty(), "a room receives only its own events");

    there.detach(room).await;
    let again = there.attached(room).await;
    assert_eq!(again.others(), Some(1));
    there.detach_older(room).await;
    here.link.publish_room(room, event(room, 52));
    assert_eq!(again.wait_seq(52).await, [52], "a room that resubscribes receives again");
    assert_eq!(at_there.heard(), expected, "an unsubscribed room receives nothing more");
}

/// A room that has ended is forgotten, even if it could not unsubscribe.
async fn gone(here: &Node, there: &Node) {
    let room = RoomId::generate();
    there.attached(room).await.end().await;
    eventually("a room that has ended to be forgotten", DEADLINE, || async {
        let others = here.attached(room).await.others();
        here.detach(room).await;
        (others == Some(0)).then_some(())
    })
    .await;
}

async fn messages(here: &Node, there: &Node, elsewhere: &Node) {
    here.say(Destination::Everyone, 1).await;
    here.say(Destination::Node(there.link.node), 2).await;
    there.wait_word("1:1").await;
    there.wait_word("1:2").await;
    elsewhere.wait_word("1:1").await;
    assert_eq!(there.messages().len(), 2, "each message arrives once; those of different topics in any order");

    let ann = user("ann: a user {with} an unusual id");
    here.follow(&ann).await;
    there.follow(&ann).await;
    let mut number = 100;
    // There is no notification of the subscription here, so the test retries until it works.
    eventually("a followed user's words", DEADLINE, || {
        number += 1;
        let there = &there;
        async move {
            here.say(Destination::User(user("ann: a user {with} an unusual id")), number).await;
            there.messages().iter().any(|message| message.starts_with("1:1") && message.len() > 3).then_some(())
        }
    })
    .await;
    there.unfollow(&ann).await;
    let mut number = 200;
    eventually("an unfollowed user's words to stay away", DEADLINE, || {
        number += 2;
        let ann = ann.clone();
        async move {
            here.say(Destination::User(ann), number).await;
            here.say(Destination::Node(there.link.node), number + 1).await;
            there.wait_word(&format!("1:{}", number + 1)).await;
            (!there.messages().contains(&format!("1:{number}"))).then_some(())
        }
    })
    .await;
    assert_eq!(here.messages(), [""; 0], "a node does not receive its own messages");
    assert_eq!(elsewhere.messages(), ["1:1"], "a word goes to those it is for");
}

#[actix::test]
async fn the_local_bridge_keeps_it() {
    let bridge = LocalBridge::default().start();
    let nodes = [Node::local(&bridge, 1).await, Node::local(&bridge, 2).await, Node::local(&bridge, 3).await];
    for node in &nodes {
        node.wait_link(&[LinkEvent::Up]).await;
    }
    contract(nodes).await;
}

#[actix::test]
async fn redis_keeps_it() {
    let redis = Redis::private();
    on_redis(&redis.url()).await;
}

/// Runs the suite on any kind of Redis.
pub async fn on_redis(url: &str) {
    contract([Node::redis_up(url, 1).await, Node::redis_up(url, 2).await, Node::redis_up(url, 3).await]).await;
}

/// With a single node nothing is published, so that messages have no extra cost.
#[actix::test]
async fn a_bridge_that_reaches_nobody_is_not_asked() {
    let bridge = LocalBridge::default().start();
    let node = Node::local(&bridge, 2).await;
    let alone = BridgeLink::new(&bridge, NodeId(1), ClusterMode::SingleNode, Arc::new(LinkStatus::default()));
    let room = node.attached(RoomId::generate()).await;
    alone.publish_room(room.id, event(room.id, 1));
    // A request after it in the same mailbox: a published event would have arrived by now.
    node.detach(room.id).await;
    assert!(room.heard().is_empty());
}
