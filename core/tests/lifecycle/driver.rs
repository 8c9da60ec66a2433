//! Does each step as the object's driver does: the row first, then one effect after the other, and at each of them it may
//! die. What it knew dies with it; the next one has the row and the container.

use multiclaw_core::ids::SnapshotId;
use multiclaw_core::lifecycle::{
    Life, MAX_ATTEMPTS, Phase, State, Step, Trouble, TroubleCode, Wish,
};
use multiclaw_core::retention::surplus;
use multiclaw_core::snapshot::{Cause, Snapshot, candidates};
use multiclaw_core::time::{Seconds, Timestamp};

use crate::world::{Gateway, KEEP, POLICY, World, digest};

const BACKOFF_SECONDS: u32 = 2;
const RETRY_AFTER_FAILURE: Seconds = Seconds::new(5);
const RETRY_AFTER_DEATH: Seconds = Seconds::new(2);
/// More steps in one go than any way through the machine has.
const MAX_STEPS: u32 = 40;

/// Why a step was not carried through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    Died,
    /// Its tenant was evicted: it is dropped where it stands.
    Dropped,
    /// Its owner wants something else by now.
    Interrupted,
    Failed,
    NothingToRestore,
}

/// Whom a step works for.
#[derive(Debug, Clone, Copy)]
pub struct Term {
    pub tenant: usize,
    pub tenure: u32,
}

impl World {
    /// The alarm goes off.
    pub fn drive(&mut self) {
        self.alarm = None;
        self.promises.alarms += 1;
        match self.steps() {
            Ok(()) => {}
            Err(Halt::Died) => {
                let again = self.now.saturating_add(RETRY_AFTER_DEATH);
                self.alarm = Some(self.alarm.map_or(again, |at| at.min(again)));
            }
            Err(_) => self.wake_at(self.now.saturating_add(RETRY_AFTER_FAILURE)),
        }
    }

    fn steps(&mut self) -> Result<(), Halt> {
        for _ in 0..MAX_STEPS {
            let term = Term {
                tenant: self.tenant,
                tenure: self.life.tenure,
            };
            match self.next() {
                Step::Rest => return Ok(()),
                Step::Watch { .. } => {
                    self.look_at_the_agent(term)?;
                    if let Step::Watch { at } = self.next() {
                        self.wake_at(at);
                        return Ok(());
                    }
                    continue;
                }
                step => match self.step(step, term) {
                    Ok(()) | Err(Halt::Dropped) => {}
                    Err(halt) => return Err(halt),
                },
            }
            let attempts = self.life.attempts;
            if attempts > 0 && attempts < MAX_ATTEMPTS {
                let pause = Seconds::new(BACKOFF_SECONDS * attempts);
                self.wake_at(self.now.saturating_add(pause));
                return Ok(());
            }
        }
        panic!("the driver goes in circles: {:?}", self.life);
    }

    fn step(&mut self, step: Step, term: Term) -> Result<(), Halt> {
        let now = self.now;
        match step {
            // Nothing is written to it here.
            Step::Rest | Step::Watch { .. } | Step::Call | Step::Deliver => {}
            Step::FallAsleep => self.fall_asleep(term)?,
            Step::Renew => {
                self.promises.renewed();
                self.promises.used(self.now);
                self.life.ask(Wish::Restart, now);
            }
            Step::Reload => {
                let changes = self.life.changes;
                self.guarded_point(term)?;
                self.update(term, |life| life.injected(changes));
            }
            Step::Rouse => {
                self.promises.roused(&self.life, now);
                self.life.rouse(now);
            }
            Step::Snapshot => self.snapshot_on_demand(term)?,
            Step::Save => self.save(term)?,
            Step::Start => self.start(term)?,
            Step::Stop => self.stop(term)?,
            Step::Resume => self.go_on(term)?,
            Step::Discard => {
                self.destroy()?;
                let now = self.now;
                self.update(term, |life| life.discarded(now));
            }
            Step::RecordCrash => {
                self.promises.ended(&self.life, now);
                self.life.crash(now);
            }
            Step::GiveUp => self.give_up(term)?,
        }
        Ok(())
    }

    fn update(&mut self, term: Term, change: impl FnOnce(&mut Life)) -> bool {
        let same = self.life.tenure == term.tenure;
        if same {
            change(&mut self.life);
        }
        same
    }

    /// A step that looks after whom it works for, which takes a moment.
    fn guarded_point(&mut self, term: Term) -> Result<(), Halt> {
        self.point()?;
        self.is_dropped(term)
    }

    fn is_dropped(&mut self, term: Term) -> Result<(), Halt> {
        if self.life.tenure == term.tenure {
            return Ok(());
        }
        self.unseen = self.unseen.saturating_sub(1);
        match self.unseen {
            0 => Err(Halt::Dropped),
            _ => Ok(()),
        }
    }

    fn look_at_the_agent(&mut self, term: Term) -> Result<(), Halt> {
        if self.life.state != State::Running || self.life.wish != Wish::Run {
            return Ok(());
        }
        self.point()?;
        let Some(gateway) = self.container.as_ref().map(|container| container.gateway) else {
            return Ok(());
        };
        let now = self.now;
        let before = self.life.clone();
        self.update(term, |life| {
            if life.state != State::Running {
                return;
            }
            if gateway == Gateway::Ended || life.answered(gateway == Gateway::Alive) {
                life.end(now);
            }
        });
        if self.life.ended && !before.ended {
            self.promises.ended(&before, now);
        }
        Ok(())
    }

    fn fall_asleep(&mut self, term: Term) -> Result<(), Halt> {
        let idle = match self.command() {
            Ok(()) => self.idle_inside(),
            Err(Halt::Failed) => None,
            Err(halt) => return Err(halt),
        };
        self.is_dropped(term)?;
        let now = self.now;
        let life = &mut self.life;
        let idle_at = life.last_active.saturating_add(POLICY.idle_timeout);
        if life.state != State::Running || life.wish != Wish::Run || idle_at > now {
            return Ok(());
        }
        match idle {
            Some(idle) if idle < i64::from(POLICY.idle_timeout.get()) * 1000 => {
                life.last_active = Timestamp::from_millis(now.as_millis() - idle);
            }
            _ => {
                life.wish = Wish::Sleep;
                self.promises.fell_asleep(idle.is_some(), now);
            }
        }
        Ok(())
    }

    fn idle_inside(&self) -> Option<i64> {
        let container = self.container.as_ref()?;
        let answers = container.gateway == Gateway::Alive;
        answers.then(|| (self.now.as_millis() - container.used_inside.as_millis()).max(0))
    }

    /// Takes a snapshot, unless there is nothing new. Tells the version that is saved.
    fn take(&mut self, term: Term, id: SnapshotId, cause: Cause) -> Result<u64, Halt> {
        self.command()?;
        self.is_dropped(term)?;
        let container = self.container.as_mut().ok_or(Halt::Failed)?;
        assert!(
            !container.wiped,
            "what can't be searched for secrets any more was saved"
        );
        let version = container.version;
        if cause != Cause::Manual && self.life.saved == Some(digest(version)) {
            container.quiesced |= cause != Cause::Period;
            return Ok(version);
        }
        container.quiesced |= cause != Cause::Period;
        if matches!(
            cause,
            Cause::Stop | Cause::Sleep | Cause::Restart | Cause::Crash
        ) {
            let now = self.now;
            self.update(term, |life| {
                life.enter(State::Stopping, Some(Phase::Upload), now);
            });
        }
        self.put(id, version)?;
        self.is_dropped(term)?;
        self.rows[term.tenant].insert(0, Self::row(id, cause, version, self.now));
        self.prune(term)?;
        Ok(version)
    }

    fn prune(&mut self, term: Term) -> Result<(), Halt> {
        for id in surplus(&self.rows[term.tenant], KEEP, self.life.restore) {
            self.may_be_dropped(term.tenant, id);
            self.rows[term.tenant].retain(|row| row.id != id);
            self.point()?;
            self.r2.remove(&id);
        }
        Ok(())
    }

    fn save(&mut self, term: Term) -> Result<(), Halt> {
        let id = self.fresh_id();
        let saved = match self.take(term, id, Cause::Period) {
            Ok(version) => Some(digest(version)),
            Err(Halt::Failed) => None,
            Err(halt) => return Err(halt),
        };
        let now = self.now;
        self.update(term, |life| {
            if life.state == State::Running {
                life.saved_while_running(saved, POLICY, now);
            }
        });
        Ok(())
    }

    fn snapshot_on_demand(&mut self, term: Term) -> Result<(), Halt> {
        let Some(id) = self.life.begin_snapshot() else {
            return Ok(());
        };
        let known = self.rows[term.tenant].iter().any(|row| row.id == id);
        if !known {
            match self.take(term, id, Cause::Manual) {
                Ok(_) | Err(Halt::Failed) => {}
                Err(halt) => return Err(halt),
            }
        }
        self.guarded_point(term)?;
        if let Some(container) = &mut self.container {
            container.quiesced = false;
        }
        self.update(term, |life| life.taking = None);
        Ok(())
    }

    fn start(&mut self, term: Term) -> Result<(), Halt> {
        self.promises.may_start(self.now);
        let pass = self.fresh_pass();
        let now = self.now;
        self.life.begin_start(pass, now);
        let chosen = self.life.restore;
        let forget =
            |life: &mut Life| life.restore = life.restore.filter(|_| life.restore != chosen);
        match self.try_start(term, chosen) {
            Ok(older) => {
                let now = self.now;
                if self.update(term, |life| {
                    forget(life);
                    life.started(older, now);
                }) {
                    self.acknowledge();
                }
            }
            Err(Halt::Interrupted) => {
                self.update(term, |life| life.attempts = 0);
            }
            Err(halt @ (Halt::Failed | Halt::NothingToRestore)) => {
                self.destroy()?;
                if halt == Halt::NothingToRestore {
                    self.update(term, forget);
                    self.fail_start(term, TroubleCode::RestoreFailed);
                }
            }
            Err(halt) => return Err(halt),
        }
        Ok(())
    }

    fn try_start(
        &mut self,
        term: Term,
        chosen: Option<SnapshotId>,
    ) -> Result<Option<Trouble>, Halt> {
        self.destroy()?;
        self.is_dropped(term)?;
        self.start_container(term.tenant, term.tenure);
        self.command()?;
        self.phase(term, Phase::Restore)?;
        let list = candidates(self.rows[term.tenant].clone(), chosen);
        let gone = chosen.is_some() && list.is_empty();
        let older = self.restore(term, &list, chosen)?;
        if gone {
            return Err(Halt::NothingToRestore);
        }
        self.phase(term, Phase::Inject)?;
        self.guarded_point(term)?;
        self.phase(term, Phase::Inject)?;
        assert_eq!(
            self.tenant, term.tenant,
            "secrets went to an owner of before"
        );
        let changes = self.life.changes;
        self.command()?;
        self.update(term, |life| life.injected(changes));
        self.phase(term, Phase::Boot)?;
        self.command()?;
        if let Some(container) = &mut self.container {
            container.gateway = Gateway::Alive;
        }
        self.guarded_point(term)?;
        let fails = self.boots_fail > 0;
        self.boots_fail = self.boots_fail.saturating_sub(1);
        let gateway = self.container.as_ref().map(|container| container.gateway);
        if fails || gateway != Some(Gateway::Alive) {
            return Err(Halt::Failed);
        }
        self.phase(term, Phase::Ready)?;
        Ok(older.then(|| Trouble::new(TroubleCode::RestoredOlder, "an older one was restored")))
    }

    /// The first that can be. Tells whether newer ones were passed over.
    fn restore(
        &mut self,
        term: Term,
        list: &[Snapshot],
        chosen: Option<SnapshotId>,
    ) -> Result<bool, Halt> {
        for (index, row) in list.iter().enumerate() {
            self.guarded_point(term)?;
            if self.r2_fails {
                return Err(Halt::Failed);
            }
            let Some(archive) = self
                .r2
                .get(&row.id)
                .copied()
                .filter(|archive| archive.sound)
            else {
                continue;
            };
            self.command()?;
            // Deleted or lost in this moment: what was read of it is whole.
            self.is_dropped(term)?;
            let container = self.container.as_mut().ok_or(Halt::Failed)?;
            container.version = archive.version;
            self.promises.restored(list, index, &self.r2);
            return Ok(index > 0);
        }
        if list.is_empty() {
            return Ok(false);
        }
        self.nothing_can_be_restored(term.tenant, chosen);
        Err(Halt::NothingToRestore)
    }

    fn phase(&mut self, term: Term, phase: Phase) -> Result<(), Halt> {
        let wanted = matches!(self.life.wish, Wish::Run | Wish::Restart);
        if !wanted || self.life.tenure != term.tenure {
            return Err(Halt::Interrupted);
        }
        let now = self.now;
        self.update(term, |life| {
            life.enter(State::Starting, Some(phase), now);
        });
        Ok(())
    }

    fn fail_start(&mut self, term: Term, code: TroubleCode) {
        let now = self.now;
        self.update(term, |life| {
            life.start_failed(Some(Trouble::new(code, "x")), now);
        });
        if self.life.state == State::Failed && self.life.wish == Wish::Run {
            self.promises.tries_again();
        }
    }

    fn stop(&mut self, term: Term) -> Result<(), Halt> {
        let now = self.now;
        self.life.begin_stop(now);
        let cause = match self.life.wish {
            _ if self.life.ended => Cause::Crash,
            Wish::Sleep => Cause::Sleep,
            Wish::Restart => Cause::Restart,
            Wish::Stop | Wish::Run => Cause::Stop,
        };
        let id = self.fresh_id();
        match self.take(term, id, cause) {
            Ok(_) => {}
            // Kept, to be tried again.
            Err(Halt::Failed) => return Ok(()),
            Err(halt) => return Err(halt),
        }
        let (now, due) = (self.now, self.due);
        self.update(term, |life| life.saved_for_good(due, now));
        // What the wipe says is only logged, and it may have gone on.
        let said = self.command();
        if let Some(container) = &mut self.container {
            container.wiped = true;
        }
        if said == Err(Halt::Died) {
            return Err(Halt::Died);
        }
        self.is_dropped(term)?;
        self.destroy()?;
        let now = self.now;
        self.update(term, |life| life.stopped(vec!["x".to_owned()], now));
        Ok(())
    }

    fn go_on(&mut self, term: Term) -> Result<(), Halt> {
        let resumed = match self.command() {
            Ok(()) => self.container.as_mut().is_some_and(|container| {
                container.quiesced &= container.gateway != Gateway::Alive;
                container.gateway == Gateway::Alive
            }),
            Err(Halt::Failed) => false,
            Err(halt) => return Err(halt),
        };
        let now = self.now;
        self.update(term, |life| {
            life.attempts = 0;
            match resumed {
                true => {
                    life.trouble = None;
                    life.last_active = now;
                    life.enter(State::Running, None, now);
                }
                false => life.wish = Wish::Restart,
            }
        });
        self.promises.used(now);
        Ok(())
    }

    fn give_up(&mut self, term: Term) -> Result<(), Halt> {
        let now = self.now;
        if self.life.state == State::Stopping {
            let trouble = Trouble::new(TroubleCode::SnapshotFailed, "x");
            self.life.keep(trouble, now);
            if self.life.wish != Wish::Restart {
                self.promises.gave_up();
            }
            return Ok(());
        }
        self.destroy()?;
        self.fail_start(term, TroubleCode::StartFailed);
        Ok(())
    }
}
