//! What a tenant chose for their agent, and which of their secrets a start took when.

use multiclaw_core::error::Failure;
use multiclaw_core::ids::Wallet;
use multiclaw_core::model::Choices;
use multiclaw_core::secrets::{SecretName, Source, Use};
use multiclaw_core::time::Timestamp;
use serde::Deserialize;

use super::{Store, Text, millis};
use crate::port::Outcome;

#[derive(Deserialize)]
struct UseRow {
    source: Source,
    at: i64,
}

impl Store {
    pub fn choices(&self, owner: Wallet) -> Outcome<Choices> {
        let row: Option<Text> = self.row(
            "SELECT row AS text FROM choices WHERE owner = ?",
            vec![owner.to_string().into()],
        )?;
        let parse = |row: Text| serde_json::from_str(&row.text);
        row.map_or_else(|| Ok(Choices::default()), parse)
            .map_err(|error| Failure::internal(format!("choices row: {error}")))
    }

    pub fn save_choices(&self, owner: Wallet, choices: &Choices) -> Outcome<()> {
        let text = serde_json::to_string(choices)
            .map_err(|error| Failure::internal(format!("choices row: {error}")))?;
        self.run(
            "INSERT OR REPLACE INTO choices (owner, row) VALUES (?, ?)",
            vec![owner.to_string().into(), text.into()],
        )
    }

    pub fn last_use(&self, owner: Wallet, name: SecretName) -> Outcome<Option<Use>> {
        let row: Option<UseRow> = self.row(
            "SELECT source, at FROM uses WHERE owner = ? AND name = ?",
            vec![owner.to_string().into(), name.as_str().into()],
        )?;
        Ok(row.map(|UseRow { source, at }| Use {
            source,
            at: Timestamp::from_millis(at),
        }))
    }

    pub(super) fn is_owner(&self, owner: Wallet) -> Outcome<bool> {
        Ok(self.domain()?.is_some_and(|domain| domain.owner == owner))
    }

    /// Notes what a start has just taken, unless the domain is another owner's by now, who must find nothing of it.
    pub fn save_uses(
        &self,
        owner: Wallet,
        taken: &[(SecretName, Source)],
        at: Timestamp,
    ) -> Outcome<()> {
        if !self.is_owner(owner)? {
            return Ok(());
        }
        for (name, source) in taken {
            self.run(
                "INSERT OR REPLACE INTO uses (owner, name, source, at) VALUES (?, ?, ?, ?)",
                vec![
                    owner.to_string().into(),
                    name.as_str().into(),
                    source.as_str().into(),
                    millis(at),
                ],
            )?;
        }
        Ok(())
    }
}
