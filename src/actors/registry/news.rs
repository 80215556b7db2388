//! Tells every room here that another node came or went, a few rooms at a time: what rooms answer to that goes out to
//! the other nodes, and ten thousand answers at one instant would be a storm.

use std::collections::VecDeque;

use actix::prelude::*;
use rustc_hash::FxHashMap;

use super::Registry;
use crate::{actors::messages::PeerNews, ids::RoomId, limits};

/// What has still to be told. Each room gets its news in the order in which they came: that a node has gone and come back
/// is not the same as the reverse. Bounded by the rooms and by the peers.
#[derive(Default)]
pub(super) struct NewsRound {
    /// Rooms that have not been told all, in turn.
    rooms: VecDeque<RoomId>,
    waiting: FxHashMap<RoomId, VecDeque<PeerNews>>,
}

impl NewsRound {
    fn add(&mut self, room: RoomId, news: PeerNews) {
        let waiting = self.waiting.entry(room).or_default();
        if waiting.is_empty() {
            self.rooms.push_back(room);
        }
        if waiting.back() != Some(&news) {
            waiting.push_back(news);
        }
    }

    /// Tells the next room what waits for it, as far as `take` accepts it. A room that does not accept all has another turn
    /// behind the others.
    fn tell_next(&mut self, mut take: impl FnMut(RoomId, PeerNews) -> Taken) {
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

/// Whether a room has taken its news, or is not there any more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Yes,
    No,
}

impl Registry {
    fn spread_news(&mut self, ctx: &mut Context<Self>) {
        for _ in 0..limits::PEER_NEWS_ROOMS_AT_ONCE {
            self.news.tell_next(|room, news| {
                let told = self.rooms.get(&room).map(|placed| placed.room.try_send(news));
                // a room that kept the members of a dead node would show them for ever
                if matches!(told, Some(Err(SendError::Full(_)))) { Taken::No } else { Taken::Yes }
            });
        }
        if !self.news.is_empty() {
            ctx.run_later(limits::PEER_NEWS_PACE, Self::spread_news);
        }
    }
}

impl Handler<PeerNews> for Registry {
    type Result = ();

    fn handle(&mut self, news: PeerNews, ctx: &mut Self::Context) {
        let was_idle = self.news.is_empty();
        for room in self.rooms.keys() {
            self.news.add(*room, news);
        }
        if was_idle {
            self.spread_news(ctx);
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
        let (gone, up) = (PeerNews::Gone(NodeId(1)), PeerNews::Up(NodeId(1)));
        let mut round = NewsRound::default();
        for news in [gone, up] {
            round.add(full, news);
            round.add(other, news);
            round.add(other, news);
        }
        let (mut told, mut refusals) = (Vec::new(), 3);
        while !round.is_empty() {
            round.tell_next(|room, news| {
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
