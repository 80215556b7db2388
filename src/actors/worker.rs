//! The state of a worker thread: its hub, outboxes, clock and read buffer. It must never be accessed from another
//! thread, so nothing here needs a lock.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    sync::Arc,
};

use actix::prelude::*;
use rustc_hash::FxHashMap;

use super::{
    hub::Hub,
    node::{Node, connection_name},
    outbox::{ConnKey, Outbox, Owner, conn_key},
    session::ConnectionIds,
};
use crate::{dialects::options::Seats, ids::UserId, limits, transport::socket::Socket};

/// The state of one worker thread.
pub struct Worker {
    /// Its number, from 0.
    pub index: u16,
    /// Its hub.
    pub hub: Addr<Hub>,
    /// The shared, immutable state of the node.
    pub node: Arc<Node>,
    /// One read buffer for all connections of the thread.
    pub buffer: RefCell<Vec<u8>>,
    pub(super) outboxes: RefCell<FxHashMap<u32, Rc<Outbox>>>,
    generation: Cell<u32>,
    /// Whole seconds since the worker started, updated by the sweep.
    pub(super) clock: Cell<u32>,
    /// Whether the node drains and nothing more is read from any socket.
    pub(super) quiet: Cell<bool>,
}

thread_local!(static HERE: OnceCell<Rc<Worker>> = const { OnceCell::new() });

impl Worker {
    /// The worker of this thread, started on first use.
    pub fn here(node: &Arc<Node>) -> Rc<Worker> {
        HERE.with(|here| here.get_or_init(|| Worker::start(node.clone())).clone())
    }

    fn start(node: Arc<Node>) -> Rc<Worker> {
        let mut made = None;
        Hub::create(|ctx| {
            ctx.set_mailbox_capacity(limits::HUB_MAILBOX_MAX);
            let worker = Rc::new(Worker {
                index: node.next_worker(),
                hub: ctx.address(),
                node,
                buffer: RefCell::new(vec![0; limits::READ_BUFFER_BYTES]),
                outboxes: RefCell::default(),
                generation: Cell::new(0),
                clock: Cell::new(1),
                quiet: Cell::new(false),
            });
            made = Some(worker.clone());
            Hub::new(worker)
        });
        // `Actor::create` runs its closure before it returns
        #[allow(clippy::expect_used)]
        made.expect("the closure has run")
    }

    /// Whole seconds since the worker started; the time unit of outboxes.
    pub fn now(&self) -> u32 {
        self.clock.get()
    }

    /// Whether reading from sockets has stopped.
    pub fn is_quiet(&self) -> bool {
        self.quiet.get()
    }

    /// Assigns a key and a name to the next connection. The outbox is added when the socket is available.
    pub fn connection_ids(&self, user: &UserId, seats: Seats) -> ConnectionIds {
        let number = self.generation.get().wrapping_add(1);
        self.generation.set(number);
        let key = conn_key(self.index, number, seats);
        ConnectionIds { key, name: connection_name(user, self.node.clock.now(), self.node.id, key) }
    }

    /// Creates the outbox of a socket.
    pub fn admit(&self, key: ConnKey, socket: Socket, owner: Owner) -> Rc<Outbox> {
        let outbox = Rc::new(Outbox::new(key, socket, owner, self.now()));
        self.outboxes.borrow_mut().insert(key.generation, outbox.clone());
        self.node.metrics.connected();
        outbox
    }

    /// Removes the outbox of a session that has ended.
    pub fn dismiss(&self, key: ConnKey) {
        if let Some(outbox) = self.outboxes.borrow_mut().remove(&key.generation) {
            self.node.metrics.disconnected(outbox.reason());
        }
    }

    /// The outbox of that connection, if it still exists.
    pub fn outbox(&self, key: ConnKey) -> Option<Rc<Outbox>> {
        self.outboxes.borrow().get(&key.generation).cloned()
    }
}
