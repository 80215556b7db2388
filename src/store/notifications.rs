//! Notifications and their read status. `queue` handles their delivery.

use super::{NewNotification, NotificationQuery, ReadMark, Store, StoreError, StoredNotification, UnreadCount, run};
use crate::{
    ids::{NotificationId, UserId},
    limits,
};

impl Store {
    /// Stores the notification for each of the users, unread, and queued until it is written to a socket of the user. A
    /// user's oldest ones are dropped, read ones first. [`StoreError::Missing`] if one of the users does not exist.
    pub async fn create_notifications(
        &self,
        users: &[UserId],
        new: &NewNotification,
    ) -> Result<Vec<StoredNotification>, StoreError> {
        // In the same order on all nodes, to avoid deadlocks.
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

    /// Replaces the content of a notification and keeps its status. None if it does not exist.
    pub async fn update_notification(
        &self,
        id: NotificationId,
        new: &NewNotification,
    ) -> Result<Option<StoredNotification>, StoreError> {
        let new = new.clone();
        run!(self, write, notifications::update(id, &new))
    }

    /// A notification of any user.
    pub async fn notification(&self, id: NotificationId) -> Result<Option<StoredNotification>, StoreError> {
        run!(self, read, notifications::by_id(id))
    }

    /// The user's notifications, newest first, without expired ones.
    pub async fn notifications(
        &self,
        user: &UserId,
        query: &NotificationQuery,
        limit: i64,
    ) -> Result<Vec<StoredNotification>, StoreError> {
        let (user, query) = (user.clone(), query.clone());
        run!(self, read, notifications::page(&user, query, limit))
    }

    /// The user's unread notifications, counted by category and priority.
    pub async fn unread_notifications(&self, user: &UserId) -> Result<Vec<UnreadCount>, StoreError> {
        let user = user.clone();
        run!(self, read, notifications::unread(&user))
    }

    /// Marks a notification as read. None if the user has no such notification.
    pub async fn read_notification(&self, user: &UserId, id: NotificationId) -> Result<Option<ReadMark>, StoreError> {
        let user = user.clone();
        run!(self, write, notifications::mark_read(&user, id))
    }

    /// Marks all of the user's notifications as read. Returns how many were unread.
    pub async fn read_all_notifications(&self, user: &UserId) -> Result<usize, StoreError> {
        let user = user.clone();
        run!(self, write, notifications::mark_all_read(&user))
    }

    /// Dismisses a notification. Returns false if the user has no such notification or has already dismissed it.
    pub async fn dismiss_notification(&self, user: &UserId, id: NotificationId) -> Result<bool, StoreError> {
        let user = user.clone();
        run!(self, write, notifications::dismiss(&user, id))
    }

    /// Dismisses all of the user's notifications that are read. Returns how many.
    pub async fn dismiss_read_notifications(&self, user: &UserId) -> Result<usize, StoreError> {
        let user = user.clone();
        run!(self, write, notifications::dismiss_read(&user))
    }

    /// Takes notifications that other programs have stored and queues them for their users, each once, whichever nodes ask.
    /// Returns at most `limits::ARRIVALS_PER_COMMIT` of them, to be delivered by the caller.
    pub async fn take_arrivals(&self) -> Result<Vec<StoredNotification>, StoreError> {
        let queue_max = self.shared.options.offline_queue_max;
        run!(self, write, arrivals::take(queue_max))
    }

    /// Removes expired notifications, a bounded number at a time. Returns how many.
    pub async fn sweep_notifications(&self) -> Result<usize, StoreError> {
        run!(self, write, notifications::sweep())
    }
}
