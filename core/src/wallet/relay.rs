//! What is passed on to the network for an owner: a transaction that was prepared here, to the byte, with their signature.

use sha2::{Digest, Sha256};

use crate::encoding::{from_base64, hex};
use crate::error::{Code, Problem};
use crate::ids::Wallet;
use crate::proof::{Signature, verify_signature};
use crate::time::Seconds;
use crate::transaction::{MAX_LEN, split};

/// So long after it was prepared one is passed on. The network takes it for 150 blocks, a minute or somewhat more.
pub const LIFETIME: Seconds = Seconds::new(150);
/// So many of a tenant's are kept, the newest.
pub const KEPT: u32 = 50;
/// How long after [`LIFETIME`] one that nobody has seen on the chain may still be under way.
pub const AFTER_LIFETIME: Seconds = Seconds::new(60);
/// Of base64.
pub const MAX_TEXT: usize = MAX_LEN.div_ceil(3).saturating_mul(4);

/// What a message is remembered by.
#[must_use]
pub fn hash(message: &[u8]) -> String {
    hex(&Sha256::digest(message))
}

/// A transaction that somebody says they signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    pub transaction: Vec<u8>,
    signature: [u8; 64],
}

impl Claimed {
    /// # Errors
    /// When it is no transaction with one signature.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let transaction = from_base64(text);
        let parsed = transaction.and_then(|transaction| {
            let (signature, _) = split(&transaction).ok()?;
            Some(Self {
                transaction,
                signature,
            })
        });
        parsed.ok_or_else(|| {
            Problem::field("transaction", "a transaction with one signature, in base64")
        })
    }

    #[must_use]
    pub fn message(&self) -> &[u8] {
        split(&self.transaction).map_or(&[], |(_, message)| message)
    }

    /// The signature, if it is `owner`'s over exactly these bytes.
    ///
    /// # Errors
    /// When it is not.
    pub fn signed_by(&self, owner: &Wallet) -> Result<Signature, Problem> {
        let signature = Signature::from_bytes(self.signature);
        match verify_signature(owner, self.message(), &signature) {
            Ok(()) => Ok(signature),
            Err(_) => Err(Problem::value(
                "transaction",
                "be signed by the wallet that owns the domain",
            )),
        }
    }
}

#[must_use]
pub fn not_prepared() -> Problem {
    Problem::value(
        "transaction",
        "be one that was prepared here for this wallet, unchanged. A wallet that adds to it can send it to the network itself",
    )
}

#[must_use]
pub fn too_old() -> Problem {
    Problem::new(
        Code::WrongState,
        "The network takes this transaction no longer. Prepare it anew, and sign it within a minute.",
    )
}

/// Where a node has tried it, and says that it would fail.
#[must_use]
pub fn would_fail() -> Problem {
    Problem::new(
        Code::WrongState,
        "The network refuses this transaction as things are now: it is too old, or what it needs is not there any more. Prepare it anew.",
    )
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;
    use crate::encoding::base64;
    use crate::transaction::unsigned;

    const MESSAGE: &[u8] = b"what is signed";

    #[test]
    fn c21_only_the_owners_signature_over_exactly_this_message_is_taken() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let owner = Wallet::from_bytes(key.verifying_key().to_bytes());
        let signed = |signature: [u8; 64]| {
            let mut whole = unsigned(MESSAGE);
            whole[1..65].copy_from_slice(&signature);
            Claimed::parse(&base64(&whole)).unwrap()
        };
        let good = signed(key.sign(MESSAGE).to_bytes());
        assert_eq!(good.message(), MESSAGE);
        let text = good.signed_by(&owner).unwrap().text();
        assert_eq!(
            text,
            bs58::encode(key.sign(MESSAGE).to_bytes()).into_string()
        );
        assert!(good.signed_by(&Wallet::from_bytes([3; 32])).is_err());
        for other in [[0; 64], key.sign(b"something else").to_bytes()] {
            assert!(signed(other).signed_by(&owner).is_err());
        }
        // With a key of small order anybody can sign.
        let mut anybody = [0; 32];
        anybody[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(
            signed(signature)
                .signed_by(&Wallet::from_bytes(anybody))
                .is_err()
        );
    }

    #[test]
    fn what_is_no_transaction_with_one_signature_is_refused() {
        let whole = unsigned(MESSAGE);
        let mut two = whole.clone();
        two[0] = 2;
        let long = vec![1; MAX_LEN + 1];
        for bad in [&two, &long, &whole[..64].to_vec(), &Vec::new()] {
            let refused = Claimed::parse(&base64(bad)).unwrap_err();
            assert_eq!(refused.field.as_deref(), Some("transaction"));
        }
        assert!(Claimed::parse("AQ").is_err());
        assert_ne!(hash(MESSAGE), hash(b"another"));
    }
}
