//! The transactions of the agent's wallet that were prepared for the owner: what is passed on is one of these.

use multiclaw_core::audit::Entry;
use multiclaw_core::ids::{ProposalId, Wallet};
use multiclaw_core::time::Timestamp;
use multiclaw_core::wallet::relay::KEPT;
use multiclaw_core::wallet::view::TransactionState;
use serde::Deserialize;

use super::{Store, Values, millis};
use crate::port::Outcome;

#[derive(Deserialize)]
pub struct PreparedRow {
    pub hash: String,
    prepared_at: i64,
    expires_at: i64,
    /// One line each.
    pub summary: String,
    pub signature: Option<String>,
    pub state: TransactionState,
    /// What the agent proposed, where it is a transaction of that.
    proposal: Option<ProposalId>,
}

impl PreparedRow {
    pub const fn prepared_at(&self) -> Timestamp {
        Timestamp::from_millis(self.prepared_at)
    }

    pub const fn expires_at(&self) -> Timestamp {
        Timestamp::from_millis(self.expires_at)
    }
}

impl Store {
    /// The newest are kept. The same message twice is one, with the blockhash of that moment.
    pub fn add_prepared(
        &self,
        owner: Wallet,
        hash: &str,
        summary: &str,
        proposal: Option<ProposalId>,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Outcome<()> {
        let owner = owner.to_string();
        self.run(
            "INSERT INTO prepared (owner, hash, prepared_at, expires_at, summary, state, proposal)
             VALUES (?, ?, ?, ?, ?, 'prepared', ?) ON CONFLICT DO UPDATE
             SET expires_at = excluded.expires_at, proposal = COALESCE(excluded.proposal, proposal)",
            vec![
                owner.as_str().into(),
                hash.into(),
                millis(now),
                millis(expires_at),
                summary.into(),
                proposal.map(|id| id.to_string()).into(),
            ],
        )?;
        self.run(
            "DELETE FROM prepared WHERE owner = ? AND hash NOT IN
             (SELECT hash FROM prepared WHERE owner = ? ORDER BY prepared_at DESC, rowid DESC LIMIT ?)",
            vec![owner.as_str().into(), owner.as_str().into(), i64::from(KEPT).into()],
        )
    }

    /// Newest first.
    pub fn all_prepared(&self, owner: Wallet) -> Outcome<Vec<PreparedRow>> {
        self.rows(
            "SELECT hash, prepared_at, expires_at, summary, signature, state, proposal FROM prepared WHERE owner = ?
             ORDER BY prepared_at DESC, rowid DESC",
            vec![owner.to_string().into()],
        )
    }

    pub fn prepared(&self, owner: Wallet, hash: &str) -> Outcome<Option<PreparedRow>> {
        self.row(
            "SELECT hash, prepared_at, expires_at, summary, signature, state, proposal FROM prepared
             WHERE owner = ? AND hash = ?",
            vec![owner.to_string().into(), hash.into()],
        )
    }

    /// One that is about to be passed on; the proposal that it is of is done with. Tells whether it may be passed on: of a
    /// proposal only one is, and that one again.
    pub fn mark_sent(
        &self,
        owner: Wallet,
        row: &PreparedRow,
        signature: &str,
        now: Timestamp,
    ) -> Outcome<bool> {
        let mut may = true;
        self.atomically(|| {
            if let (Some(id), None) = (row.proposal, &row.signature) {
                may = self.end_proposal(owner, id, now)?;
                if !may {
                    return Ok(());
                }
                self.audit(now, &Entry::ProposalSent { wallet: owner })?;
            }
            self.run(
                "UPDATE prepared SET signature = ?, state = 'sent' WHERE owner = ? AND hash = ?",
                vec![
                    signature.into(),
                    owner.to_string().into(),
                    row.hash.as_str().into(),
                ],
            )
        })?;
        Ok(may)
    }

    /// What became of one for good.
    pub fn settle_prepared(
        &self,
        owner: Wallet,
        hash: &str,
        state: TransactionState,
    ) -> Outcome<()> {
        let values: Values = vec![state.as_str().into(), owner.to_string().into(), hash.into()];
        self.run(
            "UPDATE prepared SET state = ? WHERE owner = ? AND hash = ?",
            values,
        )
    }
}
