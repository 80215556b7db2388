//! Search for messages. It reads candidates from the index, asks the policy which rooms the user may enter, and checks each
//! message against its current text. It must never return a message on the index's word alone.

mod indexing;
mod reading;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub use self::indexing::start;
use self::reading::{Reading, Verified};
use crate::{
    actors::moderation::Moderation,
    auth::policy::Subject,
    core::{
        event::RoomIdentity,
        search::{Extract, Query, time_of},
    },
    ids::{EventId, RoomId, Timestamp, UserId},
    limits,
    store::{Message, Store, StoreError},
};

/// Searches of a node, a bounded number at the same time.
#[derive(Clone)]
pub struct Search {
    store: Store,
    moderation: Arc<Moderation>,
    /// One permit per running search.
    running: Arc<Semaphore>,
    /// One permit per running or waiting search.
    places: Arc<Semaphore>,
}

/// What is searched for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What the text must contain.
    pub query: Query,
    /// Only in this room.
    pub room: Option<RoomId>,
    /// Only by this sender.
    pub sender: Option<UserId>,
    /// Only messages from this time on.
    pub after: Option<Timestamp>,
    /// Only messages from before this time.
    pub before: Option<Timestamp>,
    /// The order, with the place in it.
    pub order: Order,
    /// Messages in a page.
    pub limit: usize,
}

/// The order of the result, and where the page begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// By time. The page begins behind this message.
    Newest(Option<Place>),
    /// By rank, among the newest `SEARCH_RANKED_MAX` matches.
    Best(Option<BestPlace>),
}

/// A message's place among all messages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// Its number in the index.
    pub number: i64,
    /// Which, since a message that is not indexed yet may share its number.
    pub message: EventId,
}

/// A place among the best matches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BestPlace {
    /// The newest match of the first page: later ones do not move the others.
    pub newest: Place,
    /// Matches on the pages before.
    pub skipped: usize,
}

/// A message that was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// In which room.
    pub room: RoomIdentity,
    /// The message.
    pub message: Message,
    /// Its part around the matches.
    pub extract: Extract,
}

/// A page of the result.
#[derive(Clone, PartialEq, Debug)]
pub struct FoundPage {
    /// The messages.
    pub found: Vec<Found>,
    /// Where the next page begins. A page may have fewer messages than wanted although there is a next one.
    pub next: Option<Order>,
    /// Whether all messages were searched. Not while messages from before search existed are still being indexed, or many
    /// new ones.
    pub is_complete: bool,
}

/// Why a search failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SearchFault {
    /// Too many searches at the moment.
    #[error("too many searches at the moment")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Search {
    /// Searches in this store, except in rooms from which the user is banned.
    pub fn new(store: Store, moderation: Arc<Moderation>) -> Search {
        Search {
            store,
            moderation,
            running: Arc::new(Semaphore::new(limits::SEARCHES_AT_ONCE)),
            places: Arc::new(Semaphore::new(limits::SEARCHES_AT_ONCE + limits::SEARCHES_WAITING_MAX)),
        }
    }

    /// Finds messages that the user may read.
    ///
    /// # Errors
    /// See [`SearchFault`].
    pub async fn find(&self, subject: Subject<'_>, wanted: &Wanted) -> Result<FoundPage, SearchFault> {
        let _place = self.places.try_acquire().map_err(|_| SearchFault::Busy)?;
        let _running = self.running.acquire().await.map_err(|_| SearchFault::Busy)?;
        let from = wanted.after.map_or(0, time_of);
        let before = wanted.before.map_or(i64::MAX, time_of);
        let start = self.store.search_start(from, before).await?;
        let is_complete = start.is_complete;
        let mut reading = Reading::new((&self.store, &self.moderation), subject, wanted, start, from..before);
        let (found, next) = match wanted.order {
            Order::Newest(behind) => newest(&mut reading, behind, wanted.limit).await?,
            Order::Best(place) => best(&mut reading, place, wanted.limit).await?,
        };
        Ok(FoundPage { found: found.into_iter().map(Found::from).collect(), next, is_complete })
    }
}

impl From<Verified> for Found {
    fn from(one: Verified) -> Found {
        let extract = Extract::new(&one.message.content, &one.how);
        Found { room: one.room, message: one.message, extract }
    }
}

async fn newest(
    reading: &mut Reading<'_>,
    behind: Option<Place>,
    limit: usize,
) -> Result<(Vec<Verified>, Option<Order>), StoreError> {
    reading.begin_behind(behind);
    let mut found = reading.verified(limit.saturating_add(1)).await?;
    let next = if found.len() > limit {
        found.truncate(limit);
        found.last().map(|last| last.place)
    } else {
        reading.stopped_at()
    };
    Ok((found, next.map(|place| Order::Newest(Some(place)))))
}

async fn best(
    reading: &mut Reading<'_>,
    place: Option<BestPlace>,
    limit: usize,
) -> Result<(Vec<Verified>, Option<Order>), StoreError> {
    if let Some(place) = place {
        reading.begin_at(place.newest);
    }
    let mut found = reading.verified(limits::SEARCH_RANKED_MAX).await?;
    let newest = found.first().map(|first| first.place);
    found.sort_by_key(|one| std::cmp::Reverse((one.how.rank, one.place)));
    let skipped = place.map_or(0, |place| place.skipped);
    let end = skipped.saturating_add(limit);
    let has_more = found.len() > end;
    let page = found.into_iter().skip(skipped).take(limit).collect();
    let next = newest.filter(|_| has_more).map(|newest| Order::Best(Some(BestPlace { newest, skipped: end })));
    Ok((page, next))
}
