//! Which step is next: a total function of the row, of whether the container runs, and of the time.

use super::{
    ASK_AGAIN_AFTER, Life, MAX_ATTEMPTS, Phase, Policy, RETRY_SAVING_AFTER, State, Step,
    TroubleCode, WAKE_AHEAD, WATCH_PERIOD, Wish,
};
use crate::renewal::Renewal;
use crate::time::Timestamp;

impl Life {
    /// The next step, from the row and from whether the container runs.
    #[must_use]
    pub fn next(&self, container_runs: bool, policy: Policy, now: Timestamp) -> Step {
        match (self.state, self.wish) {
            (State::Asleep, Wish::Stop) => Step::Rest,
            (State::Asleep, Wish::Sleep) => self.asleep(now),
            (State::Asleep | State::Starting, Wish::Run | Wish::Restart)
                if self.not_before.is_some_and(|at| now < at) =>
            {
                Step::Watch {
                    at: self.not_before.unwrap_or(now),
                }
            }
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
            (State::Running, Wish::Run) => self.running(policy, now),
            // In that phase all is saved and the secrets may be wiped already, without which nothing can be saved again.
            (State::Stopping, _) if !container_runs || self.phase == Some(Phase::Destroy) => {
                Step::Discard
            }
            (State::Stopping, _) if self.attempts < MAX_ATTEMPTS => Step::Stop,
            (State::Stopping, _) => Step::GiveUp,
            // A container that still runs holds what could not be saved: it goes on, or is saved, or waits.
            (State::Failed, Wish::Run) if container_runs && !self.ended => Step::Resume,
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
            // It was told that its container is kept, and holds what could not be saved.
            (State::Failed, _) if self.told(TroubleCode::SnapshotFailed) => Step::RecordCrash,
            (State::Failed, Wish::Run | Wish::Restart) => match self.next_wake_at() {
                Some(at) if now < at => Step::Watch { at },
                _ => Step::Start,
            },
            (State::Failed, Wish::Stop | Wish::Sleep) => Step::Rest,
        }
    }

    /// When it wakes by itself: one that sleeps for its schedule, one that did not start for another try.
    #[must_use]
    pub fn next_wake_at(&self) -> Option<Timestamp> {
        match (self.state, self.wish) {
            (State::Asleep, Wish::Sleep) => self.due.map(|due| due.saturating_sub(WAKE_AHEAD)),
            (State::Failed, Wish::Run | Wish::Restart)
                if !self.told(TroubleCode::SnapshotFailed) =>
            {
                self.not_before
            }
            _ => None,
        }
    }

    /// Whether what runs was started for the present tenant. Before that, it may be left of the one before.
    #[must_use]
    pub const fn is_booted(&self) -> bool {
        match self.state {
            State::Running => true,
            State::Starting => matches!(self.phase, Some(Phase::Boot | Phase::Ready)),
            State::Asleep | State::Stopping | State::Failed => false,
        }
    }

    pub(super) fn told(&self, code: TroubleCode) -> bool {
        self.trouble
            .as_ref()
            .is_some_and(|trouble| trouble.code == code)
    }

    fn asleep(&self, now: Timestamp) -> Step {
        match self.next_wake_at() {
            None => Step::Rest,
            Some(at) if at <= now => Step::Rouse,
            Some(at) => Step::Watch { at },
        }
    }

    fn running(&self, policy: Policy, now: Timestamp) -> Step {
        let idle_at = self.last_active.saturating_add(policy.idle_timeout);
        let save_at = self
            .saved_at
            .map_or(self.since, |at| at.saturating_add(policy.snapshot_period));
        if idle_at <= now {
            return Step::FallAsleep;
        }
        if save_at <= now {
            return Step::Save;
        }
        let again = match self.unanswered {
            0 => WATCH_PERIOD,
            _ => ASK_AGAIN_AFTER,
        };
        Step::Watch {
            at: idle_at.min(save_at).min(now.saturating_add(again)),
        }
    }
}
