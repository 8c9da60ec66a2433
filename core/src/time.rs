//! Points in time and spans, in the units that the service stores and shows. There is no clock here: the caller reads it
//! once a request and passes the result on.

use core::fmt;
use core::time::Duration;

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

/// 9999-12-31T23:59:59.999Z, the last millisecond that RFC 3339 can write.
const MAX_MILLIS: i64 = 253_402_300_799_999;
/// The longest text read: a date-time with nanoseconds and an offset has 35 characters.
const MAX_RFC3339_LEN: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an RFC 3339 time between the years 1970 and 9999")]
pub struct TimeError;

/// How far apart the clocks of two machines of ours may be: what one dates, another may read in the moment before.
pub const CLOCK_SKEW: Seconds = Seconds::new(5);

/// A number of whole seconds, such as a lifetime or a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(u32);

impl Seconds {
    pub const fn new(seconds: u32) -> Self {
        Self(seconds)
    }

    pub const fn get(self) -> u32 {
        self.0
    }

    pub const fn as_duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

/// A point in time in milliseconds since 1970, between then and the end of the year 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

impl Timestamp {
    /// A value outside the range becomes the nearest end of it, so that every timestamp can be written as text.
    pub const fn from_millis(millis: i64) -> Self {
        Self(if millis < 0 {
            0
        } else if millis > MAX_MILLIS {
            MAX_MILLIS
        } else {
            millis
        })
    }

    pub const fn from_secs(secs: i64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// `2026-01-15T12:00:00.000Z`: always milliseconds, always UTC.
    pub fn rfc3339(self) -> String {
        DateTime::from_timestamp_millis(self.0)
            .unwrap_or_default()
            .to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// Reads any RFC 3339 time. What is finer than a millisecond is dropped.
    pub fn parse_rfc3339(text: &str) -> Result<Self, TimeError> {
        if text.len() > MAX_RFC3339_LEN || !text.is_ascii() {
            return Err(TimeError);
        }
        let millis = DateTime::parse_from_rfc3339(text)
            .map_err(|_| TimeError)?
            .timestamp_millis();
        if (0..=MAX_MILLIS).contains(&millis) {
            Ok(Self(millis))
        } else {
            Err(TimeError)
        }
    }

    /// `None` beyond the year 9999.
    pub const fn checked_add(self, span: Seconds) -> Option<Self> {
        // Neither step can overflow an i64: both terms are far below its range.
        let millis = self.0.saturating_add((span.0 as i64).saturating_mul(1000));
        if millis <= MAX_MILLIS {
            Some(Self(millis))
        } else {
            None
        }
    }

    /// The end of the year 9999 where the sum would lie beyond.
    pub const fn saturating_add(self, span: Seconds) -> Self {
        Self::from_millis(self.0.saturating_add((span.0 as i64).saturating_mul(1000)))
    }

    /// The beginning of 1970 where the difference would lie before.
    pub const fn saturating_sub(self, span: Seconds) -> Self {
        Self::from_millis(self.0.saturating_sub((span.0 as i64).saturating_mul(1000)))
    }

    /// The time from `earlier` to this, and zero when `earlier` is the later one.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(if self.0 > earlier.0 {
            self.0.abs_diff(earlier.0)
        } else {
            0
        })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.rfc3339())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimeError;

    fn try_from(text: String) -> Result<Self, TimeError> {
        Self::parse_rfc3339(&text)
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.rfc3339()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "2026-01-15T12:00:00.000Z";

    #[test]
    fn text_round_trips() {
        let noon = Timestamp::parse_rfc3339(NOON).unwrap();
        assert_eq!(noon, Timestamp::from_millis(1_768_478_400_000));
        assert_eq!(noon.rfc3339(), NOON);
        assert_eq!(
            Timestamp::from_millis(0).rfc3339(),
            "1970-01-01T00:00:00.000Z"
        );
        assert_eq!(
            Timestamp::from_millis(1_709_164_799_999).rfc3339(),
            "2024-02-28T23:59:59.999Z"
        );
        assert_eq!(
            Timestamp::from_millis(1_709_164_800_001).rfc3339(),
            "2024-02-29T00:00:00.001Z"
        );
    }

    #[test]
    fn other_spellings_of_one_moment_are_read_as_that_moment() {
        let noon = Timestamp::parse_rfc3339(NOON);
        for text in [
            "2026-01-15T12:00:00Z",
            "2026-01-15T13:30:00.0+01:30",
            "2026-01-15T12:00:00.000999999-00:00",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), noon, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026-01-15",
            "2026-01-15T12:00:00",
            "2026-13-15T12:00:00Z",
            "2026-02-29T12:00:00Z",
            "2026-01-15T24:00:00Z",
            "1969-12-31T23:59:59.999Z",
            "9999-12-31T23:59:59.999-23:59",
            "+12026-01-15T12:00:00Z",
            "2026-01-15T12:00:00\u{2212}01:00",
            "2026-01-15T12:00:00.000Z\n",
            "2026-01-15T12:00:00.00000000000000000000000000000000000000000000Z",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), Err(TimeError), "{text}");
        }
    }

    #[test]
    fn every_value_can_be_written_and_read_back() {
        for millis in [i64::MIN, -1, 0, 1, MAX_MILLIS, i64::MAX] {
            let time = Timestamp::from_millis(millis);
            assert_eq!(Timestamp::parse_rfc3339(&time.rfc3339()), Ok(time));
        }
        assert_eq!(
            Timestamp::from_millis(i64::MAX).rfc3339(),
            "9999-12-31T23:59:59.999Z"
        );
        assert_eq!(
            Timestamp::from_secs(i64::MAX),
            Timestamp::from_millis(i64::MAX)
        );
    }

    #[test]
    fn spans_add_and_subtract_within_the_range() {
        let start = Timestamp::from_millis(1_500);
        let end = start.checked_add(Seconds::new(300)).unwrap();
        assert_eq!(end.as_millis(), 301_500);
        assert_eq!(end.as_secs(), 301);
        assert_eq!(end.since(start), Seconds::new(300).as_duration());
        assert_eq!(start.since(end), Duration::ZERO);
        assert_eq!(
            Timestamp::from_millis(i64::MAX).checked_add(Seconds::new(1)),
            None
        );
        assert!(
            Timestamp::from_millis(0)
                .checked_add(Seconds::new(u32::MAX))
                .is_some()
        );
    }

    #[test]
    fn serde_uses_the_text() {
        let noon = Timestamp::parse_rfc3339(NOON).unwrap();
        assert_eq!(serde_json::to_string(&noon).unwrap(), format!("\"{NOON}\""));
        assert_eq!(
            serde_json::from_str::<Timestamp>(&format!("\"{NOON}\"")).unwrap(),
            noon
        );
        assert!(serde_json::from_str::<Timestamp>("1768478400000").is_err());
    }
}
