//! The policy by which Solana RPC endpoints are asked: who, how often, and when their answers count for something. The
//! asking itself is the caller's, who also brings the clock and the randomness.
//!
//! No answer of an endpoint is proved. What may give somebody access, or take everything from somebody, is what two of
//! them say; where only one is configured its word has to do.

mod breaker;
mod poll;
#[cfg(test)]
mod tests;

use core::time::Duration;

use crate::ownership::{AnswerError, Floor, next_floor};
use crate::time::{Seconds, Timestamp};

use breaker::Breaker;
pub use poll::{Poll, Step, Verdict};

/// How many endpoints must say the same, where there are as many.
pub const QUORUM: usize = 2;
/// A client that was refused for this may try again after so long.
pub const RETRY_AFTER: Seconds = Seconds::new(5);

/// How long may be asked.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// One endpoint, once.
    pub call: Duration,
    /// All of them, with every repetition.
    pub total: Duration,
}

impl Limits {
    pub const LOGIN: Self = Self {
        call: Duration::from_secs(4),
        total: Duration::from_secs(8),
    };
    /// Requests of running sessions wait for it.
    pub const WATCH: Self = Self {
        call: Duration::from_secs(2),
        total: Duration::from_secs(3),
    };
}

/// Why an endpoint's answer does not count. The texts follow its name, which is its place in the list: never its URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("can't be reached")]
    Unreachable,
    #[error("took too long")]
    TimedOut,
    #[error("answered status {0}")]
    Status(u16),
    /// With the time after which it wants to be asked again, if it said so.
    #[error("takes no more questions for now")]
    RateLimited(Option<Seconds>),
    #[error("says that its node is behind")]
    NodeBehind,
    #[error("is behind what is known already")]
    Late,
    /// The same question would be refused again.
    #[error("does not take the question (JSON-RPC error {0})")]
    Refused(i64),
    #[error("answered with JSON-RPC error {0}")]
    Rpc(i64),
    #[error("gave no JSON-RPC answer to what was asked")]
    Malformed,
}

impl Fault {
    /// What an HTTP status says, with the value of `Retry-After`; `None` for one whose body is the answer.
    #[must_use]
    pub fn of_status(status: u16, retry_after: Option<&str>) -> Option<Self> {
        // A date is as good as nothing: the breaker has a time of its own.
        let after = || {
            retry_after
                .and_then(|text| text.trim().parse().ok())
                .map(Seconds::new)
        };
        match status {
            200 => None,
            429 => Some(Self::RateLimited(after())),
            503 if after().is_some() => Some(Self::RateLimited(after())),
            _ => Some(Self::Status(status)),
        }
    }
}

impl From<AnswerError> for Fault {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Malformed => Self::Malformed,
            AnswerError::Rpc(429) => Self::RateLimited(None),
            AnswerError::Rpc(-32005 | -32016) => Self::NodeBehind,
            AnswerError::Rpc(code @ (-32602..=-32600)) => Self::Refused(code),
            AnswerError::Rpc(code) => Self::Rpc(code),
        }
    }
}

/// What is remembered of the endpoints between readings. It only makes them better: with none of it all is as safe.
#[derive(Debug, Default)]
pub struct Pool {
    breakers: Vec<Breaker>,
    /// The newest slot that two endpoints vouched for, of whatever asset.
    floor: Option<Floor>,
}

impl Pool {
    #[must_use]
    pub const fn new() -> Self {
        Self {
            breakers: Vec::new(),
            floor: None,
        }
    }

    /// Another number of endpoints is another configuration.
    fn fit(&mut self, endpoints: usize) {
        if self.breakers.len() != endpoints {
            *self = Self::new();
            self.breakers.resize_with(endpoints, Breaker::default);
        }
    }

    fn allows(&self, endpoint: usize, now: Timestamp) -> bool {
        self.breakers
            .get(endpoint)
            .is_some_and(|breaker| breaker.allows(now))
    }

    fn bears_asking(&self, endpoint: usize) -> bool {
        self.breakers
            .get(endpoint)
            .is_some_and(Breaker::bears_asking)
    }

    fn failed_at(&self, endpoint: usize) -> Option<Timestamp> {
        self.breakers.get(endpoint)?.failed_at()
    }

    /// All endpoints for a question that one may answer: those that failed of late come last.
    #[must_use]
    pub fn order(&self, endpoints: usize, now: Timestamp) -> Vec<usize> {
        let rests = |index: usize| self.breakers.get(index).is_some_and(|it| !it.allows(now));
        let (last, mut all): (Vec<_>, Vec<_>) = (0..endpoints).partition(|&index| rests(index));
        all.extend(last);
        all
    }

    fn raise_floor(&mut self, slot: u64, now: Timestamp) {
        let slot = self
            .floor
            .map_or(slot, |floor| next_floor(floor.slot, slot, true));
        self.floor = Some(Floor {
            slot,
            since: now,
            owner: None,
        });
    }
}

/// The pause before another round: it doubles, up to a second, and half of it is left to chance so that those who failed
/// together do not come back together.
fn backoff(round: u32, random: u8) -> Duration {
    const FIRST_MILLIS: u64 = 250;
    const MOST_MILLIS: u64 = 1000;
    let span = FIRST_MILLIS
        .saturating_mul(1_u64.checked_shl(round).unwrap_or(u64::MAX))
        .min(MOST_MILLIS);
    let chance = span.saturating_mul(u64::from(random)) / 510;
    Duration::from_millis((span / 2).saturating_add(chance))
}
