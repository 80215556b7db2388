//! The socket of a session: plain TCP, TLS, or the two bodies of an ordinary actix-web request. The session reads it
//! and its outbox writes it, on one thread, without a task or a buffer in between. It must never block, and never
//! interpret the bytes.

use std::{
    io,
    net::Shutdown,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use actix_tls::accept::rustls_0_23::TlsStream;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::body::Mounted;

/// A connection after its WebSocket handshake.
pub enum Socket {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
    /// The bodies of a request and its response (see [`super::body`]).
    Mounted(Box<Mounted>),
    /// The session has ended. The descriptor is closed, even if the outbox still exists.
    Closed,
}

impl From<TcpStream> for Socket {
    fn from(tcp: TcpStream) -> Socket {
        Socket::Tcp(tcp)
    }
}

impl From<TlsStream<TcpStream>> for Socket {
    fn from(tls: TlsStream<TcpStream>) -> Socket {
        Socket::Tls(Box::new(tls))
    }
}

impl Socket {
    /// Reads the available bytes; 0 bytes means the end.
    ///
    /// # Errors
    /// An error of the connection, which is unusable afterwards.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let polled = match self {
            Socket::Tcp(tcp) => Pin::new(tcp).poll_read(cx, &mut buffer),
            Socket::Tls(tls) => Pin::new(&mut **tls).poll_read(cx, &mut buffer),
            Socket::Mounted(mounted) => return mounted.poll_read(cx, buffer.initialize_unfilled()),
            Socket::Closed => return Poll::Ready(Ok(0)),
        };
        polled.map_ok(|()| buffer.filled().len())
    }

    /// Writes as many bytes as the socket accepts now. `waker` is registered only when the socket accepts none; after a
    /// partial write, write again.
    ///
    /// # Errors
    /// `WouldBlock` if the socket accepts nothing now. After any other error the connection is unusable.
    pub fn write(&mut self, waker: &Waker, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(tcp) => write_tcp(tcp, waker, bytes),
            Socket::Tls(tls) => {
                let mut cx = Context::from_waker(waker);
                let written = or_would_block(Pin::new(&mut **tls).poll_write(&mut cx, bytes))?;
                // Bytes that the kernel does not accept stay in the TLS record layer until `flush`.
                match Pin::new(&mut **tls).poll_flush(&mut cx) {
                    Poll::Ready(Err(error)) => Err(error),
                    Poll::Ready(Ok(())) | Poll::Pending => Ok(written),
                }
            }
            Socket::Mounted(mounted) => mounted.write(waker, bytes),
            Socket::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Flushes ciphertext that the kernel did not accept when it was written. Costs nothing for the other kinds, which
    /// buffer nothing.
    ///
    /// # Errors
    /// `WouldBlock` with `waker` registered while bytes are buffered; otherwise as for [`Socket::write`].
    pub fn flush(&mut self, waker: &Waker) -> io::Result<()> {
        match self {
            Socket::Tls(tls) if tls.get_ref().1.wants_write() => {
                or_would_block(Pin::new(&mut **tls).poll_flush(&mut Context::from_waker(waker)))
            }
            Socket::Tls(_) | Socket::Tcp(_) | Socket::Mounted(_) | Socket::Closed => Ok(()),
        }
    }

    /// Closes the connection at once, without waiting for a reader that has stopped: unsent bytes are dropped, the peer
    /// gets a reset, and the descriptor is closed. It wakes no task: the caller ends the session.
    pub fn abort(&mut self) {
        match std::mem::replace(self, Socket::Closed) {
            // The kernel sends the reset when the descriptor is closed, so nothing may keep the stream.
            Socket::Tcp(tcp) => reset_on_close(&tcp),
            Socket::Tls(tls) => reset_on_close(tls.get_ref().0),
            Socket::Mounted(mounted) => mounted.abort(),
            Socket::Closed => {}
        }
    }

    /// Closes the sending side after the written bytes. With TLS, call this only when [`Socket::flush`] has nothing
    /// left to send.
    pub fn finish(&mut self) {
        match self {
            // An error means that the peer has already disconnected.
            Socket::Tcp(tcp) => drop(SockRef::from(&*tcp).shutdown(Shutdown::Write)),
            Socket::Tls(tls) => drop(Pin::new(&mut **tls).poll_shutdown(&mut Context::from_waker(Waker::noop()))),
            Socket::Mounted(mounted) => mounted.finish(),
            Socket::Closed => {}
        }
    }
}

/// Tries the system call first and asks tokio for readiness only if the kernel refuses.
fn write_tcp(tcp: &TcpStream, waker: &Waker, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match tcp.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                or_would_block(tcp.poll_write_ready(&mut Context::from_waker(waker)))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            written => return written,
        }
    }
}

fn or_would_block<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

fn reset_on_close(tcp: &TcpStream) {
    // An error means that the connection is already closed.
    let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO));
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
