//! Reads a document as it is stored: its last stored state, and the updates after it.

use std::sync::Arc;

use super::{DocumentState, Store, StoreError};
use crate::{
    core::document::Replica,
    ids::{RoomId, Seq},
};

/// A document as it was read.
#[derive(Debug)]
pub struct StoredDocument {
    state: Option<DocumentState>,
    updates: Vec<Arc<[u8]>>,
    /// The last event that was read.
    pub last: Seq,
}

impl StoredDocument {
    /// The number of updates since the stored state.
    pub fn update_count(&self) -> usize {
        self.updates.len()
    }

    /// Their bytes.
    pub fn update_bytes(&self) -> usize {
        self.updates.iter().map(|update| update.len()).sum()
    }

    /// About how large the document is, encoded.
    pub fn bytes(&self) -> usize {
        self.state.as_ref().map_or(0, |state| state.update.len()) + self.update_bytes()
    }

    /// Builds the document. Takes milliseconds for large ones.
    pub fn replica(self) -> Replica {
        let mut replica = Replica::default();
        if let Some(state) = self.state {
            replica.apply(&state.update.into(), state.seq);
        }
        for update in &self.updates {
            replica.apply(update, self.last);
        }
        replica
    }
}

impl Store {
    /// Reads the last stored state and the updates after it, again if a later state was stored in between.
    pub async fn read_document(&self, room: RoomId) -> Result<StoredDocument, StoreError> {
        loop {
            let state = self.document_state(room).await?;
            let after = state.as_ref().map_or(Seq::default(), |state| state.seq);
            let (mut updates, mut next, mut is_whole) = (Vec::new(), after.next(), true);
            let last = self
                .read_document_updates(room, after, |seq, update| {
                    is_whole &= seq == next;
                    next = seq.next();
                    updates.extend(update.cloned());
                })
                .await?;
            if is_whole {
                return Ok(StoredDocument { state, updates, last });
            }
        }
    }
}
