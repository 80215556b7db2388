//! The socket under a session, whatever it is: plain TCP, TLS, or the two bodies of an ordinary actix-web exchange. It is
//! read by the session's pump and written by its outbox, on one thread, without a task or a buffer of its own. It must
//! never block, and never know what the bytes mean.

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
    /// The session has ended; the descriptor is free, whoever still holds the outbox.
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
    /// Reads what is there; 0 bytes is the end.
    ///
    /// # Errors
    /// Those of the connection; it is of no use afterwards.
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

    /// Writes as much as the socket takes now. Only a refusal arms `waker`: after a partial write, write on.
    ///
    /// # Errors
    /// `WouldBlock` when it takes nothing now; any other means that the connection is of no use any more.
    pub fn write(&mut self, waker: &Waker, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(tcp) => write_tcp(tcp, waker, bytes),
            Socket::Tls(tls) => {
                let mut cx = Context::from_waker(waker);
                let written = or_would_block(Pin::new(&mut **tls).poll_write(&mut cx, bytes))?;
                // What the kernel refuses stays in the record layer, and `flush` pushes it on.
                match Pin::new(&mut **tls).poll_flush(&mut cx) {
                    Poll::Ready(Err(error)) => Err(error),
                    Poll::Ready(Ok(())) | Poll::Pending => Ok(written),
                }
            }
            Socket::Mounted(mounted) => mounted.write(waker, bytes),
            Socket::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Pushes on what a TLS record layer still holds: ciphertext that the kernel refused when it was written. Free for
    /// the other kinds, which hold nothing.
    ///
    /// # Errors
    /// `WouldBlock` while something is held, with `waker` armed; otherwise as for [`Socket::write`].
    pub fn flush(&mut self, waker: &Waker) -> io::Result<()> {
        match self {
            Socket::Tls(tls) if tls.get_ref().1.wants_write() => {
                or_would_block(Pin::new(&mut **tls).poll_flush(&mut Context::from_waker(waker)))
            }
            Socket::Tls(_) | Socket::Tcp(_) | Socket::Mounted(_) | Socket::Closed => Ok(()),
        }
    }

    /// Ends the connection now, without waiting for a reader that has stopped: what is unsent is dropped, the peer gets a
    /// reset, and the descriptor is free. Wakes nobody: the caller ends the session.
    pub fn abort(&mut self) {
        match std::mem::replace(self, Socket::Closed) {
            // The reset is sent when the descriptor closes, which is why nothing may keep the stream.
            Socket::Tcp(tcp) => reset_on_close(&tcp),
            Socket::Tls(tls) => reset_on_close(tls.get_ref().0),
            Socket::Mounted(mounted) => mounted.abort(),
            Socket::Closed => {}
        }
    }

    /// Ends the sending side after what was written. In TLS that includes what [`Socket::flush`] has pushed on; call this
    /// when it holds nothing.
    pub fn finish(&mut self) {
        match self {
            // An error here means that the peer has gone already.
            Socket::Tcp(tcp) => drop(SockRef::from(&*tcp).shutdown(Shutdown::Write)),
            Socket::Tls(tls) => drop(Pin::new(&mut **tls).poll_shutdown(&mut Context::from_waker(Waker::noop()))),
            Socket::Mounted(mounted) => mounted.finish(),
            Socket::Closed => {}
        }
    }
}

/// Tries the system call first: the readiness that tokio keeps is asked only when the kernel refuses.
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
    // An error here means that the connection is gone already.
    let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO));
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
