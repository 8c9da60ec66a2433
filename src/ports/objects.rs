//! `AGENT`: the Durable Object of a domain. Every call has a time limit: an object that dies leaves its caller waiting.

use core::time::Duration;

use multiclaw_agent_object::port::{Outcome, Tried as _, within};
use multiclaw_agent_object::settings;
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::ids::Asset;
use multiclaw_core::messages::{CALL_URL, CALLER_HEADER, Call, Caller, Envelope, OwnerCall};
use multiclaw_core::tenancy::object_name;
use multiclaw_core::upload::{UPLOAD_HEADER, Upload};
use worker::{Env, Headers, Method, Request, RequestInit, Response, Stub};

/// Longest answer to a call that waits for something outside: an upload, the agent, a provider of models.
const LONG_LIMIT: Duration = Duration::from_secs(330);
/// What an object may take beyond the time that it waits for its agent.
const OBJECT_MARGIN: Duration = Duration::from_secs(30);
/// To all others, which wait for the chain or for a command in the container at most.
const CALL_LIMIT: Duration = Duration::from_secs(60);

fn stub(env: &Env, asset: Asset) -> Outcome<Stub> {
    let namespace = env.durable_object("AGENT").map_err(|error| {
        Failure::misconfigured(format!("Durable Object binding AGENT: {error}"))
    })?;
    namespace
        .id_from_name(&object_name(asset))
        .and_then(|id| id.get_stub())
        .tried("Durable Object")
}

/// Calls the object of a domain. `asset` comes from a verified token or a decoded account, never from input alone.
pub async fn call(env: &Env, asset: Asset, call: Call) -> Outcome<Response> {
    let limit = match call {
        Call::Owner(_, OwnerCall::TakeSnapshot) => LONG_LIMIT,
        _ => CALL_LIMIT,
    };
    let body = serde_json::to_string(&Envelope { asset, call })
        .map_err(|error| Failure::internal(format!("call: {error}")))?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(body.into()));
    let request = Request::new_with_init(CALL_URL, &init).tried("call")?;
    send(env, asset, request, limit).await
}

/// Passes a browser's request on to the agent, for a caller whose token was verified.
pub async fn pass_on(env: &Env, caller: Caller, request: &Request) -> Outcome<Response> {
    let text = serde_json::to_string(&caller)
        .map_err(|error| Failure::internal(format!("caller: {error}")))?;
    let copy = Request::from(
        worker::web_sys::Request::new_with_request(request.inner()).tried("request")?,
    );
    // A copy's headers can be changed; whatever the client sent under this name is overwritten.
    let headers: &Headers = copy.headers();
    headers.set(CALLER_HEADER, &text).tried("request")?;
    // The object says by itself that the agent did not answer; an object that died says nothing.
    let limit = settings::answer_timeout(env)?.saturating_add(OBJECT_MARGIN);
    send(env, caller.asset, copy, limit).await
}

/// Hands an archive to the object of its owner's domain, whose token was verified.
pub async fn upload(env: &Env, upload: Upload, request: &Request) -> Outcome<Response> {
    let text = serde_json::to_string(&upload)
        .map_err(|error| Failure::internal(format!("upload: {error}")))?;
    // Of the client's headers none is passed on.
    let headers = Headers::new();
    headers.set(UPLOAD_HEADER, &text).tried("upload")?;
    let init = worker::web_sys::RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers.0);
    if let Some(body) = request.inner().body() {
        init.set_body(&worker::wasm_bindgen::JsValue::from(body));
    }
    let request = worker::web_sys::Request::new_with_str_and_init(CALL_URL, &init);
    send(
        env,
        upload.caller.asset,
        Request::from(request.tried("upload")?),
        LONG_LIMIT,
    )
    .await
}

/// Hands an agent's call of a model to its object. The pass was verified.
pub async fn call_model(
    env: &Env,
    asset: Asset,
    init: &worker::web_sys::RequestInit,
) -> Outcome<Response> {
    let request = worker::web_sys::Request::new_with_str_and_init(CALL_URL, init);
    let request = Request::from(request.tried("request")?);
    send(env, asset, request, LONG_LIMIT).await
}

async fn send(env: &Env, asset: Asset, request: Request, limit: Duration) -> Outcome<Response> {
    let stub = stub(env, asset)?;
    let answer = within(limit, "Durable Object", async {
        stub.fetch_with_request(request).await.map_err(|error| {
            Failure::new(
                Code::AgentUnavailable,
                "The agent's keeper did not answer. Try again in a moment.",
                format!("Durable Object: {error}"),
            )
        })
    });
    answer.await.map_err(|failure| match failure.problem.code {
        // The time limit: what became of the call is not known.
        Code::Internal => Failure {
            problem: Problem::new(
                Code::AgentUnavailable,
                "The agent's keeper took too long. Look at its status before you try again.",
            ),
            context: failure.context,
        },
        _ => failure,
    })
}
