//! When an agent was awake, why, and how long it took to wake: what its owner sees of what it costs and how it does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lifecycle::{Life, Phase, State, TroubleCode, WakeCause, Wish};
use crate::time::{Seconds, Timestamp};

/// So many entries are shown, newest first.
const SHOWN: usize = 50;
/// So many entries are kept.
pub const KEPT: u32 = 1000;
/// So many days are told of.
const DAYS: usize = 30;
const DAY: Seconds = Seconds::new(24 * 60 * 60);

/// How a time awake ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WakeEnd {
    Sleep,
    Stop,
    Restart,
    Crash,
    Failed,
    #[serde(other)]
    Other,
}

impl WakeEnd {
    /// How the time awake ended that is over in the row `after` and was not in `before`.
    #[must_use]
    pub fn of(before: &Life, after: &Life) -> Self {
        let trouble = after.trouble.as_ref().map(|trouble| trouble.code);
        match (trouble, after.state, before.wish) {
            (Some(TroubleCode::Crashed | TroubleCode::CrashLoop), ..) => Self::Crash,
            (_, State::Failed, _) => Self::Failed,
            (.., Wish::Sleep) => Self::Sleep,
            (.., Wish::Restart) => Self::Restart,
            (.., Wish::Stop | Wish::Run) => Self::Stop,
        }
    }
}

/// Milliseconds of each phase of a start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PhaseTimes {
    pub allocate: u32,
    pub restore: u32,
    pub inject: u32,
    pub boot: u32,
}

/// One time awake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wake {
    pub at: Timestamp,
    pub cause: WakeCause,
    /// Of the start that succeeded, or of the last try.
    #[serde(default)]
    pub phases: PhaseTimes,
    #[serde(default)]
    pub ready_at: Option<Timestamp>,
    /// Bytes of the archive that was restored.
    #[serde(default)]
    pub restored_bytes: Option<u64>,
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    #[serde(default)]
    pub end: Option<WakeEnd>,
}

impl Wake {
    #[must_use]
    pub fn new(at: Timestamp, cause: Option<WakeCause>) -> Self {
        Self {
            at,
            cause: cause.unwrap_or(WakeCause::Owner),
            phases: PhaseTimes::default(),
            ready_at: None,
            restored_bytes: None,
            ended_at: None,
            end: None,
        }
    }

    /// Notes how long a phase took; of phases that are none of a start nothing.
    pub fn passed(&mut self, phase: Phase, since: Timestamp, now: Timestamp) {
        let took = u32::try_from(now.since(since).as_millis()).unwrap_or(u32::MAX);
        match phase {
            Phase::Allocate => self.phases.allocate = took,
            Phase::Restore => self.phases.restore = took,
            Phase::Inject => self.phases.inject = took,
            Phase::Boot => self.phases.boot = took,
            Phase::Ready | Phase::Quiesce | Phase::Upload | Phase::Destroy => {}
        }
    }
}

/// Milliseconds from the wish to readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    pub p50: Option<u64>,
    pub p95: Option<u64>,
}

/// One day, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwakeDay {
    /// `YYYY-MM-DD`
    pub day: String,
    pub minutes: u32,
    /// How often it woke that day, by cause.
    pub causes: BTreeMap<WakeCause, u32>,
}

/// `GET /v1/agents/{asset}/wakes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// Newest first.
    pub wakes: Vec<Wake>,
    pub ready: Percentiles,
    /// Newest first; of days without any nothing is told.
    pub days: Vec<AwakeDay>,
}

impl Timeline {
    /// Sums up `wakes`, newest first. `open` is the one that is still awake.
    #[must_use]
    pub fn of(mut wakes: Vec<Wake>, open: Option<Timestamp>, now: Timestamp) -> Self {
        let mut took: Vec<u64> = wakes
            .iter()
            .filter_map(|wake| wake.ready_at.map(|ready| ready.since(wake.at)))
            .map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
            .collect();
        took.sort_unstable();
        let ready = Percentiles {
            p50: percentile(&took, 50),
            p95: percentile(&took, 95),
        };
        let days = days(&wakes, open, now);
        wakes.truncate(SHOWN);
        Self { wakes, ready, days }
    }
}

/// The smallest of them that so many percent do not exceed.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = sorted.len().saturating_mul(percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

fn days(wakes: &[Wake], open: Option<Timestamp>, now: Timestamp) -> Vec<AwakeDay> {
    let mut days: BTreeMap<String, (u64, BTreeMap<WakeCause, u32>)> = BTreeMap::new();
    for wake in wakes {
        // One whose end was never written down counts as far as it is known to have come.
        let known = wake.ended_at.or(wake.ready_at).unwrap_or(wake.at);
        let end = if open == Some(wake.at) { now } else { known };
        let (_, causes) = days.entry(day(wake.at)).or_default();
        let count = causes.entry(wake.cause).or_default();
        *count = count.saturating_add(1);
        let mut from = wake.at;
        // At most so many pieces: one that was open for longer is none that this service can have had.
        for _ in 0..=DAYS {
            let until = next_day(from).min(end);
            let (millis, _) = days.entry(day(from)).or_default();
            *millis =
                millis.saturating_add(u64::try_from(until.since(from).as_millis()).unwrap_or(0));
            if until >= end {
                break;
            }
            from = until;
        }
    }
    let newest_first = days.into_iter().rev().take(DAYS);
    newest_first
        .map(|(day, (millis, causes))| AwakeDay {
            day,
            minutes: u32::try_from(millis.div_ceil(60_000)).unwrap_or(u32::MAX),
            causes,
        })
        .collect()
}

fn day(at: Timestamp) -> String {
    at.rfc3339().chars().take(10).collect()
}

fn next_day(at: Timestamp) -> Timestamp {
    let seconds = i64::from(DAY.get());
    Timestamp::from_secs(at.as_secs().div_euclid(seconds).saturating_mul(seconds))
        .saturating_add(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn wake(begin: &str, ready: Option<&str>, end: Option<&str>, cause: WakeCause) -> Wake {
        Wake {
            ready_at: ready.map(at),
            ended_at: end.map(at),
            ..Wake::new(at(begin), Some(cause))
        }
    }

    #[test]
    fn a_day_is_told_with_its_minutes_and_causes() {
        let wakes = vec![
            wake(
                "2026-01-16T10:00:00Z",
                Some("2026-01-16T10:00:10Z"),
                None,
                WakeCause::Schedule,
            ),
            wake(
                "2026-01-15T23:50:00Z",
                Some("2026-01-15T23:50:20Z"),
                Some("2026-01-16T00:20:30Z"),
                WakeCause::Owner,
            ),
            wake("2026-01-14T08:00:00Z", None, None, WakeCause::Owner),
        ];
        let open = Some(wakes[0].at);
        let timeline = Timeline::of(wakes, open, at("2026-01-16T10:05:00Z"));
        let told: Vec<_> = timeline
            .days
            .iter()
            .map(|day| (day.day.as_str(), day.minutes, day.causes.clone()))
            .collect();
        assert_eq!(
            told,
            [
                ("2026-01-16", 26, BTreeMap::from([(WakeCause::Schedule, 1)])),
                ("2026-01-15", 10, BTreeMap::from([(WakeCause::Owner, 1)])),
                ("2026-01-14", 0, BTreeMap::from([(WakeCause::Owner, 1)])),
            ]
        );
        assert_eq!(
            timeline.ready,
            Percentiles {
                p50: Some(10_000),
                p95: Some(20_000)
            }
        );
    }

    #[test]
    fn how_it_ended_is_told_by_what_was_wished_and_what_came_of_it() {
        use crate::lifecycle::Trouble;
        let now = at("2026-01-15T12:00:00Z");
        let end = |wish, state, trouble: Option<TroubleCode>| {
            let before = Life {
                wish,
                ..Life::new(now)
            };
            let after = Life {
                state,
                trouble: trouble.map(|code| Trouble::new(code, "")),
                ..Life::new(now)
            };
            WakeEnd::of(&before, &after)
        };
        for (wish, state, trouble, expected) in [
            (Wish::Sleep, State::Asleep, None, WakeEnd::Sleep),
            (Wish::Stop, State::Asleep, None, WakeEnd::Stop),
            (Wish::Run, State::Asleep, None, WakeEnd::Stop),
            (Wish::Restart, State::Asleep, None, WakeEnd::Restart),
            (
                Wish::Run,
                State::Failed,
                Some(TroubleCode::StartFailed),
                WakeEnd::Failed,
            ),
            (
                Wish::Restart,
                State::Starting,
                Some(TroubleCode::Crashed),
                WakeEnd::Crash,
            ),
            (
                Wish::Stop,
                State::Failed,
                Some(TroubleCode::CrashLoop),
                WakeEnd::Crash,
            ),
        ] {
            assert_eq!(end(wish, state, trouble), expected, "{wish:?} {state:?}");
        }
    }

    #[test]
    fn percentiles_are_of_what_happened() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(
            (percentile(&hundred, 50), percentile(&hundred, 95)),
            (Some(50), Some(95))
        );
        assert_eq!(percentile(&[7], 95), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn an_entry_of_a_newer_version_is_read_and_one_that_never_ended_is_bounded() {
        let text =
            r#"{"at":"2026-01-15T12:00:00Z","cause":"telepathy","end":"teleport","added":1}"#;
        let read: Wake = serde_json::from_str(text).unwrap();
        assert_eq!(
            (read.cause, read.end),
            (WakeCause::Other, Some(WakeEnd::Other))
        );
        let old = wake("1970-01-01T00:00:00Z", None, None, WakeCause::Owner);
        let open = Some(old.at);
        assert!(
            Timeline::of(vec![old], open, at("2026-01-15T12:00:00Z"))
                .days
                .len()
                <= DAYS
        );
    }

    #[test]
    fn the_phases_of_a_start_are_timed() {
        let mut wake = Wake::new(at("2026-01-15T12:00:00Z"), None);
        let begin = wake.at;
        let later = |millis| Timestamp::from_millis(begin.as_millis() + millis);
        for (phase, from, to) in [
            (Phase::Allocate, 0, 5),
            (Phase::Restore, 5, 30),
            (Phase::Inject, 30, 31),
            (Phase::Boot, 31, 9000),
            (Phase::Upload, 0, 7),
        ] {
            wake.passed(phase, later(from), later(to));
        }
        let PhaseTimes {
            allocate,
            restore,
            inject,
            boot,
        } = wake.phases;
        assert_eq!((allocate, restore, inject, boot), (5, 25, 1, 8969));
    }
}
