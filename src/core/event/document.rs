//! Events of collaborative documents.

use std::sync::{Arc, OnceLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::{Audience, Participant, Weight};
use crate::{
    core::{
        document::{Change, ClientState, Colour, Pointing, Position},
        profile::Author,
    },
    ids::Seq,
};

/// A stored event of a document. The serde form is that of the log: fields may be added but not renamed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DocumentDurable {
    /// The document has changed.
    DocumentUpdated {
        /// The user who changed it.
        author: Author,
        /// The update.
        update: UpdateBytes,
        /// Where the author's cursor is afterwards.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<Position>,
        /// What distinguishes the request from others, if it was not an update. Absent once it is stored.
        #[serde(skip)]
        request: Option<Arc<[u8]>>,
        /// What it changes in the text, by line and column. Each node finds that itself.
        #[serde(skip)]
        changes: Derived,
    },
    /// A version was kept under a name.
    DocumentSaved {
        /// The user who saved it.
        by: Author,
        /// The name, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Arc<str>>,
        /// The number of the version, counted from 1.
        number: i32,
        /// The last event that it contains.
        version: Seq,
    },
}

/// An update in the encoding of Yjs. In the log and between nodes it is Base64.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateBytes(pub Arc<[u8]>);

impl Serialize for UpdateBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for UpdateBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<UpdateBytes, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map(|bytes| UpdateBytes(bytes.into())).map_err(D::Error::custom)
    }
}

/// The changes of the text that a document finds when it applies an update, in the order of the log. Set before the event is
/// sent to anybody. No part of the event itself, so all are equal.
#[derive(Clone, Debug, Default)]
pub struct Derived(Arc<OnceLock<Arc<[Change]>>>);

impl Derived {
    /// Sets the changes, once.
    pub fn set(&self, changes: Vec<Change>) {
        // a second time would mean that an event was applied twice
        let _ = self.0.set(changes.into());
    }

    /// The changes. None were found if nobody on this node edits by line and column.
    pub fn get(&self) -> &[Change] {
        self.0.get().map_or(&[], |changes| changes)
    }
}

impl PartialEq for Derived {
    fn eq(&self, _: &Derived) -> bool {
        true
    }
}

impl DocumentDurable {
    /// The kinds in the log that belong to documents.
    pub(super) const KINDS: &[&str] = &["document_updated", "document_saved"];

    /// The change of a document by a user.
    pub fn updated(author: Author, update: Arc<[u8]>) -> DocumentDurable {
        let (update, changes) = (UpdateBytes(update), Derived::default());
        DocumentDurable::DocumentUpdated { author, update, cursor: None, request: None, changes }
    }

    /// The kind in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            DocumentDurable::DocumentUpdated { .. } => "document_updated",
            DocumentDurable::DocumentSaved { .. } => "document_saved",
        }
    }

    /// The user who caused it.
    pub const fn author(&self) -> &Author {
        match self {
            DocumentDurable::DocumentUpdated { author, .. } => author,
            DocumentDurable::DocumentSaved { by, .. } => by,
        }
    }

    /// The members who receive it.
    pub const fn audience(&self) -> Audience {
        match self {
            DocumentDurable::DocumentUpdated { .. } | DocumentDurable::DocumentSaved { .. } => Audience::Everyone,
        }
    }

    /// Passes the content to `feed`: see [`super::Durable::content`].
    pub fn content(&self, feed: &mut dyn FnMut(&[u8])) {
        match self {
            DocumentDurable::DocumentUpdated { request: Some(request), .. } => feed(request),
            DocumentDurable::DocumentUpdated { update, .. } => feed(&update.0),
            // the number is drawn anew each time
            DocumentDurable::DocumentSaved { name, .. } => feed(name.as_deref().unwrap_or_default().as_bytes()),
        }
    }

    /// What storing it costs.
    pub fn weight(&self) -> Weight {
        match self {
            DocumentDurable::DocumentUpdated { update, .. } => Weight { bytes: update.0.len(), rows: 0 },
            DocumentDurable::DocumentSaved { name, .. } => {
                Weight { bytes: name.as_ref().map_or(0, |name| name.len()), rows: 0 }
            }
        }
    }

    /// Whether it is queued for a participant without a socket.
    pub const fn is_queued_for_absent(&self) -> bool {
        match self {
            DocumentDurable::DocumentUpdated { .. } | DocumentDurable::DocumentSaved { .. } => false,
        }
    }
}

/// An event of a document that is not stored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentEphemeral {
    /// What clients show of themselves.
    Awareness(Arc<[ClientState]>),
    /// A user has opened the document.
    Opened {
        /// The user.
        user: Author,
        /// The user's colour.
        colour: Colour,
    },
    /// A user has closed the document.
    Closed {
        /// The user.
        user: Author,
        /// What Yjs editors are told, if they were shown the user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<ClientState>,
    },
    /// A user is at another place.
    Pointed {
        /// Where.
        pointing: Pointing,
        /// Whether the cursor was moved, or only the selection changed.
        is_cursor: bool,
    },
    /// Who has the document open, for a REST route. Never sent to sockets or nodes.
    Session {
        /// The version of the text.
        version: Seq,
        /// Everybody who has it open.
        participants: Vec<Participant>,
    },
    /// A user is still at the same place: for Yjs editors, which forget whoever is not repeated.
    Renewed {
        /// Where.
        pointing: Pointing,
    },
}
