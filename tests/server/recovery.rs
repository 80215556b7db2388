//! Resuming: exactly the missed events, then `recovered`, then live events (docs/protocol.md, "Order, sequence,
//! recovery").

use serde_json::{Value, json};

use crate::on_both;
use crate::support::raw::RawSocket;
use crate::support::shape::{number, opaque, text};
use crate::support::{Server, Socket};

/// Reads the first frame and all frames up to `recovered`. Returns the replayed frames and the `recovered` frame.
async fn read_replay(socket: &mut Socket, first: &str) -> (Vec<Value>, Value) {
    socket.expect(first).await;
    let mut frames = socket.read_until("recovered").await;
    let recovered = frames.pop().expect("`recovered` was read");
    (frames, recovered)
}

fn sequence(frames: &[Value]) -> Vec<u64> {
    frames.iter().map(|frame| number(frame, "seq")).collect()
}

async fn say_many(socket: &mut Socket, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        let content = format!("message {number}");
        socket.say_acked(&content, &content).await;
    }
}

on_both! {
    async fn a_client_that_comes_back_gets_what_it_missed_then_live(database) {
        let server = Server::builder().database(database).env("LEAVE_GRACE_MS", 0).start().await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        let mut sender = alice.join(&channel).await;
        let mut lost = bob.connect(&channel).await;
        let epoch = opaque(&lost.expect("online_users").await, "epoch");
        sender.expect("user_joined").await;
        say_many(&mut sender, 1..=3).await;
        for _ in 1..=3 {
            lost.expect("message").await;
        }
        drop(lost);
        sender.expect("user_left").await;
        say_many(&mut sender, 4..=9).await;

        let mut back = bob.resume(&channel, 3, &epoch).await;
        let (missed, recovered) = read_replay(&mut back, "online_users").await;
        assert_eq!(sequence(&missed), [4, 5, 6, 7, 8, 9]);
        assert!(missed.iter().all(|frame| frame["type"] == "message"), "{missed:?}");
        assert_eq!(missed[0]["content"], "message 4");
        let expected = json!({"type": "recovered", "room_id": channel, "seq": 9, "complete": true});
        assert_eq!(recovered, expected);
        sender.expect("user_joined").await;
        say_many(&mut sender, 10..=10).await;
        assert_eq!(back.expect("message").await["seq"], 10);
        let history = bob.history(&channel).await;
        let replayed = &missed[0];
        let stored = history.iter().find(|message| message["seq"] == 4).expect("stored");
        for field in ["id", "content", "sender_id", "sender_username", "channel_id", "created_at"] {
            assert_eq!(replayed[field], stored[field], "a replayed message is the stored one");
        }

        let mut nothing_missed = bob.resume(&channel, 10, &epoch).await;
        let (missed, recovered) = read_replay(&mut nothing_missed, "online_users").await;
        assert_eq!((missed, &recovered["complete"], &recovered["seq"]), (vec![], &json!(true), &json!(10)));
    }
}

on_both! {
    async fn recovery_works_across_a_restart(database) {
        let mut server = Server::on(database).await;
        let alice = server.user("alice").await;
        let channel = alice.channel_with(&[]).await;
        let mut socket = alice.connect(&channel).await;
        let epoch = opaque(&socket.expect("online_users").await, "epoch");
        say_many(&mut socket, 1..=5).await;
        server.kill();
        server.restart().await;
        let mut back = alice.resume(&channel, 2, &epoch).await;
        let (missed, recovered) = read_replay(&mut back, "online_users").await;
        assert_eq!((sequence(&missed), &recovered["complete"]), (vec![3, 4, 5], &json!(true)));
        back.say("six").await;
        assert_eq!(back.expect_message("six").await["seq"], 6, "the sequence continues");
    }
}

on_both! {
    async fn what_is_no_longer_kept_is_reported_as_incomplete(database) {
        let server = Server::builder().database(database).env("MAX_CACHE_SIZE", 20).start().await;
        let alice = server.user("alice").await;
        let channel = alice.channel_with(&[]).await;
        let mut socket = alice.connect(&channel).await;
        let epoch = opaque(&socket.expect("online_users").await, "epoch");
        for number in 1..=200 {
            socket.say(&number.to_string()).await;
        }
        for _ in 1..=200 {
            socket.expect("message").await;
        }
        let mut recent = alice.resume(&channel, 185, &epoch).await;
        let (missed, recovered) = read_replay(&mut recent, "online_users").await;
        assert_eq!(sequence(&missed), (186..=200).collect::<Vec<_>>());
        assert_eq!(recovered["complete"], true);

        let mut ancient = alice.resume(&channel, 1, &epoch).await;
        let (missed, recovered) = read_replay(&mut ancient, "online_users").await;
        assert_eq!((&recovered["complete"], &recovered["seq"]), (&json!(false), &json!(200)));
        let replayed = sequence(&missed);
        assert!(replayed.is_sorted() && replayed.len() < 199, "what is kept, if anything, in order: {replayed:?}");
        ancient.say("live goes on").await;
        assert_eq!(ancient.expect_message("live goes on").await["seq"], 201);
    }
}

#[tokio::test]
async fn a_place_that_is_none_is_refused() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    for (query, field) in [("since=x&epoch=1", "since"), ("since=1.5&epoch=1", "since")] {
        let mut raw = RawSocket::connect(server.authority()).await;
        let path = format!("/ws/channel/{channel}?{query}&token={}", alice.token);
        let answer = raw.handshake(server.authority(), &path, &[]).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        crate::support::rest::assert_error(&answer.json(), "INVALID_MESSAGE");
        assert!(answer.json()["error"].as_str().is_some_and(|sentence| sentence.contains(field)), "{answer:?}");
    }
}

#[tokio::test]
async fn another_epoch_or_a_seq_from_the_future_is_incomplete() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut socket = alice.connect(&channel).await;
    let epoch = opaque(&socket.expect("online_users").await, "epoch");
    say_many(&mut socket, 1..=3).await;
    let (another, garbage) = (format!("{epoch}1"), "x".to_owned());
    for (since, epoch) in [
        (1, &another),
        (3, &another),
        (1, &garbage),
        (99, &epoch),
        (i64::MAX, &epoch),
        (-1, &epoch),
        (i64::MIN, &epoch),
    ] {
        let mut back = alice.open(&format!("/ws/channel/{channel}?since={since}&epoch={epoch}")).await;
        let (missed, recovered) = read_replay(&mut back, "online_users").await;
        assert_eq!(recovered["complete"], false, "since {since}, epoch '{epoch}': {recovered}");
        assert_eq!((recovered["seq"].clone(), missed.len()), (json!(3), 0), "{missed:?}");
        back.close().await;
    }
    socket.say("live goes on").await;
    socket.expect_message("live goes on").await;
}

on_both! {
    async fn a_direct_conversation_recovers_as_well(database) {
        let server = Server::builder().database(database).env("LEAVE_GRACE_MS", 0).start().await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut sender = alice.connect_dm(&bob).await;
        let first = sender.expect("connected").await;
        let (epoch, conversation) = (opaque(&first, "epoch"), text(&first, "conversation_id"));
        let lost = bob.connect_dm(&alice).await;
        sender.expect("dm_user_online").await;
        drop(lost);
        sender.expect("dm_user_offline").await;
        for number in 1..=4 {
            sender.send_json(&json!({"type": "dm_message", "content": number.to_string(), "ref": number})).await;
            sender.next_json().await;
            sender.next_json().await;
        }
        let path = format!("/ws/dm/{}?since=1&epoch={epoch}", alice.id);
        let mut back = bob.open(&path).await;
        let (missed, recovered) = read_replay(&mut back, "dm_user_online").await;
        assert_eq!(sequence(&missed), [2, 3, 4], "queued or missed, each is delivered once");
        assert_eq!(recovered, json!({"type": "recovered", "room_id": conversation, "seq": 4, "complete": true}));
        back.expect_nothing_before_pong().await;
    }
}

on_both! {
    async fn no_event_is_lost_or_doubled_between_replay_and_live(database) {
        const MESSAGES: u64 = 400;
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        let mut sender = alice.join(&channel).await;
        let mut returning = bob.connect(&channel).await;
        let epoch = opaque(&returning.expect("online_users").await, "epoch");
        let talking = tokio::spawn(async move {
            for number in 1..=MESSAGES {
                sender.say(&number.to_string()).await;
                // Reads its own echo, joins and leaves, so that it does not become a slow consumer.
                while sender.next_json().await["type"] != "message" {}
            }
        });
        // Bob disconnects after every few messages, while Alice continues to send.
        let mut seen = 0;
        while seen < MESSAGES {
            for _ in 0..7.min(MESSAGES - seen) {
                let frame = returning.expect("message").await;
                assert_eq!(number(&frame, "seq"), seen + 1);
                seen += 1;
            }
            drop(returning);
            returning = bob.resume(&channel, seen, &epoch).await;
            let (missed, recovered) = read_replay(&mut returning, "online_users").await;
            assert_eq!(sequence(&missed), (seen + 1..=seen + missed.len() as u64).collect::<Vec<_>>());
            seen += missed.len() as u64;
            assert_eq!((&recovered["complete"], number(&recovered, "seq")), (&json!(true), seen));
        }
        talking.await.expect("the sender met no surprise");
    }
}
