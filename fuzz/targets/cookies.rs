//! A `Cookie` header: a token is taken only from a cookie of ours, and none of ours is passed on to an agent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use multiclaw_core::session::{Audience, token_from_cookies, without_our_cookies};

fn names(header: &str) -> impl Iterator<Item = &str> {
    header
        .split(';')
        .map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name).trim())
}

fuzz_target!(|header: &str| {
    let rest = without_our_cookies(header);
    for audience in [Audience::App, Audience::Agent] {
        let ours = audience.cookie_name();
        if let Some(token) = token_from_cookies(audience, header) {
            assert!(header.contains(&format!("{ours}={token}")));
            assert!(!token.contains(';'));
        }
        if let Some(rest) = &rest {
            assert!(!names(rest).any(|name| name == ours));
            assert_eq!(token_from_cookies(audience, rest), None);
        }
    }
    // Done once, there is nothing left to do.
    let again = rest.as_deref().and_then(without_our_cookies);
    assert_eq!(again, rest);
});
