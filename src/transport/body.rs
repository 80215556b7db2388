//! A session inside somebody's actix-web App: frames come from the request's body and go to the response's. Between the
//! session and the response is a pipe, bounded in bytes, that says how far the client has fallen behind. It must never
//! grow with a slow reader, and never leave a connection open that the session has given up.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    io,
    net::Shutdown,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{dev::Extensions, web};
use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::socket::Socket;
use crate::limits;

/// The connection under a mounted session, kept so that it can be cut when the client has stopped reading. The HTTP
/// dispatcher polls nothing of ours while its own write buffer is full, so that no other word reaches it then.
#[derive(Clone)]
pub struct Connection(Rc<socket2::Socket>);

impl Connection {
    /// To be given to `HttpServer::on_connect` by whoever mounts Convene. Without it a client that stops reading leaves
    /// its rooms all the same, but its connection stays until it goes by itself. Costs a descriptor per connection.
    pub fn remember(io: &dyn Any, extensions: &mut Extensions) {
        let tcp = io
            .downcast_ref::<TcpStream>()
            .or_else(|| io.downcast_ref::<TlsStream<TcpStream>>().map(|tls| tls.get_ref().0));
        let Some(socket) = tcp.map(SockRef::from) else { return };
        // Smaller than the kernel's default, so that a stall shows soon; refused, it only shows later.
        let _ = socket.set_send_buffer_size(limits::KERNEL_SEND_BUFFER_BYTES);
        if let Ok(copy) = socket.try_clone() {
            extensions.insert(Connection(Rc::new(copy)));
        }
    }

    /// Both directions end, which the dispatcher notices, and what is unsent is dropped when it closes.
    fn cut(&self) {
        // An error here means that the connection is gone already.
        let _ = self.0.set_linger(Some(Duration::ZERO));
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Joins the two bodies: the socket is the session's, the body is the response's. `connection` is what
/// [`Connection::remember`] left in the request's connection data.
pub fn mounted(request: web::Payload, connection: Option<Connection>) -> (Socket, Body) {
    let pipe = Rc::new(Pipe::default());
    let body = Body(pipe.clone());
    (Socket::Mounted(Box::new(Mounted { request, unread: Bytes::new(), pipe, connection })), body)
}

/// The session's side of a mounted connection.
pub struct Mounted {
    request: web::Payload,
    unread: Bytes,
    pipe: Rc<Pipe>,
    connection: Option<Connection>,
}

impl Mounted {
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        while self.unread.is_empty() {
            match Pin::new(&mut self.request).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Ok(0)),
                Poll::Ready(Some(chunk)) => self.unread = chunk.map_err(io::Error::other)?,
            }
        }
        let bytes = self.unread.len().min(buffer.len());
        if let Some(part) = buffer.get_mut(..bytes) {
            self.unread.copy_to_slice(part);
        }
        Poll::Ready(Ok(bytes))
    }

    pub(super) fn write(&self, waker: &Waker, bytes: &[u8]) -> io::Result<usize> {
        self.pipe.write(waker, bytes)
    }

    pub(super) fn finish(&self) {
        self.pipe.end(End::Finished);
    }

    pub(super) fn abort(&self) {
        self.pipe.end(End::Aborted);
        if let Some(connection) = &self.connection {
            connection.cut();
        }
    }
}

impl Drop for Mounted {
    /// A session that ended without a word ends its response, too.
    fn drop(&mut self) {
        self.pipe.end(End::Finished);
    }
}

/// How far the writing side has come.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum End {
    #[default]
    Open,
    /// What is in the pipe is the last.
    Finished,
    /// What is in the pipe is of no use any more.
    Aborted,
    /// The response is gone, and with it the reader.
    Unread,
}

/// What the session has written and the response has not taken yet.
#[derive(Default)]
struct Pipe {
    held: RefCell<BytesMut>,
    end: Cell<End>,
    /// Woken when there is something to read.
    reader: RefCell<Option<Waker>>,
    /// Woken when there is room.
    writer: RefCell<Option<Waker>>,
}

impl Pipe {
    fn write(&self, waker: &Waker, bytes: &[u8]) -> io::Result<usize> {
        if self.end.get() != End::Open {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut held = self.held.borrow_mut();
        let room = limits::MOUNTED_PIPE_BYTES_MAX.saturating_sub(held.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        if taken.is_empty() && !bytes.is_empty() {
            *self.writer.borrow_mut() = Some(waker.clone());
            return Err(io::ErrorKind::WouldBlock.into());
        }
        held.extend_from_slice(taken);
        drop(held);
        wake(&self.reader);
        Ok(taken.len())
    }

    /// The first end counts.
    fn end(&self, end: End) {
        if self.end.get() == End::Open {
            self.end.set(end);
            wake(&self.reader);
            wake(&self.writer);
        }
    }
}

fn wake(waker: &RefCell<Option<Waker>>) {
    let waker = waker.take(); // bound first: what it wakes may come back here
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The response's body: whatever the session writes, until it ends.
pub struct Body(Rc<Pipe>);

/// The session gave the connection up; the dispatcher drops it on this error.
#[derive(Debug, thiserror::Error)]
#[error("the session was cut because its client stopped reading")]
pub struct Aborted;

impl actix_web::ResponseError for Aborted {}

impl Stream for Body {
    type Item = Result<Bytes, actix_web::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let pipe = &self.0;
        if pipe.end.get() == End::Aborted {
            return Poll::Ready(Some(Err(Aborted.into())));
        }
        let held = pipe.held.take();
        if !held.is_empty() {
            wake(&pipe.writer);
            return Poll::Ready(Some(Ok(held.freeze())));
        }
        match pipe.end.get() {
            End::Finished | End::Aborted | End::Unread => Poll::Ready(None),
            End::Open => {
                *pipe.reader.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Body {
    /// The client has gone: the session's next write says so.
    fn drop(&mut self) {
        self.0.end(End::Unread);
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
