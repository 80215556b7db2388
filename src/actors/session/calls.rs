//! Calls on one socket. `core::call` decides; this module passes its messages to the other user's sockets and shows its
//! news to the client. Calls end with the socket. No signal may be stored or logged.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;

use super::Session;
use crate::{
    actors::{
        bridge::ClusterMode,
        fanout::reply_frame,
        messages::{PublishToUser, SocketsOf},
    },
    auth::policy::{Action, Subject, may},
    core::{
        backlog::{Class, Frame},
        call::{CallEffect, CallFault, CallKey, CallMessage, CallNews, CallParty, CallRequested, SocketCalls},
        command::{SignalKind, Tag},
        event::{CallChange, CallNotice, Reply},
        presence::SocketLocation,
        profile::Role,
        user_event::UserEvent,
    },
    ids::{ConnKey, SocketId, UserId},
    limits,
};

/// The calls of a socket, and their timer.
pub(super) struct Calls {
    core: SocketCalls,
    /// The fixed point from which the core's times are measured.
    began: Instant,
    timer: Option<SpawnHandle>,
}

impl From<&SocketLocation> for SocketId {
    fn from(at: &SocketLocation) -> SocketId {
        let conn = ConnKey { worker: at.worker, generation: at.generation };
        SocketId { node: at.node, conn }
    }
}

impl Session {
    // ---- requests and messages ----

    /// Executes a request of the client.
    pub(super) fn request_call(&mut self, requested: CallRequested, ctx: &mut Context<Self>) {
        if let Err(denied) = self.may_call() {
            return self.refuse(requested.tag, denied.into());
        }
        self.with_calls(ctx, |core, now| core.request(requested, now));
    }

    /// Handles a message of the other side of a call.
    pub(super) fn receive_call(&mut self, message: CallMessage, ctx: &mut Context<Self>) {
        let is_offer = matches!(message.what, CallNews::Offered { .. });
        let is_for_this_socket = message.to == Some(self.call_socket());
        let can_ring = self.outbox.dialect.options().rings && self.outbox.is_open() && self.may_call().is_ok();
        if if is_offer { can_ring } else { self.calls.is_some() || is_for_this_socket } {
            self.with_calls(ctx, |core, now| core.receive(message, now));
        }
    }

    /// The token does not permit calls any more.
    pub(super) fn end_unpermitted_calls(&mut self, ctx: &mut Context<Self>) {
        if self.calls.is_some() && self.may_call().is_err() {
            self.with_calls(ctx, |core, _| core.end_all());
        }
    }

    /// The socket has closed.
    pub(super) fn end_calls(&mut self) {
        let Some(calls) = &mut self.calls else { return };
        for effect in calls.core.end_all() {
            if let CallEffect::Send(message) = effect {
                self.send_call_message(message);
            }
        }
    }

    fn may_call(&self) -> Result<(), crate::auth::policy::Denied> {
        let subject = Subject { user: &self.user.id, role: Role::User, rooms: self.confined.as_deref() };
        may(subject, Action::Call)
    }

    fn call_socket(&self) -> SocketId {
        SocketId { node: self.worker.node.id, conn: self.outbox.key }
    }

    // ---- the core ----

    /// Passes something to the core and does what it says.
    fn with_calls(
        &mut self,
        ctx: &mut Context<Self>,
        ask: impl FnOnce(&mut SocketCalls, std::time::Duration) -> Vec<CallEffect>,
    ) {
        let me = CallParty { user: self.user.clone(), socket: self.call_socket() };
        let ring_time = self.worker.node.config.calls.ring_time;
        let calls = self.calls.get_or_insert_with(|| {
            Box::new(Calls { core: SocketCalls::new(me, ring_time), began: Instant::now(), timer: None })
        });
        let effects = ask(&mut calls.core, calls.began.elapsed());
        for effect in effects {
            self.carry_out_call(effect, ctx);
        }
        self.set_call_timer(ctx);
        // effects of timers come after the pump was polled
        self.outbox.wake();
    }

    fn carry_out_call(&mut self, effect: CallEffect, ctx: &mut Context<Self>) {
        match effect {
            CallEffect::Show(notice) => self.show_call(notice),
            CallEffect::Send(message) => match message.what {
                CallNews::Offered { .. } => self.send_offer(message, ctx),
                CallNews::Rings
                | CallNews::Answered { .. }
                | CallNews::Accepted { .. }
                | CallNews::Signal { .. }
                | CallNews::Ended { .. }
                | CallNews::Probe => self.send_call_message(message),
            },
            CallEffect::Done(tag) => self.done(tag),
            CallEffect::Refuse(tag, fault) => self.refuse(tag, fault.into()),
            CallEffect::Unreached { tag, target } => self.refuse_unreached(tag, target, ctx),
            CallEffect::Check(user) => self.check_other_side(user, ctx),
        }
    }

    fn set_call_timer(&mut self, ctx: &mut Context<Self>) {
        let Some(calls) = &mut self.calls else { return };
        if let Some(timer) = calls.timer.take() {
            ctx.cancel_future(timer);
        }
        if let Some(deadline) = calls.core.next_deadline() {
            let wait = deadline.saturating_sub(calls.began.elapsed());
            calls.timer = Some(ctx.run_later(wait, |session, ctx| session.with_calls(ctx, SocketCalls::tick)));
        }
    }

    // ---- effects ----

    /// A slow client loses candidates rather than its socket, because anybody may call it.
    fn show_call(&self, notice: CallNotice) {
        let is_candidate = match &notice.what {
            CallChange::Signal { kind: SignalKind::IceCandidate, .. } => true,
            CallChange::Signal { kind: SignalKind::Offer | SignalKind::Answer, .. } | CallChange::Ended { .. } => false,
        };
        let reply = Reply::Call(Box::new(notice));
        let Some(frame) = reply_frame(self.outbox.dialect, &reply, self.worker.node.clock.now()) else { return };
        // a key of its own, because no candidate replaces another one
        let class = if is_candidate { Class::Ephemeral(fastrand::u64(..)) } else { frame.class };
        self.outbox.push(Frame { class, ..frame }, self.worker.now());
    }

    /// A message that is lost is replaced by the checks of both sides.
    fn send_call_message(&self, message: CallMessage) {
        if self.worker.node.registry.try_send(published(message)).is_err() {
            log::warn!("event=call_message_lost conn={:?} why=registry_full", self.outbox.key);
        }
    }

    /// On a single node it is known at once whether the target has a socket.
    fn send_offer(&mut self, message: CallMessage, ctx: &mut Context<Self>) {
        let (node, call) = (self.worker.node.clone(), message.call);
        let sent = node.registry.send(published(message)).timeout(limits::ASK_TIMEOUT);
        ctx.spawn(sent.into_actor(self).map(move |sockets, session, ctx| {
            if node.bridge.cluster_mode == ClusterMode::SingleNode && matches!(sockets, Ok(0)) {
                session.give_up_call(call, ctx);
            }
        }));
    }

    fn give_up_call(&mut self, call: CallKey, ctx: &mut Context<Self>) {
        self.with_calls(ctx, |core, _| core.unreachable(call));
    }

    /// Nobody has received the offer: the reason is that there is no such user, or that none of the user's sockets rings.
    fn refuse_unreached(&mut self, tag: Tag, target: UserId, ctx: &mut Context<Self>) {
        let store = self.worker.node.store.clone();
        let known = async move { store.user(&target).await };
        ctx.spawn(known.into_actor(self).map(move |known, session, _| {
            match known {
                Ok(Some(_)) => session.refuse(tag, CallFault::NobodyRings.into()),
                Ok(None) => session.refuse(tag, CallFault::NoSuchUser.into()),
                Err(error) => session.refuse(tag, error.into()),
            }
            session.outbox.wake();
        }));
    }

    fn check_other_side(&mut self, user: UserId, ctx: &mut Context<Self>) {
        let asked = self.worker.node.presence.send(SocketsOf(user.clone())).timeout(limits::ASK_TIMEOUT);
        ctx.spawn(asked.into_actor(self).map(move |sockets, session, ctx| {
            if let Ok(sockets) = sockets {
                let sockets: Vec<SocketId> = sockets.iter().map(SocketId::from).collect();
                session.with_calls(ctx, |core, _| core.checked(&user, &sockets));
            }
        }));
    }
}

fn published(message: CallMessage) -> PublishToUser {
    PublishToUser { user: message.user.clone(), what: Arc::new(UserEvent::Call(message)), but: None }
}
