//! Notifications: what a user is to know, and whether it was read. Their delivery is `queue`'s.

use super::{NewNotification, NotificationQuery, ReadMark, Store, StoreError, StoredNotification, UnreadCount, run};
use crate::{
    ids::{NotificationId, UserId},
    limits,
};

impl Store {
    /// Stores it for each of the users, unread, and queued until a socket of the user has written it. A user's oldest
    /// give way, those that were read first. [`StoreError::Missing`] if one of the users does not exist.
    pub async fn create_notifications(
        &self,
        users: &[UserId],
        new: &NewNotification,
    ) -> Result<Vec<StoredNotification>, StoreError> {
        // in one order on all nodes, so that none waits for another crosswise
        let mut users = users.to_vec();
        users.sort_unstable();
        users.dedup();
        let mut stored = Vec::with_capacity(users.len());
        for some in users.chunks(limits::NOTIFIED_PER_COMMIT) {
            let (some, new) = (some.to_vec(), new.clone());
            let queue_max = self.shared.options.offline_queue_max;
            stored.extend(run!(self, write, notifications::create(&some, &new, queue_max))?);
        }
        Ok(stored)
    }

    /// Says something else in its place; whether it was read stays. None if there is no such notification.
    pub async fn update_notification(
        &self,
        id: NotificationId,
        new: &NewNotification,
    ) -> Result<Option<StoredNotification>, StoreError> {
        let new = new.clone();
        run!(self, write, notifications::update(id, &new))
    }

    /// The notification, whosever it is.
    pub async fn notification(&self, id: NotificationId) -> Result<Option<StoredNotification>, StoreError> {
        run!(self, read, notifications::by_id(id))
    }

    /// The user's notifications, newest first; expired ones are not among them.
    pub async fn notifications(
        &self,
        user: &UserId,
        query: &NotificationQuery,
        limit: i64,
    ) -> Result<Vec<StoredNotification>, StoreError> {
        let (user, query) = (user.clone(), query.clone());
        run!(self, read, notifications::page(&user, query, limit))
    }

    /// How many unread ones the user has, by category and priority.
    pub async fn unread_notifications(&self, user: &UserId) -> Result<Vec<UnreadCount>, StoreError> {
        let user = user.clone();
        run!(self, read, notifications::unread(&user))
    }

    /// Keeps that the user has read it. None if the user has no such notification.
    pub async fn read_notification(&self, user: &UserId, id: NotificationId) -> Result<Option<ReadMark>, StoreError> {
        let user = user.clone();
        run!(self, write, notifications::mark_read(&user, id))
    }

    /// Keeps that the user has read everything. Answers how many were unread.
    pub async fn read_all_notifications(&self, user: &UserId) -> Result<usize, StoreError> {
        let user = user.clone();
        run!(self, write, notifications::mark_all_read(&user))
    }

    /// Puts it away. False if the user has no such notification, or has put it away already.
    pub async fn dismiss_notification(&self, user: &UserId, id: NotificationId) -> Result<bool, StoreError> {
        let user = user.clone();
        run!(self, write, notifications::dismiss(&user, id))
    }

    /// Forgets notifications that have expired, a bounded number at once. Answers how many.
    pub async fn sweep_notifications(&self) -> Result<usize, StoreError> {
        run!(self, write, notifications::sweep())
    }
}
