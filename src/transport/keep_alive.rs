//! Tracks HTTP connections. Idle ones are kept open longer than balancers keep theirs, so that no balancer sends a
//! request on a connection that is just being closed. When the node drains, they are closed at once, so that the
//! shutdown does not wait for them. A client may not hold a connection without completing a request, leave an answer unread,
//! or open too many connections. Everything here but the counts belongs to one worker's thread.

use std::{
    cell::{Cell, RefCell},
    net::Shutdown,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use actix_http::{
    Request,
    body::{BodySize, MessageBody},
};
use bytes::Bytes;
use socket2::{SockRef, Socket};
use tokio::net::TcpStream;

use crate::{
    actors::{node::Node, worker::Worker},
    auth::connection_counts::Counted,
    limits,
};

/// One connection. The HTTP dispatcher owns it as long as the connection carries HTTP.
pub(super) struct Connection {
    /// A second handle of the same socket, used to close it. None once it carries WebSocket.
    socket: RefCell<Option<Socket>>,
    /// The number of requests in progress, up to the last byte of the response's body.
    busy: Cell<usize>,
    /// When the last request ended, or the connection was accepted.
    idle_since: Cell<Instant>,
    /// Its place among the connections of its address, until it carries WebSocket.
    counted: RefCell<Option<Counted>>,
}

/// The connections of one worker.
#[derive(Default)]
pub(super) struct Connections(RefCell<Vec<Weak<Connection>>>);

impl Connections {
    /// Watches the worker's connections until its thread ends.
    pub(super) fn watch(worker: &Rc<Worker>) -> Rc<Connections> {
        let connections = Rc::new(Connections::default());
        let (weak, node) = (Rc::downgrade(&connections), worker.node.clone());
        actix_rt::spawn(async move {
            loop {
                tokio::time::sleep(limits::IDLE_SWEEP).await;
                let Some(connections) = weak.upgrade() else { return };
                connections.0.borrow_mut().retain(|connection| connection.strong_count() > 0);
                if node.is_draining() {
                    connections.end_idle(Duration::ZERO);
                } else {
                    // The dispatcher closes idle connections itself, except those with an incomplete head.
                    connections.end_idle(node.config.listen.keep_alive + limits::REQUEST_HEAD_GRACE);
                }
            }
        });
        connections
    }

    /// Adds a connection that was just accepted. None if the system has no descriptor left; the connection then ends by
    /// its timeout. A connection beyond the limit of its address is closed.
    pub(super) fn add(&self, stream: &TcpStream, node: &Node) -> Option<Rc<Connection>> {
        let socket = SockRef::from(stream).try_clone().ok()?;
        let counted = match counted(stream, node) {
            Ok(counted) => counted,
            Err(TooMany) => {
                node.metrics.connection_refused();
                // It may already be closed.
                let _ = socket.shutdown(Shutdown::Both);
                return None;
            }
        };
        // If this fails, the connection ends when the kernel gives up.
        #[cfg(target_os = "linux")]
        let _ = socket.set_tcp_user_timeout(Some(node.config.budgets.unread_timeout));
        let connection = Rc::new(Connection {
            socket: RefCell::new(Some(socket)),
            busy: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            counted: RefCell::new(counted),
        });
        self.0.borrow_mut().push(Rc::downgrade(&connection));
        Some(connection)
    }

    /// Shuts down reading on connections that have been idle for this long, whereupon the dispatcher closes them. A response in
    /// progress is completed.
    fn end_idle(&self, idle_max: Duration) {
        for connection in self.0.borrow().iter().filter_map(Weak::upgrade) {
            if connection.busy.get() == 0
                && connection.idle_since.get().elapsed() >= idle_max
                && let Some(socket) = connection.socket.borrow().as_ref()
            {
                // It may already be closed.
                let _ = socket.shutdown(Shutdown::Read);
            }
        }
    }
}

/// The address has too many connections.
struct TooMany;

/// Counts the connection, unless it comes from a trusted proxy, which carries the requests of many clients.
fn counted(stream: &TcpStream, node: &Node) -> Result<Option<Counted>, TooMany> {
    let Ok(peer) = stream.peer_addr() else { return Ok(None) };
    if node.config.listen.proxies.contain(peer.ip().to_canonical()) {
        return Ok(None);
    }
    let counted = node.connection_counts.count(peer.ip(), node.config.budgets.connections_per_address);
    counted.map(Some).ok_or(TooMany)
}

/// A request in progress. Its connection is not idle.
pub(super) struct Busy(Option<Rc<Connection>>);

impl Busy {
    pub(super) fn with(request: &Request) -> Busy {
        let connection = request.conn_data::<Rc<Connection>>().cloned();
        if let Some(connection) = &connection {
            connection.busy.set(connection.busy.get() + 1);
        }
        Busy(connection)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.busy.set(connection.busy.get().saturating_sub(1));
            connection.idle_since.set(Instant::now());
        }
    }
}

/// The body of a response, whose request is in progress until the dispatcher has taken the last byte.
pub(super) struct Answer<B> {
    body: Pin<Box<B>>,
    _busy: Busy,
}

impl<B> Answer<B> {
    pub(super) fn new(body: B, busy: Busy) -> Answer<B> {
        Answer { body: Box::pin(body), _busy: busy }
    }
}

impl<B: MessageBody> MessageBody for Answer<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, B::Error>>> {
        self.body.as_mut().poll_next(cx)
    }
}

/// Stops tracking the connection, which now carries WebSocket and belongs to a session.
pub(super) fn release(request: &Request) {
    if let Some(connection) = request.conn_data::<Rc<Connection>>() {
        connection.socket.borrow_mut().take();
        connection.counted.borrow_mut().take();
    }
}
