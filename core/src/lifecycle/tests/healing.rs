//! Agents that end by themselves, alone or with their container, and those that answer no more.

use super::*;

const PASS: SessionId = SessionId::from_random([1; 16]);

fn running(at: Timestamp) -> Life {
    let mut life = Life::new(at);
    life.ask(Wish::Run, at);
    start(&mut life, at);
    life
}

fn start(life: &mut Life, at: Timestamp) {
    life.begin_start(PASS, at);
    life.started(None, at);
}

/// The agent ends, and what it held is saved.
fn end_and_save(life: &mut Life, at: Timestamp) {
    life.end(at);
    save(life, at);
}

fn save(life: &mut Life, at: Timestamp) {
    assert_eq!(life.next(true, POLICY, at), Step::Stop);
    life.begin_stop(at);
    life.saved_for_good(None, at);
    life.stopped(vec!["its last words".to_owned()], at);
}

#[test]
fn c20_an_agent_that_answers_no_more_counts_as_ended() {
    let mut life = running(NOW);
    assert_eq!(
        life.next(true, POLICY, NOW),
        Step::Watch {
            at: NOW.saturating_add(WATCH_PERIOD)
        }
    );
    for _ in 1..MAX_UNANSWERED {
        assert!(!life.answered(false));
        assert_eq!(
            life.next(true, POLICY, NOW),
            Step::Watch {
                at: NOW.saturating_add(ASK_AGAIN_AFTER)
            },
            "it is asked again sooner"
        );
    }
    assert!(life.answered(false));
    assert!(!life.answered(true), "one answer is enough");
    assert_eq!(life.unanswered, 0);
    assert!(!life.answered(false));
}

#[test]
fn c20_an_agent_that_ended_is_saved_and_started_again_after_a_pause_that_grows() {
    let mut life = running(NOW);
    life.unanswered = MAX_UNANSWERED;
    for (at, pause) in [(0, 2), (100, 4)] {
        life.end(after(at));
        assert_eq!((life.ended, life.unanswered), (true, 0));
        assert_eq!(life.cause, Some(WakeCause::Crash));
        life.end(after(at));
        save(&mut life, after(at));
        assert_eq!(
            (life.state, life.phase),
            (State::Starting, Some(Phase::Allocate))
        );
        assert_eq!(code(&life), Some(TroubleCode::Crashed));
        assert_eq!(
            life.trouble.as_ref().unwrap().lines,
            ["its last words".to_owned()]
        );
        assert_eq!(
            life.next(false, POLICY, after(at + pause - 1)),
            Step::Watch {
                at: after(at + pause)
            }
        );
        assert_eq!(life.next(false, POLICY, after(at + pause)), Step::Start);
        start(&mut life, after(at + pause));
        assert!(!life.ended);
        assert_eq!(
            code(&life),
            Some(TroubleCode::Crashed),
            "it is still told when the agent runs again"
        );
        assert!(matches!(
            life.next(true, POLICY, after(at + pause)),
            Step::Watch { .. }
        ));
    }
}

#[test]
fn c20_an_agent_lost_with_its_container_is_started_from_its_newest_snapshot() {
    let mut life = running(NOW);
    for (at, pause) in [(0, 2), (100, 4)] {
        assert_eq!(life.next(false, POLICY, after(at)), Step::RecordCrash);
        life.crash(after(at));
        assert_eq!(code(&life), Some(TroubleCode::Crashed));
        assert_eq!(life.cause, Some(WakeCause::Crash));
        assert_eq!(
            life.next(false, POLICY, after(at)),
            Step::Watch {
                at: after(at + pause)
            }
        );
        assert_eq!(life.next(false, POLICY, after(at + pause)), Step::Start);
        start(&mut life, after(at + pause));
    }
}

#[test]
fn c20_one_that_was_to_stop_is_not_started_again() {
    for wish in [Wish::Stop, Wish::Sleep] {
        let mut lost = running(NOW);
        lost.wish = wish;
        lost.crash(NOW);
        assert_eq!(
            (lost.state, code(&lost)),
            (State::Asleep, Some(TroubleCode::Crashed))
        );
        assert_eq!(lost.next(false, POLICY, after(60)), Step::Rest);

        let mut ended = running(NOW);
        ended.wish = wish;
        let cause = ended.cause;
        end_and_save(&mut ended, NOW);
        assert_eq!((ended.wish, ended.cause), (wish, cause));
        assert_eq!((ended.state, ended.not_before), (State::Asleep, None));
        assert_eq!(ended.next(false, POLICY, after(60)), Step::Rest);
    }
}

#[test]
fn c20_three_ends_within_ten_minutes_are_a_loop_until_its_owner_asks() {
    let mut ends = running(NOW);
    let mut goes = running(NOW);
    for at in [0, 290] {
        end_and_save(&mut ends, after(at));
        goes.crash(after(at));
        start(&mut ends, after(at + 10));
        start(&mut goes, after(at + 10));
    }
    end_and_save(&mut ends, after(599));
    goes.crash(after(599));
    assert_eq!(
        ends.trouble.as_ref().unwrap().lines,
        ["its last words".to_owned()]
    );
    for life in [&mut ends, &mut goes] {
        assert_eq!(
            (life.state, code(life)),
            (State::Failed, Some(TroubleCode::CrashLoop))
        );
        assert!(life.trouble.as_ref().unwrap().detail.contains("3 times"));
        assert_eq!(life.next(false, POLICY, after(100_000)), Step::Rest);
        life.ask(Wish::Run, after(700));
        assert_eq!(life.next(false, POLICY, after(700)), Step::Start);
        start(life, after(700));
        life.crash(after(701));
        assert_eq!(
            life.not_before,
            Some(after(703)),
            "it counts from the beginning"
        );
    }
}

#[test]
fn c20_ends_of_more_than_ten_minutes_ago_do_not_count() {
    let mut life = running(NOW);
    for at in [0, 590] {
        end_and_save(&mut life, after(at));
        start(&mut life, after(at + 5));
    }
    end_and_save(&mut life, after(600));
    assert_eq!(life.state, State::Starting);
    assert_eq!(life.not_before, Some(after(604)));
    start(&mut life, after(605));
    end_and_save(&mut life, after(1189));
    assert_eq!(code(&life), Some(TroubleCode::CrashLoop));
}

#[test]
fn c20_an_owner_who_asks_does_not_wait_for_the_pause() {
    let mut life = running(NOW);
    life.crash(NOW);
    life.ask(Wish::Run, NOW);
    assert_eq!(life.next(false, POLICY, NOW), Step::Start);
    life.crash(NOW);
    life.ask(Wish::Stop, NOW);
    assert_eq!(life.next(false, POLICY, NOW), Step::Discard);
    life.discarded(NOW);
    assert_eq!(life.next(false, POLICY, after(60)), Step::Rest);
}

#[test]
fn c20_asking_an_ended_agent_to_run_saves_it_first() {
    let mut life = running(NOW);
    for _ in 1..MAX_CRASHES {
        end_and_save(&mut life, NOW);
        start(&mut life, NOW);
    }
    life.end(NOW);
    assert_eq!(
        life.wish,
        Wish::Stop,
        "it ended too often to be started again"
    );
    life.ask(Wish::Run, NOW);
    assert_eq!(life.wish, Wish::Restart);
    save(&mut life, NOW);
    assert_eq!(life.wish, Wish::Run);
    assert_eq!(life.next(false, POLICY, after(2)), Step::Start);
    let mut lives = running(NOW);
    lives.ask(Wish::Run, NOW);
    assert_eq!(lives.wish, Wish::Run);
}

#[test]
fn c20_an_ended_agent_that_could_not_be_saved_is_saved_and_not_resumed() {
    let mut life = running(NOW);
    life.end(NOW);
    life.enter(State::Failed, None, NOW);
    life.ask(Wish::Run, NOW);
    assert_eq!(life.next(true, POLICY, NOW), Step::Stop);
    life.ended = false;
    assert_eq!(life.next(true, POLICY, NOW), Step::Resume);
}

#[test]
fn c20_an_ended_agent_whose_container_goes_before_it_was_saved_is_told_and_started() {
    let mut life = running(NOW);
    life.end(NOW);
    life.begin_stop(NOW);
    life.discarded(after(1));
    assert_eq!(code(&life), Some(TroubleCode::Crashed));
    assert!(
        life.trouble
            .as_ref()
            .unwrap()
            .detail
            .contains("newest snapshot")
    );
    assert_eq!(life.not_before, Some(after(3)));
    for _ in 1..MAX_CRASHES {
        start(&mut life, after(3));
        life.end(after(3));
    }
    life.begin_stop(after(3));
    life.discarded(after(3));
    assert_eq!(
        (life.state, code(&life)),
        (State::Failed, Some(TroubleCode::CrashLoop))
    );
    assert_eq!(life.next(false, POLICY, after(60)), Step::Rest);
}

#[test]
fn c20_an_end_drops_what_could_no_longer_be_done() {
    let mut life = running(NOW);
    life.snapshot = Some(SnapshotId::from_random([1; 16]));
    life.taking = Some(SnapshotId::from_random([2; 16]));
    life.attempts = 2;
    life.end(NOW);
    assert_eq!((life.snapshot, life.taking, life.attempts), (None, None, 0));
}

#[test]
fn c20_a_start_keeps_what_is_told_of_a_crash_and_nothing_else() {
    for (told, kept) in [
        (TroubleCode::Crashed, true),
        (TroubleCode::StartFailed, false),
        (TroubleCode::CrashLoop, false),
    ] {
        let mut life = Life::new(NOW);
        life.trouble = Some(Trouble::new(told, "x"));
        life.begin_start(PASS, NOW);
        assert_eq!(life.trouble.is_some(), kept, "{told:?}");
        let older = Trouble::new(TroubleCode::RestoredOlder, "x");
        life.started(Some(older), NOW);
        assert_eq!(code(&life), Some(TroubleCode::RestoredOlder));
    }
}

#[test]
fn c18_a_start_is_a_try_with_a_pass_of_its_own() {
    let mut life = Life::new(NOW);
    life.ask(Wish::Restart, NOW);
    life.not_before = Some(NOW);
    life.ended = true;
    life.unanswered = 3;
    life.begin_start(PASS, NOW);
    assert_eq!((life.ended, life.unanswered), (false, 0));
    assert_eq!((life.wish, life.attempts), (Wish::Run, 1));
    assert_eq!(life.not_before, None);
    assert!(life.admits(PASS) && !life.admits(SessionId::from_random([2; 16])));
    let other = SessionId::from_random([2; 16]);
    life.begin_start(other, after(3));
    assert_eq!((life.attempts, life.woke_at), (2, Some(NOW)));
    assert!(life.admits(other) && !life.admits(PASS));
    life.started(None, after(9));
    assert_eq!((life.attempts, life.last_active), (0, after(9)));
    assert!(life.admits(other));
    life.begin_stop(after(10));
    assert!(!life.admits(other));
}

#[test]
fn c18_why_it_wakes_is_what_it_was_woken_for() {
    let asked = |state, wish, before| {
        let mut life = life(state, Wish::Sleep);
        life.cause = before;
        life.ask(wish, NOW);
        life.cause
    };
    let schedule = Some(WakeCause::Schedule);
    for state in [State::Asleep, State::Failed, State::Stopping] {
        assert_eq!(asked(state, Wish::Run, schedule), Some(WakeCause::Owner));
    }
    for state in [State::Starting, State::Running] {
        assert_eq!(asked(state, Wish::Run, schedule), schedule);
    }
    assert_eq!(
        asked(State::Running, Wish::Restart, schedule),
        Some(WakeCause::Restart)
    );
    assert_eq!(asked(State::Running, Wish::Stop, schedule), schedule);
}

#[test]
fn the_time_of_a_state_and_of_a_phase_is_when_it_was_entered() {
    let mut life = Life::new(NOW);
    life.enter(State::Starting, Some(Phase::Allocate), after(1));
    life.enter(State::Starting, Some(Phase::Restore), after(2));
    life.enter(State::Starting, Some(Phase::Restore), after(3));
    assert_eq!((life.since, life.phase_since), (after(1), Some(after(2))));
    life.enter(State::Running, None, after(4));
    assert_eq!((life.since, life.phase_since), (after(4), None));
}

#[test]
fn c20_one_end_counts_once_however_it_goes_on() {
    let mut life = running(NOW);
    life.end(NOW);
    life.crash(after(1));
    assert_eq!(life.crashes, [NOW]);
    assert_eq!(life.not_before, Some(after(3)));
}

#[test]
fn c20_an_ended_agent_whose_driver_died_after_it_was_saved_waits_and_is_told_all_the_same() {
    let mut life = running(NOW);
    life.end(NOW);
    life.begin_stop(NOW);
    life.saved_for_good(None, NOW);
    life.discarded(NOW);
    assert_eq!(code(&life), Some(TroubleCode::Crashed));
    assert_eq!(life.next(false, POLICY, NOW), Step::Watch { at: after(2) });
}

#[test]
fn c20_nobody_is_told_of_a_start_that_is_none() {
    for (wish, started) in [(Wish::Run, true), (Wish::Stop, false), (Wish::Sleep, false)] {
        let mut life = running(NOW);
        life.wish = wish;
        end_and_save(&mut life, NOW);
        assert_eq!(code(&life), Some(TroubleCode::Crashed));
        let told = &life.trouble.as_ref().unwrap().detail;
        assert_eq!(told.contains("started again"), started, "{told}");
    }
}

#[test]
fn c20_a_loop_ends_also_where_a_restart_was_to_come() {
    let mut life = running(NOW);
    for _ in 1..MAX_CRASHES {
        life.crash(NOW);
        start(&mut life, NOW);
    }
    life.wish = Wish::Restart;
    life.crash(NOW);
    assert_eq!((life.state, life.wish), (State::Failed, Wish::Stop));
}

#[test]
fn c20_a_start_that_nobody_asked_for_is_tried_again_after_minutes_and_one_that_was_is_not() {
    let failed = |cause, retries| {
        let mut starting = life(State::Starting, Wish::Run);
        starting.attempts = MAX_ATTEMPTS;
        starting.cause = Some(cause);
        starting.retries = retries;
        starting.start_failed(Some(Trouble::new(TroubleCode::StartFailed, "x")), NOW);
        assert_eq!(starting.state, State::Failed);
        let step = starting.next(false, POLICY, NOW);
        let told = starting.next_wake_at().map(|at| Step::Watch { at });
        assert_eq!(told.unwrap_or(Step::Rest), step, "its owner is told when");
        step
    };
    let after = |seconds| Step::Watch {
        at: NOW.saturating_add(Seconds::new(seconds)),
    };
    for cause in [WakeCause::Schedule, WakeCause::Crash, WakeCause::Channel] {
        assert_eq!(failed(cause, 0), after(300));
        assert_eq!(failed(cause, 2), after(1200));
        assert_eq!(failed(cause, 40), after(3600));
    }
    for cause in [WakeCause::Owner, WakeCause::Restart] {
        assert_eq!(failed(cause, 0), Step::Rest);
    }
    let mut starting = life(State::Starting, Wish::Run);
    starting.cause = Some(WakeCause::Crash);
    starting.start_failed(None, NOW);
    assert_eq!(starting.state, State::Starting, "it was asked for anew");
}

#[test]
fn c20_what_is_kept_for_its_owner_is_not_said_to_start_by_itself() {
    let mut kept = life(State::Stopping, Wish::Restart);
    kept.not_before = Some(NOW);
    kept.keep(Trouble::new(TroubleCode::SnapshotFailed, "x"), NOW);
    assert_eq!((kept.state, kept.wish), (State::Failed, Wish::Restart));
    assert_eq!(kept.next_wake_at(), None);
}

#[test]
fn c08_what_runs_before_an_agent_boots_is_not_taken_for_it() {
    let mut one = life(State::Running, Wish::Run);
    assert!(one.is_booted());
    for state in [
        State::Asleep,
        State::Stopping,
        State::Failed,
        State::Starting,
    ] {
        one.state = state;
        one.phase = None;
        assert!(!one.is_booted(), "{state:?}");
    }
    for (phase, booted) in [
        (Phase::Allocate, false),
        (Phase::Restore, false),
        (Phase::Inject, false),
        (Phase::Boot, true),
        (Phase::Ready, true),
    ] {
        one.phase = Some(phase);
        assert_eq!(one.is_booted(), booted, "{phase:?}");
    }
}
