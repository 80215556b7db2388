//! Redis in every topology that `REDIS_URL` supports.

use std::{path::Path, time::Duration};

use convene::{
    actors::bridge::{Destination, LinkEvent},
    ids::RoomId,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::{
    contract,
    fixture::{Node, event},
    support::{DEADLINE, eventually, redis::Redis},
};

/// A sentinel needs time to detect that a master is down, and for its replica to be ready.
const FAILOVER: Duration = Duration::from_secs(20);

fn authority(name: &str, folder: &Path) -> (CertifiedIssuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let file = folder.join(name);
    std::fs::write(&file, authority.pem()).unwrap();
    (authority, file.display().to_string())
}

#[actix::test]
async fn over_tls_only_with_the_right_authority() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, ours_file) = authority("ours.pem", folder.path());
    let (_, theirs_file) = authority("theirs.pem", folder.path());
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &ours).unwrap();
    let file = |name: &str, pem: String| {
        std::fs::write(folder.path().join(name), pem).unwrap();
        folder.path().join(name).display().to_string()
    };
    let (cert, key) = (file("server.pem", certificate.pem()), file("server.key", key.serialize_pem()));
    let tls_port = crate::support::ports::free_port();
    let redis = Redis::with(
        &[
            ["--tls-port", &tls_port.to_string(), "--tls-auth-clients", "no"],
            ["--tls-cert-file", &cert, "--tls-key-file", &key],
            ["--tls-ca-cert-file", &ours_file, "--requirepass", "hush"],
        ]
        .concat(),
    );
    contract::on_redis(&format!("rediss://:hush@localhost:{tls_port}?sslrootcert={ours_file}")).await;
    for refused in [
        format!("rediss://:hush@localhost:{tls_port}?sslrootcert={theirs_file}"),
        format!("rediss://:hush@127.0.0.1:{tls_port}?sslrootcert={ours_file}"),
        format!("redis://:hush@localhost:{tls_port}"),
    ] {
        let node = Node::redis(&refused, 9).await;
        eventually("a refused attempt", DEADLINE, || async {
            (node.metric("convene_bridge_reconnects_total") >= 1.0).then_some(())
        })
        .await;
        assert_eq!(node.links(), [], "{refused}");
    }
    drop(redis);
}

#[actix::test]
async fn sentinels_lead_to_the_master_and_to_the_next_one() {
    let mut master = Redis::with(&["--requirepass", "hush", "--masterauth", "hush"]);
    let port = master.port().to_string();
    let replica = Redis::with(&["--requirepass", "hush", "--masterauth", "hush", "--replicaof", "127.0.0.1", &port]);
    let sentinel = Redis::sentinel(master.port(), "hush");
    eventually("the sentinel to know the replica", FAILOVER, || async {
        sentinel.cli(&["SENTINEL", "REPLICAS", "main"]).contains(&replica.port().to_string()).then_some(())
    })
    .await;
    for server in [&master, &replica] {
        let admin = ["-a", "hush", "--no-auth-warning"];
        server.let_in(&admin, &["+subscribe", "+unsubscribe", "+publish", "+pubsub|numsub", "+role"]);
    }
    let url = format!("redis+sentinel://convene:p%40ss@127.0.0.1:{}/main", sentinel.port());
    let (here, there) = (Node::redis_up(&url, 1).await, Node::redis_up(&url, 2).await);
    let room = there.attached(RoomId::generate()).await;
    here.link.publish_room(room.id, event(room.id, 1));
    room.wait_seq(1).await;
    master.stop();
    for node in [&here, &there] {
        node.wait_link_within(&[LinkEvent::Up, LinkEvent::Down, LinkEvent::Up], FAILOVER).await;
    }
    here.link.publish_room(room.id, event(room.id, 2));
    assert_eq!(room.wait_seq(2).await, [1, 2]);
    let clients = replica.cli(&["-a", "hush", "--no-auth-warning", "PUBSUB", "NUMSUB", "convene:nodes"]);
    assert!(clients.trim().ends_with('2'), "both nodes listen on the replica that is master now: {clients}");
}

#[actix::test]
async fn a_cluster_carries_over_sharded_channels() {
    let mut shards = Redis::cluster();
    let places: Vec<String> = shards.iter().map(|shard| format!("127.0.0.1:{}", shard.port())).collect();
    for shard in &shards {
        shard.let_in(
            &[],
            &["+ssubscribe", "+sunsubscribe", "+spublish", "+pubsub|shardnumsub", "+ping", "+cluster|slots"],
        );
    }
    let url = format!("redis+cluster://convene:p%40ss@{}", places.join(","));
    contract::on_redis(&url).await;
    let (here, there) = (Node::redis_up(&url, 1).await, Node::redis_up(&url, 2).await);
    let mut rooms = Vec::new();
    for _ in 0..200 {
        rooms.push(there.attach(RoomId::generate()).await);
    }
    for room in &rooms {
        room.wait_listening(1).await;
        here.link.publish_room(room.id, event(room.id, 1));
    }
    for room in &rooms {
        room.wait_seq(1).await;
    }
    for shard in &shards {
        let channels = shard.cli(&["PUBSUB", "SHARDCHANNELS", "convene:room:*"]).lines().count();
        assert!(channels > 20, "the rooms are spread over the shards: {channels} here");
    }
    move_slot(&shards, "convene:nodes");
    for node in [&here, &there] {
        node.wait_link(&[LinkEvent::Up, LinkEvent::Down, LinkEvent::Up]).await;
    }
    here.say(Destination::Everyone, 1).await;
    there.wait_word("1:1").await;
    // When a shard fails, its rooms' channels are lost: the link is incomplete.
    shards[0].stop();
    there.wait_link(&[LinkEvent::Up, LinkEvent::Down, LinkEvent::Up, LinkEvent::Down]).await;
}

/// Moves the channel's slot from its shard to another one, like resharding by an operator.
fn move_slot(shards: &[Redis], channel: &str) {
    let slot = shards[0].cli(&["CLUSTER", "KEYSLOT", channel]);
    let is_there = |shard: &&Redis| shard.cli(&["PUBSUB", "SHARDCHANNELS", channel]).contains(channel);
    let from = shards.iter().find(is_there).expect("both nodes listen on one shard");
    let to = shards.iter().find(|shard| shard.port() != from.port()).expect("there are three");
    let id = |shard: &Redis| shard.cli(&["CLUSTER", "MYID"]).trim().to_owned();
    let set = |at: &Redis, what: &str, of: &Redis| {
        let answer = at.cli(&["CLUSTER", "SETSLOT", slot.trim(), what, &id(of)]);
        assert_eq!(answer.trim(), "OK", "{what}");
    };
    set(to, "IMPORTING", from);
    set(from, "MIGRATING", to);
    set(to, "NODE", to);
    set(from, "NODE", to);
}
