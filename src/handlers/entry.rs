//! An agent's origin (C17): the one-time entry that turns a ticket into this host's cookie, the page shown while the
//! agent wakes, and the way through to the agent.

use multiclaw_agent_object::port::{Outcome, Tried as _, now};
use multiclaw_agent_object::reply::empty;
use multiclaw_agent_object::settings;
use multiclaw_core::bounds::check_request;
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::ids::Asset;
use multiclaw_core::messages::{Call, OwnerCall};
use multiclaw_core::proxy::{is_foreign, is_navigation, is_service_worker};
use multiclaw_core::route::EntryRoute;
use multiclaw_core::session::{Audience, Issuer, Session, set_cookie};
use multiclaw_core::ticket;
use worker::{Env, Request, Response, ResponseBuilder};

use super::auth::new_session;
use super::{caller, session_keys};
use crate::input::read_body;
use crate::ports::{limits, objects};

const ENTER_PAGE: &str = include_str!("../pages/enter.html");
const WAKING_PAGE: &str = include_str!("../pages/waking.html");
const SIGN_IN_PAGE: &str = include_str!("../pages/sign-in.html");
const SCRIPT: &str = include_str!("../pages/edge.js");
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub async fn handle(
    route: EntryRoute,
    asset: Asset,
    request: Request,
    env: &Env,
) -> Outcome<Response> {
    let client: Vec<(String, String)> = request.headers().entries().collect();
    check_request(&request.inner().url(), &client)?;
    if is_service_worker(&client) {
        let detail = "Pages of an agent have no service workers.";
        return Err(Problem::new(Code::NotFound, detail).into());
    }
    let origin = settings::hosts(env)?.agent_origin(asset);
    if is_foreign(&request.inner().method(), &client, &origin) {
        return Err(Problem::new(
            Code::OriginNotAllowed,
            "Pages of other origins may link to an agent, and nothing else.",
        )
        .into());
    }
    match route {
        EntryRoute::Page => page(200, ENTER_PAGE),
        EntryRoute::Script => ours(200, "text/javascript; charset=utf-8", SCRIPT),
        EntryRoute::Redeem => redeem(asset, &request, env).await,
        EntryRoute::Status => {
            let caller = visitor(asset, &request, env)?;
            objects::call(env, asset, Call::Owner(caller, OwnerCall::Status)).await
        }
        EntryRoute::Proxy => pass_on(asset, &request, env).await,
    }
}

/// The caller by this host's cookie; its token must name this host's agent (C06).
fn visitor(
    asset: Asset,
    request: &Request,
    env: &Env,
) -> Outcome<multiclaw_core::messages::Caller> {
    let caller = caller(request, env, Audience::Agent)?;
    if caller.asset == asset {
        Ok(caller)
    } else {
        Err(Problem::not_yours().into())
    }
}

async fn redeem(asset: Asset, request: &Request, env: &Env) -> Outcome<Response> {
    limits::login(request, env).await?;
    let keys = session_keys(env)?;
    let ticket = String::from_utf8(read_body(request).await?).unwrap_or_default();
    // No object is asked about what can't be a ticket.
    ticket::hash(&ticket).ok_or_else(ticket::spent)?;
    let mut answer = objects::call(env, asset, Call::Redeem { ticket }).await?;
    let session = new_session(&mut answer).await?;
    let token = keys
        .issue(
            Session {
                issuer: Issuer::Us,
                asset,
                audience: Audience::Agent,
                id: session.id,
                wallet: session.wallet,
                epoch: session.epoch,
            },
            now(),
            session.expires_at,
        )
        .map_err(|error| Failure::internal(format!("token: {error}")))?;
    let response = empty();
    let cookie = set_cookie(Audience::Agent, &token, now(), session.expires_at);
    response
        .headers()
        .set("set-cookie", &cookie)
        .tried("cookie")?;
    Ok(response)
}

async fn pass_on(asset: Asset, request: &Request, env: &Env) -> Outcome<Response> {
    let client: Vec<(String, String)> = request.headers().entries().collect();
    let person = is_navigation(&request.inner().method(), &client);
    let caller = match visitor(asset, request, env) {
        Err(failure) if person && failure.problem.code == Code::Unauthenticated => {
            return page(401, SIGN_IN_PAGE);
        }
        other => other?,
    };
    let answer = objects::pass_on(env, caller, request).await?;
    let refused =
        header_of(&answer, "content-type").is_some_and(|media| media == "application/problem+json");
    match answer.status_code() {
        // The object's own refusals, shown as pages to people. An agent's 503 of this type would show the same page.
        503 if person && refused => page(503, WAKING_PAGE),
        401 if person && refused => page(401, SIGN_IN_PAGE),
        _ => Ok(answer),
    }
}

fn header_of(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).ok().flatten()
}

fn page(status: u16, html: &'static str) -> Outcome<Response> {
    ours(status, "text/html; charset=utf-8", html)
}

fn ours(status: u16, content_type: &str, body: &'static str) -> Outcome<Response> {
    ResponseBuilder::new()
        .with_status(status)
        .with_header("content-type", content_type)
        .and_then(|builder| builder.with_header("content-security-policy", PAGE_POLICY))
        .and_then(|builder| builder.with_header("cache-control", "no-store"))
        .map(|builder| builder.fixed(body.as_bytes().to_vec()))
        .tried("page")
}
