//! Somebody who opens sockets without a pause, as fast as the machine can, and what became of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::rest::User;
use super::socket::{Frame, Place, Socket};

/// Tasks that open sockets at the same time.
const OPENERS: usize = 24;
/// What is asked of the server: no open socket so long after a right was taken away.
const NO_SOCKET_AFTER: Duration = Duration::from_secs(1);

/// How long what the server has sent may take to be read here.
const STILL_TO_READ: Duration = Duration::from_millis(200);

/// Opens sockets of one user on one or more nodes until it is told to stop.
pub struct Crowd {
    tasks: JoinSet<Vec<Socket>>,
    stop: Arc<AtomicBool>,
    tried: Arc<AtomicUsize>,
}

/// What became of the sockets.
#[derive(Debug)]
pub struct Left {
    /// Attempts in all.
    pub tried: usize,
    /// Those of them that were accepted.
    pub opened: usize,
    /// Those that were still open a second after the right had been taken away.
    pub open: usize,
}

impl Crowd {
    /// Starts to open sockets at this path, at all of the given nodes in turn.
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

    /// Waits until so many sockets were tried to open.
    pub async fn has_tried(&self, attempts: usize) {
        super::eventually("sockets are being opened", super::DEADLINE, || async {
            (self.tried.load(Ordering::Relaxed) >= attempts).then_some(())
        })
        .await;
    }

    /// Ends the attempts, and reads all that came on the sockets that had been opened.
    pub async fn leave(mut self, lost_at: Instant) -> Left {
        let so_far = self.tried.load(Ordering::Relaxed);
        // those that are under way at the moment of the removal are what this is about: let them and some more end
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
        // what has come already is read also when the time is over
        let left = by.saturating_duration_since(Instant::now()).max(STILL_TO_READ);
        match socket.next_within(left).await {
            None => return false,
            Some(Frame::Close(_) | Frame::End) => return true,
            Some(Frame::Json(_)) => {}
        }
    }
}
