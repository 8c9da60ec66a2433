//! `ASSETS`: the console's files, and the description of the API.

use multiclaw_agent_object::port::{Outcome, Tried as _};
use multiclaw_core::error::{Code, Failure, Problem};
use worker::{Env, Request, Response};

pub async fn fetch(request: Request, env: &Env) -> Outcome<Response> {
    let assets = env
        .assets("ASSETS")
        .map_err(|error| Failure::misconfigured(format!("binding ASSETS: {error}")))?;
    let file = assets.fetch_request(request).await.tried("console file")?;
    match file.status_code() {
        404 => Err(Problem::new(
            Code::NotFound,
            "There is no such page. The API is below /v1/.",
        )
        .into()),
        _ => Ok(file),
    }
}
