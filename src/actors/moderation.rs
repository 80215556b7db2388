//! What this node knows of mutes, bans and word rules. Rooms and the registry compare commands and joins with it without
//! waiting. Sanctions of this and other nodes change it at once; a watch reads everything again when the database has a
//! newer version, so that a lost message between nodes delays a sanction but never loses it. It must never be the only
//! barrier for what is stored: `store/silence.rs` decides that.

use std::sync::{Arc, PoisonError, RwLock};

use actix::prelude::*;

use super::{
    messages::{ApplySanction, SanctionSource},
    node::Node,
};
use crate::{
    core::{
        command::{Command, Voice},
        moderation::{Book, Filtered, Sanction, SanctionKind, Snapshot},
    },
    error::{ErrorCode, Refusal},
    ids::{RoomId, Timestamp, UserId},
    limits,
    store::StoreError,
};

/// The book of a node. Many threads read it; it is written only when something has changed.
#[derive(Debug, Default)]
pub struct Moderation {
    book: RwLock<Book>,
}

/// What becomes of a command.
#[derive(Debug)]
pub enum Moderated {
    /// It is executed, perhaps with a masked text.
    Pass(Command),
    /// It is dropped as if it had been executed.
    Drop,
    /// It is refused.
    Refuse(Refusal),
}

impl Moderation {
    /// Why the user may not enter the room, or anything at all if there is no room. `None`: the user is not banned.
    pub fn ban(&self, user: &UserId, room: Option<RoomId>, now: Timestamp) -> Option<Refusal> {
        self.find(user, room, SanctionKind::Ban, now)
    }

    fn find(&self, user: &UserId, room: Option<RoomId>, kind: SanctionKind, now: Timestamp) -> Option<Refusal> {
        // the book is never left half-written
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        book.find(user, room, kind, now).map(Sanction::refusal)
    }

    /// Compares a command of the user in the room with the mutes and the word rules.
    pub fn moderate(&self, user: &UserId, room: RoomId, command: Command, now: Timestamp) -> Moderated {
        match command.voice() {
            Voice::None => return Moderated::Pass(command),
            Voice::Hint => {
                let is_muted = self.find(user, Some(room), SanctionKind::Mute, now).is_some();
                return if is_muted { Moderated::Drop } else { Moderated::Pass(command) };
            }
            Voice::Speech => {}
        }
        if let Some(refusal) = self.find(user, Some(room), SanctionKind::Mute, now) {
            return Moderated::Refuse(refusal);
        }
        self.filter(room, command)
    }

    fn filter(&self, room: RoomId, mut command: Command) -> Moderated {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        if !book.has_filters() {
            return Moderated::Pass(command);
        }
        let Some(text) = command.text_mut() else { return Moderated::Pass(command) };
        for filter in book.filters(room) {
            match filter.apply(text) {
                Filtered::Unchanged => {}
                Filtered::Masked(masked) => *text = masked.into(),
                Filtered::Refused => {
                    let sentence = "The text has words that are not allowed here; leave them out";
                    return Moderated::Refuse(Refusal::new(ErrorCode::PermissionDenied, sentence));
                }
            }
        }
        Moderated::Pass(command)
    }

    /// Applies a sanction that was stored. Returns whether it was news.
    pub(super) fn apply(&self, sanction: &Sanction) -> bool {
        self.book.write().unwrap_or_else(PoisonError::into_inner).apply(sanction)
    }

    fn version(&self) -> Option<i64> {
        self.book.read().unwrap_or_else(PoisonError::into_inner).version()
    }

    /// Returns the bans that were not known.
    fn replace(&self, snapshot: Snapshot) -> Vec<Sanction> {
        self.book.write().unwrap_or_else(PoisonError::into_inner).replace(snapshot)
    }
}

impl Node {
    /// Reads the sanctions and word rules again if the database has a newer version, and enforces bans that were missed.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn refresh_moderation(&self) -> Result<(), StoreError> {
        let version = self.store.moderation_version().await?;
        if self.moderation.version() == Some(version) {
            return Ok(());
        }
        let snapshot = self.store.moderation_snapshot().await?;
        for sanction in self.moderation.replace(snapshot) {
            let enforce = ApplySanction { sanction: sanction.into(), source: SanctionSource::Database };
            if self.registry.send(enforce).await.is_err() {
                log::error!("event=ban_not_enforced why=registry_stopped");
            }
        }
        Ok(())
    }
}

/// The actor that keeps the book up to date. One per node; kept alive by its timer.
pub struct ModerationWatch {
    node: Arc<Node>,
    state: Reading,
}

/// Whether the store is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    No,
    Yes,
    /// The last attempt has failed, which was logged.
    Failed,
}

impl ModerationWatch {
    /// Keeps the book of this node up to date.
    pub fn new(node: Arc<Node>) -> ModerationWatch {
        ModerationWatch { node, state: Reading::No }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.state == Reading::Yes {
            return;
        }
        let before = std::mem::replace(&mut self.state, Reading::Yes);
        let node = self.node.clone();
        let read = async move { node.refresh_moderation().await };
        ctx.spawn(read.into_actor(self).map(move |read, watch, _| match read {
            Ok(()) => watch.state = Reading::No,
            Err(error) => {
                watch.state = Reading::Failed;
                if before != Reading::Failed {
                    log::warn!("event=moderation_not_read why=\"{error}\"");
                }
            }
        }));
    }
}

impl Actor for ModerationWatch {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look(ctx);
        ctx.run_interval(limits::MODERATION_PERIOD, Self::look);
    }
}
