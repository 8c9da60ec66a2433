//! The life of an agent as data: what was asked for, what is, and what to do next.
//!
//! Total and pure: the object persists a row, asks [`next`], does that one step and asks again. Whatever dies in
//! between, the row and the container's own state are enough to go on (C18-C20).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::ids::{SessionId, SnapshotId};
use crate::renewal::Renewal;
use crate::time::{Seconds, Timestamp};

/// What is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Asleep,
    Starting,
    Running,
    Stopping,
    Failed,
}

/// The step within `Starting` and `Stopping`, for those who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Allocate,
    Restore,
    Inject,
    Boot,
    Ready,
    Quiesce,
    Upload,
    Destroy,
}

/// What its owner, or the idle clock, last asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// Be asleep, because the owner said so.
    Stop,
    /// Be asleep, because nobody used it.
    Sleep,
    /// Be running.
    Run,
    /// Stop first, then run.
    Restart,
}

/// Why it is as it is, when that is not as asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    pub code: TroubleCode,
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleCode {
    /// A start did not reach readiness.
    StartFailed,
    /// No snapshot could be restored though there are some; the agent does not start empty over them.
    RestoreFailed,
    /// A newer snapshot could not be used; an older one was restored.
    RestoredOlder,
    /// The state could not be saved; the container is kept.
    SnapshotFailed,
    /// The agent ended by itself.
    Crashed,
}

/// The row that the object keeps. Rows of older versions lack fields, those of a newer one may have more, and may hold
/// phases and troubles that are not known here: see docs/upgrades.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// How many tenants were evicted before this one: a step that began under another number must change nothing (C08).
    #[serde(default)]
    pub tenure: u32,
    pub state: State,
    #[serde(default, deserialize_with = "if_known")]
    pub phase: Option<Phase>,
    pub since: Timestamp,
    pub wish: Wish,
    /// The snapshot that the next start restores, when not the newest.
    pub restore: Option<SnapshotId>,
    /// The snapshot that the owner asked for, until it is begun.
    pub snapshot: Option<SnapshotId>,
    /// The one that is being taken.
    #[serde(default)]
    pub taking: Option<SnapshotId>,
    /// Failed tries of the step under way.
    pub attempts: u32,
    /// The start that the agent is of: calls of models with another's pass are none of this agent's (`keyless`).
    #[serde(default, deserialize_with = "if_known")]
    pub pass: Option<SessionId>,
    /// What the running agent was not given yet.
    #[serde(default, deserialize_with = "if_known")]
    pub renewal: Option<Renewal>,
    /// How often anything was changed that a start injects: what is injected may be outdated when it arrives.
    #[serde(default)]
    pub changes: u32,
    #[serde(default, deserialize_with = "if_known")]
    pub trouble: Option<Trouble>,
    pub last_active: Timestamp,
}

/// What only a newer version knows counts as nothing: it tells how far a step is or went, never what to do next.
fn if_known<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    Ok(value.and_then(|value| serde_json::from_value(value).ok()))
}

/// Times that an operator may change.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// How long nobody must have used a running agent before it falls asleep.
    pub idle_timeout: Seconds,
}

/// Tries of a start or stop before it is given up.
pub const MAX_ATTEMPTS: u32 = 3;
/// How often a running agent is looked at.
pub const WATCH_PERIOD: Seconds = Seconds::new(15);
/// When saving what could not be saved is tried once more.
pub const RETRY_SAVING_AFTER: Seconds = Seconds::new(300);

/// The one next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing until somebody asks.
    Rest,
    /// Look again at this time.
    Watch { at: Timestamp },
    /// Write what changed into the running agent, and have it take that.
    Reload,
    /// What changed needs a restart: turn the wish to that, then ask again.
    Renew,
    /// Take the snapshot that the owner asked for.
    Snapshot,
    /// Nobody used it: turn the wish to sleep, then ask again.
    FallAsleep,
    /// Destroy what is left of a container and start.
    Start,
    /// Save, then destroy.
    Stop,
    /// Let an agent go on that a failed stop left quiesced.
    Resume,
    /// The container is gone though nobody asked: record it.
    RecordCrash,
    /// Nothing to save: destroy what is left of a container and be asleep.
    Discard,
    /// The tries are used up.
    GiveUp,
}

impl Life {
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self {
            tenure: 0,
            state: State::Asleep,
            phase: None,
            since: now,
            wish: Wish::Stop,
            restore: None,
            snapshot: None,
            taking: None,
            attempts: 0,
            pass: None,
            renewal: None,
            changes: 0,
            trouble: None,
            last_active: now,
        }
    }

    /// Enters a state; entering the state it is in changes nothing but the phase.
    pub fn enter(&mut self, state: State, phase: Option<Phase>, now: Timestamp) {
        if self.state != state {
            self.since = now;
        }
        self.state = state;
        self.phase = phase;
    }

    /// The owner asks for something. Asking twice is asking once.
    pub fn ask(&mut self, wish: Wish, now: Timestamp) {
        self.last_active = now;
        self.attempts = 0;
        self.wish = wish;
    }

    /// Ends in a state that waits for a wish. What was asked for while the last step was under way is not lost.
    pub fn settle(&mut self, state: State, trouble: Option<Trouble>, now: Timestamp) {
        self.wish = match (state, self.wish) {
            (State::Asleep, Wish::Run) | (_, Wish::Restart) => Wish::Run,
            (_, Wish::Sleep) => Wish::Sleep,
            _ => Wish::Stop,
        };
        self.attempts = 0;
        self.trouble = trouble;
        self.snapshot = None;
        self.taking = None;
        self.pass = None;
        self.renewal = None;
        self.enter(state, None, now);
    }

    /// Whether calls of models with this pass are its agent's.
    #[must_use]
    pub fn admits(&self, pass: SessionId) -> bool {
        self.pass == Some(pass) && matches!(self.state, State::Starting | State::Running)
    }

    /// Begins the snapshot that was asked for, or again the one that a driver died over.
    pub fn begin_snapshot(&mut self) -> Option<SnapshotId> {
        if self.taking.is_none() {
            self.taking = self.snapshot.take();
        }
        self.taking
    }

    /// Whether a snapshot that was asked for is still to come.
    #[must_use]
    pub fn is_taking(&self, id: SnapshotId) -> bool {
        self.snapshot == Some(id) || self.taking == Some(id)
    }

    /// Takes the tenant's agent away without saving: the next step destroys what runs (C08).
    #[must_use]
    pub fn evicted(&self, now: Timestamp) -> Self {
        Self {
            tenure: self.tenure.wrapping_add(1),
            state: State::Starting,
            ..Self::new(now)
        }
    }

    /// The next step, from the row and from whether the container runs.
    #[must_use]
    pub fn next(&self, container_runs: bool, policy: Policy, now: Timestamp) -> Step {
        match (self.state, self.wish) {
            (State::Asleep, Wish::Stop | Wish::Sleep) => Step::Rest,
            (State::Asleep, Wish::Run | Wish::Restart) => Step::Start,
            // The driver died within a start: nothing was acknowledged by this agent yet, so start anew.
            (State::Starting, Wish::Run | Wish::Restart) if self.attempts < MAX_ATTEMPTS => {
                Step::Start
            }
            (State::Starting, Wish::Stop | Wish::Sleep) => Step::Discard,
            (State::Starting, _) => Step::GiveUp,
            (State::Running, _) if !container_runs => Step::RecordCrash,
            (State::Running, Wish::Stop | Wish::Sleep | Wish::Restart) => Step::Stop,
            // Before all else: a snapshot asked for keeps its place.
            (State::Running, Wish::Run) if self.renewal == Some(Renewal::Restart) => Step::Renew,
            (State::Running, Wish::Run) if self.renewal == Some(Renewal::Reload) => Step::Reload,
            (State::Running, Wish::Run) if self.snapshot.or(self.taking).is_some() => {
                Step::Snapshot
            }
            (State::Running, Wish::Run) => {
                let idle_at = self.last_active.saturating_add(policy.idle_timeout);
                if idle_at <= now {
                    Step::FallAsleep
                } else {
                    Step::Watch {
                        at: idle_at.min(now.saturating_add(WATCH_PERIOD)),
                    }
                }
            }
            // In that phase all is saved and the secrets may be wiped already, without which nothing can be saved again.
            (State::Stopping, _) if !container_runs || self.phase == Some(Phase::Destroy) => {
                Step::Discard
            }
            (State::Stopping, _) if self.attempts < MAX_ATTEMPTS => Step::Stop,
            (State::Stopping, _) => Step::GiveUp,
            // A container that still runs holds what could not be saved: it goes on, or is saved, or waits.
            (State::Failed, Wish::Run) if container_runs => Step::Resume,
            (State::Failed, _) if container_runs => {
                let again_at = self.since.saturating_add(RETRY_SAVING_AFTER);
                if self.attempts < MAX_ATTEMPTS || again_at <= now {
                    Step::Stop
                } else {
                    Step::Watch {
                        at: again_at.min(now.saturating_add(WATCH_PERIOD)),
                    }
                }
            }
            (State::Failed, Wish::Run | Wish::Restart) => Step::Start,
            (State::Failed, Wish::Stop | Wish::Sleep) => Step::Rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const POLICY: Policy = Policy {
        idle_timeout: Seconds::new(600),
    };

    fn life(state: State, wish: Wish) -> Life {
        Life {
            state,
            wish,
            ..Life::new(NOW)
        }
    }

    #[test]
    fn c18_an_idle_agent_falls_asleep_and_an_active_one_is_watched() {
        let mut running = life(State::Running, Wish::Run);
        assert!(matches!(
            running.next(true, POLICY, NOW),
            Step::Watch { .. }
        ));
        running.last_active = Timestamp::from_millis(NOW.as_millis() - 600_000);
        assert_eq!(running.next(true, POLICY, NOW), Step::FallAsleep);
    }

    #[test]
    fn rows_of_the_first_version_and_of_a_newer_one_are_read() {
        let first = r#"{"state":"running","phase":null,"since":"2026-01-15T12:00:00.000Z","wish":"run","restore":null,
            "snapshot":null,"attempts":0,"trouble":null,"last_active":"2026-01-15T12:00:00.000Z"}"#;
        let read: Life = serde_json::from_str(first).unwrap();
        assert_eq!((read.tenure, read.taking), (0, None));
        let newer = first
            .replace(r#""phase":null"#, r#""phase":"verify","added":{"later":1}"#)
            .replace(
                r#""trouble":null"#,
                r#""trouble":{"code":"unheard_of","detail":"x"}"#,
            );
        assert_eq!(serde_json::from_str::<Life>(&newer).unwrap(), read);
        let known = first.replace(r#""phase":null"#, r#""phase":"destroy""#);
        let known: Life = serde_json::from_str(&known).unwrap();
        assert_eq!(known.phase, Some(Phase::Destroy));
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
}
