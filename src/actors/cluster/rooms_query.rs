//! The rooms in use on all nodes, collected when an administrator asks. A node that does not answer in time is left
//! out. There must never be more than one question at a time: callers that arrive meanwhile wait for the next one,
//! because the answers to the current one may be older than the caller's last action.

use std::{collections::BTreeMap, sync::Arc};

use actix::prelude::*;
use futures_util::{StreamExt, future, stream};
use tokio::sync::oneshot;

use super::Cluster;
use crate::{
    actors::{
        bridge::{Destination, NodeMessage},
        messages::{CountUsers, Placement, RoomUse, RoomsInMemory, SurveyRooms},
        node::Node,
        scatter_gather::{Answer, ScatterGather},
    },
    core::roster::{RoomInUse, RosterMessage},
    ids::{NodeId, RoomId},
    limits,
};

type Rooms = Arc<Vec<RoomInUse>>;

/// A caller that waits for the result.
type Waiting = oneshot::Sender<Rooms>;

/// Rooms asked concurrently.
const ASKED_AT_ONCE: usize = 256;

/// The current question and the callers.
#[derive(Default)]
pub(super) struct Surveys {
    nodes: ScatterGather<RoomsInUse>,
    /// Callers of the current question, if there is one.
    open: Option<Vec<Waiting>>,
    /// Callers of the next one.
    next: Vec<Waiting>,
}

/// Rooms in use on one or more nodes.
#[derive(Default)]
struct RoomsInUse(BTreeMap<RoomId, RoomInUse>);

impl RoomsInUse {
    fn new(rooms: Vec<RoomInUse>) -> RoomsInUse {
        RoomsInUse(rooms.into_iter().map(|room| (room.room, room)).collect())
    }
}

impl Answer for RoomsInUse {
    /// A room may be in use on several nodes. Each counts all users of the room, so the highest count is used.
    fn merge(&mut self, other: RoomsInUse) {
        for (id, room) in other.0 {
            let known = self.0.entry(id).or_insert(room);
            known.users = known.users.max(room.users);
            known.users_per_hour_milli = known.users_per_hour_milli.max(room.users_per_hour_milli);
            known.last_sign = known.last_sign.max(room.last_sign);
        }
    }
}

impl Surveys {
    /// A part of a node's answer.
    pub fn receive(&mut self, from: NodeId, question: u64, pieces: u32, rooms: Vec<RoomInUse>) {
        self.nodes.answer(from, question, pieces, RoomsInUse::new(rooms));
    }

    /// Stops waiting for a node that is gone.
    pub fn without(&mut self, gone: NodeId) {
        self.nodes.forget_node(gone);
    }
}

/// The rooms in use on this node.
async fn local_rooms(node: Arc<Node>) -> Vec<RoomInUse> {
    let placed = node.registry.send(RoomsInMemory).timeout(limits::ASK_TIMEOUT).await.unwrap_or_default();
    let ask = |Placement { id, room }: Placement| async move {
        let used = room.send(CountUsers).timeout(limits::GATHER_WAIT).await.unwrap_or_default();
        let RoomUse { users, users_per_hour_milli, last_sign } = used;
        RoomInUse { room: id, users, users_per_hour_milli, last_sign }
    };
    let counted =
        stream::iter(placed.into_iter().take(limits::ROOMS_TOLD_MAX)).map(ask).buffer_unordered(ASKED_AT_ONCE);
    counted.filter(|room| std::future::ready(room.users > 0)).collect().await
}

impl Cluster {
    /// Answers another node's question.
    pub(super) fn answer_rooms(&self, asker: NodeId, question: u64, ctx: &mut Context<Self>) {
        let Some(node) = self.node.clone() else { return };
        let tell = async move {
            let rooms = local_rooms(node.clone()).await;
            let pieces = rooms.len().div_ceil(limits::ROSTER_ENTRIES_PER_MESSAGE_MAX).max(1) as u32;
            for piece in 0..pieces {
                let from = piece as usize * limits::ROSTER_ENTRIES_PER_MESSAGE_MAX;
                let some = rooms.iter().skip(from).take(limits::ROSTER_ENTRIES_PER_MESSAGE_MAX).copied().collect();
                let message = RosterMessage::Rooms { question, piece, pieces, rooms: some };
                node.bridge.publish_node(Destination::Node(asker), NodeMessage::Roster(message));
            }
        };
        ctx.spawn(tell.into_actor(self));
    }

    /// Starts a survey; it ends when every node has answered, or at the deadline.
    fn begin_survey(&mut self, callers: Vec<Waiting>, ctx: &mut Context<Self>) {
        let Some(node) = self.node.clone() else { return };
        self.surveys.open = Some(callers);
        let elsewhere = self.surveys.nodes.ask_all(self.peers.iter().map(|(node, _)| node));
        if let Some((question, _)) = &elsewhere {
            let question = *question;
            node.bridge.publish_node(Destination::Everyone, NodeMessage::Roster(RosterMessage::AskRooms { question }));
            ctx.run_later(limits::GATHER_WAIT, move |cluster, _| {
                if let Some(nodes_missing) = cluster.surveys.nodes.expire(question) {
                    log::warn!("event=survey_incomplete nodes_missing={nodes_missing}");
                }
            });
        }
        let elsewhere = async move {
            match elsewhere {
                Some((_, answers)) => answers.await.unwrap_or_default(),
                None => RoomsInUse::default(),
            }
        };
        let gathered = future::join(local_rooms(node), elsewhere);
        ctx.spawn(gathered.into_actor(self).map(|(here, mut rooms), cluster, ctx| {
            rooms.merge(RoomsInUse::new(here));
            cluster.close_survey(Arc::new(rooms.0.into_values().collect()), ctx);
        }));
    }

    fn close_survey(&mut self, rooms: Rooms, ctx: &mut Context<Self>) {
        for caller in self.surveys.open.take().unwrap_or_default() {
            // an error means that the caller has stopped waiting
            let _ = caller.send(rooms.clone());
        }
        let next = std::mem::take(&mut self.surveys.next);
        if !next.is_empty() {
            self.begin_survey(next, ctx);
        }
    }
}

impl Handler<SurveyRooms> for Cluster {
    type Result = ResponseFuture<Option<Rooms>>;

    fn handle(&mut self, _: SurveyRooms, ctx: &mut Self::Context) -> Self::Result {
        let (done, answer) = oneshot::channel();
        if self.surveys.open.is_none() {
            self.begin_survey(vec![done], ctx);
        } else if self.surveys.next.len() < limits::GATHERS_WAITING_MAX {
            self.surveys.next.push(done);
        }
        Box::pin(async move { answer.await.ok() })
    }
}
