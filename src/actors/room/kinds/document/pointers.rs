//! Where users are in the text. Editors by line and column send positions, Yjs editors send awareness; each kind is shown to
//! the other in its own form. A user whose cursor is known by line and column has a client id for Yjs editors.

use super::{Answer, By, ConnKey, Document, DocumentRole, Effect, RENEW, RoomView, json::new_client};
use crate::{
    core::{
        document::{AnchorRange, ClientState, Pointer, Pointing, Position, Range, ShownAs},
        event::{Audience, DocumentEphemeral, Ephemeral},
        profile::Author,
    },
    dialects::options::Form,
    ids::UserId,
    limits,
};

impl Document {
    /// An editor shows where its user is.
    pub(super) fn point(
        &mut self,
        conn: ConnKey,
        by: &By,
        pointer: &Pointer,
        room: &RoomView<'_>,
    ) -> (Answer, Vec<Effect>) {
        if self.role_of(conn).is_none_or(|role| role < DocumentRole::Commenter) {
            return (Answer::Done, Vec::new());
        }
        let pointing = self.pointing(&by.user, pointer, room);
        self.pointers.insert(by.user.id.clone(), pointing.clone());
        let what = Ephemeral::Document(DocumentEphemeral::Pointed { pointing, is_cursor: pointer.position.is_some() });
        let mut effects = vec![Effect::Announce { what, audience: Audience::EveryoneBut(by.user.id.clone()) }];
        effects.extend(self.plan_renewal());
        (Answer::Done, effects)
    }

    fn pointing(&self, user: &Author, pointer: &Pointer, room: &RoomView<'_>) -> Pointing {
        let carried = |position| self.replica.carry(pointer.base, position).unwrap_or(position);
        let known = self.pointers.get(&user.id);
        let position = pointer.position.map(carried);
        let position = position.or_else(|| Some(self.now(known?, known?.position?)));
        let selection = pointer.selection.map(|range| range.map(carried));
        let shown = known.and_then(|known| known.shown_as.as_deref());
        let (client, clock) = shown.map_or_else(|| (new_client(room), 1), |shown| (shown.client, shown.clock + 1));
        // a selection has its cursor at its end
        let ends = selection.map(|range| (range.start, range.end)).or(position.map(|at| (at, at)));
        let cursor = ends.and_then(|(from, to)| self.replica.anchors(from, to));
        Pointing {
            position,
            selection,
            colour: self.colours.of(&user.id).unwrap_or_default(),
            user: user.clone(),
            version: self.version,
            shown_as: Some(Box::new(ShownAs { client, clock, cursor })),
        }
    }

    /// Where a position of a pointer is in the current text.
    pub(super) fn now(&self, pointing: &Pointing, position: Position) -> Position {
        self.replica.carry(Some(pointing.version), position).unwrap_or(position)
    }

    fn plan_renewal(&mut self) -> Option<Effect> {
        let is_shown = self.pointers.values().any(|pointing| self.is_ours(pointing));
        if self.renews || !is_shown {
            return None;
        }
        self.renews = true;
        Some(Effect::Wake { timer: RENEW, after: limits::AWARENESS_RENEWAL })
    }

    /// Whether this node shows a user to Yjs editors.
    fn is_ours(&self, pointing: &Pointing) -> bool {
        pointing.shown_as.is_some() && self.has_json_socket(&pointing.user.id)
    }

    fn has_json_socket(&self, user: &UserId) -> bool {
        self.editors.values().any(|editor| editor.form == Form::Json && editor.user == *user)
    }

    /// Yjs editors forget whoever is not repeated: repeats those of this node.
    pub(super) fn renew_pointers(&mut self) -> Vec<Effect> {
        self.renews = false;
        let ours: Vec<UserId> =
            self.pointers.values().filter(|at| self.is_ours(at)).map(|at| at.user.id.clone()).collect();
        let mut effects = Vec::new();
        for user in ours {
            let Some(pointing) = self.pointers.get_mut(&user) else { continue };
            if let Some(shown) = &mut pointing.shown_as {
                shown.clock += 1;
            }
            let what = Ephemeral::Document(DocumentEphemeral::Renewed { pointing: pointing.clone() });
            effects.push(Effect::Announce { what, audience: Audience::Everyone });
        }
        effects.extend(self.plan_renewal());
        effects
    }

    /// A socket of an editor by line and column has left. Its user is gone for Yjs editors if it was the last one here.
    pub(super) fn hide(&mut self, user: &UserId) -> Option<Effect> {
        if self.has_json_socket(user) {
            return None;
        }
        let gone = self.pointers.get(user).and_then(Pointing::gone)?;
        self.pointers.remove(user);
        let what = Ephemeral::Document(DocumentEphemeral::Awareness([gone].into()));
        Some(Effect::Announce { what, audience: Audience::Everyone })
    }

    /// The room on another node has sent this about a pointer.
    pub(super) fn learn_pointer(&mut self, what: &DocumentEphemeral) {
        match what {
            DocumentEphemeral::Pointed { pointing, .. } | DocumentEphemeral::Renewed { pointing } => {
                self.pointers.insert(pointing.user.id.clone(), pointing.clone());
            }
            DocumentEphemeral::Awareness(states) => {
                let is_gone = |pointing: &Pointing| {
                    let shown = pointing.shown_as.as_deref();
                    shown.is_some_and(|shown| states.iter().any(|state| state.client == shown.client))
                };
                self.pointers.retain(|_, pointing| !is_gone(pointing));
            }
            DocumentEphemeral::Opened { .. } | DocumentEphemeral::Closed { .. } | DocumentEphemeral::Session { .. } => {
            }
        }
    }

    /// Shows to editors by line and column where clients of a user are who edits with Yjs.
    pub(super) fn show_cursors(&mut self, user: &UserId, states: &[ClientState], room: &RoomView<'_>) -> Vec<Effect> {
        if !self.replica.is_followed() || self.pointers.get(user).is_some_and(|known| known.shown_as.is_some()) {
            return Vec::new();
        }
        let mut effects = Vec::new();
        for state in states {
            let author = room.core.online().find(|author| author.id == *user);
            let pointing = author.zip(state.cursor).and_then(|(author, cursor)| self.pointing_of_yjs(author, &cursor));
            let Some(pointing) = pointing else {
                self.pointers.remove(user);
                continue;
            };
            if self.pointers.get(user) == Some(&pointing) {
                continue; // the client has only repeated it
            }
            self.pointers.insert(user.clone(), pointing.clone());
            let what = Ephemeral::Document(DocumentEphemeral::Pointed { pointing, is_cursor: true });
            effects.push(Effect::AnnounceLocal { what, audience: Audience::EveryoneBut(user.clone()) });
        }
        effects
    }

    /// Where a Yjs editor is, by line and column.
    pub(super) fn pointing_of_yjs(&self, user: &Author, cursor: &AnchorRange) -> Option<Pointing> {
        let (from, to) = self.replica.range(cursor)?;
        Some(Pointing {
            user: user.clone(),
            colour: self.colours.of(&user.id).unwrap_or_default(),
            position: Some(to),
            selection: (from != to).then(|| Range { start: from.min(to), end: from.max(to) }),
            version: self.version,
            shown_as: None,
        })
    }

    /// What Yjs editors are shown of those who edit by line and column.
    pub(super) fn shown_pointers(&self) -> Vec<Pointing> {
        self.pointers.values().filter(|pointing| pointing.shown_as.is_some()).cloned().collect()
    }
}
