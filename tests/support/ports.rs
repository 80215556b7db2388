//! Ports for servers that are stopped and restarted on the same port.
//!
//! They are below the range from which the kernel assigns the ports of outgoing connections. Otherwise, while a server
//! is down, an outgoing connection may get its port, and on loopback a client that retries continuously ends up
//! connected to itself.

use std::net::TcpListener;

/// Lower ports belong to well-known services.
const LOWEST: u16 = 10_240;
/// The start of the outgoing range if the kernel does not report it.
const OUTGOING_FROM: u16 = 32_768;
const ATTEMPTS: u32 = 1_000;

/// A port that nobody listens on at the moment and that no outgoing connection gets.
pub fn free_port() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let outgoing_from: u16 = range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(OUTGOING_FROM);
    if outgoing_from <= LOWEST {
        return any_port();
    }
    for _ in 0..ATTEMPTS {
        let port = fastrand::u16(LOWEST..outgoing_from);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    any_port()
}

fn any_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on the loopback");
    listener.local_addr().expect("a bound listener has an address").port()
}
