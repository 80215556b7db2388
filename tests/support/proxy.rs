//! A TCP proxy between a server and a service that it needs. Tests can cut it, with or without the two sides noticing.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

const CHUNK_BYTES: usize = 64 * 1024;
/// PostgreSQL's CommandComplete of a commit.
const COMMITTED: &[u8] = b"C\0\0\0\x0bCOMMIT\0";
/// The same for an insertion that committed by itself, followed by "no transaction is open".
const INSERTED: &[u8] = b"INSERT 0 ";
const READY_IDLE: &[u8] = b"Z\0\0\0\x05I";

/// The state of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Bytes pass.
    Open,
    /// Connections are reset, including new ones.
    Severed,
    /// Connections stay open and new ones are accepted, but no bytes pass. Bytes written in the meantime arrive when
    /// the proxy is open again, as after a network failure.
    Stalled,
    /// Everything from Redis passes except published messages, which are lost, like a subscription that has silently
    /// died.
    Deaf,
    /// Everything from PostgreSQL passes except the confirmation of a commit; the connection breaks instead.
    Uncommitted,
    /// All bytes pass, [`SLOW`] later.
    Slow,
}

/// The delay on a slow connection.
const SLOW: Duration = Duration::from_millis(100);

/// A proxy from its own port to a port on loopback.
pub struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
}

impl Proxy {
    /// Listens on a free port and forwards every connection to 127.0.0.1:`target_port`.
    pub fn to(target_port: u16) -> Proxy {
        let (line, watched) = watch::channel(Line::Open);
        let runtime = runtime();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port on the loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        listener.set_nonblocking(true).expect("a socket option");
        let _context = runtime.enter();
        let listener = TcpListener::from_std(listener).expect("a runtime takes the listener");
        runtime.spawn(listen(listener, target_port, watched));
        Proxy { address, line }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes the state for existing and new connections.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

/// Proxies run on their own thread, so that a test that blocks (for example to start a process) interrupts no
/// connection.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("proxies").enable_all().build().expect("a runtime")
    })
}

/// Ends when the [`Proxy`] is dropped; so do the connections.
async fn listen(listener: TcpListener, target_port: u16, mut line: watch::Receiver<Line>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(connection(client, target_port, line.clone()));
                }
            }
            () = dropped(&mut line) => return,
        }
    }
}

async fn dropped(line: &mut watch::Receiver<Line>) {
    while line.changed().await.is_ok() {}
}

async fn connection(mut client: TcpStream, target_port: u16, mut line: watch::Receiver<Line>) {
    let mut cut = line.clone();
    let mut server = tokio::select! {
        biased;
        () = severed(&mut cut) => return reset(&client),
        is_open = opened(&mut line) => match TcpStream::connect(("127.0.0.1", target_port)).await {
            Ok(server) if is_open => server,
            // A refused connection is refused for the client as well.
            _ => return reset(&client),
        },
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let was_severed = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let both = async {
            let (there, back) = (pump(from_client, to_server, line.clone()), pump(from_server, to_client, line));
            tokio::try_join!(there, back)
        };
        tokio::select! {
            biased;
            () = severed(&mut cut) => true,
            ended = both => ended.is_err(),
        }
    };
    if was_severed {
        reset(&client);
        reset(&server);
    }
}

/// Makes the connection end with RST when it is dropped.
fn reset(connection: &TcpStream) {
    // It may already be closed.
    let _ = SockRef::from(connection).set_linger(Some(Duration::ZERO));
}

struct Reset;

/// Ends with an error if the connection must be reset.
async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut line: watch::Receiver<Line>) -> Result<(), Reset> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = from.read(&mut chunk).await.unwrap_or(0);
        if !opened(&mut line).await {
            return Ok(());
        }
        let published = || chunk[..count].windows(9).any(|window| window == b"message\r\n");
        if *line.borrow() == Line::Deaf && published() {
            continue;
        }
        if *line.borrow() == Line::Uncommitted && tells_of_commit(&chunk[..count]) {
            return Err(Reset);
        }
        if *line.borrow() == Line::Slow {
            tokio::time::sleep(SLOW).await;
        }
        if count == 0 {
            // The receiver reads the remaining bytes and then the end, as without a proxy.
            let _ = to.shutdown().await;
            return Ok(());
        }
        if to.write_all(&chunk[..count]).await.is_err() {
            return Ok(());
        }
    }
}

/// Whether these bytes of PostgreSQL confirm a commit.
fn tells_of_commit(bytes: &[u8]) -> bool {
    let holds = |wanted: &[u8]| bytes.windows(wanted.len()).any(|part| part == wanted);
    holds(COMMITTED) || (holds(INSERTED) && holds(READY_IDLE))
}

/// Waits until bytes may pass. Returns false if the proxy was dropped.
async fn opened(line: &mut watch::Receiver<Line>) -> bool {
    line.wait_for(|line| matches!(line, Line::Open | Line::Deaf | Line::Uncommitted | Line::Slow)).await.is_ok()
}

/// Waits until the connection is severed or the proxy was dropped.
async fn severed(line: &mut watch::Receiver<Line>) {
    let _ = line.wait_for(|line| *line == Line::Severed).await;
}
