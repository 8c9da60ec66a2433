//! What an agent's calls of models cost: counted by day (UTC), and bounded where the platform pays.
//!
//! Tokens are those that the provider tells at the end of an answer. A call of the platform's that told none is charged as a
//! large one, so that nothing is saved by leaving before the end.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Code, Problem};
use crate::secrets::Source;
use crate::time::{Seconds, Timestamp};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// Bytes of text that make a token, roughly.
const BYTES_PER_TOKEN: u64 = 4;
/// What a call that told nothing counts for at least, where the platform pays.
pub const UNTOLD: u64 = 32_000;
/// Longest JSON answer, and longest event, in which the provider's count is looked for.
const MAX_HELD: usize = 4 * 1024 * 1024;

/// A day in UTC, as `2026-01-15`.
#[must_use]
pub fn day(now: Timestamp) -> String {
    now.rfc3339().chars().take("2026-01-15".len()).collect()
}

/// The first moment of the next day.
#[must_use]
pub const fn next_day(now: Timestamp) -> Timestamp {
    let millis = now.as_millis();
    let into = millis.rem_euclid(DAY_MILLIS);
    Timestamp::from_millis(millis.saturating_sub(into).saturating_add(DAY_MILLIS))
}

/// Calls and tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    pub requests: u64,
    pub tokens: u64,
}

/// What the platform pays for one domain in a day, whoever owns it: selling it to oneself begins no new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub daily: Amount,
}

impl Budget {
    /// # Errors
    /// `rate_limited` until the next day, when the budget is spent.
    pub fn admit(&self, used: Amount, now: Timestamp) -> Result<(), Problem> {
        if used.requests < self.daily.requests && used.tokens < self.daily.tokens {
            return Ok(());
        }
        let wait = next_day(now).since(now).as_secs().saturating_add(1);
        Err(Problem::new(
            Code::RateLimited,
            "The platform's keys are used up for today: they work again at midnight UTC. With a key of your own the agent can go on now.",
        )
        .retry_after(u32::try_from(wait).unwrap_or(u32::MAX)))
    }
}

/// One provider's part of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderUsage {
    pub name: String,
    pub source: Source,
    pub requests: u64,
    pub tokens: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub used: u64,
    pub limit: u64,
}

/// How much of the platform's keys is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetView {
    pub requests: Share,
    pub tokens: Share,
}

/// `GET /v1/agents/{asset}/usage`: what went through the edge today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageView {
    pub day: String,
    pub resets_at: Timestamp,
    /// The owner's own.
    pub providers: Vec<ProviderUsage>,
    /// Of the platform's keys, all of the domain's.
    pub budget: BudgetView,
}

impl UsageView {
    #[must_use]
    pub fn new(
        now: Timestamp,
        providers: Vec<ProviderUsage>,
        used: Amount,
        budget: &Budget,
    ) -> Self {
        let share = |used, limit| Share { used, limit };
        Self {
            day: day(now),
            resets_at: next_day(now),
            providers,
            budget: BudgetView {
                requests: share(used.requests, budget.daily.requests),
                tokens: share(used.tokens, budget.daily.tokens),
            },
        }
    }
}

/// What an answer's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    Json,
    /// Server-sent events.
    Events,
    Other,
}

impl Media {
    #[must_use]
    pub fn of(content_type: &str) -> Self {
        let media = content_type.split(';').next().unwrap_or_default().trim();
        if media.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else if media.eq_ignore_ascii_case("text/event-stream") {
            Self::Events
        } else {
            Self::Other
        }
    }
}

/// Reads along with an answer, however it is cut, for the tokens that its provider tells.
pub struct Meter {
    media: Media,
    /// What of a JSON answer or of a line of events came so far; none once it is too long to be looked at.
    held: Option<Vec<u8>>,
    told: Option<Told>,
    bytes: u64,
}

impl Meter {
    #[must_use]
    pub const fn new(media: Media) -> Self {
        Self {
            media,
            held: Some(Vec::new()),
            told: None,
            bytes: 0,
        }
    }

    pub fn read(&mut self, chunk: &[u8]) {
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        match self.media {
            Media::Json => self.hold(chunk),
            Media::Events => {
                let mut lines = chunk.split(|byte| *byte == b'\n');
                let Some(first) = lines.next() else { return };
                self.hold(first);
                for line in lines {
                    self.end_line();
                    self.hold(line);
                }
            }
            Media::Other => {}
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        let fits = |held: &Vec<u8>| held.len().saturating_add(bytes.len()) <= MAX_HELD;
        self.held = self.held.take().filter(fits);
        if let Some(held) = &mut self.held {
            held.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self) {
        let line = self.held.replace(Vec::new()).unwrap_or_default();
        if let Some(data) = line.strip_prefix(b"data:") {
            self.look_into(data);
        }
    }

    fn look_into(&mut self, json: &[u8]) {
        // Most events are pieces of text, which need not be parsed.
        let tells = json.windows(USAGE.len()).any(|bytes| bytes == USAGE);
        if let Some(found) = tells.then(|| told_by(json)).flatten() {
            self.told = Some(self.told.unwrap_or_default().later(found));
        }
    }

    /// The tokens of the call, once the answer ended or nobody reads on. `request` is the length of what was sent.
    #[must_use]
    pub fn tokens(&mut self, source: Source, request: u64) -> u64 {
        match self.media {
            Media::Json => {
                let whole = self.held.take().unwrap_or_default();
                self.look_into(&whole);
            }
            Media::Events => self.end_line(),
            Media::Other => {}
        }
        let told = self.told.map(Told::tokens).filter(|tokens| *tokens > 0);
        told.unwrap_or_else(|| {
            let guess = request.saturating_add(self.bytes) / BYTES_PER_TOKEN;
            match source {
                Source::Platform => guess.max(UNTOLD),
                Source::User | Source::None => guess,
            }
        })
    }
}

const USAGE: &[u8] = b"\"usage";

/// What a provider told so far. Some tell input and output in separate events, and sums so far more than once: of each the
/// largest is the last.
#[derive(Clone, Copy, Default)]
struct Told {
    total: u64,
    input: u64,
    output: u64,
}

impl Told {
    fn tokens(self) -> u64 {
        self.total.max(self.input.saturating_add(self.output))
    }

    fn later(self, other: Self) -> Self {
        Self {
            total: self.total.max(other.total),
            input: self.input.max(other.input),
            output: self.output.max(other.output),
        }
    }
}

/// What one JSON object tells, where each of the providers' APIs has it: never within what a model wrote.
fn told_by(json: &[u8]) -> Option<Told> {
    let whole: Value = serde_json::from_slice(json).ok()?;
    let places = [Some(&whole), whole.get("message"), whole.get("response")];
    let usages = places.into_iter().flatten().filter_map(|object| {
        let usage = object
            .get("usage")
            .or_else(|| object.get("usageMetadata"))?;
        usage.is_object().then(|| told_in(usage))
    });
    usages.reduce(Told::later)
}

fn told_in(usage: &Value) -> Told {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or_default();
    let input = [
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
    ];
    Told {
        total: count("total_tokens").max(count("totalTokenCount")),
        input: input.into_iter().map(count).fold(0, u64::saturating_add),
        output: count("output_tokens"),
    }
}

/// How long until a domain that has too many calls under way may try again.
pub const BUSY: Seconds = Seconds::new(2);

#[cfg(test)]
mod tests;
