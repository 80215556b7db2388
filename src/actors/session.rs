//! A client's session: an actor on its socket's thread. Messages become commands through the socket's dialect; limits
//! and expiry are checked here; what the room says reaches the outbox without passing through here. A session never
//! spells a field name and never waits: what is pending keeps later commands in order behind it.

use std::{collections::VecDeque, ops::ControlFlow, rc::Rc, sync::Arc};

use actix::prelude::*;

use super::{
    fanout::reply_frame,
    messages::{Ask, BlockUser, Join, JoinRoom, Kick, Leave, Notice, Overhear, Resume, SessionDown, SessionUp},
    outbox::{ConnKey, Farewell, Outbox, Owner},
    pump::Pump,
    quota::UserQuota,
    room::Room,
    worker::Worker,
};
use crate::{
    auth::{
        policy::{Action, Denied, Subject, may},
        tokens::Claims,
    },
    core::{
        command::{Charge, ClientRef, Command, Request},
        event::{Reply, RoomIdentity, RoomScope},
        profile::{Author, Profile, Role},
        rate::{Verdict, Window},
    },
    dialects::{ClientMessage, DialectKind, Rejection},
    disconnect::Disconnect,
    error::{ErrorCode, Refusal},
    ids::Timestamp,
    limits,
    store::GroupRole,
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
    quota: Arc<UserQuota>,
    connection: Arc<str>,
    binding: Option<Box<Binding>>,
    room: Option<Addr<Room>>,
    /// Requests behind one that is pending; None when none is.
    waiting: Option<VecDeque<Request>>,
    joining: Joining,
}

/// Whether the registry was asked for the room and has not answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Joining {
    No,
    Yes,
}

/// The room that a socket is bound to by its address, until it is in.
#[derive(Clone)]
pub struct Binding {
    /// Which room.
    pub room: Arc<RoomIdentity>,
    /// From where the client resumes, if it does.
    pub resume: Option<Resume>,
}

/// Who comes, by which dialect, to which room: all that the upgrade found out.
pub struct Visitor {
    /// Who.
    pub profile: Arc<Profile>,
    /// The user's buckets.
    pub quota: Arc<UserQuota>,
    /// What the socket speaks.
    pub dialect: DialectKind,
    /// When the token expires.
    pub expires_at: Timestamp,
    /// Where to.
    pub binding: Binding,
}

/// A connection's key and name, made before the answer to the upgrade, which names it.
pub struct Ticket {
    /// Its key.
    pub key: ConnKey,
    /// Its name towards clients and administrators.
    pub name: Arc<str>,
}

impl Session {
    /// Starts a session on this thread. `early`: what the client sent right behind its handshake.
    pub fn open(worker: Rc<Worker>, socket: Socket, visitor: Visitor, ticket: Ticket, early: &[u8]) {
        let owner =
            Owner { user: visitor.profile.id.clone(), dialect: visitor.dialect, expires_at: visitor.expires_at };
        let outbox = worker.admit(ticket.key, socket, owner);
        let pump = Pump::new(early);
        Session::create(move |ctx| {
            ctx.set_mailbox_capacity(limits::SESSION_MAILBOX_MAX);
            ctx.spawn(pump);
            Session {
                worker,
                outbox,
                user: visitor.profile.author(),
                quota: visitor.quota,
                connection: ticket.name,
                binding: Some(Box::new(visitor.binding)),
                room: None,
                waiting: None,
                joining: Joining::No,
            }
        });
    }
}

impl Session {
    // ---- in ----

    /// One frame from the client; a break when no more are wanted.
    pub(super) fn inbound(&mut self, inbound: Inbound<'_>, ctx: &mut Context<Self>) -> ControlFlow<()> {
        match inbound {
            // it was told to go: only its own close frame still matters
            Inbound::Text(_) | Inbound::Binary(_) | Inbound::Ping(_) if !self.outbox.is_open() => {}
            Inbound::Text(text) => self.message(ClientMessage::Text(text), ctx),
            Inbound::Binary(bytes) => self.message(ClientMessage::Binary(bytes), ctx),
            Inbound::Ping(payload) => {
                self.outbox.push_control(frame::pong(payload), self.worker.now());
            }
            Inbound::Pong => {}
            Inbound::Close(code) => {
                let answer = frame::close(code.unwrap_or(Disconnect::Normal.code()), "");
                self.outbox.answer_close(answer, self.worker.now());
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
            Err(Rejection { reference, refusal }) => {
                // rubbish costs as much as a request, or it would be free to send
                if self.charge(Charge::Request, reference.as_ref()) == Charged::Yes {
                    self.refuse(reference, refusal);
                }
            }
        }
    }

    /// Whether the socket should not be read, because enough waits already.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.len() >= limits::SESSION_WAITING_MAX)
    }

    fn resume_waiting(&mut self, ctx: &mut Context<Self>) {
        for request in self.waiting.take().unwrap_or_default() {
            self.request(request, ctx);
        }
    }

    fn request(&mut self, request: Request, _: &mut Context<Self>) {
        let Request { reference, command } = request;
        if self.charge(command.charge(), reference.as_ref()) == Charged::No {
            return;
        }
        self.worker.node.metrics.accepted();
        match command {
            Command::Ping => self.reply(&Reply::Pong { reference, at: self.worker.node.clock.now() }),
            Command::AuthRefresh { token } => self.refresh(reference, &token),
            command @ (Command::SendMessage { .. } | Command::SetTyping { .. } | Command::Signal { .. }) => {
                self.ask_room(reference, command);
            }
        }
    }

    fn ask_room(&mut self, reference: Option<ClientRef>, command: Command) {
        let Some(room) = &self.room else {
            let sentence = "This socket is not in the room; join it first";
            return self.refuse(reference, Refusal::new(ErrorCode::NotInRoom, sentence));
        };
        let ask = Ask { conn: self.outbox.key, user: self.user.clone(), reference, command };
        if let Err(SendError::Full(ask) | SendError::Closed(ask)) = room.try_send(ask) {
            self.refuse(ask.reference, Refusal::unavailable());
        }
    }

    /// A fresh token for the same user moves the socket's expiry.
    fn refresh(&mut self, reference: Option<ClientRef>, token: &str) {
        let node = &self.worker.node;
        let claims = match node.verifier.verify(token) {
            Ok(claims) if claims.user == self.user.id => claims,
            Ok(_) => {
                let sentence = "This token belongs to another user; send one of the user who opened the socket";
                return self.refuse(reference, Refusal::new(ErrorCode::AuthenticationFailed, sentence));
            }
            Err(fault) => return self.refuse(reference, fault.into()),
        };
        if let Some(binding) = &self.binding
            && let Err(denied) = may_stay(&self.user, &claims, &binding.room)
        {
            return self.refuse(reference, denied.into());
        }
        self.outbox.expires_at.set(claims.expires_at);
        self.reply(&Reply::AuthRefreshed { reference, expires_at: claims.expires_at });
    }

    // ---- limits ----

    fn charge(&mut self, charge: Charge, reference: Option<&ClientRef>) -> Charged {
        let node = &self.worker.node;
        let now = node.clock.now();
        match self.quota.charge(charge, &node.rates, now) {
            Verdict::Allowed => Charged::Yes,
            Verdict::Dropped => Charged::No,
            Verdict::Refused { retry_after_seconds, window } => {
                let sentence = match window {
                    Window::Minute => "Rate limit exceeded: too many requests per minute; wait before the next one",
                    Window::Hour => "Rate limit exceeded: too many requests per hour; wait before the next one",
                };
                self.refuse(reference.cloned(), Refusal::limited(sentence, retry_after_seconds));
                Charged::No
            }
            Verdict::Blocked { retry_after_seconds } => {
                log::info!("event=blocked user={} seconds={retry_after_seconds}", self.user.id);
                let sentence = "Blocked for exceeding the rate limit; come back when the block is over";
                self.refuse(reference.cloned(), Refusal::limited(sentence, retry_after_seconds));
                let until = now.plus_ms(i64::from(retry_after_seconds) * 1000);
                let block = BlockUser { user: self.user.id.clone(), until };
                if self.worker.node.registry.try_send(block).is_err() {
                    log::warn!("event=block_not_told user={}", self.user.id);
                }
                self.outbox.close(Disconnect::RateLimited, Farewell::AfterQueued, self.worker.now());
                Charged::No
            }
        }
    }

    // ---- out ----

    fn reply(&self, reply: &Reply) {
        if let Some(frame) = reply_frame(self.outbox.dialect, reply) {
            self.outbox.push(frame, self.worker.now());
        }
    }

    fn refuse(&self, reference: Option<ClientRef>, refusal: Refusal) {
        let node = &self.worker.node;
        node.metrics.refused(refusal.code);
        self.reply(&Reply::Error { reference, refusal, at: node.clock.now() });
    }

    // ---- the room ----

    /// Asks for the room; what the client says meanwhile waits, in order.
    fn join(&mut self, ctx: &mut Context<Self>) {
        let Some(binding) = &self.binding else { return };
        self.waiting = Some(VecDeque::new());
        self.joining = Joining::Yes;
        let join = Join {
            conn: self.outbox.key,
            connection: self.connection.clone(),
            user: self.user.clone(),
            hub: self.worker.hub.clone(),
            resume: binding.resume,
        };
        let ask = self.worker.node.registry.send(JoinRoom { room: binding.room.clone(), join });
        // no time-out: the registry waits for nobody, and a join that was given up would leave a member behind
        ctx.spawn(ask.into_actor(self).map(|answer, session, ctx| {
            session.joining = Joining::No;
            match answer {
                Ok(Ok(room)) => session.room = Some(room),
                Ok(Err(refusal)) => session.turn_away(refusal),
                Err(error) => {
                    log::warn!("event=join_failed conn={:?} why=\"{error}\"", session.outbox.key);
                    session.turn_away(Refusal::unavailable());
                }
            }
            session.resume_waiting(ctx);
            // the pump had its turn before this future: it must write what was said here, and may read again
            session.outbox.wake();
            if session.outbox.is_dead() {
                ctx.stop();
            }
        }));
    }

    fn turn_away(&self, refusal: Refusal) {
        self.refuse(None, refusal);
        self.outbox.close(Disconnect::TryAgainLater, Farewell::AfterQueued, self.worker.now());
    }
}

/// Whether a fresh token still opens the room. Membership was checked at the entrance, and its end closes the socket.
fn may_stay(user: &Author, claims: &Claims, room: &RoomIdentity) -> Result<(), Denied> {
    let subject = Subject { user: &user.id, role: Role::User, rooms: claims.rooms.as_deref() };
    let action = match &room.scope {
        RoomScope::Channel { .. } => Action::EnterChannel { room: room.id, membership: Some(GroupRole::Member) },
        RoomScope::Direct { users } => Action::EnterDirect { room: room.id, sides: users },
    };
    may(subject, action)
}

/// Whether a message was paid for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Charged {
    Yes,
    No,
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let up = SessionUp { user: self.user.id.clone(), conn: self.outbox.key, session: ctx.address().downgrade() };
        if self.worker.node.registry.try_send(up).is_err() {
            return self.turn_away(Refusal::unavailable());
        }
        log::debug!("event=session_open connection={}", self.connection);
        self.join(ctx);
    }

    /// A leave must not be lost: what a full mailbox refuses is tried again before the session ends.
    fn stopping(&mut self, ctx: &mut Self::Context) -> Running {
        self.outbox.die();
        if self.joining == Joining::Yes {
            return Running::Continue; // the answer ends it: only then there is a room to leave
        }
        let conn = self.outbox.key;
        if let Some(room) = &self.room
            && !matches!(room.try_send(Leave { conn }), Err(SendError::Full(_)))
        {
            self.room = None;
        }
        let down = SessionDown { user: self.user.id.clone(), conn };
        let told = !matches!(self.worker.node.registry.try_send(down), Err(SendError::Full(_)));
        if self.room.is_none() && told {
            return Running::Stop;
        }
        ctx.run_later(limits::SPILL_RETRY, |_, ctx| ctx.stop());
        Running::Continue
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        log::debug!(
            "event=session_end connection={} code={}",
            self.connection,
            self.outbox.reason().map_or(1006, Disconnect::code)
        );
        self.outbox.bury();
        self.worker.dismiss(self.outbox.key);
    }
}

/// A direct message reaches its two users wherever they are, but not in a window on another conversation, whose client
/// would take it for a part of that.
impl Handler<Overhear> for Session {
    type Result = ();

    fn handle(&mut self, Overhear(broadcast): Overhear, _: &mut Self::Context) {
        let elsewhere = self.binding.as_ref().is_none_or(|binding| match binding.room.scope {
            RoomScope::Channel { .. } => true,
            RoomScope::Direct { .. } => false,
        });
        if let Some(frame) = broadcast.frame(self.outbox.dialect).filter(|_| elsewhere) {
            self.outbox.push(frame, self.worker.now());
        }
    }
}

impl Handler<Notice> for Session {
    type Result = ();

    fn handle(&mut self, Notice(reply): Notice, _: &mut Self::Context) {
        self.reply(&reply);
    }
}

impl Handler<Kick> for Session {
    type Result = ();

    fn handle(&mut self, Kick(why): Kick, _: &mut Self::Context) {
        self.outbox.close(why, Farewell::AfterQueued, self.worker.now());
    }
}
