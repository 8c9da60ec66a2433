//! A login challenge: what the service remembers between asking a wallet for a signature and getting one. The signed text
//! must equal the one remembered in every field, and arrive in time.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{Asset, Nonce, Wallet};
use crate::memo;
use crate::siws::{ChainId, SignInMessage, SiwsError, Version};
use crate::time::{CLOCK_SKEW, Seconds, Timestamp};

/// How long a wallet may take to sign. The store forgets a challenge after the same time, but it promises no moment.
pub const TTL: Seconds = Seconds::new(300);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// The domain, the URI or the time cannot be put in a sign-in text: a fault of the configuration or the clock.
    #[error("a challenge cannot be made of this domain, URI and time")]
    Unusable,
    #[error("the challenge is dated in the future")]
    Early,
    #[error("the challenge has expired")]
    Expired,
    #[error(transparent)]
    Text(#[from] SiwsError),
    /// The named field is not the one that was asked to be signed.
    #[error("the signed text has another {0}")]
    Mismatch(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    asset: Asset,
    wallet: Wallet,
    nonce: Nonce,
    domain: String,
    uri: String,
    chain_id: ChainId,
    statement: String,
    issued_at: Timestamp,
    expires_at: Timestamp,
    /// What the text calls its request: the asset, for programs to read. The version before wrote none.
    #[serde(default)]
    request_id: Option<Asset>,
}

impl Challenge {
    /// A challenge whose text does not read back as itself is never made, so no value can pose as another field.
    pub fn new(
        domain: &str,
        uri: &str,
        chain_id: ChainId,
        wallet: Wallet,
        asset: Asset,
        nonce: Nonce,
        now: Timestamp,
    ) -> Result<Self, ChallengeError> {
        let challenge = Self {
            asset,
            wallet,
            nonce,
            domain: domain.to_owned(),
            uri: uri.to_owned(),
            chain_id,
            statement: format!("Open the agent of {asset}. This moves no funds."),
            issued_at: now,
            expires_at: now.checked_add(TTL).ok_or(ChallengeError::Unusable)?,
            request_id: Some(asset),
        };
        if challenge.transaction().is_none() {
            return Err(ChallengeError::Unusable);
        }
        match SignInMessage::parse(&challenge.text()) {
            Ok(message) if message == challenge.message() => Ok(challenge),
            _ => Err(ChallengeError::Unusable),
        }
    }

    pub fn asset(&self) -> Asset {
        self.asset
    }

    pub fn wallet(&self) -> Wallet {
        self.wallet
    }

    pub fn nonce(&self) -> Nonce {
        self.nonce
    }

    pub fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The exact text that the wallet is asked to sign.
    pub fn text(&self) -> String {
        self.message().to_string()
    }

    /// The text as a memo transaction, for wallets that sign nothing else. No challenge is made with a text too long for one.
    pub fn transaction(&self) -> Option<Vec<u8>> {
        memo::unsigned(&self.wallet, &self.text())
    }

    /// The same as a `SolanaSignInInput`, for wallets that build the text themselves. It names every field that the text
    /// has: what is left out, a wallet would fill in or leave out as it likes.
    pub fn input(&self) -> Value {
        let fields = [
            ("domain", Some(self.domain.clone())),
            ("address", Some(self.wallet.to_string())),
            ("statement", Some(self.statement.clone())),
            ("uri", Some(self.uri.clone())),
            ("version", Some("1".to_owned())),
            ("chainId", Some(self.chain_id.to_string())),
            ("nonce", Some(self.nonce.to_string())),
            ("issuedAt", Some(self.issued_at.rfc3339())),
            ("expirationTime", Some(self.expires_at.rfc3339())),
            ("requestId", self.request_id.map(String::from)),
        ];
        Value::Object(
            fields
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?))))
                .collect(),
        )
    }

    /// Whether `signed`, the text that the wallet did sign, answers this challenge at `now`.
    pub fn check(&self, signed: &str, now: Timestamp) -> Result<(), ChallengeError> {
        if now.saturating_add(CLOCK_SKEW) < self.issued_at {
            return Err(ChallengeError::Early);
        }
        // The lifetime holds even where the stored end says otherwise.
        if now >= self.expires_at || now.since(self.issued_at) >= TTL.as_duration() {
            return Err(ChallengeError::Expired);
        }
        match SignInMessage::parse(signed)?.difference(&self.message()) {
            None => Ok(()),
            Some(field) => Err(ChallengeError::Mismatch(field)),
        }
    }

    fn message(&self) -> SignInMessage {
        SignInMessage {
            domain: self.domain.clone(),
            address: self.wallet,
            statement: Some(self.statement.clone()),
            uri: Some(self.uri.clone()),
            version: Some(Version::One),
            chain_id: Some(self.chain_id),
            nonce: Some(self.nonce.to_string()),
            issued_at: Some(self.issued_at),
            expiration_time: Some(self.expires_at),
            not_before: None,
            request_id: self.request_id.map(String::from),
            resources: Vec::new(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_768_478_400_000);
    const TEXT: &str = "app.molt.example wants you to sign in with your Solana account:
2rsDK346A2DPxKk1QEe5Y29huaXucV9kDQWe9J4dLVMy

Open the agent of 85AfJ2XkYrcs3NwFBvAc7vaKVo21aA1D1uSQExwcZae6. This moves no funds.

URI: https://app.molt.example/
Version: 1
Chain ID: mainnet
Nonce: 07070707070707070707070707070707
Issued At: 2026-01-15T12:00:00.000Z
Expiration Time: 2026-01-15T12:05:00.000Z
Request ID: 85AfJ2XkYrcs3NwFBvAc7vaKVo21aA1D1uSQExwcZae6";

    fn make(domain: &str, uri: &str, now: Timestamp) -> Result<Challenge, ChallengeError> {
        Challenge::new(
            domain,
            uri,
            ChainId::Mainnet,
            Wallet::parse("2rsDK346A2DPxKk1QEe5Y29huaXucV9kDQWe9J4dLVMy").unwrap(),
            Asset::parse("85AfJ2XkYrcs3NwFBvAc7vaKVo21aA1D1uSQExwcZae6").unwrap(),
            Nonce::from_random([7; 16]),
            now,
        )
    }

    fn challenge() -> Challenge {
        make("app.molt.example", "https://app.molt.example/", NOW).unwrap()
    }

    fn after(millis: i64) -> Timestamp {
        Timestamp::from_millis(NOW.as_millis() + millis)
    }

    #[test]
    fn the_text_and_the_input_name_everything_that_is_bound() {
        assert_eq!(challenge().text(), TEXT);
        assert_eq!(
            challenge().input(),
            serde_json::json!({
                "domain": "app.molt.example",
                "address": "2rsDK346A2DPxKk1QEe5Y29huaXucV9kDQWe9J4dLVMy",
                "statement": "Open the agent of 85AfJ2XkYrcs3NwFBvAc7vaKVo21aA1D1uSQExwcZae6. This moves no funds.",
                "uri": "https://app.molt.example/",
                "version": "1",
                "chainId": "mainnet",
                "nonce": "07070707070707070707070707070707",
                "issuedAt": "2026-01-15T12:00:00.000Z",
                "expirationTime": "2026-01-15T12:05:00.000Z",
                "requestId": "85AfJ2XkYrcs3NwFBvAc7vaKVo21aA1D1uSQExwcZae6",
            })
        );
    }

    #[test]
    fn c01_a_challenge_is_refused_after_300_seconds() {
        for (millis, expected) in [
            (-5001, Err(ChallengeError::Early)),
            (-5000, Ok(())),
            (0, Ok(())),
            (299_999, Ok(())),
            (300_000, Err(ChallengeError::Expired)),
            (i64::from(u32::MAX), Err(ChallengeError::Expired)),
        ] {
            assert_eq!(
                challenge().check(TEXT, after(millis)),
                expected,
                "{millis} ms"
            );
        }
    }

    #[test]
    fn c01_a_stored_end_cannot_lengthen_a_challenge() {
        let stored = serde_json::to_string(&challenge())
            .unwrap()
            .replace("12:05:00", "23:59:59");
        let stored: Challenge = serde_json::from_str(&stored).unwrap();
        assert_eq!(stored.check(&stored.text(), after(299_999)), Ok(()));
        assert_eq!(
            stored.check(&stored.text(), after(300_000)),
            Err(ChallengeError::Expired)
        );
    }

    #[test]
    fn c03_a_signed_text_that_differs_in_any_field_is_refused() {
        for (from, to, field) in [
            ("app.molt.example wants", "evil.example wants", "domain"),
            (
                "2rsDK346A2DPxKk1QEe5Y29huaXucV9kDQWe9J4dLVMy",
                "7N5jA13PMfvkdesVFeYwntbjEk5KLmhKX13mqov7rFN5",
                "address",
            ),
            ("85AfJ2", "85AfJ3", "statement"),
            (
                "\n\nOpen the agent of 85AfJ2XkYrcs3NwFBvAc7vaKVo21aA1D1uSQExwcZae6. This moves no funds.",
                "",
                "statement",
            ),
            ("example/\n", "example/x\n", "uri"),
            ("\nURI: https://app.molt.example/", "", "uri"),
            ("\nVersion: 1", "", "version"),
            ("mainnet", "devnet", "chainId"),
            ("mainnet", "solana:mainnet", "chainId"),
            ("\nChain ID: mainnet", "", "chainId"),
            ("Nonce: 07", "Nonce: 08", "nonce"),
            ("\nNonce: 07070707070707070707070707070707", "", "nonce"),
            (
                "At: 2026-01-15T12:00:00.000Z",
                "At: 2026-01-15T12:00:00.001Z",
                "issuedAt",
            ),
            ("\nIssued At: 2026-01-15T12:00:00.000Z", "", "issuedAt"),
            ("12:05:00", "12:05:01", "expirationTime"),
            (
                "\nExpiration Time: 2026-01-15T12:05:00.000Z",
                "",
                "expirationTime",
            ),
            (
                "05:00.000Z",
                "05:00.000Z\nNot Before: 2026-01-15T12:00:00.000Z",
                "notBefore",
            ),
            ("ID: 85AfJ2", "ID: 85AfJ3", "requestId"),
            (
                "\nRequest ID: 85AfJ2XkYrcs3NwFBvAc7vaKVo21aA1D1uSQExwcZae6",
                "",
                "requestId",
            ),
            (
                "ID: 85AfJ2XkYrcs3NwFBvAc7vaKVo21aA1D1uSQExwcZae6",
                "ID: 85AfJ2XkYrcs3NwFBvAc7vaKVo21aA1D1uSQExwcZae6\nResources:\n- https://app.molt.example/",
                "resources",
            ),
        ] {
            let text = TEXT.replacen(from, to, 1);
            assert_eq!(
                challenge().check(&text, NOW),
                Err(ChallengeError::Mismatch(field)),
                "{from:?} -> {to:?}"
            );
        }
        assert_eq!(
            challenge().check(&format!("{TEXT}\n"), NOW),
            Err(ChallengeError::Text(SiwsError::Line))
        );
    }

    #[test]
    fn c03_no_changed_byte_of_the_text_is_accepted() {
        let challenge = challenge();
        for at in 0..TEXT.len() {
            for byte in *b"\0\n\r -./0123456789:AZaz~\x7f" {
                let mut bytes = TEXT.as_bytes().to_vec();
                bytes[at] = byte;
                let text = String::from_utf8(bytes).unwrap();
                assert_eq!(challenge.check(&text, NOW).is_ok(), text == TEXT);
            }
        }
    }

    #[test]
    fn a_configuration_that_would_break_the_text_makes_no_challenge() {
        for (domain, uri) in [
            ("", "https://app.molt.example/"),
            ("app molt", "https://app.molt.example/"),
            ("app.molt.example\n", "https://app.molt.example/"),
            ("app.molt.example", "app.molt.example"),
            ("app.molt.example", ""),
            ("app.molt.example", "https://app.molt.example/\nVersion: 1"),
            ("app.mölt.example", "https://app.molt.example/"),
        ] {
            assert_eq!(
                make(domain, uri, NOW),
                Err(ChallengeError::Unusable),
                "{domain:?} {uri:?}"
            );
        }
        let long = format!("{}.example", "a".repeat(1000));
        assert_eq!(
            make(&long, "https://a.example/", NOW),
            Err(ChallengeError::Unusable),
            "it fits no transaction"
        );
        let end_of_time = Timestamp::from_millis(i64::MAX);
        assert_eq!(
            make("a.example", "https://a.example/", end_of_time),
            Err(ChallengeError::Unusable)
        );
    }

    #[test]
    fn a_stored_challenge_is_read_back_whole_or_not_at_all() {
        let stored = serde_json::to_value(challenge()).unwrap();
        assert_eq!(
            serde_json::from_value::<Challenge>(stored.clone()).unwrap(),
            challenge()
        );
        for name in stored.as_object().unwrap().keys() {
            let mut less = stored.clone();
            less.as_object_mut().unwrap().remove(name);
            assert_eq!(
                serde_json::from_value::<Challenge>(less).is_ok(),
                name == "request_id",
                "without {name}"
            );
        }
    }

    #[test]
    fn a_challenge_that_the_version_before_stored_asks_for_the_text_of_then() {
        let mut stored = serde_json::to_value(challenge()).unwrap();
        stored.as_object_mut().unwrap().remove("request_id");
        let stored: Challenge = serde_json::from_value(stored).unwrap();
        let (before, _) = TEXT.split_once("\nRequest ID: ").unwrap();
        assert_eq!(stored.text(), before);
        assert_eq!(stored.input().get("requestId"), None);
        assert_eq!(stored.check(before, NOW), Ok(()));
        assert_eq!(
            stored.check(TEXT, NOW),
            Err(ChallengeError::Mismatch("requestId"))
        );
    }
}
