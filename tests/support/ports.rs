//! Ports for servers that are stopped and started again on the same one.
//!
//! They lie below the range from which the kernel takes the ports of outgoing connections. Otherwise, while a server
//! is away, somebody's connection may be given its port, and on the loopback a client that knocks again and again
//! ends up connected to itself.

use std::net::TcpListener;

/// Below it are the ports of well-known services.
const LOWEST: u16 = 10_240;
/// Where outgoing ports begin if the kernel does not say.
const OUTGOING_FROM: u16 = 32_768;
const ATTEMPTS: u32 = 1_000;

/// A port that nobody listened on a moment ago and that no outgoing connection is given.
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
