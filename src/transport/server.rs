//! One port for both: an ordinary actix-web App answers requests, and the upgrade hook takes sockets away from it.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    sync::Arc,
};

use actix_http::{HttpService, Request, body::MessageBody};
use actix_server::Server;
use actix_service::{ServiceFactory, fn_service};
use actix_web::{Error, dev::ServiceResponse};
use socket2::{Domain, Protocol, Socket, Type};

use super::upgrade::upgrade;
use crate::{
    actors::{node::Node, worker::Worker},
    limits,
};

/// A listening socket whose connections have a small send buffer: the kernel's own would hide a stalled reader.
///
/// # Errors
/// Those of the system, when the address can't be used.
pub fn listener(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.set_send_buffer_size(limits::KERNEL_SEND_BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    socket.listen(limits::LISTEN_BACKLOG)?;
    Ok(socket.into())
}

/// Serves REST by `app`, made once per worker, and sockets by the hook, with TLS if a configuration is given. The
/// server handles no signal: whoever runs it stops it.
///
/// # Errors
/// Those of the system, when the listener can't be used.
pub fn serve<A, S, B>(
    node: &Arc<Node>,
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
    app: A,
) -> io::Result<Server>
where
    A: Fn() -> S + Clone + Send + 'static,
    S: ServiceFactory<Request, Config = (), Response = ServiceResponse<B>, Error = Error, InitError = ()> + 'static,
    B: MessageBody + 'static,
{
    let builder = Server::build()
        .disable_signals()
        .workers(node.config.listen.workers)
        .shutdown_timeout(limits::REST_SHUTDOWN_SECONDS);
    let node = node.clone();
    // the same shape twice, because the stream's type is part of the service's
    let builder = match tls {
        None => builder.listen("http", listener, move || {
            let worker = Worker::here(&node);
            HttpService::build()
                .tcp_nodelay(true)
                .client_disconnect_timeout(limits::UNREAD_BODY_LINGER)
                .upgrade(fn_service(move |(request, framed)| upgrade(request, framed, worker.clone())))
                .finish(app())
                .tcp()
        })?,
        Some(tls) => builder.listen("https", listener, move || {
            let worker = Worker::here(&node);
            HttpService::build()
                .tcp_nodelay(true)
                .client_disconnect_timeout(limits::UNREAD_BODY_LINGER)
                .upgrade(fn_service(move |(request, framed)| upgrade(request, framed, worker.clone())))
                .finish(app())
                .rustls_0_23(tls.clone())
        })?,
    };
    Ok(builder.run())
}
