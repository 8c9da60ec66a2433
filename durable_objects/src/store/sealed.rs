//! What is sealed, as its upkeep sees it: every row, and when they were last gone through.

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
