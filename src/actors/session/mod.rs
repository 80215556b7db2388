//! The session of a client: an actor on its socket's thread. The socket's dialect converts messages into commands;
//! limits and expiry are checked here. Frames of rooms reach the outbox without passing through the session. A session
//! must never know a field name and never wait: while a request is pending, later commands are queued in order.

mod assistant;
mod attachments;
mod auto_join;
mod calls;
mod message_actions;
mod notifications;
mod participation;
mod queue;
mod rooms;
mod spaces;
mod uploads;

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

pub use self::rooms::BoundRoom;
use self::{
    auto_join::{FirstFrame, JoinPurpose},
    calls::Calls,
    notifications::Notices,
    queue::UserQueue,
    rooms::{CellsUpdate, Rooms},
};
use super::{
    bridge::{Destination, NodeMessage},
    fanout::reply_frame,
    messages::{
        AskerClosed, BlockUser, CloseSession, DeliverDirect, DeliverUserEvent, IsRevoked, Leaving, Notice, SessionDown,
        SessionUp,
    },
    outbox::{Bound, CloseMode, ConnKey, Outbox, Owner},
    pump::Pump,
    quota::UserQuota,
    worker::Worker,
};
use crate::{
    auth::{policy::RoomPattern, tokens::Claims},
    core::{
        call::CallRequested,
        command::{
            AssistantCommand, CallCommand, Charge, Command, NoticeCommand, PresenceCommand, Request, RoomCommand,
            SheetCommand, SpaceCommand, Tag, Target, UploadCommand,
        },
        event::{Reply, Welcome},
        profile::{Author, Profile, Role},
        rate::{Verdict, Window},
    },
    dialects::{
        ClientMessage, DialectKind, Rejection,
        options::{Form, QueueManner},
    },
    disconnect::Disconnect,
    error::{ErrorCode, Refusal},
    ids::Timestamp,
    limits,
    logged::logged,
    transport::{
        frame::{self, Inbound},
        socket::Socket,
    },
};

/// The actor. One per socket.
pub struct Session {
    pub(super) worker: Rc<Worker>,
    pub(super) outbox: Rc<Outbox>,
    user: Author,
    role: Role,
    quota: Arc<UserQuota>,
    connection: Arc<str>,
    rooms: Rooms,
    /// The rooms to which the token is confined; all if absent.
    confined: Option<Arc<[RoomPattern]>>,
    notices: Notices,
    queue: UserQueue,
    /// Requests queued behind a pending one; `None` if nothing is pending.
    waiting: Option<VecDeque<Request>>,
    /// The number of pending operations.
    holds: u32,
    asked: AskedAssistant,
    /// When the token was issued with which the socket was opened, if it has the claim.
    issued_at: Option<Timestamp>,
    /// When the check of its rights began.
    checked_from: Instant,
    /// Uploads announced on this socket that are not complete, the oldest first.
    uploads: Vec<Arc<str>>,
    resync: Resyncing,
    /// Calls; absent until the first one.
    calls: Option<Box<Calls>>,
}

/// Whether a question was sent to the assistant, which must then be informed of the end of the socket.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum AskedAssistant {
    #[default]
    Never,
    Once,
}

/// Whether the rooms were asked within `RESYNC_PERIOD` to make up for lost ephemeral events.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Resyncing {
    No,
    Asked,
    /// And more were lost since.
    AskAgain,
}

/// The results of the upgrade: the user, the dialect, and the room.
pub struct SessionParams {
    /// The user.
    pub profile: Arc<Profile>,
    /// What the user may do on the server as a whole.
    pub role: Role,
    /// The user's rate limits.
    pub quota: Arc<UserQuota>,
    /// The dialect.
    pub dialect: DialectKind,
    /// When the token expires.
    pub expires_at: Timestamp,
    /// When the token was issued, if it has the claim.
    pub issued_at: Option<Timestamp>,
    /// When the check of the token, of the user and of the right to the room began.
    pub checked_from: Instant,
    /// The rooms to which the token is confined; all if absent.
    pub confined: Option<Arc<[RoomPattern]>>,
    /// The room; absent in dialects whose sockets join rooms by name.
    pub binding: Option<BoundRoom>,
}

/// The key and name of a connection, assigned before the response to the upgrade, which contains the name.
pub struct ConnectionIds {
    /// The key.
    pub key: ConnKey,
    /// The name for clients and administrators.
    pub name: Arc<str>,
}

impl Session {
    /// Starts a session on this thread. `early` are the bytes that the client sent right after its handshake.
    pub fn open(
        worker: Rc<Worker>,
        socket: Socket,
        params: SessionParams,
        connection_ids: ConnectionIds,
        early: &[u8],
    ) {
        let bound = if params.binding.is_some() { Bound::ToRoom } else { Bound::ToNone };
        let (id, dialect) = (params.profile.id.clone(), params.dialect);
        let owner = Owner { user: id, dialect, bound, expires_at: params.expires_at };
        let outbox = worker.admit(connection_ids.key, socket, owner);
        let pump = Pump::new(early);
        let notices = Notices::new(worker.node.clock.now(), dialect.options().queue);
        let user = params.profile.author();
        // a bound socket's rooms show no addresses
        let member = match &params.binding {
            Some(_) => user.clone(),
            None => user.with_email(params.profile.email.as_deref().map(Into::into)),
        };
        Session::create(move |ctx| {
            ctx.set_mailbox_capacity(limits::SESSION_MAILBOX_MAX);
            ctx.spawn(pump);
            Session {
                worker,
                outbox,
                user,
                role: params.role,
                quota: params.quota,
                connection: connection_ids.name,
                rooms: Rooms::new(params.binding, member),
                confined: params.confined,
                notices,
                queue: UserQueue::default(),
                waiting: None,
                holds: 0,
                asked: AskedAssistant::Never,
                issued_at: params.issued_at,
                checked_from: params.checked_from,
                uploads: Vec::new(),
                resync: Resyncing::No,
                calls: None,
            }
        });
    }
}

impl Session {
    // ---- inbound ----

    /// Handles one frame from the client; breaks if no more are wanted.
    pub(super) fn inbound(&mut self, inbound: Inbound<'_>, ctx: &mut Context<Self>) -> ControlFlow<()> {
        match inbound {
            // being closed: only the client's close frame still matters
            Inbound::Text(_) | Inbound::Binary(_) | Inbound::Ping(_) if !self.outbox.is_open() => {}
            Inbound::Text(text) => self.message(ClientMessage::Text(text), ctx),
            Inbound::Binary(bytes) => self.message(ClientMessage::Binary(bytes), ctx),
            Inbound::Ping(payload) => {
                self.outbox.push_control(frame::pong(payload), self.worker.now());
            }
            Inbound::Pong => {}
            Inbound::Close(code) => {
                let answer = frame::close(code.unwrap_or(Disconnect::Normal.code()), "");
                self.outbox.answer_close(code, answer, self.worker.now());
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn message(&mut self, message: ClientMessage<'_>, ctx: &mut Context<Self>) {
        match self.outbox.dialect.dialect().decode(message) {
            Ok(request) => match &mut self.waiting {
                Some(waiting) => waiting.push_back(request),
                None => self.request(request, ctx),
            },
            // there is no error message to send, and the next message may build on this one
            Err(_) if self.outbox.dialect.options().form == Form::Binary => {
                self.outbox.close(Disconnect::UnsupportedData, CloseMode::AfterQueued, self.worker.now());
            }
            Err(Rejection { tag, refusal }) => {
                // an invalid message costs as much as a request, or sending such messages would be free
                if self.charge(Charge::Request, &tag) == Charged::Yes {
                    self.refuse(tag, refusal);
                }
            }
        }
    }

    /// Whether the socket should not be read because too many requests are queued.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.len() >= limits::SESSION_WAITING_MAX)
    }

    /// Runs an asynchronous operation. Messages of the client are queued until it is done, in order.
    fn hold<T: 'static>(
        &mut self,
        work: impl Future<Output = T> + 'static,
        ctx: &mut Context<Self>,
        then: impl FnOnce(T, &mut Session, &mut Context<Self>) + 'static,
    ) {
        self.waiting.get_or_insert_default();
        self.holds += 1;
        ctx.spawn(work.into_actor(self).map(move |done, session, ctx| {
            session.holds -= 1;
            then(done, session, ctx);
            session.resume_waiting(ctx);
            // the pump was polled before this future: wake it to write the replies and to continue reading
            session.outbox.wake();
            if session.outbox.is_dead() {
                ctx.stop();
            }
        }));
    }

    fn resume_waiting(&mut self, ctx: &mut Context<Self>) {
        while self.holds == 0
            && let Some(waiting) = &mut self.waiting
        {
            match waiting.pop_front() {
                Some(request) => self.request(request, ctx),
                None => self.waiting = None,
            }
        }
    }

    fn request(&mut self, request: Request, ctx: &mut Context<Self>) {
        match self.charge(request.command.charge(), &request.tag) {
            Charged::Yes => self.carry_out(request, ctx),
            Charged::No => {}
            // later messages are queued behind it, and soon the socket is not read any more
            Charged::Later(wait) => {
                self.hold(tokio::time::sleep(wait), ctx, move |(), session, ctx| session.carry_out(request, ctx));
            }
        }
    }

    /// Executes a charged command, in its room or in the session itself.
    fn carry_out(&mut self, request: Request, ctx: &mut Context<Self>) {
        self.worker.node.metrics.accepted();
        match request.command.target() {
            Target::Room(Some(room)) if !self.rooms.is_in(&room) => self.act_in_unjoined_room(room, request, ctx),
            Target::Conversation(room) if !self.rooms.is_in(&room) => {
                self.join_named(JoinPurpose::Do(Box::new(request), FirstFrame::Omitted), room, None, ctx);
            }
            Target::Message(at, right) => self.act_on_message(at, right, request, ctx),
            Target::Session | Target::Room(_) | Target::Conversation(_) => self.perform(request, ctx),
        }
    }

    /// Executes a command whose room has been joined.
    fn perform(&mut self, request: Request, ctx: &mut Context<Self>) {
        let Request { tag, client_message_id, command } = request;
        match command {
            Command::Ping => self.reply(&Reply::Pong { tag }),
            Command::AuthRefresh { token } => self.refresh(tag, &token, ctx),
            Command::Room(RoomCommand::Join { room, resume }) => {
                let takes_part = room.is_conversation();
                self.join_named(JoinPurpose::Join { tag, takes_part, place: None }, room, resume, ctx);
            }
            Command::Space(SpaceCommand::Join { space, user, place, resume }) => {
                self.join_space(tag, space, (user, place), resume, ctx);
            }
            Command::Invites(command) => self.execute_invites(tag, command, ctx),
            Command::Room(RoomCommand::JoinWithToken { room, token }) => self.join_with_token(tag, room, &token, ctx),
            Command::Room(RoomCommand::Leave { room }) => self.leave(tag, room, ctx),
            Command::Sheet(SheetCommand::UpdateCells { sheet, room, cells }) => {
                self.update_cells(CellsUpdate { tag, client_message_id, sheet, cells }, room, ctx);
            }
            Command::Presence(PresenceCommand::SetStatus { update }) => self.set_status(tag, update),
            Command::Assistant(AssistantCommand::Ask(question)) => self.ask_assistant(tag, question, ctx),
            Command::Assistant(AssistantCommand::Cancel { request }) => self.cancel_ask(tag, request, ctx),
            Command::Notices(NoticeCommand::Filter(filter)) => self.filter_notifications(tag, filter, ctx),
            Command::Notices(NoticeCommand::Read { id }) => self.read_notification(tag, &id, ctx),
            Command::Notices(NoticeCommand::Clear { id }) => self.clear_notifications(tag, id.as_deref(), ctx),
            Command::Upload(UploadCommand::Report { file, phase }) => self.publish_upload(tag, file, phase),
            Command::Call(CallCommand::Direct { target, call, request }) => {
                self.request_call(CallRequested { tag, target, call, request }, ctx);
            }
            Command::Chat(ref said) if said.takes_part() => {
                self.take_part_and_send(Request { tag, client_message_id, command }, ctx);
            }
            Command::Room(RoomCommand::Broadcast { .. })
            | Command::Chat(_)
            | Command::Call(CallCommand::Signal { .. })
            | Command::Document(_)
            | Command::Canvas(_)
            | Command::Space(
                SpaceCommand::Move { .. }
                | SpaceCommand::Act { .. }
                | SpaceCommand::SetState { .. }
                | SpaceCommand::ReadSettings { .. },
            )
            | Command::Presence(PresenceCommand::MoveCursor { .. }) => {
                self.pass_to_room(Request { tag, client_message_id, command }, ctx);
            }
        }
    }

    /// A fresh token of the same user extends the life of the socket.
    fn refresh(&mut self, tag: Tag, token: &str, ctx: &mut Context<Self>) {
        self.verify_further_token(tag, token, ctx, |tag, claims, session, ctx| session.take_token(tag, claims, ctx));
    }

    /// Verifies a token that arrives on the open socket. It must be valid, of the same user and not revoked.
    fn verify_further_token(
        &mut self,
        tag: Tag,
        token: &str,
        ctx: &mut Context<Self>,
        then: impl FnOnce(Tag, Claims, &mut Session, &mut Context<Self>) + 'static,
    ) {
        let node = &self.worker.node;
        let claims = match node.verifier.verify(token) {
            Ok(claims) if claims.user == self.user.id => claims,
            Ok(_) => {
                let sentence = "This token belongs to another user; send one of the user who opened the socket";
                return self.refuse(tag, Refusal::new(ErrorCode::AuthenticationFailed, sentence));
            }
            Err(fault) => return self.refuse(tag, fault.into()),
        };
        let ask = IsRevoked { user: claims.user.clone(), issued_at: claims.issued_at };
        let asked = node.registry.send(ask).timeout(limits::ASK_TIMEOUT);
        self.hold(asked, ctx, move |revoked, session, ctx| match revoked {
            Ok(false) => then(tag, claims, session, ctx),
            Ok(true) => {
                let sentence = "This token was revoked; sign in again";
                session.refuse(tag, Refusal::new(ErrorCode::AuthenticationFailed, sentence));
            }
            Err(_) => session.refuse(tag, Refusal::unavailable()),
        });
    }

    fn take_token(&mut self, tag: Tag, claims: Claims, ctx: &mut Context<Self>) {
        let confined: Option<Arc<[RoomPattern]>> = claims.rooms.map(Into::into);
        if let Err(denied) = self.may_stay(confined.as_deref()) {
            return self.refuse(tag, denied.into());
        }
        self.confined = confined;
        self.outbox.expires_at.set(claims.expires_at);
        self.reply(&Reply::AuthRefreshed { tag, expires_at: claims.expires_at });
        self.end_unpermitted_calls(ctx);
    }

    // ---- limits ----

    fn charge(&mut self, charge: Charge, tag: &Tag) -> Charged {
        let node = &self.worker.node;
        let now = node.clock.now();
        let verdict = self.quota.charge(charge, &node.rates, now);
        if charge == Charge::Request
            && let Some(counts) = self.quota.take_pressing(&node.rates)
        {
            let user = self.user.id.clone();
            node.bridge.publish_node(Destination::User(user.clone()), NodeMessage::RateUsage { user, counts });
        }
        match verdict {
            Verdict::Allowed => Charged::Yes,
            Verdict::Dropped => Charged::No,
            Verdict::Delayed { wait_ms } => Charged::Later(Duration::from_millis(u64::from(wait_ms))),
            Verdict::Refused { retry_after_seconds, window } => {
                let sentence = match window {
                    Window::Minute => "Rate limit exceeded: too many requests per minute",
                    Window::Hour => "Rate limit exceeded: too many requests per hour",
                };
                let refusal = Refusal::limited(sentence, retry_after_seconds);
                self.refuse(tag.clone(), refusal);
                Charged::No
            }
            Verdict::Blocked { retry_after_seconds } => {
                log::info!("event=blocked user={} seconds={retry_after_seconds}", logged(&self.user.id));
                let sentence = "Blocked for exceeding the rate limit; try again when the block has ended";
                let refusal = Refusal::limited(sentence, retry_after_seconds);
                self.refuse(tag.clone(), refusal);
                let until = now.plus_ms(i64::from(retry_after_seconds) * 1000);
                let block = BlockUser { user: self.user.id.clone(), until };
                if self.worker.node.registry.try_send(block).is_err() {
                    log::warn!("event=block_not_sent user={}", logged(&self.user.id));
                }
                self.outbox.close(Disconnect::RateLimited, CloseMode::AfterQueued, self.worker.now());
                Charged::No
            }
        }
    }

    // ---- outbound ----

    fn reply(&self, reply: &Reply) {
        if let Some(frame) = reply_frame(self.outbox.dialect, reply, self.worker.node.clock.now()) {
            self.outbox.push(frame, self.worker.now());
        }
    }

    fn refuse(&self, tag: Tag, refusal: Refusal) {
        self.worker.node.metrics.refused(refusal.code);
        self.reply(&Reply::Error { tag, refusal });
    }

    fn turn_away(&self, refusal: Refusal) {
        self.refuse(Tag::default(), refusal);
        self.outbox.close(Disconnect::TryAgainLater, CloseMode::AfterQueued, self.worker.now());
    }
}

/// Whether a message was charged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Charged {
    Yes,
    No,
    /// Charged, but must be executed only after this time.
    Later(Duration),
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let up = SessionUp {
            user: self.user.id.clone(),
            conn: self.outbox.key,
            connection: self.connection.clone(),
            follows_presence: self.outbox.dialect.options().follows_presence,
            session: ctx.address(),
            issued_at: self.issued_at,
            checked_from: self.checked_from,
        };
        if self.worker.node.registry.try_send(up).is_err() {
            return self.turn_away(Refusal::unavailable());
        }
        log::debug!("event=session_open connection={}", self.connection);
        self.reply(&Reply::Welcome(Welcome { user: self.user.id.clone(), connection: self.connection.clone() }));
        self.join_bound(ctx);
        match (self.rooms.bound().map(|room| room.scope.is_direct()), self.outbox.dialect.options().queue) {
            // notifications wait for the room's first frame
            (_, QueueManner::Never) => {}
            (Some(false), _) | (None, QueueManner::FromTheStart | QueueManner::OfCategory(_)) => {
                self.look_for_queued(ctx);
            }
            // for conversations when the first frame was sent, so that its messages come first; for unbound sockets
            // when a filter is set
            (Some(true), _) | (None, QueueManner::OnceChosen) => {}
        }
    }

    /// A leave must not be lost: if a mailbox is full, it is sent again before the session ends.
    fn stopping(&mut self, ctx: &mut Self::Context) -> Running {
        self.outbox.die();
        if self.rooms.is_joining() || self.is_leasing() {
            return Running::Continue; // the pending answer stops it again: only then is there a room to leave, or a lease to return
        }
        let conn = self.outbox.key;
        // while the rooms still list the socket
        self.end_uploads();
        self.end_calls();
        self.rooms.leave_all(conn, if self.outbox.may_return() { Leaving::BrokenOff } else { Leaving::AtOnce });
        if std::mem::take(&mut self.asked) == AskedAssistant::Once {
            self.notify_assistant(AskerClosed { user: self.user.id.clone(), conn });
        }
        let down = SessionDown { user: self.user.id.clone(), conn, connection: self.connection.clone() };
        let told = !matches!(self.worker.node.registry.try_send(down), Err(SendError::Full(_)));
        if self.rooms.is_empty() && told {
            return Running::Stop;
        }
        ctx.run_later(limits::OVERFLOW_RETRY, |_, ctx| ctx.stop());
        Running::Continue
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        log::debug!(
            "event=session_end connection={} code={}",
            self.connection,
            self.outbox.reason().map_or(1006, Disconnect::code)
        );
        self.give_back_unwritten();
        self.outbox.bury();
        self.worker.dismiss(self.outbox.key);
    }
}

impl Handler<DeliverDirect> for Session {
    type Result = ();

    fn handle(&mut self, DeliverDirect(broadcast): DeliverDirect, ctx: &mut Self::Context) {
        self.deliver_direct(&broadcast, ctx);
    }
}

impl Handler<Notice> for Session {
    type Result = ();

    fn handle(&mut self, Notice(reply): Notice, _: &mut Self::Context) {
        self.reply(&reply);
    }
}

impl Handler<DeliverUserEvent> for Session {
    type Result = ();

    fn handle(&mut self, DeliverUserEvent(news): DeliverUserEvent, ctx: &mut Self::Context) {
        self.receive_user_event(news, ctx);
    }
}

impl Handler<CloseSession> for Session {
    type Result = ();

    fn handle(&mut self, CloseSession(why): CloseSession, _: &mut Self::Context) {
        self.outbox.close(why, CloseMode::AfterQueued, self.worker.now());
    }
}
