//! `ASSETS`: the console's files.

use multiclaw_agent_object::port::{Outcome, Tried as _};
use multiclaw_core::error::Failure;
use worker::{Env, Request, Response};

pub async fn fetch(request: Request, env: &Env) -> Outcome<Response> {
    let assets = env
        .assets("ASSETS")
        .map_err(|error| Failure::misconfigured(format!("binding ASSETS: {error}")))?;
    assets.fetch_request(request).await.tried("console file")
}
