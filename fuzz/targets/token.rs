//! JSON Web Tokens: any text, and any header and claims under a good signature. The two are the input's first line and the
//! rest.
#![no_main]

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use libfuzzer_sys::fuzz_target;
use multiclaw_core::secret::Secret;
use multiclaw_core::session::{Audience, LIFETIME, SessionKeys};
use multiclaw_core::time::Timestamp;
use sha2::Sha256;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const PREVIOUS: &str = "fedcba9876543210fedcba9876543210";
/// Of the seeds.
const NOW: Timestamp = Timestamp::from_millis(1_768_478_460_000);

fn signed(header: &str, claims: &str) -> String {
    let text = format!(
        "{}.{}",
        Base64UrlUnpadded::encode_string(header.as_bytes()),
        Base64UrlUnpadded::encode_string(claims.as_bytes())
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    format!(
        "{text}.{}",
        Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes())
    )
}

fuzz_target!(|input: &str| {
    let secret = |text: &str| Secret::new(text.to_owned());
    let keys = SessionKeys::new(&secret(KEY), Some(&secret(PREVIOUS))).unwrap();
    // Nobody who has not the key makes a token.
    assert!(keys.verify(Audience::App, input, NOW).is_err());

    let (header, claims) = input
        .split_once('\n')
        .unwrap_or(("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", input));
    let token = signed(header, claims);
    let opened = [Audience::App, Audience::Agent]
        .map(|audience| (audience, keys.verify(audience, &token, NOW)));
    assert!(opened.iter().filter(|(_, session)| session.is_ok()).count() <= 1);
    for (audience, session) in opened {
        let Ok((session, ends_at)) = session else {
            continue;
        };
        assert_eq!(session.audience, audience);
        let header: serde_json::Value = serde_json::from_str(header).unwrap();
        assert_eq!(header["alg"], "HS256");
        assert!(ends_at > NOW && ends_at <= NOW.saturating_add(LIFETIME));
    }
});
