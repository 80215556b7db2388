//! Stores the states of documents, so that few updates have to be applied when one is opened. The state is built from what the
//! database has, on a thread for such work, and never from the document that is in use: nothing waits for it.

use actix::prelude::*;

use super::{Room, kinds::document::read_document};
use crate::{
    ids::{RoomId, Seq},
    store::{DocumentState, Store, StoreError},
};

impl Room {
    /// Stores the state of the document.
    pub(super) fn save_document(&self, ctx: &mut Context<Self>) {
        let (store, id) = (self.node.store.clone(), self.identity.id);
        let saved = async move { save(&store, id).await };
        ctx.spawn(saved.into_actor(self).map(move |saved, room, _| {
            let later = match saved {
                Ok(Seq(seq)) => {
                    log::debug!("event=document_saved room={id} seq={seq}");
                    Some((room.head().0 - seq).max(0))
                }
                Err(error) => {
                    log::warn!("event=document_not_saved room={id} why=\"{error}\"");
                    None
                }
            };
            room.kind.document_saved(later);
        }));
    }
}

async fn save(store: &Store, room: RoomId) -> Result<Seq, StoreError> {
    let read = read_document(store, room).await?;
    let seq = read.last;
    let built = tokio::task::spawn_blocking(move || read.replica().state()).await;
    let update = built.map_err(|error| StoreError::Fault(format!("a document can't be encoded: {error}")))?;
    store.store_document_state(room, DocumentState { seq, update }).await?;
    Ok(seq)
}
