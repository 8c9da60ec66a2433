//! The machine's rules, one by one. Sequences of events are in `tests/lifecycle`.

mod healing;
mod rows;
mod saving;
mod schedule;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const POLICY: Policy = Policy {
    idle_timeout: Seconds::new(600),
    snapshot_period: Seconds::new(300),
};

fn life(state: State, wish: Wish) -> Life {
    Life {
        state,
        wish,
        ..Life::new(NOW)
    }
}

/// So many seconds after [`NOW`].
fn after(seconds: u32) -> Timestamp {
    NOW.saturating_add(Seconds::new(seconds))
}

fn code(life: &Life) -> Option<TroubleCode> {
    life.trouble.as_ref().map(|trouble| trouble.code)
}

#[test]
fn c18_an_idle_agent_falls_asleep_and_an_active_one_is_watched() {
    let mut running = life(State::Running, Wish::Run);
    running.saved_at = Some(NOW);
    assert!(matches!(
        running.next(true, POLICY, NOW),
        Step::Watch { .. }
    ));
    running.last_active = Timestamp::from_millis(NOW.as_millis() - 600_000);
    assert_eq!(running.next(true, POLICY, NOW), Step::FallAsleep);
}

#[test]
fn c18_nothing_starts_without_a_wish() {
    for state in [State::Asleep, State::Failed] {
        for wish in [Wish::Stop, Wish::Sleep] {
            assert_eq!(life(state, wish).next(false, POLICY, NOW), Step::Rest);
        }
    }
}

#[test]
fn c20_a_crash_is_seen() {
    for wish in [Wish::Run, Wish::Stop, Wish::Restart] {
        assert_eq!(
            life(State::Running, wish).next(false, POLICY, NOW),
            Step::RecordCrash
        );
    }
}

#[test]
fn c20_a_driver_that_died_is_taken_up_and_given_up_after_three_tries() {
    let mut starting = life(State::Starting, Wish::Run);
    assert_eq!(starting.next(true, POLICY, NOW), Step::Start);
    starting.attempts = MAX_ATTEMPTS;
    assert_eq!(starting.next(true, POLICY, NOW), Step::GiveUp);
    let mut stopping = life(State::Stopping, Wish::Stop);
    assert_eq!(stopping.next(true, POLICY, NOW), Step::Stop);
    assert_eq!(stopping.next(false, POLICY, NOW), Step::Discard);
    stopping.attempts = MAX_ATTEMPTS;
    assert_eq!(stopping.next(true, POLICY, NOW), Step::GiveUp);
}

#[test]
fn c19_what_could_not_be_saved_goes_on_or_is_saved_and_is_never_dropped() {
    let mut failed = life(State::Failed, Wish::Stop);
    failed.attempts = MAX_ATTEMPTS;
    assert!(matches!(failed.next(true, POLICY, NOW), Step::Watch { .. }));
    let later = NOW.saturating_add(RETRY_SAVING_AFTER);
    assert_eq!(failed.next(true, POLICY, later), Step::Stop);
    for (wish, step) in [
        (Wish::Stop, Step::Stop),
        (Wish::Restart, Step::Stop),
        (Wish::Run, Step::Resume),
    ] {
        failed.ask(wish, NOW);
        assert_eq!(failed.next(true, POLICY, NOW), step);
    }
    for wish in [Wish::Run, Wish::Restart] {
        let gone = life(State::Failed, wish);
        assert_eq!(gone.next(false, POLICY, NOW), Step::Start);
    }
}

#[test]
fn c20_a_stop_that_died_after_its_secrets_were_wiped_is_not_tried_again() {
    let mut stopping = life(State::Stopping, Wish::Stop);
    stopping.phase = Some(Phase::Destroy);
    assert_eq!(stopping.next(true, POLICY, NOW), Step::Discard);
}

#[test]
fn c19_a_snapshot_asked_for_while_one_is_taken_is_another_one() {
    let [first, second] = [1, 2].map(|byte| SnapshotId::from_random([byte; 16]));
    let mut running = life(State::Running, Wish::Run);
    running.snapshot = Some(first);
    assert_eq!(running.begin_snapshot(), Some(first));
    running.snapshot = Some(second);
    assert_eq!(
        running.begin_snapshot(),
        Some(first),
        "the driver died over it"
    );
    assert!(running.is_taking(first) && running.is_taking(second));
    running.taking = None;
    assert_eq!(running.next(true, POLICY, NOW), Step::Snapshot);
    assert_eq!(running.begin_snapshot(), Some(second));
}

#[test]
fn c08_an_evicted_agent_is_destroyed() {
    let before = life(State::Running, Wish::Run);
    let after = before.evicted(NOW);
    assert_eq!(after.next(true, POLICY, NOW), Step::Discard);
    assert_ne!(after.tenure, before.tenure);
}

#[test]
fn a_restart_of_what_sleeps_is_a_start() {
    let mut asleep = life(State::Asleep, Wish::Stop);
    asleep.ask(Wish::Restart, NOW);
    assert_eq!(asleep.next(false, POLICY, NOW), Step::Start);
    let mut running = life(State::Running, Wish::Run);
    running.ask(Wish::Restart, NOW);
    assert_eq!(running.next(true, POLICY, NOW), Step::Stop);
}
