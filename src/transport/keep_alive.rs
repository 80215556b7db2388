//! Tracks idle HTTP connections. They are kept open longer than balancers keep theirs, so that no balancer sends a
//! request on a connection that is just being closed. When the node drains, they are closed at once, so that the
//! shutdown does not wait for them. Everything here belongs to one worker's thread.

use std::{
    cell::{Cell, RefCell},
    net::Shutdown,
    rc::{Rc, Weak},
};

use actix_http::Request;
use socket2::{SockRef, Socket};
use tokio::net::TcpStream;

use crate::{actors::worker::Worker, limits};

/// One connection. The HTTP dispatcher owns it as long as the connection carries HTTP.
pub(super) struct Connection {
    /// A second handle of the same socket, used to close it. None once it carries WebSocket.
    socket: RefCell<Option<Socket>>,
    /// The number of requests in progress.
    busy: Cell<usize>,
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
                if node.draining.load(std::sync::atomic::Ordering::Relaxed) {
                    connections.end_idle();
                }
            }
        });
        connections
    }

    /// Adds a connection that was just accepted. None if the system has no descriptor left; the connection then ends by
    /// its timeout.
    pub(super) fn add(&self, stream: &TcpStream) -> Option<Rc<Connection>> {
        let socket = SockRef::from(stream).try_clone().ok()?;
        let connection = Rc::new(Connection { socket: RefCell::new(Some(socket)), busy: Cell::new(0) });
        self.0.borrow_mut().push(Rc::downgrade(&connection));
        Some(connection)
    }

    /// Shuts down reading on idle connections, whereupon the dispatcher closes them. A response in progress is
    /// completed.
    fn end_idle(&self) {
        for connection in self.0.borrow().iter().filter_map(Weak::upgrade) {
            if connection.busy.get() == 0
                && let Some(socket) = connection.socket.borrow().as_ref()
            {
                // It may already be closed.
                let _ = socket.shutdown(Shutdown::Read);
            }
        }
    }
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
        }
    }
}

/// Stops tracking the connection, which now carries WebSocket and belongs to a session.
pub(super) fn release(request: &Request) {
    if let Some(connection) = request.conn_data::<Rc<Connection>>() {
        connection.socket.borrow_mut().take();
    }
}
