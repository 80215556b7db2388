//! Serves REST and WebSocket on one port: an ordinary actix-web App answers requests, and the upgrade hook takes over
//! the sockets. Nothing here may depend on what requests or frames contain.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
};

use actix_http::{ConnectionType, Extensions, HttpService, Request, body::MessageBody};
use actix_server::Server;
use actix_service::{Service, ServiceFactory, apply_fn_factory, fn_service};
use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{Error, dev::ServiceResponse};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

use super::{
    keep_alive::{Answer, Busy, Connections},
    upgrade::upgrade,
};
use crate::{
    actors::{node::Node, worker::Worker},
    limits,
};

/// A listening socket: [`reserve`] and [`listen`] in one call.
///
/// # Errors
/// The operating system's error if the address can't be used.
pub fn listener(host: &str, port: u16) -> io::Result<TcpListener> {
    reserve(host, port).and_then(listen)
}

/// A bound address that refuses connections until [`listen`].
pub struct Reserved(Socket);

/// Binds an address. Its connections get a small send buffer, because the kernel's default would hide a stalled reader.
///
/// # Errors
/// The operating system's error if the address can't be used.
pub fn reserve(host: &str, port: u16) -> io::Result<Reserved> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the host name has no address");
    for address in (host, port).to_socket_addrs()? {
        match bind(address) {
            Ok(socket) => return Ok(Reserved(socket)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.set_send_buffer_size(limits::KERNEL_SEND_BUFFER_BYTES)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Starts to accept connections.
///
/// # Errors
/// The operating system's error if another process was faster.
pub fn listen(Reserved(socket): Reserved) -> io::Result<TcpListener> {
    socket.listen(limits::LISTEN_BACKLOG)?;
    Ok(socket.into())
}

/// Serves REST with `app`, created once per worker, and sockets with the upgrade hook; with TLS if a configuration is
/// given. The server handles no signals: the caller stops it.
///
/// # Errors
/// The operating system's error if the listener can't be used.
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
    // Written twice, because the type of the stream is part of the service's type. HTTP/1.1 only: one connection of HTTP/2 could
    // hold any number of unread answers, and WebSocket does not use it.
    let builder = match tls {
        None => builder.listen("http", listener, move || {
            let worker = Worker::here(&node);
            let connections = Connections::watch(&worker);
            HttpService::build()
                .keep_alive(worker.node.config.listen.keep_alive)
                .tcp_nodelay(true)
                .client_disconnect_timeout(limits::UNREAD_BODY_LINGER)
                .on_connect_ext({
                    let worker = worker.clone();
                    move |stream: &TcpStream, kept| remember(&connections, &worker, stream, kept)
                })
                .upgrade(fn_service({
                    let worker = worker.clone();
                    move |(request, framed)| upgrade(request, framed, worker.clone())
                }))
                .finish(answering(app(), worker))
                .tcp()
        })?,
        Some(tls) => builder.listen("https", listener, move || {
            let worker = Worker::here(&node);
            let connections = Connections::watch(&worker);
            HttpService::build()
                .keep_alive(worker.node.config.listen.keep_alive)
                .tcp_nodelay(true)
                .client_disconnect_timeout(limits::UNREAD_BODY_LINGER)
                .on_connect_ext({
                    let worker = worker.clone();
                    move |stream: &TlsStream<TcpStream>, kept| {
                        remember(&connections, &worker, stream.get_ref().0, kept);
                    }
                })
                .upgrade(fn_service({
                    let worker = worker.clone();
                    move |(request, framed)| upgrade(request, framed, worker.clone())
                }))
                .h1(answering(app(), worker))
                .rustls_0_23(tls.clone())
        })?,
    };
    Ok(builder.run())
}

/// Serves REST for operators with `app` at an internal listener, without sockets.
///
/// # Errors
/// The operating system's error if the listener can't be used.
pub fn serve_internal<A, S, B>(node: &Arc<Node>, listener: TcpListener, app: A) -> io::Result<Server>
where
    A: Fn() -> S + Clone + Send + 'static,
    S: ServiceFactory<Request, Config = (), Response = ServiceResponse<B>, Error = Error, InitError = ()> + 'static,
    B: MessageBody + 'static,
{
    let keep_alive = node.config.listen.keep_alive;
    let builder = Server::build().disable_signals().workers(1).shutdown_timeout(limits::REST_SHUTDOWN_SECONDS);
    let builder = builder.listen("internal", listener, move || {
        HttpService::build()
            .keep_alive(keep_alive)
            .client_disconnect_timeout(limits::UNREAD_BODY_LINGER)
            .finish(app())
            .tcp()
    })?;
    Ok(builder.run())
}

fn remember(connections: &Connections, worker: &Worker, stream: &TcpStream, kept: &mut Extensions) {
    if let Some(connection) = connections.add(stream, &worker.node) {
        kept.insert(connection);
    }
}

/// Wraps the app: marks the connection busy until the response is complete, and closes it afterwards once the node drains.
fn answering<S, B>(
    app: S,
    worker: Rc<Worker>,
) -> impl ServiceFactory<Request, Config = (), Response = ServiceResponse<Answer<B>>, Error = Error, InitError = ()>
where
    S: ServiceFactory<Request, Config = (), Response = ServiceResponse<B>, Error = Error, InitError = ()> + 'static,
    B: MessageBody + 'static,
{
    apply_fn_factory(app, move |request: Request, app: &S::Service| {
        let (busy, node) = (Busy::with(&request), worker.node.clone());
        let answered = app.call(request);
        async move {
            let mut response = answered.await?;
            if node.draining.load(Ordering::Relaxed) {
                response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
            }
            Ok(response.map_body(|_, body| Answer::new(body, busy)))
        }
    })
}
