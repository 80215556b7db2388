//! Notifications on one socket: the filter, and read marks. Their delivery is done by `queue`, which keeps them until a
//! socket of the user has written them.

use std::sync::Arc;

use actix::prelude::*;

use super::Session;
use crate::{
    actors::messages::PublishToUser,
    core::{
        command::Tag,
        event::Reply,
        notification::{Notification, NotificationFilter},
        user_event::UserEvent,
    },
    dialects::options::QueueManner,
    error::{ErrorCode, Refusal},
    ids::{NotificationId, Timestamp},
    logged::logged,
    store::ReadMark,
};

/// The notifications that one socket subscribes to.
pub(super) struct Notices {
    /// When the socket opened.
    pub opened_at: Timestamp,
    /// The filter; `None` accepts all.
    filter: Option<Box<NotificationFilter>>,
}

impl Notices {
    /// For a socket that opens now, and accepts all unless its dialect shows one category only.
    pub fn new(now: Timestamp, queue: QueueManner) -> Notices {
        let filter = match queue {
            QueueManner::OfCategory(category) => {
                Some(NotificationFilter { categories: Some(vec![category.into()]), ..NotificationFilter::default() })
            }
            QueueManner::FromTheStart | QueueManner::Never | QueueManner::OnceChosen => None,
        };
        Notices { opened_at: now, filter: filter.map(Box::new) }
    }

    /// Whether the client has set a filter.
    pub fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    /// The filter.
    pub fn filter(&self) -> NotificationFilter {
        self.filter.as_deref().cloned().unwrap_or_default()
    }

    fn takes(&self, notification: &Notification) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.takes(notification))
    }
}

impl Session {
    // ---- requests ----

    /// Sets the filter and delivers queued notifications that match it.
    pub(super) fn filter_notifications(&mut self, tag: Tag, filter: NotificationFilter, ctx: &mut Context<Self>) {
        self.notices.filter = Some(Box::new(filter));
        self.done(tag);
        self.look_for_queued(ctx);
    }

    /// Stores that a notification was read and informs the user's other sockets.
    pub(super) fn read_notification(&mut self, tag: Tag, id: &str, ctx: &mut Context<Self>) {
        let Ok(id) = id.parse::<NotificationId>() else {
            return self.refuse(tag, no_such_notification());
        };
        let (store, user) = (self.worker.node.store.clone(), self.user.id.clone());
        let marked = async move { store.read_notification(&user, id).await };
        self.hold(marked, ctx, move |marked, session, _| match marked {
            Ok(Some(mark)) => {
                if mark == ReadMark::New {
                    session.tell_other_sockets(UserEvent::NotificationRead { user: session.user.id.clone(), id });
                }
                session.done(tag);
            }
            Ok(None) => session.refuse(tag, no_such_notification()),
            Err(error) => session.refuse(tag, error.into()),
        });
    }

    /// Dismisses a notification, or all that are read, and informs the user's other sockets.
    pub(super) fn clear_notifications(&mut self, tag: Tag, id: Option<&str>, ctx: &mut Context<Self>) {
        let id = match id.map(str::parse::<NotificationId>) {
            None => None,
            Some(Ok(id)) => Some(id),
            Some(Err(_)) => return self.refuse(tag, no_such_notification()),
        };
        let (store, user) = (self.worker.node.store.clone(), self.user.id.clone());
        let cleared = async move {
            match id {
                Some(id) => store.dismiss_notification(&user, id).await,
                None => store.dismiss_read_notifications(&user).await.map(|dismissed| dismissed > 0),
            }
        };
        self.hold(cleared, ctx, move |cleared, session, _| {
            let user = session.user.id.clone();
            match (cleared, id) {
                (Ok(true), Some(id)) => session.tell_other_sockets(UserEvent::NotificationDeleted { user, id }),
                (Ok(true), None) => session.tell_other_sockets(UserEvent::ReadNotificationsDeleted { user }),
                (Ok(false), None) => {}
                (Ok(false), Some(_)) => return session.refuse(tag, no_such_notification()),
                (Err(error), _) => return session.refuse(tag, error.into()),
            }
            session.done(tag);
        });
    }

    fn tell_other_sockets(&self, what: UserEvent) {
        let tell = PublishToUser { user: self.user.id.clone(), what: Arc::new(what), but: Some(self.outbox.key) };
        if self.worker.node.registry.try_send(tell).is_err() {
            log::warn!("event=news_lost user={} why=registry_full", logged(&self.user.id));
        }
    }

    // ---- delivery ----

    /// Delivers an event for the user, if it passes the filter.
    pub(super) fn receive_user_event(&mut self, news: Arc<UserEvent>, ctx: &mut Context<Self>) {
        match &*news {
            UserEvent::Notified { notification, .. } => {
                let notification = notification.clone();
                if self.notices.takes(&notification) {
                    self.send_notification(&notification, news, ctx);
                }
            }
            UserEvent::Call(message) => self.receive_call(message.clone(), ctx),
            UserEvent::NotificationUpdated { notification, .. } if !self.notices.takes(notification) => {}
            UserEvent::NotificationUpdated { .. }
            | UserEvent::NotificationRead { .. }
            | UserEvent::NotificationDeleted { .. }
            | UserEvent::AllNotificationsRead { .. }
            | UserEvent::ReadNotificationsDeleted { .. }
            | UserEvent::Answer(_)
            | UserEvent::Upload(_)
            | UserEvent::Presence(_)
            | UserEvent::Device(_)
            | UserEvent::ConversationsChanged
            | UserEvent::SocketOpened { .. }
            | UserEvent::SocketClosed { .. } => self.reply(&Reply::UserEvent(news)),
        }
    }
}

fn no_such_notification() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "You have no notification with this id; take an id from your list")
}
