//! What the standard library calls special is the other opinion here, and each promise is tried on addresses at random.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn policy(allow: Option<&str>, models: Option<&str>) -> Option<EgressPolicy> {
    let vars = |name: &str| match name {
        "APP_ORIGINS" => Some("http://localhost:8787".to_owned()),
        "AGENT_DOMAIN" => Some("localhost:8787".to_owned()),
        "MODELS_ORIGIN" => models.map(str::to_owned),
        "EGRESS_ALLOW" => allow.map(str::to_owned),
        _ => None,
    };
    EgressPolicy::from_vars(&vars, &Hosts::from_vars(&vars).unwrap()).ok()
}

fn closed() -> EgressPolicy {
    policy(None, None).unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || v4.is_unspecified()
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.to_ipv4().is_some()
        }
    }
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits))),
        // At random, hardly any IPv6 address would stand for an IPv4 one.
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).to_ipv6_mapped().into()),
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).to_ipv6_compatible().into()),
    ]
}

proptest! {
    #[test]
    fn c15_no_special_address_is_admitted(address in any_address()) {
        prop_assert!(!is_special(address) || !closed().admits(address), "{}", address);
    }

    #[test]
    fn c15_what_is_allowed_is_open_and_nothing_else(of in any_address(), prefix in 8_u8..=128, other in any_address()) {
        let prefix = prefix.min(width(of));
        let hole = Network { address: of, prefix };
        let hole = Network { address: hole.first(of), prefix };
        let open = EgressPolicy::except(&[hole]);
        for address in [of, other] {
            prop_assert_eq!(open.admits(address), closed().admits(address) || hole.contains(address), "{} of {}", address, hole);
        }
    }

    #[test]
    fn a_network_is_what_it_says(of in any_address(), prefix in 0_u8..=128) {
        let prefix = prefix.min(width(of));
        let network = Network { address: of, prefix };
        let network = Network { address: network.first(of), prefix };
        prop_assert!(network.contains(of));
        prop_assert_eq!(Network::parse(&network.to_string()), Some(network));
    }
}

#[test]
fn c15_every_listed_network_is_read_and_has_its_edges() {
    assert_eq!(closed().denied().len(), NOT_PUBLIC.len());
    for private in [
        "0.0.0.0",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.255.255",
        "198.19.255.255",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "2001::1",
        "fd00:ec2::254",
        "fe80::1",
        "ff02::1",
    ] {
        assert!(!closed().admits(address(private)), "{private}");
    }
    for public in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "128.0.0.0",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "223.255.255.255",
        "2001:4860:4860::8888",
        "2606:4700:4700::1111",
        "2a00::1",
    ] {
        assert!(closed().admits(address(public)), "{public}");
    }
}

#[test]
fn c15_only_plain_networks_are_taken_for_an_exception() {
    for good in [
        "",
        " ",
        "10.1.0.0/16",
        "10.1.2.3",
        "10.1.0.0/16, fd12::/16,192.168.0.1/32",
    ] {
        assert!(policy(Some(good), None).is_some(), "{good}");
    }
    let many = ["10.0.0.1"; 17].join(",");
    for hostile in [
        // Read as other addresses by other readers.
        "0x0a.0.0.1",
        "010.0.0.1",
        "10.1",
        "167772161",
        "10.0.0.1.",
        "[fd00::1]",
        "fe80::1%eth0",
        "::ffff:10.0.0.1/96",
        // Bits behind the prefix, prefixes that are none.
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/08",
        "10.0.0.0/+8",
        "10.0.0.0/",
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/8/8",
        "fd00::/129",
        // Everything, or half of it.
        "0.0.0.0/0",
        "::/0",
        "128.0.0.0/1",
        "example.com",
        "*",
        "10.0.0.1,",
        ",",
        "10.0.0.1;10.0.0.2",
        many.as_str(),
    ] {
        assert!(policy(Some(hostile), None).is_none(), "{hostile}");
    }
}

#[test]
fn an_exception_opens_itself_alone() {
    let open = policy(Some("10.1.0.0/16, 127.0.0.0/8"), None).unwrap();
    for (text, admitted) in [
        ("10.0.255.255", false),
        ("10.1.0.0", true),
        ("10.1.255.255", true),
        ("10.2.0.0", false),
        ("127.0.0.1", true),
        ("::ffff:127.0.0.1", false),
    ] {
        assert_eq!(open.admits(address(text)), admitted, "{text}");
    }
    assert!(
        !open
            .denied()
            .iter()
            .any(|network| network.to_string() == "127.0.0.0/8")
    );
}

#[test]
fn agents_reach_models_where_they_are_at_an_address() {
    let local = policy(None, Some("http://172.17.0.1:8788")).unwrap();
    assert!(local.admits(address("172.17.0.1")));
    assert!(!local.admits(address("172.17.0.2")));
    assert_eq!(policy(None, Some("https://app.example")), Some(closed()));
}
