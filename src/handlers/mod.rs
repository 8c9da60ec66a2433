//! One file per area of the interface. Each handler parses, calls, and answers.

pub mod agent;
pub mod auth;
pub mod entry;
pub mod hooks;
pub mod models;
pub mod proposals;
pub mod wall;

use multiclaw_agent_object::port::{Outcome, now};
use multiclaw_agent_object::settings::session_keys;
use multiclaw_core::error::Problem;
use multiclaw_core::messages::Caller;
use multiclaw_core::session::{Audience, token_from_cookies};
use worker::{Env, Request};

use crate::input::header;

/// Who calls, by the cookie of this origin. That the session still lives is the object's to say.
fn caller(request: &Request, env: &Env, audience: Audience) -> Outcome<Caller> {
    let cookies = header(request, "cookie").unwrap_or_default();
    let token = token_from_cookies(audience, &cookies).ok_or_else(Problem::sign_in)?;
    let (session, _) = session_keys(env)?
        .verify(audience, token, now())
        .map_err(|_| Problem::sign_in())?;
    Ok(Caller {
        asset: session.asset,
        session: session.id,
        wallet: session.wallet,
        epoch: session.epoch,
    })
}
