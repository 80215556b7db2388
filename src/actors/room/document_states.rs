//! Stores the states of documents, so that few updates have to be applied when one is opened. The state is built from what the
//! database has, on a thread for such work, and never from the document that is in use: nothing waits for it.

use std::sync::Arc;

use actix::prelude::*;

use super::{Requester, Room, publish::By};
use crate::{
    actors::messages::{Origin, RoomChoice},
    core::{
        command::Receipt,
        event::{DocumentDurable, Durable},
    },
    error::{ErrorCode, Refusal},
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

impl Room {
    /// Stores a named version, and then the event that says so.
    pub(super) fn save_version(
        &mut self,
        by: By,
        name: Option<Arc<str>>,
        state: DocumentState,
        ctx: &mut Context<Self>,
    ) {
        let By { user, asker, client_message_id } = by;
        let (store, id, at) = (self.node.store.clone(), self.identity.id, self.node.clock.now());
        let (author, text) = (user.clone(), name.as_deref().map(str::to_owned));
        let added = async move { store.add_document_version(id, state, author, text, at).await };
        // while it is being stored the room must not retire
        self.in_flight += 1;
        ctx.spawn(added.into_actor(self).map(move |added, room, ctx| {
            room.in_flight = room.in_flight.saturating_sub(1);
            match added {
                Ok(version) => {
                    let (number, version) = (version.number, version.seq);
                    let what = DocumentDurable::DocumentSaved { by: user, name, number, version };
                    let origin = Origin { asker, room_choice: RoomChoice::Named, receipt: Receipt::Ack };
                    room.store(Durable::Document(what), client_message_id, origin, ctx);
                }
                Err(error) => room.version_not_saved(asker, &error, ctx),
            }
            room.rest(ctx);
        }));
    }

    fn version_not_saved(&mut self, asker: Requester, error: &StoreError, ctx: &mut Context<Self>) {
        let refusal = match error {
            StoreError::Taken(_) => Refusal::new(
                ErrorCode::Conflict,
                "The document has its maximum of named versions; no more can be saved",
            ),
            StoreError::Unavailable(_) => Refusal::unavailable(),
            StoreError::Missing | StoreError::Fault(_) => {
                log::error!("event=version_not_saved room={} why=\"{error}\"", self.identity.id);
                Refusal::internal()
            }
        };
        self.refuse_asker(asker, refusal, ctx);
    }
}

async fn save(store: &Store, room: RoomId) -> Result<Seq, StoreError> {
    let read = store.read_document(room).await?;
    let seq = read.last;
    let built = tokio::task::spawn_blocking(move || read.replica().state()).await;
    let update = built.map_err(|error| StoreError::Fault(format!("a document can't be encoded: {error}")))?;
    store.store_document_state(room, DocumentState { seq, update }).await?;
    Ok(seq)
}
