//! Tells every room here that another node came or went, a few rooms at a time: what rooms answer to that goes out to
//! the other nodes, and ten thousand answers at one instant would be a storm.

use std::collections::VecDeque;

use actix::prelude::*;

use super::Registry;
use crate::{actors::messages::PeerNews, ids::RoomId, limits};

/// What has still to be told, and to whom. Bounded by the rooms and by the peers, each of which is news once.
#[derive(Default)]
pub(super) struct NewsRound {
    waiting: VecDeque<(PeerNews, RoomId)>,
}

impl Registry {
    fn spread_news(&mut self, ctx: &mut Context<Self>) {
        for _ in 0..limits::PEER_NEWS_ROOMS_AT_ONCE {
            let Some((news, room)) = self.news.waiting.pop_front() else { return };
            let Some(placed) = self.rooms.get(&room) else { continue };
            if let Err(SendError::Full(news)) = placed.room.try_send(news) {
                // a room that kept the members of a dead node would show them for ever
                self.news.waiting.push_back((news, room));
            }
        }
        if !self.news.waiting.is_empty() {
            ctx.run_later(limits::PEER_NEWS_PACE, Self::spread_news);
        }
    }
}

impl Handler<PeerNews> for Registry {
    type Result = ();

    fn handle(&mut self, news: PeerNews, ctx: &mut Self::Context) {
        let was_idle = self.news.waiting.is_empty();
        self.news.waiting.extend(self.rooms.keys().map(|room| (news, *room)));
        if was_idle {
            self.spread_news(ctx);
        }
    }
}
