//! The user's queue on this socket. What no socket of the user has written yet is queued in the store: notifications,
//! and messages of direct conversations. A socket leases what its dialect and its filter can show, sends it, and the
//! rows are deleted when the socket has written them. So of many sockets one delivers a row, and if that one or its
//! node ends before, the next one does. What is sent live is deleted in the same way, by the first socket that has
//! written it. Nothing is deleted before its last byte has left the outbox.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actix::prelude::*;

use super::Session;
use crate::{
    actors::{
        fanout::{Broadcast, reply_frame},
        messages::NewsMissed,
        outbox::Mark,
    },
    core::{
        backlog::Frame,
        event::{EventBody, Reply, RoomIdentity, RoomScope},
        notification::Notification,
        personal::Personal,
    },
    ids::{RoomId, Seq, Timestamp},
    limits,
    logged::logged,
    store::{Conversation, Leased, QueueQuery, Queued, QueuedId, QueuedMessages, StoreError, StoredEvent},
};

/// What of the user's queue concerns one socket.
#[derive(Default)]
pub(super) struct UserQueue {
    /// The last ones sent, so that what comes twice is sent once.
    sent: VecDeque<QueuedId>,
    /// Sent and not written yet. Bounded by what a slow reader may owe.
    unwritten: Vec<Unwritten>,
    /// Whether the outbox is being watched.
    is_watched: bool,
    looking: Looking,
    /// For when another socket's lease ends.
    next_look: Option<SpawnHandle>,
    /// How far the hub has sent the direct conversation that the socket is bound to; none before the first frame.
    sent_up_to: Option<Seq>,
}

/// A queued row whose frame is in the outbox, or on its way there.
struct Unwritten {
    id: QueuedId,
    origin: Origin,
    /// Where its frame ends in the outbox, once that is known.
    mark: Option<Mark>,
}

/// How a queued row came to this socket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was sent to all sockets of the user: until one has written it, it stays queued.
    Live,
    /// It was queued, and this socket has leased it.
    Leased,
}

/// Whether the store is being asked for what is queued.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Looking {
    #[default]
    No,
    Yes,
    /// Once more after that: something changed in between.
    Again,
}

/// Whether a socket was sent something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Yes,
    /// Its dialect has no form for it, or it is closing.
    No,
}

impl UserQueue {
    /// A row's frame is in the outbox.
    fn note(&mut self, id: QueuedId, origin: Origin, mark: Option<Mark>) {
        if self.sent.len() >= limits::QUEUE_REMEMBERED_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back(id);
        match self.unwritten.iter_mut().find(|unwritten| unwritten.id == id) {
            Some(known) => known.mark = mark,
            None => self.unwritten.push(Unwritten { id, origin, mark }),
        }
    }
}

impl Session {
    // ---- sending ----

    fn frame_of(&self, reply: &Reply) -> Option<Frame> {
        reply_frame(self.outbox.dialect, reply, self.worker.node.clock.now())
    }

    /// Sends a queued row, unless it was sent already.
    fn send_once(&mut self, id: QueuedId, frame: Option<Frame>, origin: Origin) -> Sent {
        if self.queue.sent.contains(&id) {
            match self.queue.unwritten.iter_mut().find(|unwritten| unwritten.id == id) {
                Some(unwritten) => unwritten.origin = origin,
                None => self.queue.unwritten.push(Unwritten { id, origin, mark: self.outbox.mark() }),
            }
            return Sent::Yes;
        }
        let Some(frame) = frame else { return Sent::No };
        self.outbox.push(frame, self.worker.now());
        if !self.outbox.is_open() {
            return Sent::No;
        }
        self.queue.note(id, origin, self.outbox.mark());
        Sent::Yes
    }

    /// Sends a notification that was just made.
    pub(super) fn send_notification(
        &mut self,
        notification: &Notification,
        news: Arc<Personal>,
        ctx: &mut Context<Self>,
    ) {
        let frame = self.frame_of(&Reply::Personal(news));
        if self.send_once(QueuedId::Notification(notification.id), frame, Origin::Live) == Sent::Yes {
            self.outbox.flush(self.worker.now());
            self.forget_written(ctx);
        }
    }

    /// A direct message reaches its two users wherever they are, but not in a window on another conversation, whose
    /// client would take it for a part of that.
    pub(super) fn overhear(&mut self, broadcast: &Broadcast, ctx: &mut Context<Self>) {
        let dialect = self.outbox.dialect;
        let frame = match self.rooms.bound().map(|room| &room.scope) {
            None => broadcast.frame(dialect),
            Some(RoomScope::Channel { .. } | RoomScope::Open { .. }) => broadcast.overheard_frame(dialect),
            Some(RoomScope::Direct { .. }) => None,
        };
        let Some(frame) = frame else { return };
        match &broadcast.event.body {
            EventBody::Durable { id, .. } if broadcast.event.queued_for() == Some(&self.user.id) => {
                if self.send_once(QueuedId::Message(*id), Some(frame), Origin::Live) == Sent::Yes {
                    self.outbox.flush(self.worker.now());
                    self.forget_written(ctx);
                }
            }
            EventBody::Durable { .. } | EventBody::Ephemeral(_) => self.outbox.push(frame, self.worker.now()),
        }
    }

    /// Takes note of what the hub has sent of a direct conversation. Called by the pump, which the hub wakes.
    pub(in crate::actors) fn note_sent(&mut self, ctx: &mut Context<Self>) {
        let Some(sent) = self.outbox.take_direct() else { return };
        for (id, mark) in sent.messages {
            self.queue.note(QueuedId::Message(id), Origin::Live, Some(mark));
        }
        let is_first = self.queue.sent_up_to.is_none();
        self.queue.sent_up_to = self.queue.sent_up_to.max(sent.up_to);
        if is_first && self.queue.sent_up_to.is_some() {
            self.look_for_queued(ctx);
        }
        self.forget_written(ctx);
    }

    // ---- written ----

    /// Deletes what is written. The rest is looked at again, until it is written or the socket ends.
    fn forget_written(&mut self, ctx: &mut Context<Self>) {
        let mut unwritten = std::mem::take(&mut self.queue.unwritten);
        unwritten.retain_mut(|one| {
            // a leased row that its room has still to send has no mark before the hub has sent it
            let is_sent = one.mark.is_some() || self.queue.sent.contains(&one.id);
            one.mark = one.mark.or_else(|| if is_sent { self.outbox.mark() } else { None });
            let is_written = one.mark.is_some_and(|mark| self.outbox.has_written(mark));
            if is_written {
                self.delete_written(one.id);
            }
            !is_written
        });
        self.queue.unwritten = unwritten;
        if !self.queue.unwritten.is_empty() && self.outbox.is_open() && !self.queue.is_watched {
            self.queue.is_watched = true;
            ctx.run_later(limits::QUEUE_PACE, |session, ctx| {
                session.queue.is_watched = false;
                session.forget_written(ctx);
            });
        }
    }

    /// Deletes a row that is written, also if the session ends meanwhile. Should that fail, the next socket is sent it
    /// once more.
    fn delete_written(&self, id: QueuedId) {
        let (store, user) = (self.worker.node.store.clone(), self.user.id.clone());
        actix::spawn(async move {
            if let Err(error) = store.queue_delivered(&user, id).await {
                log::warn!(
                    "event=queue_not_deleted user={user} why={error}",
                    user = logged(&user),
                    error = logged(&error)
                );
            }
        });
    }

    /// The socket has ended: what it has leased and not written is the next one's. The rest is queued all the same.
    pub(super) fn give_back_unwritten(&mut self) {
        let unwritten = std::mem::take(&mut self.queue.unwritten).into_iter();
        self.return_leases(unwritten.filter(|one| one.origin == Origin::Leased).map(|one| one.id).collect());
    }

    fn return_leases(&self, ids: Vec<QueuedId>) {
        if ids.is_empty() {
            return;
        }
        let (store, user) = (self.worker.node.store.clone(), self.user.id.clone());
        actix::spawn(async move {
            if let Err(error) = store.return_leases(&user, &ids).await {
                log::warn!(
                    "event=leases_not_returned user={user} why={error}",
                    user = logged(&user),
                    error = logged(&error)
                );
            }
        });
    }

    // ---- leasing ----

    /// Whether leases are on their way here: the session must not end before they can be given back.
    pub(super) fn is_leasing(&self) -> bool {
        self.queue.looking != Looking::No
    }

    /// Leases what the conversation that the socket is bound to has in the user's queue, and goes on with it. The room
    /// sends it behind its first frame.
    pub(super) fn lease_conversation(
        &mut self,
        room: RoomId,
        ctx: &mut Context<Self>,
        then: impl FnOnce(Option<Box<Conversation>>, &mut Session, &mut Context<Self>) + 'static,
    ) {
        let (node, user) = (self.worker.node.clone(), self.user.id.clone());
        let until = node.clock.now().plus_ms(limits::QUEUE_LEASE.as_millis() as i64);
        let leased = async move { node.store.lease_conversation(&user, room, until).await };
        self.hold(leased, ctx, move |leased, session, ctx| {
            let conversation = match leased {
                Ok(conversation) => {
                    let ids = conversation.events.iter().map(|event| QueuedId::Message(event.id));
                    let leased = ids.map(|id| Unwritten { id, origin: Origin::Leased, mark: None });
                    session.queue.unwritten.extend(leased);
                    if let Some(until) = conversation.held_until {
                        session.look_again_at(until, ctx);
                    }
                    Some(Box::new(conversation))
                }
                Err(error) => {
                    session.not_leased(&error);
                    None
                }
            };
            then(conversation, session, ctx);
        });
    }

    fn not_leased(&self, error: &StoreError) {
        log::warn!("event=queue_not_read user={} why={error}", logged(&self.user.id), error = logged(error));
    }

    /// Asks whether anything is queued for the user, and delivers what this socket can show.
    pub(super) fn look_for_queued(&mut self, ctx: &mut Context<Self>) {
        if self.queue.looking != Looking::No {
            self.queue.looking = Looking::Again;
            return;
        }
        self.queue.looking = Looking::Yes;
        let (store, user) = (self.worker.node.store.clone(), self.user.id.clone());
        let asked = async move { store.queue_waits(&user).await };
        ctx.spawn(asked.into_actor(self).map(|waits, session, ctx| match waits {
            Ok(true) => session.lease(ctx),
            Ok(false) => session.stop_looking(ctx),
            Err(error) => {
                session.not_leased(&error);
                session.stop_looking(ctx);
                session.look_again_when_back(&error, ctx);
            }
        }));
    }

    /// A database that is away, or has too much to do, is asked again at a moment of this socket's own.
    fn look_again_when_back(&mut self, error: &StoreError, ctx: &mut Context<Self>) {
        let is_away = match error {
            StoreError::Unavailable(_) => true,
            StoreError::Missing | StoreError::Taken(_) | StoreError::Fault(_) => false,
        };
        if is_away && self.outbox.is_open() {
            let retry = limits::NOTIFICATIONS_RETRY;
            let wait_ms = fastrand::i64(retry.start().as_millis() as i64..=retry.end().as_millis() as i64);
            self.look_again_at(self.worker.node.clock.now().plus_ms(wait_ms), ctx);
        }
    }

    fn stop_looking(&mut self, ctx: &mut Context<Self>) {
        let again = std::mem::take(&mut self.queue.looking) == Looking::Again;
        if !self.outbox.is_open() {
            // it may have waited for this before it ends
            return if self.outbox.is_dead() {
                ctx.stop()
            };
        }
        if again {
            self.look_for_queued(ctx);
        }
    }

    /// Another socket holds the rest until then; if it dies with it, this one delivers it.
    fn look_again_at(&mut self, then: Timestamp, ctx: &mut Context<Self>) {
        let left_ms = then.unix_ms.saturating_sub(self.worker.node.clock.now().unix_ms);
        let wait = Duration::from_millis(left_ms.max(0) as u64).min(limits::QUEUE_LEASE);
        let look = ctx.run_later(wait + limits::QUEUE_PACE, |session, ctx| {
            session.queue.next_look = None;
            if session.outbox.is_open() {
                session.look_for_queued(ctx);
            }
        });
        if let Some(before) = self.queue.next_look.replace(look) {
            ctx.cancel_future(before);
        }
    }

    /// What this socket can show. A socket that enters rooms as it likes says first which notifications it wants; until
    /// then it is sent those that were made since it opened. Messages of a conversation are shown by a socket that is
    /// bound to it; one that resumes has them in its replay.
    fn shows(&self) -> QueueQuery {
        let wants_old_ones = self.rooms.bound().is_some() || self.notices.has_filter();
        let messages = match (self.rooms.fresh_conversation(), self.queue.sent_up_to) {
            (Some(room), Some(up_to)) => QueuedMessages::InRoom { room, up_to },
            (Some(_) | None, _) => QueuedMessages::None,
        };
        QueueQuery {
            notifications: Some(self.notices.filter()),
            since: (!wants_old_ones).then_some(self.notices.opened_at),
            messages,
        }
    }

    fn lease(&mut self, ctx: &mut Context<Self>) {
        if !self.outbox.is_open() {
            return self.stop_looking(ctx);
        }
        // as late as possible: what the hub has sent until now is not sent again
        self.note_sent(ctx);
        let (node, user, wanted) = (self.worker.node.clone(), self.user.id.clone(), self.shows());
        let until = node.clock.now().plus_ms(limits::QUEUE_LEASE.as_millis() as i64);
        let leased = async move { node.store.lease_queue(&user, &wanted, until).await };
        ctx.spawn(leased.into_actor(self).map(|leased, session, ctx| match leased {
            Ok(Leased { items, held_until }) if items.is_empty() => {
                if let Some(held_until) = held_until {
                    session.look_again_at(held_until, ctx);
                }
                session.stop_looking(ctx);
            }
            Ok(leased) => session.deliver(leased.items, ctx),
            Err(error) => {
                session.not_leased(&error);
                session.stop_looking(ctx);
            }
        }));
    }

    fn deliver(&mut self, leased: Vec<Queued>, ctx: &mut Context<Self>) {
        let mut unsent = Vec::new();
        for item in leased {
            let id = item.id();
            let frame = match item {
                Queued::Notification(stored) => {
                    let news = Personal::Notified { user: stored.user, notification: stored.notification };
                    self.frame_of(&Reply::Personal(Arc::new(news)))
                }
                Queued::Message { room, event } => self.rooms.identity_of(room).and_then(|room| {
                    let broadcast = replayed(room, event);
                    broadcast.frame(self.outbox.dialect)
                }),
            };
            if self.send_once(id, frame, Origin::Leased) == Sent::No {
                unsent.push(id);
            }
        }
        self.outbox.flush(self.worker.now());
        self.forget_written(ctx);
        // the pump had its turn before this future: what could not be written is its to go on with
        self.outbox.wake();
        if unsent.is_empty() {
            return self.lease_more(ctx);
        }
        self.return_leases(unsent);
        self.stop_looking(ctx);
    }

    /// The next ones, when the socket has taken these.
    fn lease_more(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(limits::QUEUE_PACE, |session, ctx| {
            if session.outbox.is_open() && session.outbox.owed_bytes() > 0 {
                return session.lease_more(ctx);
            }
            session.lease(ctx);
        });
    }
}

/// A stored event as its room would send it again.
fn replayed(room: Arc<RoomIdentity>, event: StoredEvent) -> Arc<Broadcast> {
    Broadcast::durable(room, event)
}

/// Messages between nodes may have been lost: what was among them is queued in the store.
impl Handler<NewsMissed> for Session {
    type Result = ();

    fn handle(&mut self, _: NewsMissed, ctx: &mut Self::Context) {
        self.look_for_queued(ctx);
    }
}
