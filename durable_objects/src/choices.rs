//! What an owner chooses for their agent: the model, and which keys it is not to have. A start reads it, with the keys that
//! there are then.

use multiclaw_core::error::Problem;
use multiclaw_core::keyless::{Delivery, NO_SETUP_TOKEN, can_be_kept_out, delivery};
use multiclaw_core::model::{Choices, ModelRef, SettingsView};
use multiclaw_core::renewal::Renewal;
use multiclaw_core::secret::Secret;
use multiclaw_core::secrets::{CATALOGUE, SecretName};
use multiclaw_core::tenancy::Tenant;

use crate::Agent;
use crate::port::Outcome;
use crate::sealed::OwnSecret;
use crate::settings;

/// What is to change; `None` stays as it is.
pub(crate) struct Changes {
    pub(crate) model: Option<Option<ModelRef>>,
    pub(crate) keyless: Option<Vec<SecretName>>,
}

impl Agent {
    pub(crate) fn settings_view(&self, tenant: &Tenant) -> Outcome<SettingsView> {
        let choices = self.store.choices(tenant.owner)?;
        let offered = settings::hosts(&self.env)?.models().is_some();
        let mut available: Vec<SecretName> = Vec::new();
        for kind in &CATALOGUE {
            let status = self.secret_status(tenant, kind)?;
            let delivered = delivery(kind, status.source, &choices.keyless, offered);
            if status.is_available() && delivered != Delivery::Nothing {
                available.push(kind.name);
            }
        }
        Ok(SettingsView::new(choices, &available, offered))
    }

    /// Refuses a value that could not be used as its owner wants it to be.
    pub(crate) fn check_kept_out(
        &self,
        tenant: &Tenant,
        name: SecretName,
        value: &Secret,
    ) -> Outcome<()> {
        let chosen = self.store.choices(tenant.owner)?.keyless;
        if chosen.contains(&name) && !can_be_kept_out(value) {
            let rule = "be an API key while it is kept out of the agent: a setup token (`sk-ant-oat...`) works in the agent alone";
            return Err(Problem::value("value", rule).into());
        }
        Ok(())
    }

    /// Saves what changed. Tells how that gets to an agent that runs: what it is to have no more must leave it whole.
    pub(crate) fn put_settings(
        &self,
        tenant: &Tenant,
        changes: Changes,
    ) -> Outcome<(SettingsView, Renewal)> {
        let before = self.store.choices(tenant.owner)?;
        let kept_out = |name: &SecretName| before.keyless.contains(name);
        let mut renewal = Renewal::Reload;
        for name in changes
            .keyless
            .iter()
            .flatten()
            .filter(|name| !kept_out(name))
        {
            if settings::hosts(&self.env)?.models().is_none() {
                let rule = "be empty: this service has no way for calls of models without keys";
                return Err(Problem::value("keyless", rule).into());
            }
            if let OwnSecret::Value(value) = self.own_secret(tenant, *name)? {
                if !can_be_kept_out(&value) {
                    return Err(Problem::value("keyless", NO_SETUP_TOKEN).into());
                }
                renewal = Renewal::Restart;
            }
        }
        let choices = Choices {
            model: changes.model.unwrap_or(before.model),
            keyless: changes.keyless.unwrap_or(before.keyless),
        };
        self.store.save_choices(tenant.owner, &choices)?;
        Ok((self.settings_view(tenant)?, renewal))
    }
}
