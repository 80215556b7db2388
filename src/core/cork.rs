//! When a room's frame waits for company, so that several go out in one write. A quiet room never waits. A room whose
//! frames come close together waits a moment for the next; where nobody came, it tries that more and more rarely, so
//! that request and answer stay fast.

use std::time::Duration;

use crate::limits;

/// The corking of one room. Times are since any fixed moment, by a clock that does not go back.
#[derive(Debug, Default)]
pub struct Cork {
    last: Option<Duration>,
    /// waits in a row to which nobody came
    misses: u8,
    /// batches that are still to go out without a wait
    skip: u8,
    waiting: bool,
}

impl Cork {
    /// How long a batch that its first frame has just opened waits: nothing, or `longest`.
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

    /// The batch went out, with so many frames. Called after every batch, whether it waited or not.
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
