//! What a session has yet to send, and the socket it sends through. Idle it owns no buffer; behind a slow reader it is
//! bounded in bytes. It lives on its socket's thread and is reached only from there: by its session and by the hub.

use std::{
    cell::{Cell, RefCell, RefMut},
    io,
    task::Waker,
};

use bytes::Bytes;

use crate::{
    core::backlog::{Backlog, Frame, Overflow},
    dialects::DialectKind,
    disconnect::Disconnect,
    ids::{EventId, Seq, Timestamp, UserId},
    limits::{
        CLOSE_GRACE_SECONDS, DELIVERED_UNNOTED_MAX, EARLY_BYTES_MAX, EARLY_FRAMES_MAX, OPENING_BYTES_MAX,
        STALL_SECONDS_MAX, WRITE_CHUNK_BYTES_MAX,
    },
    transport::{frame, socket::Socket},
};

/// A connection on some worker. Never used twice while the process lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConnKey {
    /// Which worker's.
    pub worker: u16,
    /// Grows with each connection of the worker.
    pub generation: u32,
}

/// What stands for the code of a close frame that has none (RFC 6455 section 7.4.1).
const NO_CODE: u16 = 1005;

/// Whether what is queued goes out before the close frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Farewell {
    /// Yes: the last frames explain the close.
    AfterQueued,
    /// No: the reader is too slow, or the stream broken.
    AtOnce,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    Open,
    /// A close frame is the last thing that will be sent.
    Closing,
    Dead,
}

/// One socket's sending side.
pub struct Outbox {
    /// Which connection.
    pub key: ConnKey,
    /// Whose.
    pub user: UserId,
    /// What it speaks.
    pub dialect: DialectKind,
    socket: RefCell<Socket>,
    /// Wakes the session's task.
    waker: RefCell<Waker>,
    backlog: RefCell<Option<Box<Backlog>>>,
    /// What was said before the room has opened, whose first word comes first; None from then on.
    early: RefCell<Option<Box<Early>>>,
    state: Cell<State>,
    /// The worker's second at which the socket is cut unless it moves; 0 for never.
    cut_at: Cell<u32>,
    /// The worker's second of the last byte from the client.
    pub heard: Cell<u32>,
    /// The worker's second of the last ping to the client.
    pub pinged: Cell<u32>,
    /// When the token expires.
    pub expires_at: Cell<Timestamp>,
    hung_up: Cell<bool>,
    /// The code of the client's close frame; 1005 if it has none (RFC 6455 section 7.4.1).
    client_code: Cell<Option<u16>>,
    reason: Cell<Option<Disconnect>>,
    /// Ephemeral frames dropped since the sweep last asked.
    dropped: Cell<u32>,
    /// Bytes written that had to wait.
    written_bytes: Cell<u64>,
    /// What a hub has sent of direct conversations, until the session takes note of it.
    direct: Cell<Option<Box<DirectSent>>>,
}

/// What a hub has sent to a socket of direct conversations.
#[derive(Default)]
pub struct DirectSent {
    /// The last place of the conversation that was sent.
    pub up_to: Option<Seq>,
    /// The messages for the socket's user, each with the place where its frame ends.
    pub messages: Vec<(EventId, Mark)>,
}

/// Frames that wait for the room's first one.
#[derive(Default)]
struct Early {
    frames: Vec<Frame>,
    bytes: usize,
}

impl Early {
    fn is_full(&self) -> bool {
        self.frames.len() >= EARLY_FRAMES_MAX || self.bytes >= EARLY_BYTES_MAX
    }
}

/// A place in what an outbox has yet to write, behind all that was said before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark(u64);

impl Outbox {
    /// An open outbox. `now`: the worker's second.
    pub fn new(key: ConnKey, socket: Socket, owner: Owner, now: u32) -> Outbox {
        Outbox {
            key,
            user: owner.user,
            dialect: owner.dialect,
            socket: RefCell::new(socket),
            waker: RefCell::new(Waker::noop().clone()),
            backlog: RefCell::default(),
            early: RefCell::new(match owner.bound {
                Bound::ToRoom => Some(Box::default()),
                Bound::ToNone => None,
            }),
            state: Cell::new(State::Open),
            cut_at: Cell::new(0),
            heard: Cell::new(now),
            pinged: Cell::new(now),
            expires_at: Cell::new(owner.expires_at),
            hung_up: Cell::new(false),
            client_code: Cell::new(None),
            reason: Cell::new(None),
            dropped: Cell::new(0),
            written_bytes: Cell::new(0),
            direct: Cell::default(),
        }
    }

    /// The socket, for the pump's reads.
    pub fn socket(&self) -> RefMut<'_, Socket> {
        self.socket.borrow_mut()
    }

    /// The session has ended: frees the descriptor and what was queued, though a hub may still list this outbox.
    pub fn bury(&self) {
        self.state.set(State::Dead);
        self.socket.replace(Socket::Closed);
        self.backlog.take();
    }

    /// Whether nothing more can be sent.
    pub fn is_dead(&self) -> bool {
        self.state.get() == State::Dead
    }

    /// Whether it takes more frames.
    pub fn is_open(&self) -> bool {
        self.state.get() == State::Open
    }

    /// Why the server closed it, if it did.
    pub fn reason(&self) -> Option<Disconnect> {
        self.reason.get()
    }

    /// Whether its user is likely to come back at once, because nobody meant the socket to end
    /// (docs/protocol.md, Leaving).
    pub fn may_return(&self) -> bool {
        let code = match self.reason.get() {
            Some(Disconnect::Normal) | None => self.client_code.get(),
            Some(reason) => Some(reason.code()),
        };
        match code {
            None | Some(1001 | 1006 | 1012 | 1013 | 4500..=4599) => true,
            Some(_) => false,
        }
    }

    /// Ephemeral frames dropped since the last call.
    pub fn take_dropped(&self) -> u32 {
        self.dropped.take()
    }

    /// Remembers the task to wake when the socket takes bytes again or the session must end.
    pub fn attend(&self, waker: &Waker) {
        if !self.waker.borrow().will_wake(waker) {
            *self.waker.borrow_mut() = waker.clone();
        }
    }

    /// Wakes the session's task.
    pub fn wake(&self) {
        self.waker.borrow().wake_by_ref();
    }

    /// The broadcast path: writes `wire` (the frames in a row) at once, or queues them behind what is waiting.
    pub fn deliver(&self, frames: &[Frame], wire: &[u8], now: u32) {
        if self.state.get() != State::Open {
            return;
        }
        if self.owes_before(frames, now) {
            return self.queue(frames, 0, now);
        }
        // bound first: in the head of a match the borrows would last through its arms
        let written = self.socket.borrow_mut().write(&self.waker.borrow(), wire);
        match written {
            Ok(n) if n == wire.len() => {}
            Ok(n) => {
                self.queue_beside(frames, n, now);
                self.flush(now); // until it refuses: only a refusal arms the waker
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.queue_beside(frames, 0, now),
            Err(_) => self.die(),
        }
    }

    /// The same for a socket that hears only some of a batch.
    pub fn deliver_some(&self, frames: &[Frame], now: u32) {
        if self.state.get() != State::Open {
            return;
        }
        if self.owes_before(frames, now) {
            self.queue(frames, 0, now);
        } else {
            self.pour(frames, now);
        }
        self.flush(now);
    }

    /// Piece by piece: a socket that takes its bytes loses nothing to the bounds of those that lag.
    fn pour(&self, frames: &[Frame], now: u32) {
        for frame in frames {
            if self.state.get() != State::Open {
                return;
            }
            self.queue_beside(std::slice::from_ref(frame), 0, now);
            if self.owed_bytes() >= WRITE_CHUNK_BYTES_MAX {
                self.flush(now);
            }
        }
    }

    /// Whether something waits, behind which these frames have to be queued. Before they are too much for the socket it is
    /// offered what waits: that may be of this very turn, and is no proof of a slow reader.
    fn owes_before(&self, frames: &[Frame], now: u32) -> bool {
        let fits = match &*self.backlog.borrow() {
            None => return false,
            Some(backlog) => backlog.has_room_for(frames),
        };
        if !fits {
            self.flush(now);
        }
        self.backlog.borrow().is_some()
    }

    /// The direct path: queues one frame; `flush` at the end of the turn writes it with its neighbours.
    pub fn push(&self, frame: Frame, now: u32) {
        if self.state.get() != State::Open {
            return;
        }
        // taken out meanwhile: what is called here may come back for it
        match self.early.take() {
            None => self.queue(&[frame], 0, now),
            Some(early) if early.is_full() => self.close(Disconnect::TooSlow, Farewell::AtOnce, now),
            Some(mut early) => {
                early.bytes += frame.bytes.len();
                early.frames.push(frame);
                self.early.replace(Some(early));
            }
        }
    }

    /// Queues what a room opens with, which its room has bounded, and behind it what was said to this socket before.
    pub fn push_opening(&self, frames: &[Frame], now: u32) {
        if self.state.get() != State::Open {
            return;
        }
        if frames.iter().map(|frame| frame.bytes.len()).sum::<usize>() > OPENING_BYTES_MAX {
            return self.close(Disconnect::TooSlow, Farewell::AtOnce, now);
        }
        self.queue_beside(frames, 0, now);
        self.release(now);
    }

    fn release(&self, now: u32) {
        if let Some(early) = self.early.take().filter(|early| !early.frames.is_empty()) {
            self.queue(&early.frames, 0, now);
        }
    }

    /// Queues a control frame, which waits for nothing.
    pub fn push_control(&self, bytes: Bytes, now: u32) {
        if self.state.get() == State::Open {
            self.queue(&[Frame::durable(bytes)], 0, now);
        }
    }

    /// Queues frames of which the first `sent` bytes are on the wire already.
    pub fn queue(&self, frames: &[Frame], sent: usize, now: u32) {
        self.fill(now, |backlog| backlog.push_all(frames, sent));
    }

    /// The same for a batch that its sender has bounded, and that comes to a reader who owed nothing.
    fn queue_beside(&self, frames: &[Frame], sent: usize, now: u32) {
        self.fill(now, |backlog| backlog.push_beside(frames, sent));
    }

    fn fill(&self, now: u32, push: impl FnOnce(&mut Backlog) -> Result<usize, Overflow>) {
        let pushed = {
            let mut slot = self.backlog.borrow_mut();
            push(slot.get_or_insert_with(|| {
                self.cut_at.set(now + STALL_SECONDS_MAX);
                Box::default()
            }))
        };
        match pushed {
            Ok(dropped) => self.dropped.set(self.dropped.get().saturating_add(dropped as u32)),
            Err(Overflow) => self.close(Disconnect::TooSlow, Farewell::AtOnce, now),
        }
    }

    /// Writes what waits, as far as the socket takes it. Called at the end of a turn and when the socket is writable.
    pub fn flush(&self, now: u32) {
        let mut slot = self.backlog.borrow_mut();
        let waker = self.waker.borrow();
        let Some(backlog) = &mut *slot else {
            let flushed = self.socket.borrow_mut().flush(&waker);
            drop(waker);
            return self.survive(flushed);
        };
        let mut scratch = Vec::new();
        loop {
            let Some(chunk) = backlog.chunk(&mut scratch) else {
                *slot = None;
                if self.state.get() == State::Open {
                    self.cut_at.set(0);
                }
                return;
            };
            let written = self.socket.borrow_mut().write(&waker, chunk);
            match written {
                Ok(n) => {
                    backlog.written(n);
                    self.written_bytes.set(self.written_bytes.get() + n as u64);
                    if self.state.get() == State::Open {
                        self.cut_at.set(now + STALL_SECONDS_MAX);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    drop(waker);
                    return self.die();
                }
            }
        }
    }

    fn survive(&self, done: io::Result<()>) {
        match done {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => self.die(),
            Ok(()) | Err(_) => {}
        }
    }

    /// Sends a close frame as the last one, and sets the deadline for its way out and the answer.
    pub fn close(&self, reason: Disconnect, farewell: Farewell, now: u32) {
        if self.state.get() != State::Open {
            return;
        }
        match farewell {
            Farewell::AfterQueued => self.release(now),
            Farewell::AtOnce => {}
        }
        // what was released may have been too much
        if self.state.replace(State::Closing) != State::Open {
            return;
        }
        self.reason.set(Some(reason));
        self.cut_at.set(now + CLOSE_GRACE_SECONDS);
        let last = frame::close(reason.code(), reason.reason());
        {
            let mut slot = self.backlog.borrow_mut();
            let backlog = slot.get_or_insert_with(Box::default);
            match farewell {
                Farewell::AtOnce => backlog.start_closing(last),
                Farewell::AfterQueued => backlog.finish_with(last),
            }
        }
        self.flush(now);
        self.wake();
    }

    /// Asks the client for a sign of life.
    pub fn ping(&self, now: u32) {
        self.pinged.set(now);
        self.push_control(frame::ping(b""), now);
        self.flush(now);
    }

    /// Answers the client's close frame with `answer` and waits for nothing more.
    pub fn answer_close(&self, code: Option<u16>, answer: Bytes, now: u32) {
        self.hung_up.set(true);
        self.client_code.set(Some(code.unwrap_or(NO_CODE)));
        if self.state.get() == State::Open {
            self.state.set(State::Closing);
            self.reason.set(Some(Disconnect::Normal));
            self.cut_at.set(now + CLOSE_GRACE_SECONDS);
            self.backlog.borrow_mut().get_or_insert_with(Box::default).finish_with(answer);
            self.flush(now);
        }
    }

    /// Whether both close frames have passed.
    pub fn is_finished(&self) -> bool {
        self.state.get() == State::Closing && self.hung_up.get() && self.backlog.borrow().is_none()
    }

    /// The worker was not at work for so many seconds: deadlines of the client move by as much.
    pub fn excuse(&self, seconds: u32) {
        self.heard.set(self.heard.get() + seconds);
        self.pinged.set(self.pinged.get() + seconds);
        if self.cut_at.get() > 0 {
            self.cut_at.set(self.cut_at.get() + seconds);
        }
    }

    /// Called by the sweep: cuts a socket that has not moved in time. Answers whether it was cut.
    pub fn check_stall(&self, now: u32) -> Option<Stalled> {
        let at = self.cut_at.get();
        if at == 0 || now < at || self.is_dead() {
            return None;
        }
        let was = match self.state.get() {
            State::Open => Stalled::NotReading,
            State::Closing | State::Dead => Stalled::NotClosing,
        };
        if was == Stalled::NotReading {
            self.reason.set(Some(Disconnect::TooSlow));
        }
        self.socket.borrow_mut().abort();
        self.die();
        Some(was)
    }

    /// Bytes that wait for the socket.
    pub fn owed_bytes(&self) -> usize {
        self.backlog.borrow().as_ref().map_or(0, |b| b.len_bytes())
    }

    /// Where what was said last ends; none as long as it waits for the room's first word.
    pub fn mark(&self) -> Option<Mark> {
        let is_early = self.early.borrow().as_ref().is_some_and(|early| !early.frames.is_empty());
        (!is_early).then(|| Mark(self.written_bytes.get() + self.owed_bytes() as u64))
    }

    /// Whether all up to there was written. Frames that were dropped meanwhile make it late, never early.
    pub fn has_written(&self, mark: Mark) -> bool {
        self.is_open() && (self.backlog.borrow().is_none() || self.written_bytes.get() >= mark.0)
    }

    /// A hub has just sent these messages of a direct conversation to the socket's user, and the conversation up to that
    /// place. The session is woken to take note of it.
    pub fn note_direct(&self, up_to: Seq, messages: impl Iterator<Item = EventId>) {
        let Some(mark) = self.mark() else { return };
        let known = self.direct.take();
        let is_first = known.is_none();
        let mut sent = known.unwrap_or_default();
        sent.up_to = sent.up_to.max(Some(up_to));
        // one that finds no place stays queued
        let free = DELIVERED_UNNOTED_MAX.saturating_sub(sent.messages.len());
        sent.messages.extend(messages.take(free).map(|id| (id, mark)));
        self.direct.set(Some(sent));
        if is_first {
            self.wake();
        }
    }

    /// What a hub has sent of direct conversations since the last call.
    pub fn take_direct(&self) -> Option<Box<DirectSent>> {
        self.direct.take()
    }

    /// Nothing more can be sent; the session's task is woken to end.
    pub fn die(&self) {
        self.state.set(State::Dead);
        self.wake();
    }
}

/// What a cut socket was doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stalled {
    /// It took no bytes.
    NotReading,
    /// It did not answer the close frame.
    NotClosing,
}

/// Whose socket it is.
pub struct Owner {
    /// The user.
    pub user: UserId,
    /// What the socket speaks.
    pub dialect: DialectKind,
    /// Whether a room opens the conversation.
    pub bound: Bound,
    /// When the token expires.
    pub expires_at: Timestamp,
}

/// Whether a socket is bound to a room by its address, whose first word is to be the socket's first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// It is.
    ToRoom,
    /// It enters rooms as it likes, and is told things before.
    ToNone,
}
