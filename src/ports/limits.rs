//! `LOGIN_LIMIT` and `LOGIN_ASSET_LIMIT`: how often one address, and all together for one asset, may try to sign in.

use multiclaw_agent_object::port::{Outcome, Tried as _};
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::ids::Asset;
use multiclaw_core::rate;
use worker::{Env, RateLimiter, Request};

use crate::input::header;

/// Of both limiters, in wrangler.toml.
const PERIOD_SECONDS: u32 = 60;

/// Counts a try of the client's address.
pub async fn login(request: &Request, env: &Env) -> Outcome<()> {
    let address = header(request, "cf-connecting-ip").unwrap_or_default();
    let detail = "Too many sign-ins from this address. Wait a minute.";
    count(
        env.rate_limiter("LOGIN_LIMIT"),
        "LOGIN_LIMIT",
        rate::key(&address),
        detail,
    )
    .await
}

/// Counts a try at an asset, whoever makes it. It is the wider limit: one address alone can't use up an owner's share.
pub async fn login_at(asset: Asset, env: &Env) -> Outcome<()> {
    let detail = "Too many sign-ins for this domain. Wait a minute.";
    let limiter = env.rate_limiter("LOGIN_ASSET_LIMIT");
    count(limiter, "LOGIN_ASSET_LIMIT", rate::asset_key(asset), detail).await
}

async fn count(
    limiter: worker::Result<RateLimiter>,
    binding: &str,
    key: String,
    detail: &str,
) -> Outcome<()> {
    let limiter = limiter
        .map_err(|error| Failure::misconfigured(format!("rate limiter {binding}: {error}")))?;
    if limiter.limit(key).await.tried("rate limiter")?.success {
        return Ok(());
    }
    Err(Problem::new(Code::RateLimited, detail)
        .retry_after(PERIOD_SECONDS)
        .into())
}
