//! Stores one group of entries: retries until the database accepts it or was unavailable for too long, and isolates an
//! entry that cannot be stored. A retry must never store an entry twice.

use std::{ops::Range, sync::Arc, time::Instant};

use crate::{
    actors::messages::NotStored,
    core::canvas::{CanvasSize, TileRefused},
    error::{ErrorCode, Refusal},
    limits,
    logged::logged,
    metrics::Metrics,
    store::{
        Append, Appended, Attempt, EffectRefused, MessageRefused, NotAppended, ReactionRefused, ReadRefused,
        StateRefused, Store, StoreError, WaitFor,
    },
};

/// The refusal of a message whose id was used for another one, on a socket or over REST.
const OTHER_CONTENT: &str = "You have sent something else to this room under the same `client_message_id` (over REST: `idempotency_key`); choose a new one for each message";

/// The result for an entry.
pub(super) enum AttemptOutcome {
    /// It was stored or refused.
    Settled(Result<Appended, NotStored>),
    /// Another session holds a lock on its room.
    Locked,
}

/// The result for a group.
pub(super) struct Committed {
    /// In the order of the entries.
    pub fates: Vec<AttemptOutcome>,
    /// The outcome of an attempt is unknown: entries that are not settled may be stored nevertheless.
    pub in_doubt: bool,
}

/// A group and how it is to be stored.
pub(super) struct Commit {
    pub store: Store,
    pub metrics: Arc<Metrics>,
    pub appends: Arc<[Append]>,
    pub wait_for: WaitFor,
    /// When the oldest entry was queued.
    pub oldest: Instant,
    /// The outcome of an earlier attempt for one of the entries is unknown.
    pub in_doubt: bool,
}

impl Commit {
    /// Stores the group. Waits for an unavailable database as long as the oldest entry may wait.
    pub async fn run(mut self) -> Committed {
        loop {
            let appends = self.appends.clone();
            match self.attempt(appends, self.wait_for).await {
                Ok(fates) => return Committed { fates, in_doubt: self.in_doubt },
                Err(StoreError::Unavailable(why)) => {
                    if self.oldest.elapsed() >= limits::STORE_PATIENCE {
                        log::warn!(
                            "event=appends_refused count={} in_doubt={} why={why}",
                            self.appends.len(),
                            self.in_doubt,
                            why = logged(&why)
                        );
                        let refused = |_: &Append| AttemptOutcome::Settled(Err(self.refusal()));
                        return Committed {
                            fates: self.appends.iter().map(refused).collect(),
                            in_doubt: self.in_doubt,
                        };
                    }
                    tokio::time::sleep(limits::STORE_RETRY).await;
                }
                Err(error) => {
                    let fates = self.bisect(error).await;
                    return Committed { fates, in_doubt: self.in_doubt };
                }
            }
        }
    }

    /// One attempt. Records if its outcome is unknown.
    async fn attempt(&mut self, appends: Arc<[Append]>, wait_for: WaitFor) -> Result<Vec<AttemptOutcome>, StoreError> {
        let began = Instant::now();
        let attempt = if self.in_doubt { Attempt::Again } else { Attempt::First };
        match self.store.append_shared(appends, attempt, wait_for).await {
            Ok(results) => {
                let is_new = |appended: &Appended| appended.repeats.is_none();
                let stored = results.iter().filter(|result| result.as_ref().is_ok_and(is_new)).count();
                if stored > 0 {
                    self.metrics.committed(stored, began.elapsed());
                }
                Ok(results.into_iter().map(AttemptOutcome::from).collect())
            }
            Err(error) => {
                if let StoreError::Unavailable(outage) = &error {
                    self.in_doubt |= !outage.is_known_not_stored();
                }
                Err(error)
            }
        }
    }

    /// Bisects a group with an entry that cannot be stored until it is isolated, so that only this entry is refused. If
    /// the database becomes unavailable, all remaining entries are refused.
    async fn bisect(&mut self, error: StoreError) -> Vec<AttemptOutcome> {
        let count = self.appends.len();
        let mut fates = Vec::with_capacity(count);
        let mut left: Vec<Range<usize>> = Vec::new();
        let mut failed = Some((0..count, error));
        loop {
            match failed.take() {
                Some((range, StoreError::Unavailable(why))) => {
                    log::warn!("event=appends_refused count={} why={why}", count - range.start, why = logged(&why));
                    fates.extend((range.start..count).map(|_| AttemptOutcome::Settled(Err(self.refusal()))));
                    return fates;
                }
                Some((range, error)) if range.len() <= 1 => fates.push(AttemptOutcome::Settled(Err(refused(&error)))),
                Some((range, error)) => {
                    log::warn!("event=group_split count={} why={error}", range.len(), error = logged(&error));
                    let middle = range.start + range.len() / 2;
                    left.push(middle..range.end);
                    left.push(range.start..middle);
                }
                None => {}
            }
            let Some(range) = left.pop() else { return fates };
            let appends = self.appends.get(range.clone()).unwrap_or_default().into();
            match self.attempt(appends, self.wait_for).await {
                Ok(stored) => fates.extend(stored),
                Err(error) => failed = Some((range, error)),
            }
        }
    }

    /// The reason for refusing entries that have waited too long.
    fn refusal(&self) -> NotStored {
        NotStored::Refused(if self.in_doubt { Refusal::unanswered() } else { Refusal::unavailable() })
    }
}

impl From<Result<Appended, NotAppended>> for AttemptOutcome {
    fn from(result: Result<Appended, NotAppended>) -> AttemptOutcome {
        AttemptOutcome::Settled(match result {
            Ok(appended) => Ok(appended),
            Err(NotAppended::Locked) => return AttemptOutcome::Locked,
            Err(NotAppended::Conflicts(conflicts)) => Err(NotStored::Conflicts(conflicts)),
            Err(NotAppended::SheetElsewhere) => Err(NotStored::SheetElsewhere),
            Err(NotAppended::OtherContent) => Err(NotStored::Refused(Refusal::new(ErrorCode::Conflict, OTHER_CONTENT))),
            Err(NotAppended::Effect(refused)) => Err(effect_refusal(&refused)),
            Err(NotAppended::Tile(refused)) => Err(tile_refusal(refused)),
            Err(NotAppended::Silenced(sanction)) => Err(NotStored::Refused(sanction.refusal())),
            Err(NotAppended::BadUpdate(bad)) => {
                Err(NotStored::Refused(Refusal::new(ErrorCode::InvalidMessage, bad.to_string())))
            }
        })
    }
}

fn effect_refusal(refused: &EffectRefused) -> NotStored {
    NotStored::Refused(match refused {
        EffectRefused::Message(MessageRefused::Unknown)
        | EffectRefused::Read(ReadRefused::Unknown)
        | EffectRefused::Reaction(ReactionRefused::Message(MessageRefused::Unknown)) => {
            Refusal::new(ErrorCode::NotFound, "There is no such message in this room; take an id from its history")
        }
        EffectRefused::Message(MessageRefused::Deleted)
        | EffectRefused::Reaction(ReactionRefused::Message(MessageRefused::Deleted)) => {
            Refusal::new(ErrorCode::NotFound, "The message was deleted and can't be changed any more")
        }
        EffectRefused::Message(MessageRefused::OtherSecrecy)
        | EffectRefused::Reaction(ReactionRefused::Message(MessageRefused::OtherSecrecy)) => {
            let sentence = "A `ciphertext` replaces only that of an encrypted message, and `content` only that of another one; send the field that the message has";
            Refusal::new(ErrorCode::InvalidMessage, sentence)
        }
        EffectRefused::Read(ReadRefused::NotAdvanced { .. }) | EffectRefused::Reaction(ReactionRefused::Unchanged) => {
            return NotStored::Unchanged;
        }
        EffectRefused::State(StateRefused::Unchanged) => return NotStored::Unchanged,
        EffectRefused::State(StateRefused::Stale(entry)) => {
            let sentence = "Somebody else changed this entry first; take over the change, and send it again with its `seq` as `ifSeq`";
            return NotStored::StateConflict(Refusal::new(ErrorCode::Conflict, sentence), entry.clone());
        }
        EffectRefused::State(StateRefused::TooMany) => {
            let most = limits::STATE_KEYS_MAX;
            let sentence = format!("The state of a space has at most {most} entries; delete one of them first");
            Refusal::new(ErrorCode::Conflict, sentence)
        }
        EffectRefused::Reaction(ReactionRefused::TooMany) => {
            let most = limits::REACTIONS_PER_MESSAGE_MAX;
            let sentence = format!("A message has at most {most} different reactions; choose one that it has");
            Refusal::new(ErrorCode::Conflict, sentence)
        }
    })
}

fn tile_refusal(refused: TileRefused) -> NotStored {
    let (refusal, tile) = match refused {
        TileRefused::Closed => {
            let sentence = "The canvas was deactivated; nothing on it can be changed any more";
            (Refusal::new(ErrorCode::RoomNotFound, sentence), None)
        }
        TileRefused::Outside(CanvasSize { width, height }) => {
            let sentence = format!(
                "The place is outside of the canvas: x must be from 0 to {} and y from 0 to {}",
                width - 1,
                height - 1
            );
            (Refusal::new(ErrorCode::InvalidMessage, sentence), None)
        }
        TileRefused::Unknown => {
            let sentence = "There is no such tile on this canvas, or it was deleted; read the tiles again";
            (Refusal::new(ErrorCode::NotFound, sentence), None)
        }
        TileRefused::Taken(tile) => {
            let sentence = "There is a tile at this place already; change that one, or choose another place";
            (Refusal::new(ErrorCode::Conflict, sentence), Some(tile))
        }
        TileRefused::Stale(tile) => {
            let sentence =
                "Somebody else changed this tile first; take over the change, and send it again with its version";
            (Refusal::new(ErrorCode::VersionConflict, sentence), Some(tile))
        }
        TileRefused::Unchanged(tile) => return NotStored::TileUnchanged(tile),
    };
    match tile {
        Some(tile) => NotStored::TileConflict(refusal, tile),
        None => NotStored::Refused(refusal),
    }
}

/// The reason for refusing a single entry that cannot be stored.
fn refused(error: &StoreError) -> NotStored {
    NotStored::Refused(match error {
        StoreError::Unavailable(outage) if outage.is_known_not_stored() => Refusal::unavailable(),
        StoreError::Unavailable(_) => Refusal::unanswered(),
        StoreError::Missing => Refusal::new(ErrorCode::RoomNotFound, "This room no longer exists"),
        StoreError::Taken(_) | StoreError::Fault(_) => {
            log::error!("event=append_failed why={error}", error = logged(&error));
            Refusal::internal()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        core::{
            event::{ChatDurable, Durable},
            profile::Profile,
        },
        ids::{EventId, RoomId, Timestamp},
        store::{ChannelMedium, NewUser, QueueFor, StoreOptions},
    };

    struct Setting {
        folder: tempfile::TempDir,
        store: Store,
        metrics: Arc<Metrics>,
        ada: Profile,
        room: RoomId,
    }

    impl Setting {
        async fn new() -> Setting {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite://{}", folder.path().join("convene.db").display());
            Store::migrate(&url).await.unwrap();
            let store = Store::open(&url, &StoreOptions::default()).await.unwrap();
            let new = NewUser {
                username: "ada".into(),
                email: None,
                display_name: "Ada".into(),
                password_hash: "$argon2id$…".into(),
            };
            let ada = store.create_user(new).await.unwrap();
            let group = store.create_group(&ada.id, "a group", None).await.unwrap().id;
            let room = store.create_channel(group, "a channel", ChannelMedium::Text, &ada.id).await.unwrap().id;
            Setting { folder, store, metrics: Arc::new(Metrics::new()), ada, room }
        }

        fn message(&self, room: RoomId) -> Append {
            let sender = self.ada.author();
            Append {
                room,
                id: EventId::generate(),
                at: Timestamp { unix_ms: 1_790_000_000_123 },
                what: Durable::Chat(ChatDurable::text(sender, "x".into(), Vec::new())).into(),
                queue_for: QueueFor::default(),
                client_message_id: None,
            }
        }

        fn commit(&self, appends: Vec<Append>) -> Commit {
            Commit {
                store: self.store.clone(),
                metrics: self.metrics.clone(),
                appends: appends.into(),
                wait_for: WaitFor::AllRooms,
                oldest: Instant::now(),
                in_doubt: false,
            }
        }
    }

    /// The `seq` of each entry, 0 for entries that were refused.
    fn seqs(fates: &[AttemptOutcome]) -> Vec<i64> {
        let seq = |fate: &AttemptOutcome| match fate {
            AttemptOutcome::Settled(Ok(appended)) => appended.seq.0,
            AttemptOutcome::Settled(Err(_)) => 0,
            AttemptOutcome::Locked => -1,
        };
        fates.iter().map(seq).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_the_entry_that_cannot_be_stored_is_refused() {
        let setting = Setting::new().await;
        let mut appends: Vec<Append> = (0..9).map(|_| setting.message(setting.room)).collect();
        appends.insert(3, setting.message(RoomId::generate()));
        let Committed { fates, in_doubt } = setting.commit(appends).run().await;
        assert_eq!(seqs(&fates), [1, 2, 3, 0, 4, 5, 6, 7, 8, 9], "in order");
        assert!(!in_doubt);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_search_for_a_bad_entry_ends_when_the_database_goes_away() {
        use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};
        let setting = Setting::new().await;
        let path = setting.folder.path().join("convene.db");
        let mut other = SqliteConnection::establish(&path.to_string_lossy()).unwrap();
        other.batch_execute("BEGIN EXCLUSIVE").unwrap();
        let began = Instant::now();
        let appends: Vec<Append> = (0..8).map(|_| setting.message(setting.room)).collect();
        let fates = setting.commit(appends).bisect(StoreError::Missing).await;
        assert_eq!(seqs(&fates), [0; 8], "all of them are refused");
        assert!(began.elapsed() < limits::STORE_LOCK_WAIT * 2, "one attempt, not one for each: {:?}", began.elapsed());
    }
}
