//! What happens to the row: what its owner asks for, what each step begins and how it ends. Nothing here does anything else.

use super::{
    CRASH_WINDOW, FARTHEST_DUE, HEALING_PAUSE, Life, MAX_ATTEMPTS, MAX_CRASHES, MAX_UNANSWERED,
    Phase, Policy, RETRY_PERIODIC_AFTER, RETRY_START_AFTER, RETRY_START_AT_LEAST, State, Trouble,
    TroubleCode, Unsaved, WakeCause, Wish,
};
use crate::ids::{SessionId, SnapshotId};
use crate::snapshot::ArchiveHash;
use crate::time::{Seconds, Timestamp};

impl Trouble {
    #[must_use]
    pub fn new(code: TroubleCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            lines: Vec::new(),
        }
    }
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
            phase_since: None,
            cause: None,
            woke_at: None,
            ended: false,
            crashes: Vec::new(),
            unanswered: 0,
            not_before: None,
            saved_at: None,
            saved: None,
            due: None,
            woken_for: None,
            refusals: 0,
            insisted: false,
            retries: 0,
        }
    }

    /// Enters a state; entering the state it is in changes nothing but the phase.
    pub fn enter(&mut self, state: State, phase: Option<Phase>, now: Timestamp) {
        if self.state != state {
            self.since = now;
        }
        if self.phase != phase {
            self.phase_since = phase.map(|_| now);
        }
        self.state = state;
        self.phase = phase;
    }

    /// The owner asks for something. Asking twice is asking once. Whatever ended by itself before, it is tried anew.
    pub fn ask(&mut self, wish: Wish, now: Timestamp) {
        self.last_active = now;
        self.attempts = 0;
        self.retries = 0;
        self.crashes.clear();
        self.not_before = None;
        // What is kept for them they were told of.
        self.insisted = self.state == State::Failed && wish != Wish::Stop;
        self.cause = match wish {
            Wish::Run if matches!(self.state, State::Asleep | State::Failed | State::Stopping) => {
                Some(WakeCause::Owner)
            }
            Wish::Restart => Some(WakeCause::Restart),
            _ => self.cause,
        };
        // One that has ended can't go on: it is saved first.
        self.wish = match wish {
            Wish::Run if self.ended && self.state == State::Running => Wish::Restart,
            wish => wish,
        };
    }

    /// Something of its own schedule is due.
    pub fn rouse(&mut self, now: Timestamp) {
        self.woken_for = self.due.take();
        self.last_active = now;
        self.attempts = 0;
        self.cause = Some(WakeCause::Schedule);
        self.wish = Wish::Run;
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
        self.woke_at = None;
        self.ended = false;
        self.unanswered = 0;
        self.saved_at = None;
        self.refusals = 0;
        self.insisted = false;
        self.enter(state, None, now);
    }

    /// Shows a start as begun from the moment that it was asked for. A container that was kept and is gone has taken with it
    /// what could not be saved.
    pub fn begin(&mut self, now: Timestamp) {
        self.trouble = self.told(TroubleCode::SnapshotFailed).then(lost);
        self.enter(State::Starting, Some(Phase::Allocate), now);
    }

    /// The tries to save it are used up: its container is kept. What it was to do after waits until it is saved.
    pub fn keep(&mut self, trouble: Trouble, now: Timestamp) {
        self.trouble = Some(trouble);
        if self.wish == Wish::Run {
            self.wish = Wish::Stop;
        }
        self.enter(State::Failed, None, now);
    }

    /// A try of a stop could not save it.
    pub fn not_saved(&mut self, reason: Unsaved) {
        self.refusals = match reason {
            Unsaved::Refused => self.refusals.saturating_add(1),
            Unsaved::TooLarge | Unsaved::Other => 0,
        };
    }

    /// Whether what an ended agent holds is given up, as nothing will ever save it, or as its owner wants it to go on all the
    /// same.
    #[must_use]
    pub fn is_lost(&self, reason: Unsaved) -> bool {
        let tried = self.attempts >= MAX_ATTEMPTS;
        self.ended
            && match reason {
                Unsaved::Refused => self.refusals >= MAX_ATTEMPTS,
                Unsaved::TooLarge => tried && self.insisted,
                Unsaved::Other => false,
            }
    }

    /// The tries of a start are used up, unless it was asked for anew meanwhile. What nobody asked for is tried again by itself,
    /// after a pause that grows with each time.
    pub fn start_failed(&mut self, trouble: Option<Trouble>, now: Timestamp) {
        if self.attempts == 0 {
            return;
        }
        let by_itself = matches!(
            self.cause,
            Some(WakeCause::Schedule | WakeCause::Crash | WakeCause::Channel)
        );
        let may_pass = trouble
            .as_ref()
            .is_some_and(|trouble| trouble.code == TroubleCode::StartFailed);
        self.settle(State::Failed, trouble, now);
        if by_itself && may_pass {
            let pause = RETRY_START_AFTER
                .get()
                .saturating_mul(2_u32.saturating_pow(self.retries));
            self.retries = self.retries.saturating_add(1);
            self.not_before =
                Some(now.saturating_add(Seconds::new(pause).min(RETRY_START_AT_LEAST)));
            self.wish = Wish::Run;
        }
    }

    /// What a start restored that is not the newest is in no newer snapshot: it is saved at once, or a crash would undo the
    /// choice.
    pub const fn save_soon(&mut self) {
        self.saved_at = None;
    }

    /// Begins a try of a start. `pass` is that of this start alone.
    pub fn begin_start(&mut self, pass: SessionId, now: Timestamp) {
        self.wish = Wish::Run;
        self.attempts = self.attempts.saturating_add(1);
        // A crash is told until the agent runs again, and then.
        self.trouble = self
            .trouble
            .take()
            .filter(|trouble| trouble.code == TroubleCode::Crashed);
        self.pass = Some(pass);
        self.due = None;
        self.not_before = None;
        self.ended = false;
        self.unanswered = 0;
        if self.woke_at.is_none() {
            self.woke_at = Some(now);
        }
        self.enter(State::Starting, Some(Phase::Allocate), now);
    }

    /// The agent said that it is ready.
    pub fn started(&mut self, trouble: Option<Trouble>, now: Timestamp) {
        self.attempts = 0;
        self.retries = 0;
        // Nobody used it by healing: one that ends every few minutes falls asleep as any other.
        if self.cause != Some(WakeCause::Crash) {
            self.last_active = now;
        }
        self.saved_at = Some(now);
        self.saved = None;
        self.trouble = trouble.or_else(|| self.trouble.take());
        self.enter(State::Running, None, now);
    }

    /// Begins a try of a stop.
    pub fn begin_stop(&mut self, now: Timestamp) {
        self.attempts = self.attempts.saturating_add(1);
        self.snapshot = None;
        self.taking = None;
        self.enter(State::Stopping, Some(Phase::Quiesce), now);
    }

    /// All is saved: from now on the secrets may be gone from the container. `due` is when its schedule has something next.
    pub fn saved_for_good(&mut self, due: Option<Timestamp>, now: Timestamp) {
        // One that is farther away is no schedule, and no alarm can be set for it.
        self.due = due
            .filter(|due| self.woken_for.is_none_or(|last| *due > last))
            .filter(|due| *due <= now.saturating_add(FARTHEST_DUE));
        self.enter(State::Stopping, Some(Phase::Destroy), now);
    }

    /// The container is gone after all was saved. An agent that had ended by itself is started anew, unless it ends again and
    /// again.
    pub fn stopped(&mut self, lines: Vec<String>, now: Timestamp) {
        let (ended, looping) = (self.ended, self.crash_loops());
        if ended && looping {
            self.settle(State::Failed, Some(self.crash_loop(lines)), now);
        } else if ended {
            let again = matches!(self.wish, Wish::Run | Wish::Restart);
            self.settle(State::Asleep, Some(crashed(lines, again)), now);
            self.heal(now);
        } else {
            self.settle(State::Asleep, None, now);
        }
    }

    /// The agent ended by itself, or answers no more, in a container that still runs: what it holds is saved before it is
    /// started anew.
    pub fn end(&mut self, now: Timestamp) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.unanswered = 0;
        self.snapshot = None;
        self.taking = None;
        self.attempts = 0;
        self.count_crash(now);
        if self.wish == Wish::Run {
            self.cause = Some(WakeCause::Crash);
            self.wish = match self.crash_loops() {
                true => Wish::Stop,
                false => Wish::Restart,
            };
        }
    }

    /// The container is gone though nobody asked, and with it what was not saved.
    pub fn crash(&mut self, now: Timestamp) {
        // One that had ended before was counted then.
        if !self.ended {
            self.count_crash(now);
        }
        let wanted = matches!(self.wish, Wish::Run | Wish::Restart);
        if wanted && self.crash_loops() {
            self.wish = Wish::Stop;
            self.settle(State::Failed, Some(self.crash_loop(Vec::new())), now);
        } else if wanted {
            self.wish = Wish::Restart;
            self.cause = Some(WakeCause::Crash);
            self.settle(State::Asleep, Some(lost()), now);
            self.heal(now);
        } else {
            self.settle(State::Asleep, Some(lost()), now);
        }
    }

    /// Nothing is left to save: what was not is lost where the container went before all was saved.
    pub fn discarded(&mut self, now: Timestamp) {
        // The driver died before it could write that down.
        if self.ended && self.phase == Some(Phase::Destroy) {
            return self.stopped(Vec::new(), now);
        }
        let unsaved = self.state == State::Stopping && self.phase != Some(Phase::Destroy);
        if self.ended && self.crash_loops() {
            return self.settle(State::Failed, Some(self.crash_loop(Vec::new())), now);
        }
        self.settle(State::Asleep, unsaved.then(lost), now);
        if unsaved {
            self.heal(now);
        }
    }

    /// The agent answered, or did not. Tells whether it counts as ended now.
    pub fn answered(&mut self, answered: bool) -> bool {
        self.unanswered = match answered {
            true => 0,
            false => self.unanswered.saturating_add(1),
        };
        self.unanswered >= MAX_UNANSWERED
    }

    /// A periodic try to save: `saved` is the container's word for what is in a snapshot now; `None` is a failed try.
    pub fn saved_while_running(
        &mut self,
        saved: Option<ArchiveHash>,
        policy: Policy,
        now: Timestamp,
    ) {
        let again = i64::from(
            policy
                .snapshot_period
                .get()
                .saturating_sub(RETRY_PERIODIC_AFTER.get()),
        );
        self.saved_at = Some(match saved {
            Some(_) => now,
            None => {
                Timestamp::from_millis(now.as_millis().saturating_sub(again.saturating_mul(1000)))
            }
        });
        if saved.is_some() {
            self.saved = saved;
            self.trouble = self
                .trouble
                .take()
                .filter(|trouble| trouble.code != TroubleCode::SnapshotFailed);
        }
    }

    fn count_crash(&mut self, now: Timestamp) {
        self.crashes
            .retain(|at| at.saturating_add(CRASH_WINDOW) > now);
        self.crashes.push(now);
    }

    /// Whether it ends again and again.
    #[must_use]
    pub fn crash_loops(&self) -> bool {
        self.crashes.len() >= MAX_CRASHES
    }

    fn crash_loop(&self, lines: Vec<String>) -> Trouble {
        let times = self.crashes.len();
        let minutes = CRASH_WINDOW.get() / 60;
        Trouble {
            lines,
            ..Trouble::new(
                TroubleCode::CrashLoop,
                format!(
                    "The agent ended by itself {times} times within {minutes} minutes, and is not started again by itself. Start it to try again; if it stays so, restore an older snapshot."
                ),
            )
        }
    }

    /// Starts again after a pause that grows with each time.
    fn heal(&mut self, now: Timestamp) {
        if self.wish != Wish::Run {
            return;
        }
        let doublings = u32::try_from(self.crashes.len())
            .unwrap_or(u32::MAX)
            .saturating_sub(1);
        let pause = HEALING_PAUSE
            .get()
            .saturating_mul(2_u32.saturating_pow(doublings));
        self.not_before = Some(now.saturating_add(Seconds::new(pause)));
        self.enter(State::Starting, Some(Phase::Allocate), now);
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
}

fn crashed(lines: Vec<String>, again: bool) -> Trouble {
    let detail = match again {
        true => "The agent ended by itself. What it held was saved, and it was started again.",
        false => "The agent ended by itself. What it held was saved.",
    };
    Trouble {
        lines,
        ..Trouble::new(TroubleCode::Crashed, detail)
    }
}

fn lost() -> Trouble {
    Trouble::new(
        TroubleCode::Crashed,
        "The agent ended by itself, with its container. Its newest snapshot is what it goes on from.",
    )
}
