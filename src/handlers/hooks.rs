//! `POST /hooks/solana`: the RPC provider says that assets moved. Each one named is read from the chain again; nothing of
//! the notice is believed (C07). `POST /hooks/telegram/{asset}/{hook}`: what people write to an agent's bot, for its object
//! to keep. `POST /hooks/{slack,discord}/{asset}/{hook}`: what they write to one that ends here.

use multiclaw_agent_object::port::{Outcome, log, now};
use multiclaw_agent_object::reply::empty;
use multiclaw_agent_object::settings;
use multiclaw_core::door::{DoorPath, MadeWith};
use multiclaw_core::edge::EdgeChannel;
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::hook::{HookPath, SECRET_HEADER};
use multiclaw_core::ids::Asset;
use multiclaw_core::inbox::{MAX_UPDATE, UpdateId};
use multiclaw_core::messages::Call;
use multiclaw_core::webhook::{MAX_LENGTH, assets_of};
use multiclaw_core::{discord, slack};
use worker::{Context, Env, Request, Response};

use crate::input::{header, read_body_up_to};
use crate::ports::objects;

/// The provider waits a second for its answer: the readings go on after it.
pub async fn solana(request: &Request, env: &Env, context: &Context) -> Outcome<Response> {
    let secret = settings::hook_secret(env)?.ok_or_else(|| {
        Failure::misconfigured("a notice came, but secret SOLANA_WEBHOOK_SECRET is not set")
    })?;
    // Before anything of the body is read.
    if !secret.admits(header(request, "authorization").unwrap_or_default()) {
        return Err(Problem::new(
            Code::Unauthenticated,
            "Send the webhook's secret in the `Authorization` header.",
        )
        .into());
    }
    let body = read_body_up_to(request, MAX_LENGTH).await?;
    let assets = core::str::from_utf8(&body)
        .ok()
        .and_then(assets_of)
        .ok_or_else(|| {
            let detail = "The body must be a JSON array of transactions, enhanced or raw.";
            Problem::new(Code::MalformedBody, detail)
        })?;
    for asset in assets {
        let env = env.clone();
        context.wait_until(async move {
            // A domain that nobody signed in to has nothing to take away.
            match objects::call(&env, asset, Call::Recheck).await {
                Ok(answer) if matches!(answer.status_code(), 204 | 401) => {}
                Ok(answer) => log(&Failure::internal(format!(
                    "a notice's reading: status {}",
                    answer.status_code()
                ))),
                Err(failure) => log(&failure),
            }
        });
    }
    Ok(empty())
}

/// Both secrets are compared before anything is read or any object asked.
pub async fn telegram(
    asset: Asset,
    path: &HookPath,
    request: &Request,
    env: &Env,
) -> Outcome<Response> {
    let secret = header(request, SECRET_HEADER).unwrap_or_default();
    if !settings::sealing_keys(env)?.admits(asset, path, secret) {
        let detail = "Send the webhook's secret in the `X-Telegram-Bot-Api-Secret-Token` header.";
        return Err(Problem::new(Code::Unauthenticated, detail).into());
    }
    let body = read_body_up_to(request, MAX_UPDATE).await?;
    let update = String::from_utf8(body).unwrap_or_default();
    let id = UpdateId::of(&update).ok_or_else(|| {
        let detail = "The body must be a JSON object with Telegram's `update_id`.";
        Problem::new(Code::MalformedBody, detail)
    })?;
    let door = path.door(asset);
    let call = Call::Telegram {
        owner: door.tenant.owner,
        bot: door.bot.get(),
        id: id.get(),
        update,
    };
    objects::call(env, asset, call).await
}

/// Who does not know the door has no object asked. That what came was signed with the tenant's secret is for the object to
/// say, which has it; here it must look as if it were, and be of this moment.
pub async fn edge(
    channel: EdgeChannel,
    asset: Asset,
    path: &DoorPath,
    request: &Request,
    env: &Env,
) -> Outcome<Response> {
    let opened = settings::sealing_keys(env)?.admits_at(channel, asset, path);
    let made_with = opened.ok_or_else(|| {
        let detail = "Send it to the address that the channel's owner was shown.";
        Problem::new(Code::Unauthenticated, detail)
    })?;
    let names = match channel {
        EdgeChannel::Slack => [slack::TIMESTAMP_HEADER, slack::SIGNATURE_HEADER],
        EdgeChannel::Discord => [discord::TIMESTAMP_HEADER, discord::SIGNATURE_HEADER],
    };
    let [timestamp, signature] = names.map(|name| header(request, name).unwrap_or_default());
    let is_of_now = match channel {
        EdgeChannel::Slack => slack::Stamp::parse(&timestamp, &signature, now()).is_some(),
        EdgeChannel::Discord => discord::Stamp::parse(&timestamp, &signature, now()).is_some(),
    };
    if !is_of_now {
        let [timestamp, signature] = names;
        let detail = format!("Sign the request, as of now, in `{signature}` and `{timestamp}`.");
        return Err(Problem::new(Code::Unauthenticated, detail).into());
    }
    let body = read_body_up_to(request, slack::MAX_EVENT).await?;
    let body = String::from_utf8(body).map_err(|_| {
        let detail = "The body must be an event, as JSON.";
        Problem::new(Code::MalformedBody, detail)
    })?;
    let call = Call::Edge {
        channel,
        owner: path.tenant(asset).owner,
        by_old_door: made_with == MadeWith::Previous,
        timestamp,
        signature,
        body,
    };
    objects::call(env, asset, call).await
}
