//! `/v1/agents/{asset}/...`: what an owner asks of their agent. The token's subject must be the agent addressed (C06).

use multiclaw_agent_object::port::Outcome;
use multiclaw_core::error::Problem;
use multiclaw_core::ids::Asset;
use multiclaw_core::messages::{Call, OwnerCall};
use multiclaw_core::model::{ModelRef, parse_providers, providers};
use multiclaw_core::route::AgentRoute;
use multiclaw_core::secret::Secret;
use multiclaw_core::secrets::SecretName;
use multiclaw_core::session::Audience;
use worker::{Env, Request, Response};

use super::caller;
use crate::input::{Fields, MAX_BODY};
use crate::ports::objects;

pub async fn handle(
    asset: Asset,
    route: AgentRoute,
    request: Request,
    env: &Env,
) -> Outcome<Response> {
    let caller = caller(&request, env, Audience::App)?;
    if caller.asset != asset {
        return Err(Problem::not_yours().into());
    }
    let call = match route {
        AgentRoute::Status => OwnerCall::Status,
        AgentRoute::Start => OwnerCall::Start,
        AgentRoute::Stop => OwnerCall::Stop,
        AgentRoute::Restart => OwnerCall::Restart,
        AgentRoute::Events => OwnerCall::Events,
        AgentRoute::Open => OwnerCall::Open,
        AgentRoute::ListSnapshots => OwnerCall::ListSnapshots,
        AgentRoute::TakeSnapshot => OwnerCall::TakeSnapshot,
        AgentRoute::RestoreSnapshot(id) => OwnerCall::RestoreSnapshot { id },
        AgentRoute::ListSecrets => OwnerCall::ListSecrets,
        AgentRoute::PutSecret(name) => {
            let fields = Fields::read(&request).await?;
            // The form of a text is the kind's to judge, in the object that seals it.
            let value = fields.text("value", MAX_BODY, "a text")?;
            OwnerCall::PutSecret {
                name,
                value: Secret::new(value.to_owned()),
            }
        }
        AgentRoute::DeleteSecret(name) => OwnerCall::DeleteSecret { name },
        AgentRoute::ImportSecrets => OwnerCall::ImportSecrets,
        AgentRoute::Settings => OwnerCall::Settings,
        AgentRoute::PutSettings => {
            let fields = Fields::read(&request).await?;
            let [keeps_model, keeps_keyless] = ["model", "keyless"].map(|name| !fields.holds(name));
            if keeps_model && keeps_keyless {
                let expected = "a text like `provider/model`, or null, where `keyless` is not sent";
                return Err(Problem::field("model", expected).into());
            }
            let model = match keeps_model {
                true => None,
                false => fields.text_or_null(
                    "model",
                    MAX_BODY,
                    "a text like `provider/model`, or null",
                )?,
            };
            OwnerCall::PutSettings {
                model: model.map(ModelRef::parse).transpose()?,
                keeps_model,
                keyless: match keeps_keyless {
                    true => None,
                    false => Some(keyless(&fields)?),
                },
            }
        }
        AgentRoute::Usage => OwnerCall::Usage,
    };
    objects::call(env, asset, Call::Owner(caller, call)).await
}

fn keyless(fields: &Fields) -> Result<Vec<SecretName>, Problem> {
    let known: Vec<&str> = providers().map(SecretName::as_str).collect();
    let refused = || {
        let expected = format!("a list of providers of models, of {}", known.join(", "));
        Problem::field("keyless", &expected)
    };
    let texts = fields.texts("keyless").ok_or_else(refused)?;
    let mut names = Vec::new();
    for name in parse_providers(texts.into_iter()) {
        let name = name.ok_or_else(refused)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}
