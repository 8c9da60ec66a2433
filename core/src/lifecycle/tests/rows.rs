//! Rows that another version wrote.

use super::*;

const FIRST: &str = r#"{"state":"running","phase":null,"since":"2026-01-15T12:00:00.000Z","wish":"run","restore":null,
    "snapshot":null,"attempts":0,"trouble":null,"last_active":"2026-01-15T12:00:00.000Z"}"#;

#[test]
fn rows_of_the_first_version_and_of_a_newer_one_are_read() {
    let read: Life = serde_json::from_str(FIRST).unwrap();
    assert_eq!((read.tenure, read.taking), (0, None));
    let newer = FIRST
        .replace(r#""phase":null"#, r#""phase":"verify","added":{"later":1}"#)
        .replace(
            r#""trouble":null"#,
            r#""trouble":{"code":"unheard_of","detail":"x"}"#,
        );
    assert_eq!(serde_json::from_str::<Life>(&newer).unwrap(), read);
    let known = FIRST.replace(r#""phase":null"#, r#""phase":"destroy""#);
    let known: Life = serde_json::from_str(&known).unwrap();
    assert_eq!(known.phase, Some(Phase::Destroy));
}

/// As the version before wrote it: none of what tells of healing, saving while it runs, and the schedule.
fn before(state: &str, wish: &str) -> Life {
    let text = FIRST
        .replace(r#""state":"running""#, &format!(r#""state":"{state}""#))
        .replace(r#""wish":"run""#, &format!(r#""wish":"{wish}""#))
        .replace(
            r#""attempts":0"#,
            r#""attempts":0,"tenure":3,"taking":null,"pass":null,"renewal":null,"changes":2"#,
        );
    serde_json::from_str(&text).unwrap()
}

#[test]
fn c20_rows_of_the_version_before_go_on() {
    let mut running = before("running", "run");
    let since = running.since;
    let later = |seconds| since.saturating_add(Seconds::new(seconds));
    assert_eq!(
        running.next(true, POLICY, since),
        Step::Save,
        "it never was while it ran"
    );
    running.saved_at = Some(since);
    assert_eq!(
        running.next(true, POLICY, since),
        Step::Watch { at: later(15) }
    );
    assert_eq!(running.next(false, POLICY, since), Step::RecordCrash);
    running.crash(later(1));
    assert_eq!(running.next(false, POLICY, later(3)), Step::Start);
    for wish in ["stop", "sleep"] {
        let asleep = before("asleep", wish);
        assert_eq!(asleep.next(false, POLICY, since), Step::Rest);
        let failed = before("failed", wish);
        assert_eq!(failed.next(false, POLICY, since), Step::Rest);
    }
    for state in ["asleep", "starting", "failed"] {
        let wanted = before(state, "run");
        assert_eq!(wanted.next(false, POLICY, since), Step::Start);
    }
    assert_eq!(
        before("failed", "run").next(true, POLICY, since),
        Step::Resume
    );
    assert_eq!(
        before("stopping", "stop").next(true, POLICY, since),
        Step::Stop
    );
}

#[test]
fn c20_a_row_is_read_as_it_was_written() {
    let mut row = life(State::Running, Wish::Run);
    row.end(NOW);
    row.saved_while_running(Some(ArchiveHash::from_bytes([7; 32])), POLICY, NOW);
    row.unanswered = 3;
    row.not_before = Some(after(2));
    row.due = Some(after(60));
    row.woken_for = Some(after(30));
    row.woke_at = Some(NOW);
    row.trouble = Some(Trouble::new(TroubleCode::Crashed, "x"));
    row.enter(State::Stopping, Some(Phase::Upload), NOW);
    let text = serde_json::to_string(&row).unwrap();
    assert_eq!(serde_json::from_str::<Life>(&text).unwrap(), row);
}
