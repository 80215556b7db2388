//! Which rooms are in use on all nodes: asked when an administrator wants to know, and never told otherwise, since
//! nothing else needs it. A node that does not answer in time is left out. Nodes are asked one question at a time: who
//! comes while it is open waits for the next, since its answers may be older than what was just done.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use actix::prelude::*;
use futures_util::{StreamExt, stream};
use tokio::sync::oneshot;

use super::Cluster;
use crate::{
    actors::{
        bridge::{NodeWord, To},
        messages::{CountUsers, Placement, RoomUse, RoomsInMemory, SurveyRooms},
        node::Node,
    },
    core::roster::{RoomInUse, RosterWord},
    ids::{NodeId, RoomId},
    limits,
};

type Rooms = Arc<Vec<RoomInUse>>;

/// Who waits for an answer.
type Waiting = oneshot::Sender<Rooms>;

/// Rooms asked at once.
const ASKED_AT_ONCE: usize = 256;

/// The question that is open, and who waits for the next.
#[derive(Default)]
pub(super) struct Surveys {
    asked: u64,
    open: Option<Survey>,
    next: Vec<Waiting>,
}

/// A question to all nodes.
struct Survey {
    question: u64,
    /// Nodes that have not answered, each with the pieces that came.
    missing: BTreeMap<NodeId, u32>,
    rooms: BTreeMap<RoomId, RoomInUse>,
    own: Own,
    waiting: Vec<Waiting>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    Counting,
    Counted,
}

impl Survey {
    /// A room is in use on several nodes: each sees all of its users, the one that sees most knows best.
    fn add(&mut self, rooms: Vec<RoomInUse>) {
        for told in rooms {
            let known = self.rooms.entry(told.room).or_insert(told);
            known.users = known.users.max(told.users);
            known.users_per_hour_milli = known.users_per_hour_milli.max(told.users_per_hour_milli);
            known.last_sign = known.last_sign.max(told.last_sign);
        }
    }

    fn is_done(&self) -> bool {
        self.missing.is_empty() && self.own == Own::Counted
    }
}

impl Surveys {
    /// A piece of a node's answer; [`Cluster::settle_survey`] is to follow.
    pub fn hear(&mut self, from: NodeId, question: u64, pieces: u32, rooms: Vec<RoomInUse>) {
        let Some(survey) = self.open.as_mut().filter(|survey| survey.question == question) else { return };
        let Some(got) = survey.missing.get_mut(&from) else { return };
        *got += 1;
        if *got >= pieces {
            survey.missing.remove(&from);
        }
        survey.add(rooms);
    }

    /// Nobody waits for a node that is gone; [`Cluster::settle_survey`] is to follow.
    pub fn without(&mut self, gone: NodeId) {
        if let Some(survey) = &mut self.open {
            survey.missing.remove(&gone);
        }
    }
}

/// The rooms in use on this node.
async fn rooms_here(node: Arc<Node>) -> Vec<RoomInUse> {
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
    pub(super) fn tell_rooms(&self, asker: NodeId, question: u64, ctx: &mut Context<Self>) {
        let Some(node) = self.node.clone() else { return };
        let tell = async move {
            let rooms = rooms_here(node.clone()).await;
            let pieces = rooms.len().div_ceil(limits::ROSTER_ENTRIES_PER_WORD_MAX).max(1) as u32;
            for piece in 0..pieces {
                let from = piece as usize * limits::ROSTER_ENTRIES_PER_WORD_MAX;
                let some = rooms.iter().skip(from).take(limits::ROSTER_ENTRIES_PER_WORD_MAX).copied().collect();
                let word = RosterWord::Rooms { question, piece, pieces, rooms: some };
                node.bridge.say(To::Node(asker), NodeWord::Roster(word));
            }
        };
        ctx.spawn(tell.into_actor(self));
    }

    /// Ends the survey if everybody has answered.
    pub(super) fn settle_survey(&mut self, ctx: &mut Context<Self>) {
        if let Some(survey) = self.surveys.open.take_if(|survey| survey.is_done()) {
            self.close_survey(survey, ctx);
        }
    }

    fn close_survey(&mut self, survey: Survey, ctx: &mut Context<Self>) {
        let rooms: Rooms = Arc::new(survey.rooms.into_values().collect());
        for waiting in survey.waiting {
            // whoever asked may have stopped waiting
            let _ = waiting.send(rooms.clone());
        }
        let next = std::mem::take(&mut self.surveys.next);
        if !next.is_empty() {
            self.begin_survey(next, ctx);
        }
    }

    /// Begins a survey; it ends when everybody has answered, or after a moment.
    fn begin_survey(&mut self, waiting: Vec<Waiting>, ctx: &mut Context<Self>) {
        let Some(node) = self.node.clone() else { return };
        self.surveys.asked += 1;
        let question = self.surveys.asked;
        let missing: BTreeSet<NodeId> = self.peers.iter().map(|(node, _)| node).collect();
        self.surveys.open = Some(Survey {
            question,
            missing: missing.into_iter().map(|node| (node, 0)).collect(),
            rooms: BTreeMap::new(),
            own: Own::Counting,
            waiting,
        });
        node.bridge.say(To::Everyone, NodeWord::Roster(RosterWord::AskRooms { question }));
        ctx.spawn(rooms_here(node).into_actor(self).map(move |rooms, cluster, ctx| {
            if let Some(survey) = cluster.surveys.open.as_mut().filter(|survey| survey.question == question) {
                survey.add(rooms);
                survey.own = Own::Counted;
            }
            cluster.settle_survey(ctx);
        }));
        ctx.run_later(limits::GATHER_WAIT, move |cluster, ctx| {
            if let Some(survey) = cluster.surveys.open.take_if(|survey| survey.question == question) {
                log::warn!("event=survey_incomplete nodes_missing={}", survey.missing.len());
                cluster.close_survey(survey, ctx);
            }
        });
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
