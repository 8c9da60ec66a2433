//! An agent's calls of models without a key of its own: the pass is checked, the key put in, the cost counted, and the
//! provider's answer given back as it comes (`multiclaw_core::keyless`).

use core::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use futures_util::stream::unfold;
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::ids::Wallet;
use multiclaw_core::keyless::{
    ModelCall, NO_SETUP_TOKEN, can_be_kept_out, request_header_passes, response_header_passes,
};
use multiclaw_core::secret::Secret;
use multiclaw_core::secrets::Source;
use multiclaw_core::tenancy::Tenant;
use multiclaw_core::usage::{BUSY, Media, Meter, UsageView, day};
use worker::wasm_bindgen::JsValue;
use worker::web_sys::{Request as JsRequest, RequestInit as JsRequestInit, RequestRedirect};
use worker::{
    AbortController, AbortSignal, ByteStream, Delay, Fetch, Headers, Request, Response,
    ResponseBuilder,
};

use crate::Agent;
use crate::limits::Place;
use crate::port::{Outcome, Tried as _, log, now, read_bounded, within};
use crate::settings;
use crate::store::{Account, Store};

/// Until a provider begins to answer, which without streaming is the whole answer, and from each piece to the next.
const ANSWER_LIMIT: Duration = Duration::from_secs(300);
/// The longest refusal of a provider that is given back, and until it is there.
const MAX_REFUSAL: usize = 64 * 1024;
const REFUSAL_LIMIT: Duration = Duration::from_secs(30);

/// Reads along with an answer; what it cost is written down when that ends, however it does, and when none came.
struct Bill {
    meter: Meter,
    request: u64,
    account: Account,
    store: Store,
    /// Whether the provider worked for it.
    due: bool,
}

impl Drop for Bill {
    fn drop(&mut self) {
        if !self.due {
            return;
        }
        let tokens = self.meter.tokens(self.account.source, self.request);
        if let Err(failure) = self.store.count_tokens(&self.account, tokens) {
            log(&failure);
        }
    }
}

impl Agent {
    pub(crate) async fn call_model(&self, call: ModelCall, request: Request) -> Outcome<Response> {
        let domain = self.domain_of(&call.start)?.ok_or_else(ended)?;
        self.limits.models()?;
        let tenant = Tenant {
            asset: domain.asset,
            owner: domain.owner,
        };
        let kind = call.call.provider.kind();
        let (source, key) = self.value_in_force(&tenant, kind)?;
        let key = key.ok_or_else(|| key_refused(source, "There is no key for this provider."))?;
        if !can_be_kept_out(&key) {
            return Err(Problem::value("keyless", NO_SETUP_TOKEN).into());
        }
        let place = self.limits.model_call().ok_or_else(too_many)?;
        let account = Account {
            day: day(now()),
            owner: domain.owner,
            name: kind.name,
            source,
        };
        if call.call.costs {
            if source == Source::Platform {
                let used = self.store.platform_usage(&account.day)?;
                settings::budget(&self.env)?.admit(used, now())?;
            }
            self.store.count_call(&account)?;
        }
        let mut bill = Bill {
            meter: Meter::new(Media::Other),
            request: call.length,
            account,
            store: self.store.clone(),
            due: call.call.costs,
        };
        let vendor = kind.models().map_or("", |models| models.vendor_url);
        let base = settings::base_url(&self.env, kind).unwrap_or_else(|| vendor.to_owned());
        let url = format!("{}{}", base.trim_end_matches('/'), call.call.path);
        let controller = AbortController::default();
        let signal = controller.signal();
        let asked_at = now();
        let asked = ask(&url, &call, &key, &request, &signal);
        let answer = within(ANSWER_LIMIT, "a provider of models", asked).await;
        let answer = answer.map_err(|failure| {
            controller.abort();
            // One that was at it all the time will be paid for it.
            bill.due &= now().since(asked_at) >= ANSWER_LIMIT;
            let detail = "The provider of models can't be reached now. Try again in a moment.";
            Failure {
                problem: Problem::new(Code::ProviderUnavailable, detail),
                context: failure.context,
            }
        })?;
        let status = answer.status_code();
        bill.due &= (200..=203).contains(&status);
        match status {
            200..=203 => {}
            400..=599 => return self.refused(answer, source).await,
            // Redirects, and what may have no body: a response can't be made of it.
            _ => {
                return Err(Failure::new(
                    Code::ProviderUnavailable,
                    "The provider of models answered with what can't be passed on.",
                    format!("a provider of models answered status {status}"),
                ));
            }
        }
        let media = answer.headers().get("content-type").ok().flatten();
        bill.meter = Meter::new(Media::of(&media.unwrap_or_default()));
        give_back(answer, bill, place)
    }

    /// A provider's refusal, without what it tells of the key, which may be part of it.
    async fn refused(&self, mut answer: Response, source: Source) -> Outcome<Response> {
        let status = answer.status_code();
        if matches!(status, 401 | 403) {
            let detail = "The provider of models refused the key.";
            return Err(key_refused(source, detail).into());
        }
        let body = answer.stream().tried("a provider's refusal")?;
        let read = read_bounded(body, MAX_REFUSAL, "a provider's refusal");
        let bytes = within(REFUSAL_LIMIT, "a provider's refusal", read).await;
        let text = String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default();
        let builder = ResponseBuilder::new()
            .with_status(status)
            .with_headers(headers_of(&answer)?);
        Ok(builder.fixed(self.clean(&text).into_bytes()))
    }

    pub(crate) fn usage(&self, owner: Wallet) -> Outcome<UsageView> {
        let now = now();
        let day = day(now);
        let providers = self.store.usage_of(&day, owner)?;
        let used = self.store.platform_usage(&day)?;
        let budget = settings::budget(&self.env)?;
        Ok(UsageView::new(now, providers, used, &budget))
    }
}

/// Sends the call on with the key in it.
async fn ask(
    url: &str,
    call: &ModelCall,
    key: &Secret,
    request: &Request,
    signal: &AbortSignal,
) -> Outcome<Response> {
    let headers = Headers::new();
    for (name, value) in request.headers().entries() {
        if request_header_passes(&name) {
            headers.set(&name, &value).tried("request headers")?;
        }
    }
    let place = call.key_header;
    headers
        .set(place.name(), place.value(key).expose())
        .map_err(|_| Failure::internal("the key can't be sent in a header"))?;
    let js = request.inner();
    let init = JsRequestInit::new();
    init.set_method(&js.method());
    init.set_headers(&headers.0);
    // A redirect would take the key elsewhere.
    init.set_redirect(RequestRedirect::Manual);
    if let Some(body) = js.body() {
        init.set_body(&JsValue::from(body));
    }
    let forwarded = JsRequest::new_with_str_and_init(url, &init)
        .map_err(|_| Failure::internal("the address of a provider of models is no URL"))?;
    // The runtime's error may name the URL.
    Fetch::Request(Request::from(forwarded))
        .send_with_signal(signal)
        .await
        .map_err(|_| Failure::internal("a provider of models did not answer"))
}

fn give_back(mut answer: Response, bill: Bill, place: Place) -> Outcome<Response> {
    let status = answer.status_code();
    let headers = headers_of(&answer)?;
    let body: ByteStream = answer.stream().tried("a provider's answer")?;
    let metered = unfold(
        (body, bill, place),
        |(mut body, mut bill, place)| async move {
            // Of an agent that left without a word the runtime tells when there is something to write.
            let next = select(body.next(), Delay::from(ANSWER_LIMIT)).await;
            let chunk = match next {
                Either::Left((chunk, _)) => chunk?,
                Either::Right(_) => Err("a provider of models fell silent".into()),
            };
            if let Ok(bytes) = &chunk {
                bill.meter.read(bytes);
            }
            Some((chunk, (body, bill, place)))
        },
    );
    let response = Response::from_stream(Box::pin(metered)).tried("a provider's answer")?;
    Ok(response.with_status(status).with_headers(headers))
}

fn headers_of(answer: &Response) -> Outcome<Headers> {
    let headers = Headers::new();
    for (name, value) in answer.headers().entries() {
        if response_header_passes(&name) {
            headers.set(&name, &value).tried("response headers")?;
        }
    }
    headers
        .set("cache-control", "no-store")
        .tried("response headers")?;
    Ok(headers)
}

fn too_many() -> Problem {
    let detail = "This agent has too many calls of models under way. Wait for one to end.";
    Problem::new(Code::RateLimited, detail).retry_after(BUSY.get())
}

/// A pass of another start, of another owner, or of an agent that is stopped.
fn ended() -> Problem {
    Problem::new(
        Code::Unauthenticated,
        "This pass to models is none, or has ended with its agent. Restart the agent for another.",
    )
}

fn key_refused(source: Source, what: &str) -> Problem {
    let next = match source {
        Source::User => "Set another one in the console.",
        Source::Platform | Source::None => {
            "Set one of your own in the console, or choose a model of another provider."
        }
    };
    Problem::new(Code::KeyRefused, format!("{what} {next}"))
}
