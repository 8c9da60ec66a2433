//! Discord's HTTP API (docs.discord.com/developers/reference), as far as this service calls it. The token of an interaction
//! is part of the URL, so of a failure only its kind is told.

use core::time::Duration;

use multiclaw_core::discord::told;
use multiclaw_core::edge::Told;
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::secret::Secret;
use serde_json::Value;
use worker::{Fetch, Headers, Method, Request, RequestInit, RequestRedirect};

use crate::port::{Outcome, read_bounded, within};

const VERSION: &str = "/api/v10";
const LIMIT: Duration = Duration::from_secs(8);
const MAX_ANSWER: usize = 256 * 1024;
/// Discord asks for one, with an address.
const USER_AGENT: &str = "DiscordBot (https://molt.id, 1)";

/// What is called: a method, and a path below the API's version.
pub struct Call<'a> {
    pub base: &'a str,
    pub method: Method,
    pub path: Secret,
    /// The bot's token, where the path holds no other.
    pub token: Option<&'a Secret>,
    pub body: Option<&'a Value>,
}

/// Calls. What went wrong on the way is [`Told::Unknown`], for the log as well.
pub async fn call(what: &str, call: Call<'_>) -> (Told, Outcome<()>) {
    match within(LIMIT, "Discord", ask(call)).await {
        Ok(told) => {
            let seen = match &told {
                Told::Done(_) => Ok(()),
                Told::Refused(reason) => Err(how(what, &format!("is refused: {reason}"))),
                Told::Later(pause) => Err(how(what, &format!("is to wait {} s", pause.get()))),
                Told::Unknown => Err(how(what, "gave no answer that can be read")),
            };
            (told, seen)
        }
        Err(failure) => (Told::Unknown, Err(failure)),
    }
}

async fn ask(call: Call<'_>) -> Outcome<Told> {
    let unasked = || how("API", "can't be asked");
    let headers = Headers::new();
    let mut lines = vec![
        ("content-type", "application/json".to_owned()),
        ("user-agent", USER_AGENT.to_owned()),
    ];
    if let Some(token) = call.token {
        lines.push(("authorization", format!("Bot {}", token.expose())));
    }
    for (name, value) in lines {
        headers.set(name, &value).map_err(|_| unasked())?;
    }
    let mut init = RequestInit::new();
    init.with_method(call.method)
        .with_headers(headers)
        .with_body(call.body.map(|body| body.to_string().into()))
        // It could lead anywhere, with the token.
        .with_redirect(RequestRedirect::Manual);
    let url = format!("{}{VERSION}{}", call.base, call.path.expose());
    let request = Request::new_with_init(&url, &init).map_err(|_| unasked())?;
    // Their errors may name the URL.
    let mut answer = Fetch::Request(request)
        .send()
        .await
        .map_err(|_| how("API", "can't be reached"))?;
    let retry_after = answer.headers().get("retry-after").ok().flatten();
    let status = answer.status_code();
    let stream = answer.stream().map_err(|_| how("API", "gave no answer"))?;
    let bytes = read_bounded(stream, MAX_ANSWER, "Discord")
        .await
        .map_err(|_| how("API", "gave no answer"))?;
    let body = core::str::from_utf8(&bytes).unwrap_or_default();
    Ok(told(status, retry_after.as_deref(), body))
}

/// What a bot's token opens: asks Discord.
///
/// # Errors
/// `invalid_value` of the token when Discord does not take it, `channel_unavailable` for everything else.
pub async fn whose(base: &str, token: &Secret) -> Outcome<Value> {
    let me = Call {
        base,
        method: Method::Get,
        path: Secret::new("/applications/@me".to_owned()),
        token: Some(token),
        body: None,
    };
    let (told, seen) = call("application", me).await;
    match told {
        Told::Done(answer) => Ok(answer),
        Told::Refused(status) if matches!(status.as_str(), "401" | "403") => {
            Err(Problem::value("token", "be one that Discord takes").into())
        }
        Told::Refused(_) | Told::Later(_) | Told::Unknown => {
            let context = seen.err().and_then(|failure| failure.context);
            let detail = "Discord can't be asked now, or does not answer as it should. Try again in a moment.";
            Err(Failure::new(
                Code::ChannelUnavailable,
                detail,
                context.unwrap_or_default(),
            ))
        }
    }
}

pub fn how(what: &str, how: &str) -> Failure {
    Failure::internal(format!("Discord's {what} {how}"))
}
