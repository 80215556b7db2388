//! What a session has to do with notifications: which of them its socket wants, which were read, and which wait for the
//! user until some socket has heard them. What waits is taken in hand with a lease, told, and forgotten when it is
//! written: so of many sockets one tells it, and if that one or its node ends before, the next one does.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actix::prelude::*;

use super::{Session, rooms::store_refusal};
use crate::{
    actors::{
        fanout::reply_frame,
        messages::{NewsMissed, ToUser},
        outbox::Mark,
    },
    core::{
        command::Tag,
        event::Reply,
        notification::{Notification, NotificationFilter},
        personal::Personal,
    },
    error::{ErrorCode, Refusal},
    ids::{NotificationId, Timestamp},
    limits,
    logged::logged,
    store::{ReadMark, StoredNotification, WaitingQuery},
};

/// What of notifications concerns one socket.
pub(super) struct Notices {
    opened_at: Timestamp,
    /// Which of them the socket wants; None: all.
    filter: Option<Box<NotificationFilter>>,
    /// The last ones told, so that a repeated word is told once.
    told: VecDeque<NotificationId>,
    /// Told and not written yet. Bounded by what a slow reader may owe.
    unwritten: Vec<Unwritten>,
    writing: Writing,
    looking: Looking,
    /// For when somebody else's lease ends.
    next_look: Option<SpawnHandle>,
}

/// A notification in the outbox.
struct Unwritten {
    id: NotificationId,
    origin: Origin,
    /// Where it ends there, once that is known.
    mark: Option<Mark>,
}

/// Where a notification came from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// It was told to all sockets of the user: until one has written it, it waits.
    Live,
    /// It waited, and is in this socket's hand.
    Leased,
}

/// Whether the outbox is being watched.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Writing {
    #[default]
    Done,
    Watched,
}

/// Whether the store is being asked for what waits.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Looking {
    #[default]
    No,
    Yes,
    /// Once more after that: something changed in between.
    Again,
}

/// Whether a socket was told something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Yes,
    /// Its dialect has no form for it, it is closing, or it does not want it.
    No,
}

impl Notices {
    /// Of a socket that opens now and wants all there is.
    pub fn new(now: Timestamp) -> Notices {
        Notices {
            opened_at: now,
            filter: None,
            told: VecDeque::new(),
            unwritten: Vec::new(),
            writing: Writing::default(),
            looking: Looking::default(),
            next_look: None,
        }
    }

    fn takes(&self, notification: &Notification) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.takes(notification))
    }

    fn remember(&mut self, id: NotificationId) {
        if self.told.len() >= limits::NOTIFICATIONS_REMEMBERED_MAX {
            self.told.pop_front();
        }
        self.told.push_back(id);
    }
}

impl Session {
    // ---- asked by the client ----

    /// From now on the socket hears what the filter takes, and at once what waits of it.
    pub(super) fn filter_notifications(&mut self, tag: Tag, filter: NotificationFilter, ctx: &mut Context<Self>) {
        self.notices.filter = Some(Box::new(filter));
        self.done(tag);
        self.look_for_waiting(ctx);
    }

    /// Keeps that a notification was read, and tells the user's other sockets.
    pub(super) fn read_notification(&mut self, tag: Tag, id: &str, ctx: &mut Context<Self>) {
        let Ok(id) = id.parse::<NotificationId>() else {
            return self.refuse(tag, no_such_notification());
        };
        let (store, user) = (self.worker.node.store.clone(), self.user.id.clone());
        let marked = async move { store.read_notification(&user, id).await };
        self.hold(marked, ctx, move |marked, session, _| match marked {
            Ok(Some(mark)) => {
                if mark == ReadMark::New {
                    session.tell_other_sockets(Personal::NotificationRead { user: session.user.id.clone(), id });
                }
                session.done(tag);
            }
            Ok(None) => session.refuse(tag, no_such_notification()),
            Err(error) => session.refuse(tag, store_refusal(&error)),
        });
    }

    fn tell_other_sockets(&self, what: Personal) {
        let tell = ToUser { user: self.user.id.clone(), what: Arc::new(what), but: Some(self.outbox.key) };
        if self.worker.node.registry.try_send(tell).is_err() {
            log::warn!("event=news_lost user={} why=registry_full", logged(&self.user.id));
        }
    }

    // ---- told to the client ----

    /// News for the user, if this socket wants them.
    pub(super) fn hear_news(&mut self, news: Arc<Personal>, ctx: &mut Context<Self>) {
        match &*news {
            Personal::Notified { notification, .. } => {
                let notification = notification.clone();
                if self.notices.takes(&notification) && self.tell_once(&notification, news, Origin::Live) == Told::Yes {
                    self.outbox.flush(self.worker.now());
                    self.forget_written(ctx);
                }
            }
            Personal::NotificationUpdated { notification, .. } if !self.notices.takes(notification) => {}
            Personal::NotificationUpdated { .. }
            | Personal::NotificationRead { .. }
            | Personal::NotificationDeleted { .. }
            | Personal::AllNotificationsRead { .. }
            | Personal::Answer(_)
            | Personal::Upload(_) => self.reply(&Reply::Personal(news)),
        }
    }

    fn tell_once(&mut self, notification: &Notification, news: Arc<Personal>, origin: Origin) -> Told {
        let id = notification.id;
        if self.notices.told.contains(&id) {
            match self.notices.unwritten.iter_mut().find(|unwritten| unwritten.id == id) {
                Some(unwritten) => unwritten.origin = origin,
                None => self.notices.unwritten.push(Unwritten { id, origin, mark: self.outbox.mark() }),
            }
            return Told::Yes;
        }
        let Some(frame) = reply_frame(self.outbox.dialect, &Reply::Personal(news), self.worker.node.clock.now()) else {
            return Told::No;
        };
        self.outbox.push(frame, self.worker.now());
        if !self.outbox.is_open() {
            return Told::No;
        }
        self.notices.remember(id);
        self.notices.unwritten.push(Unwritten { id, origin, mark: self.outbox.mark() });
        Told::Yes
    }

    /// What is written has been heard. The rest is looked at again, until it is written or the socket ends.
    fn forget_written(&mut self, ctx: &mut Context<Self>) {
        let mut unwritten = std::mem::take(&mut self.notices.unwritten);
        unwritten.retain_mut(|one| {
            one.mark = one.mark.or_else(|| self.outbox.mark());
            let is_written = one.mark.is_some_and(|mark| self.outbox.has_written(mark));
            if is_written {
                self.forget_waiting(one.id, ctx);
            }
            !is_written
        });
        self.notices.unwritten = unwritten;
        if !self.notices.unwritten.is_empty() && self.outbox.is_open() && self.notices.writing == Writing::Done {
            self.notices.writing = Writing::Watched;
            ctx.run_later(limits::NOTIFICATIONS_PACE, |session, ctx| {
                session.notices.writing = Writing::Done;
                session.forget_written(ctx);
            });
        }
    }

    /// The socket has ended: what is in its hand and was not written is the next one's. The others wait all the same.
    pub(super) fn give_back_unwritten(&mut self) {
        let unwritten = std::mem::take(&mut self.notices.unwritten).into_iter();
        let leased: Vec<_> = unwritten.filter(|one| one.origin == Origin::Leased).map(|one| one.id).collect();
        if leased.is_empty() {
            return;
        }
        let (store, user) = (self.worker.node.store.clone(), self.user.id.clone());
        actix::spawn(async move {
            if let Err(error) = store.return_notifications(&leased).await {
                log::warn!(
                    "event=notifications_not_returned user={user} why={error}",
                    user = logged(&user),
                    error = logged(&error)
                );
            }
        });
    }

    /// It has been heard, so it waits no more. Should that get lost, the next socket hears it once more.
    fn forget_waiting(&self, id: NotificationId, ctx: &mut Context<Self>) {
        let store = self.worker.node.store.clone();
        let forgotten = async move {
            if let Err(error) = store.notification_told(id).await {
                log::warn!("event=notification_still_waits id={id} why={error}", error = logged(&error));
            }
        };
        ctx.spawn(forgotten.into_actor(self));
    }

    // ---- what waits ----

    /// Asks whether anything waits for the user, and tells it.
    pub(super) fn look_for_waiting(&mut self, ctx: &mut Context<Self>) {
        if self.notices.looking != Looking::No {
            self.notices.looking = Looking::Again;
            return;
        }
        self.notices.looking = Looking::Yes;
        let (store, user) = (self.worker.node.store.clone(), self.user.id.clone());
        let asked = async move { store.notifications_wait(&user).await };
        ctx.spawn(asked.into_actor(self).map(|waits, session, ctx| match waits {
            Ok(true) => session.take_in_hand(ctx),
            Ok(false) => session.stop_looking(ctx),
            Err(error) => {
                log::warn!(
                    "event=notifications_not_read user={} why={error}",
                    logged(&session.user.id),
                    error = logged(&error)
                );
                session.stop_looking(ctx);
            }
        }));
    }

    fn stop_looking(&mut self, ctx: &mut Context<Self>) {
        if std::mem::take(&mut self.notices.looking) == Looking::Again && self.outbox.is_open() {
            self.look_for_waiting(ctx);
        }
    }

    /// Whether what waited before the socket opened is told on it: a socket that enters rooms as it likes says first
    /// what it wants to hear.
    fn wants_old_ones(&self) -> bool {
        self.rooms.bound().is_some() || self.notices.filter.is_some()
    }

    /// Somebody else has the rest in hand until then; whoever dies with it never tells it.
    fn look_again_at(&mut self, then: Timestamp, ctx: &mut Context<Self>) {
        let left_ms = then.unix_ms.saturating_sub(self.worker.node.clock.now().unix_ms);
        let wait = Duration::from_millis(left_ms.max(0) as u64).min(limits::NOTIFICATION_LEASE);
        let look = ctx.run_later(wait + limits::NOTIFICATIONS_PACE, |session, ctx| {
            session.notices.next_look = None;
            if session.outbox.is_open() {
                session.look_for_waiting(ctx);
            }
        });
        if let Some(before) = self.notices.next_look.replace(look) {
            ctx.cancel_future(before);
        }
    }

    fn take_in_hand(&mut self, ctx: &mut Context<Self>) {
        if !self.outbox.is_open() {
            return self.stop_looking(ctx);
        }
        let (node, user) = (self.worker.node.clone(), self.user.id.clone());
        let wanted = WaitingQuery {
            filter: self.notices.filter.as_deref().cloned().unwrap_or_default(),
            since: (!self.wants_old_ones()).then_some(self.notices.opened_at),
        };
        let until = node.clock.now().plus_ms(limits::NOTIFICATION_LEASE.as_millis() as i64);
        let leased = async move { node.store.lease_notifications(&user, &wanted, until).await };
        ctx.spawn(leased.into_actor(self).map(|leased, session, ctx| match leased {
            Ok(leased) if leased.notifications.is_empty() => {
                if let Some(held_until) = leased.held_until {
                    session.look_again_at(held_until, ctx);
                }
                session.stop_looking(ctx);
            }
            Ok(leased) => session.tell_leased(leased.notifications, ctx),
            Err(error) => {
                log::warn!(
                    "event=notifications_not_read user={} why={error}",
                    logged(&session.user.id),
                    error = logged(&error)
                );
                session.stop_looking(ctx);
            }
        }));
    }

    fn tell_leased(&mut self, leased: Vec<StoredNotification>, ctx: &mut Context<Self>) {
        let mut untold = Vec::new();
        for StoredNotification { user, notification, .. } in leased {
            let news = Arc::new(Personal::Notified { user, notification: notification.clone() });
            if self.tell_once(&notification, news, Origin::Leased) == Told::No {
                untold.push(notification.id);
            }
        }
        self.outbox.flush(self.worker.now());
        self.forget_written(ctx);
        // the pump had its turn before this future: what could not be written is its to go on with
        self.outbox.wake();
        if untold.is_empty() {
            return self.take_more(ctx);
        }
        let store = self.worker.node.store.clone();
        let returned = async move { store.return_notifications(&untold).await };
        ctx.spawn(returned.into_actor(self).map(|returned, session, _| {
            session.notices.looking = Looking::No;
            if let Err(error) = returned {
                log::warn!(
                    "event=notifications_not_returned user={} why={error}",
                    logged(&session.user.id),
                    error = logged(&error)
                );
            }
        }));
    }

    /// The next ones, when the socket has taken these.
    fn take_more(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(limits::NOTIFICATIONS_PACE, |session, ctx| {
            if session.outbox.is_open() && session.outbox.owed_bytes() > 0 {
                return session.take_more(ctx);
            }
            session.take_in_hand(ctx);
        });
    }
}

/// Words may have been lost: what was among them waits in the store.
impl Handler<NewsMissed> for Session {
    type Result = ();

    fn handle(&mut self, _: NewsMissed, ctx: &mut Self::Context) {
        self.look_for_waiting(ctx);
    }
}

fn no_such_notification() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "You have no notification of that id; take one from a list of yours")
}
