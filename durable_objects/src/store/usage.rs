//! What calls of models cost today, by owner, provider and whose key it was. Days that are over are not kept.

use multiclaw_core::ids::Wallet;
use multiclaw_core::secrets::{SecretName, Source};
use multiclaw_core::usage::{Amount, ProviderUsage};

use super::{Store, Values};
use crate::port::Outcome;

/// What a call is counted under.
#[derive(Clone)]
pub struct Account {
    pub day: String,
    pub owner: Wallet,
    pub name: SecretName,
    pub source: Source,
}

impl Account {
    fn values(&self) -> Values {
        vec![
            self.day.as_str().into(),
            self.owner.to_string().into(),
            self.name.as_str().into(),
            self.source.as_str().into(),
        ]
    }
}

impl Store {
    pub fn count_call(&self, account: &Account) -> Outcome<()> {
        self.run(
            "DELETE FROM usage WHERE day <> ?",
            vec![account.day.as_str().into()],
        )?;
        self.run(
            "INSERT INTO usage (day, owner, name, source, requests, tokens) VALUES (?, ?, ?, ?, 1, 0)
             ON CONFLICT DO UPDATE SET requests = requests + 1",
            account.values(),
        )
    }

    /// Of a call that was counted.
    pub fn count_tokens(&self, account: &Account, tokens: u64) -> Outcome<()> {
        let mut values = vec![i64::try_from(tokens).unwrap_or(i64::MAX).into()];
        values.extend(account.values());
        self.run(
            "UPDATE usage SET tokens = tokens + ? WHERE day = ? AND owner = ? AND name = ? AND source = ?",
            values,
        )
    }

    /// All that the platform's keys were used for, whoever owned the domain.
    pub fn platform_usage(&self, day: &str) -> Outcome<Amount> {
        let sum = self.row(
            "SELECT COALESCE(SUM(requests), 0) AS requests, COALESCE(SUM(tokens), 0) AS tokens
             FROM usage WHERE day = ? AND source = 'platform'",
            vec![day.into()],
        )?;
        Ok(sum.unwrap_or_default())
    }

    pub fn usage_of(&self, day: &str, owner: Wallet) -> Outcome<Vec<ProviderUsage>> {
        self.rows(
            "SELECT name, source, requests, tokens FROM usage WHERE day = ? AND owner = ? ORDER BY name, source",
            vec![day.into(), owner.to_string().into()],
        )
    }
}
