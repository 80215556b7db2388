//! The user's queue, seen from one socket. Notifications and direct messages that no socket of the user has written yet
//! are queued in the store. A socket leases the rows that its dialect and filter can show and sends them; they are
//! deleted when the socket has written them. So only one of several sockets delivers a row, and if that socket or its
//! node ends before, another one does. Live messages are deleted in the same way by the first socket that has written
//! them. A row must never be deleted before its last byte has left the outbox.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actix::prelude::*;
use futures_util::future::try_join_all;

use super::Session;
use crate::{
    actors::{
        fanout::{Broadcast, reply_frame},
        messages::ResyncUserEvents,
        outbox::Mark,
    },
    auth::policy::{Action, Subject, may},
    core::{
        backlog::Frame,
        event::{EventBody, Reply, RoomIdentity},
        notification::Notification,
        profile::Role,
        user_event::UserEvent,
    },
    dialects::options::QueueManner,
    ids::{RoomId, Seq, Timestamp},
    limits,
    logged::logged,
    store::{Conversation, Leased, QueueQuery, Queued, QueuedId, QueuedMessages, Store, StoreError, StoredEvent},
};

/// The state of the user's queue on one socket.
#[derive(Default)]
pub(super) struct UserQueue {
    /// The rows sent last, so that duplicates are not sent twice.
    sent: VecDeque<QueuedId>,
    /// Rows that are sent and not written yet. Bounded by the size of the outbox.
    unwritten: Vec<Unwritten>,
    /// Whether a check of the outbox is scheduled.
    is_watched: bool,
    looking: Looking,
    /// Timer for the end of another socket's lease.
    next_look: Option<SpawnHandle>,
    /// The sequence number up to which the hub has sent the direct conversation of this socket; `None` before its first
    /// frame.
    sent_up_to: Option<Seq>,
}

/// A queued row whose frame is in the outbox or on its way there.
struct Unwritten {
    id: QueuedId,
    origin: Origin,
    /// Where its frame ends in the outbox, once known.
    mark: Option<Mark>,
}

/// How a queued row reached this socket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was sent to all sockets of the user and stays queued until one has written it.
    Live,
    /// It was queued, and this socket has leased it.
    Leased,
}

/// Whether the store is being read.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Looking {
    #[default]
    No,
    Yes,
    /// Read once more afterwards: something has changed in the meantime.
    Again,
}

/// Whether a frame was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Yes,
    /// The dialect has no such message, or the socket is closing.
    No,
}

impl UserQueue {
    /// Records that a row's frame is in the outbox.
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

    /// Sends a queued row, unless it was already sent.
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

    /// Sends a notification that was just created.
    pub(super) fn send_notification(
        &mut self,
        notification: &Notification,
        news: Arc<UserEvent>,
        ctx: &mut Context<Self>,
    ) {
        let frame = self.frame_of(&Reply::UserEvent(news));
        if self.send_once(QueuedId::Notification(notification.id), frame, Origin::Live) == Sent::Yes {
            self.outbox.flush(self.worker.now());
            self.forget_written(ctx);
        }
    }

    /// Delivers an event of a conversation that this socket has not joined. Sockets bound to another room receive only
    /// those of direct conversations, and only if their dialect has a form for them.
    pub(super) fn deliver_direct(&mut self, broadcast: &Broadcast, ctx: &mut Context<Self>) {
        let subject = Subject { user: &self.user.id, role: Role::User, rooms: self.confined.as_deref() };
        if may(subject, Action::Stay { room: &broadcast.event.room }).is_err() {
            return; // the token is confined to other rooms
        }
        let dialect = self.outbox.dialect;
        if !broadcast.audience.includes(self.outbox.listener(self.worker.node.id, None)) {
            return;
        }
        if self.rooms.has_joined(broadcast.event.room.id) && !broadcast.event.room.scope.is_direct() {
            // joined after it was published: the room has not sent it, and it is queued
            return self.look_for_queued(ctx);
        }
        let is_direct = broadcast.event.room.scope.is_direct();
        let frame = match self.rooms.bound() {
            // sent by the room itself
            None if self.rooms.has_joined(broadcast.event.room.id) => None,
            None => broadcast.frame_for(dialect, &self.user.id),
            Some(bound) if is_direct && !bound.scope.is_direct() => broadcast.direct_frame(dialect, &self.user.id),
            Some(_) => None,
        };
        let Some(frame) = frame else { return };
        // events of other rooms are sent only to the users in whose queues they are
        let is_queued = !is_direct || broadcast.event.queued_for() == Some(&self.user.id);
        match &broadcast.event.body {
            EventBody::Durable { id, .. } if is_queued => {
                if self.send_once(QueuedId::Message(*id), Some(frame), Origin::Live) == Sent::Yes {
                    self.outbox.flush(self.worker.now());
                    self.forget_written(ctx);
                }
            }
            EventBody::Durable { .. } | EventBody::Ephemeral(_) => self.outbox.push(frame, self.worker.now()),
        }
    }

    /// Records what the hub has sent of a direct conversation. Called by the pump, which the hub wakes.
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

    // ---- deletion of written rows ----

    /// Deletes written rows. Checks the others again until they are written or the socket ends.
    fn forget_written(&mut self, ctx: &mut Context<Self>) {
        let (mut unwritten, mut written) = (std::mem::take(&mut self.queue.unwritten), Vec::new());
        unwritten.retain_mut(|one| {
            // a leased row that its room has not sent yet gets no mark
            let is_sent = one.mark.is_some() || self.queue.sent.contains(&one.id);
            one.mark = one.mark.or_else(|| if is_sent { self.outbox.mark() } else { None });
            let is_written = one.mark.is_some_and(|mark| self.outbox.has_written(mark));
            if is_written {
                written.push(one.id);
            }
            !is_written
        });
        self.delete_written(written);
        self.queue.unwritten = unwritten;
        if !self.queue.unwritten.is_empty() && self.outbox.is_open() && !self.queue.is_watched {
            self.queue.is_watched = true;
            ctx.run_later(limits::QUEUE_PACE, |session, ctx| {
                session.queue.is_watched = false;
                session.forget_written(ctx);
            });
        }
    }

    /// Deletes written rows, even if the session ends meanwhile. If that fails, the next socket receives them once more.
    fn delete_written(&self, ids: Vec<QueuedId>) {
        if ids.is_empty() {
            return;
        }
        let (store, user) = (self.worker.node.store.clone(), self.user.id.clone());
        actix::spawn(async move {
            if let Err(error) = store.all_delivered(&user, ids).await {
                log::warn!(
                    "event=queue_not_deleted user={user} why={error}",
                    user = logged(&user),
                    error = logged(&error)
                );
            }
        });
    }

    /// The socket has ended: returns leased rows that were not written. Other rows are still queued.
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

    /// Whether a lease is being acquired: the session must not end before it can be returned.
    pub(super) fn is_leasing(&self) -> bool {
        self.queue.looking != Looking::No
    }

    /// Leases the queued messages of the conversation to which the socket is bound. The room sends them after its first
    /// frame.
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

    /// Checks whether anything is queued for the user, and delivers what this socket can show.
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

    /// Retries after a random delay if the database is unavailable or overloaded.
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
            // the session may have waited for this before it ends
            return if self.outbox.is_dead() {
                ctx.stop()
            };
        }
        if again {
            self.look_for_queued(ctx);
        }
    }

    /// Another socket has leased the rest until then. If it ends without delivering, this one delivers.
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

    /// The rows that this socket can show. A socket that joins rooms by name sets a filter for notifications first;
    /// until then it receives only those created since it opened. Messages of a conversation are shown by a socket
    /// bound to it; a socket that resumes has them in its replay.
    fn shows(&self) -> QueueQuery {
        let from_the_start = self.outbox.dialect.options().queue == QueueManner::FromTheStart;
        let wants_old_ones = self.rooms.bound().is_some() || self.notices.has_filter() || from_the_start;
        let messages = match (self.rooms.fresh_conversation(), self.queue.sent_up_to) {
            (Some(room), Some(up_to)) => QueuedMessages::InRoom { room, up_to },
            // a confined token permits only some of the rooms, which are not known here
            (None, _) if from_the_start && self.confined.is_none() => QueuedMessages::All,
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
        // as late as possible, so that rows the hub has sent by now are not sent again
        self.note_sent(ctx);
        let (node, user, wanted) = (self.worker.node.clone(), self.user.id.clone(), self.shows());
        let until = node.clock.now().plus_ms(limits::QUEUE_LEASE.as_millis() as i64);
        let leased = async move {
            let leased = node.store.lease_queue(&user, &wanted, until).await?;
            node.metrics.queue_reads(leased.reads);
            let rooms = rooms_of(&node.store, &leased.items).await?;
            Ok((leased, rooms))
        };
        ctx.spawn(leased.into_actor(self).map(|leased: Result<_, StoreError>, session, ctx| match leased {
            Ok((Leased { items, held_until, .. }, _)) if items.is_empty() => {
                if let Some(held_until) = held_until {
                    session.look_again_at(held_until, ctx);
                }
                session.stop_looking(ctx);
            }
            Ok((leased, rooms)) => session.deliver(leased.items, &rooms, ctx),
            Err(error) => {
                session.not_leased(&error);
                session.stop_looking(ctx);
                session.look_again_when_back(&error, ctx);
            }
        }));
    }

    fn deliver(&mut self, leased: Vec<Queued>, rooms: &[Arc<RoomIdentity>], ctx: &mut Context<Self>) {
        let mut unsent = Vec::new();
        for item in leased {
            let id = item.id();
            let frame = match item {
                Queued::Notification(stored) => {
                    let news = UserEvent::Notified { user: stored.user, notification: stored.notification };
                    self.frame_of(&Reply::UserEvent(Arc::new(news)))
                }
                Queued::Message { room, event } => rooms.iter().find(|known| known.id == room).and_then(|room| {
                    let broadcast = replayed(room.clone(), *event);
                    broadcast.frame(self.outbox.dialect)
                }),
            };
            if self.send_once(id, frame, Origin::Leased) == Sent::No {
                unsent.push(id);
            }
        }
        self.outbox.flush(self.worker.now());
        self.forget_written(ctx);
        // the pump was polled before this future: wake it to continue writing
        self.outbox.wake();
        if unsent.is_empty() {
            return self.lease_more(ctx);
        }
        self.return_leases(unsent);
        self.stop_looking(ctx);
    }

    /// Leases the next rows when the socket has accepted these.
    fn lease_more(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(limits::QUEUE_PACE, |session, ctx| {
            if session.outbox.is_open() && session.outbox.owed_bytes() > 0 {
                return session.lease_more(ctx);
            }
            session.lease(ctx);
        });
    }
}

/// The rooms of the queued messages.
async fn rooms_of(store: &Store, queued: &[Queued]) -> Result<Vec<Arc<RoomIdentity>>, StoreError> {
    let mut ids: Vec<RoomId> = queued
        .iter()
        .filter_map(|item| match item {
            Queued::Notification(_) => None,
            Queued::Message { room, .. } => Some(*room),
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let rooms = try_join_all(ids.into_iter().map(|id| store.shared_room(id))).await?;
    Ok(rooms.into_iter().flatten().map(Arc::new).collect())
}

/// A stored event as its room would replay it.
fn replayed(room: Arc<RoomIdentity>, event: StoredEvent) -> Arc<Broadcast> {
    Broadcast::durable(room, event)
}

/// Messages between nodes may have been lost; their content is queued in the store.
impl Handler<ResyncUserEvents> for Session {
    type Result = ();

    fn handle(&mut self, _: ResyncUserEvents, ctx: &mut Self::Context) {
        self.look_for_queued(ctx);
    }
}
