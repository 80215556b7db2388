use std::collections::BTreeMap;

use super::*;
use crate::core::simulation::simulate;

const PATIENCE: u32 = limits::PEER_SILENT_TICKS_MAX;

fn beat(leaving_ms: Option<u64>) -> NodeHeartbeat {
    NodeHeartbeat {
        name: "one".into(),
        uptime_seconds: 1,
        connections: 0,
        users: 0,
        rooms: 0,
        roster_version: 0,
        messages_per_second: 0.0,
        leaving_ms,
    }
}

/// Ticks until a node is gone, at most a hundred.
fn ticks_until_gone(peers: &mut Peers) -> Option<u32> {
    (1..=100).find(|_| !peers.tick().is_empty())
}

#[test]
fn who_is_silent_for_long_enough_is_gone_and_comes_back_as_new() {
    let mut peers = Peers::default();
    assert_eq!(peers.receive(NodeId(1), beat(None)), HeartbeatResult::New);
    peers.tick();
    assert_eq!(peers.receive(NodeId(1), beat(None)), HeartbeatResult::Known);
    assert_eq!(ticks_until_gone(&mut peers), Some(PATIENCE));
    assert_eq!(ticks_until_gone(&mut peers), None, "once");
    assert_eq!(peers.receive(NodeId(1), beat(None)), HeartbeatResult::New);
}

#[test]
fn who_leaves_keeps_its_place_until_its_users_are_back() {
    let mut peers = Peers::default();
    peers.receive(NodeId(1), beat(Some(9_001)));
    assert_eq!(ticks_until_gone(&mut peers), Some(10));
    peers.receive(NodeId(1), beat(Some(1)));
    assert_eq!(ticks_until_gone(&mut peers), Some(PATIENCE), "never sooner than a node that died");
    peers.receive(NodeId(1), beat(Some(u64::MAX)));
    assert!((0..limits::PEER_LEAVING_TICKS_MAX).any(|_| !peers.tick().is_empty()), "nor for ever");
}

#[test]
fn a_node_that_hears_nobody_declares_nobody_gone() {
    let mut peers = Peers::default();
    peers.receive(NodeId(1), beat(None));
    (1..PATIENCE).for_each(|_| assert!(peers.tick().is_empty()));
    peers.pause();
    assert_eq!(ticks_until_gone(&mut peers), None);
    peers.resume();
    assert_eq!(ticks_until_gone(&mut peers), Some(PATIENCE));
}

#[test]
fn peers_are_bounded() {
    let mut peers = Peers::default();
    (0..limits::PEERS_MAX as u64)
        .for_each(|node| assert_eq!(peers.receive(NodeId(node), beat(None)), HeartbeatResult::New));
    assert_eq!(peers.receive(NodeId(u64::MAX), beat(None)), HeartbeatResult::NoPlace);
    assert_eq!(peers.receive(NodeId(0), beat(None)), HeartbeatResult::Known);
}

#[test]
fn a_beat_of_an_older_release_is_understood() {
    let text =
        r#"{"name":"a","uptime_seconds":1,"connections":2,"users":2,"rooms":1,"roster_version":7,"unheard_of":1}"#;
    let beat: NodeHeartbeat = serde_json::from_str(text).unwrap();
    assert_eq!((beat.roster_version, beat.messages_per_second, beat.leaving_ms), (7, 0.0, None));
}

/// A node is gone exactly when it was silent for its time-out while the link was up, and Up and Gone alternate.
#[test]
fn it_does_what_the_model_does() {
    simulate(100, |rng| {
        let (mut peers, mut blind) = (Peers::default(), false);
        let mut model: BTreeMap<NodeId, (u32, u32)> = BTreeMap::new();
        for _ in 0..1_000 {
            match rng.u8(0..20) {
                0..8 => {
                    let node = NodeId(rng.u64(0..5));
                    let leaving = (rng.u8(0..4) == 0).then(|| rng.u64(0..20_000));
                    let known = model.contains_key(&node);
                    let patience = leaving.map_or(0, |ms| ms.div_ceil(1000) as u32).max(PATIENCE);
                    model.insert(node, (0, patience));
                    let expected = if known { HeartbeatResult::Known } else { HeartbeatResult::New };
                    assert_eq!(peers.receive(node, beat(leaving)), expected);
                }
                8..18 => {
                    let mut gone = Vec::new();
                    if !blind {
                        model.values_mut().for_each(|(silent, _)| *silent += 1);
                        gone = model.iter().filter(|(_, (s, p))| s >= p).map(|(node, _)| *node).collect();
                        model.retain(|node, _| !gone.contains(node));
                    }
                    assert_eq!(peers.tick(), gone);
                }
                18 => {
                    blind = true;
                    peers.pause();
                }
                _ => {
                    blind = false;
                    peers.resume();
                    model.values_mut().for_each(|(silent, _)| *silent = 0);
                }
            }
            assert_eq!(
                peers.iter().map(|(node, _)| node).collect::<Vec<_>>(),
                model.keys().copied().collect::<Vec<_>>()
            );
        }
    });
}
