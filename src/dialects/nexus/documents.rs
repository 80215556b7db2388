//! Makes the messages about documents. It must never look at anything but the event.

use super::{
    encode::{stamped, stored},
    wire::{
        FromServer, Stamped,
        documents::{
            AskedChanges, Changes, Colored, DocumentClosed, DocumentConflict, DocumentEdited, DocumentOpened,
            DocumentSaved, DocumentState, Participants, Pointed, Role,
        },
    },
};
use crate::{
    core::event::{DocumentDurable, DocumentEphemeral, DocumentReply, Event},
    dialects::{Stamp, output::Echo},
    ids::{EventId, Seq},
};

/// A stored event of a document.
pub fn durable<'a>(
    event: &'a Event,
    seq: Seq,
    id: EventId,
    what: &'a DocumentDurable,
    stamp: Stamp<'a>,
) -> Option<FromServer<'a>> {
    let document_id = event.room.scope.document()?;
    match what {
        DocumentDurable::DocumentUpdated { author, cursor, changes, .. } => {
            let changes = Changes(changes.get());
            if changes.0.is_empty() {
                return None; // it changes what these editors do not see
            }
            let edited = DocumentEdited {
                document_id,
                user: Some(author.into()),
                operation: changes.operation(),
                changes,
                version: seq,
                cursor_position: cursor.map(Into::into),
                ack: None,
                reference: None,
            };
            Some(FromServer::DocEdit(Stamped::new(id, event.at, edited)))
        }
        DocumentDurable::DocumentSaved { by, name, number, version } => {
            let (name, number, version) = (name.as_deref(), *number, *version);
            let saved = DocumentSaved { document_id, user: by.into(), name, number, version, seq };
            Some(FromServer::DocSave(stored(stamp, event.at, id, saved)))
        }
    }
}

/// An event that is not stored.
pub fn ephemeral<'a>(event: &'a Event, what: &'a DocumentEphemeral, stamp: Stamp<'_>) -> Option<FromServer<'a>> {
    let document_id = event.room.scope.document()?;
    let at = event.at;
    match what {
        // of editors that exchange binary updates
        DocumentEphemeral::Awareness(_) | DocumentEphemeral::Renewed { .. } => None,
        DocumentEphemeral::Session { .. } => None,
        DocumentEphemeral::Opened { user, colour } => {
            let opened = DocumentOpened { document_id, who: Some(Colored::new(user, *colour)), state: None };
            Some(FromServer::DocOpen(stamped(stamp, at, opened)))
        }
        DocumentEphemeral::Closed { user, .. } => {
            Some(FromServer::DocClose(stamped(stamp, at, DocumentClosed { document_id, user: user.into() })))
        }
        DocumentEphemeral::Pointed { pointing, is_cursor } => {
            let pointed = stamped(stamp, at, Pointed::new(document_id, pointing));
            Some(if *is_cursor { FromServer::DocCursor(pointed) } else { FromServer::DocSelection(pointed) })
        }
    }
}

/// What one editor is sent.
pub fn reply<'a>(told: &'a DocumentReply, stamp: Stamp<'_>) -> Option<FromServer<'a>> {
    match told {
        // of editors that exchange binary updates
        DocumentReply::Has { .. }
        | DocumentReply::Lacking { .. }
        | DocumentReply::Awareness(_)
        | DocumentReply::Pointers(_)
        | DocumentReply::Joined { .. }
        | DocumentReply::RoleChanged { .. }
        | DocumentReply::NotApplied
        | DocumentReply::Denied { .. } => None,
        DocumentReply::Opened(opened) => {
            let state = DocumentState {
                content: &opened.content,
                version: opened.version,
                participants: Participants(&opened.participants),
                role: Role(opened.role),
                reference: Echo::of(&opened.tag),
            };
            let opened = DocumentOpened { document_id: &opened.document, who: None, state: Some(state) };
            Some(FromServer::DocOpen(stamped(stamp, stamp.at, opened)))
        }
        DocumentReply::Applied { tag, document, version, changes } => {
            let edited = DocumentEdited {
                document_id: document,
                user: None,
                operation: Changes(changes).operation(),
                changes: Changes(changes),
                version: *version,
                cursor_position: None,
                ack: Some(true),
                reference: Echo::of(tag),
            };
            Some(FromServer::DocEdit(stamped(stamp, stamp.at, edited)))
        }
        DocumentReply::Conflict { tag, document, why, version, content, changes } => {
            let (reason, version, changes) = ((*why).into(), *version, AskedChanges(changes));
            let (document_id, reference) = (document, Echo::of(tag));
            let conflict = DocumentConflict { document_id, reason, version, content, changes, reference };
            Some(FromServer::DocConflict(stamped(stamp, stamp.at, conflict)))
        }
    }
}
