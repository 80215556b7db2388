//! Counts the HTTP connections of each client address on this node, so that one address can't take all descriptors. It must
//! never count a connection twice or keep an address without connections.

use std::{
    collections::hash_map::Entry,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use rustc_hash::FxHashMap;

use super::limiter::one_client;

/// The open connections of all addresses.
#[derive(Default)]
pub struct ConnectionCounts {
    open: Mutex<FxHashMap<IpAddr, usize>>,
}

impl ConnectionCounts {
    /// Counts a connection until the returned guard is dropped. None if the address has `max` connections already; 0: no
    /// limit. Networks that belong to one client count as one address.
    pub fn count(self: &Arc<Self>, address: IpAddr, max: usize) -> Option<Counted> {
        let client = one_client(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(client).or_default();
        if max > 0 && *count >= max {
            return None;
        }
        *count += 1;
        Some(Counted { client, counts: Arc::clone(self) })
    }
}

/// A counted connection.
pub struct Counted {
    client: IpAddr,
    counts: Arc<ConnectionCounts>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.counts.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = open.entry(self.client) {
            *entry.get_mut() = entry.get().saturating_sub(1);
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_connections_at_a_time() {
        let counts = Arc::new(ConnectionCounts::default());
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = counts.count(address("10.0.0.1"), 2);
        let _second = counts.count(address("10.0.0.1"), 2).unwrap();
        assert!(counts.count(address("10.0.0.1"), 2).is_none());
        let _other = counts.count(address("10.0.0.2"), 2).unwrap();
        assert!(counts.count(address("10.0.0.1"), 0).is_some(), "0 is no limit");
        drop(first);
        drop(counts.count(address("10.0.0.1"), 2).unwrap());
        drop(_second);
        assert_eq!(counts.open.lock().unwrap().len(), 1, "addresses without connections are forgotten");
    }

    #[test]
    fn one_network_is_one_client() {
        let counts = Arc::new(ConnectionCounts::default());
        let _one = counts.count("2001:db8::1".parse().unwrap(), 1).unwrap();
        assert!(counts.count("2001:db8::2".parse().unwrap(), 1).is_none());
        assert!(counts.count("2001:db8:0:1::1".parse().unwrap(), 1).is_some());
    }
}
