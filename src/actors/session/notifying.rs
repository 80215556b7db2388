//! What a session has to do with notifications: which of them its socket wants, and which were read.

use std::sync::Arc;

use actix::prelude::*;

use super::Session;
use crate::core::{command::ClientRef, event::Reply, notification::NotificationFilter, personal::Personal};

impl Session {
    /// From now on the socket hears what the filter takes.
    pub(super) fn filter_notifications(
        &mut self,
        reference: Option<ClientRef>,
        filter: NotificationFilter,
        _: &mut Context<Self>,
    ) {
        self.filter = Some(Box::new(filter));
        self.done(reference);
    }

    /// Keeps that a notification was read, and tells the user's other sockets.
    pub(super) fn read_notification(&mut self, reference: Option<ClientRef>, _: &str, _: &mut Context<Self>) {
        self.done(reference);
    }

    /// News for the user, if this socket wants them.
    pub(super) fn hear_news(&mut self, news: Arc<Personal>) {
        let wanted = match (&*news, &self.filter) {
            (Personal::Notified { notification, .. }, Some(filter)) => filter.takes(notification),
            (Personal::Notified { .. }, None)
            | (Personal::NotificationRead { .. } | Personal::Answer(_) | Personal::Upload(_), _) => true,
        };
        if wanted {
            self.reply(&Reply::Personal(news));
        }
    }
}
