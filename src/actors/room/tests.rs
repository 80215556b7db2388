//! Rooms, hubs and the registry of a real node, with local sockets: a stalled hub, a full bridge, a room that panics.

use std::{net::TcpListener, rc::Rc, sync::mpsc, time::Duration};

use futures_util::StreamExt;
use serde_json::Value;
use tokio::{net::TcpStream, sync::oneshot, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message as Frame, protocol::Role},
};

use super::*;
use crate::{
    actors::{
        bridge::{BridgeLink, ClusterMode, LinkStatus, PublishRoom, SubscribeRoom, local::LocalBridge},
        messages::{Join, JoinRoom, Leave, Leaving},
        outbox::{Bound, Owner},
        start_in,
        worker::Worker,
    },
    app::start_among,
    config::{Config, Secret},
    core::{
        command::{Addressed, ChatCommand, Command, Draft, Tag, Typing},
        event::{ChatDurable, ChatEphemeral, Durable},
        presence::Status,
        profile::{Author, Profile},
    },
    dialects::{DialectKind, options::Seats},
    ids::{Area, EventId, NodeId, Seq, SocketId, Timestamp},
    store::NewUser,
    transport::socket::Socket,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// A node, a direct conversation of two users, and a thread with a hub.
struct Stage {
    node: Arc<Node>,
    identity: Arc<RoomIdentity>,
    users: [Profile; 2],
    thread: Thread,
    _folder: tempfile::TempDir,
}

/// A thread with a hub that can be stalled.
struct Thread {
    arbiter: Arbiter,
    hub: Addr<Hub>,
    node: Arc<Node>,
}

/// Stalls a thread until it is dropped.
struct Stall(#[expect(dead_code, reason = "its end is what counts")] mpsc::Sender<()>);

impl Thread {
    async fn start(node: &Arc<Node>) -> Thread {
        let arbiter = Arbiter::new();
        let hub = on(&arbiter, node, |worker| worker.hub.clone()).await;
        Thread { arbiter, hub, node: node.clone() }
    }

    async fn on<T: Send + 'static>(&self, act: impl FnOnce(&Rc<Worker>) -> T + Send + 'static) -> T {
        on(&self.arbiter, &self.node, act).await
    }

    async fn stall(&self) -> Stall {
        let ((resume, resumed), (stalled, is_stalled)) = (mpsc::channel(), oneshot::channel());
        assert!(self.arbiter.spawn_fn(move || {
            let _ = stalled.send(());
            let _ = resumed.recv();
        }));
        is_stalled.await.unwrap();
        Stall(resume)
    }
}

async fn on<T: Send + 'static>(
    arbiter: &Arbiter,
    node: &Arc<Node>,
    act: impl FnOnce(&Rc<Worker>) -> T + Send + 'static,
) -> T {
    let (answer, answered) = oneshot::channel();
    let node = node.clone();
    assert!(arbiter.spawn_fn(move || drop(answer.send(act(&Worker::here(&node))))));
    timeout(DEADLINE, answered).await.expect("the thread is alive").unwrap()
}

/// A client and its connection on the server's side, without a session.
struct Client {
    conn: ConnKey,
    user: Author,
    stream: WebSocketStream<TcpStream>,
}

impl Stage {
    async fn new() -> Stage {
        let bridge = LocalBridge::default().start();
        Stage::among(|id| BridgeLink::new(&bridge, id, ClusterMode::SingleNode, Arc::new(LinkStatus::default()))).await
    }

    async fn among(link: impl FnOnce(NodeId) -> BridgeLink) -> Stage {
        Stage::with("60", link).await
    }

    async fn with(timeout_seconds: &str, link: impl FnOnce(NodeId) -> BridgeLink) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().display().to_string();
        let config = Config::from(|name| match name {
            "DATA_DIR" => Some(data.clone()),
            "WEBSOCKET_PING_INTERVAL" => Some("1".into()),
            "WEBSOCKET_PING_TIMEOUT" => Some(timeout_seconds.to_owned()),
            _ => None,
        });
        let secret = Secret::new("a secret of more than thirty-two bytes");
        let node = start_among(config.unwrap(), &secret, |_, id, _| link(id)).await.unwrap();
        let mut users = Vec::new();
        for name in ["alice", "bob"] {
            let new =
                NewUser { username: name.into(), email: None, display_name: name.into(), password_hash: "-".into() };
            users.push(node.store.create_user(new).await.unwrap());
        }
        let users: [Profile; 2] = users.try_into().unwrap();
        let identity = Arc::new(node.store.direct_room(&users[0].id, &users[1].id).await.unwrap());
        let thread = Thread::start(&node).await;
        Stage { node, identity, users, thread, _folder: folder }
    }

    /// A room on this thread that the registry does not know.
    fn room(&self) -> Addr<Room> {
        let (identity, node) = (self.identity.clone(), self.node.clone());
        start_in(&Arbiter::current(), limits::ROOM_MAILBOX_MAX, move || Room::new(identity, node, None))
    }

    async fn client(&self, user: usize) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        let author = self.users[user].author();
        let id = author.id.clone();
        let conn = self.thread.on(move |worker| {
            let conn = worker.connection_ids(&id, Seats::Usual).key;
            let socket = Socket::from(TcpStream::from_std(accepted).unwrap());
            let expires_at = Timestamp { unix_ms: i64::MAX };
            let owner = Owner { user: id, dialect: DialectKind::Channel, bound: Bound::ToRoom, expires_at };
            worker.admit(conn, socket, owner);
            conn
        });
        let stream = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        Client { conn: conn.await, user: author, stream }
    }

    fn join(&self, client: &Client) -> Join {
        Join {
            conn: client.conn,
            connection: "ws_1".into(),
            user: client.user.clone(),
            hub: self.thread.hub.clone(),
            resume: None,
            tag: Tag::default(),
            status: Status::default(),
            capacity: None,
            access_read_at: None,
            queued: None,
            is_greeted: true,
            bound: Bound::ToRoom,
            role: None,
            form: DialectKind::Channel.options().form,
            place: None,
        }
    }

    fn message(&self, seq: i64) -> Arc<Broadcast> {
        self.message_for(seq, Audience::Everyone)
    }

    fn message_for(&self, seq: i64, audience: Audience) -> Arc<Broadcast> {
        let what = Durable::Chat(ChatDurable::text(self.users[0].author(), "hello".into(), Vec::new()));
        let body = EventBody::Durable { seq: Seq(seq), id: EventId::generate(), what };
        let event = Event { room: self.identity.clone(), at: self.node.clock.now(), body };
        Broadcast::new(event, audience)
    }

    fn carried(&self, seq: i64) -> RoomMessageReceived {
        RoomMessageReceived { from: NodeId(1), message: RoomMessage::Event(self.message(seq)) }
    }

    async fn closed_for(&self, client: &Client) -> Option<Disconnect> {
        let conn = client.conn;
        self.thread.on(move |worker| worker.outbox(conn).and_then(|outbox| outbox.reason())).await
    }
}

impl Client {
    /// The next frame of any kind.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = timeout(DEADLINE, self.stream.next()).await.expect("a frame in time");
            match frame {
                Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                Some(Ok(frame)) => return Some(frame),
                Some(Err(_)) | None => return None,
            }
        }
    }

    async fn json(&mut self) -> Value {
        match self.next().await {
            Some(Frame::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("a message of the server, not {other:?}"),
        }
    }

    /// Reads up to a frame of this type.
    async fn until(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.json().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Reads up to the close frame.
    async fn closed(&mut self) -> u16 {
        loop {
            match self.next().await {
                Some(Frame::Close(Some(close))) => return close.code.into(),
                Some(_) => {}
                None => panic!("a close frame comes before the end"),
            }
        }
    }
}

fn tag(number: i64) -> Tag {
    Tag { reference: Some(serde_json::from_str(&format!("\"{number}\"")).unwrap()), ..Tag::default() }
}

/// The number of the request that a frame answers.
fn answers(frame: &Value) -> i64 {
    frame["ref"].to_string().trim_matches('"').parse().unwrap_or_else(|_| panic!("an answer, not {frame}"))
}

#[actix::test]
async fn members_behind_a_hub_that_stalls_too_long_are_evicted_and_newcomers_miss_nothing() {
    let stage = Stage::new().await;
    let room = stage.room();
    let mut old = stage.client(0).await;
    room.send(stage.join(&old)).await.unwrap();
    old.json().await;
    // of the same user, so that no join is announced between them
    let (mut early, mut late) = (stage.client(0).await, stage.client(0).await);

    let stall = stage.thread.stall().await;
    let spilled = (limits::HUB_MAILBOX_MAX + limits::ROOM_OVERFLOW_MAX) as i64;
    for seq in 1..=spilled - 100 {
        room.send(stage.carried(seq)).await.unwrap();
    }
    room.send(stage.join(&early)).await.unwrap();
    for seq in spilled - 99..=spilled + 100 {
        room.send(stage.carried(seq)).await.unwrap();
    }
    room.send(stage.join(&late)).await.unwrap();
    room.send(stage.carried(spilled + 101)).await.unwrap();
    drop(stall);

    assert_eq!(late.until("dm_message").await["seq"], spilled + 101);
    assert_eq!(stage.closed_for(&late).await, None);
    for client in [&mut old, &mut early] {
        assert_eq!(stage.closed_for(client).await, Some(Disconnect::TooSlow));
        assert_eq!(client.closed().await, 4510);
    }
}

#[actix::test]
async fn an_event_reaches_the_sockets_of_its_audience_whichever_node_has_published_it() {
    let stage = Stage::new().await;
    let (room, hub) = (stage.room(), stage.thread.hub.clone());
    let (mut first, mut second) = (stage.client(0).await, stage.client(0).await);
    for client in [&mut first, &mut second] {
        room.send(stage.join(client)).await.unwrap();
        client.json().await;
    }
    let publish = async |seq, audience| {
        let message = RoomMessage::Event(stage.message_for(seq, audience));
        room.send(RoomMessageReceived { from: NodeId(1), message }).await.unwrap();
    };
    let place = async |conn, area| {
        hub.send(HubMessage::Place { room: stage.identity.id, places: vec![(conn, area)] }).await.unwrap();
    };
    let but = |node| Audience::ButSocket(SocketId { node, conn: first.conn });
    publish(1, but(stage.node.id)).await;
    publish(2, but(NodeId(1))).await; // another node has a connection of the same number
    place(second.conn, Some(Area(7))).await;
    publish(3, Audience::In(Area(7))).await;
    place(second.conn, None).await;
    publish(4, Audience::In(Area(7))).await;
    publish(5, Audience::Everyone).await;
    for (client, expected) in [(&mut first, [2, 5].as_slice()), (&mut second, &[1, 2, 3, 5])] {
        for seq in expected {
            assert_eq!(client.until("dm_message").await["seq"], *seq);
        }
    }
}

#[actix::test]
async fn members_of_a_room_that_panics_are_sent_away_and_the_next_one_finds_a_new_room() {
    let stage = Stage::new().await;
    let enter = async |client: &Client| {
        let join = stage.join(client);
        stage.node.registry.send(JoinRoom { room: stage.identity.clone(), join }).await.unwrap().unwrap()
    };
    let mut member = stage.client(0).await;
    let room = enter(&member).await;
    member.json().await;
    room.send(Panic).await.unwrap_err();
    assert_eq!(member.closed().await, 4510);
    assert_eq!(stage.closed_for(&member).await, Some(Disconnect::TooSlow));

    let mut next = stage.client(1).await;
    let again = enter(&next).await;
    assert!(again != room, "another room");
    next.json().await;
    assert_eq!(stage.closed_for(&next).await, None);
    let ask = Ask {
        conn: next.conn,
        user: next.user.clone(),
        tag: tag(7),
        client_message_id: None,
        command: Command::Chat(ChatCommand::Send {
            addressed: Addressed::Partner,
            draft: Draft::text("hello", Vec::new()),
        }),
        attachments: Vec::new(),
    };
    again.send(ask).await.unwrap();
    assert_eq!(next.until("dm_message").await["seq"], 1);
    assert_eq!(next.json().await["type"], "ack", "behind its own event");
}

#[actix::test]
async fn whoever_waits_at_the_door_of_a_room_that_panics_is_sent_away_too() {
    let stage = Stage::new().await;
    let room = stage.room();
    let mut client = stage.client(0).await;
    room.try_send(stage.join(&client)).unwrap();
    room.try_send(Panic).unwrap();
    // Whether the room had admitted the client before the panic depends on how fast the log was read: both codes mean
    // that the client should reconnect.
    let code = client.closed().await;
    assert!([Disconnect::TryAgainLater.code(), Disconnect::TooSlow.code()].contains(&code), "closed with {code}");
}

/// Accepts the messages of a bridge and ignores them.
struct Sink;

impl Actor for Sink {
    type Context = Context<Self>;
}

impl Handler<RoomMessageReceived> for Sink {
    type Result = ();

    fn handle(&mut self, _: RoomMessageReceived, _: &mut Self::Context) {}
}

impl Handler<RoomSubscribed> for Sink {
    type Result = ();

    fn handle(&mut self, _: RoomSubscribed, _: &mut Self::Context) {}
}

#[actix::test]
async fn a_room_that_a_full_bridge_did_not_take_hears_the_others_later() {
    let arbiter = Arbiter::new();
    let bridge = start_in(&arbiter.handle(), 1, LocalBridge::default);
    let link = |id| BridgeLink::new(&bridge, id, ClusterMode::MultiNode, Arc::new(LinkStatus::default()));
    let mut attach = None;
    let stage = Stage::among(|id| {
        let link = link(id);
        attach = Some(link.subscribe_room.clone());
        link
    });
    let stage = stage.await;
    let (resume, resumed) = mpsc::channel::<()>();
    let (blocked, is_blocked) = oneshot::channel();
    arbiter.spawn_fn(move || {
        let _ = blocked.send(());
        let _ = resumed.recv();
    });
    is_blocked.await.unwrap();
    let attach = attach.unwrap();
    let sink = Sink.start();
    let mut other = 0;
    while {
        other += 1;
        let (to, listening) = (sink.clone().recipient(), sink.clone().recipient());
        let room = crate::ids::RoomId::generate();
        stage
            .node
            .bridge
            .subscribe_room
            .try_send(SubscribeRoom { room, node: NodeId(other), incarnation: 1, to, listening })
            .is_ok()
    } {}
    drop(attach);
    let room = stage.room();
    let mut client = stage.client(0).await;
    room.send(stage.join(&client)).await.unwrap();
    client.json().await; // the room has opened without the other nodes
    drop(resume);
    let carry = bridge.clone().recipient::<PublishRoom>();
    let heard = async {
        loop {
            // an event that is not in the log, which is empty
            let user = stage.users[1].author();
            let what = Ephemeral::Chat(ChatEphemeral::Typing { user, typing: Typing::Started, cell: None });
            let event =
                Event { room: stage.identity.clone(), at: stage.node.clock.now(), body: EventBody::Ephemeral(what) };
            let message = RoomMessage::Event(Broadcast::new(event, Audience::Everyone));
            carry.send(PublishRoom { room: stage.identity.id, node: NodeId(1), message }).await.unwrap();
            if timeout(Duration::from_millis(50), client.json()).await.is_ok() {
                return;
            }
        }
    };
    timeout(DEADLINE, heard).await.expect("the room is attached after all");
}

#[actix::test]
async fn a_socket_for_which_too_much_waits_before_it_is_in_is_turned_away() {
    let stage = Stage::new().await;
    let room = stage.room();
    let mut client = stage.client(0).await;
    room.try_send(stage.join(&client)).unwrap();
    for number in 0..=limits::PENDING_JOIN_QUEUE_MAX {
        let ask = Ask {
            conn: client.conn,
            user: client.user.clone(),
            tag: tag(number as i64),
            client_message_id: None,
            command: Command::Ping,
            attachments: Vec::new(),
        };
        room.try_send(ask).unwrap();
    }
    assert_eq!(client.closed().await, Disconnect::TryAgainLater.code());
}

#[actix::test]
async fn all_rooms_together_remember_no_more_than_the_bound() {
    let stage = Stage::new().await;
    let of_others = limits::RECOVERY_BYTES_ALL_ROOMS_MAX - 10_000;
    stage.node.history_bytes.store(of_others, std::sync::atomic::Ordering::Relaxed);
    let held = || stage.node.history_bytes.load(std::sync::atomic::Ordering::Relaxed) - of_others;
    let room = stage.room();
    let client = stage.client(0).await;
    room.send(stage.join(&client)).await.unwrap();
    timeout(DEADLINE, async {
        let mut seq = 0;
        while held() == 0 || seq < 500 {
            seq += 1;
            room.send(stage.carried(seq)).await.unwrap();
            tokio::task::yield_now().await;
            assert!(held() <= 10_000);
        }
    })
    .await
    .unwrap();
    room.send(Panic).await.unwrap_err();
    assert_eq!(held(), 0, "a room that has ended holds nothing");
}

#[actix::test]
async fn an_acknowledgement_and_a_farewell_come_behind_the_events_before_them() {
    let stage = Stage::new().await;
    let (room, hub) = (stage.identity.id, stage.thread.hub.clone());
    let (mut alice, mut bob) = (stage.client(0).await, stage.client(1).await);
    for client in [&alice, &bob] {
        let subscribe = HubMessage::Subscribe {
            room,
            conn: client.conn,
            opening: Vec::new(),
            already: crate::core::room::Already::No,
        };
        hub.send(subscribe).await.unwrap();
    }
    let done = |number| Box::new(Reply::Done { tag: tag(number) });
    let stall = stage.thread.stall().await;
    for seq in 1..=20 {
        hub.try_send(HubMessage::Deliver { room, broadcast: stage.message(seq) }).unwrap();
        hub.try_send(HubMessage::Reply { room, conn: alice.conn, reply: done(seq) }).unwrap();
    }
    hub.try_send(HubMessage::Unsubscribe { room, conn: bob.conn, last_reply: Some(done(101)) }).unwrap();
    hub.try_send(HubMessage::Deliver { room, broadcast: stage.message(21) }).unwrap();
    hub.try_send(HubMessage::Reply { room, conn: bob.conn, reply: done(102) }).unwrap();
    drop(stall);
    let mut last = 0;
    for _ in 0..40 {
        let frame = alice.json().await;
        match frame["type"].as_str() {
            Some("dm_message") => last = frame["seq"].as_i64().unwrap(),
            _ => assert!(answers(&frame) <= last, "{frame} after {last}"),
        }
    }
    for seq in 1..=20 {
        assert_eq!(bob.json().await["seq"], seq, "who leaves has all that was delivered before");
    }
    assert_eq!(answers(&bob.json().await), 101);
    assert_eq!(answers(&bob.json().await), 102, "and nothing that came later");
}

#[actix::test]
async fn who_leaves_and_comes_again_at_once_gets_what_follows_and_nothing_twice() {
    let stage = Stage::new().await;
    let (room, hub) = (stage.identity.id, stage.thread.hub.clone());
    let mut clients = Vec::new();
    let subscribe =
        |conn| HubMessage::Subscribe { room, conn, opening: Vec::new(), already: crate::core::room::Already::No };
    for number in 0..12 {
        let client = stage.client(number % 2).await;
        hub.send(subscribe(client.conn)).await.unwrap();
        clients.push(client);
    }
    let conn = clients[0].conn;
    let stall = stage.thread.stall().await;
    let mut expected = Vec::new();
    let mut seq = 0;
    let mut deliver = || {
        seq += 1;
        hub.try_send(HubMessage::Deliver { room, broadcast: stage.message(seq) }).unwrap();
        seq
    };
    for _ in 0..10 {
        expected.push(deliver());
        hub.try_send(HubMessage::Unsubscribe { room, conn, last_reply: None }).unwrap();
        deliver();
        hub.try_send(subscribe(conn)).unwrap();
        expected.push(deliver());
    }
    drop(stall);
    for seq in expected {
        assert_eq!(clients[0].json().await["seq"], seq);
    }
    for seq in 1..=30 {
        assert_eq!(clients[1].json().await["seq"], seq);
    }
}

/// Silence during a stall of the server must not be blamed on the clients.
#[actix::test]
async fn a_worker_that_stalls_closes_nobody_for_its_own_silence() {
    let bridge = LocalBridge::default().start();
    let link = |id| BridgeLink::new(&bridge, id, ClusterMode::SingleNode, Arc::new(LinkStatus::default()));
    let stage = Stage::with("3", link).await;
    let client = stage.client(0).await;
    let stall_ends = stage.thread.on(|worker| {
        let (_keep, never) = mpsc::channel::<()>();
        assert!(never.recv_timeout(Duration::from_secs(5)).is_err());
        worker.now() + 5
    });
    let stall_ends = stall_ends.await;
    let conn = client.conn;
    timeout(DEADLINE, async {
        // one round of the sweep after the stall
        while stage.thread.on(|worker| worker.now()).await <= stall_ends {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let is_open = stage.thread.on(move |worker| worker.outbox(conn).map(|outbox| outbox.is_open()));
    assert_eq!(is_open.await, Some(true), "closed for a silence that was the server's");
}

#[actix::test]
async fn a_room_whose_permission_to_retire_was_lost_gets_it_again_and_a_younger_one_stays() {
    let stage = Stage::new().await;
    let client = stage.client(0).await;
    let join = stage.join(&client);
    let young = stage.node.registry.send(JoinRoom { room: stage.identity.clone(), join }).await.unwrap().unwrap();
    let retire = |actor: &Addr<Room>| {
        let (room, actor) = (stage.identity.id, actor.clone());
        Retire { room, actor, joins: 1, usage: Usage::new(stage.node.clock.now()) }
    };
    let old = stage.room();
    assert!(stage.node.registry.send(retire(&old)).await.unwrap(), "the registry does not know it any more");
    let leave = Leave { conn: client.conn, leaving: Leaving::AtOnce };
    young.send(leave).await.unwrap();
    assert!(young.connected());
    let client = stage.client(0).await;
    let join = stage.join(&client);
    let same = stage.node.registry.send(JoinRoom { room: stage.identity.clone(), join }).await.unwrap().unwrap();
    assert!(same == young, "the older one's end left it in its place");
}
