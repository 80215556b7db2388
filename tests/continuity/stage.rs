//! What all clients of a run share: the clock, the way to the nodes, and the director's words.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use tokio::sync::watch;

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Everybody comes in; nobody writes.
    Gathering,
    /// Everybody writes, and things go wrong.
    Writing,
    /// Nobody writes any more; everybody catches up.
    Settling,
    /// Everybody looks once more whether anything comes, and goes.
    Leaving,
}

/// An order to move, told to everybody; each throws its own dice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Move {
    pub percent: u32,
}

/// A client's view of the stage.
#[derive(Clone)]
pub struct Stage {
    pub started: Instant,
    /// `http://127.0.0.1:<port>` of every node, which stay the same over restarts.
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

/// How far a client is, for the director to wait on.
#[derive(Default)]
pub struct Progress {
    /// It has an open socket and has read its first frame.
    pub is_in: AtomicBool,
    /// The highest place it knows of.
    pub position: AtomicU64,
    /// Messages without an answer on the open socket.
    pub in_flight: AtomicU64,
}
