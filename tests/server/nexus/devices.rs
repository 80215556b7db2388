//! Random sends, edits, deletions, reads and reconnects over several devices, dialects and REST: at rest the list of
//! conversations, what each device has seen, and the read marks are what a model makes of the same actions.
//!
//! A failed run prints its seed; `CONVENE_SEED=<seed>` repeats the actions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::on_both;
use crate::support::shape::{number, text};
use crate::support::{Server, Socket, User, random};

const USERS: usize = 3;
const DEVICES: usize = 2;
const STEPS: usize = 160;
const CHECK_EVERY: usize = 40;

/// A message as the model has it.
struct Sent {
    id: String,
    seq: u64,
    sender: usize,
    content: String,
    mentions: BTreeSet<usize>,
    /// The sequence numbers of its edits.
    edits: BTreeSet<u64>,
    is_deleted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Channel,
    Direct,
    Open,
}

/// A conversation as the model has it.
struct Conversation {
    id: String,
    kind: Kind,
    head: u64,
    messages: Vec<Sent>,
    marks: BTreeMap<usize, u64>,
    /// Orders conversations by their last message.
    active: usize,
}

impl Conversation {
    fn has(&self, user: usize) -> bool {
        self.kind != Kind::Direct || user < 2
    }

    /// Whether it is an edit of a message that was deleted, which is not replayed.
    fn is_erased(&self, seq: u64) -> bool {
        self.messages.iter().any(|one| one.is_deleted && one.edits.contains(&seq))
    }

    fn unread(&self, user: usize) -> Vec<&Sent> {
        let mark = self.marks.get(&user).copied().unwrap_or_default();
        self.messages.iter().filter(|one| one.seq > mark && one.sender != user && !one.is_deleted).collect()
    }
}

/// What a device has seen of a conversation.
#[derive(Default)]
struct View {
    /// Everything up to it was received, or is not sent any more.
    last: u64,
    epoch: Value,
    is_joined: bool,
    received: BTreeSet<u64>,
    /// Of what came in the order of the room.
    newest: u64,
    /// By message; `None` if it was deleted.
    texts: BTreeMap<String, Option<String>>,
    /// By user id.
    marks: BTreeMap<String, u64>,
}

impl View {
    fn advance(&mut self, conversation: &Conversation) {
        while self.received.contains(&(self.last + 1)) || conversation.is_erased(self.last + 1) {
            self.last += 1;
        }
    }
}

struct Device {
    user: usize,
    account: User,
    socket: Option<Socket>,
    views: BTreeMap<String, View>,
    requests: u64,
}

impl Device {
    /// Connects and joins all conversations of its user, each from the last event that it has seen.
    async fn connect(&mut self, conversations: &[Conversation]) {
        self.socket = Some(self.account.nexus().await);
        let user = self.user;
        for conversation in conversations.iter().filter(|one| one.has(user)) {
            let view = self.views.entry(conversation.id.clone()).or_default();
            view.is_joined = false;
            view.advance(conversation);
            let mut join = json!({"event_type": "room.join", "room_id": conversation.id, "since": view.last});
            if !view.epoch.is_null() {
                join["epoch"] = view.epoch.clone();
            }
            self.send(&join).await;
            loop {
                let frame = self.next().await;
                let is_here = frame["room_id"] == conversation.id.as_str();
                if is_here && frame["event_type"] == "room.join" && frame.get("epoch").is_some() {
                    let view = self.views.get_mut(&conversation.id).expect("inserted above");
                    assert!(view.epoch.is_null() || view.epoch == frame["epoch"], "the epoch has changed: {frame}");
                    (view.epoch, view.is_joined) = (frame["epoch"].clone(), true);
                }
                if is_here && frame["event_type"] == "recovered" {
                    assert_eq!(frame["complete"], true, "{frame}");
                    break;
                }
            }
        }
    }

    async fn send(&mut self, message: &Value) {
        self.socket.as_mut().expect("a connected device").send_json(message).await;
    }

    /// Sends a request; answers the acknowledgement, or the receipt, which comes in its place.
    async fn ask(&mut self, mut request: Value) -> Value {
        self.requests += 1;
        request["ref"] = json!(self.requests);
        self.send(&request).await;
        loop {
            let frame = self.next().await;
            if frame["ref"] == self.requests {
                assert_ne!(frame["event_type"], "error", "{request}: {frame}");
                return frame;
            }
        }
    }

    /// The next frame, which is noted.
    async fn next(&mut self) -> Value {
        let frame = self.socket.as_mut().expect("a connected device").next_json().await;
        let kind = frame["event_type"].as_str().expect("a type").to_owned();
        if !["chat.message", "chat.edit", "chat.delete", "chat.read"].contains(&kind.as_str()) {
            return frame;
        }
        let view = self.views.entry(text(&frame, "conversation_id")).or_default();
        let seq = number(&frame, "seq");
        let is_new = view.received.insert(seq);
        // what was queued also comes outside of the order of the room
        if kind != "chat.message" {
            assert!(is_new, "user {} received it twice: {frame}", self.user);
            assert!(view.is_joined && seq > view.newest, "user {} received it late: {frame}", self.user);
            view.newest = seq;
        }
        let message = text(&frame, "message_id");
        match kind.as_str() {
            "chat.message" if frame["deleted"] == true => drop(view.texts.insert(message, None)),
            "chat.message" => drop(view.texts.insert(message, Some(text(&frame, "content")))),
            "chat.edit" => {
                if let Some(known @ Some(_)) = view.texts.get_mut(&message) {
                    *known = Some(text(&frame, "content"));
                }
            }
            "chat.delete" => drop(view.texts.insert(message, None)),
            _ => {
                let (user, up_to) = (text(&frame, "user_id"), number(&frame, "read_seq"));
                let before = view.marks.insert(user, up_to);
                assert!(before.is_none_or(|before| before < up_to), "a mark went back: {frame}");
            }
        }
        frame
    }

    /// Reads until it has seen everything.
    async fn catch_up(&mut self, conversations: &[Conversation]) {
        let user = self.user;
        for conversation in conversations.iter().filter(|one| one.has(user)) {
            loop {
                let view = self.views.get_mut(&conversation.id).expect("it has joined");
                view.advance(conversation);
                if view.last >= conversation.head {
                    break;
                }
                self.next().await;
            }
        }
    }
}

struct World {
    users: Vec<User>,
    devices: Vec<Device>,
    conversations: Vec<Conversation>,
    random: fastrand::Rng,
    clock: usize,
}

impl World {
    async fn new(server: &Server, random: fastrand::Rng) -> World {
        let mut users = Vec::new();
        for number in 0..USERS {
            users.push(server.user(&format!("user{number}")).await);
        }
        let channel = users[0].channel_with(&users[1..].iter().collect::<Vec<_>>()).await;
        let conversation = |id, kind| {
            let (messages, marks) = (Vec::new(), BTreeMap::new());
            Conversation { id, kind, head: 0, messages, marks, active: 0 }
        };
        let path = format!("/api/dm/{}/messages", users[1].id);
        let first = users[0].post(&path, json!({"content": "first"})).await.expect(201);
        let direct = text(&first, "conversation_id");
        let conversations = vec![
            conversation(channel, Kind::Channel),
            conversation(direct, Kind::Direct),
            conversation("lobby".to_owned(), Kind::Open),
        ];
        let mut world = World { users, devices: Vec::new(), conversations, random, clock: 0 };
        world.note_sent(1, 0, &first, "first", BTreeSet::new());
        for user in 0..USERS {
            for _ in 0..DEVICES {
                let account = world.users[user].clone();
                let (socket, views) = (None, BTreeMap::new());
                let mut device = Device { user, account, socket, views, requests: 0 };
                device.connect(&world.conversations).await;
                world.devices.push(device);
            }
        }
        world
    }

    fn note_sent(&mut self, at: usize, sender: usize, stored: &Value, content: &str, mentions: BTreeSet<usize>) {
        self.clock += 1;
        let conversation = &mut self.conversations[at];
        let (id, seq) = (text(stored, "id"), number(stored, "seq"));
        (conversation.head, conversation.active) = (seq, self.clock);
        conversation.messages.push(Sent {
            id,
            seq,
            sender,
            content: content.into(),
            mentions,
            edits: BTreeSet::new(),
            is_deleted: false,
        });
    }

    /// A conversation of this user.
    fn pick(&mut self, user: usize) -> usize {
        let own: Vec<usize> = (0..self.conversations.len()).filter(|at| self.conversations[*at].has(user)).collect();
        own[self.random.usize(..own.len())]
    }

    /// A connected device of this user.
    fn device_of(&mut self, user: usize) -> Option<usize> {
        let own = |at: &usize| self.devices[*at].user == user && self.devices[*at].socket.is_some();
        let own: Vec<usize> = (0..self.devices.len()).filter(own).collect();
        (!own.is_empty()).then(|| own[self.random.usize(..own.len())])
    }

    async fn say(&mut self, user: usize, step: usize) {
        let at = self.pick(user);
        let (id, kind, content) =
            (self.conversations[at].id.clone(), self.conversations[at].kind, format!("message {step}"));
        let mut mentions = BTreeSet::new();
        let mentioned = self.random.usize(..USERS);
        if self.random.bool() && mentioned != user && self.conversations[at].has(mentioned) {
            mentions.insert(mentioned);
        }
        let named: Vec<String> = mentions.iter().map(|user| self.users[*user].id.clone()).collect();
        let stored = match (self.random.u32(..3), self.device_of(user), kind) {
            (0, Some(device), _) => {
                let message =
                    json!({"event_type": "chat.message", "conversation_id": id, "content": content, "mentions": named});
                self.devices[device].ask(message).await
            }
            // with a socket of the channel dialect, which has no mentions
            (1, _, Kind::Channel | Kind::Direct) => {
                mentions.clear();
                let (mut socket, kind) = match kind {
                    Kind::Direct => (self.users[user].connect_dm(&self.users[1 - user]).await, "dm_message"),
                    Kind::Channel | Kind::Open => (self.users[user].connect(&id).await, "message"),
                };
                socket.send_json(&json!({"type": kind, "content": content, "ref": "1"})).await;
                let ack = socket.read_until("ack").await.pop().expect("the acknowledgement");
                socket.close().await;
                ack
            }
            _ => {
                let path = format!("/api/conversations/{id}/messages");
                self.users[user].post(&path, json!({"content": content, "mentions": named})).await.expect(201)
            }
        };
        self.note_sent(at, user, &stored, &content, mentions);
    }

    /// Edits or deletes a message of the user.
    async fn change(&mut self, user: usize, step: usize) {
        let at = self.pick(user);
        let conversation = &self.conversations[at];
        let own: Vec<usize> = (0..conversation.messages.len())
            .filter(|of| conversation.messages[*of].sender == user && !conversation.messages[*of].is_deleted)
            .collect();
        let Some(of) = self.random.choice(own) else { return };
        let id = conversation.messages[of].id.clone();
        let (content, deletes) = (format!("edited {step}"), self.random.u32(..3) == 0);
        let stored = match (self.device_of(user).filter(|_| self.random.bool()), deletes) {
            (Some(device), true) => {
                self.devices[device].ask(json!({"event_type": "chat.delete", "message_id": id})).await
            }
            (Some(device), false) => {
                self.devices[device].ask(json!({"event_type": "chat.edit", "message_id": id, "content": content})).await
            }
            (None, true) => self.users[user].delete(&format!("/api/messages/{id}")).await.expect(200),
            (None, false) => {
                self.users[user].patch(&format!("/api/messages/{id}"), json!({"content": content})).await.expect(200)
            }
        };
        let conversation = &mut self.conversations[at];
        conversation.head = number(&stored, "seq");
        let message = &mut conversation.messages[of];
        if !deletes {
            message.edits.insert(conversation.head);
        }
        message.is_deleted = deletes;
        message.content = if deletes { String::new() } else { content };
    }

    async fn read(&mut self, user: usize) {
        let at = self.pick(user);
        let conversation = &self.conversations[at];
        if conversation.messages.is_empty() {
            return;
        }
        let message = &conversation.messages[self.random.usize(..conversation.messages.len())];
        let (id, seq, of) = (message.id.clone(), message.seq, conversation.id.clone());
        let mark = conversation.marks.get(&user).copied().unwrap_or_default();
        let stored = match self.device_of(user).filter(|_| self.random.bool()) {
            Some(device) => {
                let mut read = json!({"event_type": "chat.read", "message_id": id});
                if self.random.bool() {
                    read["conversation_id"] = json!(of);
                }
                self.devices[device].ask(read).await
            }
            None => {
                let path = format!("/api/conversations/{of}/read");
                self.users[user].post(&path, json!({"message_id": id})).await.expect(200)
            }
        };
        let conversation = &mut self.conversations[at];
        if seq > mark {
            conversation.head = number(&stored, "seq");
            conversation.marks.insert(user, seq);
        } else {
            assert_eq!(stored.get("seq"), None, "{stored}");
        }
    }

    async fn reconnect(&mut self) {
        let device = self.random.usize(..self.devices.len());
        match self.devices[device].socket.take() {
            Some(socket) if self.random.bool() => socket.close().await,
            // without a close frame
            Some(socket) => drop(socket),
            None => self.devices[device].connect(&self.conversations).await,
        }
    }

    /// All devices connect and catch up; then everything is compared.
    async fn check(&mut self) {
        for device in &mut self.devices {
            if device.socket.is_none() {
                device.connect(&self.conversations).await;
            }
            device.catch_up(&self.conversations).await;
            for conversation in self.conversations.iter().filter(|one| one.has(device.user)) {
                let view = &device.views[&conversation.id];
                let texts = conversation.messages.iter();
                let texts = texts.map(|one| (one.id.clone(), (!one.is_deleted).then(|| one.content.clone()))).collect();
                assert_eq!(view.texts, texts, "the texts of {} on a device of user {}", conversation.id, device.user);
                let marks = conversation.marks.iter().map(|(user, seq)| (self.users[*user].id.clone(), *seq)).collect();
                assert_eq!(view.marks, marks, "the marks of {} on a device of user {}", conversation.id, device.user);
            }
        }
        for user in 0..USERS {
            let page = self.users[user].get("/api/conversations").await.expect(200);
            let list = page["conversations"].as_array().expect("a list");
            let of_list = |one: &Value| {
                let fields = ["conversation_id", "unread_count", "mention_count", "last_read_seq", "seq"];
                let mut line: Vec<Value> = fields.iter().map(|field| one[*field].clone()).collect();
                line.extend([one["last_message"]["id"].clone(), one["last_message"]["content"].clone()]);
                line
            };
            let mut expected: Vec<&Conversation> = self.conversations.iter().filter(|one| one.has(user)).collect();
            expected.sort_by_key(|one| std::cmp::Reverse(one.active));
            let of_model = |one: &&Conversation| {
                let unread = one.unread(user);
                let mentioned = unread.iter().filter(|one| one.mentions.contains(&user)).count();
                let mark = one.marks.get(&user).copied().unwrap_or_default();
                let last = one.messages.last();
                vec![
                    json!(one.id),
                    json!(unread.len()),
                    json!(mentioned),
                    json!(mark),
                    json!(one.head),
                    last.map_or(Value::Null, |last| json!(last.id)),
                    last.map_or(Value::Null, |last| json!(last.content)),
                ]
            };
            let expected: Vec<Vec<Value>> = expected.iter().map(of_model).collect();
            // conversations without messages have no place among the others
            let is_used = |line: &&Vec<Value>| !line[5].is_null();
            let listed: Vec<Vec<Value>> = list.iter().map(of_list).collect();
            assert_eq!(
                listed.iter().filter(is_used).collect::<Vec<_>>(),
                expected.iter().filter(is_used).collect::<Vec<_>>(),
                "the list of user {user}"
            );
        }
    }
}

on_both! {
    async fn lists_texts_and_read_marks_are_the_same_on_all_devices(database) {
        let random = fastrand::Rng::with_seed(random::seed());
        let server = Server::builder().database(database).env("MAX_CONNECTIONS_PER_USER", 0).start().await;
        let mut world = World::new(&server, random).await;
        for step in 1..=STEPS {
            let user = world.random.usize(..USERS);
            match world.random.u32(..100) {
                0..40 => world.say(user, step).await,
                40..60 => world.change(user, step).await,
                60..85 => world.read(user).await,
                _ => world.reconnect().await,
            }
            if step.is_multiple_of(CHECK_EVERY) {
                world.check().await;
            }
        }
    }
}
