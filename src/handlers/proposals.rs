//! `POST /v1/proposals` of `MODELS_ORIGIN`: what an agent proposes that its wallet do, by its pass. It is told that it waits, and
//! nothing of what its owner does with it.

use multiclaw_agent_object::port::Outcome;
use multiclaw_agent_object::settings::session_keys;
use multiclaw_core::error::{Code, Problem};
use multiclaw_core::messages::Call;
use multiclaw_core::proposal::MAX_BODY;
use multiclaw_core::session::PassTo;
use worker::{Env, Request, Response};

use crate::input::{Fields, header};
use crate::ports::objects;

pub async fn handle(request: &Request, env: &Env) -> Outcome<Response> {
    let browsers = ["origin", "sec-fetch-site", "cookie"];
    if browsers.iter().any(|name| header(request, name).is_some()) {
        let detail = "Proposals come from an agent's container, and no browser is there.";
        return Err(Problem::new(Code::OriginNotAllowed, detail).into());
    }
    let authorization = header(request, "authorization").unwrap_or_default();
    let pass = authorization.strip_prefix("Bearer ").ok_or_else(no_pass)?;
    let start = session_keys(env)?
        .verify_pass(PassTo::Proposals, pass)
        .map_err(|_| no_pass())?;
    let body = Fields::read_up_to(request, MAX_BODY).await;
    let body = body.and_then(|fields| fields.text_of_all());
    // What can't be read is refused here and counted there.
    let read = body.as_ref().ok().cloned();
    let answer = objects::call(env, start.asset, Call::Propose(start, read)).await?;
    body.map(|_| answer)
}

fn no_pass() -> Problem {
    Problem::new(
        Code::Unauthenticated,
        "Proposals take the pass to them that an agent was started with.",
    )
}
