//! Shared by all clients of a run: the clock, the addresses of the nodes, and the director's instructions.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use tokio::sync::watch;

/// The phase of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Everybody connects; nobody writes.
    Gathering,
    /// Everybody writes, and faults occur.
    Writing,
    /// Nobody writes any more; everybody catches up.
    Settling,
    /// Everybody checks for late frames, and disconnects.
    Leaving,
}

/// An instruction to move, sent to everybody; each client decides randomly.
#[derive(Clone, Copy, Debug, Default)]
pub struct Move {
    pub percent: u32,
}

/// A client's view of the run.
#[derive(Clone)]
pub struct Stage {
    pub started: Instant,
    /// `http://127.0.0.1:<port>` of every node, unchanged by restarts.
    pub origins: Vec<String>,
    pub phase: watch::Receiver<Phase>,
    pub moves: watch::Receiver<Move>,
}

/// The director's side.
pub struct Direction {
    pub phase: watch::Sender<Phase>,
    pub moves: watch::Sender<Move>,
}

impl Stage {
    pub fn new(origins: Vec<String>) -> (Stage, Direction) {
        let (phase, watched_phase) = watch::channel(Phase::Gathering);
        let (moves, watched_moves) = watch::channel(Move::default());
        let stage = Stage { started: Instant::now(), origins, phase: watched_phase, moves: watched_moves };
        (stage, Direction { phase, moves })
    }

    /// Milliseconds since the start.
    pub fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }
}

/// A client's progress, for the director.
#[derive(Default)]
pub struct Progress {
    /// It has an open socket and has read its first frame.
    pub is_in: AtomicBool,
    /// The highest seq that it knows.
    pub position: AtomicU64,
    /// Unanswered messages on the open socket.
    pub in_flight: AtomicU64,
}
