//! What an agent proposed and nobody has decided yet, and how many there were by day. One that is decided or has expired is gone.

use multiclaw_core::ids::{ProposalId, Wallet};
use multiclaw_core::proposal::COUNTED_REFUSALS;
use multiclaw_core::time::Timestamp;
use serde::Deserialize;

use super::{Store, millis};
use crate::port::Outcome;

#[derive(Deserialize)]
pub struct ProposalRow {
    pub id: ProposalId,
    created_at: i64,
    expires_at: i64,
    /// JSON, as `multiclaw_core::proposal::operation` makes it.
    pub operation: String,
    pub reason: String,
}

impl ProposalRow {
    pub const fn new(
        id: ProposalId,
        created_at: Timestamp,
        expires_at: Timestamp,
        operation: String,
        reason: String,
    ) -> Self {
        Self {
            id,
            created_at: created_at.as_millis(),
            expires_at: expires_at.as_millis(),
            operation,
            reason,
        }
    }

    pub const fn created_at(&self) -> Timestamp {
        Timestamp::from_millis(self.created_at)
    }

    pub const fn expires_at(&self) -> Timestamp {
        Timestamp::from_millis(self.expires_at)
    }
}

/// Of one day.
#[derive(Clone, Copy, Default, Deserialize)]
pub struct ProposalCount {
    pub made: u32,
    pub refused: u32,
}

impl Store {
    /// Keeps one and counts it; what has expired goes, and so do the counts of other days.
    pub fn add_proposal(&self, owner: Wallet, row: &ProposalRow, day: &str) -> Outcome<()> {
        let owner = owner.to_string();
        self.atomically(|| {
            self.run(
                "DELETE FROM proposals WHERE expires_at <= ?",
                vec![row.created_at.into()],
            )?;
            self.run(
                "DELETE FROM proposal_days WHERE day <> ?",
                vec![day.into()],
            )?;
            self.run(
                "INSERT INTO proposal_days (owner, day, made, refused) VALUES (?, ?, 1, 0)
                 ON CONFLICT DO UPDATE SET made = made + 1",
                vec![owner.as_str().into(), day.into()],
            )?;
            self.run(
                "INSERT INTO proposals (owner, id, created_at, expires_at, operation, reason) VALUES (?, ?, ?, ?, ?, ?)",
                vec![
                    owner.as_str().into(),
                    row.id.to_string().into(),
                    row.created_at.into(),
                    row.expires_at.into(),
                    row.operation.as_str().into(),
                    row.reason.as_str().into(),
                ],
            )
        })
    }

    /// Counts one that was not taken, unless so many were counted that it changes nothing.
    pub fn count_refusal(&self, owner: Wallet, day: &str) -> Outcome<()> {
        self.run(
            "INSERT INTO proposal_days (owner, day, made, refused) VALUES (?, ?, 0, 1)
             ON CONFLICT DO UPDATE SET refused = refused + 1 WHERE refused < ?",
            vec![
                owner.to_string().into(),
                day.into(),
                i64::from(COUNTED_REFUSALS).into(),
            ],
        )
    }

    pub fn proposals_of(&self, owner: Wallet, day: &str) -> Outcome<ProposalCount> {
        let row = self.row(
            "SELECT made, refused FROM proposal_days WHERE owner = ? AND day = ?",
            vec![owner.to_string().into(), day.into()],
        )?;
        Ok(row.unwrap_or_default())
    }

    /// Newest first.
    pub fn waiting_proposals(&self, owner: Wallet, now: Timestamp) -> Outcome<Vec<ProposalRow>> {
        self.rows(
            "SELECT id, created_at, expires_at, operation, reason FROM proposals
             WHERE owner = ? AND expires_at > ? ORDER BY created_at DESC, rowid DESC",
            vec![owner.to_string().into(), millis(now)],
        )
    }

    /// One that waits.
    pub fn proposal(
        &self,
        owner: Wallet,
        id: ProposalId,
        now: Timestamp,
    ) -> Outcome<Option<ProposalRow>> {
        self.row(
            "SELECT id, created_at, expires_at, operation, reason FROM proposals
             WHERE owner = ? AND id = ? AND expires_at > ?",
            vec![owner.to_string().into(), id.to_string().into(), millis(now)],
        )
    }

    /// Takes one away that waits. Tells whether it did.
    pub fn end_proposal(&self, owner: Wallet, id: ProposalId, now: Timestamp) -> Outcome<bool> {
        let ended = self.delete(
            "proposals WHERE owner = ? AND id = ? AND expires_at > ?",
            vec![owner.to_string().into(), id.to_string().into(), millis(now)],
        )?;
        Ok(ended > 0)
    }
}
