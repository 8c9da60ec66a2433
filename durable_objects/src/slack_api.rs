//! Slack's Web API (docs.slack.dev/apis/web-api), as far as this service calls it.

use core::time::Duration;

use multiclaw_core::edge::Told;
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::secret::Secret;
use multiclaw_core::slack::{is_of_token, told};
use serde_json::Value;
use worker::{Fetch, Headers, Method, Request, RequestInit, RequestRedirect};

use crate::port::{Outcome, Tried as _, read_bounded, within};

const LIMIT: Duration = Duration::from_secs(8);
const MAX_ANSWER: usize = 256 * 1024;

/// Calls a method with a bot's token. What went wrong on the way is [`Told::Unknown`], for the log as well.
pub async fn call(base: &str, token: &Secret, method: &str, params: &Value) -> (Told, Outcome<()>) {
    match within(LIMIT, "Slack", ask(base, token, method, params)).await {
        Ok(told) => {
            let seen = match &told {
                Told::Done(_) => Ok(()),
                Told::Refused(reason) => Err(how(method, &format!("is refused: {reason}"))),
                Told::Later(pause) => Err(how(method, &format!("is to wait {} s", pause.get()))),
                Told::Unknown => Err(how(method, "gave no answer that can be read")),
            };
            (told, seen)
        }
        Err(failure) => (Told::Unknown, Err(failure)),
    }
}

async fn ask(base: &str, token: &Secret, method: &str, params: &Value) -> Outcome<Told> {
    let headers = Headers::new();
    for (name, value) in [
        ("authorization", format!("Bearer {}", token.expose())),
        ("content-type", "application/json; charset=utf-8".to_owned()),
    ] {
        headers
            .set(name, &value)
            .map_err(|_| how(method, "can't be asked"))?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::Post)
        .with_headers(headers)
        .with_body(Some(params.to_string().into()))
        // It could lead anywhere, with the token.
        .with_redirect(RequestRedirect::Manual);
    let request = Request::new_with_init(&format!("{base}/api/{method}"), &init)
        .map_err(|_| how(method, "can't be asked"))?;
    let mut answer = Fetch::Request(request).send().await.tried("Slack")?;
    let retry_after = answer.headers().get("retry-after").ok().flatten();
    let status = answer.status_code();
    let bytes = read_bounded(answer.stream().tried("Slack")?, MAX_ANSWER, "Slack").await?;
    let body = core::str::from_utf8(&bytes).unwrap_or_default();
    Ok(told(status, retry_after.as_deref(), body))
}

/// Who a token is: asks Slack.
///
/// # Errors
/// `invalid_value` of the token when Slack does not take it, `channel_unavailable` for everything else.
pub async fn whose(base: &str, token: &Secret) -> Outcome<Value> {
    let (told, seen) = call(base, token, "auth.test", &Value::Object(Default::default())).await;
    match told {
        Told::Done(answer) => Ok(answer),
        Told::Refused(reason) if is_of_token(&reason) => {
            Err(Problem::value("token", "be one that Slack takes").into())
        }
        Told::Refused(_) | Told::Later(_) | Told::Unknown => {
            let context = seen.err().and_then(|failure| failure.context);
            let detail =
                "Slack can't be asked now, or does not answer as it should. Try again in a moment.";
            Err(Failure::new(
                Code::ChannelUnavailable,
                detail,
                context.unwrap_or_default(),
            ))
        }
    }
}

fn how(method: &str, how: &str) -> Failure {
    Failure::internal(format!("Slack's {method} {how}"))
}
