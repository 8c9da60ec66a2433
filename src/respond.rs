//! The only place that turns results into responses to clients: problems, security headers, CORS.

use multiclaw_agent_object::port::{Outcome, log};
use multiclaw_agent_object::reply;
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::keyless::refusal;
use multiclaw_core::proxy::opener_policy;
use multiclaw_core::route::RouteError;
use worker::{Headers, Response, ResponseBuilder};

/// What a response is dressed in.
pub enum Shell {
    /// A host that is not ours.
    Bare,
    /// Console and API; `origin` is the allowed origin that asked, if a browser named one.
    App { origin: Option<String> },
    /// An agent's origin: its pages bring their own policies, and no other origin's page has any part in them.
    Agent,
}

const CONSOLE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /healthz`: that the Worker runs, and which version. It touches no binding.
pub fn health() -> worker::Result<Response> {
    let body = serde_json::json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") });
    let response = ResponseBuilder::new()
        .with_header("cache-control", "no-store")?
        .from_json(&body)?;
    dress(response, &Shell::Bare)
}

pub fn finish(result: Outcome<Response>, shell: &Shell) -> worker::Result<Response> {
    match result {
        Ok(response) => dress(response, shell),
        Err(failure_) => failure(&failure_, shell),
    }
}

pub fn failure(failure: &Failure, shell: &Shell) -> worker::Result<Response> {
    log(failure);
    dress(reply::problem(&failure.problem)?, shell)
}

/// How long a client of models may wait by itself before it asks again, in seconds.
const SOON: u32 = 60;

/// An agent's client of models gets its answer, or a refusal that it understands, and repeats only where that helps.
pub async fn to_agent(result: Outcome<Response>) -> worker::Result<Response> {
    let mut response = result.or_else(|failure| {
        log(&failure);
        reply::problem(&failure.problem)
    })?;
    let media = response.headers().get("content-type")?;
    if media.as_deref() != Some("application/problem+json") {
        return dress(response, &Shell::Bare);
    }
    let text = refusal(&response.text().await?);
    let status = response.status_code();
    let headers = response.headers().clone();
    let again = headers.get("retry-after")?;
    let is_soon = again.is_some_and(|seconds| seconds.parse().is_ok_and(|it: u32| it <= SOON));
    if status < 500 && !is_soon {
        headers.set("x-should-retry", "false")?;
    }
    let builder = ResponseBuilder::new()
        .with_status(status)
        .with_headers(headers);
    dress(builder.fixed(text.into_bytes()), &Shell::Bare)
}

pub fn route_error(error: RouteError, shell: &Shell) -> worker::Result<Response> {
    match error {
        RouteError::Problem(problem) => failure(&problem.into(), shell),
        RouteError::Method(allowed) => {
            let problem = Problem::new(
                Code::MethodNotAllowed,
                format!("This route takes {allowed}."),
            );
            let response = reply::problem(&problem)?;
            response.headers().set("allow", &allowed)?;
            dress(response, shell)
        }
    }
}

/// Answers a browser's question whether a page of an allowed origin may call.
pub fn preflight(shell: &Shell) -> worker::Result<Response> {
    let response = reply::empty();
    response
        .headers()
        .set("access-control-allow-methods", "GET, POST, PUT, DELETE")?;
    response
        .headers()
        .set("access-control-allow-headers", "content-type, repr-digest")?;
    response.headers().set("access-control-max-age", "600")?;
    dress(response, shell)
}

fn dress(response: Response, shell: &Shell) -> worker::Result<Response> {
    // A switch of protocols belongs to the agent's origin and carries nothing of ours.
    if response.status_code() == 101 {
        return Ok(response);
    }
    let (builder, body) = response.into_parts();
    let plain = builder.body(body);
    let headers = plain.headers().clone();
    match shell {
        Shell::Bare => set_all(
            &headers,
            &[
                ("x-content-type-options", "nosniff"),
                ("content-security-policy", "default-src 'none'"),
            ],
        )?,
        Shell::App { origin } => {
            set_all(
                &headers,
                &[
                    ("x-content-type-options", "nosniff"),
                    ("content-security-policy", CONSOLE_POLICY),
                    ("referrer-policy", "no-referrer"),
                    ("cross-origin-opener-policy", "same-origin-allow-popups"),
                    (
                        "permissions-policy",
                        "camera=(), geolocation=(), microphone=()",
                    ),
                    ("vary", "Origin"),
                ],
            )?;
            match origin {
                Some(origin) => set_all(
                    &headers,
                    &[
                        ("access-control-allow-origin", origin.as_str()),
                        ("access-control-allow-credentials", "true"),
                        (
                            "access-control-expose-headers",
                            "content-disposition, repr-digest",
                        ),
                    ],
                )?,
                None => set_all(&headers, &[("cross-origin-resource-policy", "same-origin")])?,
            }
        }
        Shell::Agent => {
            let opener = headers.get("cross-origin-opener-policy")?;
            set_all(
                &headers,
                &[
                    ("x-content-type-options", "nosniff"),
                    ("referrer-policy", "same-origin"),
                    (
                        "cross-origin-opener-policy",
                        opener_policy(opener.as_deref()),
                    ),
                    ("cross-origin-resource-policy", "same-origin"),
                    ("origin-agent-cluster", "?1"),
                ],
            )?;
            // One more policy beside the page's own: what several say, all must allow.
            headers.append("content-security-policy", "frame-ancestors 'self'")?;
        }
    }
    Ok(plain.with_headers(headers))
}

fn set_all(headers: &Headers, pairs: &[(&str, &str)]) -> worker::Result<()> {
    pairs
        .iter()
        .try_for_each(|(name, value)| headers.set(name, value))
}
