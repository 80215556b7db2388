//! A session inside another program's actix-web App. It reads frames from the request body and writes frames to the
//! response body. A pipe, bounded in bytes, connects the session and the response and shows how far the client has
//! fallen behind. It must never grow with a slow reader, and never leave a connection open that the session has closed.

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

/// The connection of a mounted session, kept so that it can be closed when the client has stopped reading. While the
/// write buffer of the HTTP dispatcher is full, it polls none of our code, so the connection can't be closed in any
/// other way.
#[derive(Clone)]
pub struct Connection(Rc<socket2::Socket>);

impl Connection {
    /// Pass this to `HttpServer::on_connect` when you mount Convene. Without it, a client that stops reading still
    /// leaves its rooms, but its connection stays open until the client or the system closes it. Costs one descriptor
    /// per connection.
    pub fn remember(io: &dyn Any, extensions: &mut Extensions) {
        let tcp = io
            .downcast_ref::<TcpStream>()
            .or_else(|| io.downcast_ref::<TlsStream<TcpStream>>().map(|tls| tls.get_ref().0));
        let Some(socket) = tcp.map(SockRef::from) else { return };
        // Smaller than the kernel's default, so that a stall is detected soon. If this fails, it is detected later.
        let _ = socket.set_send_buffer_size(limits::KERNEL_SEND_BUFFER_BYTES);
        if let Ok(copy) = socket.try_clone() {
            extensions.insert(Connection(Rc::new(copy)));
        }
    }

    /// Closes both directions, which the dispatcher notices. Unsent data is dropped when the connection closes.
    fn cut(&self) {
        // An error means that the connection is already closed.
        let _ = self.0.set_linger(Some(Duration::ZERO));
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Creates the two ends: a socket for the session and a body for the response. `connection` is what
/// [`Connection::remember`] stored in the request's connection data.
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
    /// A session that ends without closing must end its response, too.
    fn drop(&mut self) {
        self.pipe.end(End::Finished);
    }
}

/// The state of the writing side.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum End {
    #[default]
    Open,
    /// The pipe contains the last bytes.
    Finished,
    /// The bytes in the pipe will not be sent.
    Aborted,
    /// The response was dropped, so nobody reads the pipe.
    Unread,
}

/// Bytes that the session has written and the response has not taken yet.
#[derive(Default)]
struct Pipe {
    held: RefCell<BytesMut>,
    end: Cell<End>,
    /// Woken when there are bytes to read.
    reader: RefCell<Option<Waker>>,
    /// Woken when there is space to write.
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

    /// Only the first end counts.
    fn end(&self, end: End) {
        if self.end.get() == End::Open {
            self.end.set(end);
            wake(&self.reader);
            wake(&self.writer);
        }
    }
}

fn wake(waker: &RefCell<Option<Waker>>) {
    let waker = waker.take(); // taken first, because the woken task may borrow the cell again
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The response body: it yields what the session writes until the session ends.
pub struct Body(Rc<Pipe>);

/// The session closed the connection; the dispatcher drops it on this error.
#[derive(Debug, thiserror::Error)]
#[error("the session was closed because its client stopped reading")]
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
    /// The client has disconnected; the session's next write fails.
    fn drop(&mut self) {
        self.0.end(End::Unread);
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
