//! Several nodes in one process over the local bridge: their knowledge of each other, and limits that apply across all
//! of them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use convene::{
    actors::{
        bridge::{BridgeLink, ClusterMode, LinkStatus, local::LocalBridge},
        gateway::Gateway,
        messages::{
            Admission, Admit, AdmitWithProfile, BeginLeaving, BlockUser, CloseUser, CountOnline, FilterOnline,
            HoldPresence, IsRevoked, ListNodes, Revoke, SessionDown, SessionUp, SocketClosed, SocketOpened, SocketsOf,
            SurveyRooms,
        },
        node::Node,
        outbox::ConnKey,
        session::Session,
    },
    app::start_among,
    config::{Config, Secret},
    core::{command::Charge, profile::Profile, rate::Verdict},
    disconnect::Disconnect,
    ids::{Timestamp, UserId},
    limits,
    store::{NewUser, Store},
};
use futures_util::FutureExt;

const DEADLINE: Duration = Duration::from_secs(20);

struct Cluster {
    bridge: Addr<LocalBridge>,
    folder: tempfile::TempDir,
}

impl Cluster {
    fn new() -> Cluster {
        Cluster { bridge: LocalBridge::default().start(), folder: tempfile::tempdir().unwrap() }
    }

    async fn node(&self, name: &str) -> Arc<Node> {
        let data = self.folder.path().display().to_string();
        let config = Config::from(|variable| match variable {
            "DATA_DIR" => Some(data.clone()),
            "NODE_NAME" => Some(name.to_owned()),
            "WEBSOCKET_REQUESTS_PER_MINUTE" => Some("10".to_owned()),
            _ => None,
        });
        let secret = Secret::new("a secret of more than thirty-two bytes");
        let link = |_: &Config, id, _: &_| {
            BridgeLink::new(&self.bridge, id, ClusterMode::MultiNode, Arc::new(LinkStatus::default()))
        };
        start_among(config.unwrap(), &secret, link).await.unwrap()
    }
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn conn(generation: u32) -> ConnKey {
    ConnKey { worker: 0, generation }
}

async fn open(node: &Node, who: &str, generation: u32) {
    node.presence
        .send(SocketOpened { user: user(who), conn: conn(generation), follows_presence: false, connection: None })
        .await
        .unwrap();
}

async fn close(node: &Node, who: &str, generation: u32) {
    node.presence.send(SocketClosed { user: user(who), conn: conn(generation), connection: None }).await.unwrap();
}

async fn is_online(node: &Node, who: &str) -> bool {
    !node.presence.send(FilterOnline(vec![user(who)])).await.unwrap().is_empty()
}

async fn peers(node: &Node) -> Vec<String> {
    let known = node.cluster.send(ListNodes).await.unwrap();
    known.peers.into_iter().map(|(_, peer)| peer.beat.name).collect()
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let end = tokio::time::Instant::now() + DEADLINE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < end, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn registered(store: &Store, name: &str) -> Profile {
    let new = NewUser { username: name.into(), email: None, display_name: name.into(), password_hash: "hash".into() };
    store.create_user(new).await.unwrap()
}

fn admit(who: &Profile) -> Admit {
    Admit { user: who.id.clone(), issued_at: Some(Timestamp { unix_ms: 5_000 }) }
}

async fn introduce(node: &Node, who: &Profile) -> Admission {
    node.registry.send(AdmitWithProfile { profile: who.clone(), admit: admit(who) }).await.unwrap()
}

#[actix::test]
async fn nodes_see_each_other_and_each_others_users() {
    let cluster = Cluster::new();
    let one = cluster.node("one").await;
    open(&one, "ann", 1).await;
    let two = cluster.node("two").await;
    until("two to know of one", || async { peers(&two).await == ["one"] }).await;
    until("one to know of two", || async { peers(&one).await == ["two"] }).await;
    until("who was there before", || is_online(&two, "ann")).await;
    open(&two, "bob", 1).await;
    until("who came since", || is_online(&one, "bob")).await;
    let sockets = one.presence.send(SocketsOf(user("bob"))).await.unwrap();
    assert_eq!(sockets.iter().map(|socket| socket.node).collect::<Vec<_>>(), [two.id]);
    // A node that starts later receives the whole roster from everybody.
    let three = cluster.node("three").await;
    until("both on the third", || async { is_online(&three, "ann").await && is_online(&three, "bob").await }).await;
    close(&two, "bob", 1).await;
    until("bob to be gone everywhere", || async { !is_online(&one, "bob").await && !is_online(&three, "bob").await })
        .await;
    assert!(is_online(&two, "ann").await);
    let in_use = two.cluster.send(SurveyRooms).await.unwrap().expect("an answer");
    assert_eq!(in_use.len(), 0, "all have answered: nobody is in a room");
}

#[actix::test]
async fn the_newest_sockets_stay_wherever_they_are() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.node("one").await, cluster.node("two").await);
    until("both to know of each other", || async { peers(&one).await.len() + peers(&two).await.len() == 2 }).await;
    open(&one, "ann", 1).await;
    until("ann on two", || is_online(&two, "ann")).await;
    open(&two, "ann", 1).await;
    let both = || async { one.presence.send(SocketsOf(user("ann"))).await.unwrap().len() == 2 };
    until("both sockets on one", both).await;
    let mut sockets = two.presence.send(SocketsOf(user("ann"))).await.unwrap();
    let mut same = one.presence.send(SocketsOf(user("ann"))).await.unwrap();
    sockets.sort();
    same.sort();
    assert_eq!(sockets, same, "the order is the same everywhere");
    assert_eq!(sockets.iter().map(|socket| socket.node).collect::<Vec<_>>(), [one.id, two.id]);
}

#[actix::test]
async fn a_node_that_leaves_keeps_its_users_places() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.node("one").await, cluster.node("two").await);
    until("one to know of two", || async { peers(&one).await == ["two"] }).await;
    open(&two, "ann", 1).await;
    until("ann on one", || is_online(&one, "ann")).await;
    two.cluster.send(BeginLeaving { leaving_ms: 4_000 }).await.unwrap();
    two.presence.send(HoldPresence).await.unwrap();
    close(&two, "ann", 1).await;
    open(&two, "bob", 2).await;
    until("a message that arrived after the close", || is_online(&one, "bob")).await;
    let known = one.cluster.send(ListNodes).await.unwrap();
    assert_eq!(known.peers[0].1.beat.leaving_ms, Some(4_000));
    let sockets = one.presence.send(SocketsOf(user("ann"))).await.unwrap();
    assert_eq!(sockets.len(), 1, "ann is on the way to another node");
}

#[actix::test]
async fn blocks_and_revocations_hold_everywhere() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.node("one").await, cluster.node("two").await);
    until("one to know of two", || async { peers(&one).await == ["two"] }).await;
    let (ann, bob) = (registered(&one.store, "ann").await, registered(&one.store, "bob").await);
    for node in [&one, &two] {
        assert!(matches!(introduce(node, &ann).await, Admission::Welcome { .. }));
        assert!(matches!(introduce(node, &bob).await, Admission::Welcome { .. }));
    }
    let until_then = one.clock.now().plus_ms(60_000);
    one.registry.send(BlockUser { user: ann.id.clone(), until: until_then }).await.unwrap();
    let blocked = || async { matches!(two.registry.send(admit(&ann)).await.unwrap(), Admission::Blocked { .. }) };
    until("the block on two", blocked).await;
    let stored = || async { one.store.user(&ann.id).await.unwrap().unwrap().blocked_until == until_then };
    until("the block in the store", stored).await;
    // A node that starts later reads it with the user.
    let three = cluster.node("three").await;
    let ann = one.store.user(&ann.id).await.unwrap().unwrap();
    assert!(matches!(introduce(&three, &ann).await, Admission::Blocked { .. }));

    let before = Timestamp { unix_ms: 10_000 };
    one.registry.send(Revoke { user: bob.id.clone(), before }).await.unwrap();
    let revoked = || async {
        // The profile must be read again first.
        matches!(two.registry.send(admit(&bob)).await.unwrap(), Admission::Unknown)
            && matches!(introduce(&two, &bob).await, Admission::Revoked)
    };
    until("the revocation on two", revoked).await;
}

#[actix::test]
async fn what_was_asked_for_is_known_where_the_user_comes() {
    let cluster = Cluster::new();
    let (one, two) = (cluster.node("one").await, cluster.node("two").await);
    until("both to know of each other", || async { peers(&one).await.len() + peers(&two).await.len() == 2 }).await;
    let ann = registered(&one.store, "ann").await;
    let (Admission::Welcome { quota: here, .. }, Admission::Welcome { quota: there, .. }) =
        (introduce(&one, &ann).await, introduce(&two, &ann).await)
    else {
        panic!("both let ann in")
    };
    let request = |quota: &Arc<convene::actors::quota::UserQuota>, node: &Node| {
        quota.charge(Charge::Request, &node.rates, node.clock.now())
    };
    one.presence
        .send(SocketOpened { user: ann.id.clone(), conn: conn(1), follows_presence: false, connection: None })
        .await
        .unwrap();
    for _ in 0..10 {
        assert_eq!(request(&here, &one), Verdict::Allowed);
    }
    assert!(there.limit_status(two.clock.now()).minute == 0);
    two.presence
        .send(SocketOpened { user: ann.id.clone(), conn: conn(1), follows_presence: false, connection: None })
        .await
        .unwrap();
    until("the other node's view", || async { there.limit_status(two.clock.now()).minute == 10 }).await;
    assert!(matches!(request(&there, &two), Verdict::Refused { .. }));
}

#[actix::test]
async fn an_act_of_an_administrator_is_done_although_nobody_waits_for_it_any_more() {
    let node = Cluster::new().node("a").await;
    let ann = user("ann");
    let gateway = Gateway::new(node.clone());
    // Cancelled before the registry has processed it.
    let revoked = gateway.revoke_user(ann.clone(), Timestamp { unix_ms: 9_000 }).now_or_never();
    assert!(revoked.is_none());
    assert!(node.registry.send(IsRevoked { user: ann, issued_at: Some(Timestamp { unix_ms: 5_000 }) }).await.unwrap());
}

/// Sockets of the user that are not closing.
async fn staying(node: &Node, who: &UserId) -> usize {
    let close = CloseUser { user: who.clone(), conn: None, why: Disconnect::Normal };
    node.registry.send(close).await.unwrap()
}

#[actix::test]
async fn a_socket_that_was_let_in_before_its_rights_were_lost_is_closed_when_it_opens() {
    let node = Cluster::new().node("a").await;
    let context = Context::<Session>::new();
    let session = context.address();
    let mut opened = 0;
    let mut open = |who: &UserId, checked_from: Instant| {
        opened += 1;
        let issued_at = Some(Timestamp { unix_ms: 5_000 });
        let up = SessionUp {
            user: who.clone(),
            conn: conn(opened),
            connection: "a socket".into(),
            follows_presence: false,
            session: session.clone(),
            issued_at,
            checked_from,
        };
        node.registry.send(up).map(Result::unwrap)
    };
    let now = Instant::now();
    let (ann, bob, cy, dan) = (user("ann"), user("bob"), user("cy"), user("dan"));
    node.registry.send(Revoke { user: ann.clone(), before: Timestamp { unix_ms: 9_000 } }).await.unwrap();
    open(&ann, now).await;
    assert_eq!(staying(&node, &ann).await, 0, "revoked");
    let until = node.clock.now().plus_ms(60_000);
    node.registry.send(BlockUser { user: bob.clone(), until }).await.unwrap();
    open(&bob, now).await;
    assert_eq!(staying(&node, &bob).await, 0, "blocked");
    open(&cy, now.checked_sub(limits::ADMISSION_MAX + Duration::from_secs(1)).unwrap()).await;
    assert_eq!(staying(&node, &cy).await, 0, "what was revoked in so long a time may be forgotten");
    open(&dan, now).await;
    assert_eq!(staying(&node, &dan).await, 1);
}

async fn online(node: &Node) -> usize {
    node.presence.send(CountOnline).await.unwrap()
}

/// Sockets of the first user, who stays, and of some who left.
async fn sockets_of_some(node: &Node) -> usize {
    let mut sockets = 0;
    for generation in [0, 1, BURST / 2, BURST - 1] {
        sockets += node.presence.send(SocketsOf(user(&format!("user {generation}")))).await.unwrap().len();
    }
    sockets
}

/// More than the presence tracker's mailbox holds.
const BURST: u32 = limits::PRESENCE_MAILBOX_MAX as u32 + 5_000;

#[actix::test]
async fn a_burst_of_sockets_that_the_presence_tracker_can_not_take_is_made_up_for() {
    let cluster = Cluster::new();
    let (here, there) = (cluster.node("a").await, cluster.node("b").await);
    until("the nodes know each other", || async { peers(&there).await == ["a"] }).await;
    let context = Context::<Session>::new();
    let session = context.address();
    let whose = |generation: u32| user(&format!("user {generation}"));
    for generation in 0..BURST {
        let (session, checked_from) = (session.clone(), Instant::now());
        let (conn, connection) = (conn(generation), Arc::from("a socket"));
        // Each clone has its own slot in the mailbox; the other mailbox must overflow.
        let up = SessionUp {
            user: whose(generation),
            conn,
            connection,
            session,
            follows_presence: false,
            issued_at: None,
            checked_from,
        };
        here.registry.clone().try_send(up).unwrap();
    }
    until("everybody is online", || async { online(&here).await == BURST as usize }).await;
    until("the other node knows", || async { online(&there).await == BURST as usize }).await;
    for generation in 1..BURST {
        let down = SessionDown { user: whose(generation), conn: conn(generation), connection: "a socket".into() };
        here.registry.clone().try_send(down).unwrap();
    }
    for node in [&here, &there] {
        until("one socket is left", || async { sockets_of_some(node).await == 1 }).await;
    }
}
