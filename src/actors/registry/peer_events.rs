//! Informs the rooms on this node that another node is up or gone, a few rooms at a time. Each room responds with
//! messages to the other nodes, and thousands of responses at once must not flood the bridge.

use std::collections::VecDeque;

use actix::prelude::*;
use rustc_hash::FxHashMap;

use super::Registry;
use crate::{actors::messages::PeerEvent, ids::RoomId, limits};

/// Pending events per room. A room receives its events in order, because "gone" followed by "up" differs from the
/// reverse. Bounded by the rooms and the peers.
#[derive(Default)]
pub(super) struct PeerEventRound {
    /// Rooms with pending events, in turn.
    rooms: VecDeque<RoomId>,
    waiting: FxHashMap<RoomId, VecDeque<PeerEvent>>,
}

impl PeerEventRound {
    fn add(&mut self, room: RoomId, news: PeerEvent) {
        let waiting = self.waiting.entry(room).or_default();
        if waiting.is_empty() {
            self.rooms.push_back(room);
        }
        if waiting.back() != Some(&news) {
            waiting.push_back(news);
        }
    }

    /// Delivers the pending events of the next room, as far as `take` accepts them. If the room does not accept all of
    /// them, it gets another turn after the others.
    fn deliver_next(&mut self, mut take: impl FnMut(RoomId, PeerEvent) -> Taken) {
        let Some(room) = self.rooms.pop_front() else { return };
        let Some(waiting) = self.waiting.get_mut(&room) else { return };
        while let Some(news) = waiting.front() {
            if take(room, *news) == Taken::No {
                self.rooms.push_back(room);
                return;
            }
            waiting.pop_front();
        }
        self.waiting.remove(&room);
    }

    fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }
}

/// Whether a room has accepted an event, or does not exist any more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Yes,
    No,
}

impl Registry {
    fn spread_peer_events(&mut self, ctx: &mut Context<Self>) {
        for _ in 0..limits::PEER_NEWS_ROOMS_AT_ONCE {
            self.news.deliver_next(|room, news| {
                let told = self.rooms.get(&room).map(|placed| placed.room.try_send(news));
                // must not be dropped: a room that kept the members of a dead node would list them for ever
                if matches!(told, Some(Err(SendError::Full(_)))) { Taken::No } else { Taken::Yes }
            });
        }
        if !self.news.is_empty() {
            ctx.run_later(limits::PEER_NEWS_PACE, Self::spread_peer_events);
        }
    }
}

impl Handler<PeerEvent> for Registry {
    type Result = ();

    fn handle(&mut self, news: PeerEvent, ctx: &mut Self::Context) {
        let was_idle = self.news.is_empty();
        for room in self.rooms.keys() {
            self.news.add(*room, news);
        }
        if was_idle {
            self.spread_peer_events(ctx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    #[test]
    fn a_room_that_is_full_for_a_while_hears_of_a_nodes_end_and_return_in_this_order() {
        let (full, other) = (RoomId::generate(), RoomId::generate());
        let (gone, up) = (PeerEvent::Gone(NodeId(1)), PeerEvent::Up(NodeId(1)));
        let mut round = PeerEventRound::default();
        for news in [gone, up] {
            round.add(full, news);
            round.add(other, news);
            round.add(other, news);
        }
        let (mut told, mut refusals) = (Vec::new(), 3);
        while !round.is_empty() {
            round.deliver_next(|room, news| {
                if room == full && refusals > 0 {
                    refusals -= 1;
                    return Taken::No;
                }
                told.push((room, news));
                Taken::Yes
            });
        }
        assert_eq!(told, [(other, gone), (other, up), (full, gone), (full, up)]);
        assert!(round.waiting.is_empty());
    }
}
