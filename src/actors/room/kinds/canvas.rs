//! Canvases. Besides their log they have state: the status of each user, and who edits which tile. Changes of tiles are decided
//! where they are stored.

use std::collections::HashMap;

use super::super::{
    kind::{Answer, Effect, RoomKind, RoomView, Timer},
    publish::By,
};
use crate::{
    actors::{
        bridge::{ClusterMode, KindMessage},
        messages::{Join, RoomChoice},
        outbox::ConnKey,
    },
    core::{
        canvas::{CanvasSize, Editing, Held, Tile, TileEdit, TileLocks, TilePlace},
        command::{CanvasCommand, Command},
        event::{
            Audience, CanvasDurable, CanvasEphemeral, CanvasReply, CanvasUser, Conflicting, Durable, Ephemeral,
            PresenceEphemeral, Reply,
        },
        presence::UserStatus,
        profile::Author,
    },
    error::{ErrorCode, Refusal},
    ids::{CanvasId, NodeId, Timestamp, UserId},
    limits,
};

/// The next look for locks that were not renewed.
const LOCKS: Timer = Timer(0);

/// A canvas.
pub(in crate::actors::room) struct Canvas {
    id: CanvasId,
    size: CanvasSize,
    locks: TileLocks<ConnKey>,
    statuses: HashMap<UserId, UserStatus>,
    looking: Looking,
}

/// Whether the timer runs that looks for locks that were not renewed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looking {
    No,
    Yes,
}

impl Canvas {
    /// An empty canvas of that size.
    pub fn new(id: CanvasId, size: CanvasSize) -> Canvas {
        Canvas { id, size, locks: TileLocks::default(), statuses: HashMap::new(), looking: Looking::No }
    }

    fn status_of(&self, user: &UserId) -> UserStatus {
        self.statuses.get(user).cloned().unwrap_or_default()
    }

    /// Sends to the others on this node.
    fn shown(&self, edit: &TileEdit) -> Effect {
        let TileEdit { user, at, editing, .. } = edit.clone();
        let (status, audience) = (self.status_of(&user.id).status, Audience::EveryoneBut(user.id.clone()));
        let what = Ephemeral::Canvas(CanvasEphemeral::TileEditing { user, status, at, editing });
        Effect::AnnounceLocal { what, audience }
    }

    /// Sends to the others on all nodes.
    fn announced(&self, edits: Vec<TileEdit>, room: &RoomView<'_>) -> Vec<Effect> {
        let mut effects: Vec<Effect> = edits.iter().map(|edit| self.shown(edit)).collect();
        if !edits.is_empty() && room.cluster_mode == ClusterMode::MultiNode {
            effects.push(Effect::PublishMembers);
            effects.push(Effect::Publish(KindMessage::TileEditing(edits)));
        }
        effects
    }

    fn look(&mut self) -> Option<Effect> {
        if self.looking == Looking::Yes || self.locks.is_empty() {
            return None;
        }
        self.looking = Looking::Yes;
        Some(Effect::Wake { timer: LOCKS, after: limits::TYPING_LOOK })
    }

    fn edit(&mut self, at: TilePlace, editing: Editing, by: &By, room: &RoomView<'_>) -> (Answer, Vec<Effect>) {
        let Some(conn) = by.conn() else { return (Answer::Unknown, Vec::new()) };
        if !self.size.contains(at) {
            return (Answer::Refuse(outside(self.size)), Vec::new());
        }
        match editing {
            Editing::Started => match self.locks.take(at, &by.user, conn, room.now) {
                Ok((edit, mut edits)) => {
                    edits.push(edit);
                    let mut effects = self.announced(edits, room);
                    effects.extend(self.look());
                    (Answer::Done, effects)
                }
                Err(Held { holder }) => {
                    let sentence = "Another user edits this tile; wait until the lock ends, or choose another tile";
                    let refusal = Refusal::new(ErrorCode::Conflict, sentence);
                    (Answer::Conflict(refusal, Box::new(Conflicting::Lock { holder, at })), Vec::new())
                }
            },
            Editing::Stopped => {
                let released = self.locks.release(at, &by.user.id);
                (Answer::Done, self.announced(released.into_iter().collect(), room))
            }
        }
    }

    fn run(&mut self, command: CanvasCommand, by: &By, room: &RoomView<'_>) -> (Answer, Vec<Effect>) {
        let user = by.user.clone();
        let what = match command {
            CanvasCommand::EditTile { at, editing } => return self.edit(at, editing, by, room),
            CanvasCommand::Highlight(highlight) => {
                if !self.size.contains(highlight.at) {
                    return (Answer::Refuse(outside(self.size)), Vec::new());
                }
                let audience = Audience::EveryoneBut(user.id.clone());
                let what = Ephemeral::Canvas(CanvasEphemeral::Highlighted { user, highlight });
                return (Answer::Done, vec![Effect::Announce { what, audience }]);
            }
            CanvasCommand::CreateTile { at, content } => {
                let tile = Tile::new(at, content, user.number().unwrap_or_default());
                CanvasDurable::TileCreated { tile, by: user }
            }
            CanvasCommand::UpdateTile { tile, content, seen } => {
                CanvasDurable::TileUpdated { tile: Tile::named(tile, content, seen), by: user }
            }
            CanvasCommand::DeleteTile { tile, seen } => {
                CanvasDurable::TileDeleted { tile: Tile::named(tile, "".into(), seen), by: user }
            }
            CanvasCommand::LikeTile { tile, change } => {
                CanvasDurable::TileLiked { tile: Tile::named(tile, "".into(), 0), by: user, change }
            }
            CanvasCommand::CommentTile { tile, text } => {
                CanvasDurable::TileCommented { tile: Tile::named(tile, "".into(), 0), by: user, text }
            }
            CanvasCommand::DeleteComment { tile, comment } => {
                CanvasDurable::TileCommentDeleted { tile: Tile::named(tile, "".into(), 0), by: user, comment }
            }
            CanvasCommand::Act { activity, data } => CanvasDurable::Acted { by: user, activity, data },
        };
        (Answer::Store(Box::new(Durable::Canvas(what)), RoomChoice::Named), Vec::new())
    }
}

fn outside(size: CanvasSize) -> Refusal {
    let (width, height) = (size.width - 1, size.height - 1);
    let sentence = format!("The place is outside of the canvas: x must be from 0 to {width} and y from 0 to {height}");
    Refusal::new(ErrorCode::InvalidMessage, sentence)
}

impl RoomKind for Canvas {
    fn command(&mut self, command: Command, by: &By, room: &RoomView<'_>) -> (Answer, Vec<Effect>) {
        match command {
            Command::Canvas(command) => self.run(command, by, room),
            Command::Ping
            | Command::AuthRefresh { .. }
            | Command::Room(_)
            | Command::Chat(_)
            | Command::Call(_)
            | Command::Presence(_)
            | Command::Sheet(_)
            | Command::Assistant(_)
            | Command::Notices(_)
            | Command::Document(_)
            | Command::Space(_)
            | Command::Invites(_)
            | Command::Upload(_) => (Answer::Unknown, Vec::new()),
        }
    }

    fn joined(&mut self, join: &Join, _: Timestamp) {
        let status = self.statuses.entry(join.user.id.clone()).or_default();
        status.status = join.status;
    }

    fn left(&mut self, user: &UserId) {
        self.statuses.remove(user);
        self.locks.forget(user);
    }

    fn socket_left(&mut self, conn: ConnKey, room: &RoomView<'_>) -> Vec<Effect> {
        let ended = self.locks.socket_left(conn);
        self.announced(ended, room)
    }

    fn received(&mut self, _from: NodeId, message: KindMessage, room: &RoomView<'_>) -> Vec<Effect> {
        let edits = match message {
            KindMessage::TileEditing(edits) => edits,
            KindMessage::Cursors(_)
            | KindMessage::Presence(_)
            | KindMessage::Awareness(_)
            | KindMessage::Colours(_)
            | KindMessage::Moves(_)
            | KindMessage::SettingsChanged
            | KindMessage::RightsChanged => return Vec::new(),
        };
        let mut effects = Vec::new();
        for edit in edits {
            let (counts, ended) = self.locks.learn(&edit, room.now);
            // the lock here was younger: it has ended for the members on all nodes
            effects.extend(self.announced(ended.into_iter().collect(), room));
            if counts {
                effects.push(self.shown(&edit));
            }
        }
        effects.extend(self.look());
        effects
    }

    fn ephemeral_received(&mut self, what: &Ephemeral, _: Timestamp) {
        if let Ephemeral::Presence(PresenceEphemeral::StatusChanged { user, status, details }) = what {
            self.statuses.insert(user.id.clone(), UserStatus { status: *status, details: details.clone() });
        }
    }

    fn status_set(&mut self, user: &UserId, status: &UserStatus, _: Timestamp) -> Option<Audience> {
        self.statuses.insert(user.clone(), status.clone());
        Some(Audience::EveryoneBut(user.clone()))
    }

    fn woken(&mut self, _: Timer, room: &RoomView<'_>) -> Vec<Effect> {
        self.looking = Looking::No;
        let (here, elsewhere) = self.locks.expire(room.now);
        let mut effects = self.announced(here, room);
        effects.extend(elsewhere.iter().map(|edit| self.shown(edit)));
        effects.extend(self.look());
        effects
    }

    fn opening(&self, join: &Join, room: &RoomView<'_>) -> Vec<Reply> {
        let total = room.core.users();
        let joined = CanvasReply::Joined {
            canvas: self.id,
            user: join.user.clone(),
            connection: join.connection.clone(),
            users: total,
            seq: room.core.head(),
            epoch: room.core.epoch(),
        };
        let listed = room.core.online().take(limits::ONLINE_USERS_LISTED_MAX);
        let shown = |user: &Author| CanvasUser {
            user: user.clone(),
            status: self.status_of(&user.id),
            editing: self.locks.of(&user.id),
        };
        let users = CanvasReply::Users { canvas: self.id, users: listed.map(shown).collect(), total };
        [joined, users].map(|reply| Reply::Canvas(Box::new(reply))).into()
    }

    fn messages_about(&self, members: &mut dyn Iterator<Item = &Author>, _: Timestamp) -> Vec<KindMessage> {
        let held = self.locks.held_here(members);
        if held.is_empty() { Vec::new() } else { vec![KindMessage::TileEditing(held)] }
    }
}
