//! Barriers: callers that wait until all entries submitted before a point in time are settled. Entries settle out of
//! order (refused at once, or held because of a locked room), so a counter would not be sufficient. No I/O.

use std::collections::BTreeSet;

use tokio::sync::oneshot;

/// The entries that are not settled yet, and the waiting callers.
#[derive(Default)]
pub(super) struct PendingAppends {
    next: u64,
    open: BTreeSet<u64>,
    waiting: Vec<(u64, oneshot::Sender<()>)>,
}

impl PendingAppends {
    /// Issues a ticket for a new entry.
    pub fn issue(&mut self) -> u64 {
        let ticket = self.next;
        self.next += 1;
        self.open.insert(ticket);
        ticket
    }

    /// The entry is settled.
    pub fn close(&mut self, ticket: u64) {
        self.open.remove(&ticket);
    }

    /// The receiver is answered by [`PendingAppends::release`] once every ticket issued so far is closed.
    pub fn wait(&mut self) -> oneshot::Receiver<()> {
        let (done, wait) = oneshot::channel();
        self.waiting.push((self.next, done));
        wait
    }

    /// Answers the callers whose tickets are all closed.
    pub fn release(&mut self) {
        let oldest_open = self.open.first().copied().unwrap_or(u64::MAX);
        for (_, done) in self.waiting.extract_if(.., |(before, _)| *before <= oldest_open) {
            // the caller may have stopped waiting
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_entry_that_is_refused_at_once_releases_nobody_early() {
        let mut pending_appends = PendingAppends::default();
        let first = pending_appends.issue();
        let mut waiting = pending_appends.wait();
        let refused = pending_appends.issue();
        pending_appends.close(refused);
        pending_appends.release();
        assert!(waiting.try_recv().is_err(), "the first entry is not settled yet");
        pending_appends.close(first);
        pending_appends.release();
        assert_eq!(waiting.try_recv(), Ok(()));
    }

    #[test]
    fn nobody_waits_for_entries_that_come_later() {
        let mut pending_appends = PendingAppends::default();
        let mut at_once = pending_appends.wait();
        let _later = pending_appends.issue();
        pending_appends.release();
        assert_eq!(at_once.try_recv(), Ok(()));
    }
}
