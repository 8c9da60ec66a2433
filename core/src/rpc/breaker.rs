//! One endpoint's breaker: whoever limits our rate, lags, or fails again and again is left alone for a while. It decides
//! whom to ask first and never whether to ask at all: a caller with nobody else asks an open one too.

use super::Fault;
use crate::time::{Seconds, Timestamp};

/// Failures in a row after which it opens.
const PATIENCE: u32 = 3;
/// The first time that it stays open; each one after it is twice as long, up to the last.
const FIRST: u32 = 5;
const LONGEST: u32 = 60;
/// For who limits our rate without saying how long.
const RATE_LIMITED: Seconds = Seconds::new(10);
/// A probe that nobody heard the end of holds up the next one no longer than this.
const PROBE: Seconds = Seconds::new(10);

#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// In a row.
    failures: u32,
    /// How often it opened since the last success.
    openings: u32,
    /// While it is open, and then until a probe succeeds.
    open_until: Option<Timestamp>,
    /// Whether the endpoint itself asked for it.
    told_off: bool,
    probing_until: Option<Timestamp>,
    failed_at: Option<Timestamp>,
}

impl Breaker {
    /// Whether to ask: it is closed, or half open and not being probed.
    pub(super) fn allows(&self, now: Timestamp) -> bool {
        let over = |time: Option<Timestamp>| time.is_none_or(|until| now >= until);
        over(self.open_until) && over(self.probing_until)
    }

    /// Whether it may be asked twice in a row in spite of it, by who has nobody else.
    pub(super) const fn bears_asking(&self) -> bool {
        !self.told_off
    }

    pub(super) const fn failed_at(&self) -> Option<Timestamp> {
        self.failed_at
    }

    pub(super) fn asked(&mut self, now: Timestamp) {
        if self.open_until.is_some() {
            self.probing_until = Some(now.saturating_add(PROBE));
        }
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub(super) fn failed(&mut self, fault: Fault, now: Timestamp) {
        self.failed_at = Some(now);
        self.probing_until = None;
        self.failures = self.failures.saturating_add(1);
        self.told_off = matches!(fault, Fault::RateLimited(_) | Fault::NodeBehind);
        let span = match fault {
            Fault::RateLimited(after) => after.unwrap_or(RATE_LIMITED).get().clamp(1, LONGEST),
            Fault::NodeBehind => self.cool_down(),
            _ if self.failures >= PATIENCE || self.open_until.is_some() => self.cool_down(),
            _ => return,
        };
        self.openings = self.openings.saturating_add(1);
        self.open_until = Some(now.saturating_add(Seconds::new(span)));
    }

    fn cool_down(&self) -> u32 {
        let doubled = 1_u32.checked_shl(self.openings).unwrap_or(u32::MAX);
        FIRST.saturating_mul(doubled).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn after(faults: &[Fault]) -> Breaker {
        let mut breaker = Breaker::default();
        for fault in faults {
            breaker.failed(*fault, at(100));
        }
        breaker
    }

    /// The first second from 100 on at which it may be asked again.
    fn opens_until(breaker: &Breaker) -> i64 {
        (100..1000)
            .find(|second| breaker.allows(at(*second)))
            .unwrap()
    }

    #[test]
    fn one_who_limits_our_rate_or_lags_is_left_alone_at_once() {
        let limited = |seconds| after(&[Fault::RateLimited(seconds)]);
        assert_eq!(opens_until(&limited(None)), 110);
        assert_eq!(opens_until(&limited(Some(Seconds::new(7)))), 107);
        assert_eq!(
            opens_until(&limited(Some(Seconds::new(0)))),
            101,
            "no time is some"
        );
        assert_eq!(
            opens_until(&limited(Some(Seconds::new(u32::MAX)))),
            160,
            "what it asks for is bounded"
        );
        assert_eq!(opens_until(&after(&[Fault::NodeBehind])), 105);
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        for fault in [Fault::TimedOut, Fault::Unreachable, Fault::Malformed] {
            assert!(after(&[fault; 2]).allows(at(100)));
            assert_eq!(opens_until(&after(&[fault; 3])), 105);
        }
        let mut breaker = after(&[Fault::TimedOut; 2]);
        breaker.succeeded();
        breaker.failed(Fault::TimedOut, at(100));
        assert!(breaker.allows(at(100)));
    }

    #[test]
    fn half_open_it_lets_one_probe_through_whose_end_decides() {
        let mut breaker = after(&[Fault::TimedOut; 3]);
        assert!(!breaker.allows(at(104)));
        assert!(breaker.allows(at(105)));
        breaker.asked(at(105));
        assert!(!breaker.allows(at(105)), "one probe at a time");
        breaker.failed(Fault::TimedOut, at(107));
        assert_eq!(opens_until(&breaker), 117, "twice as long");
        breaker.asked(at(117));
        breaker.succeeded();
        assert!(breaker.allows(at(117)));
        breaker.failed(Fault::TimedOut, at(118));
        assert!(breaker.allows(at(118)), "its past is forgotten");
    }

    #[test]
    fn a_probe_that_was_given_up_does_not_keep_it_open() {
        let mut breaker = after(&[Fault::NodeBehind]);
        breaker.asked(at(105));
        assert!(!breaker.allows(at(114)));
        assert!(breaker.allows(at(115)));
    }

    #[test]
    fn it_is_never_open_for_longer_than_a_minute() {
        assert_eq!(opens_until(&after(&[Fault::TimedOut; 80])), 160);
    }
}
