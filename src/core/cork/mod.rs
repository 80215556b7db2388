//! Decides whether a room delays a frame, so that several are written in one system call. A quiet room must never
//! delay. A room with frames in quick succession delays for a short time; if no further frame arrives, it tries that
//! less and less often, so that request and response stay fast.

use std::time::Duration;

use crate::limits;

/// The batching state of one room. Times are measured from any fixed point by a monotonic clock.
#[derive(Debug, Default)]
pub struct Cork {
    last: Option<Duration>,
    /// consecutive delays in which no further frame arrived
    misses: u8,
    /// batches to send without delay before the next attempt
    skip: u8,
    waiting: bool,
}

impl Cork {
    /// How long a batch that was just opened is delayed: zero or `longest`.
    pub fn wait(&mut self, now: Duration, longest: Duration) -> Duration {
        let near = self.last.is_some_and(|last| now.saturating_sub(last) < limits::CORK_CLOSE_TOGETHER);
        self.last = Some(now);
        self.waiting = false;
        if !near || longest.is_zero() {
            return Duration::ZERO;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return Duration::ZERO;
        }
        self.waiting = true;
        longest
    }

    /// A batch of `frames` frames was sent. Must be called after every batch, delayed or not.
    pub fn flushed(&mut self, frames: usize, now: Duration) {
        if !std::mem::replace(&mut self.waiting, false) {
            return;
        }
        self.last = Some(now);
        self.misses = if frames > 1 { 0 } else { (self.misses + 1).min(limits::CORK_MISSES_MAX) };
        self.skip = (1u8 << self.misses) - 1;
    }
}

#[cfg(test)]
mod tests;
