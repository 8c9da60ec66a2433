//! The life cycle as a whole: whatever is asked, fails or dies in whatever order, what was promised holds (C18-C20).
//!
//! `world` is all that is outside the row, `driver` does the steps as the object's driver does, `events` is what can
//! happen, `promises` what must hold.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::panic_in_result_fn
)]

mod day;
mod driver;
mod events;
mod kept;
mod promises;
mod stories;
mod world;

use multiclaw_core::lifecycle::Wish;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::world::World;

/// More or fewer by `PROPTEST_CASES`.
const CASES: u32 = 2_000;
const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lifecycle/regressions");

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig {
        cases: cases.map_or(CASES, |cases| cases.parse().unwrap()),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn c18_c19_c20_whatever_happens_the_promises_hold_and_there_is_a_way_out(
        happenings in prop::collection::vec((events::event(), events::interruptions()), 1..40),
        wish in prop::sample::select(vec![Wish::Run, Wish::Stop, Wish::Restart]),
    ) {
        let mut world = World::new();
        for (event, interruptions) in &happenings {
            world.interruptions.extend(interruptions.iter().copied());
            world.experience(*event);
        }
        world.calm_down();
        world.reach(wish);
        let events = u64::try_from(happenings.len()).unwrap();
        world.alarms_are_bounded(events);
    }
}
