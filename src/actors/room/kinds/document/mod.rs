//! Documents. A document session is a room whose kind keeps a replica of the document (`core/document`), to which it applies the
//! room's events in their order. It decides what may be stored, and by whom; nothing is shown to anybody before it is stored. What
//! editors show of themselves is never stored.

mod json;
mod pointers;
mod rights;
mod yjs;

use std::{collections::VecDeque, sync::Arc};

use rustc_hash::FxHashMap;

use self::{
    json::{Editing, QueuedEdit},
    yjs::gone_clients,
};
use super::super::{
    Requester,
    kind::{Answer, Effect, Loading, RoomKind, RoomView, Settled, Timer},
    publish::By,
};
use crate::{
    actors::{
        bridge::{ClientsOf, KindMessage},
        messages::Join,
        outbox::{Bound, ConnKey},
    },
    core::{
        command::{Command, DocumentCommand},
        document::{Awareness, Colours, DocumentRole, Owner, Pointing, Replica},
        event::{
            Audience, DocumentDurable, DocumentEphemeral, DocumentReply, Durable, Ephemeral, Event, EventBody, Reply,
        },
        profile::Author,
    },
    dialects::options::Form,
    disconnect::Disconnect,
    ids::{DocumentId, NodeId, RoomId, Seq, SocketId, Timestamp, UserId},
    limits,
    store::{Store, StoreError},
};

/// Looks for expired awareness.
const SWEEP: Timer = Timer(0);
/// Stops following the text by line and column if nobody edits in this way.
const UNFOLLOW: Timer = Timer(1);
/// Repeats where users are, for Yjs editors.
const RENEW: Timer = Timer(2);

/// A document.
pub(in crate::actors::room) struct Document {
    id: DocumentId,
    replica: Replica,
    /// The last event that the replica contains.
    version: Seq,
    awareness: Awareness<Place>,
    colours: Colours,
    /// Where users who edit by line and column are.
    pointers: FxHashMap<UserId, Pointing>,
    /// The sockets that have opened it here.
    editors: FxHashMap<ConnKey, Editor>,
    /// The edit by line and column that is being stored. The next one begins from what is stored.
    editing: Option<Editing>,
    queue: VecDeque<QueuedEdit>,
    /// Events of this node that the journal has not settled.
    in_flight: usize,
    /// About how large it is, encoded.
    bytes: usize,
    /// What has been stored since its last stored state.
    unsaved: Unsaved,
    sweep: Sweep,
    /// Whether the timer runs that repeats pointers.
    renews: bool,
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
    form: Form,
    /// Whether its socket is for this document alone.
    bound: Bound,
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
    pub fn new(id: DocumentId) -> Document {
        Document {
            id,
            replica: Replica::default(),
            version: Seq::default(),
            awareness: Awareness::default(),
            colours: Colours::default(),
            pointers: FxHashMap::default(),
            editors: FxHashMap::default(),
            editing: None,
            queue: VecDeque::new(),
            in_flight: 0,
            bytes: 0,
            unsaved: Unsaved::default(),
            sweep: Sweep::default(),
            renews: false,
        }
    }

    /// What a socket may do; nothing if it has not opened the document.
    fn role_of(&self, conn: ConnKey) -> Option<DocumentRole> {
        self.editors.get(&conn).map(|editor| editor.role)
    }

    /// A reply about this document.
    fn told(&self, reply: DocumentReply) -> Reply {
        Reply::Document(self.id.clone(), Box::new(reply))
    }

    fn reply(&self, conn: ConnKey, reply: DocumentReply) -> Effect {
        Effect::Reply { conn, reply: self.told(reply) }
    }

    /// The form of a socket's messages.
    fn form_of(&self, conn: ConnKey) -> Option<Form> {
        self.editors.get(&conn).map(|editor| editor.form)
    }

    /// Whether a user has it open here by line and column.
    fn has_json_editors(&self) -> bool {
        self.editors.values().any(|editor| editor.form == Form::Json)
    }

    /// Whether an update of that size fits. Updates are longer than what is left of them, so the size is computed anew first.
    fn has_room_for(&mut self, update: &[u8]) -> bool {
        if self.bytes + update.len() > limits::DOCUMENT_BYTES_MAX {
            self.bytes = self.replica.state().len();
        }
        self.bytes + update.len() <= limits::DOCUMENT_BYTES_MAX
    }

    fn save_if_due(&mut self) -> Vec<Effect> {
        let is_due = self.unsaved.events >= limits::DOCUMENT_COMPACT_EVENTS
            || self.unsaved.bytes >= limits::DOCUMENT_COMPACT_BYTES;
        if self.unsaved.is_saving || !is_due {
            return Vec::new();
        }
        self.unsaved.is_saving = true;
        vec![Effect::SaveDocument]
    }
}

fn announced(what: DocumentEphemeral) -> Effect {
    Effect::AnnounceLocal { what: Ephemeral::Document(what), audience: Audience::Everyone }
}

impl RoomKind for Document {
    /// Reads the last stored state and all updates after it.
    fn load<'a>(&'a mut self, store: &'a Store, room: RoomId, _: Timestamp) -> Loading<'a> {
        Box::pin(async move {
            let read = store.read_document(room).await?;
            self.version = read.last;
            self.bytes = read.bytes();
            let events = i64::try_from(read.update_count()).unwrap_or(i64::MAX);
            self.unsaved = Unsaved { events, bytes: read.update_bytes(), is_saving: false };
            let built = tokio::task::spawn_blocking(move || read.replica()).await;
            self.replica = built.map_err(|error| StoreError::Fault(format!("a document can't be built: {error}")))?;
            Ok(())
        })
    }

    fn command(&mut self, command: Command, by: &By, room: &RoomView<'_>) -> (Answer, Vec<Effect>) {
        let Command::Document(command) = command else { return (Answer::Unknown, Vec::new()) };
        let (conn, tag) = match &by.asker {
            Requester::Socket { conn, tag } => (*conn, tag),
            Requester::Route(_) => return self.run_for_route(command, &by.user, room),
        };
        match command {
            DocumentCommand::At { command, .. } => self.command(Command::Document(*command), by, room),
            DocumentCommand::Synchronise { state_vector, exchange } => {
                (Answer::Done, self.synchronise(conn, &state_vector, exchange))
            }
            DocumentCommand::Update { update, sent } => self.update((conn, tag), &by.user, update, sent),
            DocumentCommand::ShowAwareness { states } => (Answer::Done, self.show(conn, &by.user, states, room)),
            DocumentCommand::QueryAwareness => (Answer::Done, self.awareness_for(conn)),
            DocumentCommand::Edit { edit, cursor, op_id, .. } => {
                self.edit((conn, tag), by, op_id, (edit, cursor), room)
            }
            DocumentCommand::Point { pointer, .. } => self.point(conn, by, &pointer, room),
            DocumentCommand::Save { name, .. } => self.save((conn, tag), by, name),
            // no dialect has them
            DocumentCommand::Describe
            | DocumentCommand::ReadRights
            | DocumentCommand::Restore { .. }
            | DocumentCommand::TellSaved { .. } => (Answer::Unknown, Vec::new()),
        }
    }

    fn joined(&mut self, join: &Join, _: Timestamp) {
        // a right that is not known is none
        let role = join.role.unwrap_or(DocumentRole::Viewer);
        self.colours.assign(&join.user.id);
        self.editors.insert(
            join.conn,
            Editor { user: join.user.id.clone(), role, form: join.form, bound: join.bound, gaps: 0 },
        );
        if join.form == Form::Json {
            self.replica.follow(self.version);
        }
    }

    fn left(&mut self, user: &UserId) {
        self.colours.forget(user);
        self.pointers.remove(user);
    }

    fn announcement_of_join(&mut self, user: &Author) -> Option<Ephemeral> {
        let colour = self.colours.assign(&user.id);
        Some(Ephemeral::Document(DocumentEphemeral::Opened { user: user.clone(), colour }))
    }

    fn announcement_of_leave(&mut self, user: &Author) -> Option<Ephemeral> {
        let client = self.pointers.get(&user.id).and_then(Pointing::gone);
        Some(Ephemeral::Document(DocumentEphemeral::Closed { user: user.clone(), client }))
    }

    fn audience(&self, what: &Durable, from: Option<SocketId>) -> Audience {
        let is_edit = matches!(what, Durable::Document(DocumentDurable::DocumentUpdated { .. }));
        match from.filter(|from| is_edit && self.form_of(from.conn) == Some(Form::Json)) {
            // it is answered with the changes as they were applied
            Some(from) => Audience::ButSocket(from),
            None => what.audience(),
        }
    }

    fn socket_left(&mut self, conn: ConnKey, room: &RoomView<'_>) -> Vec<Effect> {
        let Some(editor) = self.editors.remove(&conn) else { return Vec::new() };
        let gone = self.awareness.end(Place::Here(conn), room.now);
        let mut effects = self.tell(&editor.user, gone, room);
        effects.extend(self.hide(&editor.user));
        if self.replica.is_followed() && !self.has_json_editors() {
            effects.push(Effect::Wake { timer: UNFOLLOW, after: limits::DOCUMENT_FOLLOWED_AFTERWARDS });
        }
        effects
    }

    fn node_gone(&mut self, node: NodeId, room: &RoomView<'_>) -> Vec<Effect> {
        gone_clients(self.awareness.end(Place::There(node), room.now))
    }

    fn settled(&mut self, what: &Durable, outcome: Settled, room: &RoomView<'_>) -> Vec<Effect> {
        let Durable::Document(DocumentDurable::DocumentUpdated { update, .. }) = what else { return Vec::new() };
        self.in_flight = self.in_flight.saturating_sub(1);
        let mut effects = self.edit_settled(&update.0, outcome, room);
        match outcome {
            Settled::Stored | Settled::Repeated(_) => {
                if self.in_flight == 0 {
                    self.replica.forget_submitted();
                }
                effects.extend(self.save_if_due());
            }
            Settled::NotStored => {
                // What was sent after it may build on it. Yjs editors send again what is missing when they reconnect.
                self.replica.forget_submitted();
                let closed =
                    self.editors.iter().filter(|(_, editor)| editor.form == Form::Binary && editor.role.edits());
                effects.extend(closed.map(|(conn, _)| Effect::Close { conn: *conn, why: Disconnect::TryAgainLater }));
            }
        }
        effects
    }

    fn published(&mut self, event: &Event) {
        let EventBody::Durable { seq, what, .. } = &event.body else { return };
        if *seq <= self.version {
            return; // it was read from the log when the document was loaded
        }
        self.version = *seq;
        match what {
            Durable::Document(DocumentDurable::DocumentUpdated { update, changes, .. }) => {
                self.bytes += update.0.len();
                self.unsaved.bytes += update.0.len();
                changes.set(self.replica.apply(&update.0, *seq));
            }
            Durable::Document(DocumentDurable::DocumentSaved { .. })
            | Durable::Chat(_)
            | Durable::Sheet(_)
            | Durable::Canvas(_)
            | Durable::Space(_) => {
                self.replica.advance(*seq);
            }
        }
        self.unsaved.events += 1;
    }

    fn delivered(&mut self, event: &Event, room: &RoomView<'_>) -> Vec<Effect> {
        self.edit_delivered(event, room)
    }

    fn has_roles(&self) -> bool {
        true
    }

    fn role_read(&mut self, user: &UserId, role: Option<DocumentRole>, room: &RoomView<'_>) -> Vec<Effect> {
        match role {
            Some(role) => self.set_role(user, role, room),
            None => {
                self.queue.retain(|queued| queued.user.id != *user);
                Vec::new()
            }
        }
    }

    fn document_saved(&mut self, saved: Option<i64>) {
        self.unsaved.is_saving = false;
        if let Some(later_events) = saved {
            self.unsaved = Unsaved { events: later_events, bytes: 0, is_saving: false };
        }
    }

    fn ephemeral_received(&mut self, what: &Ephemeral, _: Timestamp) {
        if let Ephemeral::Document(what) = what {
            self.learn_pointer(what);
        }
    }

    fn received(&mut self, from: NodeId, message: KindMessage, room: &RoomView<'_>) -> Vec<Effect> {
        match message {
            KindMessage::Awareness(clients) => {
                let (mut changed, mut effects) = (Vec::new(), Vec::new());
                for ClientsOf { user, states } in clients {
                    let owner = Owner { at: Place::There(from), user };
                    let news = self.awareness.learn(&owner, states, room.now);
                    effects.extend(self.show_cursors(&owner.user, &news, room));
                    changed.extend(news);
                }
                effects.extend(gone_clients(changed));
                effects
            }
            KindMessage::RightsChanged => vec![Effect::ReadRights],
            KindMessage::Colours(colours) => {
                colours.iter().for_each(|(user, colour)| self.colours.learn(user, *colour));
                Vec::new()
            }
            KindMessage::Cursors(_)
            | KindMessage::Presence(_)
            | KindMessage::TileEditing(_)
            | KindMessage::SettingsChanged
            | KindMessage::Moves(_) => Vec::new(),
        }
    }

    fn woken(&mut self, timer: Timer, room: &RoomView<'_>) -> Vec<Effect> {
        if timer == RENEW {
            return self.renew_pointers();
        }
        if timer == UNFOLLOW {
            if !self.has_json_editors() {
                self.replica.unfollow();
            }
            return Vec::new();
        }
        self.sweep_awareness(room)
    }

    fn opening(&self, join: &Join, room: &RoomView<'_>) -> Vec<Reply> {
        match join.form {
            Form::Binary => self.opening_of_yjs(join.conn),
            Form::Json => vec![self.opened(join, room)],
        }
    }

    fn messages_about(&self, members: &mut dyn Iterator<Item = &Author>, _: Timestamp) -> Vec<KindMessage> {
        let (mut clients, mut colours) = (Vec::new(), Vec::new());
        for member in members {
            colours.extend(self.colours.of(&member.id).map(|colour| (member.id.clone(), colour)));
            let sockets = self.editors.iter().filter(|(_, editor)| editor.user == member.id);
            let states: Vec<_> = sockets.flat_map(|(conn, _)| self.awareness.sent_by(Place::Here(*conn))).collect();
            if !states.is_empty() {
                clients.push(ClientsOf { user: member.id.clone(), states });
            }
        }
        let mut messages = Vec::new();
        if !colours.is_empty() {
            messages.push(KindMessage::Colours(colours));
        }
        if !clients.is_empty() {
            messages.push(KindMessage::Awareness(clients));
        }
        messages
    }
}
