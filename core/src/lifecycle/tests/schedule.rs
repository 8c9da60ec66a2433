//! Waking by the agent's own schedule.

use super::*;

/// Asleep, with something due at that time.
fn asleep_until(wish: Wish, due: Timestamp) -> Life {
    let mut life = life(State::Running, wish);
    life.begin_stop(NOW);
    life.saved_for_good(Some(due), NOW);
    life.stopped(Vec::new(), NOW);
    life
}

#[test]
fn c18_a_sleeping_agent_is_woken_shortly_before_what_is_due() {
    let mut life = asleep_until(Wish::Sleep, after(100));
    let ahead = after(100).saturating_sub(WAKE_AHEAD);
    let moment_before = Timestamp::from_millis(ahead.as_millis() - 1);
    assert_eq!(
        life.next(false, POLICY, moment_before),
        Step::Watch { at: ahead }
    );
    assert_eq!(life.next(false, POLICY, ahead), Step::Rouse);
    life.attempts = 2;
    life.rouse(ahead);
    assert_eq!(life.cause, Some(WakeCause::Schedule));
    assert_eq!(
        (life.due, life.woken_for, life.attempts),
        (None, Some(after(100)), 0)
    );
    assert_eq!(life.last_active, ahead);
    assert_eq!(life.next(false, POLICY, ahead), Step::Start);
}

#[test]
fn c18_what_was_due_while_it_fell_asleep_wakes_it_at_once() {
    let life = asleep_until(Wish::Sleep, NOW);
    assert_eq!(life.next(false, POLICY, after(1)), Step::Rouse);
}

#[test]
fn c18_a_stopped_agent_is_not_woken_by_its_schedule() {
    let life = asleep_until(Wish::Stop, after(100));
    assert_eq!(life.next(false, POLICY, after(1000)), Step::Rest);
    let mut life = asleep_until(Wish::Sleep, after(100));
    life.ask(Wish::Stop, after(1));
    assert_eq!(life.next(false, POLICY, after(1000)), Step::Rest);
}

#[test]
fn c18_the_same_due_time_wakes_once_and_a_later_one_again() {
    let mut life = asleep_until(Wish::Sleep, after(100));
    life.rouse(after(80));
    for (due, kept) in [(99, None), (100, None), (101, Some(after(101)))] {
        life.begin_start(SessionId::from_random([1; 16]), after(80));
        life.started(None, after(90));
        life.wish = Wish::Sleep;
        life.begin_stop(after(700));
        life.saved_for_good(Some(after(due)), after(700));
        assert_eq!(
            life.phase,
            Some(Phase::Destroy),
            "whatever is due, all is saved"
        );
        life.stopped(Vec::new(), after(700));
        assert_eq!(life.due, kept);
    }
    assert_eq!(life.next(false, POLICY, after(701)), Step::Rouse);
}

#[test]
fn c18_a_start_forgets_what_was_due_before_it() {
    let mut life = asleep_until(Wish::Sleep, after(100));
    life.ask(Wish::Run, after(1));
    life.begin_start(SessionId::from_random([1; 16]), after(1));
    assert_eq!(life.due, None);
}

#[test]
fn c18_an_agent_that_did_not_start_is_not_woken_again_by_its_schedule() {
    let mut life = asleep_until(Wish::Sleep, after(100));
    life.rouse(after(80));
    life.begin_start(SessionId::from_random([1; 16]), after(80));
    life.settle(
        State::Failed,
        Some(Trouble::new(TroubleCode::StartFailed, "x")),
        after(90),
    );
    assert_eq!(life.next(false, POLICY, after(1000)), Step::Rest);
}

#[test]
fn c08_an_evicted_agent_leaves_no_schedule_to_the_next_owner() {
    let life = asleep_until(Wish::Sleep, after(100)).evicted(after(1));
    assert_eq!((life.due, life.woken_for), (None, None));
}

#[test]
fn c18_what_is_due_in_more_than_a_year_is_no_schedule() {
    let mut stopping = life(State::Stopping, Wish::Sleep);
    let in_a_year = NOW.saturating_add(FARTHEST_DUE);
    stopping.saved_for_good(Some(in_a_year), NOW);
    assert_eq!(stopping.due, Some(in_a_year));
    stopping.saved_for_good(Some(in_a_year.saturating_add(Seconds::new(1))), NOW);
    assert_eq!(stopping.due, None);
}
