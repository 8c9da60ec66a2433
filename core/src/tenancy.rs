//! Who owns what, by name: the only place where names of objects, R2 keys and KV keys are made.
//!
//! A key type can be made only from parsed identifiers, so no text from outside reaches a name (C16).

use core::fmt;

use crate::ids::{Asset, Nonce, PackId, SnapshotId, Wallet};

/// The pair that all data and all secrets belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenant {
    pub asset: Asset,
    pub owner: Wallet,
}

impl Tenant {
    /// Prefix of everything of this tenant in R2; ends with `/`, so one tenant's is never a prefix of another's.
    #[must_use]
    pub fn prefix(&self) -> TenantPrefix {
        TenantPrefix(format!("tenants/{}/{}/", self.asset, self.owner))
    }
}

/// `tenants/<asset>/<owner>/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantPrefix(String);

impl TenantPrefix {
    /// Key of a snapshot's archive, or of its index.
    #[must_use]
    pub fn snapshot(&self, id: SnapshotId) -> R2Key {
        R2Key(format!("{}snapshots/{id}", self.0))
    }

    /// The snapshot that has this key.
    #[must_use]
    pub fn snapshot_at(&self, key: &str) -> Option<SnapshotId> {
        let id = key.strip_prefix(&self.0)?.strip_prefix("snapshots/")?;
        SnapshotId::parse(id).ok()
    }

    /// Key of a pack, which several snapshots may refer to.
    #[must_use]
    pub fn pack(&self, id: PackId) -> R2Key {
        R2Key(format!("{}{id}", self.packs()))
    }

    /// Prefix of all packs.
    #[must_use]
    pub fn packs(&self) -> String {
        format!("{}chunks/", self.0)
    }

    /// The pack that has this key.
    #[must_use]
    pub fn pack_at(&self, key: &str) -> Option<PackId> {
        PackId::parse(key.strip_prefix(&self.packs())?).ok()
    }
}

impl fmt::Display for TenantPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key in R2 below a tenant's prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct R2Key(String);

impl R2Key {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Name of a domain's Durable Object.
#[must_use]
pub fn object_name(asset: Asset) -> String {
    asset.to_string()
}

/// KV key of a challenge.
#[must_use]
pub fn challenge_key(nonce: &Nonce) -> String {
    format!("challenge:{nonce}")
}

#[cfg(test)]
mod tests;
