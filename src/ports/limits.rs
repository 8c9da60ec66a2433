//! `LOGIN_LIMIT`: how often one address may try to sign in.

use multiclaw_agent_object::port::{Outcome, Tried as _};
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::rate;
use worker::{Env, Request};

use crate::input::header;

const PERIOD_SECONDS: u32 = 60;

pub async fn login(request: &Request, env: &Env) -> Outcome<()> {
    let limiter = env
        .rate_limiter("LOGIN_LIMIT")
        .map_err(|error| Failure::misconfigured(format!("rate limiter LOGIN_LIMIT: {error}")))?;
    let address = header(request, "cf-connecting-ip").unwrap_or_default();
    if limiter
        .limit(rate::key(&address))
        .await
        .tried("rate limiter")?
        .success
    {
        return Ok(());
    }
    Err(Problem::new(
        Code::RateLimited,
        "Too many sign-ins from this address. Wait a minute.",
    )
    .retry_after(PERIOD_SECONDS)
    .into())
}
