//! Addresses in settings: where the daemon listens, and which peers are proxies.

use std::fmt;
use std::net::{AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Where the HTTP daemon listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// 127.0.0.1 and `[::1]`: a client that is told `localhost` may try either first.
    Localhost,
    Address(IpAddr),
}

impl Host {
    pub const LOOPBACK: Host = Host::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));

    /// The addresses to listen on; the first one must be had.
    pub fn addresses(self) -> Vec<IpAddr> {
        match self {
            Host::Localhost => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            Host::Address(address) => vec![address],
        }
    }

    /// Whether only this machine reaches it.
    pub fn is_loopback(self) -> bool {
        self.addresses().iter().all(|address| address.to_canonical().is_loopback())
    }
}

impl FromStr for Host {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Host, AddrParseError> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("localhost") {
            return Ok(Host::Localhost);
        }
        // As it stands in a URL.
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        bare.parse().map(Host::Address)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Localhost => f.write_str("localhost"),
            Host::Address(address) => address.fmt(f),
        }
    }
}

/// An address, or a network in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(ipnet::IpNet);

impl Network {
    /// An IPv4 address that came over an IPv6 socket counts as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = ipnet::AddrParseError;

    fn from_str(text: &str) -> Result<Network, ipnet::AddrParseError> {
        let text = text.trim();
        match text.parse::<IpAddr>() {
            Ok(address) => Ok(Network(address.to_canonical().into())),
            Err(_) => text.parse().map(Network),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses_and_no_others() {
        let inside = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse::<IpAddr>().unwrap())
        };
        for (network, address, held) in [
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("172.16.5.9/12", "172.31.0.1", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::1", "::1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "10.0.0.1", false),
            ("0.0.0.0/0", "198.51.100.4", true),
            ("0.0.0.0/0", "2001:db8::1", false),
        ] {
            assert_eq!(inside(network, address), held, "{address} in {network}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "localhost", "*", "10.0.0.0/-1"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        assert_eq!("10.1.0.0/16".parse::<Network>().unwrap().to_string(), "10.1.0.0/16");
        assert_eq!("::1".parse::<Network>().unwrap().to_string(), "::1");
    }

    #[test]
    fn localhost_is_both_loopback_addresses() {
        let host: Host = "LocalHost".parse().unwrap();
        assert_eq!(host.addresses().len(), 2);
        assert!(host.is_loopback() && !"0.0.0.0".parse::<Host>().unwrap().is_loopback());
        assert_eq!("[::1]".parse::<Host>().unwrap().to_string(), "::1");
        assert!("my-laptop".parse::<Host>().is_err());
    }
}
