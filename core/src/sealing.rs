//! Secrets at rest: AES-256-GCM under a key per tenant, derived with HKDF-SHA-256 from a Workers Secret and a random
//! salt of the tenant (C10). Tenant, name and format are bound in, so a blob opens for nothing else.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce as GcmNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::encoding::from_base64;
use crate::secret::Secret;
use crate::tenancy::Tenant;

/// First byte of a blob: format 1 is `1 | 12 bytes nonce | ciphertext and tag`.
const FORMAT: u8 = 1;
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

/// The service's key, from `SEALING_KEY`.
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
        let info = format!("multiclaw secrets {}", tenant.prefix());
        Hkdf::<Sha256>::new(Some(salt), self.0.as_slice())
            .expand(info.as_bytes(), key.as_mut_slice())
            .map_err(|_| SealError::Seal)?;
        Aes256Gcm::new_from_slice(key.as_slice()).map_err(|_| SealError::Seal)
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
