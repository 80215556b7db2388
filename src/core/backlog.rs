//! What a socket has yet to be sent. It exists only while a socket lags, so that an idle one owns nothing, and it is
//! bounded in bytes: durable frames are never dropped (their overflow ends the socket, the client resumes), of
//! ephemeral ones only the newest of a key matters, and what does not fit is dropped and counted. One ephemeral frame
//! that is larger than all of that is kept, too: the state of a crowd must not be stale for ever behind a slow reader.
//! Presence is between the two: a newer frame of the same key replaces an older one, so that there are at most as many
//! as users, and therefore it is neither dropped nor a reason to close the socket.
//!
//! It must never change the order of durable frames, and never touch a frame of which a part is on the wire.

use std::collections::VecDeque;

use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::limits;

/// How a frame may be treated when its receiver is slow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Never dropped: overflow closes the socket.
    Durable,
    /// The same, of a message that goes on in the next frame.
    Part,
    /// Only the newest of the key matters, and it is never dropped. The number of keys bounds it.
    Presence(u64),
    /// Only the newest of the key matters; overflow drops it.
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

    /// A frame that a newer one of the same key replaces.
    pub fn ephemeral(bytes: Bytes, key: u64) -> Frame {
        Frame { bytes, class: Class::Ephemeral(key) }
    }

    /// A frame that a newer one of the same key replaces, and that is never dropped.
    pub fn presence(bytes: Bytes, key: u64) -> Frame {
        Frame { bytes, class: Class::Presence(key) }
    }
}

/// More durable bytes than a slow reader may owe: the socket is to be closed. What was queued until then stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the receiver owes more than its outbox holds")]
pub struct Overflow;

/// The queue.
#[derive(Debug)]
pub struct Backlog {
    queue: VecDeque<Frame>,
    /// how much of the first frame is on the wire
    sent: usize,
    /// whole bytes of the queued frames of each class
    durable: usize,
    presence: usize,
    ephemeral: usize,
    /// of the ephemeral ones, those that are larger than the bound
    oversize: usize,
    durable_max: usize,
    ephemeral_max: usize,
    /// where the newest of a key is, counted from the first frame ever queued
    newest: FxHashMap<u64, usize>,
    popped: usize,
    /// the frame that went out last was a part of a message that goes on
    within_message: bool,
    closing: bool,
}

impl Default for Backlog {
    fn default() -> Backlog {
        Backlog::bounded(limits::OUTBOX_DURABLE_BYTES_MAX, limits::OUTBOX_EPHEMERAL_BYTES_MAX)
    }
}

impl Backlog {
    /// An empty queue with bounds of its own, in bytes.
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
        }
    }

    /// Queues frames, of which the first `sent` bytes went out in a direct write (only possible while the queue is
    /// empty). Answers how many ephemeral frames were dropped. While closing it takes nothing.
    ///
    /// A durable frame that finds no other durable one is taken whatever its size; so is one that is partly sent.
    ///
    /// # Errors
    /// [`Overflow`] at the first durable frame that does not fit; it and those after it are not queued.
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

    /// Where the queued frame of a key is, unless a part of it is on the wire.
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

    /// Answers how many were dropped.
    fn push_ephemeral(&mut self, frame: &Frame, key: u64, sent: usize) -> usize {
        let older = self.older(key);
        let freed = older.and_then(|at| self.queue.get(at)).map_or(0, |older| older.bytes.len());
        if sent == 0 && !self.takes(frame.bytes.len(), freed) {
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

    /// Whether so many ephemeral bytes may come to those that wait, without those that they replace. The frame in progress
    /// is as good as sent.
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

    /// The next bytes to write: one frame as it is, or several small ones copied into `scratch`.
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

    /// The socket took `bytes` of what `chunk` gave.
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

    /// The first frame is gone: it is not the newest of its key any more.
    fn forget_newest(&mut self, key: u64) {
        if self.newest.get(&key) == Some(&self.popped) {
            self.newest.remove(&key);
        }
    }

    /// Makes the close frame the last thing that will be sent, after the frame in progress. The rest is forgotten and
    /// nothing more is taken. A second call changes nothing.
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

    /// The rest of the message of which a part is on the wire.
    fn take_in_progress(&mut self) -> Vec<Frame> {
        let mut rest = Vec::new();
        let mut goes_on = self.within_message || self.sent > 0;
        while goes_on && let Some(frame) = self.queue.pop_front() {
            goes_on = frame.class == Class::Part;
            rest.push(frame);
        }
        rest
    }

    /// Queues frames beside the bound, which grows by as many bytes as wait of them. So a room opens: a replay is as large
    /// as what was missed, and a client that could not take it whole would never be current. So comes a batch for a
    /// reader that owes nothing, whose fault its size is not. Their sender bounds them.
    ///
    /// # Errors
    /// Never [`Overflow`] by these frames themselves.
    pub fn push_beside(&mut self, frames: &[Frame], sent: usize) -> Result<usize, Overflow> {
        let (bound, before) = (self.durable_max, self.durable);
        self.durable_max = usize::MAX;
        let pushed = self.push_all(frames, sent);
        self.durable_max = bound.saturating_add(self.durable - before);
        pushed
    }

    /// Whether the durable ones among these frames fit behind what waits.
    pub fn has_room_for(&self, frames: &[Frame]) -> bool {
        let durable = frames.iter().filter(|frame| matches!(frame.class, Class::Durable | Class::Part));
        let bytes: usize = durable.map(|frame| frame.bytes.len()).sum();
        self.durable.saturating_add(bytes) <= self.durable_max
    }

    /// Makes the close frame the last thing that will be sent, after all that is queued. Nothing more is taken.
    pub fn finish_with(&mut self, close_frame: Bytes) {
        if std::mem::replace(&mut self.closing, true) {
            return;
        }
        self.durable += close_frame.len();
        self.queue.push_back(Frame::durable(close_frame));
    }

    /// Whether everything is on the wire, so that the queue can be dropped.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes that are not on the wire yet.
    pub fn len_bytes(&self) -> usize {
        (self.durable + self.presence + self.ephemeral).saturating_sub(self.sent)
    }
}

#[cfg(test)]
mod tests;
