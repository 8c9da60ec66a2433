//! Secrets at rest: AES-256-GCM under a key per tenant, derived with HKDF-SHA-256 from a Workers Secret and a random
//! salt of the tenant (C10). Tenant, name and format are bound in, so a blob opens for nothing else.
//!
//! While the Workers Secret is replaced there are two: the new one seals, the one before still opens ([`SealingKeys`]).

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce as GcmNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::encoding::from_base64;
use crate::secret::Secret;
use crate::tenancy::Tenant;
use crate::time::{Seconds, Timestamp};

/// First byte of a blob: format 1 is `1 | 12 bytes nonce | ciphertext and tag`. Another format derives its key with
/// another [`LABEL`], so that no blob opens as one of another format.
const FORMAT: u8 = 1;
/// Begins what the key is derived for; the tenant follows.
const LABEL: &str = "multiclaw secrets";
const NONCE_LENGTH: usize = 12;

/// Random per tenant, kept beside its secrets; without it no key opens them.
pub type Salt = [u8; 32];

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("the sealing key must be 32 bytes in base64")]
    Key,
    #[error("the sealed value does not open: wrong key, tenant or name, or it was changed")]
    Unreadable,
    #[error("the value could not be sealed")]
    Seal,
}

/// A key of the service, from `SEALING_KEY` or `SEALING_KEY_PREVIOUS`.
pub struct SealingKey(Zeroizing<[u8; 32]>);

impl SealingKey {
    /// # Errors
    /// [`SealError::Key`] unless the secret is 32 bytes in standard base64.
    pub fn parse(secret: &Secret) -> Result<Self, SealError> {
        let bytes = Zeroizing::new(from_base64(secret.expose()).ok_or(SealError::Key)?);
        let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| SealError::Key)?;
        Ok(Self(Zeroizing::new(key)))
    }

    fn cipher(&self, tenant: &Tenant, salt: &Salt) -> Result<Aes256Gcm, SealError> {
        let mut key = Zeroizing::new([0_u8; 32]);
        let info = format!("{LABEL} {}", tenant.prefix());
        Hkdf::<Sha256>::new(Some(salt), self.0.as_slice())
            .expand(info.as_bytes(), key.as_mut_slice())
            .map_err(|_| SealError::Seal)?;
        Aes256Gcm::new_from_slice(key.as_slice()).map_err(|_| SealError::Seal)
    }

    /// Bytes that nobody can tell who has no key, the same for the same `info`: which must begin with a label of its own.
    pub(crate) fn derive(&self, info: &str, bytes: &mut [u8]) -> Result<(), SealError> {
        Hkdf::<Sha256>::new(None, self.0.as_slice())
            .expand(info.as_bytes(), bytes)
            .map_err(|_| SealError::Seal)
    }

    /// Seals `value` under `name`; `nonce` must be fresh random bytes.
    ///
    /// # Errors
    /// [`SealError::Seal`] when the cipher refuses (it does not, for values of bounded size).
    pub fn seal(
        &self,
        tenant: &Tenant,
        salt: &Salt,
        name: &str,
        value: &Secret,
        nonce: [u8; NONCE_LENGTH],
    ) -> Result<Vec<u8>, SealError> {
        let payload = Payload {
            msg: value.expose().as_bytes(),
            aad: name.as_bytes(),
        };
        let sealed = self
            .cipher(tenant, salt)?
            .encrypt(GcmNonce::from_slice(&nonce), payload)
            .map_err(|_| SealError::Seal)?;
        let mut blob = vec![FORMAT];
        blob.extend_from_slice(&nonce);
        blob.extend_from_slice(&sealed);
        Ok(blob)
    }

    /// # Errors
    /// [`SealError::Unreadable`] for a blob of another tenant, name or key, or a changed one.
    pub fn open(
        &self,
        tenant: &Tenant,
        salt: &Salt,
        name: &str,
        blob: &[u8],
    ) -> Result<Secret, SealError> {
        let (&format, rest) = blob.split_first().ok_or(SealError::Unreadable)?;
        let (nonce, sealed) = rest
            .split_at_checked(NONCE_LENGTH)
            .ok_or(SealError::Unreadable)?;
        if format != FORMAT {
            return Err(SealError::Unreadable);
        }
        let payload = Payload {
            msg: sealed,
            aad: name.as_bytes(),
        };
        let value = self
            .cipher(tenant, salt)?
            .decrypt(GcmNonce::from_slice(nonce), payload)
            .map_err(|_| SealError::Unreadable)?;
        String::from_utf8(value)
            .map(Secret::new)
            .map_err(|_| SealError::Unreadable)
    }
}

/// The key that seals and, while it is replaced, the one before, which only opens.
pub struct SealingKeys {
    current: SealingKey,
    previous: Option<SealingKey>,
}

/// A value that was opened.
pub struct Opened {
    pub value: Secret,
    /// The previous key opened it: unless it is sealed anew, nothing will once that key is dropped.
    pub is_stale: bool,
}

impl SealingKeys {
    #[must_use]
    pub const fn new(current: SealingKey, previous: Option<SealingKey>) -> Self {
        Self { current, previous }
    }

    /// The current key, and the previous one.
    pub(crate) const fn both(&self) -> [Option<&SealingKey>; 2] {
        [Some(&self.current), self.previous.as_ref()]
    }

    /// As [`SealingKey::seal`], with the current key.
    ///
    /// # Errors
    /// See there.
    pub fn seal(
        &self,
        tenant: &Tenant,
        salt: &Salt,
        name: &str,
        value: &Secret,
        nonce: [u8; NONCE_LENGTH],
    ) -> Result<Vec<u8>, SealError> {
        self.current.seal(tenant, salt, name, value, nonce)
    }

    /// Opens with whichever key it was sealed with.
    ///
    /// # Errors
    /// [`SealError::Unreadable`] when neither opens it.
    pub fn open(
        &self,
        tenant: &Tenant,
        salt: &Salt,
        name: &str,
        blob: &[u8],
    ) -> Result<Opened, SealError> {
        let opened = self.current.open(tenant, salt, name, blob);
        match (opened, &self.previous) {
            (Ok(value), _) => Ok(Opened {
                value,
                is_stale: false,
            }),
            (Err(_), Some(previous)) => Ok(Opened {
                value: previous.open(tenant, salt, name, blob)?,
                is_stale: true,
            }),
            (Err(error), None) => Err(error),
        }
    }
}

/// When what is sealed must be gone through again: a period after the last time, at once if there was none. A time in the
/// future, as of a clock that was wrong, puts it off by no more than a period.
#[must_use]
pub fn sweep_due(swept_at: Option<Timestamp>, period: Seconds, now: Timestamp) -> Timestamp {
    swept_at.map_or(now, |at| at.min(now).saturating_add(period))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Asset, Wallet};

    fn key(byte: u8) -> SealingKey {
        SealingKey(Zeroizing::new([byte; 32]))
    }

    fn tenant(owner: u8) -> Tenant {
        Tenant {
            asset: Asset::from_bytes([1; 32]),
            owner: Wallet::from_bytes([owner; 32]),
        }
    }

    #[test]
    fn c10_a_blob_opens_for_its_tenant_name_salt_and_key_only() {
        let value = Secret::new(String::from("sk-test-0123456789"));
        let blob = key(1)
            .seal(&tenant(2), &[3; 32], "openai", &value, [4; 12])
            .unwrap();
        assert!(!blob.windows(7).any(|w| w == b"sk-test"));
        assert_eq!(
            key(1)
                .open(&tenant(2), &[3; 32], "openai", &blob)
                .unwrap()
                .expose(),
            value.expose()
        );
        assert!(key(9).open(&tenant(2), &[3; 32], "openai", &blob).is_err());
        assert!(key(1).open(&tenant(9), &[3; 32], "openai", &blob).is_err());
        assert!(key(1).open(&tenant(2), &[9; 32], "openai", &blob).is_err());
        assert!(
            key(1)
                .open(&tenant(2), &[3; 32], "anthropic", &blob)
                .is_err()
        );
        for i in 0..blob.len() {
            let mut changed = blob.clone();
            changed[i] ^= 1;
            assert!(
                key(1)
                    .open(&tenant(2), &[3; 32], "openai", &changed)
                    .is_err(),
                "byte {i}"
            );
            assert!(
                key(1)
                    .open(&tenant(2), &[3; 32], "openai", &blob[..i])
                    .is_err(),
                "cut at {i}"
            );
        }
    }

    #[test]
    fn c10_a_blob_of_another_format_is_not_opened() {
        let value = Secret::new(String::from("sk-test-0123456789"));
        let mut blob = key(1)
            .seal(&tenant(2), &[3; 32], "openai", &value, [4; 12])
            .unwrap();
        assert_eq!(
            blob[0], 1,
            "what the version before opens: see docs/upgrades.md"
        );
        for format in [0, 2, 255] {
            blob[0] = format;
            let opened = key(1).open(&tenant(2), &[3; 32], "openai", &blob);
            assert_eq!(opened.err(), Some(SealError::Unreadable), "{format}");
        }
    }

    #[test]
    fn c10_the_previous_key_opens_and_says_so_until_it_is_dropped_and_never_seals() {
        let value = Secret::new(String::from("sk-test-0123456789"));
        let seal = |keys: &SealingKeys| {
            keys.seal(&tenant(2), &[3; 32], "openai", &value, [4; 12])
                .unwrap()
        };
        let open = |keys: &SealingKeys, blob: &[u8]| {
            keys.open(&tenant(2), &[3; 32], "openai", blob)
                .map(|opened| (opened.value.expose().to_owned(), opened.is_stale))
        };
        let opened = |is_stale| Ok((value.expose().to_owned(), is_stale));
        let before = SealingKeys::new(key(1), None);
        let during = SealingKeys::new(key(2), Some(key(1)));
        let after = SealingKeys::new(key(2), None);
        let (old, new) = (seal(&before), seal(&during));
        assert_eq!(open(&before, &old), opened(false));
        assert_eq!(open(&during, &old), opened(true));
        assert_eq!(open(&during, &new), opened(false));
        assert_eq!(open(&after, &old), Err(SealError::Unreadable));
        assert_eq!(open(&after, &new), opened(false));
        assert_eq!(open(&before, &new), Err(SealError::Unreadable));
        let others = SealingKeys::new(key(8), Some(key(9)));
        assert_eq!(open(&others, &old), Err(SealError::Unreadable));
    }

    #[test]
    fn c10_what_is_sealed_is_gone_through_once_a_period() {
        let at = Timestamp::from_millis;
        let (period, now) = (Seconds::new(60), at(1_000_000));
        assert_eq!(sweep_due(None, period, now), now);
        assert_eq!(sweep_due(Some(at(970_000)), period, now), at(1_030_000));
        assert_eq!(sweep_due(Some(at(1)), period, now), at(60_001));
        assert_eq!(sweep_due(Some(at(i64::MAX)), period, now), at(1_060_000));
    }

    #[test]
    fn the_key_must_be_32_bytes_of_base64() {
        for bad in ["", "short", "not base64!", "AAAA"] {
            assert_eq!(
                SealingKey::parse(&Secret::new(bad.to_owned())).err(),
                Some(SealError::Key),
                "{bad}"
            );
        }
        assert!(
            SealingKey::parse(&Secret::new(
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned()
            ))
            .is_ok()
        );
    }
}
