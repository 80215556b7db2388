//! Random plans over the whole server: users connect, send, disconnect and resume; the server is killed or stopped from
//! time to time. At rest, everybody who resumed must have received every acknowledged message exactly once and in
//! order.
//!
//! A failed run prints its seed; `CONVENE_SEED=<seed>` repeats the plan (but not the timing of the sockets).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::load::{Acknowledged, assert_kept};
use crate::on_both;
use crate::support::shape::{number, opaque, text};
use crate::support::socket::Frame;
use crate::support::{Server, Socket, User, random};

const USERS: usize = 4;
const ROOMS: usize = 3;
const STEPS: u32 = 250;

/// A user in a room: the socket, if open, and the messages received so far.
struct Member {
    user: User,
    room: usize,
    channel: String,
    socket: Option<Socket>,
    epoch: String,
    /// Every message received, in order.
    seen: Vec<(u64, String)>,
    /// Texts that were sent but not acknowledged.
    unanswered: BTreeSet<String>,
}

impl Member {
    /// Connects, or resumes after the last message received, and reads the replay.
    async fn enter(&mut self, log: &mut Log) {
        let first_time = self.epoch.is_empty();
        let mut socket = if first_time {
            self.user.open(&format!("/ws/channel/{}", self.channel)).await
        } else {
            let since = self.seen.last().map_or(0, |(seq, _)| *seq);
            self.user.resume(&self.channel, since, &self.epoch).await
        };
        let first = socket.expect("online_users").await;
        let epoch = opaque(&first, "epoch");
        assert!(first_time || epoch == self.epoch, "the epoch of {} changed", self.channel);
        if first_time {
            assert_eq!(self.seen.len(), 0);
            // Members join before anybody sends, so that each must receive everything from the start.
            assert_eq!(number(&first, "seq"), 0, "{first}");
        }
        self.epoch = epoch;
        self.socket = Some(socket);
        if !first_time {
            let complete = self.read_until(log, |frame| frame["type"] == "recovered").await;
            let recovered = complete.expect("a resumed socket receives `recovered`");
            assert_eq!(recovered["complete"], true, "{recovered}");
            assert_eq!(number(&recovered, "seq"), self.seen.last().map_or(0, |(seq, _)| *seq), "{recovered}");
        }
    }

    /// Sends a message without waiting for the result.
    async fn say(&mut self, content: String) {
        if let Some(socket) = &mut self.socket {
            let message = json!({"type": "message", "content": content, "ref": content}).to_string();
            if socket.try_send(Message::text(message)).await.is_ok() {
                self.unanswered.insert(content);
            }
        }
    }

    /// Reads until a frame that `done` accepts, recording messages. None if the socket closes first.
    async fn read_until(
        &mut self,
        log: &mut Log,
        done: impl Fn(&serde_json::Value) -> bool,
    ) -> Option<serde_json::Value> {
        loop {
            let socket = self.socket.as_mut()?;
            let frame = match socket.next_within(crate::support::DEADLINE).await {
                Some(Frame::Json(frame)) => frame,
                Some(Frame::Binary(bytes)) => panic!("no binary messages here: {bytes:?}"),
                Some(Frame::Close(_) | Frame::End) => {
                    self.socket = None;
                    return None;
                }
                None => panic!("{} in room {} heard nothing", self.user.username, self.room),
            };
            match frame["type"].as_str() {
                Some("message") => {
                    let (seq, id) = (number(&frame, "seq"), text(&frame, "id"));
                    let expected = self.seen.last().map_or(1, |(last, _)| last + 1);
                    assert_eq!(seq, expected, "{} in room {} missed or repeats", self.user.username, self.room);
                    self.seen.push((seq, id));
                }
                Some("ack") => {
                    let content = text(&frame, "ref");
                    assert!(self.unanswered.remove(&content), "acknowledged twice: {frame}");
                    log.rooms[self.room].insert(text(&frame, "id"), (number(&frame, "seq"), content));
                }
                Some("error") => panic!("nothing here should be refused: {frame}"),
                _ => {}
            }
            if done(&frame) {
                return Some(frame);
            }
        }
    }

    /// Reads all received frames, up to the answer to a ping.
    async fn catch_up(&mut self, log: &mut Log) {
        log.pings += 1;
        let reference = format!("ping {}", log.pings);
        let Some(socket) = &mut self.socket else { return };
        let ping = json!({"type": "ping", "ref": reference}).to_string();
        if socket.try_send(Message::text(ping)).await.is_err() {
            self.socket = None;
            return;
        }
        self.read_until(log, |frame| frame["type"] == "pong" && frame["ref"] == reference.as_str()).await;
    }
}

/// The acknowledged messages per room.
#[derive(Default)]
struct Log {
    rooms: [Acknowledged; ROOMS],
    pings: u64,
}

on_both! {
    async fn everybody_sees_everything_once_and_in_order(database) {
        let seed = random::seed();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut server = Server::builder().database(database).env("MAX_CONNECTIONS_PER_USER", 0).start().await;
        let mut users = Vec::new();
        for number in 0..USERS {
            users.push(server.user(&format!("user{number}")).await);
        }
        let mut log = Log::default();
        let mut members = settle(&users, &mut log).await;
        let mut counts = BTreeMap::<&str, u32>::new();
        for step in 0..STEPS {
            let at = random.usize(0..members.len());
            let action = match random.u32(0..100) {
                0..55 => {
                    for part in 0..random.u32(1..6) {
                        members[at].say(format!("{step}.{part}")).await;
                    }
                    "say"
                }
                55..70 => {
                    members[at].socket = None;
                    "drop"
                }
                70..85 if members[at].socket.is_none() => {
                    members[at].enter(&mut log).await;
                    "resume"
                }
                70..97 => {
                    members[at].catch_up(&mut log).await;
                    "catch up"
                }
                97..99 => {
                    server.kill();
                    server.restart().await;
                    "kill"
                }
                _ => {
                    server.terminate().await;
                    server.restart().await;
                    "stop"
                }
            };
            *counts.entry(action).or_default() += 1;
        }
        println!("{counts:?}");
        come_to_rest(&mut members, &mut log).await;
        check(&users[0], &members, &log).await;
    }
}

/// All users in all rooms, connected, before anybody sends.
async fn settle(users: &[User], log: &mut Log) -> Vec<Member> {
    let others: Vec<&User> = users.iter().skip(1).collect();
    let mut members = Vec::new();
    for room in 0..ROOMS {
        let channel = users[0].channel_with(&others).await;
        for user in users {
            let mut member = Member {
                user: user.clone(),
                room,
                channel: channel.clone(),
                socket: None,
                epoch: String::new(),
                seen: Vec::new(),
                unanswered: BTreeSet::new(),
            };
            member.enter(log).await;
            members.push(member);
        }
    }
    members
}

/// Everybody reads all frames and reconnects if needed, then receives one last message per room.
async fn come_to_rest(members: &mut [Member], log: &mut Log) {
    for member in members.iter_mut() {
        // After the server was killed, a socket is only found to be dead by reading.
        member.catch_up(log).await;
        if member.socket.is_none() {
            member.enter(log).await;
        }
    }
    for room in 0..ROOMS {
        let last = format!("the last of room {room}");
        let mut inhabitants: Vec<&mut Member> = members.iter_mut().filter(|member| member.room == room).collect();
        inhabitants[0].say(last.clone()).await;
        for member in inhabitants {
            let heard = member.read_until(log, |frame| frame["content"] == last.as_str()).await;
            assert!(heard.is_some(), "{} in room {room} was cut off at the end", member.user.username);
        }
    }
    for member in members.iter_mut() {
        member.catch_up(log).await;
    }
}

/// The messages that every member received are those that the server stored, and include all acknowledged ones.
async fn check(reader: &User, members: &[Member], log: &Log) {
    for (room, acknowledged) in log.rooms.iter().enumerate() {
        let inhabitants: Vec<&Member> = members.iter().filter(|member| member.room == room).collect();
        let head = assert_kept(reader, &inhabitants[0].channel, acknowledged).await;
        for member in inhabitants {
            assert_eq!(member.seen.last().map(|(seq, _)| *seq), Some(head), "{} in room {room}", member.user.username);
            let ids: BTreeMap<&str, u64> = member.seen.iter().map(|(seq, id)| (id.as_str(), *seq)).collect();
            assert_eq!(ids.len(), member.seen.len(), "nothing is seen twice");
            for (id, (seq, content)) in acknowledged {
                assert_eq!(ids.get(id.as_str()), Some(seq), "'{content}' for {}", member.user.username);
            }
        }
        println!("room {room}: {head} messages, {} acknowledged", acknowledged.len());
    }
}
