//! This node's membership in the cluster. It publishes heartbeats, receives those of other nodes, reports nodes that
//! are gone, and passes messages between nodes to the actors they concern. It must never decide anything about rooms or
//! users itself.

mod close_socket;
mod limits_query;
mod rooms_query;

use std::{collections::VecDeque, sync::Arc};

use actix::prelude::*;

use self::{close_socket::SocketsClosed, rooms_query::Surveys};
use super::{
    bridge::{ClusterMode, Destination, LinkEvent, NodeMessage, NodeMessageReceived, RegisterNode},
    log_reconciler::LogReconciler,
    messages::{
        AssistantPeerMessage, BeginLeaving, CountAll, FromOtherNode, ListNodes, NodeList, PeerEvent, PeerRosterVersion,
        RemoteUsage, RosterMessageReceived, RosterVersion, Statistics,
    },
    node::Node,
    scatter_gather::ScatterGather,
};
use crate::{
    core::{
        peers::{HeartbeatResult, NodeHeartbeat, Peers},
        rate::LimitStatus,
        roster::RosterMessage,
    },
    ids::NodeId,
    limits,
    logged::logged,
    store::Backend,
};

/// The actor. One per node.
#[derive(Default)]
pub struct Cluster {
    /// Set by [`Join`], which is the first message.
    node: Option<Arc<Node>>,
    log_reconciler: Option<Addr<LogReconciler>>,
    peers: Peers,
    /// The figures for the next heartbeat, counted beforehand so that a heartbeat is never delayed.
    counted: Counted,
    counting: Counting,
    leaving_ms: Option<u64>,
    /// The number of accepted requests, sampled once per second, the newest last.
    accepted: VecDeque<u64>,
    surveys: Surveys,
    closings: ScatterGather<SocketsClosed>,
    reckonings: ScatterGather<LimitStatus>,
}

#[derive(Clone, Copy, Default)]
struct Counted {
    statistics: Statistics,
    roster_version: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Counting {
    #[default]
    No,
    Yes,
}

/// Sets the node. A message of its own, because each needs the other's address.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SetNode(pub Arc<Node>);

impl Cluster {
    /// Reschedules itself. An interval would make up for the ticks missed while the process was suspended, and declare
    /// all peers dead at once.
    fn tick(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(limits::NODE_HEARTBEAT_PERIOD, Self::tick);
        let Some(node) = self.node.clone() else { return };
        self.sample(node.metrics.requests_accepted());
        if node.bridge.cluster_mode == ClusterMode::MultiNode {
            for gone in self.peers.tick() {
                log::warn!("event=peer_gone node={gone}");
                self.surveys.without(gone);
                self.reckonings.forget_node(gone);
                self.closings.forget_node(gone);
                self.publish_peer_event(PeerEvent::Gone(gone));
            }
            self.beat();
            self.count(ctx);
        }
    }

    /// Called once a second.
    fn sample(&mut self, accepted: u64) {
        self.accepted.push_back(accepted);
        if self.accepted.len() > limits::MESSAGE_RATE_SECONDS + 1 {
            self.accepted.pop_front();
        }
    }

    fn messages_per_second(&self) -> f64 {
        let (Some(first), Some(last)) = (self.accepted.front(), self.accepted.back()) else { return 0.0 };
        let seconds = self.accepted.len().saturating_sub(1).max(1);
        last.saturating_sub(*first) as f64 / seconds as f64
    }

    fn beat(&self) {
        let Some(node) = &self.node else { return };
        let Counted { statistics, roster_version } = self.counted;
        let beat = NodeHeartbeat {
            name: node.config.node.name.clone(),
            uptime_seconds: node.started.elapsed().as_secs(),
            connections: statistics.connections,
            users: statistics.users,
            rooms: statistics.rooms,
            roster_version,
            messages_per_second: self.messages_per_second(),
            leaving_ms: self.leaving_ms,
        };
        node.bridge.publish_node(Destination::Everyone, NodeMessage::Heartbeat(beat));
    }

    /// Counts the figures for the next heartbeat.
    fn count(&mut self, ctx: &mut Context<Self>) {
        let Some(node) = self.node.clone().filter(|_| self.counting == Counting::No) else { return };
        self.counting = Counting::Yes;
        let count = async move {
            let statistics = node.registry.send(CountAll).timeout(limits::ASK_TIMEOUT).await.ok()?;
            let roster_version = node.presence.send(RosterVersion).timeout(limits::ASK_TIMEOUT).await.ok()?;
            Some(Counted { statistics, roster_version })
        };
        ctx.spawn(count.into_actor(self).map(|counted, cluster, _| {
            cluster.counting = Counting::No;
            cluster.counted = counted.unwrap_or(cluster.counted);
        }));
    }

    fn publish_peer_event(&self, news: PeerEvent) {
        let Some(node) = &self.node else { return };
        node.metrics.peers(self.peers.count());
        if node.presence.try_send(news).is_err() {
            log::error!("event=peer_news_lost to=presence");
        }
        if node.registry.try_send(news).is_err() {
            log::error!("event=peer_news_lost to=registry");
        }
    }

    fn notify_assistant(&self, heard: AssistantPeerMessage) {
        if let Some(assistant) = self.node.as_ref().and_then(|node| node.assistant.get())
            && assistant.heard.try_send(heard).is_err()
        {
            log::warn!("event=word_lost why=assistant_full");
        }
    }

    fn receive_heartbeat(&mut self, from: NodeId, beat: NodeHeartbeat) {
        let version = beat.roster_version;
        let name = beat.name.clone();
        match self.peers.receive(from, beat) {
            HeartbeatResult::Known => {}
            HeartbeatResult::New => {
                log::info!("event=peer_up node={from} name={name}", name = logged(&name));
                self.publish_peer_event(PeerEvent::Up(from));
                // so that the peer knows this node as soon as possible
                self.beat();
            }
            HeartbeatResult::NoPlace => return log::warn!("event=peer_ignored node={from} why=too_many"),
        }
        let Some(node) = &self.node else { return };
        if node.presence.try_send(PeerRosterVersion { node: from, version }).is_err() {
            log::warn!("event=peer_stands_lost node={from}");
        }
    }

    fn receive_roster(&mut self, from: NodeId, message: RosterMessage, ctx: &mut Context<Self>) {
        let Some(node) = self.node.clone() else { return };
        match message {
            RosterMessage::Diff { .. } | RosterMessage::Ask { .. } | RosterMessage::Part { .. } => {
                if node.presence.try_send(RosterMessageReceived { from, message }).is_err() {
                    log::warn!("event=roster_lost node={from}");
                }
            }
            RosterMessage::Used { users } => {
                if node.registry.try_send(RemoteUsage(users)).is_err() {
                    log::warn!("event=limits_lost node={from}");
                }
            }
            RosterMessage::AskLimits { question, user } => self.answer_limits(from, question, user, ctx),
            RosterMessage::Limits { question, reckoning } => self.reckonings.answer(from, question, 1, reckoning),
            RosterMessage::AskRooms { question } => self.answer_rooms(from, question, ctx),
            RosterMessage::Rooms { question, piece: _, pieces, rooms } => {
                self.surveys.receive(from, question, pieces, rooms);
            }
        }
    }
}

impl Actor for Cluster {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::CLUSTER_MAILBOX_MAX);
    }
}

impl Handler<SetNode> for Cluster {
    type Result = ();

    fn handle(&mut self, message: SetNode, ctx: &mut Self::Context) {
        let node = message.0;
        let enlist = RegisterNode {
            node: node.id,
            heard: ctx.address().recipient(),
            link: ctx.address().recipient(),
            followed: node.registry.clone().recipient(),
        };
        if node.bridge.register_node.try_send(enlist).is_err() {
            log::error!("event=not_enlisted node={}", node.id);
        }
        // On PostgreSQL even a lone node can have events in its log that it was not informed of: those of an append
        // whose outcome is unknown, and those of another node that uses the same database without a common Redis.
        if node.bridge.cluster_mode == ClusterMode::MultiNode || node.store.backend() == Backend::Postgres {
            self.log_reconciler = Some(LogReconciler::new(node.clone()).start());
        }
        self.node = Some(node);
        self.tick(ctx);
    }
}

impl Handler<NodeMessageReceived> for Cluster {
    type Result = ();

    fn handle(&mut self, heard: NodeMessageReceived, ctx: &mut Self::Context) {
        match heard.message {
            NodeMessage::Heartbeat(beat) => self.receive_heartbeat(heard.from, beat),
            NodeMessage::Roster(message) => self.receive_roster(heard.from, message, ctx),
            NodeMessage::CancelAsk { user, request, question } => {
                self.notify_assistant(AssistantPeerMessage::Cancel { from: heard.from, user, request, question });
            }
            NodeMessage::AskCancelled { question } => {
                self.notify_assistant(AssistantPeerMessage::Cancelled { from: heard.from, question });
            }
            NodeMessage::Closed { question, sockets } => {
                self.closings.answer(heard.from, question, 1, SocketsClosed::new(sockets))
            }
            NodeMessage::Direct { .. }
            | NodeMessage::Notice { .. }
            | NodeMessage::UserEvent { .. }
            | NodeMessage::UserEvents { .. }
            | NodeMessage::Upload { .. }
            | NodeMessage::Status { .. }
            | NodeMessage::Close { .. }
            | NodeMessage::Revoke { .. }
            | NodeMessage::Block { .. }
            | NodeMessage::Lift { .. }
            | NodeMessage::Sanction(_)
            | NodeMessage::NoticeToAll { .. }
            | NodeMessage::Exclude { .. }
            | NodeMessage::RateUsage { .. } => {
                let Some(node) = &self.node else { return };
                if node.registry.try_send(FromOtherNode(heard)).is_err() {
                    log::warn!("event=word_lost why=registry_full");
                }
            }
        }
    }
}

impl Handler<LinkEvent> for Cluster {
    type Result = ();

    fn handle(&mut self, link: LinkEvent, _: &mut Self::Context) {
        let Some(node) = self.node.clone() else { return };
        match link {
            LinkEvent::Down => self.peers.pause(),
            LinkEvent::Up => {
                self.peers.resume();
                self.beat();
            }
        }
        if node.registry.try_send(link).is_err() {
            log::error!("event=link_not_sent to=registry");
        }
        if let Some(log_reconciler) = &self.log_reconciler
            && log_reconciler.try_send(link).is_err()
        {
            log::error!("event=link_not_sent to=log_reconciler");
        }
    }
}

impl Handler<BeginLeaving> for Cluster {
    type Result = ();

    fn handle(&mut self, message: BeginLeaving, _: &mut Self::Context) {
        self.leaving_ms = Some(message.leaving_ms);
        self.beat();
    }
}

impl Handler<ListNodes> for Cluster {
    type Result = NodeList;

    fn handle(&mut self, _: ListNodes, _: &mut Self::Context) -> NodeList {
        NodeList {
            messages_per_second: self.messages_per_second(),
            uptime_seconds: self.node.as_ref().map_or(0, |node| node.started.elapsed().as_secs()),
            peers: self.peers.iter().map(|(node, peer)| (node, peer.clone())).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_per_second_slide_over_the_last_ten_seconds() {
        let mut cluster = Cluster::default();
        assert_eq!(cluster.messages_per_second(), 0.0);
        cluster.sample(100);
        assert_eq!(cluster.messages_per_second(), 0.0, "what was before the first second is nobody's rate");
        // five per second for half a minute, then two seconds of forty, then silence
        for second in 1..=30 {
            cluster.sample(100 + 5 * second);
            assert_eq!(cluster.messages_per_second(), 5.0);
        }
        cluster.sample(290);
        cluster.sample(330);
        assert_eq!(cluster.messages_per_second(), (8.0 * 5.0 + 2.0 * 40.0) / 10.0);
        (0..8).for_each(|_| cluster.sample(330));
        assert_eq!(cluster.messages_per_second(), 8.0, "the two busy seconds are still within the window");
        (0..2).for_each(|_| cluster.sample(330));
        assert_eq!(cluster.messages_per_second(), 0.0);
    }
}
