//! The Worker: the only door to the agents. It tells whose host is addressed, routes, and answers.

mod handlers;
mod input;
mod ports;
mod respond;

use multiclaw_core::config::{Hosts, Surface, WebOrigin};
use multiclaw_core::csrf::Sender;
use multiclaw_core::error::{Code, Problem};
use multiclaw_core::keyless::PATH_PREFIX;
use multiclaw_core::proposal::PATH as PROPOSALS_PATH;
use multiclaw_core::route::{AppRoute, EntryRoute, HEALTH_PATH, RouteError};
use worker::{Context, Env, Request, Response, event};

// Named here so that the bundle exports it: a class of a dependency that nobody names is silently left out.
pub use multiclaw_agent_object::Agent;
use multiclaw_agent_object::port::{Outcome, Tried as _};
use multiclaw_agent_object::settings;

use crate::input::header;
use crate::respond::Shell;

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> worker::Result<Response> {
    if handlers::wall::is_diverted(&context) {
        return respond::failure(&handlers::wall::turned_away(), &Shell::Bare);
    }
    if request.path() == HEALTH_PATH && !is_agent_host(&request, &env) {
        return match AppRoute::find(&request.inner().method(), HEALTH_PATH) {
            Ok(_) => respond::health(),
            Err(error) => respond::route_error(error, &Shell::Bare),
        };
    }
    let hosts = match settings::hosts(&env) {
        Ok(hosts) => hosts,
        Err(failure) => return respond::failure(&failure, &Shell::Bare),
    };
    let host = header(&request, "host").unwrap_or_default();
    let door = hosts.models().map(WebOrigin::host);
    let is_door = door.is_some_and(|door| host.eq_ignore_ascii_case(door));
    let path = request.path();
    if let Some(path) = path.strip_prefix(PATH_PREFIX)
        && is_door
    {
        return respond::to_agent(handlers::models::handle(path, &request, &env).await).await;
    }
    if path == PROPOSALS_PATH && is_door {
        let answer = match request.inner().method().as_str() {
            "POST" => handlers::proposals::handle(&request, &env).await,
            _ => return respond::route_error(RouteError::Method("POST".to_owned()), &Shell::Bare),
        };
        return respond::finish(answer, &Shell::Bare);
    }
    match hosts.surface(&host) {
        Some(Surface::App) => app(request, &env, &hosts, &context).await,
        Some(Surface::Agent(asset)) => {
            let shell = Shell::Agent;
            match EntryRoute::find(&request.inner().method(), &request.path()) {
                Ok(route) => respond::finish(
                    handlers::entry::handle(route, asset, request, &env).await,
                    &shell,
                ),
                Err(error) => respond::route_error(error, &shell),
            }
        }
        None => {
            let detail = "Nothing is served on this host. See APP_ORIGINS and AGENT_DOMAIN.";
            respond::failure(&Problem::new(Code::NotFound, detail).into(), &Shell::Bare)
        }
    }
}

/// `/healthz` of an agent's host is the agent's. It is no reason to need a configuration.
fn is_agent_host(request: &Request, env: &Env) -> bool {
    let host = header(request, "host").unwrap_or_default();
    settings::hosts(env).is_ok_and(|hosts| matches!(hosts.surface(&host), Some(Surface::Agent(_))))
}

async fn app(
    request: Request,
    env: &Env,
    hosts: &Hosts,
    context: &Context,
) -> worker::Result<Response> {
    let origin = header(&request, "origin");
    let allowed = origin
        .as_deref()
        .and_then(|origin| hosts.app_origin(origin));
    let shell = Shell::App {
        origin: allowed.map(|origin| origin.as_str().to_owned()),
    };
    let method = request.inner().method();
    if method == "OPTIONS" && allowed.is_some() {
        return respond::preflight(&shell);
    }
    // Cookies are SameSite; a browser's page that is not ours gets no answer either way (C06).
    if origin.is_some() && allowed.is_none() {
        let detail = "Pages of this origin may not call the API. See APP_ORIGINS.";
        return respond::failure(&Problem::new(Code::OriginNotAllowed, detail).into(), &shell);
    }
    let route = match AppRoute::find(&method, &request.path()) {
        Ok(route) => route,
        Err(error) => return respond::route_error(error, &shell),
    };
    let host = header(&request, "host").unwrap_or_default();
    let site = header(&request, "sec-fetch-site");
    let sender = Sender {
        method: &method,
        host: &host,
        origin: allowed,
        site: site.as_deref(),
    };
    // None is a page's to call: links lead to what is public, and notices have a secret.
    let open = matches!(
        route,
        AppRoute::Health
            | AppRoute::Description
            | AppRoute::Console
            | AppRoute::SolanaHook
            | AppRoute::TelegramHook(..)
            | AppRoute::EdgeHook(..)
    );
    if !open && !sender.may_call() {
        let detail = "What changes something needs an `Origin` of APP_ORIGINS, and no other page may call the API.";
        return respond::failure(&Problem::new(Code::OriginNotAllowed, detail).into(), &shell);
    }
    respond::finish(dispatch(route, request, env, hosts, context).await, &shell)
}

async fn dispatch(
    route: AppRoute,
    request: Request,
    env: &Env,
    hosts: &Hosts,
    context: &Context,
) -> Outcome<Response> {
    match route {
        AppRoute::Health => respond::health().tried("health"),
        AppRoute::Challenge => handlers::auth::challenge(request, env, hosts).await,
        AppRoute::Verify => handlers::auth::verify(request, env).await,
        AppRoute::Session => handlers::auth::session(&request, env).await,
        AppRoute::Logout => handlers::auth::logout(&request, env).await,
        AppRoute::ListSessions => handlers::auth::sessions(&request, env).await,
        AppRoute::EndSession(id) => handlers::auth::end_session(id, &request, env).await,
        AppRoute::EndAllSessions => handlers::auth::end_all_sessions(&request, env).await,
        AppRoute::SolanaHook => handlers::hooks::solana(&request, env, context).await,
        AppRoute::TelegramHook(asset, path) => {
            handlers::hooks::telegram(asset, &path, &request, env).await
        }
        AppRoute::EdgeHook(channel, asset, path) => {
            handlers::hooks::edge(channel, asset, &path, &request, env).await
        }
        AppRoute::Agent(asset, route) => handlers::agent::handle(asset, route, request, env).await,
        AppRoute::Description | AppRoute::Console => ports::assets::fetch(request, env).await,
    }
}
