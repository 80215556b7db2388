//! The send queue of a slow socket. It exists only while a socket lags, so that an idle one needs no memory. It is
//! bounded in bytes. Durable frames are never dropped; if they overflow, the socket is closed and the client resumes.
//! Ephemeral frames are conflated per key, and dropped and counted if they do not fit; a single one that is larger than
//! the bound is kept, so that the state of a large room does not stay outdated behind a slow reader. Presence frames
//! are conflated per key and never dropped, and they never close the socket, because there are at most as many as
//! users.
//!
//! It must never change the order of durable frames, and never drop or replace a frame that is partly written.

use std::collections::VecDeque;

use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::limits;

/// How a frame may be treated if its receiver is slow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Never dropped: overflow closes the socket.
    Durable,
    /// Like `Durable`, for a message that continues in the next frame.
    Part,
    /// Conflated per key and never dropped. Bounded by the number of keys.
    Presence(u64),
    /// Conflated per key; dropped on overflow.
    Ephemeral(u64),
}

/// An encoded WebSocket frame, shared by reference count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Header and payload.
    pub bytes: Bytes,
    /// How it may be treated.
    pub class: Class,
}

impl Frame {
    /// A frame that is never dropped.
    pub fn durable(bytes: Bytes) -> Frame {
        Frame { bytes, class: Class::Durable }
    }

    /// A frame that is replaced by a newer one with the same key.
    pub fn ephemeral(bytes: Bytes, key: u64) -> Frame {
        Frame { bytes, class: Class::Ephemeral(key) }
    }

    /// A frame that is replaced by a newer one with the same key, and never dropped.
    pub fn presence(bytes: Bytes, key: u64) -> Frame {
        Frame { bytes, class: Class::Presence(key) }
    }
}

/// A slow reader has too many durable bytes queued: the socket must be closed. Frames queued before remain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the receiver owes more than its outbox holds")]
pub struct Overflow;

/// The queue.
#[derive(Debug)]
pub struct Backlog {
    queue: VecDeque<Frame>,
    /// how much of the first frame is written
    sent: usize,
    /// total bytes of the queued frames of each class
    durable: usize,
    presence: usize,
    ephemeral: usize,
    /// bytes of ephemeral frames that are larger than the bound
    oversize: usize,
    durable_max: usize,
    ephemeral_max: usize,
    /// position of the newest frame of a key, counted from the first frame ever queued
    newest: FxHashMap<u64, usize>,
    popped: usize,
    /// the last written frame belongs to a message that continues
    within_message: bool,
    closing: bool,
    /// an ephemeral frame was dropped
    has_lost: bool,
}

impl Default for Backlog {
    fn default() -> Backlog {
        Backlog::bounded(limits::OUTBOX_DURABLE_BYTES_MAX, limits::OUTBOX_EPHEMERAL_BYTES_MAX)
    }
}

impl Backlog {
    /// Creates an empty queue with the given bounds, in bytes.
    pub fn bounded(durable_max: usize, ephemeral_max: usize) -> Backlog {
        Backlog {
            queue: VecDeque::new(),
            sent: 0,
            durable: 0,
            presence: 0,
            ephemeral: 0,
            oversize: 0,
            durable_max,
            ephemeral_max,
            newest: FxHashMap::default(),
            popped: 0,
            within_message: false,
            closing: false,
            has_lost: false,
        }
    }

    /// Queues frames. The first `sent` bytes of them were written directly, which is only possible while the queue is
    /// empty. Returns the number of ephemeral frames that were dropped. After closing has begun, frames are ignored.
    ///
    /// A durable frame is accepted whatever its size if no other durable frame is queued, or if it is partly written.
    ///
    /// # Errors
    /// [`Overflow`] at the first durable frame that does not fit; it and the following ones are not queued.
    pub fn push_all(&mut self, frames: &[Frame], mut sent: usize) -> Result<usize, Overflow> {
        debug_assert!(sent == 0 || self.queue.is_empty(), "a direct write while frames are queued");
        let mut dropped = 0;
        if self.closing {
            return Ok(dropped);
        }
        for frame in frames {
            if sent > 0 && sent >= frame.bytes.len() {
                sent -= frame.bytes.len();
                continue;
            }
            match frame.class {
                Class::Durable | Class::Part => self.push_durable(frame, std::mem::take(&mut sent))?,
                Class::Presence(key) => self.push_presence(frame, key, std::mem::take(&mut sent)),
                Class::Ephemeral(key) => dropped += self.push_ephemeral(frame, key, std::mem::take(&mut sent)),
            }
        }
        Ok(dropped)
    }

    fn push_durable(&mut self, frame: &Frame, sent: usize) -> Result<(), Overflow> {
        let total = self.durable.saturating_add(frame.bytes.len());
        if total > self.durable_max && self.durable > 0 {
            return Err(Overflow);
        }
        self.durable = total;
        self.append(frame, sent);
        Ok(())
    }

    /// The position of the queued frame of a key, unless it is partly written.
    fn older(&self, key: u64) -> Option<usize> {
        let first_free = usize::from(self.sent > 0);
        self.newest.get(&key).and_then(|at| at.checked_sub(self.popped)).filter(|at| *at >= first_free)
    }

    fn push_presence(&mut self, frame: &Frame, key: u64, sent: usize) {
        self.presence += frame.bytes.len();
        match self.older(key).and_then(|at| self.queue.get_mut(at)) {
            Some(older) => {
                self.presence -= older.bytes.len();
                *older = frame.clone();
            }
            None => {
                self.newest.insert(key, self.popped + self.queue.len());
                self.append(frame, sent);
            }
        }
    }

    /// Returns the number of dropped frames.
    fn push_ephemeral(&mut self, frame: &Frame, key: u64, sent: usize) -> usize {
        let older = self.older(key);
        let freed = older.and_then(|at| self.queue.get(at)).map_or(0, |older| older.bytes.len());
        if sent == 0 && !self.takes(frame.bytes.len(), freed) {
            self.has_lost = true;
            return 1;
        }
        self.count_ephemeral(frame.bytes.len());
        match older.and_then(|at| self.queue.get_mut(at)) {
            Some(older) => {
                *older = frame.clone();
                self.discount_ephemeral(freed);
            }
            None => {
                self.newest.insert(key, self.popped + self.queue.len());
                self.append(frame, sent);
            }
        }
        0
    }

    /// Whether an ephemeral frame of this size fits, given that `freed` bytes are replaced by it. A partly written
    /// frame counts as sent.
    fn takes(&self, bytes: usize, freed: usize) -> bool {
        let in_progress = match self.queue.front() {
            Some(Frame { bytes, class: Class::Ephemeral(_) }) if self.sent > 0 => bytes.len(),
            Some(_) | None => 0,
        };
        let is_oversize = |bytes: usize| bytes > self.ephemeral_max;
        let of_the_oversize = |bytes: usize| if is_oversize(bytes) { bytes } else { 0 };
        let oversize = self.oversize - of_the_oversize(in_progress) - of_the_oversize(freed);
        let usual = self.ephemeral - in_progress - freed - oversize;
        if is_oversize(bytes) { oversize == 0 } else { usual + bytes <= self.ephemeral_max }
    }

    fn count_ephemeral(&mut self, bytes: usize) {
        self.ephemeral += bytes;
        if bytes > self.ephemeral_max {
            self.oversize += bytes;
        }
    }

    fn discount_ephemeral(&mut self, bytes: usize) {
        self.ephemeral -= bytes;
        if bytes > self.ephemeral_max {
            self.oversize -= bytes;
        }
    }

    fn append(&mut self, frame: &Frame, sent: usize) {
        if self.queue.is_empty() {
            self.sent = sent;
        }
        self.queue.push_back(frame.clone());
    }

    /// The next bytes to write: a single frame, or several small ones copied into `scratch`.
    pub fn chunk<'a>(&'a self, scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        let mut frames = self.queue.iter();
        let first = frames.next()?;
        let rest = first.bytes.get(self.sent..).unwrap_or_default();
        if self.queue.len() == 1 || rest.len() >= limits::WRITE_ALONE_BYTES_MIN {
            return Some(rest);
        }
        scratch.clear();
        scratch.extend_from_slice(rest);
        for frame in frames {
            if scratch.len() + frame.bytes.len() > limits::WRITE_CHUNK_BYTES_MAX {
                break;
            }
            scratch.extend_from_slice(&frame.bytes);
        }
        Some(scratch)
    }

    /// `bytes` of the last `chunk` were written.
    pub fn written(&mut self, mut bytes: usize) {
        while let Some(first) = self.queue.front() {
            let left = first.bytes.len().saturating_sub(self.sent);
            if bytes < left {
                self.sent += bytes;
                return;
            }
            bytes -= left;
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some(first) = self.queue.pop_front() else { return };
        self.sent = 0;
        self.within_message = first.class == Class::Part;
        match first.class {
            Class::Durable | Class::Part => self.durable = self.durable.saturating_sub(first.bytes.len()),
            Class::Presence(key) => {
                self.presence -= first.bytes.len();
                self.forget_newest(key);
            }
            Class::Ephemeral(key) => {
                self.discount_ephemeral(first.bytes.len());
                self.forget_newest(key);
            }
        }
        self.popped += 1;
    }

    /// The first frame is gone and no longer the newest of its key.
    fn forget_newest(&mut self, key: u64) {
        if self.newest.get(&key) == Some(&self.popped) {
            self.newest.remove(&key);
        }
    }

    /// Makes the close frame the last frame, right after a partly written message. All other frames are dropped and no
    /// more are accepted. A second call has no effect.
    pub fn start_closing(&mut self, close_frame: Bytes) {
        if std::mem::replace(&mut self.closing, true) {
            return;
        }
        let in_progress = self.take_in_progress();
        self.queue = VecDeque::with_capacity(in_progress.len() + 1);
        self.newest = FxHashMap::default();
        self.presence = 0;
        self.ephemeral = 0;
        self.oversize = 0;
        self.durable = 0;
        // its class no longer matters: nothing may drop or replace it
        let last_words = in_progress.into_iter().chain([Frame::durable(close_frame)]);
        for frame in last_words {
            self.durable += frame.bytes.len();
            self.queue.push_back(Frame::durable(frame.bytes));
        }
    }

    /// The rest of the message that is partly written.
    fn take_in_progress(&mut self) -> Vec<Frame> {
        let mut rest = Vec::new();
        let mut goes_on = self.within_message || self.sent > 0;
        while goes_on && let Some(frame) = self.queue.pop_front() {
            goes_on = frame.class == Class::Part;
            rest.push(frame);
        }
        rest
    }

    /// Queues frames without regard to the bound, which is raised by their unsent bytes. Used for the frames of a join,
    /// because a replay is as large as what was missed and a client that could not receive it completely would never
    /// catch up, and for a batch to a reader with an empty queue, which is not to blame for the size of the batch. The
    /// sender bounds these frames.
    ///
    /// # Errors
    /// Never [`Overflow`] because of these frames.
    pub fn push_unbounded(&mut self, frames: &[Frame], sent: usize) -> Result<usize, Overflow> {
        let (bound, before) = (self.durable_max, self.durable);
        self.durable_max = usize::MAX;
        let pushed = self.push_all(frames, sent);
        self.durable_max = bound.saturating_add(self.durable - before);
        pushed
    }

    /// Whether the durable frames among these fit into the bound.
    pub fn has_room_for(&self, frames: &[Frame]) -> bool {
        let durable = frames.iter().filter(|frame| matches!(frame.class, Class::Durable | Class::Part));
        let bytes: usize = durable.map(|frame| frame.bytes.len()).sum();
        self.durable.saturating_add(bytes) <= self.durable_max
    }

    /// Makes the close frame the last frame, after everything that is queued. No more frames are accepted.
    pub fn finish_with(&mut self, close_frame: Bytes) {
        if std::mem::replace(&mut self.closing, true) {
            return;
        }
        self.durable += close_frame.len();
        self.queue.push_back(Frame::durable(close_frame));
    }

    /// Whether ephemeral frames were dropped since the queue was created.
    pub fn has_lost(&self) -> bool {
        self.has_lost
    }

    /// Whether everything is written, so that the queue can be freed.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The number of bytes that are not written yet.
    pub fn len_bytes(&self) -> usize {
        (self.durable + self.presence + self.ephemeral).saturating_sub(self.sent)
    }
}

#[cfg(test)]
mod tests;
