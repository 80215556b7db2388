//! A user who opens sockets continuously, as fast as the machine allows, and the result.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::rest::User;
use super::socket::{Frame, Place, Socket};

/// Tasks that open sockets in parallel.
const OPENERS: usize = 24;
/// The requirement: no open socket this long after a right was revoked.
const NO_SOCKET_AFTER: Duration = Duration::from_secs(1);

/// How long sent frames may take until they are read here.
const STILL_TO_READ: Duration = Duration::from_millis(200);

/// Opens sockets of one user on one or more nodes until stopped.
pub struct Crowd {
    tasks: JoinSet<Vec<Socket>>,
    stop: Arc<AtomicBool>,
    tried: Arc<AtomicUsize>,
}

/// The result.
#[derive(Debug)]
pub struct Left {
    /// Attempts in total.
    pub tried: usize,
    /// Accepted attempts.
    pub opened: usize,
    /// Sockets that were still open one second after the right was revoked.
    pub open: usize,
}

impl Crowd {
    /// Starts to open sockets at this path, on all given nodes in turn.
    pub fn start(users: &[User], path: &str) -> Crowd {
        let (stop, tried) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        for at in 0..OPENERS {
            let user = users[at % users.len()].clone();
            let (stop, tried, path) = (stop.clone(), tried.clone(), path.to_owned());
            tasks.spawn(async move {
                let mut opened = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    tried.fetch_add(1, Ordering::Relaxed);
                    if let Ok(socket) = Socket::try_open(user.origin(), &path, &user.token, Place::Header).await {
                        opened.push(socket);
                    }
                }
                opened
            });
        }
        Crowd { tasks, stop, tried }
    }

    /// Waits for this many attempts.
    pub async fn has_tried(&self, attempts: usize) {
        super::eventually("sockets are being opened", super::DEADLINE, || async {
            (self.tried.load(Ordering::Relaxed) >= attempts).then_some(())
        })
        .await;
    }

    /// Stops the attempts, and reads all frames on the opened sockets.
    pub async fn leave(mut self, lost_at: Instant) -> Left {
        let so_far = self.tried.load(Ordering::Relaxed);
        // The attempts in progress at the time of the removal matter most: let them and some more finish.
        self.has_tried(so_far + 2 * OPENERS).await;
        self.stop.store(true, Ordering::Relaxed);
        let mut sockets = Vec::new();
        while let Some(opened) = self.tasks.join_next().await {
            sockets.extend(opened.expect("a task that opens sockets should end"));
        }
        let opened = sockets.len();
        let mut reading = JoinSet::new();
        let end = Instant::now().max(lost_at + NO_SOCKET_AFTER);
        for socket in sockets {
            reading.spawn(has_ended(socket, end));
        }
        let ended = reading.join_all().await;
        Left {
            tried: self.tried.load(Ordering::Relaxed),
            opened,
            open: ended.into_iter().filter(|ended| !ended).count(),
        }
    }
}

/// Whether the server has closed the socket by then.
async fn has_ended(mut socket: Socket, by: Instant) -> bool {
    loop {
        // Received frames are read even when the time is over.
        let left = by.saturating_duration_since(Instant::now()).max(STILL_TO_READ);
        match socket.next_within(left).await {
            None => return false,
            Some(Frame::Close(_) | Frame::End) => return true,
            Some(Frame::Json(_) | Frame::Binary(_)) => {}
        }
    }
}
