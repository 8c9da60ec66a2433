//! Saving an agent that runs, and one that stops.

use super::*;

const HASH: ArchiveHash = ArchiveHash::from_bytes([7; 32]);

fn running() -> Life {
    let mut life = life(State::Starting, Wish::Run);
    life.started(None, NOW);
    // Used to the end.
    life.last_active = after(10_000);
    life
}

#[test]
fn c19_a_running_agent_is_saved_once_a_period() {
    let mut life = running();
    assert_eq!(
        life.next(true, POLICY, after(299)),
        Step::Watch { at: after(300) }
    );
    assert_eq!(life.next(true, POLICY, after(300)), Step::Save);
    life.saved_while_running(Some(HASH), POLICY, after(310));
    assert_eq!(life.saved, Some(HASH));
    assert!(matches!(
        life.next(true, POLICY, after(609)),
        Step::Watch { .. }
    ));
    assert_eq!(life.next(true, POLICY, after(610)), Step::Save);
}

#[test]
fn c19_a_periodic_snapshot_that_failed_is_tried_again_after_a_minute() {
    let mut life = running();
    life.saved_while_running(Some(HASH), POLICY, NOW);
    life.saved_while_running(None, POLICY, after(300));
    assert_eq!(
        life.saved,
        Some(HASH),
        "what was saved before still is what is saved"
    );
    assert_eq!(
        life.next(true, POLICY, after(359)),
        Step::Watch { at: after(360) }
    );
    assert_eq!(life.next(true, POLICY, after(360)), Step::Save);
    let short = Policy {
        snapshot_period: Seconds::new(20),
        ..POLICY
    };
    life.saved_while_running(None, short, after(360));
    assert!(matches!(
        life.next(true, short, after(379)),
        Step::Watch { .. }
    ));
    assert_eq!(life.next(true, short, after(380)), Step::Save);
}

#[test]
fn c19_a_period_that_could_be_saved_ends_the_trouble_of_one_that_could_not() {
    let mut life = running();
    for (code, stays) in [
        (TroubleCode::SnapshotFailed, false),
        (TroubleCode::RestoredOlder, true),
        (TroubleCode::Crashed, true),
    ] {
        life.trouble = Some(Trouble::new(code, "x"));
        life.saved_while_running(None, POLICY, NOW);
        assert!(life.trouble.is_some());
        life.saved_while_running(Some(HASH), POLICY, NOW);
        assert_eq!(life.trouble.is_some(), stays, "{code:?}");
    }
}

#[test]
fn c19_what_another_container_held_is_not_taken_for_saved() {
    let mut life = running();
    life.saved_while_running(Some(HASH), POLICY, NOW);
    life.begin_stop(NOW);
    life.saved_for_good(None, NOW);
    life.stopped(Vec::new(), NOW);
    life.ask(Wish::Run, after(5));
    life.begin_start(SessionId::from_random([1; 16]), after(5));
    life.started(None, after(9));
    assert_eq!((life.saved, life.saved_at), (None, Some(after(9))));
}

#[test]
fn c19_an_idle_agent_is_not_saved_but_falls_asleep_which_saves_it() {
    let mut life = running();
    life.last_active = NOW;
    assert_eq!(life.next(true, POLICY, after(600)), Step::FallAsleep);
}

#[test]
fn c19_a_container_that_goes_before_all_was_saved_is_told() {
    for (wish, next) in [
        (Wish::Stop, Step::Rest),
        (Wish::Sleep, Step::Rest),
        (Wish::Restart, Step::Start),
        (Wish::Run, Step::Start),
    ] {
        let mut life = running();
        life.wish = wish;
        life.begin_stop(NOW);
        life.enter(State::Stopping, Some(Phase::Upload), NOW);
        assert_eq!(life.next(false, POLICY, NOW), Step::Discard);
        life.discarded(NOW);
        assert_eq!(code(&life), Some(TroubleCode::Crashed), "{wish:?}");
        assert_eq!(life.next(false, POLICY, after(2)), next, "{wish:?}");
    }
}

#[test]
fn c19_a_container_that_goes_when_all_was_saved_is_no_trouble() {
    let mut life = running();
    life.ask(Wish::Stop, NOW);
    life.begin_stop(NOW);
    life.saved_for_good(None, NOW);
    for container_runs in [true, false] {
        assert_eq!(life.next(container_runs, POLICY, NOW), Step::Discard);
    }
    life.discarded(NOW);
    assert_eq!((life.state, code(&life)), (State::Asleep, None));
    assert_eq!(life.next(false, POLICY, NOW), Step::Rest);
}

#[test]
fn c19_a_try_to_stop_begins_anew_and_takes_what_was_asked_for_along() {
    let mut life = running();
    life.snapshot = Some(SnapshotId::from_random([1; 16]));
    life.taking = Some(SnapshotId::from_random([2; 16]));
    life.ask(Wish::Stop, NOW);
    for attempts in 1..=MAX_ATTEMPTS {
        assert_eq!(life.next(true, POLICY, NOW), Step::Stop);
        life.begin_stop(NOW);
        assert_eq!(
            (life.phase, life.attempts),
            (Some(Phase::Quiesce), attempts)
        );
        assert_eq!((life.snapshot, life.taking), (None, None));
        life.enter(State::Stopping, Some(Phase::Upload), NOW);
    }
    assert_eq!(life.next(true, POLICY, NOW), Step::GiveUp);
}

#[test]
fn c18_what_was_asked_for_while_it_stopped_is_done_after() {
    for (wish, left) in [
        (Wish::Run, Wish::Run),
        (Wish::Restart, Wish::Run),
        (Wish::Sleep, Wish::Sleep),
        (Wish::Stop, Wish::Stop),
    ] {
        let mut life = running();
        life.wish = wish;
        life.begin_stop(NOW);
        life.saved_for_good(None, NOW);
        life.stopped(Vec::new(), NOW);
        assert_eq!((life.state, life.wish), (State::Asleep, left));
        assert_eq!(
            life.trouble, None,
            "only an agent that ended by itself is told of"
        );
        assert_eq!(life.not_before, None);
    }
    let mut failed = life(State::Starting, Wish::Run);
    failed.settle(State::Failed, None, NOW);
    assert_eq!(
        failed.wish,
        Wish::Stop,
        "a start that failed is not tried again by itself"
    );
}

#[test]
fn c19_a_container_that_was_kept_and_goes_is_told() {
    for (wish, state, next) in [
        (Wish::Stop, State::Asleep, Step::Rest),
        (Wish::Sleep, State::Asleep, Step::Rest),
        (Wish::Run, State::Starting, Step::Start),
        (Wish::Restart, State::Starting, Step::Start),
    ] {
        let mut kept = running();
        kept.trouble = Some(Trouble::new(TroubleCode::SnapshotFailed, "it was kept"));
        kept.wish = wish;
        kept.enter(State::Failed, None, NOW);
        assert_eq!(kept.next(false, POLICY, NOW), Step::RecordCrash);
        kept.crash(NOW);
        assert_eq!(
            (kept.state, code(&kept)),
            (state, Some(TroubleCode::Crashed))
        );
        assert_eq!(kept.next(false, POLICY, after(60)), next);
    }
}

#[test]
fn c18_it_is_looked_at_when_it_falls_idle_and_not_only_some_time_after() {
    let mut life = running();
    life.last_active = NOW;
    life.saved_at = Some(after(590));
    assert_eq!(
        life.next(true, POLICY, after(595)),
        Step::Watch { at: after(600) }
    );
}

#[test]
fn c20_what_is_over_leaves_nothing_to_what_comes_after_it() {
    for state in [State::Asleep, State::Failed] {
        let mut over = running();
        over.end(NOW);
        over.snapshot = Some(SnapshotId::from_random([1; 16]));
        over.taking = Some(SnapshotId::from_random([2; 16]));
        over.pass = Some(SessionId::from_random([3; 16]));
        over.renewal = Some(Renewal::Restart);
        over.woke_at = Some(NOW);
        over.unanswered = 3;
        over.attempts = 2;
        over.settle(state, None, after(1));
        let left = Life {
            state,
            wish: Wish::Run,
            since: after(1),
            // What counts across starts.
            crashes: vec![NOW],
            cause: Some(WakeCause::Crash),
            last_active: over.last_active,
            ..Life::new(NOW)
        };
        assert_eq!(over, left);
    }
}

#[test]
fn c19_what_a_chosen_snapshot_brought_back_is_saved_at_once() {
    let mut running = life(State::Running, Wish::Run);
    running.started(None, NOW);
    assert!(matches!(
        running.next(true, POLICY, NOW),
        Step::Watch { .. }
    ));
    running.save_soon();
    assert_eq!(running.next(true, POLICY, NOW), Step::Save);
}

#[test]
fn c19_an_ended_agent_is_given_up_only_where_its_container_refuses_or_its_owner_insists() {
    let mut kept = life(State::Stopping, Wish::Restart);
    kept.ended = true;
    for attempt in 1..=6 {
        kept.attempts = attempt;
        kept.not_saved(Unsaved::Other);
        assert!(!kept.is_lost(Unsaved::Other), "storage may come back");
        kept.not_saved(Unsaved::TooLarge);
        assert!(!kept.is_lost(Unsaved::TooLarge), "nobody said so");
    }
    for refusal in 1..=3 {
        assert!(!kept.is_lost(Unsaved::Refused), "{refusal}");
        kept.not_saved(Unsaved::Refused);
    }
    assert!(kept.is_lost(Unsaved::Refused));
    kept.not_saved(Unsaved::Other);
    assert!(!kept.is_lost(Unsaved::Refused), "it counts in a row");

    kept.keep(Trouble::new(TroubleCode::SnapshotFailed, "too large"), NOW);
    assert_eq!((kept.state, kept.wish), (State::Failed, Wish::Restart));
    kept.ask(Wish::Run, NOW);
    assert_eq!(kept.next(true, POLICY, NOW), Step::Stop);
    kept.begin_stop(NOW);
    assert!(!kept.is_lost(Unsaved::TooLarge), "it is tried first");
    kept.attempts = MAX_ATTEMPTS;
    assert!(kept.is_lost(Unsaved::TooLarge));
    kept.ended = false;
    assert!(!kept.is_lost(Unsaved::TooLarge), "one that lives goes on");
}
