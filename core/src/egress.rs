//! Where a container may connect to (C15): the public internet, and no network behind it. What is not public is a list of
//! networks that the runtime is told to turn away, so the list is all there is to this policy.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::{Hosts, Vars, malformed};
use crate::error::Failure;

/// Networks that are not the public internet (IANA's special-purpose registries). Of IPv6 that is all but 2000::/3, of which
/// some again stand for something else: tunnels to IPv4 addresses above all, which would lead to each of the others.
const NOT_PUBLIC: [&str; 23] = [
    "0.0.0.0/8",       // this network
    "10.0.0.0/8",      // private
    "100.64.0.0/10",   // carriers' NAT
    "127.0.0.0/8",     // loopback
    "169.254.0.0/16",  // link-local, and clouds' metadata
    "172.16.0.0/12",   // private
    "192.0.0.0/24",    // protocols
    "192.0.2.0/24",    // documentation
    "192.88.99.0/24",  // 6to4 relays
    "192.168.0.0/16",  // private
    "198.18.0.0/15",   // benchmarks
    "198.51.100.0/24", // documentation
    "203.0.113.0/24",  // documentation
    "224.0.0.0/4",     // multicast
    "240.0.0.0/4",     // reserved, broadcast
    "::/3",            // loopback, IPv4-mapped, NAT64
    "2001::/23",       // protocols, Teredo
    "2001:db8::/32",   // documentation
    "2002::/16",       // 6to4
    "3ffe::/16",       // once 6bone
    "3fff::/20",       // documentation
    "4000::/2",        // unassigned
    "8000::/1",        // unassigned, unique local, link-local, multicast
];

/// Property of a call to the Worker that was diverted from a container, and is to be turned away.
pub const WALL_PROP: &str = "wall";

/// Wider ones are taken for a slip: they would open what nobody meant.
const WIDEST_ALLOWED: u8 = 8;
/// Each is taken out of the list above, which grows by as many as a prefix has bits.
const MAX_ALLOWED: usize = 16;

/// A block of addresses, IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// `address/prefix`, or an address alone. What another reader could take for another network is none: an address
    /// that is not written as addresses are, or one with bits behind the prefix.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let prefix = match prefix {
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|it: &u8| it.to_string() == digits)?,
            None => width(address),
        };
        let network = Self { address, prefix };
        (prefix <= width(address) && network.first(address) == network.address).then_some(network)
    }

    /// As the runtime takes it for connections to any port: port 0 stands for all.
    #[must_use]
    pub fn on_all_ports(&self) -> String {
        match self.address {
            IpAddr::V4(_) => format!("{self}:0"),
            IpAddr::V6(_) => format!("[{self}]:0"),
        }
    }

    const fn host(address: IpAddr) -> Self {
        Self {
            address,
            prefix: width(address),
        }
    }

    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        width(address) == width(self.address) && self.first(address) == self.address
    }

    /// The first address of the block of this size that holds `address`.
    fn first(&self, address: IpAddr) -> IpAddr {
        let behind = u32::from(width(address).saturating_sub(self.prefix));
        let mask = u128::MAX.checked_shl(behind).unwrap_or(0);
        from_bits(address, bits(address) & mask)
    }

    /// The two halves; none of a single address.
    fn halves(self) -> Option<[Self; 2]> {
        let prefix = self.prefix.checked_add(1)?;
        let behind = width(self.address).checked_sub(prefix)?;
        let middle = bits(self.address) | 1_u128.checked_shl(behind.into())?;
        let upper = from_bits(self.address, middle);
        Some([self.address, upper].map(|address| Self { address, prefix }))
    }

    /// What is left of it without `hole`.
    fn without(self, hole: Self) -> Vec<Self> {
        let mut left = Vec::new();
        let mut around = self;
        while !hole.covers(around) {
            let halves = around.halves().filter(|_| around.covers(hole));
            let Some([lower, upper]) = halves else {
                left.push(around);
                return left;
            };
            let (with_hole, whole) = match lower.covers(hole) {
                true => (lower, upper),
                false => (upper, lower),
            };
            left.push(whole);
            around = with_hole;
        }
        left
    }

    fn covers(&self, other: Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Of the same kind as `like`.
fn from_bits(like: IpAddr, bits: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or_default()).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
    }
}

/// What containers are kept from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressPolicy {
    denied: Vec<Network>,
}

impl EgressPolicy {
    /// `EGRESS_ALLOW`, and the addresses of `MODELS_ORIGIN` and `TELEGRAM_API_URL` where they are some.
    ///
    /// # Errors
    /// When `EGRESS_ALLOW` is malformed.
    pub fn from_vars(vars: Vars<'_>, hosts: &Hosts) -> Result<Self, Failure> {
        const EXPECTED: &str = "at most 16 networks like 10.1.0.0/16 or addresses, none wider than /8, separated by commas";
        let text = vars("EGRESS_ALLOW").unwrap_or_default();
        let listed = text.split(',').map(str::trim);
        let allowed: Option<Vec<Network>> = match text.trim() {
            "" => Some(Vec::new()),
            _ => listed.map(Network::parse).collect(),
        };
        let mut allowed = allowed
            .filter(|networks| {
                networks.len() <= MAX_ALLOWED
                    && networks
                        .iter()
                        .all(|network| network.prefix >= WIDEST_ALLOWED)
            })
            .ok_or_else(|| malformed("EGRESS_ALLOW", EXPECTED))?;
        // Agents call models and their bots there. A host's name is public, or its operator's to allow.
        for origin in [hosts.models(), hosts.telegram()].into_iter().flatten() {
            let host = origin.host().split(':').next();
            let address: Option<IpAddr> = host.and_then(|host| host.parse().ok());
            allowed.extend(address.map(Network::host));
        }
        Ok(Self::except(&allowed))
    }

    fn except(allowed: &[Network]) -> Self {
        let mut denied: Vec<Network> = NOT_PUBLIC
            .iter()
            .filter_map(|text| Network::parse(text))
            .collect();
        for &hole in allowed {
            denied = denied
                .into_iter()
                .flat_map(|network| network.without(hole))
                .collect();
        }
        Self { denied }
    }

    /// Networks that no container may connect to.
    #[must_use]
    pub fn denied(&self) -> &[Network] {
        &self.denied
    }

    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        !self.denied.iter().any(|network| network.contains(address))
    }
}

#[cfg(test)]
mod tests;
