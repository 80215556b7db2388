//! Editors that exchange binary updates, and what they show of themselves.

use super::{
    Answer, Arc, Author, ConnKey, Document, DocumentRole, Effect, Owner, Place, Reply, RoomView, SWEEP, Sweep,
    announced,
};
use crate::{
    actors::{
        bridge::{ClientsOf, ClusterMode, KindMessage},
        messages::RoomChoice,
    },
    core::{
        command::{Exchange, Tag},
        document::{BadUpdate, ClientState, Sent},
        event::{DocumentDurable, DocumentEphemeral, DocumentReply, Durable},
    },
    disconnect::Disconnect,
    ids::UserId,
    limits,
};

impl Document {
    /// Sends what a client lacks, and asks for what is lacking here if the client expects that.
    pub(super) fn synchronise(&self, conn: ConnKey, state_vector: &[u8], exchange: Exchange) -> Vec<Effect> {
        let Ok(update) = self.replica.missing_since(state_vector) else {
            return vec![Effect::Close { conn, why: Disconnect::UnsupportedData }];
        };
        let mut effects = vec![self.reply(conn, DocumentReply::Lacking { update })];
        if exchange == Exchange::Mutual {
            effects.push(Effect::Reply { conn, reply: self.has() });
        }
        effects
    }

    /// Checks an update, and stores it.
    pub(super) fn update(
        &mut self,
        (conn, tag): (ConnKey, &Tag),
        by: &Author,
        update: Arc<[u8]>,
        sent: Sent,
    ) -> (Answer, Vec<Effect>) {
        if !self.role_of(conn).is_some_and(DocumentRole::edits) {
            // clients of readers send what they have, too
            let told = tag.wants_answer().then(|| self.reply(conn, DocumentReply::NotApplied));
            return (Answer::Kept, told.into_iter().collect());
        }
        let checked = self.replica.submit(&update, sent);
        let gaps = self.editors.get_mut(&conn).map_or(0, |editor| {
            editor.gaps = if checked == Err(BadUpdate::Missing) { editor.gaps + 1 } else { 0 };
            editor.gaps
        });
        let effect = match checked {
            Ok(()) if self.has_room_for(&update) => {
                self.in_flight += 1;
                let what = Durable::Document(DocumentDurable::updated(by.clone(), update));
                return (Answer::Store(Box::new(what), RoomChoice::Named), Vec::new());
            }
            Ok(()) => Effect::Close { conn, why: Disconnect::TooBig },
            Err(BadUpdate::Known) => return (Answer::Done, Vec::new()),
            Err(BadUpdate::Missing) if gaps <= limits::DOCUMENT_GAPS_IN_A_ROW_MAX => {
                Effect::Reply { conn, reply: self.has() }
            }
            Err(BadUpdate::Missing | BadUpdate::Malformed) => Effect::Close { conn, why: Disconnect::UnsupportedData },
        };
        // it is not stored, so it must not be acknowledged
        (Answer::Kept, vec![effect])
    }

    /// Says what is here, so that the client sends what is not.
    fn has(&self) -> Reply {
        self.told(DocumentReply::Has { state_vector: self.replica.state_vector() })
    }

    /// What an editor is sent first.
    pub(super) fn opening_of_yjs(&self, conn: ConnKey) -> Vec<Reply> {
        let role = self.role_of(conn).unwrap_or(DocumentRole::Viewer);
        let joined = self.told(DocumentReply::Joined { role, state_vector: self.replica.state_vector() });
        std::iter::once(joined).chain(self.shown()).collect()
    }

    /// What the clients show of themselves, for a socket that asks.
    pub(super) fn awareness_for(&self, conn: ConnKey) -> Vec<Effect> {
        self.shown().map(|reply| Effect::Reply { conn, reply }).collect()
    }

    /// What all editors show of themselves.
    fn shown(&self) -> impl Iterator<Item = Reply> {
        let (states, pointers) = (self.awareness.present(), self.shown_pointers());
        let states = (!states.is_empty()).then_some(DocumentReply::Awareness(states));
        let pointers = (!pointers.is_empty()).then_some(DocumentReply::Pointers(pointers));
        states.into_iter().chain(pointers).map(|reply| self.told(reply))
    }

    /// A client shows something of itself.
    pub(super) fn show(
        &mut self,
        conn: ConnKey,
        by: &Author,
        states: Vec<ClientState>,
        room: &RoomView<'_>,
    ) -> Vec<Effect> {
        if self.role_of(conn).is_none_or(|role| role < DocumentRole::Commenter) {
            return Vec::new();
        }
        let owner = Owner { at: Place::Here(conn), user: by.id.clone() };
        let changed = self.awareness.apply(&owner, states, room.now);
        let mut effects = self.show_cursors(&by.id, &changed, room);
        effects.extend(self.tell(&by.id, changed, room));
        if self.sweep == Sweep::Idle && !self.awareness.is_empty() {
            self.sweep = Sweep::Planned;
            effects.push(Effect::Wake { timer: SWEEP, after: limits::AWARENESS_SWEEP });
        }
        effects
    }

    /// Sends what clients here show of themselves to everybody, also to its sender, whose client waits for it.
    pub(super) fn tell(&self, user: &UserId, states: Vec<ClientState>, room: &RoomView<'_>) -> Vec<Effect> {
        if states.is_empty() {
            return Vec::new();
        }
        let mut effects = vec![announced(DocumentEphemeral::Awareness(states.clone().into()))];
        if room.cluster_mode == ClusterMode::MultiNode {
            effects.push(Effect::Publish(KindMessage::Awareness(vec![ClientsOf { user: user.clone(), states }])));
        }
        effects
    }

    /// Ends awareness that was not repeated. Every node finds that out by itself.
    pub(super) fn sweep_awareness(&mut self, room: &RoomView<'_>) -> Vec<Effect> {
        let gone = self.awareness.expire(room.now);
        let mut effects = gone_clients(gone);
        self.sweep = Sweep::Idle;
        if !self.awareness.is_empty() {
            self.sweep = Sweep::Planned;
            effects.push(Effect::Wake { timer: SWEEP, after: limits::AWARENESS_SWEEP });
        }
        effects
    }
}

/// Clients have gone, as every node finds out by itself.
pub(super) fn gone_clients(states: Vec<ClientState>) -> Vec<Effect> {
    if states.is_empty() { Vec::new() } else { vec![announced(DocumentEphemeral::Awareness(states.into()))] }
}
