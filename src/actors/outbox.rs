//! The sending side of a socket. It owns no buffer while idle, and a slow reader's queue is bounded in bytes. It
//! belongs to its socket's thread and must never be accessed from another one: only its session and the hub use it.

use std::{
    cell::{Cell, RefCell, RefMut},
    io,
    task::Waker,
};

use bytes::Bytes;

pub use crate::ids::ConnKey;
use crate::{
    core::{
        backlog::{Backlog, Frame, Overflow},
        event::Listener,
    },
    dialects::{DialectKind, options::Seats},
    disconnect::Disconnect,
    ids::{Area, EventId, NodeId, Seq, SocketId, Timestamp, UserId},
    limits::{
        CLOSE_GRACE_SECONDS, DELIVERED_UNNOTED_MAX, EARLY_BYTES_MAX, EARLY_FRAMES_MAX, OPENING_BYTES_MAX,
        OUTBOX_EPHEMERAL_BYTES_MAX, STALL_SECONDS_MAX, WRITE_CHUNK_BYTES_MAX,
    },
    transport::{frame, socket::Socket},
};

/// Set in the number of a socket of a document editor, so that every node knows with which others it is counted.
const OF_DOCUMENTS: u32 = 1 << 31;

/// The key of a worker's next connection.
pub const fn conn_key(worker: u16, number: u32, seats: Seats) -> ConnKey {
    let number = number & !OF_DOCUMENTS;
    match seats {
        Seats::Usual => ConnKey { worker, generation: number },
        Seats::Documents => ConnKey { worker, generation: number | OF_DOCUMENTS },
    }
}

/// With which others the connection is counted.
pub const fn seats_of(conn: ConnKey) -> Seats {
    if conn.generation & OF_DOCUMENTS == 0 { Seats::Usual } else { Seats::Documents }
}

/// Represents the code of a close frame that has none (RFC 6455 section 7.4.1).
const NO_CODE: u16 = 1005;

/// Whether queued frames are sent before the close frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseMode {
    /// They are: the last frames explain the close.
    AfterQueued,
    /// They are not: the reader is too slow, or the stream is broken.
    AtOnce,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    Open,
    /// The last frame to send is a close frame.
    Closing,
    Dead,
}

/// The sending side of one socket.
pub struct Outbox {
    /// The connection.
    pub key: ConnKey,
    /// Its user.
    pub user: UserId,
    /// Its dialect.
    pub dialect: DialectKind,
    /// Whether it is bound to a room.
    pub bound: Bound,
    socket: RefCell<Socket>,
    /// Wakes the session's task.
    waker: RefCell<Waker>,
    backlog: RefCell<Option<Box<Backlog>>>,
    /// Frames that were sent before the room's first frame, which must precede them; `None` afterwards.
    early: RefCell<Option<Box<Early>>>,
    state: Cell<State>,
    /// When the socket is cut unless it makes progress, in the worker's seconds; 0 for never.
    cut_at: Cell<u32>,
    /// When the last byte was received, in the worker's seconds.
    pub heard: Cell<u32>,
    /// When the last ping was sent, in the worker's seconds.
    pub pinged: Cell<u32>,
    /// When the token expires.
    pub expires_at: Cell<Timestamp>,
    hung_up: Cell<bool>,
    /// The code of the client's close frame, or [`NO_CODE`].
    client_code: Cell<Option<u16>>,
    reason: Cell<Option<Disconnect>>,
    /// Ephemeral frames dropped since the last sweep.
    dropped: Cell<u32>,
    /// Ephemeral frames were dropped, and everything that was queued is written since.
    fell_behind: Cell<bool>,
    /// Bytes written from the queue.
    written_bytes: Cell<u64>,
    /// Messages of direct conversations that a hub has sent, until the session has recorded them.
    direct: Cell<Option<Box<DirectSent>>>,
}

/// Messages of direct conversations that a hub has sent to a socket.
#[derive(Default)]
pub struct DirectSent {
    /// The last sequence number of the conversation that was sent.
    pub up_to: Option<Seq>,
    /// The messages for the socket's user, each with the position where its frame ends.
    pub messages: Vec<(EventId, Mark)>,
}

/// Frames that wait for the room's first frame.
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

/// A position in an outbox's stream, after everything that was queued before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark(u64);

impl Outbox {
    /// Its socket as audiences see it, on this node and in this area of a room.
    pub fn listener(&self, node: NodeId, area: Option<Area>) -> Listener<'_> {
        Listener { user: &self.user, socket: SocketId { node, conn: self.key }, area }
    }

    /// Creates an open outbox. `now` is in the worker's seconds.
    pub fn new(key: ConnKey, socket: Socket, owner: Owner, now: u32) -> Outbox {
        Outbox {
            key,
            user: owner.user,
            dialect: owner.dialect,
            bound: owner.bound,
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
            fell_behind: Cell::new(false),
            written_bytes: Cell::new(0),
            direct: Cell::default(),
        }
    }

    /// The socket, for reading.
    pub fn socket(&self) -> RefMut<'_, Socket> {
        self.socket.borrow_mut()
    }

    /// The session has ended: closes the descriptor and frees the queue, although a hub may still reference this
    /// outbox.
    pub fn bury(&self) {
        self.state.set(State::Dead);
        self.socket.replace(Socket::Closed);
        self.backlog.take();
    }

    /// Whether nothing can be sent any more.
    pub fn is_dead(&self) -> bool {
        self.state.get() == State::Dead
    }

    /// Whether more frames are accepted.
    pub fn is_open(&self) -> bool {
        self.state.get() == State::Open
    }

    /// Why the server closed the socket, if it did.
    pub fn reason(&self) -> Option<Disconnect> {
        self.reason.get()
    }

    /// Whether its user is likely to reconnect, because the socket was not closed deliberately (docs/protocol.md,
    /// Leaving).
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

    /// Whether ephemeral frames were dropped that can now be made up for, since the last call.
    pub fn take_fell_behind(&self) -> bool {
        self.fell_behind.take()
    }

    /// Stores the task to wake when the socket is writable again or the session must end.
    pub fn attend(&self, waker: &Waker) {
        if !self.waker.borrow().will_wake(waker) {
            *self.waker.borrow_mut() = waker.clone();
        }
    }

    /// Wakes the session's task.
    pub fn wake(&self) {
        self.waker.borrow().wake_by_ref();
    }

    /// Broadcast path: writes `wire` (the concatenated frames) at once, or queues the frames after what is queued
    /// already.
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
                self.flush(now); // until it would block, because only that registers the waker
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.queue_beside(frames, 0, now),
            Err(_) => self.die(),
        }
    }

    /// Broadcast path for a socket that receives only part of a batch.
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

    /// Piece by piece, so that a socket that accepts its bytes is not affected by the bounds for slow ones.
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

    /// Whether earlier frames are queued, so that these must be queued as well. If they do not fit, the socket is
    /// flushed first: the queue may have been filled in this very turn, which does not prove a slow reader.
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

    /// Direct path: queues one frame; `flush` at the end of the turn writes it together with others.
    pub fn push(&self, frame: Frame, now: u32) {
        if self.state.get() != State::Open {
            return;
        }
        // taken out because `close` may access it
        match self.early.take() {
            None => self.queue(&[frame], 0, now),
            Some(early) if early.is_full() => self.close(Disconnect::TooSlow, CloseMode::AtOnce, now),
            Some(mut early) => {
                early.bytes += frame.bytes.len();
                early.frames.push(frame);
                self.early.replace(Some(early));
            }
        }
    }

    /// Queues the opening of a room, which the room has bounded, followed by the frames that were waiting for it.
    pub fn push_opening(&self, frames: &[Frame], now: u32) {
        if self.state.get() != State::Open {
            return;
        }
        if frames.iter().map(|frame| frame.bytes.len()).sum::<usize>() > OPENING_BYTES_MAX {
            return self.close(Disconnect::TooSlow, CloseMode::AtOnce, now);
        }
        self.queue_beside(frames, 0, now);
        self.release(now);
    }

    fn release(&self, now: u32) {
        if let Some(early) = self.early.take().filter(|early| !early.frames.is_empty()) {
            self.queue(&early.frames, 0, now);
        }
    }

    /// Queues a control frame, which does not wait for the room's first frame.
    pub fn push_control(&self, bytes: Bytes, now: u32) {
        if self.state.get() == State::Open {
            self.queue(&[Frame::durable(bytes)], 0, now);
        }
    }

    /// Queues frames of which the first `sent` bytes are already written.
    pub fn queue(&self, frames: &[Frame], sent: usize, now: u32) {
        self.fill(now, |backlog| backlog.push_all(frames, sent));
    }

    /// Queues a batch for a reader whose queue was empty; its sender bounds it.
    fn queue_beside(&self, frames: &[Frame], sent: usize, now: u32) {
        self.fill(now, |backlog| backlog.push_unbounded(frames, sent));
    }

    fn fill(&self, now: u32, push: impl FnOnce(&mut Backlog) -> Result<usize, Overflow>) {
        let pushed = {
            let mut slot = self.backlog.borrow_mut();
            push(slot.get_or_insert_with(|| {
                self.cut_at.set(now + STALL_SECONDS_MAX);
                let options = self.dialect.options();
                Box::new(Backlog::bounded(options.owed_bytes_max, OUTBOX_EPHEMERAL_BYTES_MAX))
            }))
        };
        match pushed {
            Ok(dropped) => self.dropped.set(self.dropped.get().saturating_add(dropped as u32)),
            Err(Overflow) => self.close(Disconnect::TooSlow, CloseMode::AtOnce, now),
        }
    }

    /// Writes as much of the queue as the socket accepts. Called at the end of a turn and when the socket is writable.
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
                if backlog.has_lost() {
                    self.fell_behind.set(true);
                    waker.wake_by_ref();
                }
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

    /// Queues a close frame as the last one and sets the deadline for writing it and for the client's answer.
    pub fn close(&self, reason: Disconnect, last_reply: CloseMode, now: u32) {
        if self.state.get() != State::Open {
            return;
        }
        match last_reply {
            CloseMode::AfterQueued => self.release(now),
            CloseMode::AtOnce => {}
        }
        // the released frames may have overflowed and closed it
        if self.state.replace(State::Closing) != State::Open {
            return;
        }
        self.reason.set(Some(reason));
        self.cut_at.set(now + CLOSE_GRACE_SECONDS);
        let last = frame::close(reason.code(), reason.reason());
        {
            let mut slot = self.backlog.borrow_mut();
            let backlog = slot.get_or_insert_with(Box::default);
            match last_reply {
                CloseMode::AtOnce => backlog.start_closing(last),
                CloseMode::AfterQueued => backlog.finish_with(last),
            }
        }
        self.flush(now);
        self.wake();
    }

    /// Sends a ping.
    pub fn ping(&self, now: u32) {
        self.pinged.set(now);
        self.push_control(frame::ping(b""), now);
        self.flush(now);
    }

    /// Answers the client's close frame with `answer`; nothing more is expected.
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

    /// Whether both close frames have been exchanged.
    pub fn is_finished(&self) -> bool {
        self.state.get() == State::Closing && self.hung_up.get() && self.backlog.borrow().is_none()
    }

    /// The worker was stalled for this time: extends the client's deadlines accordingly.
    pub fn excuse(&self, seconds: u32) {
        self.heard.set(self.heard.get() + seconds);
        self.pinged.set(self.pinged.get() + seconds);
        if self.cut_at.get() > 0 {
            self.cut_at.set(self.cut_at.get() + seconds);
        }
    }

    /// Called by the sweep: cuts a socket that has not made progress in time. Returns whether it was cut, and why.
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

    /// The number of queued bytes.
    pub fn owed_bytes(&self) -> usize {
        self.backlog.borrow().as_ref().map_or(0, |b| b.len_bytes())
    }

    /// The current end of the stream; `None` while frames wait for the room's first frame.
    pub fn mark(&self) -> Option<Mark> {
        let is_early = self.early.borrow().as_ref().is_some_and(|early| !early.frames.is_empty());
        (!is_early).then(|| Mark(self.written_bytes.get() + self.owed_bytes() as u64))
    }

    /// Whether everything up to the mark was written. Frames dropped in the meantime can delay this, but never make it
    /// true too early.
    pub fn has_written(&self, mark: Mark) -> bool {
        self.is_open() && (self.backlog.borrow().is_none() || self.written_bytes.get() >= mark.0)
    }

    /// Records that a hub has sent these messages of a direct conversation to the socket's user, and the conversation
    /// up to that sequence number. Wakes the session to process it.
    pub fn note_direct(&self, up_to: Seq, messages: impl Iterator<Item = EventId>) {
        let Some(mark) = self.mark() else { return };
        let known = self.direct.take();
        let is_first = known.is_none();
        let mut sent = known.unwrap_or_default();
        sent.up_to = sent.up_to.max(Some(up_to));
        // messages beyond the limit stay queued in the store
        let free = DELIVERED_UNNOTED_MAX.saturating_sub(sent.messages.len());
        sent.messages.extend(messages.take(free).map(|id| (id, mark)));
        self.direct.set(Some(sent));
        if is_first {
            self.wake();
        }
    }

    /// The messages of direct conversations that a hub has sent since the last call.
    pub fn take_direct(&self) -> Option<Box<DirectSent>> {
        self.direct.take()
    }

    /// Nothing can be sent any more; the session's task is woken to end.
    pub fn die(&self) {
        self.state.set(State::Dead);
        self.wake();
    }
}

/// Why a socket was cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stalled {
    /// It accepted no bytes.
    NotReading,
    /// It did not answer the close frame.
    NotClosing,
}

/// The owner of a socket.
pub struct Owner {
    /// The user.
    pub user: UserId,
    /// The dialect.
    pub dialect: DialectKind,
    /// Whether the socket is bound to a room.
    pub bound: Bound,
    /// When the token expires.
    pub expires_at: Timestamp,
}

/// Whether a socket is bound to a room by its address. If so, the first frame must be that of the room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// It is bound to a room.
    ToRoom,
    /// It joins rooms by name, and may receive other frames before.
    ToNone,
}
