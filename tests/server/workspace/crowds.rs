//! Large rooms: what newcomers and the other members receive.

use serde_json::{Value, json};

use super::{join, joined, open, server, users_of};
use crate::support::{Server, Socket, User, token};

/// Users whom the server provisions from their tokens.
fn strangers(server: &Server, count: usize) -> Vec<User> {
    let stranger = |number: usize| {
        let id = format!("stranger-{number:04}");
        User::with_token(server.origin(), &id, &id, &token::for_user(&id, &id, 3_600))
    };
    (0..count).map(stranger).collect()
}

async fn until(socket: &mut Socket, what: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut frames = Vec::new();
    loop {
        frames.push(socket.next_json().await);
        if frames.last().is_some_and(&what) {
            return frames;
        }
    }
}

#[tokio::test]
async fn in_a_large_room_newcomers_learn_who_is_there_and_the_others_who_came_and_went() {
    const CROWD: usize = 70;
    let server = server().await;
    let watching = server.user("watcher").await;
    let mut watcher = joined(&watching, "hall").await;
    let strangers = strangers(&server, CROWD);
    let mut crowd = Vec::new();
    for stranger in &strangers {
        let mut socket = open(stranger).await;
        let state = join(&mut socket, "hall").await;
        let mut expected: Vec<String> = strangers[..=crowd.len()].iter().map(|user| user.id.clone()).collect();
        expected.push(watching.id.clone());
        expected.sort();
        assert_eq!(users_of(&state), expected, "everybody once, oneself included");
        assert_eq!((&state["total_users"], &state["truncated"]), (&json!(expected.len()), &Value::Null));
        crowd.push(socket);
    }
    let last = strangers[CROWD - 1].id.as_str();
    let told = until(&mut watcher, |frame| frame["type"] == "user_joined" && frame["user_id"] == last).await;
    let joined: Vec<&str> = told
        .iter()
        .filter(|frame| frame["type"] == "user_joined")
        .filter_map(|frame| frame["user_id"].as_str())
        .collect();
    // With the watcher, number 49 is the one that makes the room large.
    let expected: Vec<&str> = strangers[49..].iter().map(|user| user.id.as_str()).collect();
    assert_eq!(joined, expected, "each once, in rooms of more than fifty");
    assert!(told.iter().any(|frame| frame["type"] == "room_state"), "who was told by states before");

    let mut leaver = crowd.pop().expect("the last one");
    leaver.send_json(&json!({"type": "leave_room", "room_id": "hall", "ref": 1})).await;
    leaver.read_until("ack").await;
    let told = until(&mut watcher, |frame| frame["type"] == "user_left").await;
    assert_eq!(told.last().map(|frame| &frame["user_id"]), Some(&json!(last)));
    // A state follows for clients that understand only states.
    let told = until(&mut watcher, |frame| frame["type"] == "room_state" && frame["total_users"] == CROWD).await;
    assert!(!users_of(told.last().expect("the state")).contains(&last.to_owned()));
    let state = join(&mut leaver, "hall").await;
    assert_eq!(state["total_users"], CROWD + 1);
}
