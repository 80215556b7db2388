//! Promises of the bridge over Redis in addition to the contract: it survives failures of Redis.

use std::time::Duration;

use convene::{
    actors::bridge::{
        CloseBridge, Destination, LinkEvent, LinkState, NodeMessage,
        envelope::{Draft, EnvelopeItem},
    },
    ids::{NodeId, RoomId, Timestamp},
    limits,
};

use crate::{
    fixture::{Node, event, spent, user},
    support::{
        DEADLINE, eventually,
        proxy::{Line, Proxy},
        redis::Redis,
    },
};

#[actix::test]
async fn a_restart_of_redis_is_told_and_heals() {
    let mut redis = Redis::private();
    let (here, there) = (Node::redis_up(&redis.url(), 1).await, Node::redis_up(&redis.url(), 2).await);
    let id = RoomId::generate();
    let (at_here, at_there) = (here.attached(id).await, there.attached(id).await);
    redis.stop();
    there.wait_link(&[LinkEvent::Up, LinkEvent::Down]).await;
    here.wait_link(&[LinkEvent::Up, LinkEvent::Down]).await;
    assert_eq!(here.link.board.state(), LinkState::Down);
    // Published while Redis is down: rooms repair this from the database.
    here.link.publish_room(id, event(id, 1));
    let late = here.attached(RoomId::generate()).await;
    assert_eq!(late.others(), None, "while nobody can be heard, nobody is counted");
    assert!(redis.start());
    for node in [&here, &there] {
        node.wait_link(&[LinkEvent::Up, LinkEvent::Down, LinkEvent::Up]).await;
        assert_eq!(node.link.board.state(), LinkState::Up);
    }
    for room in [&at_here, &at_there, &late] {
        room.wait_listening(2).await;
    }
    here.link.publish_room(id, event(id, 2));
    assert_eq!(at_there.wait_seq(2).await, [2], "what was lost is not brought later");
    assert_eq!(here.metric("convene_bridge_lost_total{reason=\"link_down\"}"), 1.0);
    assert!(here.metric("convene_bridge_reconnects_total") >= 1.0);
    assert_eq!(here.metric("convene_bridge_up"), 1.0);
    assert_eq!(here.metric("convene_bridge_subscriptions"), 4.0, "two of the node, two rooms");
}

#[actix::test]
async fn a_node_is_told_from_when_on_a_user_is_followed() {
    let redis = Redis::private();
    let (here, there) = (Node::redis_up(&redis.url(), 1).await, Node::redis_up(&redis.url(), 2).await);
    let alice = user("alice");
    here.follow(&alice).await;
    here.wait_followed(&alice).await;
    // Messages sent from then on are received.
    there.say(Destination::User(alice), 7).await;
    here.wait_word("2:7").await;
}

#[actix::test]
async fn a_node_begins_without_redis_and_finds_it() {
    let mut redis = Redis::away();
    let node = Node::redis(&redis.url(), 1).await;
    let room = node.attached(RoomId::generate()).await;
    assert_eq!(node.link.board.state(), LinkState::Down);
    assert!(redis.start());
    node.wait_link(&[LinkEvent::Up]).await;
    room.wait_listening(2).await;
    let other = Node::redis_up(&redis.url(), 2).await;
    other.link.publish_room(room.id, event(room.id, 1));
    room.wait_seq(1).await;
}

#[actix::test]
async fn a_wrong_password_is_no_link_and_a_right_one_is() {
    let redis = Redis::with(&["--requirepass", "hush:hush"]);
    let admin = ["-a", "hush:hush", "--no-auth-warning"];
    redis.let_in(&admin, &["+subscribe", "+unsubscribe", "+publish", "+pubsub|numsub"]);
    let place = format!("127.0.0.1:{}", redis.port());
    Node::redis_up(&format!("redis://:hush%3Ahush@{place}"), 1).await;
    crate::contract::on_redis(&format!("redis://convene:p%40ss@{place}")).await;
    redis.let_in(&admin, &["+select"]);
    Node::redis_up(&format!("redis://convene:p%40ss@{place}/3"), 1).await;
    let wrong = Node::redis(&format!("redis://:wrong@{place}"), 9).await;
    eventually("some attempts", DEADLINE, || async {
        (wrong.metric("convene_bridge_reconnects_total") > 2.0).then_some(())
    })
    .await;
    assert_eq!(wrong.link.board.state(), LinkState::Down);
}

#[actix::test]
async fn a_connection_that_stalls_is_found_within_five_seconds() {
    let redis = Redis::private();
    let proxy = Proxy::to(redis.port());
    let node = Node::redis_up(&format!("redis://127.0.0.1:{}", proxy.port()), 1).await;
    let room = node.attached(RoomId::generate()).await;
    proxy.set(Line::Stalled);
    node.wait_link_within(&[LinkEvent::Up, LinkEvent::Down], Duration::from_secs(5)).await;
    assert_eq!(node.link.board.state(), LinkState::Down);
    proxy.set(Line::Open);
    node.wait_link(&[LinkEvent::Up, LinkEvent::Down, LinkEvent::Up]).await;
    room.wait_listening(2).await;
}

/// Commands are answered on both connections, but published messages no longer arrive.
#[actix::test]
async fn a_subscription_that_is_dead_without_an_error_is_found_within_five_seconds() {
    let redis = Redis::private();
    let proxy = Proxy::to(redis.port());
    let node = Node::redis_up(&format!("redis://127.0.0.1:{}", proxy.port()), 1).await;
    proxy.set(Line::Deaf);
    node.wait_link_within(&[LinkEvent::Up, LinkEvent::Down], Duration::from_secs(5)).await;
    assert_eq!(node.link.board.state(), LinkState::Down);
    // A new link that receives nothing does not count as a link.
    eventually("another attempt", DEADLINE, || async {
        (node.metric("convene_bridge_reconnects_total") >= 2.0).then_some(())
    })
    .await;
    assert_eq!(node.links(), [LinkEvent::Up, LinkEvent::Down]);
    proxy.set(Line::Open);
    node.wait_link(&[LinkEvent::Up, LinkEvent::Down, LinkEvent::Up]).await;
}

#[actix::test]
async fn thousands_of_rooms_at_once_are_all_heard() {
    const ROOMS: usize = 5_000;
    let redis = Redis::private();
    let (here, there) = (Node::redis_up(&redis.url(), 1).await, Node::redis_up(&redis.url(), 2).await);
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        rooms.push(there.attach(RoomId::generate()).await);
    }
    for room in &rooms {
        room.wait_listening(1).await;
    }
    assert_eq!(there.metric("convene_bridge_subscriptions"), (ROOMS + 2) as f64);
    for room in &rooms {
        here.link.publish_room(room.id, event(room.id, 1));
    }
    for room in &rooms {
        room.wait_seq(1).await;
    }
    for room in &rooms[1..] {
        there.detach(room.id).await;
    }
    eventually("the channels to be left", DEADLINE, || async {
        (redis.cli(&["PUBSUB", "CHANNELS", "convene:room:*"]).lines().count() == 1).then_some(())
    })
    .await;
    here.link.publish_room(rooms[0].id, event(rooms[0].id, 2));
    rooms[0].wait_seq(2).await;
}

#[actix::test]
async fn a_room_that_talks_a_lot_is_heard_in_order() {
    const EVENTS: i64 = 20_000;
    let redis = Redis::private();
    let (here, there) = (Node::redis_up(&redis.url(), 1).await, Node::redis_up(&redis.url(), 2).await);
    let room = there.attached(RoomId::generate()).await;
    for seq in 1..=EVENTS {
        here.link.publish_room(room.id, event(room.id, seq));
    }
    assert_eq!(room.wait_seq(EVENTS).await, (1..=EVENTS).collect::<Vec<_>>());
    eventually("the counters", DEADLINE, || async {
        (here.metric("convene_bridge_published_total") == EVENTS as f64).then_some(())
    })
    .await;
    assert_eq!(there.metric("convene_bridge_received_total"), EVENTS as f64);
}

#[actix::test]
async fn rubbish_on_the_channels_is_counted_and_passed_over() {
    let redis = Redis::private();
    let (here, there) = (Node::redis_up(&redis.url(), 1).await, Node::redis_up(&redis.url(), 2).await);
    let room = there.attached(RoomId::generate()).await;
    let channel = format!("convene:room:{}", room.id);
    let mut foreign = Draft::new(NodeId(7));
    foreign.add(&EnvelopeItem::Room(event(RoomId::generate(), 1))).unwrap();
    foreign.add(&EnvelopeItem::Node(spent(1))).unwrap();
    let foreign = String::from_utf8(foreign.seal()).unwrap();
    for (channel, payload) in [
        (channel.as_str(), "\"rubbish"),
        (channel.as_str(), ""),
        (channel.as_str(), r#"{"v":9,"node":"07","later":[]}"#),
        (channel.as_str(), r#"{"v":1,"node":"07","items":[{"later":{}},{"event":7}]}"#),
        // Another room's event, and a message that is not for rooms.
        (channel.as_str(), foreign.as_str()),
        ("convene:nodes", "\u{1}\u{2}"),
        ("convene:node:0000000000000002", r#"{"v":1,"node":"07","items":[{"probe":1}]}"#),
    ] {
        redis.cli(&["PUBLISH", channel, payload]);
    }
    here.link.publish_room(room.id, event(room.id, 1));
    assert_eq!(room.wait_seq(1).await, [1]);
    assert_eq!(there.metric("convene_bridge_lost_total{reason=\"newer\"}"), 2.0);
    assert_eq!(there.metric("convene_bridge_lost_total{reason=\"unreadable\"}"), 7.0);
    assert_eq!(there.messages(), [""; 0]);
    assert_eq!(there.links(), [LinkEvent::Up]);
}

/// Redis disconnects a subscriber that is too slow. Its limit is set so low here that one message exceeds it.
#[actix::test]
async fn a_subscriber_that_redis_throws_out_comes_back() {
    let redis = Redis::private();
    let (here, there) = (Node::redis_up(&redis.url(), 1).await, Node::redis_up(&redis.url(), 2).await);
    let room = there.attached(RoomId::generate()).await;
    redis.cli(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1000000 1000000 1"]);
    let text = convene::core::command::RawJson::from_parsed(&format!("\"{}\"", "x".repeat(3_000_000)));
    let notice = NodeMessage::Notice { user: user("ann"), data: text, at: Timestamp::default() };
    here.link.publish_node(Destination::Node(there.link.node), notice);
    there.wait_link(&[LinkEvent::Up, LinkEvent::Down, LinkEvent::Up]).await;
    room.wait_listening(2).await;
    here.link.publish_room(room.id, event(room.id, 1));
    room.wait_seq(1).await;
}

#[actix::test]
async fn what_was_said_before_the_last_word_goes_out() {
    let redis = Redis::private();
    let (here, there) = (Node::redis_up(&redis.url(), 1).await, Node::redis_up(&redis.url(), 2).await);
    let room = there.attached(RoomId::generate()).await;
    for seq in 1..=1_000 {
        here.link.publish_room(room.id, event(room.id, seq));
    }
    here.link.close_bridge.send(CloseBridge).await.unwrap();
    here.link.publish_room(room.id, event(room.id, 1_001));
    assert_eq!(room.wait_seq(1_000).await.len(), 1_000);
    // While Redis is down there is nothing to wait for.
    let mut gone = redis;
    gone.stop();
    there.wait_link(&[LinkEvent::Up, LinkEvent::Down]).await;
    tokio::time::timeout(limits::ASK_TIMEOUT, there.link.close_bridge.send(CloseBridge)).await.unwrap().unwrap();
}
