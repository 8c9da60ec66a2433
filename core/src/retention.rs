//! Which snapshots of a tenant are kept: the newest few, and of longer ago one a day and one a week, so that what went wrong
//! unnoticed can still be undone (C19). Those of a running agent come often and are counted apart, or they would push out
//! all others; what an owner sent stays until they delete it.

use crate::ids::SnapshotId;
use crate::snapshot::{Cause, Snapshot};
use crate::time::Timestamp;

/// Days that keep their newest snapshot, of those on which one was taken. Likewise weeks.
const DAYS: usize = 7;
/// So many periodic ones stay, of those that nothing else keeps.
const PERIODIC: usize = 3;
/// So many of one tenant may have been sent by its owner.
pub const MAX_UPLOADS: usize = 3;
const WEEKS: usize = 4;
const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// Those of `snapshots` (newest first) that may go when the newest `keep` stay, and the newest of each of the last
/// [`DAYS`] days and [`WEEKS`] weeks that have any. The newest stays always, and so does the one that is about to be restored.
#[must_use]
pub fn surplus(snapshots: &[Snapshot], keep: usize, chosen: Option<SnapshotId>) -> Vec<SnapshotId> {
    let (mut daily, mut weekly) = (Newest::of(DAYS), Newest::of(WEEKS));
    let (mut periodic, mut others) = (0_usize, 0_usize);
    let mut beyond = Vec::new();
    let taken = snapshots
        .iter()
        .filter(|snapshot| snapshot.cause != Cause::Upload);
    for (place, snapshot) in taken.enumerate() {
        let (count, limit) = match snapshot.cause {
            Cause::Period => (&mut periodic, PERIODIC),
            _ => (&mut others, keep),
        };
        *count = count.saturating_add(1);
        let day = day(snapshot.created_at);
        // Each looks at every snapshot: one that is kept anyway is also its day's.
        let kept = [
            place == 0 || *count <= limit,
            daily.is_newest(day),
            weekly.is_newest(week(day)),
            chosen == Some(snapshot.id),
        ];
        if !kept.contains(&true) {
            beyond.push(snapshot.id);
        }
    }
    beyond
}

/// The periods that were seen, from the newest on.
struct Newest {
    left: usize,
    last: Option<i64>,
}

impl Newest {
    const fn of(periods: usize) -> Self {
        Self {
            left: periods,
            last: None,
        }
    }

    /// Whether this is the first snapshot of a period that counts.
    fn is_newest(&mut self, period: i64) -> bool {
        if self.last == Some(period) || self.left == 0 {
            return false;
        }
        self.last = Some(period);
        self.left = self.left.saturating_sub(1);
        true
    }
}

/// Days since 1970, in UTC.
const fn day(at: Timestamp) -> i64 {
    at.as_secs().div_euclid(SECONDS_PER_DAY)
}

/// Weeks that begin on Mondays; 1970 began on a Thursday.
const fn week(day: i64) -> i64 {
    day.saturating_add(3).div_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Cause, Report};

    /// Newest first; an identifier is its place.
    fn taken(times: &[&str]) -> Vec<Snapshot> {
        let all = (0_u128..).zip(times).map(|(place, time)| Snapshot {
            id: SnapshotId::from_random(place.to_be_bytes()),
            created_at: Timestamp::parse_rfc3339(time).unwrap(),
            cause: Cause::Stop,
            size: 1,
            files: 1,
            sha256: "0".repeat(64).try_into().unwrap(),
            openclaw: "2026.9.6".to_owned(),
            report: Report::default(),
            packs: Vec::new(),
            unfit: false,
        });
        all.collect()
    }

    fn kept(times: &[&str], keep: usize) -> Vec<usize> {
        let all = taken(times);
        let gone = surplus(&all, keep, None);
        (0..all.len())
            .filter(|place| !gone.contains(&all[*place].id))
            .collect()
    }

    #[test]
    fn c19_the_newest_is_never_surplus_nor_is_the_chosen_one() {
        let day = [
            "2026-01-15T12:00:00Z",
            "2026-01-15T11:00:00Z",
            "2026-01-15T10:00:00Z",
        ];
        assert_eq!(kept(&day, 0), [0]);
        assert_eq!(kept(&day, 2), [0, 1]);
        assert_eq!(kept(&day, 10), [0, 1, 2]);
        let all = taken(&day);
        assert_eq!(surplus(&all, 1, Some(all[1].id)), [all[2].id]);
        assert!(surplus(&[], 10, None).is_empty());
    }

    #[test]
    fn c19_periodic_ones_push_out_no_other_and_what_was_sent_stays() {
        let mut all = taken(&["2026-01-15T12:00:00Z"; 9]);
        for (place, cause) in [
            (0, Cause::Period),
            (1, Cause::Period),
            (2, Cause::Upload),
            (3, Cause::Period),
            (4, Cause::Period),
            (5, Cause::Sleep),
            (6, Cause::Stop),
            (7, Cause::Crash),
            (8, Cause::Upload),
        ] {
            all[place].cause = cause;
        }
        let gone = surplus(&all, 2, None);
        assert_eq!(gone, [all[4].id, all[7].id]);
        assert_eq!(surplus(&all[..5], 1, None), [all[4].id]);
    }

    #[test]
    fn c19_of_the_last_seven_days_each_keeps_its_newest() {
        let days = [
            "2026-01-15T23:59:59Z",
            "2026-01-15T00:00:00Z",
            "2026-01-14T23:59:59Z",
            "2026-01-14T12:00:00Z",
            // Days without any do not count.
            "2026-01-09T01:00:00Z",
            "2026-01-08T01:00:00Z",
            "2026-01-07T01:00:00Z",
            "2026-01-06T02:00:00Z",
            "2026-01-06T01:00:00Z",
            "2026-01-05T01:00:00Z",
            // The eighth, in the week of those before it.
            "2026-01-05T00:30:00Z",
        ];
        assert_eq!(kept(&days, 1), [0, 2, 4, 5, 6, 7, 9]);
        assert_eq!(kept(&days, 2), [0, 1, 2, 4, 5, 6, 7, 9]);
    }

    #[test]
    fn c19_of_the_last_four_weeks_each_keeps_its_newest() {
        let mut times = vec![
            // A Monday, and the Sunday before it, which is of another week.
            "2026-01-12T00:00:00Z",
            "2026-01-11T23:59:59Z",
        ];
        let older = [
            "2026-01-10T00:00:00Z",
            "2026-01-09T00:00:00Z",
            "2026-01-08T00:00:00Z",
            "2026-01-07T00:00:00Z",
            "2026-01-06T00:00:00Z",
            // Beyond seven days.
            "2026-01-05T00:00:00Z",
            "2026-01-04T00:00:00Z",
            "2025-12-28T00:00:00Z",
            "2025-12-27T00:00:00Z",
            "2025-12-21T00:00:00Z",
        ];
        times.extend(older);
        assert_eq!(kept(&times, 1), [0, 1, 2, 3, 4, 5, 6, 8, 9]);
    }

    #[test]
    fn c19_at_most_so_many_stay_however_long_an_agent_lives() {
        let mut at = Timestamp::parse_rfc3339("2026-12-31T00:00:00Z").unwrap();
        let mut times = Vec::new();
        while times.len() < 2000 {
            times.push(at.rfc3339());
            at = Timestamp::from_secs(at.as_secs() - 3 * 60 * 60);
        }
        let times: Vec<&str> = times.iter().map(String::as_str).collect();
        let kept = kept(&times, 10);
        assert!(kept.len() <= 10 + DAYS + WEEKS);
        assert!(kept.len() >= DAYS + WEEKS);
    }
}
