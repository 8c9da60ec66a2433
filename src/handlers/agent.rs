//! `/v1/agents/{asset}/...`: what an owner asks of their agent. The token's subject must be the agent addressed (C06).

use multiclaw_agent_object::port::Outcome;
use multiclaw_core::error::Problem;
use multiclaw_core::ids::Asset;
use multiclaw_core::messages::{Call, OwnerCall};
use multiclaw_core::route::AgentRoute;
use multiclaw_core::session::Audience;
use worker::{Env, Request, Response};

use super::caller;
use crate::input::Fields;
use crate::ports::objects;

const VALUE_LENGTH: usize = 512;

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
            let value = fields.text(
                "value",
                VALUE_LENGTH,
                "16 to 512 printable ASCII characters without spaces",
            )?;
            OwnerCall::PutSecret {
                name,
                value: value.to_owned(),
            }
        }
        AgentRoute::DeleteSecret(name) => OwnerCall::DeleteSecret { name },
    };
    objects::call(env, asset, Call::Owner(caller, call)).await
}
