//! What REST asks of a document session, and rights that change while a document is open. A right that was lost must count
//! at once: what is queued of such a user is refused, and what the user shows of itself ends.

use super::{
    Answer, Author, Document, DocumentRole, Effect, Place, RoomView,
    json::{ANOTHER_ROOT, READ_ONLY, TOO_LARGE, new_client},
};
use crate::{
    actors::{bridge::KindMessage, messages::RoomChoice, outbox::Bound},
    core::{
        command::DocumentCommand,
        event::{DocumentDurable, DocumentEphemeral, DocumentReply, Durable, Ephemeral},
    },
    dialects::options::Form,
    disconnect::Disconnect,
    error::{ErrorCode, Refusal},
    ids::UserId,
};

impl Document {
    /// Executes a command of a route, which has checked the user's right.
    pub(super) fn run_for_route(
        &mut self,
        command: DocumentCommand,
        user: &Author,
        room: &RoomView<'_>,
    ) -> (Answer, Vec<Effect>) {
        match command {
            DocumentCommand::Describe => {
                let participants = self.participants(room);
                let session = DocumentEphemeral::Session { version: self.version, participants };
                (Answer::Report(Box::new(Ephemeral::Document(session))), Vec::new())
            }
            DocumentCommand::ReadRights => {
                (Answer::Done, vec![Effect::ReadRights, Effect::Publish(KindMessage::RightsChanged)])
            }
            DocumentCommand::Restore { state } => (self.restore(&state, user, room), Vec::new()),
            DocumentCommand::TellSaved { name, number, version } => {
                let what = DocumentDurable::DocumentSaved { by: user.clone(), name, number, version };
                (Answer::Store(Box::new(Durable::Document(what)), RoomChoice::Named), Vec::new())
            }
            DocumentCommand::At { .. }
            | DocumentCommand::Synchronise { .. }
            | DocumentCommand::Update { .. }
            | DocumentCommand::ShowAwareness { .. }
            | DocumentCommand::QueryAwareness
            | DocumentCommand::Edit { .. }
            | DocumentCommand::Point { .. }
            | DocumentCommand::Save { .. } => (Answer::Unknown, Vec::new()),
        }
    }

    fn restore(&mut self, state: &[u8], user: &Author, room: &RoomView<'_>) -> Answer {
        if self.replica.has_another_root() {
            return Answer::Refuse(Refusal::new(ErrorCode::Conflict, ANOTHER_ROOT));
        }
        match self.replica.restore(state, new_client(room)) {
            Ok(None) => Answer::Done,
            Ok(Some(update)) if self.has_room_for(&update) => {
                self.in_flight += 1;
                let what = DocumentDurable::updated(user.clone(), update.into());
                Answer::Store(Box::new(Durable::Document(what)), RoomChoice::Named)
            }
            Ok(Some(_)) => Answer::Refuse(Refusal::new(ErrorCode::MessageTooLong, TOO_LARGE)),
            Err(_) => Answer::Refuse(Refusal::internal()),
        }
    }

    /// The role of a user was read again.
    pub(super) fn set_role(&mut self, user: &UserId, role: DocumentRole, room: &RoomView<'_>) -> Vec<Effect> {
        let (mut told, mut closed, mut silenced) = (Vec::new(), Vec::new(), Vec::new());
        for (conn, editor) in self.editors.iter_mut().filter(|(_, editor)| editor.user == *user && editor.role != role)
        {
            let lost_edits = editor.role.edits() && !role.edits();
            editor.role = role;
            match (editor.form, editor.bound) {
                // what it has typed since will never be stored: it must know before its user goes on
                (Form::Binary, Bound::ToRoom) if lost_edits => {
                    told.push((*conn, DocumentReply::Denied { sentence: READ_ONLY.into() }));
                    closed.push(*conn);
                }
                (Form::Binary, _) => told.push((*conn, DocumentReply::RoleChanged { role })),
                (Form::Json, _) => {}
            }
            if role < DocumentRole::Commenter {
                silenced.push(*conn);
            }
        }
        let mut effects: Vec<Effect> = told.into_iter().map(|(conn, reply)| self.reply(conn, reply)).collect();
        effects.extend(closed.into_iter().map(|conn| Effect::Close { conn, why: Disconnect::Revoked }));
        for conn in silenced {
            let gone = self.awareness.end(Place::Here(conn), room.now);
            effects.extend(self.tell(user, gone, room));
        }
        effects
    }
}
