//! The rooms of a session: the one that its address names, or those that it joins by name. Commands are sent to the
//! room itself; the registry must only be involved in joins and leaves.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;

use super::{
    Resyncing, Session,
    auto_join::{FirstFrame, JoinPurpose},
};
use crate::{
    actors::{
        access::IfMissing,
        messages::{
            Ask, HubMessage, Join, JoinRoom, Leave, Leaving, LeftRoom, RemovedFromRoom, Resume, Resync, ShutOut,
            UpdateStatus, WrongSheetRoom,
        },
        outbox::{Bound, CloseMode, ConnKey},
        retry::retry_unavailable,
        room::Room,
    },
    auth::policy::{Action, Denied, RoomPattern, Subject, may},
    core::{
        command::{Command, Request, RoomAddress, SheetCommand, Tag},
        document::DocumentRole,
        event::{Attachment, Reply, RoomIdentity},
        presence::{Status, StatusUpdate},
        profile::{Author, Role},
        sheet::Cell,
        space::SpaceRefused,
    },
    disconnect::Disconnect,
    error::{ErrorCode, Refusal},
    ids::{ClientMessageId, RoomId, RoomName, SheetId},
    limits,
    logged::logged,
    store::RoomRef,
};

/// The room to which a socket is bound by its address.
#[derive(Clone)]
pub struct BoundRoom {
    /// The room.
    pub room: Arc<RoomIdentity>,
    /// The position from which the client resumes, if it does.
    pub resume: Option<Resume>,
    /// What the user may do, if the room is a document.
    pub role: Option<DocumentRole>,
}

/// The rooms of one session.
pub(super) struct Rooms {
    bound: Option<Box<BoundRoom>>,
    /// In the order of joining.
    joined: Vec<Joined>,
    joining: Joining,
    /// The user as the members of these rooms see it.
    member: Author,
    /// The rooms of recently written sheets.
    homes: Vec<SheetRoom>,
    /// Existing rooms that were named without having been joined. Rooms do not cease to exist, so this stays true.
    seen: Vec<RoomName>,
}

/// The room of a sheet.
struct SheetRoom {
    sheet: SheetId,
    room: RoomName,
    basis: Basis,
}

/// Why a room is assumed to be the sheet's room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Basis {
    /// The store says so; this never changes.
    Stored,
    /// What seems to be the first write of the sheet was sent there, so later writes must follow it.
    Sent,
}

/// Whether a join is pending at the registry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Joining {
    No,
    Yes,
}

struct Joined {
    identity: Arc<RoomIdentity>,
    room: Addr<Room>,
    /// Whether this socket made the user a participant.
    takes_part: bool,
}

/// An update of cells on its way to the room of the sheet.
pub(super) struct CellsUpdate {
    pub tag: Tag,
    /// The id under which the client may repeat the update.
    pub client_message_id: Option<ClientMessageId>,
    pub sheet: SheetId,
    pub cells: Vec<Cell>,
}

impl CellsUpdate {
    /// The request to a room. `room` is the room if it is certain, and not guessed by the session.
    fn into_request(self, room: Option<RoomName>) -> Request {
        let CellsUpdate { tag, client_message_id, sheet, cells } = self;
        let command = Command::Sheet(SheetCommand::UpdateCells { sheet, room, cells });
        Request { tag, client_message_id, command }
    }
}

/// The number of sheets whose rooms a session remembers.
const HOMES_MAX: usize = 8;
/// The number of rooms it has not joined that a session remembers.
const SEEN_MAX: usize = 8;

impl Rooms {
    pub fn new(binding: Option<BoundRoom>, member: Author) -> Rooms {
        let bound = binding.map(Box::new);
        Rooms { bound, joined: Vec::new(), joining: Joining::No, member, homes: Vec::new(), seen: Vec::new() }
    }

    /// The room that the address names.
    pub fn bound(&self) -> Option<&RoomIdentity> {
        self.bound.as_ref().map(|binding| &*binding.room)
    }

    /// The direct conversation to which the socket is bound, unless it resumes: in that case the replay contains the
    /// missed messages.
    pub fn fresh_conversation(&self) -> Option<RoomId> {
        let binding = self.bound.as_ref().filter(|binding| binding.resume.is_none())?;
        binding.room.scope.is_direct().then_some(binding.room.id)
    }

    pub fn is_joining(&self) -> bool {
        self.joining == Joining::Yes
    }

    pub fn is_empty(&self) -> bool {
        self.joined.is_empty()
    }

    /// Leaves all rooms; those whose mailbox is full stay in the list.
    pub fn leave_all(&mut self, conn: ConnKey, leaving: Leaving) {
        let leave = || Leave { conn, leaving: leaving.clone() };
        self.joined.retain(|joined| matches!(joined.room.try_send(leave()), Err(SendError::Full(_))));
    }

    /// All joined rooms.
    pub fn all(&self) -> impl Iterator<Item = &Addr<Room>> {
        self.joined.iter().map(|joined| &joined.room)
    }

    /// The room with this address, or the one joined last.
    fn find(&self, address: Option<&RoomAddress>) -> Option<&Joined> {
        match address {
            None => self.joined.last(),
            Some(address) => self.joined.iter().find(|joined| address.means(&joined.identity, &self.member.id)),
        }
    }

    pub fn is_in(&self, address: &RoomAddress) -> bool {
        self.find(Some(address)).is_some()
    }

    /// Whether the socket has joined the room with this id.
    pub fn has_joined(&self, room: RoomId) -> bool {
        self.addr(room).is_some()
    }

    /// The room of that id, if the socket joined it.
    pub fn addr(&self, room: RoomId) -> Option<&Addr<Room>> {
        self.joined.iter().find(|joined| joined.identity.id == room).map(|joined| &joined.room)
    }

    /// The room of that address, if it is an open one in which the socket has not made the user a participant.
    pub fn without_part(&self, address: &RoomAddress) -> Option<Arc<RoomIdentity>> {
        let joined = self.find(Some(address)).filter(|joined| !joined.takes_part)?;
        joined.identity.scope.name().map(|_| joined.identity.clone())
    }

    /// The room of that address, if the socket has made the user a participant of it.
    pub fn with_part(&self, address: &RoomAddress) -> Option<&Addr<Room>> {
        self.find(Some(address)).filter(|joined| joined.takes_part).map(|joined| &joined.room)
    }

    /// The socket has made the user a participant.
    pub fn note_part(&mut self, room: RoomId) {
        for joined in self.joined.iter_mut().filter(|joined| joined.identity.id == room) {
            joined.takes_part = true;
        }
    }

    /// The room of that address, or the one joined last.
    pub fn identity(&self, address: Option<&RoomAddress>) -> Option<Arc<RoomIdentity>> {
        self.find(address).map(|joined| joined.identity.clone())
    }

    pub fn has_seen(&self, name: &RoomName) -> bool {
        self.seen.contains(name)
    }

    pub fn remember_seen(&mut self, room: RoomName) {
        if self.seen.len() >= SEEN_MAX {
            self.seen.remove(0);
        }
        self.seen.push(room);
    }

    fn home_of(&self, sheet: &SheetId, basis: Basis) -> Option<RoomName> {
        let mut homes = self.homes.iter();
        homes.find(|home| home.sheet == *sheet && home.basis == basis).map(|home| home.room.clone())
    }

    fn remember_home(&mut self, sheet: &SheetId, room: &RoomName, basis: Basis) {
        self.homes.retain(|home| home.sheet != *sheet);
        if self.homes.len() >= HOMES_MAX {
            self.homes.remove(0);
        }
        self.homes.push(SheetRoom { sheet: sheet.clone(), room: room.clone(), basis });
    }

    /// The room to which a possible first write of a sheet is sent, as the sheet is not stored yet.
    fn guess_home(&mut self, sheet: &SheetId) -> Option<RoomName> {
        let sent = self.home_of(sheet, Basis::Sent).filter(|room| self.is_in(&RoomAddress::Open(room.clone())));
        let room = sent.or_else(|| self.find(None)?.identity.scope.name().cloned())?;
        self.remember_home(sheet, &room, Basis::Sent);
        Some(room)
    }
}

impl Session {
    // ---- commands ----

    /// Sends a command to a room that this socket has joined.
    pub(super) fn ask_room(&self, room: Option<&RoomAddress>, request: Request) {
        self.ask_room_with(room, request, Vec::new());
    }

    /// The same, with the files of a message.
    pub(super) fn ask_room_with(&self, room: Option<&RoomAddress>, request: Request, attachments: Vec<Attachment>) {
        let Request { tag, client_message_id, command } = request;
        let Some(Joined { room, .. }) = self.rooms.find(room) else {
            return self.refuse(tag, not_in_room());
        };
        let (conn, user) = (self.outbox.key, self.user.clone());
        let ask = Ask { conn, user, tag, client_message_id, command, attachments };
        if let Err(SendError::Full(ask) | SendError::Closed(ask)) = room.try_send(ask) {
            self.refuse(ask.tag, Refusal::unavailable());
        }
    }

    /// Sends an update of cells to the room of the sheet. `room` is the room that the client named, if any.
    pub(super) fn update_cells(&mut self, update: CellsUpdate, room: Option<RoomName>, ctx: &mut Context<Self>) {
        if let Some(named) = room {
            if self.rooms.home_of(&update.sheet, Basis::Stored).is_none() {
                self.rooms.remember_home(&update.sheet, &named, Basis::Sent);
            }
            let address = RoomAddress::Open(named.clone());
            return self.ask_room(Some(&address), update.into_request(Some(named)));
        }
        if let Some(home) = self.rooms.home_of(&update.sheet, Basis::Stored) {
            return self.update_at_home(home, update, None, ctx);
        }
        self.look_for_home(update, ctx, |home, update, session, ctx| match home {
            Ok(Some(home)) => session.update_at_home(home, update, None, ctx),
            Ok(None) => {
                let guessed = session.rooms.guess_home(&update.sheet).map(RoomAddress::Open);
                session.ask_room(guessed.as_ref(), update.into_request(None));
            }
            Err(refusal) => session.refuse(update.tag, refusal),
        });
    }

    /// Sends an update to the room that its sheet belongs to. If this socket has not joined it, the refusal names the room,
    /// provided that the user may enter it.
    fn update_at_home(&mut self, home: RoomName, update: CellsUpdate, room: Option<RoomName>, ctx: &mut Context<Self>) {
        let address = RoomAddress::Open(home.clone());
        if self.rooms.find(Some(&address)).is_some() {
            return self.ask_room(Some(&address), update.into_request(room));
        }
        let (node, user, confined) = (self.worker.node.clone(), self.user.id.clone(), self.confined.clone());
        let named = home.clone();
        let allowed = async move {
            let subject = Subject { user: &user, role: Role::User, rooms: confined.as_deref() };
            node.enter(subject, &RoomRef::Open(named), IfMissing::Refuse).await
        };
        self.hold(allowed, ctx, move |allowed, session, _| {
            session.refuse(update.tag, sheet_elsewhere(allowed.is_ok().then_some(&home)));
        });
    }

    /// Reads the room of a sheet, and waits for an unavailable database as long as for a commit.
    fn look_for_home(
        &mut self,
        update: CellsUpdate,
        ctx: &mut Context<Self>,
        then: impl FnOnce(Result<Option<RoomName>, Refusal>, CellsUpdate, &mut Session, &mut Context<Self>) + 'static,
    ) {
        let (store, asked) = (self.worker.node.store.clone(), update.sheet.clone());
        let home = async move { retry_unavailable(async || store.sheet_room(&asked).await).await };
        self.hold(home, ctx, move |home, session, ctx| {
            if let Ok(Some(room)) = &home {
                session.rooms.remember_home(&update.sheet, room, Basis::Stored);
            }
            then(home.map_err(Refusal::from), update, session, ctx);
        });
    }

    /// Sets the user's status, for everybody who shares a room with the user.
    pub(super) fn set_status(&self, tag: Tag, update: StatusUpdate) {
        if self
            .worker
            .node
            .registry
            .try_send(UpdateStatus { user: self.user.clone(), update, by: self.outbox.key })
            .is_err()
        {
            return self.refuse(tag, Refusal::unavailable());
        }
        self.done(tag);
    }

    /// Whether a fresh token still permits the rooms that the socket has joined. Membership is not checked here: it was
    /// checked at the join, and losing it closes the socket.
    pub(super) fn may_stay(&self, confined: Option<&[RoomPattern]>) -> Result<(), Denied> {
        let subject = Subject { user: &self.user.id, role: Role::User, rooms: confined };
        let bound = self.rooms.bound();
        let joined = self.rooms.joined.iter().map(|joined| &*joined.identity);
        let mut all = bound.into_iter().chain(joined);
        all.try_for_each(|room| may(subject, Action::Stay { room }))
    }

    // ---- joining and leaving ----

    /// Joins the room that the address names.
    pub(super) fn join_bound(&mut self, ctx: &mut Context<Self>) {
        let Some(binding) = self.rooms.bound.clone() else { return };
        let join = self.join_of(binding.resume, Tag::default(), Status::default());
        let join = Join { access_read_at: Some(self.checked_from), role: binding.role, ..join };
        let Some(conversation) = self.rooms.fresh_conversation() else {
            return self.enter(binding.room, join, JoinPurpose::bound(), ctx);
        };
        // the session must not end before it can return the lease
        self.rooms.joining = Joining::Yes;
        self.lease_conversation(conversation, ctx, move |queued, session, ctx| {
            session.rooms.joining = Joining::No;
            if session.outbox.is_open() {
                session.enter(binding.room, Join { queued, ..join }, JoinPurpose::bound(), ctx);
            }
        });
    }

    /// Joins a room with a token of its own, to whose rooms the join is confined. The socket lives no longer than any of its
    /// tokens.
    pub(super) fn join_with_token(&mut self, tag: Tag, room: RoomAddress, token: &str, ctx: &mut Context<Self>) {
        self.verify_further_token(tag, token, ctx, |tag, claims, session, ctx| {
            let expires_at = session.outbox.expires_at.get().min(claims.expires_at);
            session.outbox.expires_at.set(expires_at);
            let confined = claims.rooms.map(Into::into);
            session.join_confined(JoinPurpose::Join { tag, takes_part: false, place: None }, room, None, confined, ctx);
        });
    }

    /// Joins a room that the client names. An open one is created if necessary.
    pub(super) fn join_named(
        &mut self,
        purpose: JoinPurpose,
        address: RoomAddress,
        resume: Option<Resume>,
        ctx: &mut Context<Self>,
    ) {
        self.join_confined(purpose, address, resume, self.confined.clone(), ctx);
    }

    /// The same with a token that is confined to these rooms; all if absent.
    fn join_confined(
        &mut self,
        purpose: JoinPurpose,
        address: RoomAddress,
        resume: Option<Resume>,
        confined: Option<Arc<[RoomPattern]>>,
        ctx: &mut Context<Self>,
    ) {
        if !self.rooms.is_in(&address) && self.rooms.joined.len() >= limits::ROOMS_PER_SOCKET_MAX {
            let sentence =
                format!("This socket has joined {} rooms, the maximum; leave one first", limits::ROOMS_PER_SOCKET_MAX);
            return self.refuse(purpose.tag(), Refusal::new(ErrorCode::Conflict, sentence));
        }
        let (node, user, read_at) = (self.worker.node.clone(), self.user.id.clone(), Instant::now());
        let takes_part = purpose.takes_part();
        let found = async move {
            let subject = Subject { user: &user, role: Role::User, rooms: confined.as_deref() };
            let access = node.enter(subject, &RoomRef::from(address), IfMissing::Make).await?;
            if takes_part {
                node.take_part(&access.identity, &user).await?;
            }
            Ok((access, node.status_of(user).await))
        };
        self.hold(found, ctx, move |found: Result<_, Refusal>, session, ctx| {
            let (access, status) = match found {
                Ok(found) => found,
                Err(refusal) => return session.refuse(purpose.tag(), refusal),
            };
            if session.outbox.is_open() {
                let join = session.join_of(resume, purpose.of_the_join(), status);
                let is_greeted = purpose.first_frame() == FirstFrame::Sent;
                let (capacity, role) = (access.capacity, access.right.document_role());
                let place = purpose.place().map(Box::new);
                let join = Join { is_greeted, capacity, role, place, access_read_at: Some(read_at), ..join };
                session.enter(Arc::new(access.identity), join, purpose, ctx);
            }
        });
    }

    fn join_of(&self, resume: Option<Resume>, tag: Tag, status: Status) -> Join {
        Join {
            conn: self.outbox.key,
            connection: self.connection.clone(),
            user: self.rooms.member.clone(),
            hub: self.worker.hub.clone(),
            resume,
            tag,
            status,
            capacity: None,
            access_read_at: None,
            queued: None,
            is_greeted: true,
            bound: if self.rooms.bound.is_some() { Bound::ToRoom } else { Bound::ToNone },
            role: None,
            form: self.outbox.dialect.options().form,
            place: None,
        }
    }

    /// Sends the join to the registry; messages of the client are queued until it is answered.
    fn enter(&mut self, identity: Arc<RoomIdentity>, join: Join, purpose: JoinPurpose, ctx: &mut Context<Self>) {
        self.rooms.joining = Joining::Yes;
        // no time-out: the registry does not wait for anybody, and an abandoned join could leave a member behind
        let ask = self.worker.node.registry.send(JoinRoom { room: identity.clone(), join });
        self.hold(ask, ctx, move |answer, session, ctx| {
            session.rooms.joining = Joining::No;
            let refusal = match answer {
                Ok(Ok(room)) => {
                    session.rooms.joined.retain(|joined| joined.identity.id != identity.id);
                    let takes_part = purpose.takes_part();
                    session.rooms.joined.push(Joined { identity, room, takes_part });
                    return match purpose {
                        JoinPurpose::Join { .. } => {}
                        JoinPurpose::Do(request, _) => session.perform(*request, ctx),
                    };
                }
                Ok(Err(refusal)) => refusal,
                Err(error) => {
                    log::warn!("event=join_failed conn={:?} why={error}", session.outbox.key, error = logged(&error));
                    Refusal::unavailable()
                }
            };
            match session.rooms.bound {
                Some(_) => session.turn_away(refusal),
                None => session.refuse(purpose.tag(), refusal),
            }
        });
    }

    /// Leaves a room; the socket stays open.
    pub(super) fn leave_named(&mut self, tag: Tag, address: &RoomAddress, ctx: &mut Context<Self>) {
        let conn = self.outbox.key;
        let Some(Joined { identity, room, .. }) = self.rooms.find(Some(address)) else {
            return self.refuse(tag, not_in(address));
        };
        let left = LeftRoom { user: self.user.id.clone(), conn, room: identity.id };
        let leaving = Leaving::Asked { user: self.user.id.clone(), tag: tag.clone() };
        if matches!(room.try_send(Leave { conn, leaving }), Err(SendError::Full(_))) {
            return self.refuse(tag, Refusal::unavailable());
        }
        let id = identity.id;
        self.rooms.joined.retain(|joined| joined.identity.id != id);
        self.report_left(left, ctx);
    }

    /// Informs the registry that a room was left, which the room itself confirms to the client. Retried if the registry
    /// is full, unless the socket has joined again meanwhile.
    fn report_left(&self, left: LeftRoom, ctx: &mut Context<Self>) {
        if let Err(SendError::Full(left)) = self.worker.node.registry.try_send(left) {
            ctx.run_later(limits::OVERFLOW_RETRY, |session, ctx| {
                let is_back = session.rooms.joined.iter().any(|joined| joined.identity.id == left.room);
                if !is_back && !session.rooms.is_joining() {
                    session.report_left(left, ctx);
                }
            });
        }
    }

    /// Confirms success, if the client asked for it.
    pub(super) fn done(&self, tag: Tag) {
        if tag.wants_answer() {
            self.reply(&Reply::Done { tag });
        }
    }
}

/// The sheet belongs to another room: sends the update there, but only once.
impl Handler<WrongSheetRoom> for Session {
    type Result = ();

    fn handle(&mut self, misdirected: WrongSheetRoom, ctx: &mut Self::Context) {
        let WrongSheetRoom { tag, client_message_id, sheet, cells, .. } = misdirected;
        let update = CellsUpdate { tag, client_message_id, sheet, cells };
        self.look_for_home(update, ctx, |home, update, session, ctx| match home {
            Ok(Some(home)) => session.update_at_home(home.clone(), update, Some(home), ctx),
            Ok(None) => session.refuse(update.tag, Refusal::unavailable()),
            Err(refusal) => session.refuse(update.tag, refusal),
        });
    }
}

impl Session {
    /// The client is slow and has missed ephemeral events: asks its rooms to make up for them, not too often.
    pub fn resync(&mut self, ctx: &mut Context<Self>) {
        if self.resync != Resyncing::No {
            self.resync = Resyncing::AskAgain;
            return;
        }
        self.resync = Resyncing::Asked;
        for Joined { room, .. } in &self.rooms.joined {
            // a room that is too busy for it is asked when the client falls behind again
            let _ = room.try_send(Resync { conn: self.outbox.key });
        }
        ctx.run_later(limits::RESYNC_PERIOD, |session, ctx| {
            if std::mem::replace(&mut session.resync, Resyncing::No) == Resyncing::AskAgain {
                session.resync(ctx);
            }
        });
    }
}

impl Handler<RemovedFromRoom> for Session {
    type Result = ();

    fn handle(&mut self, out: RemovedFromRoom, _: &mut Self::Context) {
        let (conn, before) = (self.outbox.key, self.rooms.joined.len());
        // if the socket has joined again in the meantime it leaves, so that both sides agree
        self.rooms.joined.retain(|Joined { identity, room, .. }| {
            let leave = Leave { conn, leaving: Leaving::AtOnce };
            identity.id != out.room || matches!(room.try_send(leave), Err(SendError::Full(_)))
        });
        match out.why {
            ShutOut::NotIn(reply) => reply.iter().for_each(|reply| self.reply(reply)),
            ShutOut::Revoked if before == 0 || !self.rooms.joined.is_empty() || self.rooms.joining == Joining::Yes => {}
            ShutOut::Revoked if self.outbox.dialect.options().closes_without_rooms => {
                // by the hub, which has been sent the refusal before
                let expel = HubMessage::Expel { room: out.room, conn, why: Disconnect::Revoked };
                if self.worker.hub.try_send(expel).is_err() {
                    self.outbox.close(Disconnect::Revoked, CloseMode::AfterQueued, self.worker.now());
                }
            }
            ShutOut::Revoked => {}
        }
    }
}

/// The refusal of a command for a room that the socket has not joined.
pub(super) fn not_in(room: &RoomAddress) -> Refusal {
    match room {
        // the sentence that clients of spaces expect (PROTOCOL 8.39)
        RoomAddress::Space(_) => Refusal::new(ErrorCode::NotInRoom, SpaceRefused::NoAccess.to_string()),
        RoomAddress::Open(_) | RoomAddress::Conversation(_) | RoomAddress::With(_) | RoomAddress::Document(_) => {
            not_in_room()
        }
    }
}

pub(super) fn not_in_room() -> Refusal {
    Refusal::new(ErrorCode::NotInRoom, "This socket is not in the room; join it first")
}

/// The refusal of an update of a sheet that belongs to a room that the socket has not joined. The room is named only if the user
/// may enter it.
fn sheet_elsewhere(home: Option<&RoomName>) -> Refusal {
    let sentence = match home {
        Some(home) => format!(
            "The sheet belongs to the room \"{home}\", which this socket has not joined; join that room first, or choose another `sheet_id`"
        ),
        None => "The sheet belongs to another room, which this socket has not joined; choose another `sheet_id`: each id names one sheet on the whole server".to_owned(),
    };
    Refusal::new(ErrorCode::NotInRoom, sentence)
}
