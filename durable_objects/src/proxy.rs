//! Passes a browser's request on to the agent and its answer back: bodies and streams as the runtime's own objects, sockets
//! joined (`passing`), headers by the core's rules.

use multiclaw_core::bounds::response_fits;
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::lifecycle::{State, Wish};
use multiclaw_core::limits::{body_too_large, passed_body, too_many_waiting};
use multiclaw_core::messages::Caller;
use multiclaw_core::proxy::{
    Visitor, is_navigation, request_headers, response_headers, set_cookie_passes, status_passes,
};
use multiclaw_core::time::Seconds;
use worker::wasm_bindgen::JsValue;
use worker::web_sys::AbortController;
use worker::web_sys::{Request as JsRequest, RequestInit as JsRequestInit};
use worker::{Headers, Request, Response, ResponseBuilder, WebSocket};

use crate::Agent;
use crate::container::GATEWAY_PORT;
use crate::health::is_of_ended;
use crate::passing::BoundedBody;
use crate::port::{Outcome, Tried as _, now, within};
use crate::settings;
use crate::watch::Care;

/// How exactly the last use is kept: a write per request would be one too many.
const ACTIVITY_STEP: u32 = 10;

impl Agent {
    pub(crate) async fn pass_on(&self, caller: Caller, request: Request) -> Outcome<Response> {
        let (_, domain) = self.admit(caller, Care::Bounded).await?;
        self.limits
            .agent(settings::requests_per_second(&self.env)?)?;
        let client: Vec<(String, String)> = request.headers().entries().collect();
        let length = client.iter().find(|(name, _)| name == "content-length");
        passed_body(length.map(|(_, value)| value.as_str()))?;
        let js = request.inner();
        let method = js.method();
        let mut life = self.life()?;
        if life.state != State::Running {
            if is_navigation(&method, &client) && matches!(life.wish, Wish::Stop | Wish::Sleep) {
                life.ask(Wish::Run, now());
                self.begin(&mut life)?;
                self.wake_at(now()).await?;
            }
            let detail =
                "The agent is not running. Open it from the console, or load the page, to wake it.";
            return Err(Problem::new(Code::AgentUnavailable, detail)
                .retry_after(5)
                .into());
        }
        let hosts = settings::hosts(&self.env)?;
        let origin = hosts.agent_origin(domain.asset);
        let (scheme, host) = origin.split_once("://").unwrap_or(("https", ""));
        let address = client
            .iter()
            .find(|(name, _)| name == "cf-connecting-ip")
            .map(|(_, value)| value.as_str());
        let visitor = Visitor {
            owner: domain.owner,
            scheme,
            host,
            client_address: address,
        };
        let headers = Headers::new();
        for (name, value) in request_headers(&client, &visitor) {
            headers.append(&name, &value).tried("request headers")?;
        }
        let url = js.url();
        let path = url
            .split_once("://")
            .and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)))
            .unwrap_or("/");
        let init = JsRequestInit::new();
        init.set_method(&method);
        init.set_headers(&headers.0);
        let controller = AbortController::new().tried("abort controller")?;
        init.set_signal(Some(&controller.signal()));
        init.set_redirect(worker::web_sys::RequestRedirect::Manual);
        // One whose length is told is cut by whoever reads it at that length.
        let mut counted = None;
        if let Some(body) = js.body() {
            let body = match length {
                Some(_) => body,
                None => counted.insert(BoundedBody::of(&body)?).stream(),
            };
            init.set_body(&JsValue::from(body));
        }
        let forwarded = JsRequest::new_with_str_and_init(&format!("http://{host}{path}"), &init)
            .map_err(|_| {
                Problem::new(
                    Code::InvalidField,
                    "This request can't be passed on to the agent.",
                )
            })?;
        let _place = self.limits.passing().ok_or_else(too_many_waiting)?;
        let port = self.container()?.port(GATEWAY_PORT)?;
        let limit = settings::answer_timeout(&self.env)?;
        let answer = within(limit, "the agent's answer", async {
            let answer = port.fetch_request(Request::from(forwarded)).await;
            answer.tried("the agent's answer")
        });
        let answer = answer.await;
        // Whatever the agent made of what had come until then.
        if counted.is_some_and(|body| body.is_too_large()) {
            controller.abort();
            return Err(body_too_large().into());
        }
        match answer {
            Ok(answer) if is_of_ended(&answer) => {
                self.suspect(true).await?;
                Err(Failure::new(
                    Code::AgentUnavailable,
                    "The agent has ended by itself. It is saved and started again; try again in a moment.",
                    "proxy: the agent has ended",
                ))
            }
            Ok(answer) => {
                // Signed out, or evicted, while the agent thought about it.
                if self.store.session(caller.session, now())?.is_none() {
                    return Err(Problem::sign_in().into());
                }
                self.used()?;
                let is_endless = is_stream_of_events(&answer);
                give_back(answer, |socket| {
                    if let Some(agent) = socket {
                        let joined = self.connections.join(caller.session, &controller, &agent);
                        return joined.map(Some);
                    }
                    if is_endless {
                        self.connections.hold(caller.session, &controller);
                    }
                    Ok(None)
                })
            }
            Err(failure) => {
                controller.abort();
                self.suspect(false).await?;
                let detail = "The agent did not answer. Try again; restart it if it stays so.";
                Err(Failure {
                    problem: Problem::new(Code::AgentUnavailable, detail),
                    context: failure.context,
                })
            }
        }
    }
}

impl Agent {
    /// Keeps the time of the last use, which an agent that answers nothing does not have.
    fn used(&self) -> Outcome<()> {
        let idle_timeout = settings::policy(&self.env)?.idle_timeout.get();
        let step = Seconds::new(ACTIVITY_STEP.min(idle_timeout / 2));
        let mut life = self.life()?;
        if life.last_active.saturating_add(step) <= now() {
            life.last_active = now();
            self.store.save_life(&life)?;
        }
        Ok(())
    }
}

/// What stays open after its request was let through, as a socket does.
fn is_stream_of_events(answer: &Response) -> bool {
    let media = answer.headers().get("content-type").ok().flatten();
    media.is_some_and(|media| media.to_ascii_lowercase().starts_with("text/event-stream"))
}

/// The agent's answer with only what may reach the browser. `hold` keeps what stays open, and gives the browser's socket for
/// the agent's.
fn give_back(
    answer: Response,
    hold: impl FnOnce(Option<WebSocket>) -> Outcome<Option<WebSocket>>,
) -> Outcome<Response> {
    let refused = |context: String| {
        let detail = "The agent answered with what can't be passed on.";
        Failure::new(Code::AgentBadResponse, detail, context)
    };
    let agent: Vec<(String, String)> = answer.headers().entries().collect();
    if !response_fits(&agent) {
        return Err(refused("agent answered with too many headers".to_owned()));
    }
    let status = answer.status_code();
    let cookies = answer
        .headers()
        .get_all("set-cookie")
        .tried("response headers")?;
    let body = answer.body().clone();
    let websocket = answer.websocket();
    if !status_passes(status, websocket.is_some()) {
        return Err(refused(format!("agent answered status {status}")));
    }
    let headers = Headers::new();
    for (name, value) in response_headers(&agent) {
        headers.append(&name, &value).tried("response headers")?;
    }
    for cookie in cookies.iter().filter(|cookie| set_cookie_passes(cookie)) {
        headers
            .append("set-cookie", cookie)
            .tried("response headers")?;
    }
    let builder = ResponseBuilder::new()
        .with_status(status)
        .with_headers(headers);
    Ok(match hold(websocket)? {
        Some(websocket) => builder.with_websocket(websocket).empty(),
        // These may have no body, and the runtime refuses one.
        None if matches!(status, 204 | 205 | 304) => builder.empty(),
        None => builder.body(body),
    })
}
