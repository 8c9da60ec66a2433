//! What every start writes fresh into the container, and what changed into one that runs: configuration and secrets, by
//! standard input (C13), and how the owner's own secrets are kept, sealed (C10).

use core::time::Duration;

use multiclaw_core::config::WebOrigin;
use multiclaw_core::encoding::{base64, hex};
use multiclaw_core::error::Failure;
use multiclaw_core::ids::SessionId;
use multiclaw_core::keyless::{Delivery, PATH_PREFIX, delivery};
use multiclaw_core::lifecycle::State;
use multiclaw_core::openclaw::{HOOK_PATH, HOOK_SECRET, Held, config};
use multiclaw_core::proposal::{PASS as PROPOSALS_PASS, PATH as PROPOSALS_PATH};
use multiclaw_core::renewal::Renewal;
use multiclaw_core::sealing::Salt;
use multiclaw_core::secret::Secret;
use multiclaw_core::secrets::{CATALOGUE, Own, Place, SecretKind, SecretName, SecretStatus};
use multiclaw_core::session::{PassTo, Start};
use multiclaw_core::tenancy::Tenant;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Agent;
use crate::container::{Container, Stdin};
use crate::driver::Term;
use crate::port::{Outcome, now, random};
use crate::sealed::OwnSecret;
use crate::settings;

/// A running gateway takes what was written after some seconds.
const LIMIT: Duration = Duration::from_secs(45);

/// What a container says of an injection; an older image says less, and has no gateway take anything as it runs.
#[derive(Deserialize)]
struct Injected {
    #[serde(default)]
    reloaded: bool,
}

impl Agent {
    /// Writes configuration and secrets, and lets the agent go. Tells whether an agent that runs has taken them.
    pub(crate) async fn inject(&self, container: &Container, term: &Term) -> Outcome<bool> {
        let domain = &term.domain;
        let changes = self.life()?.changes;
        let tenant = Tenant {
            asset: domain.asset,
            owner: domain.owner,
        };
        let hosts = settings::hosts(&self.env)?;
        let origin = hosts.agent_origin(domain.asset);
        let door = hosts.models().map(WebOrigin::as_str);
        let choices = self.store.choices(domain.owner)?;
        let mut held = Vec::new();
        let mut secrets = Map::new();
        let mut taken = Vec::new();
        let taken_at = now();
        for kind in &CATALOGUE {
            let (source, value) = self.value_in_force(&tenant, kind)?;
            let Some(value) = value else { continue };
            let gateway = settings::base_url(&self.env, kind);
            let models = kind.models();
            let api = models.and_then(|models| match gateway {
                Some(_) => models.gateway_api,
                None => models.vendor_api,
            });
            let delivery = delivery(kind, source, &choices.keyless, door.is_some());
            let (base_url, value) = match (delivery, door) {
                (Delivery::Value, _) => (gateway, value.expose().to_owned()),
                (Delivery::Pass, Some(door)) => {
                    let url = format!("{door}{PATH_PREFIX}{}", kind.text);
                    (Some(url), self.pass(term, PassTo::Models)?)
                }
                (Delivery::Pass, None) | (Delivery::Nothing, _) => {
                    let what = kind.text;
                    self.log(&Failure::misconfigured(format!(
                        "MODELS_ORIGIN is not set, and the owner keeps {what} out of the agent: it starts without it"
                    )));
                    continue;
                }
            };
            let channel = match kind.place {
                Place::Channel { .. } => {
                    let (setup, hook) = self.channel_setup(&tenant, &Secret::new(value.clone()))?;
                    // The path as well is nobody's to know: as a secret it is masked in logs, and kept out of snapshots.
                    for (name, part) in
                        [(HOOK_SECRET, &hook.header), (HOOK_PATH, &hook.path.text())]
                    {
                        self.learn(part);
                        secrets.insert(name.to_owned(), Value::String(part.expose().to_owned()));
                    }
                    Some(setup)
                }
                Place::Models(_) | Place::File => None,
            };
            held.push(Held {
                kind,
                base_url,
                api,
                channel,
            });
            taken.push((kind.name, source));
            secrets.insert(kind.text.to_owned(), Value::String(value));
        }
        if door.is_some() {
            let pass = self.pass(term, PassTo::Proposals)?;
            secrets.insert(PROPOSALS_PASS.to_owned(), Value::String(pass));
        }
        let proposals = door.map(|door| format!("{door}{PROPOSALS_PATH}"));
        let config = config(
            domain.owner,
            &origin,
            &held,
            choices.model.as_ref(),
            proposals.as_deref(),
        );
        let input = json!({ "config": config, "secrets": secrets });
        let said = container
            .run(
                &["/opt/agent/agent", "inject"],
                Stdin::Text(input.to_string()),
                LIMIT,
            )
            .await?;
        self.store.save_uses(domain.owner, &taken, taken_at)?;
        let reloaded = serde_json::from_str::<Injected>(&said).is_ok_and(|said| said.reloaded);
        let running = self.life()?.state == State::Running;
        if reloaded || !running {
            self.update(term, |life| life.injected(changes))?;
        }
        Ok(reloaded)
    }

    /// What the agent shows at a door of ours. An agent that was started by a version without has none yet.
    fn pass(&self, term: &Term, to: PassTo) -> Outcome<String> {
        let id = match self.life()?.pass {
            Some(id) => id,
            None => SessionId::from_random(random()?),
        };
        self.update(term, |life| life.pass = Some(id))?
            .ok_or_else(|| Failure::internal("a pass for a tenant that was evicted"))?;
        let start = Start {
            asset: term.domain.asset,
            owner: term.domain.owner,
            tenure: term.tenure,
            pass: id,
        };
        settings::session_keys(&self.env)?
            .issue_pass(to, &start)
            .map_err(|error| Failure::internal(format!("pass: {error}")))
    }

    /// Brings what changed to a running agent. One that does not take it is started anew, where it has no choice.
    pub(crate) async fn reload(&self, container: &Container, term: &Term) -> Outcome<()> {
        let failure = match self.inject(container, term).await {
            Ok(true) => return Ok(()),
            Ok(false) => Failure::internal("the agent's image takes no change while it runs"),
            Err(failure) => failure,
        };
        self.log(&failure);
        self.update(term, |life| life.renewal = Some(Renewal::Restart))
            .map(drop)
    }

    pub(crate) fn put_secret(
        &self,
        tenant: &Tenant,
        name: SecretName,
        value: &Secret,
    ) -> Outcome<SecretStatus> {
        let shown = value.redacted();
        self.put_sealed(tenant, name.as_str(), value, shown.as_str())?;
        self.secret_status(tenant, name.kind())
    }

    /// Seals a value; of it only what is `shown` lies there in clear.
    pub(crate) fn put_sealed(
        &self,
        tenant: &Tenant,
        name: &str,
        value: &Secret,
        shown: &str,
    ) -> Outcome<()> {
        self.learn(value);
        let keys = settings::sealing_keys(&self.env)?;
        // What could not be kept up is not taken.
        settings::sweep_period(&self.env)?;
        let salt = match self.salt(tenant.owner)? {
            Some(salt) => salt,
            None => {
                let salt: Salt = random()?;
                self.store.save_salt(tenant.owner, &hex(&salt))?;
                salt
            }
        };
        let blob = keys
            .seal(tenant, &salt, name, value, random()?)
            .map_err(|error| Failure::internal(format!("secret {name}: {error}")))?;
        self.store
            .save_sealed(tenant.owner, name, &base64(&blob), shown, now())?;
        self.has_alarm.set(false);
        Ok(())
    }

    /// What the owner may see of a secret.
    pub(crate) fn secret_status(
        &self,
        tenant: &Tenant,
        kind: &SecretKind,
    ) -> Outcome<SecretStatus> {
        let own = self.store.secret(tenant.owner, kind.name)?;
        let unreadable = matches!(self.own_secret(tenant, kind.name)?, OwnSecret::Unreadable);
        let own = own.map(|row| Own {
            set_at: row.set_at(),
            prefix: row.prefix,
            unreadable,
        });
        let platform = settings::platform_value(&self.env, kind).is_some();
        let last = self.store.last_use(tenant.owner, kind.name)?;
        let status = kind.status(own, platform, last);
        let chosen = self.store.choices(tenant.owner)?.keyless;
        let offered = settings::hosts(&self.env)?.models().is_some();
        let keyless = delivery(kind, status.source, &chosen, offered) != Delivery::Value;
        Ok(SecretStatus { keyless, ..status })
    }
}
