//! Read marks of a large conversation, which are collected and stored together (docs/nexus.md, "Read marks").

use serde_json::{Value, json};

use super::joined;
use crate::on_both;
use crate::support::{Server, Socket, User, token};

/// More than the number up to which each mark is an event of its own.
const READERS: usize = 40;
const LISTED: usize = 20;

async fn until(socket: &mut Socket, kind: &str) -> Value {
    socket.read_until(kind).await.pop().expect("the last frame is of that kind")
}

async fn say(author: &mut Socket, content: &str) -> Value {
    author.send_json(&json!({"event_type": "chat.message", "conversation_id": "hall", "content": content})).await;
    let echo = until(author, "chat.message").await;
    author.expect("chat.delivered").await;
    echo
}

/// A read mark; `at` says whether it names the conversation, without which the server looks for the message.
fn read(message: &Value, at: Option<&str>, reference: &str) -> Value {
    let mut mark = json!({"event_type": "chat.read", "message_id": message["message_id"], "ref": reference});
    if let Some(at) = at {
        mark["conversation_id"] = json!(at);
    }
    mark
}

/// The readers that a frame names.
fn readers(frame: &Value) -> Vec<(&str, i64)> {
    let of = |one: &Value| one["read_seq"].as_i64().expect("a seq");
    match frame["readers"].as_array() {
        Some(list) => list.iter().map(|one| (one["user_id"].as_str().expect("an id"), of(one))).collect(),
        None => vec![(frame["user_id"].as_str().expect("an id"), of(frame))],
    }
}

async fn last_read(user: &User) -> Value {
    let page = user.get("/api/conversations").await.expect(200);
    let list = page["conversations"].as_array().expect("a list");
    let hall = list.iter().find(|one| one["conversation_id"] == "hall").expect("the conversation");
    json!([hall["last_read_seq"], hall["unread_count"]])
}

/// Frames about read marks until as many marks as that were counted.
async fn marks_of(socket: &mut Socket, count: usize) -> Vec<Value> {
    let (mut frames, mut total) = (Vec::new(), 0);
    while total < count {
        let frame = until(socket, "chat.read").await;
        total += frame["readers_total"].as_u64().unwrap_or(1) as usize;
        frames.push(frame);
    }
    assert_eq!(total, count, "{frames:?}");
    frames
}

struct Hall {
    author: Socket,
    people: Vec<(User, Socket)>,
}

impl Hall {
    async fn of(server: &Server) -> Hall {
        let author = joined(&server.user("alice").await, "hall").await;
        let mut people = Vec::new();
        for number in 0..READERS {
            let (id, name) = (format!("reader-{number}"), format!("reader{number}"));
            let user = User::with_token(server.origin(), &id, &name, &token::for_user(&id, &name, 3600));
            let socket = joined(&user, "hall").await;
            people.push((user, socket));
        }
        Hall { author, people }
    }
}

on_both! {
    async fn a_message_that_all_read_is_followed_by_few_events(database) {
        let server = Server::on(database).await;
        let Hall { mut author, mut people } = Hall::of(&server).await;
        let mut second = joined(&people[7].0, "hall").await;
        let echo = say(&mut author, "welcome").await;
        for (number, (_, socket)) in people.iter_mut().enumerate() {
            let at = number.is_multiple_of(2).then_some("hall");
            socket.send_json(&read(&echo, at, &number.to_string())).await;
        }
        let mut places = Vec::new();
        for (number, (_, socket)) in people.iter_mut().enumerate() {
            let ack = until(socket, "ack").await;
            assert_eq!(ack["ref"], json!(number.to_string()));
            places.push(ack["seq"].as_i64().unwrap_or_else(|| panic!("stored: {ack}")));
        }
        let frames = marks_of(&mut author, READERS).await;
        assert!(frames.len() < READERS / 2, "collected: {frames:?}");
        for frame in &frames {
            assert!(places.contains(&frame["seq"].as_i64().expect("a seq")));
            assert_eq!((&frame["message_id"], &frame["read_seq"]), (&echo["message_id"], &echo["seq"]));
            let listed = readers(frame);
            let total = frame["readers_total"].as_u64().unwrap_or(1) as usize;
            assert_eq!(listed.len(), total.min(LISTED), "{frame}");
            assert_eq!(listed[0].0, frame["user_id"].as_str().expect("an id"));
        }
        // the other socket of a reader learns the mark
        loop {
            let frame = until(&mut second, "chat.read").await;
            if readers(&frame).contains(&("reader-7", echo["seq"].as_i64().expect("a seq"))) {
                break;
            }
        }
        for (user, _) in &people {
            assert_eq!(last_read(user).await, json!([echo["seq"], 0]));
        }
        // what is replayed is what was sent
        let mut late = people[0].0.nexus().await;
        late.send_json(&json!({"event_type": "room.join", "room_id": "hall", "since": echo["seq"]})).await;
        let replayed = late.read_until("recovered").await;
        let replayed: Vec<Value> = replayed.into_iter().filter(|one| one["event_type"] == "chat.read").collect();
        assert_eq!(replayed, frames);
    }
}

on_both! {
    async fn a_collected_mark_only_advances(database) {
        let server = Server::on(database).await;
        let Hall { mut author, mut people } = Hall::of(&server).await;
        let first = say(&mut author, "one").await;
        let second = say(&mut author, "two").await;
        // of two marks within a period the newest counts, whatever their order
        let (user, socket) = &mut people[0];
        socket.send_json(&read(&second, Some("hall"), "newer")).await;
        socket.send_json(&read(&first, Some("hall"), "older")).await;
        for _ in 0..2 {
            until(socket, "ack").await;
        }
        assert_eq!(last_read(user).await, json!([second["seq"], 0]));
        // later it is confirmed without an event
        socket.send_json(&read(&first, Some("hall"), "again")).await;
        let ack = until(socket, "ack").await;
        assert_eq!((&ack["ref"], ack.get("seq")), (&json!("again"), None), "{ack}");
        socket.send_json(&read(&json!({"message_id": uuid::Uuid::nil()}), Some("hall"), "none")).await;
        assert_eq!(until(socket, "error").await["code"], "NOT_FOUND");
        // over REST the reader's own socket is informed as well
        let (user, socket) = &mut people[1];
        let path = "/api/conversations/hall/read";
        let answer = user.post(path, json!({"message_id": second["message_id"]})).await.expect(200);
        let frame = loop {
            let frame = until(socket, "chat.read").await;
            if frame["seq"] == answer["seq"] {
                break frame;
            }
        };
        assert!(readers(&frame).iter().any(|(id, _)| *id == "reader-1"), "{frame}");
        let answer = user.post(path, json!({"message_id": first["message_id"]})).await.expect(200);
        assert_eq!(answer.get("seq"), None, "{answer}");
        // with an id it is stored by itself, and found again
        let (_, socket) = &mut people[2];
        let mut mark = read(&second, Some("hall"), "own");
        mark["client_message_id"] = json!("mark-1");
        socket.send_json(&mark).await;
        let stored = until(socket, "ack").await;
        socket.send_json(&mark).await;
        let again = until(socket, "ack").await;
        assert_eq!((&again["id"], &again["seq"]), (&stored["id"], &stored["seq"]), "{again}");
    }
}
