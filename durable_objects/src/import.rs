//! Moves keys that an owner typed into OpenClaw's own pages to where they are kept: sealed, and written fresh at every start.

use core::time::Duration;

use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::lifecycle::State;
use multiclaw_core::messages::SecretList;
use multiclaw_core::secrets::{CATALOGUE, SecretName};
use multiclaw_core::tenancy::Tenant;
use multiclaw_core::typed::TypedKeys;

use crate::Agent;
use crate::container::Stdin;
use crate::port::Outcome;

const LIMIT: Duration = Duration::from_secs(30);

impl Agent {
    pub(crate) async fn import_secrets(&self, tenant: &Tenant) -> Outcome<SecretList> {
        if self.life()?.state != State::Running {
            return Err(Problem::new(
                Code::WrongState,
                "Keys can be moved while the agent runs. Start it first.",
            )
            .into());
        }
        let said = self
            .container()?
            .run(&["/opt/agent/agent", "keys"], Stdin::Nothing, LIMIT)
            .await
            .map_err(not_told)?;
        let typed = TypedKeys::parse(&said)
            .ok_or_else(|| not_told(Failure::internal("`keys` said what is no answer")))?;
        // Meanwhile the domain may have changed hands, and nothing may be kept for who had it.
        let owner = self.store.domain()?.map(|domain| domain.owner);
        if owner != Some(tenant.owner) {
            return Err(Problem::sign_in().into());
        }
        let mut set = Vec::new();
        for kind in &CATALOGUE {
            if self.store.secret(tenant.owner, kind.name)?.is_some() {
                set.push(kind.name);
            }
        }
        let judged = typed.judge(|name| set.contains(&name));
        for (name, value) in &judged.taken {
            self.put_secret(tenant, *name, value)?;
        }
        let taken: Vec<SecretName> = judged.taken.iter().map(|(name, _)| *name).collect();
        Ok(SecretList {
            imported: Some(texts(&taken)),
            refused: Some(texts(&judged.refused)),
            ..self.secret_list(tenant)?
        })
    }

    pub(crate) fn secret_list(&self, tenant: &Tenant) -> Outcome<SecretList> {
        let secrets: Outcome<_> = CATALOGUE
            .iter()
            .map(|kind| self.secret_status(tenant, kind))
            .collect();
        Ok(SecretList {
            secrets: secrets?,
            imported: None,
            refused: None,
        })
    }
}

fn texts(names: &[SecretName]) -> Vec<String> {
    names.iter().map(|name| name.as_str().to_owned()).collect()
}

/// A container of an older image lacks the command.
fn not_told(failure: Failure) -> Failure {
    Failure::new(
        Code::WrongState,
        "The agent could not be asked for its keys. Restart it and try again.",
        failure.context.unwrap_or_default(),
    )
}
