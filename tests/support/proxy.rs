//! A TCP proxy that can stop passing bytes without closing anything, as a broken network does.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// What a proxy lets through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passing {
    /// Everything.
    All,
    /// Nothing: bytes stay where they are.
    Nothing,
    /// From Redis everything but what is published, which is lost.
    NoMessages,
}

/// The proxy. Ends with the runtime of the test.
pub struct Proxy {
    port: u16,
    passing: watch::Sender<Passing>,
}

impl Proxy {
    /// A proxy to that port of this machine.
    pub async fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let own_port = listener.local_addr().expect("bound").port();
        let (passing, watched) = watch::channel(Passing::All);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // without a server the client finds its connection closed
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(pass(from_client, to_server, watched.clone()));
                tokio::spawn(pass(from_server, to_client, watched.clone()));
            }
        });
        Proxy { port: own_port, passing }
    }

    /// Where it listens on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on only that passes, on all connections.
    pub fn set(&self, passing: Passing) {
        self.passing.send_replace(passing);
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut passing: watch::Receiver<Passing>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
        let Ok(now) = passing.wait_for(|passing| *passing != Passing::Nothing).await.map(|now| *now) else { return };
        let chunk = &buffer[..bytes];
        let published = chunk.windows(9).any(|window| window == b"message\r\n");
        if !(now == Passing::NoMessages && published) && to.write_all(chunk).await.is_err() {
            return;
        }
    }
}
