//! `/llm/{provider}/...` of `MODELS_ORIGIN`: an agent's calls of models, by its pass. They have no cookie and no page, so
//! nothing of a browser's counts here.

use multiclaw_agent_object::port::{Outcome, Tried as _};
use multiclaw_agent_object::settings::session_keys;
use multiclaw_core::error::{Code, Problem};
use multiclaw_core::keyless::{
    MAX_BODY, MODEL_HEADER, ModelCall, ModelPath, pass_of, request_header_passes,
};
use multiclaw_core::session::PassTo;
use worker::wasm_bindgen::JsValue;
use worker::web_sys::RequestInit as JsRequestInit;
use worker::{Env, Headers, Request, Response};

use crate::input::header;
use crate::ports::objects;

/// `path` is what follows the prefix.
pub async fn handle(path: &str, request: &Request, env: &Env) -> Outcome<Response> {
    let (key_header, pass) = pass_of(|name| header(request, name)).ok_or_else(no_pass)?;
    let start = session_keys(env)?
        .verify_pass(PassTo::Models, &pass)
        .map_err(|_| no_pass())?;
    let js = request.inner();
    let url = js.url();
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let call = ModelCall {
        start,
        key_header,
        call: ModelPath::parse(&js.method(), path, query)?,
        length: length_of(request)?,
    };
    let headers = Headers::new();
    for (name, value) in request.headers().entries() {
        if request_header_passes(&name) {
            headers.set(&name, &value).tried("request headers")?;
        }
    }
    let text = serde_json::to_string(&call).map_err(|_| no_pass())?;
    headers.set(MODEL_HEADER, &text).tried("request headers")?;
    let init = JsRequestInit::new();
    init.set_method(&js.method());
    init.set_headers(&headers.0);
    if let Some(body) = js.body() {
        init.set_body(&JsValue::from(body));
    }
    objects::call_model(env, start.asset, &init).await
}

/// Bytes of the body, which a client of models knows before it sends them.
fn length_of(request: &Request) -> Result<u64, Problem> {
    let expected = format!("a number of bytes, at most {MAX_BODY}");
    let length = match header(request, "content-length") {
        Some(text) => text.parse().ok(),
        None => request.inner().body().is_none().then_some(0),
    };
    match length {
        Some(length) if length <= MAX_BODY => Ok(length),
        Some(_) => Err(Problem::new(
            Code::BodyTooLarge,
            format!("The body may have at most {MAX_BODY} bytes."),
        )),
        None => Err(Problem::field("content-length", &expected)),
    }
}

fn no_pass() -> Problem {
    Problem::new(
        Code::Unauthenticated,
        "Calls of models take the pass that an agent was started with.",
    )
}
