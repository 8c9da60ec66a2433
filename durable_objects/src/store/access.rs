//! Who may come in: logins, sessions, tickets, and what a change of owner takes away, with the audit of all that.

use multiclaw_core::audit::Entry;
use multiclaw_core::error::Failure;
use multiclaw_core::ids::{Asset, Nonce, SessionId, Wallet};
use multiclaw_core::lifecycle::Life;
use multiclaw_core::messages::Login;
use multiclaw_core::ownership::Owned;
use multiclaw_core::session::LIFETIME;
use multiclaw_core::time::Timestamp;

use super::{Count, Domain, SessionRow, Store, Text, Values, millis};
use crate::port::Outcome;

/// So many entries of the audit are kept.
const AUDIT_KEPT: i64 = 1000;
/// So many sessions of one domain live at once; the oldest end first.
const SESSIONS_KEPT: i64 = 50;

impl Store {
    /// Burns the nonce and creates the session, and at a domain's first login all that it begins with; `None` when the
    /// nonce was used before. All of it or nothing.
    pub fn log_in(
        &self,
        asset: Asset,
        login: &Login,
        id: SessionId,
        now: Timestamp,
    ) -> Outcome<Option<Timestamp>> {
        let expires_at = now.saturating_add(LIFETIME);
        let mut created = None;
        self.atomically(|| {
            self.run(
                "DELETE FROM nonces WHERE expires_at <= ?",
                vec![millis(now)],
            )?;
            self.run(
                "DELETE FROM sessions WHERE expires_at <= ?",
                vec![millis(now)],
            )?;
            if login.nonce_expires_at <= now || self.nonce_was_used(&login.nonce)? {
                return Ok(());
            }
            if self.domain()?.is_none() {
                // As old as the reading is: the time that it may be believed has begun then (C07).
                let asked_at = login.asked_at.unwrap_or(now).min(now);
                self.save_domain(asset, &login.owned, asked_at)?;
                self.save_life(&Life::new(now))?;
            }
            self.run(
                "INSERT INTO nonces (nonce, expires_at) VALUES (?, ?)",
                vec![
                    login.nonce.to_string().into(),
                    millis(login.nonce_expires_at),
                ],
            )?;
            self.run(
                "INSERT INTO sessions (id, wallet, created_at, expires_at) VALUES (?, ?, ?, ?)",
                vec![
                    id.to_string().into(),
                    login.owned.owner.to_string().into(),
                    millis(now),
                    millis(expires_at),
                ],
            )?;
            self.run(
                "DELETE FROM sessions WHERE id NOT IN
                 (SELECT id FROM sessions ORDER BY created_at DESC, rowid DESC LIMIT ?)",
                vec![SESSIONS_KEPT.into()],
            )?;
            let wallet = login.owned.owner;
            self.audit(now, &Entry::Login { wallet })?;
            created = Some(expires_at);
            Ok(())
        })?;
        Ok(created)
    }

    fn nonce_was_used(&self, nonce: &Nonce) -> Outcome<bool> {
        let used: Option<Count> = self.row(
            "SELECT COUNT(*) AS count FROM nonces WHERE nonce = ?",
            vec![nonce.to_string().into()],
        )?;
        Ok(used.is_none_or(|row| row.count > 0))
    }

    pub fn session(&self, id: SessionId, now: Timestamp) -> Outcome<Option<SessionRow>> {
        self.row(
            "SELECT id, wallet, created_at, expires_at FROM sessions WHERE id = ? AND expires_at > ?",
            vec![id.to_string().into(), millis(now)],
        )
    }

    /// The living sessions of a wallet, newest first.
    pub fn sessions(&self, wallet: Wallet, now: Timestamp) -> Outcome<Vec<SessionRow>> {
        self.rows(
            "SELECT id, wallet, created_at, expires_at FROM sessions WHERE wallet = ? AND expires_at > ?
             ORDER BY created_at DESC, id",
            vec![wallet.to_string().into(), millis(now)],
        )
    }

    /// Ends a session of `wallet` with its tickets. Tells whether there was one.
    pub fn end_session(&self, id: SessionId, wallet: Wallet, now: Timestamp) -> Outcome<bool> {
        let mut ended = false;
        self.atomically(|| {
            let row: Option<Text> = self.row(
                "DELETE FROM sessions WHERE id = ? AND wallet = ? RETURNING id AS text",
                vec![id.to_string().into(), wallet.to_string().into()],
            )?;
            ended = row.is_some();
            if ended {
                self.run(
                    "DELETE FROM tickets WHERE session = ?",
                    vec![id.to_string().into()],
                )?;
                self.audit(now, &Entry::SessionEnded { wallet })?;
            }
            Ok(())
        })?;
        Ok(ended)
    }

    /// Ends what everybody but the owner had, as the chain names one or none now: sessions, tickets, what was chosen, proposed or prepared, channels and what came by them, secrets
    /// with their uses, and the salt without which no copy of them opens. Snapshots stay, out of reach under their tenant's
    /// prefix (C08). `life` is the new tenant's. All of it or nothing: a new owner in the row with the old one's agent would
    /// be the worst of both.
    pub fn take_over(
        &self,
        domain: &Domain,
        owned: Option<&Owned>,
        life: &Life,
        asked_at: Timestamp,
    ) -> Outcome<()> {
        // No wallet is the empty text, so without an owner every row goes.
        let to = owned.map(|owned| owned.owner);
        let owner = to.map(|owner| owner.to_string()).unwrap_or_default();
        let from = domain.owner;
        self.atomically(|| {
            let changed = to != Some(from);
            if let Some(owned) = owned {
                self.save_domain(domain.asset, owned, asked_at)?;
            }
            self.run("DELETE FROM tickets", vec![])?;
            let count = self.delete("sessions WHERE wallet <> ?", vec![owner.as_str().into()])?;
            let ended = Entry::SessionsEnded { count };
            let count = self.shred(&owner)?;
            let shredded = Entry::SecretsShredded { count };
            for table in [
                "choices",
                "uses",
                "logs",
                "wakes",
                "prepared",
                "channels",
                "inbox",
                "turns",
                "people",
                "proposals",
                "proposal_days",
            ] {
                self.run(
                    &format!("DELETE FROM {table} WHERE owner <> ?"),
                    vec![owner.as_str().into()],
                )?;
            }
            let count = self.snapshots(from)?.len().try_into().unwrap_or(u32::MAX);
            let sealed = Entry::SnapshotsSealed { count };
            self.save_life(life)?;
            if changed {
                for entry in [Entry::OwnerChanged { from, to }, ended, shredded, sealed] {
                    self.audit(asked_at, &entry)?;
                }
            }
            Ok(())
        })
    }

    /// Deletes from a table, as the rest of the statement says, and counts.
    pub(super) fn delete(&self, rest: &str, values: Values) -> Outcome<u32> {
        let rows: Vec<Count> =
            self.rows(&format!("DELETE FROM {rest} RETURNING 1 AS count"), values)?;
        Ok(rows.len().try_into().unwrap_or(u32::MAX))
    }

    /// Writes an entry down, and lets the oldest beyond [`AUDIT_KEPT`] go.
    pub fn audit(&self, at: Timestamp, entry: &Entry) -> Outcome<()> {
        let text = serde_json::to_string(entry)
            .map_err(|error| Failure::internal(format!("audit entry: {error}")))?;
        self.run(
            "INSERT INTO audit (at, entry) VALUES (?, ?)",
            vec![millis(at), text.into()],
        )?;
        self.run(
            "DELETE FROM audit WHERE id <= (SELECT MAX(id) FROM audit) - ?",
            vec![AUDIT_KEPT.into()],
        )
    }

    /// Keeps a ticket by its hash.
    pub fn add_ticket(
        &self,
        hash: &str,
        session: SessionId,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Outcome<()> {
        self.run(
            "DELETE FROM tickets WHERE expires_at <= ?",
            vec![millis(now)],
        )?;
        self.run(
            "INSERT INTO tickets (hash, session, expires_at) VALUES (?, ?, ?)",
            vec![hash.into(), session.to_string().into(), millis(expires_at)],
        )
    }

    /// The session a ticket is for; the ticket is spent.
    pub fn spend_ticket(&self, hash: &str, now: Timestamp) -> Outcome<Option<SessionId>> {
        let session: Option<Text> = self.row(
            "DELETE FROM tickets WHERE hash = ? AND expires_at > ? RETURNING session AS text",
            vec![hash.into(), millis(now)],
        )?;
        Ok(session.and_then(|row| SessionId::parse(&row.text).ok()))
    }
}
