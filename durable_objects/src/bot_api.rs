//! Telegram's Bot API (core.telegram.org/bots/api), as far as this service calls it. A bot's token is part of the URL, so of a
//! failure only its kind is told.

use core::time::Duration;

use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::secret::Secret;
use serde::Deserialize;
use serde_json::Value;
use worker::{Fetch, Headers, Method, Request, RequestInit, RequestRedirect};

use crate::port::{Outcome, read_bounded, within};

const LIMIT: Duration = Duration::from_secs(8);
const MAX_ANSWER: usize = 64 * 1024;

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    #[serde(default)]
    result: Value,
}

/// Calls a method for a bot, and gives its result.
///
/// # Errors
/// `invalid_value` of the token when there is no such bot, `channel_unavailable` for everything else.
pub async fn call(base: &str, token: &Secret, method: &str, params: Value) -> Outcome<Value> {
    let asked = async {
        let headers = Headers::new();
        headers
            .set("content-type", "application/json")
            .map_err(|_| unavailable(method, "can't be asked"))?;
        let mut init = RequestInit::new();
        init.with_method(Method::Post)
            .with_headers(headers)
            .with_body(Some(params.to_string().into()))
            // It could lead anywhere, with the token.
            .with_redirect(RequestRedirect::Manual);
        let url = format!("{base}/bot{}/{method}", token.expose());
        let request = Request::new_with_init(&url, &init)
            .map_err(|_| unavailable(method, "can't be asked"))?;
        let mut answer = Fetch::Request(request)
            .send()
            .await
            .map_err(|_| unavailable(method, "can't be reached"))?;
        let status = answer.status_code();
        // So it answers for a bot that it does not know, or knows by another token.
        if matches!(status, 401 | 404) {
            return Err(Problem::value("token", "be one that Telegram knows").into());
        }
        let body = answer
            .stream()
            .map_err(|_| unavailable(method, "gave no answer"))?;
        let bytes = read_bounded(body, MAX_ANSWER, "")
            .await
            .map_err(|_| unavailable(method, "gave no answer"))?;
        let said: Option<Answer> = serde_json::from_slice(&bytes).ok();
        match said {
            Some(Answer { ok: true, result }) => Ok(result),
            _ => Err(unavailable(method, &format!("answered status {status}"))),
        }
    };
    let answer = within(LIMIT, "Telegram", asked).await;
    answer.map_err(|failure| match failure.problem.code {
        Code::Internal => unavailable(method, "took too long"),
        _ => failure,
    })
}

fn unavailable(method: &str, how: &str) -> Failure {
    Failure::new(
        Code::ChannelUnavailable,
        "Telegram can't be asked now, or does not take what it is told. Try again in a moment.",
        format!("Telegram's {method} {how}"),
    )
}
