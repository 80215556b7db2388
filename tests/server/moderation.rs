//! Moderation (docs/moderation.md): mutes, kicks, bans, word rules, reports, removals and the audit log, in rooms of every kind.

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::canvas;
use crate::metaverse::{data, opened, space};
use crate::on_both;
use crate::support::crowd::Crowd;
use crate::support::rest::{Answer, id_of};
use crate::support::socket::Place;
use crate::support::{DEADLINE, Database, Server, Socket, User, eventually, token};
use crate::workspace;

const SANCTIONS: &str = "/api/moderation/sanctions";
const WORDS: &str = "/api/moderation/words";
const REPORTS: &str = "/api/moderation/reports";

async fn server(database: Database) -> Server {
    Server::builder()
        .database(database)
        .env("WEBSOCKET_REQUESTS_PER_MINUTE", 0)
        .env("WEBSOCKET_REQUESTS_PER_HOUR", 0)
        .env("MAX_CONNECTIONS_PER_USER", 0)
        .start()
        .await
}

pub async fn admin(origin: &str) -> User {
    let ops = User::with_token(origin, "ops", "ops", &token::for_admin("ops", "ops"));
    ops.get("/api/auth/me").await.expect(200);
    ops
}

/// Mutes, kicks or bans. Returns the sanction.
async fn impose(by: &User, user: &User, kind: &str, room: Option<&str>, more: Value) -> Value {
    asked(by, user, kind, room, more).await.expect(201)
}

async fn asked(by: &User, user: &User, kind: &str, room: Option<&str>, more: Value) -> Answer {
    let mut body = json!({"user_id": user.id, "kind": kind, "reason": "spam"});
    if let Some(room) = room {
        body["room_id"] = json!(room);
    }
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    by.post(SANCTIONS, body).await
}

async fn lift(by: &User, sanction: &Value) {
    by.delete(&format!("{SANCTIONS}/{}", sanction["id"].as_str().unwrap())).await.expect(204);
}

/// Reads the notification of a moderator's act.
async fn told(socket: &mut Socket, kind: &str, action: &str) -> Value {
    let frame = socket.read_until(kind).await.pop().unwrap();
    assert_eq!((&frame["data"]["kind"], &frame["data"]["action"]), (&json!("moderation"), &json!(action)), "{frame}");
    frame
}

async fn refused(socket: &mut Socket, message: Value) -> String {
    socket.send_json(&message).await;
    denied(socket).await
}

/// Reads until an error, which must be a refusal.
async fn denied(socket: &mut Socket) -> String {
    let error = socket.read_until("error").await.pop().unwrap();
    assert_eq!(error["code"], "PERMISSION_DENIED", "{error}");
    error["error"].as_str().unwrap().to_owned()
}

on_both! {
    async fn a_muted_user_is_refused_on_every_path(database) {
        let server = server(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        let mut socket = bob.join(&channel).await;
        let (message, _) = socket.say_acked("before", "1").await;
        let own = format!("/api/messages/{}", message["id"].as_str().unwrap());
        let mut nexus = bob.nexus().await;
        let muted = impose(&alice, &bob, "mute", Some(&channel), json!({})).await;
        assert_eq!((&muted["room_id"], &muted["ends_at"]), (&json!(channel), &Value::Null), "{muted}");
        told(&mut socket, "notification", "mute").await;
        told(&mut nexus, "system.message", "mute").await;
        let sentence = refused(&mut socket, json!({"type": "message", "content": "x"})).await;
        assert_eq!(sentence, "You are muted in this room (spam); ask its moderators");
        let sent = json!({"event_type": "chat.message", "conversation_id": channel, "content": "x"});
        refused(&mut nexus, sent).await;
        let body = json!({"content": "x"});
        let rest = [
            bob.post(&format!("/api/channels/{channel}/messages"), body.clone()).await,
            bob.post(&format!("/api/conversations/{channel}/messages"), body.clone()).await,
            bob.patch(&own, body.clone()).await,
            bob.put(&format!("{own}/reactions/%F0%9F%91%8D")).await,
        ];
        for answer in rest {
            answer.expect_error(403, "PERMISSION_DENIED");
        }
        // typing is dropped, and what was said may be taken back
        let mut reader = alice.join(&channel).await;
        socket.read_until("user_joined").await;
        socket.send_json(&json!({"type": "typing", "is_typing": true})).await;
        bob.delete(&own).await.expect(200);
        reader.expect_nothing_before_pong().await;
        lift(&alice, &muted).await;
        told(&mut socket, "notification", "lift").await;
        socket.say("after").await;
        reader.expect_message("after").await;
        assert_eq!(alice.history(&channel).await.len(), 2, "one was deleted");
    }
}

on_both! {
    async fn a_mute_of_the_server_holds_in_rooms_of_every_kind(database) {
        let server = server(database).await;
        let (alice, bob, ops) = (server.user("alice").await, server.user("bob").await, admin(server.origin()).await);
        let board = canvas::create(&alice).await;
        let tile = canvas::tile(&alice, board, 1, 1).await["tile_id"].clone();
        let mut on_board = canvas::joined(&bob, board).await;
        let mut at_desk = workspace::joined(&bob, "desk").await;
        let place = space(&alice, "Plaza", 10, true).await;
        let mut avatar = opened(&bob).await;
        avatar.send_json(&json!({"type": "JOIN_SPACE", "payload": {"spaceId": place, "userId": bob.id}})).await;
        avatar.next_json().await;
        let mut direct = bob.open(&format!("/ws/dm/{}", alice.id)).await;
        direct.next_json().await;
        impose(&ops, &bob, "mute", None, json!({"seconds": 3600})).await;
        for socket in [&mut on_board, &mut direct] {
            told(socket, "notification", "mute").await;
        }
        at_desk.next_json().await;
        avatar.next_json().await;
        refused(&mut on_board, json!({"type": "canvas_chat", "text": "x"})).await;
        refused(&mut on_board, json!({"type": "tile_create", "x": 2, "y": 2, "content": "x"})).await;
        refused(&mut on_board, json!({"type": "tile_like", "tile_id": tile})).await;
        refused(&mut on_board, json!({"type": "tile_mention", "tile_x": 1, "tile_y": 1, "message": "x"})).await;
        let cell = json!({"type": "cell_update", "sheet_id": "s", "cell_id": "A1", "value": "1", "version": 0});
        refused(&mut at_desk, cell).await;
        refused(&mut direct, json!({"type": "dm_message", "content": "x"})).await;
        for (kind, more) in [("CHAT", json!({"message": "x"})), ("ACTION", json!({"action": "wave"}))] {
            let mut payload = json!({"spaceId": place});
            payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            avatar.send_json(&json!({"type": kind, "payload": payload})).await;
            let failed = avatar.next_json().await;
            assert_eq!((&failed["status"], &failed["code"]), (&json!("failed"), &json!("PERMISSION_DENIED")), "{failed}");
        }
        let new = json!({"x": 3, "y": 3, "content": "x"});
        bob.post(&format!("/api/v1/canvases/{board}/tiles"), new).await.expect_error(403, "PERMISSION_DENIED");
        bob.delete(&format!("/api/v1/tiles/{tile}")).await.expect_error(403, "PERMISSION_DENIED");
        let dm = format!("/api/dm/{}/messages", alice.id);
        bob.post(&dm, json!({"content": "x"})).await.expect_error(403, "PERMISSION_DENIED");
        assert_eq!(alice.get(&format!("/api/v1/canvases/{board}")).await.expect(200)["id"], board);
    }
}

on_both! {
    async fn nothing_that_is_sent_after_a_mute_was_answered_is_stored(database) {
        let server = server(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        let path = format!("/api/channels/{channel}/messages");
        for round in 0..5 {
            let begun = alice.whole_history(&path).await.len();
            let writers: Vec<_> = (0..8)
                .map(|writer| {
                    let (bob, path) = (bob.clone(), path.clone());
                    tokio::spawn(async move {
                        let mut passed = Vec::new();
                        for number in 0.. {
                            let begun = Instant::now();
                            let answer = bob.post(&path, json!({"content": format!("{writer} {number}")})).await;
                            match answer.status.as_u16() {
                                201 => passed.push(begun),
                                _ => {
                                    answer.expect_error(403, "PERMISSION_DENIED");
                                    break;
                                }
                            }
                        }
                        passed
                    })
                })
                .collect();
            eventually("some messages are stored", DEADLINE, || async {
                (alice.whole_history(&path).await.len() > begun + 10 * round).then_some(())
            })
            .await;
            let muted = impose(&alice, &bob, "mute", Some(&channel), json!({})).await;
            let answered = Instant::now();
            for writer in writers {
                let passed = writer.await.unwrap();
                assert!(passed.iter().all(|begun| *begun <= answered), "round {round}");
            }
            lift(&alice, &muted).await;
        }
    }
}

on_both! {
    async fn a_mute_and_a_ban_end_by_themselves(database) {
        let server = server(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        let mut socket = bob.join(&channel).await;
        impose(&alice, &bob, "mute", Some(&channel), json!({"seconds": 1})).await;
        told(&mut socket, "notification", "mute").await;
        let sentence = refused(&mut socket, json!({"type": "message", "content": "x"})).await;
        assert!(sentence.starts_with("You are muted in this room until 2"), "{sentence}");
        impose(&alice, &bob, "ban", Some(&channel), json!({"seconds": 2})).await;
        socket.expect_end_within(DEADLINE).await;
        let path = format!("/api/channels/{channel}/messages");
        bob.get(&path).await.expect_error(403, "PERMISSION_DENIED");
        eventually("the ban ends", DEADLINE, || async {
            (bob.get(&path).await.status.as_u16() == 200).then_some(())
        })
        .await;
        let mut socket = bob.join(&channel).await;
        socket.say_acked("again", "1").await;
        let listed = alice.get(&format!("{SANCTIONS}?room_id={channel}")).await.expect(200);
        assert_eq!(listed["sanctions"], json!([]));
    }
}

on_both! {
    async fn a_ban_from_a_room_closes_its_sockets_and_nothing_else(database) {
        let server = server(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let board = canvas::create(&alice).await;
        canvas::tile(&alice, board, 1, 1).await;
        let room = format!("canvas/{board}");
        let mut on_board = canvas::joined(&bob, board).await;
        let mut nexus = bob.nexus().await;
        nexus.send_json(&json!({"event_type": "chat.message", "conversation_id": "plaza", "content": "hi"})).await;
        nexus.read_until("chat.delivered").await;
        let banned = impose(&alice, &bob, "ban", Some(&room), json!({})).await;
        assert_eq!(banned["room_id"], room);
        let end = on_board.expect_end_within(DEADLINE).await;
        assert!(end.iter().any(|frame| frame.is_close(4403)), "{end:?}");
        told(&mut nexus, "system.message", "ban").await;
        let tiles = format!("/api/v1/canvases/{board}/tiles");
        bob.get(&tiles).await.expect_error(403, "PERMISSION_DENIED");
        let new = json!({"x": 3, "y": 3, "content": "x"});
        bob.post(&tiles, new).await.expect_error(403, "PERMISSION_DENIED");
        let path = format!("/canvas/{board}");
        let open = Socket::try_open(bob.origin(), &path, &bob.token, Place::Header).await;
        assert!(open.is_err(), "a banned user opened a socket");
        // an open room, in which the socket stays open
        let ops = admin(server.origin()).await;
        impose(&ops, &bob, "ban", Some("plaza"), json!({})).await;
        told(&mut nexus, "system.message", "ban").await;
        denied(&mut nexus).await;
        // until the session knows that the room has removed it, the room answers
        nexus.send_json(&json!({"event_type": "chat.message", "conversation_id": "plaza", "content": "x"})).await;
        let error = nexus.read_until("error").await.pop().unwrap();
        assert!(error["code"] == "PERMISSION_DENIED" || error["code"] == "NOT_IN_ROOM", "{error}");
        refused(&mut nexus, json!({"event_type": "room.join", "room_id": "plaza"})).await;
        bob.get("/api/auth/me").await.expect(200);
        lift(&alice, &banned).await;
        canvas::joined(&bob, board).await;
    }
}

on_both! {
    async fn a_ban_from_the_server_and_a_kick_close_everything(database) {
        let server = server(database).await;
        let (alice, bob, ops) = (server.user("alice").await, server.user("bob").await, admin(server.origin()).await);
        let channel = alice.channel_with(&[&bob]).await;
        let mut in_channel = bob.join(&channel).await;
        impose(&alice, &bob, "kick", Some(&channel), json!({})).await;
        let end = in_channel.expect_end_within(DEADLINE).await;
        assert!(end.iter().any(|frame| frame.is_close(4403)), "{end:?}");
        let mut in_channel = bob.join(&channel).await;
        let mut nexus = bob.nexus().await;
        impose(&ops, &bob, "kick", None, json!({})).await;
        for socket in [&mut in_channel, &mut nexus] {
            let end = socket.expect_end_within(DEADLINE).await;
            assert!(end.iter().any(|frame| frame.is_close(4403)), "{end:?}");
        }
        let mut in_channel = bob.join(&channel).await;
        let banned = impose(&ops, &bob, "ban", None, json!({})).await;
        let end = in_channel.expect_end_within(DEADLINE).await;
        assert!(end.iter().any(|frame| frame.is_close(4403)), "{end:?}");
        let error = bob.get("/api/groups").await.expect_error(403, "PERMISSION_DENIED");
        assert_eq!(error["error"], "You are banned on this server (spam); ask an administrator");
        // a new token does not help
        let again = User::login(server.origin(), "bob").await;
        again.get("/api/groups").await.expect_error(403, "PERMISSION_DENIED");
        assert!(Socket::try_open(again.origin(), "/ws", &again.token, Place::Header).await.is_err());
        lift(&ops, &banned).await;
        again.join(&channel).await;
    }
}

on_both! {
    async fn who_is_banned_has_no_socket_a_second_later(database) {
        let server = server(database).await;
        let (alice, bob, ops) = (server.user("alice").await, server.user("bob").await, admin(server.origin()).await);
        let channel = alice.channel_with(&[&bob]).await;
        let board = canvas::create(&alice).await;
        let rooms = [
            (format!("/ws/channel/{channel}"), Some(channel.clone())),
            (format!("/canvas/{board}"), Some(format!("canvas/{board}"))),
            ("/api/v1/ws".to_owned(), None),
        ];
        for (path, room) in &rooms {
            for round in 0..2 {
                let crowd = Crowd::start(std::slice::from_ref(&bob), path);
                crowd.has_tried(50).await;
                let by = if room.is_some() { &alice } else { &ops };
                let banned = impose(by, &bob, "ban", room.as_deref(), json!({})).await;
                let left = crowd.leave(Instant::now()).await;
                assert!(left.opened > 0, "{path} {round}: {left:?}");
                assert_eq!(left.open, 0, "{path} {round}: {left:?}");
                lift(by, &banned).await;
            }
        }
    }
}

#[tokio::test]
async fn only_moderators_moderate_and_not_each_other() {
    let server = server(Database::Sqlite).await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let ops = admin(server.origin()).await;
    let group = alice.create_group("team").await;
    let channel = alice.create_channel(&group, "general").await;
    let member = |user: &User, role| json!({"user_id": user.id, "role": role});
    let members = format!("/api/groups/{group}/members");
    alice.post(&members, member(&bob, "moderator")).await.expect(201);
    alice.post(&members, member(&carol, "member")).await.expect(201);
    let room = Some(channel.as_str());
    asked(&carol, &bob, "mute", room, json!({})).await.expect_error(403, "PERMISSION_DENIED");
    asked(&bob, &alice, "mute", room, json!({})).await.expect_error(403, "PERMISSION_DENIED");
    asked(&bob, &bob, "mute", room, json!({})).await.expect_error(400, "INVALID_MESSAGE");
    asked(&bob, &carol, "mute", None, json!({})).await.expect_error(403, "PERMISSION_DENIED");
    asked(&bob, &carol, "mute", Some("nowhere"), json!({})).await.expect_error(404, "ROOM_NOT_FOUND");
    asked(&bob, &carol, "shun", room, json!({})).await.expect_error(400, "INVALID_MESSAGE");
    asked(&bob, &carol, "mute", room, json!({"seconds": 0})).await.expect_error(400, "INVALID_MESSAGE");
    let muted = impose(&bob, &carol, "mute", room, json!({})).await;
    carol
        .delete(&format!("{SANCTIONS}/{}", muted["id"].as_str().unwrap()))
        .await
        .expect_error(403, "PERMISSION_DENIED");
    impose(&ops, &bob, "mute", room, json!({})).await;
    // a second mute replaces the first one
    let again = impose(&ops, &carol, "mute", room, json!({"seconds": 60})).await;
    let listed = ops.get(&format!("{SANCTIONS}?user_id={}", carol.id)).await.expect(200);
    assert_eq!(listed["sanctions"], json!([again]));
    carol.get(&format!("{SANCTIONS}?room_id={channel}")).await.expect_error(403, "PERMISSION_DENIED");
    bob.get(SANCTIONS).await.expect_error(403, "PERMISSION_DENIED");
}

on_both! {
    async fn words_are_refused_or_masked_in_every_text(database) {
        let server = server(database).await;
        let (alice, bob, ops) = (server.user("alice").await, server.user("bob").await, admin(server.origin()).await);
        let channel = alice.channel_with(&[&bob]).await;
        ops.post(WORDS, json!({"phrase": "darn", "action": "mask"})).await.expect(201);
        let rule = alice.post(WORDS, json!({"phrase": "Buy  now", "action": "refuse", "room_id": channel})).await.expect(201);
        bob.post(WORDS, json!({"phrase": "x", "action": "mask"})).await.expect_error(403, "PERMISSION_DENIED");
        ops.post(WORDS, json!({"phrase": "?!", "action": "mask"})).await.expect_error(400, "INVALID_MESSAGE");
        let mut socket = bob.join(&channel).await;
        socket.say("DÄRN it, darning needle").await;
        let sent = socket.expect_message("**** it, darning needle").await;
        let edit = format!("/api/messages/{}", sent["id"].as_str().unwrap());
        bob.patch(&edit, json!({"content": "buy, NOW"})).await.expect_error(403, "PERMISSION_DENIED");
        refused(&mut socket, json!({"type": "message", "content": "Please buy now!"})).await;
        let board = canvas::create(&bob).await;
        let new = json!({"x": 1, "y": 1, "content": "darn"});
        let tile = bob.post(&format!("/api/v1/canvases/{board}/tiles"), new).await.expect(201);
        assert_eq!(tile["content"], "****");
        alice.delete(&format!("{WORDS}/{}", rule["id"].as_str().unwrap())).await.expect(204);
        socket.say("Please buy now!").await;
        socket.expect_message("Please buy now!").await;
        let words = ops.get(WORDS).await.expect(200);
        assert_eq!((words.as_array().unwrap().len(), &words[0]["phrase"]), (1, &json!("darn")));
    }
}

on_both! {
    async fn a_report_is_taken_and_decided_once(database) {
        let server = server(database).await;
        let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
        let ops = admin(server.origin()).await;
        let channel = alice.channel_with(&[&bob]).await;
        let sent = bob.post(&format!("/api/channels/{channel}/messages"), json!({"content": "rude"})).await.expect(201);
        let id = id_of(&sent);
        let body = json!({"message_id": id, "reason": "It is rude"});
        carol.post(REPORTS, body.clone()).await.expect_error(404, "NOT_FOUND");
        let report = alice.post(REPORTS, body.clone()).await.expect(201);
        assert_eq!(alice.post(REPORTS, body).await.expect(200)["id"], report["id"], "the same report");
        let expected = json!([channel, bob.id, "message", id, "rude", "open"]);
        let shown: Vec<_> = ["room_id", "subject_id", "target", "target_id", "excerpt", "state"].map(|name| report[name].clone()).into();
        assert_eq!(json!(shown), expected);
        let path = format!("{REPORTS}/{}", report["id"].as_str().unwrap());
        bob.get(&path).await.expect_error(403, "PERMISSION_DENIED");
        bob.get(REPORTS).await.expect_error(403, "PERMISSION_DENIED");
        let claim = format!("{path}/claim");
        let (one, other) = tokio::join!(alice.post(&claim, json!({})), ops.post(&claim, json!({})));
        let statuses = [one.status.as_u16(), other.status.as_u16()];
        let (winner, loser) = if statuses[0] == 200 { (&alice, &ops) } else { (&ops, &alice) };
        assert_eq!(statuses.iter().sum::<u16>(), 200 + 409, "{statuses:?}");
        let decision = json!({"decision": "removed", "note": "twice warned"});
        loser.post(&format!("{path}/resolve"), decision.clone()).await.expect_error(409, "CONFLICT");
        winner.post("/api/moderation/removals", json!({"message_id": id, "reason": "rude"})).await.expect(204);
        let resolved = winner.post(&format!("{path}/resolve"), decision.clone()).await.expect(200);
        assert_eq!((&resolved["state"], &resolved["decision"]), (&json!("resolved"), &json!("removed")));
        winner.post(&format!("{path}/resolve"), decision).await.expect_error(409, "CONFLICT");
        let open = alice.get(&format!("{REPORTS}?room_id={channel}&state=open,claimed")).await.expect(200);
        assert_eq!(open["reports"], json!([]));
        let person = json!({"user_id": bob.id, "reason": "He is rude"});
        carol.post(REPORTS, person).await.expect(201);
        assert_eq!(ops.get(REPORTS).await.expect(200)["reports"].as_array().unwrap().len(), 2);
        carol.post(REPORTS, json!({"reason": "?"})).await.expect_error(400, "INVALID_MESSAGE");
    }
}

on_both! {
    async fn moderators_remove_messages_and_tiles(database) {
        let server = server(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        let mut socket = bob.join(&channel).await;
        let (message, _) = socket.say_acked("rude", "1").await;
        let removal = json!({"message_id": message["id"], "reason": "rude"});
        bob.post("/api/moderation/removals", removal.clone()).await.expect_error(403, "PERMISSION_DENIED");
        alice.post("/api/moderation/removals", removal.clone()).await.expect(204);
        told(&mut socket, "notification", "remove").await;
        alice.post("/api/moderation/removals", removal).await.expect_error(404, "NOT_FOUND");
        assert_eq!(alice.history(&channel).await[0]["deleted"], true);
        let board = canvas::create(&alice).await;
        let tile = canvas::tile(&bob, board, 1, 1).await["tile_id"].clone();
        let mut on_board = canvas::joined(&bob, board).await;
        alice.post("/api/moderation/removals", json!({"tile_id": tile})).await.expect(204);
        assert_eq!(on_board.read_until("tile_deleted").await.pop().unwrap()["tile_id"], tile);
        alice.post("/api/moderation/removals", json!({})).await.expect_error(400, "INVALID_MESSAGE");
    }
}

on_both! {
    async fn every_act_is_in_the_audit_log(database) {
        let server = server(database).await;
        let (alice, bob, ops) = (server.user("alice").await, server.user("bob").await, admin(server.origin()).await);
        let channel = alice.channel_with(&[&bob]).await;
        let room = Some(channel.as_str());
        let sent = bob.post(&format!("/api/channels/{channel}/messages"), json!({"content": "rude"})).await.expect(201);
        let muted = impose(&alice, &bob, "mute", room, json!({"seconds": 60})).await;
        lift(&alice, &muted).await;
        impose(&alice, &bob, "kick", room, json!({})).await;
        let report = alice.post(REPORTS, json!({"message_id": id_of(&sent), "reason": "rude"})).await.expect(201);
        let report = format!("{REPORTS}/{}", report["id"].as_str().unwrap());
        alice.post(&format!("{report}/claim"), json!({})).await.expect(200);
        alice.post("/api/moderation/removals", json!({"message_id": id_of(&sent)})).await.expect(204);
        alice.post(&format!("{report}/resolve"), json!({"decision": "removed"})).await.expect(200);
        let rule = alice.post(WORDS, json!({"phrase": "rude", "action": "mask", "room_id": channel})).await.expect(201);
        alice.delete(&format!("{WORDS}/{}", rule["id"].as_str().unwrap())).await.expect(204);
        impose(&alice, &bob, "ban", room, json!({})).await;
        impose(&ops, &bob, "mute", None, json!({})).await;
        ops.post("/api/v1/ws/announcements", json!({"text": "Hello"})).await.expect(202);
        let expected = ["mute", "lift", "kick", "report_claim", "remove", "report_resolve", "rule_add", "rule_remove", "ban"];
        let path = "/api/moderation/audit";
        let of_room = alice.get(&format!("{path}?room_id={channel}")).await.expect(200);
        let actions = |page: &Value| -> Vec<String> {
            let entries = page["entries"].as_array().unwrap().iter().rev();
            entries.map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(actions(&of_room), expected);
        let first = &of_room["entries"][8];
        assert_eq!((&first["actor_id"], &first["subject_id"], &first["room_id"]), (&json!(alice.id), &json!(bob.id), &json!(channel)));
        assert_eq!((&first["details"]["reason"], &first["address"]), (&json!("spam"), &json!("127.0.0.1")));
        alice.get(path).await.expect_error(403, "PERMISSION_DENIED");
        let all = ops.get(&format!("{path}?limit=5")).await.expect(200);
        assert_eq!((actions(&all).len(), &all["has_more"]), (5, &json!(true)));
        let before = &all["entries"][4]["position"];
        let rest = ops.get(&format!("{path}?before={before}")).await.expect(200);
        assert_eq!((actions(&rest).len(), &rest["has_more"]), (expected.len() + 2 - 5, &json!(false)));
        let filtered = ops.get(&format!("{path}?action=mute&subject_id={}", bob.id)).await.expect(200);
        assert_eq!(actions(&filtered), ["mute", "mute"]);
        let exported = ops.get(&format!("{path}/export")).await;
        assert_eq!(exported.header("content-type"), "application/x-ndjson");
        let lines: Vec<Value> = exported.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), expected.len() + 2);
        assert_eq!((&lines[0]["action"], &lines[0]["details"]["text"]), (&json!("announce"), &json!("Hello")));
        bob.get(&format!("{path}/export")).await.expect_error(403, "PERMISSION_DENIED");
    }
}

#[tokio::test]
async fn an_announcement_reaches_the_sockets_of_every_dialect() {
    let server = server(Database::Sqlite).await;
    let (alice, ops) = (server.user("alice").await, admin(server.origin()).await);
    let channel = alice.channel_with(&[]).await;
    let board = canvas::create(&alice).await;
    let mut sockets = [
        (alice.join(&channel).await, "notification"),
        (canvas::joined(&alice, board).await, "notification"),
        (workspace::open(&alice).await, "notification_event"),
        (alice.nexus().await, "notification"),
        (opened(&alice).await, "NOTIFICATION"),
    ];
    let announced = json!({"text": "The server will be updated at noon"});
    ops.post("/api/v1/ws/announcements", announced.clone()).await.expect(202);
    for (socket, _) in &mut sockets {
        let frame = loop {
            let frame = socket.next_json().await;
            if frame.to_string().contains("updated at noon") {
                break frame;
            }
        };
        assert!(frame.to_string().contains("The server will be updated at noon"), "{frame}");
    }
    alice.post("/api/v1/ws/announcements", announced).await.expect_error(403, "PERMISSION_DENIED");
    // the page of a space is not disturbed
    data(alice.get("/metaverse/spaces").await);
}
