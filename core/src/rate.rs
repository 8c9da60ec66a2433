//! Whom a rate limit counts: what one subscriber can't cheaply have more of.

use core::net::IpAddr;

use crate::ids::Asset;

/// The key of an asset: whoever asks, and from wherever.
#[must_use]
pub fn asset_key(asset: Asset) -> String {
    format!("asset:{asset}")
}

/// The key of a client's address: an IPv4 address, or the /56 network that an IPv6 subscriber may have whole (RFC 6177).
///
/// Text that is no address is a key of its own kind, shared by all such clients.
#[must_use]
pub fn key(address: &str) -> String {
    match address
        .parse::<IpAddr>()
        .map(|address| address.to_canonical())
    {
        Ok(IpAddr::V4(address)) => address.to_string(),
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{:x}::/56", d & 0xff00)
        }
        Err(_) => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subscriber_is_one_key() {
        assert_eq!(key("203.0.113.7"), "203.0.113.7");
        assert_eq!(key("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(key("2001:db8:1:102::1"), "2001:db8:1:100::/56");
        assert_eq!(key("2001:db8:1:2:ffff::9"), key("2001:db8:1:2::1"));
        assert_eq!(key("2001:db8:1:3::1"), key("2001:db8:1:2::1"));
        assert_ne!(key("2001:db8:1:102::1"), key("2001:db8:1:2::1"));
        assert_eq!(key(""), key("what"));
    }

    #[test]
    fn one_domain_is_one_key_and_no_client_has_it() {
        let [one, other] = [1, 2].map(|byte| asset_key(Asset::from_bytes([byte; 32])));
        assert_ne!(one, other);
        assert!(one.starts_with("asset:") && key(&one) == "unknown");
    }
}
