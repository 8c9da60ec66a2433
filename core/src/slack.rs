//! What Slack sends (docs.slack.dev/apis/events-api): whether it was Slack that sent it, and what of it is for the agent.
//! The signature is checked before anything of the body is read.

use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::channel::{People, PersonId};
use crate::edge::{Told, fresh_moment, is_id, pause_of};
use crate::encoding::from_hex;
use crate::secret::Secret;
use crate::time::Timestamp;

pub const SIGNATURE_HEADER: &str = "x-slack-signature";
pub const TIMESTAMP_HEADER: &str = "x-slack-request-timestamp";
/// The longest event that is taken. Texts have 40,000 characters at most, and come twice.
pub const MAX_EVENT: usize = 512 * 1024;
const VERSION: &str = "v0";
const MAX_CHALLENGE: usize = 1024;
const MAX_EVENT_ID: usize = 64;
const MAX_MOMENT: usize = 32;
/// Slack's own robot, which is no person.
const SLACKBOT: &str = "USLACKBOT";

/// What Slack says of a request in its headers, in the form that it has, and of this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    at: i64,
    signature: [u8; 32],
}

impl Stamp {
    /// `None` for another form, and for a request that is too old: which could be one that somebody has seen and sends again.
    #[must_use]
    pub fn parse(timestamp: &str, signature: &str, now: Timestamp) -> Option<Self> {
        let at = fresh_moment(timestamp, now)?;
        let hex = signature.strip_prefix(VERSION)?.strip_prefix('=')?;
        let signature = from_hex(hex)?;
        Some(Self { at, signature })
    }

    /// Whether the body was signed with this secret, in constant time.
    #[must_use]
    pub fn proves(&self, secret: &Secret, body: &str) -> bool {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
            return false;
        };
        for part in [VERSION, ":", &self.at.to_string(), ":", body] {
            mac.update(part.as_bytes());
        }
        mac.verify_slice(&self.signature).is_ok()
    }
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Slack asks whether the address is one: this is to be said back.
    Challenge(String),
    Said(Said),
    /// Nothing that anybody said to the agent.
    Other,
}

/// Somebody said something to the bot.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// The same event has the same, also when it is sent again.
    pub id: String,
    pub person: PersonId,
    pub channel: String,
    /// The thread that is answered in.
    pub thread: Option<String>,
    /// To the bot alone, rather than in a channel where it was named.
    pub is_direct: bool,
    /// What belongs together for the agent.
    pub conversation: String,
    /// When it was written, in microseconds: events may come in another order.
    pub rank: i64,
    pub text: String,
}

/// Reads a body that Slack has signed, for the bot that is this user of this workspace; `None` when it is no event of such an app.
#[must_use]
pub fn read(body: &str, team: &str, user: &str) -> Option<Event> {
    let body: Value = serde_json::from_str(body).ok()?;
    let text = |value: &Value, name: &str| value.get(name)?.as_str().map(str::to_owned);
    match text(&body, "type")?.as_str() {
        "url_verification" => {
            let challenge = text(&body, "challenge")?;
            (challenge.len() <= MAX_CHALLENGE).then_some(Event::Challenge(challenge))
        }
        "event_callback" => {
            let id = text(&body, "event_id").filter(|id| is_event_id(id))?;
            let sent_to = text(&body, "team_id")?;
            let event = body.get("event")?;
            let kind = text(event, "type")?;
            if sent_to != team {
                return Some(Event::Other);
            }
            let said = said(event, &kind, id, team, user);
            Some(said.map_or(Event::Other, Event::Said))
        }
        // Whatever else Slack tells apps of.
        _ => Some(Event::Other),
    }
}

fn said(event: &Value, kind: &str, id: String, team: &str, user: &str) -> Option<Said> {
    let text = |name: &str| event.get(name)?.as_str();
    let is_direct = match kind {
        "message" if text("channel_type") == Some("im") => true,
        "app_mention" => false,
        _ => return None,
    };
    // A new text with a file is as good as one without; what was edited, deleted or is an announcement is none.
    if !matches!(text("subtype"), None | Some("file_share")) {
        return None;
    }
    let is_bots = ["bot_id", "bot_profile"]
        .into_iter()
        .any(|name| event.get(name).is_some_and(|it| !it.is_null()));
    let person = text("user").filter(|it| *it != user && *it != SLACKBOT && !is_bots)?;
    let person = People::Slack.parse(person)?;
    let channel = text("channel").filter(|it| is_id(it))?;
    let moment = text("ts").filter(|it| is_moment(it))?;
    let thread = text("thread_ts").filter(|it| is_moment(it));
    // A mention is answered below it, lest a channel fill with answers.
    let thread = if is_direct {
        thread
    } else {
        thread.or(Some(moment))
    };
    let words = plain_words(text("text")?, user);
    (!words.is_empty()).then(|| Said {
        id,
        person,
        channel: channel.to_owned(),
        thread: thread.map(str::to_owned),
        is_direct,
        conversation: match thread.filter(|_| !is_direct) {
            Some(thread) => format!("slack-{team}-{channel}-{thread}"),
            None => format!("slack-{team}-{channel}"),
        },
        rank: rank_of(moment),
        text: words,
    })
}

fn is_event_id(text: &str) -> bool {
    (1..=MAX_EVENT_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Slack's name of a message: a time to the microsecond.
fn is_moment(text: &str) -> bool {
    text.len() <= MAX_MOMENT
        && text.split_once('.').is_some_and(|(seconds, rest)| {
            let is_number =
                |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            is_number(seconds) && is_number(rest)
        })
}

/// It has six digits behind the point.
fn rank_of(moment: &str) -> i64 {
    let digits: String = moment.chars().filter(char::is_ascii_digit).collect();
    // Beyond 2^53 JavaScript tells no number from its neighbours.
    let rank = digits.parse().ok();
    rank.filter(|rank: &i64| *rank < 1 << 53)
        .unwrap_or_default()
}

/// As they were typed, without the bot's own name.
fn plain_words(text: &str, user: &str) -> String {
    let text = text.replace(&format!("<@{user}>"), " ");
    let text = text.trim();
    // Last: what was typed as `&lt;` is no `<`.
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// An answer as Slack takes it: nothing in it is a mention, or a link under another name, that the agent was talked into.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

const MAX_REASON: usize = 60;

/// Reads an answer of the Web API (docs.slack.dev/apis/web-api).
#[must_use]
pub fn told(status: u16, retry_after: Option<&str>, body: &str) -> Told {
    let pause = retry_after.and_then(|text| text.trim().parse().ok());
    let later = || Told::Later(pause_of(pause));
    if status == 429 {
        return later();
    }
    let Ok(body) = serde_json::from_str::<Value>(body) else {
        return Told::Unknown;
    };
    if body.get("ok") == Some(&Value::Bool(true)) {
        return Told::Done(body);
    }
    let reason = body.get("error").and_then(Value::as_str);
    let is_plain = |it: &&str| {
        it.len() <= MAX_REASON
            && it
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    match reason.filter(is_plain) {
        Some("ratelimited" | "rate_limited" | "service_unavailable" | "team_added_to_org") => {
            later()
        }
        // In Slack's words some of it may have been done before.
        Some("fatal_error" | "internal_error") | None => Told::Unknown,
        Some(reason) => Told::Refused(reason.to_owned()),
    }
}

/// Whether a refusal is of the token rather than of what was asked with it.
#[must_use]
pub fn is_of_token(reason: &str) -> bool {
    const REASONS: [&str; 8] = [
        "account_inactive",
        "invalid_auth",
        "invalid_token",
        "not_allowed_token_type",
        "not_authed",
        "no_permission",
        "token_expired",
        "token_revoked",
    ];
    REASONS.contains(&reason)
}

#[cfg(test)]
mod tests;
