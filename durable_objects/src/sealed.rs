//! The owners' secrets at rest: opened, sealed anew when the key was replaced, and gone through once a period, also while
//! the agent sleeps (C10). Nothing here waits, so a row is opened and written anew as one.

use multiclaw_core::encoding::{base64, from_base64, from_hex};
use multiclaw_core::error::Failure;
use multiclaw_core::ids::Wallet;
use multiclaw_core::sealing::{Opened, Salt, SealingKeys, sweep_due};
use multiclaw_core::secret::Secret;
use multiclaw_core::secrets::{SecretKind, SecretName, Source, resolve};
use multiclaw_core::tenancy::Tenant;
use multiclaw_core::time::{Seconds, Timestamp};
use worker::console_log;

use crate::Agent;
use crate::port::{Outcome, Tried as _, now, random};
use crate::settings;

/// After a sweep that could not even begin.
const RETRY_SWEEP_AFTER: Seconds = Seconds::new(3600);

/// What an owner has set under a name.
pub(crate) enum OwnSecret {
    Nothing,
    /// It is there and opens with no key: tampered with, or its key is lost. Only its owner may replace it.
    Unreadable,
    Value(Secret),
}

impl Agent {
    pub(crate) fn own_secret(&self, tenant: &Tenant, name: SecretName) -> Outcome<OwnSecret> {
        self.own_sealed(tenant, name.as_str())
    }

    pub(crate) fn own_sealed(&self, tenant: &Tenant, name: &str) -> Outcome<OwnSecret> {
        let Some(row) = self.store.sealed(tenant.owner, name)? else {
            return Ok(OwnSecret::Nothing);
        };
        let keys = settings::sealing_keys(&self.env)?;
        let opened = self.open_row(&keys, tenant, name, &row.sealed)?;
        Ok(opened.map_or(OwnSecret::Unreadable, |opened| {
            OwnSecret::Value(opened.value)
        }))
    }

    /// The value that a start takes, and where it is from (C12). In place of one that its owner set and that can't be opened
    /// there is none: the platform's would be used without a word, and perhaps against their will.
    pub(crate) fn value_in_force(
        &self,
        tenant: &Tenant,
        kind: &SecretKind,
    ) -> Outcome<(Source, Option<Secret>)> {
        let platform = || settings::platform_value(&self.env, kind);
        match self.own_secret(tenant, kind.name)? {
            OwnSecret::Value(value) => Ok(resolve(Some(value), platform())),
            OwnSecret::Nothing => Ok(resolve(None, platform())),
            OwnSecret::Unreadable => {
                self.log(&Failure::internal(format!(
                    "secret {} of {} can't be opened: the agent starts without it",
                    kind.text, tenant.asset
                )));
                Ok((Source::User, None))
            }
        }
    }

    /// Seals a value that is none of the owner's secrets, and lives shorter than any key.
    pub(crate) fn seal_value(
        &self,
        tenant: &Tenant,
        name: &str,
        value: &Secret,
    ) -> Outcome<String> {
        let salt = self.salt(tenant.owner)?;
        let salt = salt.ok_or_else(|| Failure::internal(format!("no salt to seal {name} with")))?;
        let blob = settings::sealing_keys(&self.env)?
            .seal(tenant, &salt, name, value, random()?)
            .map_err(|error| Failure::internal(format!("{name}: {error}")))?;
        Ok(base64(&blob))
    }

    /// What was sealed so; `None` where it does not open.
    pub(crate) fn open_value(
        &self,
        tenant: &Tenant,
        name: &str,
        sealed: &str,
    ) -> Outcome<Option<Secret>> {
        let (Some(salt), Some(blob)) = (self.salt(tenant.owner)?, from_base64(sealed)) else {
            return Ok(None);
        };
        let opened = settings::sealing_keys(&self.env)?.open(tenant, &salt, name, &blob);
        // Not learned: whoever sends many of them would have the owner's own forgotten.
        Ok(opened.ok().map(|opened| opened.value))
    }

    /// Opens a row, and seals it anew if only the previous key did. `None` for one that does not open.
    fn open_row(
        &self,
        keys: &SealingKeys,
        tenant: &Tenant,
        name: &str,
        sealed: &str,
    ) -> Outcome<Option<Opened>> {
        let (Some(salt), Some(blob)) = (self.salt(tenant.owner)?, from_base64(sealed)) else {
            return Ok(None);
        };
        let Ok(opened) = keys.open(tenant, &salt, name, &blob) else {
            return Ok(None);
        };
        self.learn(&opened.value);
        if opened.is_stale {
            let blob = keys
                .seal(tenant, &salt, name, &opened.value, random()?)
                .map_err(|error| Failure::internal(format!("secret {name}: {error}")))?;
            self.store.reseal(tenant.owner, name, &base64(&blob))?;
        }
        Ok(Some(opened))
    }

    /// `None` also for one that is no salt: nothing opens with it, and the owner's next secret begins a new one.
    pub(crate) fn salt(&self, owner: Wallet) -> Outcome<Option<Salt>> {
        Ok(self.store.salt(owner)?.as_deref().and_then(from_hex))
    }

    /// Goes through what is sealed if that is due. Gives when it is due next; `None` when there is nothing to go through.
    /// What fails here is told to the operator alone: the agent's life does not depend on it.
    pub(crate) fn upkeep(&self) -> Option<Timestamp> {
        self.sweep_if_due().unwrap_or_else(|failure| {
            self.log(&failure);
            Some(now().saturating_add(RETRY_SWEEP_AFTER))
        })
    }

    fn sweep_if_due(&self) -> Outcome<Option<Timestamp>> {
        if !self.store.has_secrets()? {
            return Ok(None);
        }
        let period = settings::sweep_period(&self.env)?;
        let due = sweep_due(self.store.swept_at()?, period, now());
        if due > now() {
            return Ok(Some(due));
        }
        // Written first: one that fails is tried again after a period, not at once and for ever.
        self.store.save_swept_at(now())?;
        if let Err(failure) = self.sweep() {
            self.log(&failure);
        }
        Ok(Some(now().saturating_add(period)))
    }

    /// Opens every row, whoever's and under whichever name, and seals anew what asks for it.
    fn sweep(&self) -> Outcome<()> {
        let Some(domain) = self.store.domain()? else {
            return Ok(());
        };
        let keys = settings::sealing_keys(&self.env)?;
        let (mut renewed, mut unreadable) = (0_u32, 0_u32);
        for row in self.store.sealed_rows()? {
            let opened = match Wallet::parse(&row.owner) {
                Ok(owner) => {
                    let asset = domain.asset;
                    self.open_row(&keys, &Tenant { asset, owner }, &row.name, &row.sealed)?
                }
                Err(_) => None,
            };
            match opened {
                Some(opened) if opened.is_stale => renewed = renewed.saturating_add(1),
                Some(_) => {}
                None => unreadable = unreadable.saturating_add(1),
            }
        }
        if renewed > 0 || unreadable > 0 {
            console_log!(
                "sweep of {}: {renewed} sealed anew, {unreadable} can't be opened",
                domain.asset
            );
        }
        Ok(())
    }

    /// Sees to it that an object that holds sealed rows has an alarm, once in its time in memory and after each new row:
    /// those written before there were sweeps have none, nor has one whose alarm was lost.
    pub(crate) async fn keep_alarm(&self) -> Outcome<()> {
        if self.has_alarm.get() || !self.store.is_ready() || !self.store.has_secrets()? {
            return Ok(());
        }
        let alarm = self.state.storage().get_alarm().await.tried("alarm")?;
        if alarm.is_none() {
            self.wake_at(now()).await?;
        }
        self.has_alarm.set(true);
        Ok(())
    }
}
