//! The identifiers of the service, each a type of its own: an asset can never be passed where a wallet is meant. The
//! only ways to make one are raw bytes and a parser that accepts exactly one spelling.

use core::fmt;
use core::str::FromStr;

use crate::encoding;
use serde::{Deserialize, Serialize};

/// The length of an asset's DNS label: 256 bits in groups of five.
const DNS_LABEL_LEN: usize = 52;
/// 32 bytes take 32 to 44 base58 characters. Longer text is refused unread: decoding costs the square of the length.
const BASE58_MAX_LEN: usize = 44;

/// Text that is not the identifier it should be. It names what was expected and does not repeat what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct IdError {
    expected: &'static str,
}

impl IdError {
    pub(crate) const fn new(expected: &'static str) -> Self {
        Self { expected }
    }

    pub fn expected(&self) -> &'static str {
        self.expected
    }
}

/// What every identifier shares, given `parse` and `Display`.
macro_rules! text_conversions {
    ($name:ident) => {
        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

macro_rules! account {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 32]);

        impl $name {
            /// Reads base58 of exactly 32 bytes.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                parse_base58(text).map(Self).ok_or(IdError { expected: $expected })
            }

            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&bs58::encode(&self.0).into_string())
            }
        }

        text_conversions!($name);
    };
}

account!(
    /// The address of a domain's NFT. It names the agent and its Durable Object.
    Asset,
    "an asset address (base58 of 32 bytes)"
);
account!(
    /// The public key of a wallet: it may be an asset's owner and it signs logins.
    Wallet,
    "a wallet address (base58 of 32 bytes)"
);
account!(
    /// The address of a collection of assets.
    Collection,
    "a collection address (base58 of 32 bytes)"
);
account!(
    /// Any other account on the chain: a program, an update authority, a derived address.
    Address,
    "an account address (base58 of 32 bytes)"
);
account!(
    /// The hash of a block, by which the network tells how old a transaction is.
    Blockhash,
    "a blockhash (base58 of 32 bytes)"
);

impl Asset {
    /// The asset as one DNS label: base32 in lower case, since host names know no case and base58 needs it.
    pub fn dns_label(&self) -> String {
        encoding::base32(&self.0)
    }

    /// Reads a label in either case. Of the spellings that differ in unused last bits only one is accepted.
    pub fn from_dns_label(label: &str) -> Result<Self, IdError> {
        const ERROR: IdError = IdError {
            expected: "an agent's host label (base32 of 32 bytes)",
        };
        if label.len() != DNS_LABEL_LEN {
            return Err(ERROR);
        }
        encoding::from_base32(&label.to_ascii_lowercase())
            .map(Self)
            .ok_or(ERROR)
    }
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 16]);

        impl $name {
            /// `bytes` must come from the runtime's cryptographic random source.
            pub const fn from_random(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Reads 32 lower-case hexadecimal digits.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                encoding::from_hex(text).map(Self).ok_or(IdError { expected: $expected })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&encoding::hex(&self.0))
            }
        }

        text_conversions!($name);
    };
}

random_id!(
    /// The once-only part of a login challenge. Hexadecimal keeps to the alphanumerics that the signed text allows.
    Nonce,
    "a nonce (32 lower-case hexadecimal digits)"
);
random_id!(
    /// One login of a tenant.
    SessionId,
    "a session id (32 lower-case hexadecimal digits)"
);
random_id!(
    /// One archive of a tenant's agent state.
    SnapshotId,
    "a snapshot id (32 lower-case hexadecimal digits)"
);
random_id!(
    /// One operation that a tenant's agent proposes.
    ProposalId,
    "a proposal's id (32 lower-case hexadecimal digits)"
);
random_id!(
    /// Chunks of a tenant's agent state that incremental snapshots consist of.
    PackId,
    "a pack id (32 lower-case hexadecimal digits)"
);

fn parse_base58(text: &str) -> Option<[u8; 32]> {
    if text.len() > BASE58_MAX_LEN {
        return None;
    }
    let mut bytes = [0; 32];
    let written = bs58::decode(text).onto(&mut bytes).ok()?;
    (written == bytes.len()).then_some(bytes)
}

#[cfg(test)]
#[allow(clippy::string_slice, clippy::cast_possible_truncation)]
mod tests {
    use super::*;

    const TEXT: &str = "85AfJ2XkYrcs3NwFBvAc7vaKVo21aA1D1uSQExwcZae6";

    fn samples() -> impl Iterator<Item = [u8; 32]> {
        (0..=255u8).map(|seed| {
            core::array::from_fn(|i| {
                if i < usize::from(seed % 9) {
                    0
                } else {
                    seed.wrapping_mul(31).wrapping_add(i as u8)
                }
            })
        })
    }

    #[test]
    fn addresses_round_trip() {
        assert_eq!(Asset::parse(TEXT).unwrap().to_string(), TEXT);
        for bytes in samples() {
            let wallet = Wallet::from_bytes(bytes);
            assert_eq!(Wallet::parse(&wallet.to_string()), Ok(wallet));
        }
        assert_eq!(
            Address::parse(&"1".repeat(32)).unwrap().as_bytes(),
            &[0; 32]
        );
    }

    #[test]
    fn only_one_spelling_of_an_address_is_accepted() {
        let with_leading_zero_byte = format!("1{TEXT}");
        for text in [
            "",
            "1",
            &TEXT[..42],
            &with_leading_zero_byte,
            &format!(" {TEXT}"),
            &format!("{TEXT}\n"),
        ] {
            assert!(Asset::parse(text).is_err(), "{text:?}");
        }
        assert!(Asset::parse(&"1".repeat(31)).is_err());
        assert!(Asset::parse(&"1".repeat(33)).is_err());
        assert!(Asset::parse(&"z".repeat(44)).is_err(), "more than 32 bytes");
        assert!(Asset::parse(&"z".repeat(10_000_000)).is_err());
        for confusing in ['0', 'O', 'I', 'l', 'é'] {
            assert!(Asset::parse(&TEXT.replacen('8', &confusing.to_string(), 1)).is_err());
        }
    }

    #[test]
    fn an_error_names_what_was_expected_and_not_what_came() {
        let error = Wallet::parse("hunter2").unwrap_err();
        assert_eq!(error.expected(), "a wallet address (base58 of 32 bytes)");
        assert_eq!(
            error.to_string(),
            "expected a wallet address (base58 of 32 bytes)"
        );
    }

    #[test]
    fn dns_labels_round_trip_in_either_case() {
        for bytes in samples() {
            let asset = Asset::from_bytes(bytes);
            let label = asset.dns_label();
            assert_eq!(label.len(), DNS_LABEL_LEN);
            assert!(
                label
                    .bytes()
                    .all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))
            );
            assert_eq!(Asset::from_dns_label(&label), Ok(asset));
            assert_eq!(Asset::from_dns_label(&label.to_uppercase()), Ok(asset));
        }
    }

    #[test]
    fn a_dns_label_has_one_spelling_but_for_case() {
        let label = Asset::from_bytes([0; 32]).dns_label();
        assert_eq!(label, "a".repeat(52));
        for last in ["b", "p", "1", "0", "=", "-"] {
            assert!(
                Asset::from_dns_label(&format!("{}{last}", &label[..51])).is_err(),
                "{last}"
            );
        }
        assert!(Asset::from_dns_label(&label[..51]).is_err());
        assert!(Asset::from_dns_label(&format!("{label}a")).is_err());
        assert!(Asset::from_dns_label(&format!("{}é", &label[..50])).is_err());
        assert!(Asset::from_dns_label("").is_err());
    }

    #[test]
    fn random_ids_are_lower_case_hexadecimal() {
        let id = Nonce::from_random([0xab; 16]);
        assert_eq!(id.to_string(), "ab".repeat(16));
        assert_eq!(Nonce::parse(&"ab".repeat(16)), Ok(id));
        for text in [
            "",
            "ab",
            &"AB".repeat(16),
            &"ab".repeat(17),
            &"zz".repeat(16),
            &format!("{} ", "a".repeat(31)),
        ] {
            assert!(Nonce::parse(text).is_err(), "{text:?}");
            assert!(SessionId::parse(text).is_err(), "{text:?}");
            assert!(SnapshotId::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn serde_uses_the_text_and_checks_it() {
        let asset = Asset::parse(TEXT).unwrap();
        assert_eq!(
            serde_json::to_string(&asset).unwrap(),
            format!("\"{TEXT}\"")
        );
        assert_eq!(
            serde_json::from_str::<Asset>(&format!("\"{TEXT}\"")).unwrap(),
            asset
        );
        assert!(serde_json::from_str::<Asset>("\"hunter2\"").is_err());
        assert!(serde_json::from_str::<SessionId>("\"../../x\"").is_err());
    }
}
