//! Notifications of the creator of a tile: somebody comments on it, or likes it. The node that has stored the event sends them.
//! Likes are many: for each tile at most one in `LIKE_NOTICE_PERIOD` is notified of.

use std::sync::Arc;

use actix::prelude::*;
use rustc_hash::FxHashMap;

use super::Room;
use crate::{
    actors::{fanout::Broadcast, messages::PublishToUser},
    core::{
        canvas::{LikeChange, Tile},
        event::{CanvasDurable, Durable, EventBody},
        notification::Priority,
        profile::Author,
        user_event::UserEvent,
    },
    ids::{TileId, Timestamp},
    limits,
    logged::logged,
    store::NewNotification,
};

/// What the notifications are about.
const CATEGORY: &str = "social";

/// When the likes of tiles were last notified of.
#[derive(Default)]
pub(super) struct LikeNotices(FxHashMap<TileId, Timestamp>);

impl LikeNotices {
    /// Whether a like of the tile is to be notified of now.
    fn is_due(&mut self, tile: TileId, now: Timestamp) -> bool {
        let period_ms = i64::try_from(limits::LIKE_NOTICE_PERIOD.as_millis()).unwrap_or(i64::MAX);
        if self.0.get(&tile).is_some_and(|last| last.plus_ms(period_ms) > now) {
            return false;
        }
        if self.0.len() >= limits::LIKE_NOTICES_REMEMBERED_MAX {
            self.0.clear();
        }
        self.0.insert(tile, now);
        true
    }
}

impl Room {
    /// Notifies the creator of a tile, unless it is the user who has commented on it or likes it.
    pub(super) fn notify_creator(&mut self, stored: &Broadcast, ctx: &mut Context<Self>) {
        let EventBody::Durable { id, what: Durable::Canvas(what), .. } = &stored.event.body else { return };
        let (tile, by, title, text) = match what {
            CanvasDurable::TileCommented { tile, by, text } => {
                let excerpt: String = text.chars().take(limits::EXCERPT_CHARS_MAX).collect();
                (tile, by, "commented on your tile", excerpt)
            }
            CanvasDurable::TileLiked { tile, by, change: LikeChange::Given } => {
                let excerpt: String = tile.content.chars().take(limits::EXCERPT_CHARS_MAX).collect();
                (tile, by, "likes your tile", excerpt)
            }
            CanvasDurable::TileLiked { change: LikeChange::TakenBack, .. }
            | CanvasDurable::TileCreated { .. }
            | CanvasDurable::TileUpdated { .. }
            | CanvasDurable::TileDeleted { .. }
            | CanvasDurable::TileCommentDeleted { .. }
            | CanvasDurable::Acted { .. } => return,
        };
        let is_like = matches!(what, CanvasDurable::TileLiked { .. });
        if by.number() == Some(tile.creator) || (is_like && !self.like_notices.is_due(tile.id, self.node.clock.now())) {
            return;
        }
        let comment = (!is_like).then(|| id.to_string());
        let new = self.tile_notice(tile, by, title, text, comment);
        let (node, room, creator) = (self.node.clone(), self.identity.id, tile.creator);
        let notified = async move {
            let stored = match node.store.user_by_number(creator).await {
                Ok(Some(user)) => node.store.create_notifications(&[user], &new).await,
                Ok(None) => return,
                Err(error) => Err(error),
            };
            match stored {
                Ok(stored) => {
                    for one in stored {
                        let user = one.user.clone();
                        let what = UserEvent::Notified { user: one.user, notification: one.notification };
                        let publish = PublishToUser { user, what: Arc::new(what), but: None };
                        if node.registry.try_send(publish).is_err() {
                            log::warn!("event=tile_notice_not_delivered room={room} why=registry_full");
                        }
                    }
                }
                Err(error) => log::warn!("event=tile_notice_not_stored room={room} why={}", logged(&error)),
            }
        };
        ctx.spawn(notified.into_actor(self));
    }

    fn tile_notice(
        &self,
        tile: &Tile,
        by: &Author,
        title: &str,
        excerpt: String,
        comment: Option<String>,
    ) -> NewNotification {
        let (room, tile) = (self.identity.label(), tile.id.to_string());
        let mut about = vec![("room_id", &*room), ("tile_id", &*tile), ("user_id", by.id.as_str())];
        about.extend(comment.as_deref().map(|comment| ("comment_id", comment)));
        NewNotification {
            title: format!("{} {title}", by.username()).into(),
            message: if excerpt.is_empty() { "A tile without text".into() } else { excerpt.into() },
            category: CATEGORY.into(),
            priority: Priority::Normal,
            module: None,
            data: NewNotification::data_of(about),
            expires_at: None,
        }
    }
}
