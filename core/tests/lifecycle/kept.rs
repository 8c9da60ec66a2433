//! Which snapshots are kept, whatever there is.

use multiclaw_core::ids::SnapshotId;
use multiclaw_core::retention::surplus;
use multiclaw_core::snapshot::{Cause, Snapshot};
use multiclaw_core::time::Timestamp;
use proptest::prelude::*;

use crate::world::World;

const HOUR_MILLIS: i64 = 60 * 60 * 1000;
const PERIODIC: usize = 3;
const DAYS_AND_WEEKS: usize = 7 + 4;

/// Newest first, some hours apart.
fn snapshots() -> impl Strategy<Value = Vec<Snapshot>> {
    let cause = prop::sample::select(vec![
        Cause::Period,
        Cause::Period,
        Cause::Sleep,
        Cause::Crash,
        Cause::Manual,
        Cause::Upload,
        Cause::Other,
    ]);
    prop::collection::vec((cause, 0_i64..60), 0..60).prop_map(|taken| {
        let mut at = Timestamp::parse_rfc3339("2026-06-01T00:00:00Z").unwrap();
        let rows = (0_u128..).zip(taken).map(|(place, (cause, hours))| {
            at = Timestamp::from_millis(at.as_millis() - hours * HOUR_MILLIS);
            World::row(SnapshotId::from_random(place.to_be_bytes()), cause, 0, at)
        });
        rows.collect()
    })
}

proptest! {
    #![proptest_config(crate::config())]

    #[test]
    fn c19_of_whatever_there_is_the_newest_the_chosen_and_what_was_sent_stay_and_few_others(
        all in snapshots(),
        keep in 0_usize..12,
        chosen in 0_usize..60,
    ) {
        let chosen = all.get(chosen).map(|row| row.id);
        let gone = surplus(&all, keep, chosen);
        let (beyond, kept): (Vec<_>, Vec<_>) = all.iter().partition(|row| gone.contains(&row.id));
        let was_sent = |row: &&&Snapshot| row.cause == Cause::Upload;
        prop_assert_eq!(gone.len(), beyond.len());
        prop_assert!(!beyond.iter().any(|row| was_sent(&row)));
        prop_assert!(!beyond.iter().any(|row| chosen == Some(row.id)));
        let newest = |rows: &[&Snapshot]| {
            let mut taken = rows.iter().filter(|row| !was_sent(row));
            taken.next().map(|row| row.id)
        };
        let everything: Vec<&Snapshot> = all.iter().collect();
        prop_assert_eq!(newest(&everything), newest(&kept));
        let taken = kept.iter().filter(|row| !was_sent(row)).count();
        prop_assert!(taken <= keep + PERIODIC + DAYS_AND_WEEKS + 2);
        let newer: Vec<Snapshot> = kept.iter().map(|row| (*row).clone()).collect();
        prop_assert!(
            surplus(&newer, keep, chosen).is_empty(),
            "what was kept once is kept as long as nothing is taken"
        );
    }
}
