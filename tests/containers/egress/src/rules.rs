//! The packet rules of the shared network namespace. TCP and DNS that would leave it are turned to this program; of all
//! else a policy decides, which is "drop" while the container has no internet. What stays on the host's bridge is free,
//! so are answers to workerd, and so is what this program sends itself.

use std::net::{Ipv4Addr, Ipv6Addr};

use nlink::netlink::nftables::{
    BaseChain, Chain, CtState, Family, FilterHook, NatHook, Policy, Priority, Rule, Transaction,
};
use nlink::netlink::{Connection, Nftables};

use crate::options::Network;

/// The addresses of the original: a container may have taken these ports on its own loopback address.
pub const TCP_TO: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 0, 0, 3), 41209);
pub const DNS_TO: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 0, 0, 9), 5000);

/// On packets of this program that must not come back to it.
pub const OWN_MARK: u32 = 100;

const LOOPBACK: Network = Network {
    address: Ipv4Addr::new(127, 0, 0, 0),
    prefix: 8,
};
const MULTICAST: Network = Network {
    address: Ipv4Addr::new(224, 0, 0, 0),
    prefix: 4,
};
/// Loopback, the link, multicast.
const LOCAL_IPV6: [(Ipv6Addr, u8); 3] = [
    (Ipv6Addr::LOCALHOST, 128),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];
const TABLE: &str = "sidecar";
const REDIRECT: &str = "redirect";
const GATE: &str = "gate";
const TCP: u8 = 6;
const DNS_PORT: u16 = 53;

pub struct Rules {
    kernel: Connection<Nftables>,
}

impl Rules {
    pub async fn install(
        bridge: Network,
        gateway: Ipv4Addr,
        ipv6: bool,
    ) -> Result<Self, nlink::Error> {
        let kernel = Connection::<Nftables>::new()?;
        // The host may be outside of the bridge's network: in Docker Desktop it is.
        let beside_gateway = Network {
            address: gateway,
            prefix: 24,
        };
        let free = [LOOPBACK, MULTICAST, bridge, beside_gateway];

        let redirect = Chain::new(TABLE, REDIRECT)?.family(Family::Ip);
        let mut batch = kernel
            .transaction()
            .add_table(TABLE, Family::Ip)
            .add_chain(redirect.base(BaseChain::nat(NatHook::Output, Priority::DstNat)))
            .add_chain(gate(Family::Ip, Policy::Accept)?);
        for chain in [REDIRECT, GATE] {
            for network in free {
                batch = batch.add_rule(
                    rule(chain)
                        .match_daddr_v4(network.address, network.prefix)
                        .accept(),
                );
            }
            batch = batch.add_rule(rule(chain).match_mark(OWN_MARK).accept());
        }
        batch = batch
            .add_rule(
                rule(REDIRECT)
                    .match_l4proto(TCP)
                    .dnat(TCP_TO.0, Some(TCP_TO.1)),
            )
            .add_rule(
                rule(REDIRECT)
                    .match_udp_dport(DNS_PORT)
                    .dnat(DNS_TO.0, Some(DNS_TO.1)),
            )
            .add_rule(
                rule(GATE)
                    .match_ct_state(CtState::ESTABLISHED | CtState::RELATED)
                    .accept(),
            );
        if ipv6 {
            batch = without_ipv6(batch)?;
        }
        batch.commit(&kernel).await?;
        Ok(Self { kernel })
    }

    pub async fn set_internet(&self, enabled: bool) -> Result<(), nlink::Error> {
        let policy = if enabled {
            Policy::Accept
        } else {
            Policy::Drop
        };
        self.kernel
            .transaction()
            .update_chain(gate(Family::Ip, policy)?)
            .commit(&self.kernel)
            .await
    }
}

fn rule(chain: &str) -> Rule {
    Rule::new(TABLE, chain).family(Family::Ip)
}

fn gate(family: Family, otherwise: Policy) -> Result<Chain, nlink::Error> {
    let base = BaseChain::filter(FilterHook::Output, Priority::Filter).policy(otherwise);
    Ok(Chain::new(TABLE, GATE)?.family(family).base(base))
}

/// Nothing here could ask workerd about it, so it must not pass unasked: programs fall back to IPv4.
fn without_ipv6(mut batch: Transaction) -> Result<Transaction, nlink::Error> {
    batch = batch
        .add_table(TABLE, Family::Ip6)
        .add_chain(gate(Family::Ip6, Policy::Drop)?);
    for (address, prefix) in LOCAL_IPV6 {
        batch = batch.add_rule(
            Rule::new(TABLE, GATE)
                .family(Family::Ip6)
                .match_daddr_v6(address, prefix)
                .accept(),
        );
    }
    Ok(batch)
}
