//! Editors by line and column. Their edits become updates one after another: the next one is made when the one before it is stored
//! and applied, so that its places are those of a version that all nodes have.

use super::{
    Answer, Arc, Author, By, ConnKey, Document, DocumentRole, Effect, Pointing, Reply, Requester, RoomView, Settled,
};
use crate::{
    actors::messages::Join,
    core::{
        command::Tag,
        document::{Change, Conflict, Edit, Position},
        event::{DocumentDurable, DocumentOpened, DocumentReply, Durable, Event, EventBody, Participant, UpdateBytes},
    },
    error::{ErrorCode, Refusal},
    ids::{ClientMessageId, Seq},
    limits,
    store::DocumentState,
};

/// An edit that is being stored.
pub(super) struct Editing {
    conn: ConnKey,
    tag: Tag,
    update: Arc<[u8]>,
}

/// An edit that waits for the one before it.
pub(super) struct QueuedEdit {
    conn: ConnKey,
    tag: Tag,
    pub(super) user: Author,
    client_message_id: Option<ClientMessageId>,
    edit: Edit,
    cursor: Option<Position>,
}

/// Why a reader is refused.
pub(super) const READ_ONLY: &str = "You may not change this document; ask its owner to make you an editor";
/// Why a document of another kind of editor is refused.
pub(super) const ANOTHER_ROOT: &str =
    "The contents of this document are not in its text `content`; open it with the editor that wrote it, over /yjs";
/// Why an edit is refused that would make the document too large.
pub(super) const TOO_LARGE: &str = "The document has its maximum size; delete some of it first";

impl Document {
    /// An editor asks for an edit: it is made at once, or after those before it.
    pub(super) fn edit(
        &mut self,
        (conn, tag): (ConnKey, &Tag),
        by: &By,
        op_id: Option<ClientMessageId>,
        (edit, cursor): (Edit, Option<Position>),
        room: &RoomView<'_>,
    ) -> (Answer, Vec<Effect>) {
        if !self.role_of(conn).is_some_and(DocumentRole::edits) {
            return (Answer::Refuse(Refusal::new(ErrorCode::PermissionDenied, READ_ONLY)), Vec::new());
        }
        if self.queue.len() >= limits::DOCUMENT_EDITS_QUEUED_MAX {
            return (Answer::Refuse(Refusal::unavailable()), Vec::new());
        }
        let client_message_id = by.client_message_id.clone().or(op_id);
        let user = by.user.clone();
        self.queue.push_back(QueuedEdit { conn, tag: tag.clone(), user, client_message_id, edit, cursor });
        (Answer::Kept, self.next_edits(room))
    }

    /// Makes an edit of the text as it is stored.
    fn make(&mut self, queued: QueuedEdit, room: &RoomView<'_>) -> Vec<Effect> {
        let QueuedEdit { conn, tag, user, client_message_id, edit, cursor } = queued;
        let asker = Requester::Socket { conn, tag: tag.clone() };
        if self.role_of(conn).is_some_and(|role| !role.edits()) {
            return vec![Effect::Refuse { asker, refusal: Refusal::new(ErrorCode::PermissionDenied, READ_ONLY) }];
        }
        if self.replica.has_another_root() {
            return vec![Effect::Refuse { asker, refusal: Refusal::new(ErrorCode::Conflict, ANOTHER_ROOT) }];
        }
        let update: Arc<[u8]> = match self.replica.edit(&edit, new_client(room)) {
            Ok(Some(update)) => update.into(),
            Ok(None) => return vec![self.applied((conn, tag), self.version, Vec::new().into())],
            Err(why) => return vec![self.conflict(conn, tag, edit, why)],
        };
        if !self.has_room_for(&update) {
            self.replica.discard_draft();
            return vec![Effect::Refuse { asker, refusal: Refusal::new(ErrorCode::MessageTooLong, TOO_LARGE) }];
        }
        self.editing = Some(Editing { conn, tag, update: update.clone() });
        self.in_flight += 1;
        let what = DocumentDurable::DocumentUpdated {
            author: user,
            update: UpdateBytes(update),
            cursor,
            request: Some(edit.digest().into()),
            changes: Default::default(),
        };
        vec![Effect::Store { what: Box::new(Durable::Document(what)), client_message_id, asker }]
    }

    fn conflict(&self, conn: ConnKey, tag: Tag, edit: Edit, why: Conflict) -> Effect {
        let conflict = DocumentReply::Conflict {
            tag,
            document: self.id.clone(),
            why,
            version: self.version,
            content: self.replica.text(),
            changes: edit.changes,
        };
        self.reply(conn, conflict)
    }

    /// The stored edit has been applied here and sent to the others: its author is told where, and the next one is made.
    pub(super) fn edit_delivered(&mut self, event: &Event, room: &RoomView<'_>) -> Vec<Effect> {
        let EventBody::Durable { seq, what, .. } = &event.body else { return Vec::new() };
        let Durable::Document(DocumentDurable::DocumentUpdated { update, changes, .. }) = what else {
            return Vec::new();
        };
        let Some(Editing { conn, tag, .. }) = self.editing.take_if(|editing| editing.update == update.0) else {
            return Vec::new();
        };
        let mut effects = vec![self.applied((conn, tag), *seq, changes.get().into())];
        effects.extend(self.next_edits(room));
        effects
    }

    fn applied(&self, (conn, tag): (ConnKey, Tag), version: Seq, changes: Arc<[Change]>) -> Effect {
        let applied = DocumentReply::Applied { tag, document: self.id.clone(), version, changes };
        self.reply(conn, applied)
    }

    /// The journal has refused an edit, or has recognised it as one that is stored. Updates of Yjs editors are never recognised.
    pub(super) fn edit_settled(&mut self, update: &[u8], outcome: Settled, room: &RoomView<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        match outcome {
            // its author is answered when it is applied
            Settled::Stored => return Vec::new(),
            Settled::Repeated(seq) => {
                let Some(Editing { conn, tag, .. }) = self.editing.take() else { return Vec::new() };
                effects.push(self.applied((conn, tag), seq, Vec::new().into()));
            }
            // the room refuses it
            Settled::NotStored => {
                if self.editing.take_if(|editing| *editing.update == *update).is_none() {
                    return Vec::new();
                }
            }
        }
        // it contains an edit that was not stored in this form
        self.replica.discard_draft();
        effects.extend(self.next_edits(room));
        effects
    }

    /// Makes queued edits until one is being stored.
    fn next_edits(&mut self, room: &RoomView<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        while self.editing.is_none()
            && let Some(queued) = self.queue.pop_front()
        {
            effects.extend(self.make(queued, room));
        }
        effects
    }

    /// Keeps a named version.
    pub(super) fn save(
        &mut self,
        (conn, tag): (ConnKey, &Tag),
        by: &By,
        name: Option<Arc<str>>,
    ) -> (Answer, Vec<Effect>) {
        if !self.role_of(conn).is_some_and(DocumentRole::edits) {
            return (Answer::Refuse(Refusal::new(ErrorCode::PermissionDenied, READ_ONLY)), Vec::new());
        }
        let state = DocumentState { seq: self.version, update: self.replica.state() };
        let asker = Requester::Socket { conn, tag: tag.clone() };
        let (user, client_message_id) = (by.user.clone(), by.client_message_id.clone());
        (Answer::Kept, vec![Effect::SaveVersion { user, asker, client_message_id, name, state }])
    }

    /// What an editor is sent first.
    pub(super) fn opened(&self, join: &Join, room: &RoomView<'_>) -> Reply {
        let opened = DocumentOpened {
            tag: join.tag.clone(),
            document: self.id.clone(),
            content: self.replica.text(),
            version: self.version,
            participants: self.participants(room),
            role: self.role_of(join.conn).unwrap_or(DocumentRole::Viewer),
        };
        self.told(DocumentReply::Opened(opened))
    }
}

impl Document {
    /// Everybody who has it open, at most as many as are listed.
    pub(super) fn participants(&self, room: &RoomView<'_>) -> Vec<Participant> {
        let now = |pointing: &Pointing, position| self.now(pointing, position);
        let participants = room.core.online().map(|user| {
            let of_yjs = || self.pointing_of_yjs(user, &self.awareness.cursor_of(&user.id)?);
            let pointing = self.pointers.get(&user.id).cloned().or_else(of_yjs);
            let pointing = pointing.as_ref();
            Participant {
                user: user.clone(),
                colour: self.colours.of(&user.id).unwrap_or_default(),
                position: pointing.and_then(|at| Some(now(at, at.position?))),
                selection: pointing.and_then(|at| Some(at.selection?.map(|position| now(at, position)))),
            }
        });
        participants.take(limits::ONLINE_USERS_LISTED_MAX).collect()
    }
}

/// A client id that nobody has used. Yjs draws them from 32 bits.
pub(super) fn new_client(room: &RoomView<'_>) -> u64 {
    (room.random)() & u64::from(u32::MAX)
}
