//! What one domain may take of the machine that it shares with others: how fast requests for it may come, how many may be
//! under way, and how much one may carry. Each domain's object counts for itself, so nobody uses up another's share.

use crate::error::{Code, Problem};
use crate::time::Timestamp;

/// Requests to an agent that may wait for its answer at once. A browser opens a page with some dozens.
pub const MAX_PASSING: u32 = 100;
/// Sockets and streams of events to an agent that may stay open at once: more than a person opens.
pub const MAX_CONNECTIONS: usize = 100;
/// Calls of models by one agent that may be under way: its sub-agents work side by side.
pub const MAX_MODEL_CALLS: u32 = 8;
/// What may wait in an object for readers of its agent's sockets, in bytes, beyond the message that is being sent.
pub const MAX_UNREAD: u32 = 16 * 1024 * 1024;
/// The longest body of a request to an agent: what the platform takes at most on most plans.
pub const MAX_PASSED_BODY: u64 = 100 * 1024 * 1024;

/// Calls of models that an agent may make in a second, also those that are refused.
pub const MODELS_PER_SECOND: u32 = 8;
/// Questions about the agent's wallet, each of which may be five to an endpoint: all domains share what those grant.
pub const WALLET_PER_SECOND: u32 = 2;
/// Proposals of an agent for its wallet, also those that are refused.
pub const PROPOSALS_PER_SECOND: u32 = 1;
/// So many seconds' worth may come at once: a page of an agent has some hundred files.
const SECONDS_AT_ONCE: u64 = 30;
const MILLIS_PER_SECOND: u64 = 1000;

/// What is left of requests of one kind for one domain, of which so many may come in a second, and a page's worth at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowance {
    /// Thousandths of a request that are used up.
    used: u64,
    counted_at: Option<Timestamp>,
}

impl Allowance {
    /// Takes one request out of it.
    ///
    /// # Errors
    /// When there is none left, with the time after which there is.
    pub fn take(&mut self, per_second: u32, now: Timestamp) -> Result<(), Problem> {
        // A clock that was set back gives nothing, and takes nothing.
        let since = self.counted_at.map_or(0, |at| now.since(at).as_millis());
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        // Each millisecond brings as many thousandths as a second brings requests.
        let come = since.saturating_mul(per_second.into());
        self.used = self.used.saturating_sub(come);
        self.counted_at = Some(now);
        let all = u64::from(per_second)
            .saturating_mul(SECONDS_AT_ONCE)
            .saturating_mul(MILLIS_PER_SECOND);
        let used = self.used.saturating_add(MILLIS_PER_SECOND);
        if used > all {
            return Err(too_fast());
        }
        self.used = used;
        Ok(())
    }
}

/// Room for a number of things at once. [`Places::enter`] and [`Places::leave`] come in pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    taken: u32,
    of: u32,
}

impl Places {
    #[must_use]
    pub const fn new(of: u32) -> Self {
        Self { taken: 0, of }
    }

    /// Whether there was room, which is now taken.
    #[must_use]
    pub const fn enter(&mut self) -> bool {
        let fits = self.taken < self.of;
        if fits {
            self.taken = self.taken.saturating_add(1);
        }
        fits
    }

    pub const fn leave(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }
}

/// Whether a request to an agent may have this `Content-Length`; of one without any the bytes are counted as they pass.
///
/// # Errors
/// When it is too much, or is no length.
pub fn passed_body(declared: Option<&str>) -> Result<(), Problem> {
    let length: Option<u64> = match declared {
        None => return Ok(()),
        Some(text) => text.parse().ok(),
    };
    match length {
        Some(length) if length <= MAX_PASSED_BODY => Ok(()),
        _ => Err(body_too_large()),
    }
}

/// For bodies beyond [`MAX_PASSED_BODY`].
#[must_use]
pub fn body_too_large() -> Problem {
    let detail = format!("The body may have at most {MAX_PASSED_BODY} bytes.");
    Problem::new(Code::BodyTooLarge, detail)
}

fn too_fast() -> Problem {
    let detail = "Too many requests for this agent. Wait a moment.";
    Problem::new(Code::RateLimited, detail).retry_after(1)
}

/// For requests beyond [`MAX_PASSING`].
#[must_use]
pub fn too_many_waiting() -> Problem {
    let detail = "Too many requests wait for this agent's answer. Wait for one to end.";
    Problem::new(Code::RateLimited, detail).retry_after(5)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PER_SECOND: u32 = 2;
    const AT_ONCE: i64 = 60;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000_i64.saturating_add(millis))
    }

    fn used_up(now: Timestamp) -> Allowance {
        let mut allowance = Allowance::default();
        for _ in 0..AT_ONCE {
            assert!(allowance.take(PER_SECOND, now).is_ok());
        }
        allowance
    }

    #[test]
    fn as_many_at_once_as_told_and_then_so_many_a_second() {
        let mut allowance = used_up(at(0));
        let refused = allowance.take(PER_SECOND, at(0)).unwrap_err();
        assert_eq!(refused.code, Code::RateLimited);
        assert_eq!(refused.retry_after, Some(1));
        assert!(allowance.take(PER_SECOND, at(499)).is_err());
        assert!(allowance.take(PER_SECOND, at(500)).is_ok());
        assert!(allowance.take(PER_SECOND, at(500)).is_err());
        // A long pause gives no more than there was at first.
        let granted =
            (0..2 * AT_ONCE).filter(|_| allowance.take(PER_SECOND, at(3_600_000)).is_ok());
        assert_eq!(i64::try_from(granted.count()), Ok(AT_ONCE));
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut allowance = used_up(at(10_000));
        assert!(allowance.take(PER_SECOND, at(0)).is_err());
        assert!(allowance.take(PER_SECOND, at(400)).is_err());
    }

    proptest! {
        #[test]
        fn no_pattern_of_requests_gets_more_than_the_pace(gaps in proptest::collection::vec(0_i64..600, 1..400)) {
            let mut allowance = Allowance::default();
            let (mut now, mut granted) = (0_i64, 0_i64);
            for gap in gaps {
                now = now.saturating_add(gap);
                let taken = allowance.take(PER_SECOND, at(now)).is_ok();
                granted = granted.saturating_add(i64::from(taken));
                let most = now.saturating_mul(PER_SECOND.into()).div_euclid(1000).saturating_add(AT_ONCE);
                prop_assert!(granted <= most, "{} after {} ms", granted, now);
            }
        }
    }

    #[test]
    fn places_are_as_many_as_told_and_come_back() {
        let mut places = Places::new(2);
        assert_eq!(
            [places.enter(), places.enter(), places.enter()],
            [true, true, false]
        );
        places.leave();
        assert_eq!([places.enter(), places.enter()], [true, false]);
    }

    #[test]
    fn a_body_is_bounded_where_it_tells_its_length() {
        for good in [None, Some("0"), Some("104857600")] {
            assert!(passed_body(good).is_ok(), "{good:?}");
        }
        for bad in [
            "104857601",
            "18446744073709551616",
            "-1",
            "1e3",
            "0x10",
            "",
            "1, 1",
        ] {
            assert_eq!(
                passed_body(Some(bad)).unwrap_err().code,
                Code::BodyTooLarge,
                "{bad}"
            );
        }
    }
}
