//! What is sealed, as its upkeep sees it: every row, when they were last gone through, and what is to be gone for good.
//!
//! SQLite leaves in the file what it deletes, until something else takes its place, and the runtime has no `secure_delete`. A
//! text of the same length is written where the old one lies: so that goes first.

use multiclaw_core::ids::Wallet;
use multiclaw_core::time::Timestamp;
use serde::Deserialize;

use super::{Count, Store, millis};
use crate::port::Outcome;

/// A row as it lies there. Names of a newer version are not known here, and are sealed like others.
#[derive(Deserialize)]
pub struct SealedRow {
    pub owner: String,
    pub name: String,
    /// Base64 of the blob.
    pub sealed: String,
}

#[derive(Deserialize)]
struct Swept {
    swept_at: i64,
}

impl Store {
    pub fn has_secrets(&self) -> Outcome<bool> {
        let rows: Option<Count> =
            self.row("SELECT EXISTS (SELECT 1 FROM secrets) AS count", vec![])?;
        Ok(rows.is_some_and(|row| row.count > 0))
    }

    pub fn sealed_rows(&self) -> Outcome<Vec<SealedRow>> {
        self.rows("SELECT owner, name, sealed FROM secrets", vec![])
    }

    /// The same value under another key: what else the row says stays.
    pub fn reseal(&self, owner: Wallet, name: &str, sealed: &str) -> Outcome<()> {
        self.run(
            "UPDATE secrets SET sealed = ? WHERE owner = ? AND name = ?",
            vec![sealed.into(), owner.to_string().into(), name.into()],
        )
    }

    /// Before a row is replaced or deleted.
    pub(super) fn overwrite_secret(&self, owner: Wallet, name: &str) -> Outcome<()> {
        self.run(
            "UPDATE secrets SET sealed = substr(hex(zeroblob(length(sealed))), 1, length(sealed))
             WHERE owner = ? AND name = ?",
            vec![owner.to_string().into(), name.into()],
        )
    }

    /// Destroys what everybody but `owner` has sealed, and the salts without which no copy of it opens. Gives how many.
    pub(super) fn shred(&self, owner: &str) -> Outcome<u32> {
        let owner = || vec![owner.into()];
        self.run(
            "UPDATE tenants SET salt = substr(hex(zeroblob(length(salt))), 1, length(salt)) WHERE owner <> ?",
            owner(),
        )?;
        self.run("DELETE FROM tenants WHERE owner <> ?", owner())?;
        self.delete("secrets WHERE owner <> ?", owner())
    }

    pub fn swept_at(&self) -> Outcome<Option<Timestamp>> {
        let row: Option<Swept> = self.row("SELECT swept_at FROM upkeep", vec![])?;
        Ok(row.map(|row| Timestamp::from_millis(row.swept_at)))
    }

    pub fn save_swept_at(&self, at: Timestamp) -> Outcome<()> {
        self.run(
            "INSERT OR REPLACE INTO upkeep (one, swept_at) VALUES (1, ?)",
            vec![millis(at)],
        )
    }
}
