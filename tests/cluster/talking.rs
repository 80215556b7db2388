//! A room over two nodes behaves like one room.

use std::collections::HashSet;

use serde_json::json;

use crate::setting::{Setting, join_knowing, refused, said};
use crate::support::shape::{number, sorted_texts};
use crate::support::{User, token};

#[tokio::test]
async fn people_on_two_nodes_talk_as_on_one() {
    let setting = Setting::new().await;
    let (mut alice, mut bob) = setting.both().await;
    let first = said("from the first node", &mut [&mut alice, &mut bob]).await;
    let second = said("from the second node", &mut [&mut bob, &mut alice]).await;
    assert_eq!((&first["seq"], &second["seq"]), (&json!(1), &json!(2)));
    bob.send_json(&json!({"type": "typing", "is_typing": true})).await;
    for socket in [&mut alice, &mut bob] {
        let typing = socket.expect("typing").await;
        assert_eq!((&typing["user_id"], &typing["is_typing"]), (&json!(setting.bob.id), &json!(true)));
    }
    let history = setting.bob.history(&setting.channel).await;
    assert_eq!((history.len(), &history[0]["id"]), (2, &second["id"]));
}

/// More members of another node than places in which one socket may be typing: none of them ends another's indicator.
#[tokio::test]
async fn everybody_on_the_other_node_types_at_once() {
    const TYPISTS: usize = 70;
    let setting = Setting::new().await;
    let (mut alice, _bob) = setting.both().await;
    let origin = setting.cluster.server(1).origin().to_owned();
    let mut typists = Vec::new();
    for number in 0..TYPISTS {
        let (id, name) = (format!("typist-{number}"), format!("typist{number}"));
        let typist = User::with_token(&origin, &id, &name, &token::for_user(&id, &name, 3600));
        typist.get("/api/groups").await.expect(200);
        setting.admit(&typist).await;
        typists.push(typist.join(&setting.channel).await);
    }
    for typist in &mut typists {
        typist.send_json(&json!({"type": "typing", "is_typing": true})).await;
    }
    let mut typing = HashSet::new();
    while typing.len() < TYPISTS {
        let frame = alice.read_until("typing").await.pop().unwrap();
        assert_eq!(frame["is_typing"], json!(true), "{frame} although everybody goes on typing");
        assert!(typing.insert(frame["user_id"].to_string()), "{frame} came twice");
    }
    // What a node sends after all of this comes after it.
    typists[0].send_json(&json!({"type": "typing", "is_typing": false})).await;
    let last = alice.read_until("typing").await.pop().unwrap();
    assert_eq!((&last["user_id"], &last["is_typing"]), (&json!("typist-0"), &json!(false)));
}

#[tokio::test]
async fn the_first_frame_on_a_node_that_did_not_know_the_room_names_those_elsewhere() {
    let setting = Setting::new().await;
    let mut alice = setting.alice.join(&setting.channel).await;
    said("one", &mut [&mut alice]).await;
    let first = setting.bob.connect(&setting.channel).await.expect("online_users").await;
    let mut both = [setting.alice.id.clone(), setting.bob.id.clone()];
    both.sort();
    assert_eq!(sorted_texts(&first["users"]), both);
    assert_eq!((number(&first, "total_users"), number(&first, "seq")), (2, 1));
}

#[tokio::test]
async fn who_is_there_is_told_once_per_user() {
    let setting = Setting::new().await;
    let carol = setting.cluster.at(1, &setting.guest("carol").await);
    let (mut alice, bob) = setting.both().await;
    // A second socket of Bob on the other node is not announced.
    let bob_here = join_knowing(&setting.bob.at(setting.cluster.server(0)), &setting.channel, &[&setting.alice]).await;
    let mut witness = carol.connect(&setting.channel).await;
    let first = witness.expect("online_users").await;
    let mut everybody = [&setting.alice.id, &setting.bob.id, &carol.id].map(Clone::clone);
    everybody.sort();
    assert_eq!(sorted_texts(&first["users"]), everybody, "the newcomer's list names people of both nodes, each once");
    assert_eq!(number(&first, "total_users"), 3);
    assert_eq!(alice.expect("user_joined").await["user_id"], carol.id.as_str());

    // The close of one of his two sockets is not announced either; the close of the last one is, once.
    bob.close().await;
    said("still here", &mut [&mut witness, &mut alice]).await;
    bob_here.close().await;
    for socket in [&mut alice, &mut witness] {
        let left = socket.expect("user_left").await;
        assert_eq!((&left["user_id"], &left["username"]), (&json!(setting.bob.id), &json!("bob")));
    }
    said("he has gone", &mut [&mut witness, &mut alice]).await;
    said("indeed", &mut [&mut alice, &mut witness]).await;
}

#[tokio::test]
async fn signals_find_their_target_on_the_other_node() {
    /// Data that re-encoding would change.
    const DATA: &str = r#"{ "sdp":"v=0\r\n\u0041\/é👋", "n":1.0e+05,"big":12345678901234567890.10,  "a":[ ],"a":{} }"#;
    let setting = Setting::new().await;
    let carol = setting.guest("carol").await;
    let (mut alice, mut bob) = setting.both().await;
    for kind in ["webrtc_offer", "webrtc_answer", "webrtc_ice_candidate"] {
        alice.send_text(&format!(r#"{{"type":"{kind}","target_user_id":"{}","data":{DATA}}}"#, setting.bob.id)).await;
        let signal = bob.expect(kind).await;
        assert_eq!(signal["from_user_id"], setting.alice.id.as_str());
        assert!(bob.last_text().contains(DATA), "data should be unchanged in {}", bob.last_text());
    }
    // Carol has no socket there, on either node.
    let offer = json!({"type": "webrtc_offer", "target_user_id": carol.id, "data": {}});
    assert_eq!(refused(&mut alice, &offer).await, "TARGET_UNAVAILABLE");
    assert_eq!(refused(&mut bob, &offer).await, "TARGET_UNAVAILABLE");
    said("nothing of it is heard", &mut [&mut alice, &mut bob]).await;
}

#[tokio::test]
async fn two_nodes_that_write_at_once_give_one_order() {
    const EACH: u64 = 150;
    let setting = Setting::new().await;
    let (mut alice, mut bob) = setting.both().await;
    let (mut alice_reads, mut bob_reads) =
        (setting.alice.join(&setting.channel).await, setting.bob.join(&setting.channel).await);
    let write = async |socket: &mut crate::support::Socket, name: &str| {
        for number in 0..EACH {
            socket.say(&format!("{name} {number}")).await;
        }
    };
    tokio::join!(write(&mut alice, "alice"), write(&mut bob, "bob"));
    let mut order = Vec::new();
    for socket in [&mut alice, &mut bob, &mut alice_reads, &mut bob_reads] {
        let mut heard = Vec::new();
        for seq in 1..=2 * EACH {
            let message = socket.expect("message").await;
            assert_eq!(message["seq"], seq, "seq grows by one, with no gap");
            heard.push(message);
        }
        order.push(heard);
    }
    assert!(order.iter().all(|heard| *heard == order[0]), "all sockets see the same, byte for byte");
    for (user, name) in [(&setting.alice, "alice"), (&setting.bob, "bob")] {
        let own = order[0].iter().filter(|message| message["sender_id"] == user.id.as_str());
        let own: Vec<_> = own.map(|message| message["content"].clone()).collect();
        let sent: Vec<_> = (0..EACH).map(|number| json!(format!("{name} {number}"))).collect();
        assert_eq!(own, sent, "one sender's messages keep their order");
    }
}
