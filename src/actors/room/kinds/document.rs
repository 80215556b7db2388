//! Documents. A document session is a room whose kind keeps a replica of the document (`core/document`), to which it applies the
//! room's events in their order. It decides what may be stored, and by whom; nothing is shown to anybody before it is stored. What
//! editors show of themselves is never stored.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::super::{
    Requester,
    kind::{Answer, Effect, Loading, RoomKind, RoomView, Settled, Timer},
    publish::By,
};
use crate::{
    actors::{
        bridge::{ClientsOf, ClusterMode, KindMessage},
        messages::{Join, RoomChoice},
        outbox::ConnKey,
    },
    core::{
        command::{Command, DocumentCommand},
        document::{Awareness, BadUpdate, ClientState, DocumentRole, Owner, Replica, Sent},
        event::{
            Audience, DocumentDurable, DocumentEphemeral, DocumentReply, Durable, Ephemeral, Event, EventBody, Reply,
        },
        profile::Author,
    },
    disconnect::Disconnect,
    ids::{NodeId, RoomId, Seq, Timestamp, UserId},
    limits,
    store::{DocumentState, Store, StoreError},
};

/// Looks for expired awareness.
const SWEEP: Timer = Timer(0);

/// A document.
#[derive(Default)]
pub(in crate::actors::room) struct Document {
    replica: Replica,
    awareness: Awareness<Place>,
    /// The sockets that have opened it here.
    editors: FxHashMap<ConnKey, Editor>,
    /// Events of this node that the journal has not settled.
    in_flight: usize,
    /// About how large it is, encoded.
    bytes: usize,
    /// What has been stored since its last stored state.
    unsaved: Unsaved,
    sweep: Sweep,
}

/// Where a client of the document is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Place {
    /// A socket of this node.
    Here(ConnKey),
    /// Another node.
    There(NodeId),
}

struct Editor {
    user: UserId,
    role: DocumentRole,
    /// How often in a row it has sent an update that builds on a missing one.
    gaps: u32,
}

/// What has been stored since the last stored state.
#[derive(Clone, Copy, Default)]
struct Unsaved {
    events: i64,
    bytes: usize,
    /// Whether the state is being stored.
    is_saving: bool,
}

/// Whether expired awareness is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Sweep {
    #[default]
    Idle,
    Planned,
}

impl Document {
    /// What a socket may do; nothing if it has not opened the document.
    fn role_of(&self, conn: ConnKey) -> Option<DocumentRole> {
        self.editors.get(&conn).map(|editor| editor.role)
    }

    fn update(&mut self, conn: ConnKey, by: &Author, update: Arc<[u8]>, sent: Sent) -> (Answer, Vec<Effect>) {
        if !self.role_of(conn).is_some_and(DocumentRole::edits) {
            // clients of readers send what they have, too
            return (Answer::Done, Vec::new());
        }
        let checked = self.replica.submit(&update, sent);
        if let Some(editor) = self.editors.get_mut(&conn) {
            editor.gaps = if checked == Err(BadUpdate::Missing) { editor.gaps + 1 } else { 0 };
        }
        match checked {
            Ok(()) => self.store(conn, by, update),
            Err(BadUpdate::Known) => (Answer::Done, Vec::new()),
            Err(BadUpdate::Missing) => {
                let gaps = self.editors.get(&conn).map_or(0, |editor| editor.gaps);
                let effect = match gaps {
                    0..=limits::DOCUMENT_GAPS_IN_A_ROW_MAX => self.has(conn),
                    _more => Effect::Close { conn, why: Disconnect::UnsupportedData },
                };
                (Answer::Done, vec![effect])
            }
            Err(BadUpdate::Malformed) => (Answer::Done, vec![Effect::Close { conn, why: Disconnect::UnsupportedData }]),
        }
    }

    fn store(&mut self, conn: ConnKey, by: &Author, update: Arc<[u8]>) -> (Answer, Vec<Effect>) {
        if self.bytes + update.len() > limits::DOCUMENT_BYTES_MAX {
            // updates are longer than what is left of them
            self.bytes = self.replica.state().len();
            if self.bytes + update.len() > limits::DOCUMENT_BYTES_MAX {
                return (Answer::Done, vec![Effect::Close { conn, why: Disconnect::TooBig }]);
            }
        }
        self.in_flight += 1;
        let what = Durable::Document(DocumentDurable::updated(by.clone(), update));
        (Answer::Store(Box::new(what), RoomChoice::Named), Vec::new())
    }

    /// Says what is here, so that the client sends what is not.
    fn has(&self, conn: ConnKey) -> Effect {
        let state_vector = self.replica.state_vector();
        Effect::Reply { conn, reply: Reply::Document(Box::new(DocumentReply::Has { state_vector })) }
    }

    fn show(&mut self, conn: ConnKey, by: &Author, states: Vec<ClientState>, room: &RoomView<'_>) -> Vec<Effect> {
        if self.role_of(conn).is_none_or(|role| role < DocumentRole::Commenter) {
            return Vec::new();
        }
        let owner = Owner { at: Place::Here(conn), user: by.id.clone() };
        let changed = self.awareness.apply(&owner, states, room.now);
        let mut effects = self.tell(&by.id, changed, room);
        if self.sweep == Sweep::Idle && !self.awareness.is_empty() {
            self.sweep = Sweep::Planned;
            effects.push(Effect::Wake { timer: SWEEP, after: limits::AWARENESS_SWEEP });
        }
        effects
    }

    /// Sends what clients here show of themselves to everybody, also to its sender, whose client waits for it.
    fn tell(&self, user: &UserId, states: Vec<ClientState>, room: &RoomView<'_>) -> Vec<Effect> {
        if states.is_empty() {
            return Vec::new();
        }
        let mut effects = vec![announced(states.clone())];
        if room.cluster_mode == ClusterMode::MultiNode {
            effects.push(Effect::Publish(KindMessage::Awareness(vec![ClientsOf { user: user.clone(), states }])));
        }
        effects
    }
}

fn announced(states: Vec<ClientState>) -> Effect {
    let what = Ephemeral::Document(DocumentEphemeral::Awareness(states.into()));
    Effect::AnnounceLocal { what, audience: Audience::Everyone }
}

fn awareness_of(states: Vec<ClientState>) -> Option<Reply> {
    (!states.is_empty()).then(|| Reply::Document(Box::new(DocumentReply::Awareness(states))))
}

impl RoomKind for Document {
    /// Reads the last stored state and all updates after it.
    fn load<'a>(&'a mut self, store: &'a Store, room: RoomId, _: Timestamp) -> Loading<'a> {
        Box::pin(async move {
            let read = read_document(store, room).await?;
            (self.bytes, self.unsaved.events) = (read.bytes(), read.updates.len() as i64);
            self.unsaved.bytes = read.update_bytes();
            let built = tokio::task::spawn_blocking(move || read.replica()).await;
            self.replica = built.map_err(|error| StoreError::Fault(format!("a document can't be built: {error}")))?;
            Ok(())
        })
    }

    fn command(&mut self, command: Command, by: &By, room: &RoomView<'_>) -> (Answer, Vec<Effect>) {
        let (Command::Document(command), Requester::Socket { conn, .. }) = (command, &by.asker) else {
            return (Answer::Unknown, Vec::new());
        };
        let conn = *conn;
        match command {
            DocumentCommand::Synchronise { state_vector } => {
                let effect = match self.replica.missing_since(&state_vector) {
                    Ok(update) => {
                        let reply = Reply::Document(Box::new(DocumentReply::Lacking { update }));
                        Effect::Reply { conn, reply }
                    }
                    Err(_) => Effect::Close { conn, why: Disconnect::UnsupportedData },
                };
                (Answer::Done, vec![effect])
            }
            DocumentCommand::Update { update, sent } => self.update(conn, &by.user, update, sent),
            DocumentCommand::ShowAwareness { states } => (Answer::Done, self.show(conn, &by.user, states, room)),
            DocumentCommand::QueryAwareness => {
                let reply = awareness_of(self.awareness.present());
                (Answer::Done, reply.map(|reply| Effect::Reply { conn, reply }).into_iter().collect())
            }
        }
    }

    fn joined(&mut self, join: &Join, _: Timestamp) {
        // a right that is not known is none
        let role = join.role.unwrap_or(DocumentRole::Viewer);
        self.editors.insert(join.conn, Editor { user: join.user.id.clone(), role, gaps: 0 });
    }

    fn socket_left(&mut self, conn: ConnKey, room: &RoomView<'_>) -> Vec<Effect> {
        let Some(editor) = self.editors.remove(&conn) else { return Vec::new() };
        let gone = self.awareness.end(Place::Here(conn), room.now);
        self.tell(&editor.user, gone, room)
    }

    fn node_gone(&mut self, node: NodeId, room: &RoomView<'_>) -> Vec<Effect> {
        let gone = self.awareness.end(Place::There(node), room.now);
        if gone.is_empty() { Vec::new() } else { vec![announced(gone)] }
    }

    fn settled(&mut self, _: &Durable, outcome: Settled, _: &RoomView<'_>) -> Vec<Effect> {
        self.in_flight = self.in_flight.saturating_sub(1);
        match outcome {
            Settled::Stored => {
                if self.in_flight == 0 {
                    self.replica.forget_submitted();
                }
                if !self.unsaved.is_saving
                    && (self.unsaved.events >= limits::DOCUMENT_COMPACT_EVENTS
                        || self.unsaved.bytes >= limits::DOCUMENT_COMPACT_BYTES)
                {
                    self.unsaved.is_saving = true;
                    return vec![Effect::SaveDocument];
                }
                Vec::new()
            }
            Settled::NotStored => {
                // What was sent after it may build on it. Editors send again what is missing when they reconnect.
                self.replica.forget_submitted();
                let closed = self.editors.iter().filter(|(_, editor)| editor.role.edits());
                closed.map(|(conn, _)| Effect::Close { conn: *conn, why: Disconnect::TryAgainLater }).collect()
            }
        }
    }

    fn published(&mut self, event: &Event) {
        let EventBody::Durable { seq, what, .. } = &event.body else { return };
        match what {
            Durable::Document(DocumentDurable::DocumentUpdated { update, changes, .. }) => {
                self.bytes += update.0.len();
                self.unsaved.bytes += update.0.len();
                changes.set(self.replica.apply(&update.0, *seq));
            }
            Durable::Chat(_) | Durable::Sheet(_) | Durable::Canvas(_) => {
                self.replica.advance(*seq);
            }
        }
        self.unsaved.events += 1;
    }

    fn document_saved(&mut self, saved: Option<i64>) {
        self.unsaved.is_saving = false;
        if let Some(later_events) = saved {
            self.unsaved = Unsaved { events: later_events, bytes: 0, is_saving: false };
        }
    }

    fn received(&mut self, from: NodeId, message: KindMessage, room: &RoomView<'_>) -> Vec<Effect> {
        let KindMessage::Awareness(clients) = message else { return Vec::new() };
        let mut changed = Vec::new();
        for ClientsOf { user, states } in clients {
            let owner = Owner { at: Place::There(from), user };
            changed.extend(self.awareness.learn(&owner, states, room.now));
        }
        if changed.is_empty() { Vec::new() } else { vec![announced(changed)] }
    }

    fn woken(&mut self, _: Timer, room: &RoomView<'_>) -> Vec<Effect> {
        let gone = self.awareness.expire(room.now);
        let mut effects = Vec::new();
        if !gone.is_empty() {
            // every node finds out by itself
            effects.push(announced(gone));
        }
        self.sweep = Sweep::Idle;
        if !self.awareness.is_empty() {
            self.sweep = Sweep::Planned;
            effects.push(Effect::Wake { timer: SWEEP, after: limits::AWARENESS_SWEEP });
        }
        effects
    }

    fn opening(&self, _: &Join, _: &RoomView<'_>) -> Vec<Reply> {
        let has = DocumentReply::Has { state_vector: self.replica.state_vector() };
        let mut replies = vec![Reply::Document(Box::new(has))];
        replies.extend(awareness_of(self.awareness.present()));
        replies
    }

    fn messages_about(&self, members: &mut dyn Iterator<Item = &Author>, _: Timestamp) -> Vec<KindMessage> {
        let mut clients = Vec::new();
        for member in members {
            let sockets = self.editors.iter().filter(|(_, editor)| editor.user == member.id);
            let states: Vec<_> = sockets.flat_map(|(conn, _)| self.awareness.sent_by(Place::Here(*conn))).collect();
            if !states.is_empty() {
                clients.push(ClientsOf { user: member.id.clone(), states });
            }
        }
        if clients.is_empty() { Vec::new() } else { vec![KindMessage::Awareness(clients)] }
    }
}

/// A document as it was read.
pub(in crate::actors::room) struct StoredDocument {
    state: Option<DocumentState>,
    updates: Vec<Arc<[u8]>>,
    /// The last event that was read.
    pub last: Seq,
}

impl StoredDocument {
    fn update_bytes(&self) -> usize {
        self.updates.iter().map(|update| update.len()).sum()
    }

    fn bytes(&self) -> usize {
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

/// Reads the last stored state and the updates after it, again if a later state was stored in between.
pub(in crate::actors::room) async fn read_document(store: &Store, room: RoomId) -> Result<StoredDocument, StoreError> {
    loop {
        let state = store.document_state(room).await?;
        let after = state.as_ref().map_or(Seq::default(), |state| state.seq);
        let (mut updates, mut next, mut is_whole) = (Vec::new(), after.next(), true);
        let last = store
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
