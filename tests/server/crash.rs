//! `kill -9` under load: acknowledged messages are still there after the restart (docs/protocol.md, "References and
//! acknowledgements").

use crate::load::{Acknowledged, Talker, assert_kept};
use crate::on_both;
use crate::support::{DEADLINE, Server, eventually};

on_both! {
    async fn no_acknowledged_message_is_lost_by_kill_9_under_load(database) {
        const ROUNDS: u64 = 3;
        const ACKS_PER_ROUND: u64 = 150;
        let mut server = Server::on(database).await;
        let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
        let channels = [alice.channel_with(&[&bob, &carol]).await, alice.channel_with(&[&bob, &carol]).await];
        let mut acknowledged = [Acknowledged::new(), Acknowledged::new()];
        for round in 0..ROUNDS {
            let mut talkers = Vec::new();
            for (room, channel) in channels.iter().enumerate() {
                for user in [&bob, &carol] {
                    let name = format!("round {round} {}", user.username);
                    talkers.push((room, Talker::start(user.join(channel).await, &name)));
                }
            }
            eventually("acknowledgements under load", DEADLINE * 3, || {
                let enough = talkers.iter().all(|(_, talker)| talker.count() >= ACKS_PER_ROUND);
                async move { enough.then_some(()) }
            })
            .await;
            server.kill();
            for (room, talker) in talkers {
                acknowledged[room].extend(talker.finish().await);
            }
            server.restart().await;
            for (channel, acknowledged) in channels.iter().zip(&acknowledged) {
                let head = assert_kept(&alice, channel, acknowledged).await;
                assert!(head >= (round + 1) * 2 * ACKS_PER_ROUND);
            }
        }
    }
}
