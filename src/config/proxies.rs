//! Trusted proxies, and the client address that follows from `X-Forwarded-For`. Limits per address depend on it, so a
//! client must not be able to choose its own address.

use std::{fmt, net::IpAddr};

use super::{ConfigError, variables::Variables};

/// Addresses and networks of trusted proxies.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrustedProxies(Vec<Network>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

impl TrustedProxies {
    pub(super) fn read(variables: &Variables<'_>) -> Result<TrustedProxies, ConfigError> {
        let networks = variables.list("TRUSTED_PROXIES").into_iter().map(|text| {
            Network::parse(&text).ok_or_else(|| {
                let problem =
                    "is not an address; set it to addresses or networks separated by commas, such as 10.0.0.7 or 10.0.0.0/8";
                ConfigError::value("TRUSTED_PROXIES", &text, problem)
            })
        });
        networks.collect::<Result<_, _>>().map(TrustedProxies)
    }

    /// The client's address: the peer's own, or, if the peer is a trusted proxy, the rightmost hop of `X-Forwarded-For`
    /// that is not a trusted proxy. `forwarded` holds the header's values in order.
    pub fn client_address<'a>(&self, peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        let mut client = peer.to_canonical();
        for hop in forwarded.rev().flat_map(|value| value.rsplit(',')) {
            if !self.contain(client) {
                break;
            }
            // The hops before an invalid one can't be trusted either.
            let Some(address) = hop_address(hop.trim()) else { break };
            client = address;
        }
        client
    }

    /// Whether the address is that of a trusted proxy.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

fn hop_address(text: &str) -> Option<IpAddr> {
    let address = text.parse().or_else(|_| text.parse::<std::net::SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().ok()?.to_canonical();
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|bits| *bits <= bits_max)?,
            None => bits_max,
        };
        Some(Network { address, prefix_bits })
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - self.prefix_bits;
                u32::from(network).checked_shr(shift) == u32::from(address).checked_shr(shift)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - self.prefix_bits;
                u128::from(network).checked_shr(shift) == u128::from(address).checked_shr(shift)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, network) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{}/{}", network.address, network.prefix_bits)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, refusal};

    fn client(proxies: &str, peer: &str, forwarded: &[&str]) -> String {
        let proxies = config(&[("TRUSTED_PROXIES", proxies)]).unwrap().listen.proxies;
        proxies.client_address(peer.parse().unwrap(), forwarded.iter().copied()).to_string()
    }

    #[test]
    fn strangers_do_not_choose_their_address() {
        assert_eq!(client("", "9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
        assert_eq!(client("10.0.0.7", "9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
    }

    #[test]
    fn the_rightmost_hop_that_is_no_proxy_counts() {
        assert_eq!(client("10.0.0.7", "10.0.0.7", &["6.6.6.6, 1.1.1.1"]), "1.1.1.1");
        assert_eq!(client("10.0.0.0/8", "10.0.0.7", &["6.6.6.6, 1.1.1.1", "10.3.2.1"]), "1.1.1.1");
        assert_eq!(client("10.0.0.0/8", "10.0.0.7", &["10.1.1.1"]), "10.1.1.1");
        assert_eq!(client("10.0.0.7", "10.0.0.7", &["1.1.1.1, nonsense"]), "10.0.0.7");
        assert_eq!(client("10.0.0.7", "10.0.0.7", &[]), "10.0.0.7");
        assert_eq!(client("::1,0.0.0.0/0", "::ffff:10.0.0.7", &["[2001:db8::1]:443"]), "2001:db8::1");
    }

    #[test]
    fn names_and_impossible_networks_are_refused() {
        assert!(refusal(&[("TRUSTED_PROXIES", "proxy.example")]).starts_with("TRUSTED_PROXIES: \"proxy.example\""));
        assert!(refusal(&[("TRUSTED_PROXIES", "10.0.0.0/33")]).starts_with("TRUSTED_PROXIES: \"10.0.0.0/33\""));
    }
}
