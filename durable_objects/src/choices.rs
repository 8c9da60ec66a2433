//! What an owner chooses for their agent: the model. A start reads it, with the keys that there are then.

use multiclaw_core::ids::Wallet;
use multiclaw_core::model::{Choices, ModelRef, SettingsView};
use multiclaw_core::secrets::{CATALOGUE, SecretName};
use multiclaw_core::tenancy::Tenant;

use crate::Agent;
use crate::port::Outcome;

impl Agent {
    pub(crate) fn settings_view(&self, tenant: &Tenant) -> Outcome<SettingsView> {
        let mut available: Vec<SecretName> = Vec::new();
        for kind in &CATALOGUE {
            if self.secret_status(tenant, kind)?.is_available() {
                available.push(kind.name);
            }
        }
        let choices = self.store.choices(tenant.owner)?;
        Ok(SettingsView::new(choices, &available))
    }

    pub(crate) fn put_settings(
        &self,
        tenant: &Tenant,
        model: Option<ModelRef>,
    ) -> Outcome<SettingsView> {
        self.store.save_choices(tenant.owner, &Choices { model })?;
        self.settings_view(tenant)
    }

    pub(crate) fn chosen_model(&self, owner: Wallet) -> Outcome<Option<ModelRef>> {
        Ok(self.store.choices(owner)?.model)
    }
}
