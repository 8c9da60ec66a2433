//! Does what the life cycle says: the alarm asks for the next step, does it, and asks again.
//!
//! Alarms of one object never overlap and are retried when they die, so all work on the container is single-flight and
//! resumes by itself (C18, C20).

use core::time::Duration;

use futures_util::future::{Either, select};
use multiclaw_core::audit::Entry;
use multiclaw_core::ids::SnapshotId;
use multiclaw_core::lifecycle::{
    Life, MAX_ATTEMPTS, Phase, State, Step, Trouble, TroubleCode, Wish,
};
use multiclaw_core::snapshot::Cause;
use multiclaw_core::time::{Seconds, Timestamp};
use serde::Deserialize;
use worker::{Delay, ScheduledTime};

use crate::Agent;
use crate::container::{Container, Stdin};
use crate::port::{Outcome, Tried as _, now, random};
use crate::settings;
use crate::store::Domain;
use crate::watch::Care;

/// After a failure of the driver itself.
pub const RETRY_AFTER_FAILURE: Seconds = Seconds::new(5);
/// Between tries of a start or stop, times their number.
const BACKOFF_SECONDS: u32 = 2;
pub(crate) const COMMAND_LIMIT: Duration = Duration::from_secs(30);
/// How soon a step under way notices that its tenant was evicted.
const GUARD_PERIOD: Duration = Duration::from_millis(500);

/// Whom a step works for. The row is written only while that is so (C08).
pub(crate) struct Term {
    pub(crate) domain: Domain,
    pub(crate) tenure: u32,
}

impl Agent {
    pub(crate) async fn wake_at(&self, at: Timestamp) -> Outcome<()> {
        // A plain number would be an offset from now.
        #[allow(
            clippy::cast_precision_loss,
            reason = "milliseconds up to the year 9999 are far below 2^53"
        )]
        let date = js_sys::Date::new(&(at.as_millis() as f64).into());
        self.state
            .storage()
            .set_alarm(ScheduledTime::new(date))
            .await
            .tried("alarm")
    }

    /// Steps until there is nothing to do, or nothing to do yet.
    pub(crate) async fn drive(&self) -> Outcome<()> {
        let container = self.container()?;
        loop {
            let Some(domain) = self.store.domain()? else {
                return Ok(());
            };
            let life = self.life()?;
            let term = Term {
                domain,
                tenure: life.tenure,
            };
            let step = life.next(container.running(), settings::policy(&self.env)?, now());
            match step {
                Step::Rest if !self.listeners.any() => return self.rest_until(None).await,
                // Nothing to do for the agent; but who listens to it must be its owner.
                Step::Rest => {
                    if !self.watch().await? {
                        return self.rest_until(Some(self.next_look()?)).await;
                    }
                }
                Step::Watch { at } => {
                    if !self.watch().await? {
                        return self.rest_until(Some(at.min(self.next_look()?))).await;
                    }
                }
                Step::FallAsleep => self.guarded(&term, self.fall_asleep(&container)).await?,
                Step::Renew => {
                    self.update(&term, |life| life.ask(Wish::Restart, now()))?;
                }
                Step::Reload => {
                    // Secrets go to the owner of this moment alone: another one evicts, which the next look at the row sees.
                    match self.owner(term.domain.clone(), Care::Fresh).await {
                        Ok(_) => self.guarded(&term, self.reload_if_running(&container, &term)).await?,
                        Err(failure) => {
                            self.log(&failure);
                            if !self.watch().await? {
                                let at = now().saturating_add(RETRY_AFTER_FAILURE);
                                return self.rest_until(Some(at.min(self.next_look()?))).await;
                            }
                        }
                    }
                }
                Step::Snapshot => {
                    self.guarded(&term, self.snapshot_on_demand(&container, &term))
                        .await?;
                }
                Step::Start => self.guarded(&term, self.start(&container, &term)).await?,
                Step::Stop => self.guarded(&term, self.stop(&container, &term)).await?,
                Step::Resume => self.guarded(&term, self.go_on(&container, &term)).await?,
                Step::Discard => {
                    self.clear(&container).await?;
                    self.settle(&term, State::Asleep, None)?;
                }
                Step::RecordCrash => self.settle(
                    &term,
                    State::Failed,
                    trouble(TroubleCode::Crashed, "The agent ended by itself. Start it again; its newest snapshot is restored."),
                )?,
                Step::GiveUp => self.give_up(&container, &term).await?,
            }
            let tried = self.life()?;
            if tried.attempts > 0 && tried.attempts < MAX_ATTEMPTS {
                let pause = Seconds::new(BACKOFF_SECONDS.saturating_mul(tried.attempts));
                return self.wake_at(now().saturating_add(pause)).await;
            }
        }
    }

    /// Sets the alarm for the next look, or for what is sealed where that is due sooner. By then no step is under way, and
    /// nothing is awaited before the alarm is set: who asks for something meanwhile sets theirs after this one.
    async fn rest_until(&self, look_at: Option<Timestamp>) -> Outcome<()> {
        match look_at.into_iter().chain(self.upkeep()).min() {
            Some(at) => self.wake_at(at).await,
            None => Ok(()),
        }
    }

    /// Destroys what runs without saving it, and writes that down.
    pub(crate) async fn clear(&self, container: &Container) -> Outcome<()> {
        let ran = container.running();
        container.destroy().await?;
        if ran {
            self.store.audit(now(), &Entry::ContainerDestroyed)?;
        }
        Ok(())
    }

    /// When the owner must be looked at again, so that who may no longer be here is out within the bound (C07).
    fn next_look(&self) -> Outcome<Timestamp> {
        let max_age = settings::ownership(&self.env)?.max_age;
        let known = self.store.domain()?.map(|domain| domain.checked_at());
        // A reading that others asked for puts the next look off from its own time alone.
        let due = known
            .map(|at| at.saturating_add(max_age))
            .filter(|due| *due > now());
        Ok(due.unwrap_or_else(|| now().saturating_add(Seconds::new(max_age.get().max(1)))))
    }

    /// Looks after whom what is open is open for. Tells whether anything is to be done now.
    async fn watch(&self) -> Outcome<bool> {
        let Some(domain) = self.store.domain()? else {
            return Ok(false);
        };
        let before = self.life()?;
        self.look_after(domain).await?;
        Ok(self.life()? != before)
    }

    /// Does a step while looking after whom it is done for: when they are evicted the step is dropped where it stands,
    /// however long it would have taken, and the next one destroys what it left (C07, C08).
    async fn guarded(&self, term: &Term, step: impl Future<Output = Outcome<()>>) -> Outcome<()> {
        let step = core::pin::pin!(step);
        let evicted = core::pin::pin!(self.until_evicted(term));
        match select(step, evicted).await {
            Either::Left((result, _)) | Either::Right((result, _)) => result,
        }
    }

    async fn until_evicted(&self, term: &Term) -> Outcome<()> {
        let mut look_at = self.next_look()?;
        loop {
            Delay::from(GUARD_PERIOD).await;
            if self.life()?.tenure != term.tenure {
                return Ok(());
            }
            if now() >= look_at {
                self.watch().await?;
                look_at = self.next_look()?;
            }
        }
    }

    /// Changes the row for the tenant that a step works for; `None` when that one was evicted meanwhile.
    pub(crate) fn update(
        &self,
        term: &Term,
        change: impl FnOnce(&mut Life),
    ) -> Outcome<Option<Life>> {
        let mut life = self.life()?;
        if life.tenure != term.tenure {
            return Ok(None);
        }
        change(&mut life);
        self.save_life(&life)?;
        Ok(Some(life))
    }

    /// Ends in a state that waits for a wish, unless one was made meanwhile.
    fn settle(&self, term: &Term, state: State, trouble: Option<Trouble>) -> Outcome<()> {
        self.update(term, |life| life.settle(state, trouble, now()))
            .map(drop)
    }

    async fn give_up(&self, container: &Container, term: &Term) -> Outcome<()> {
        if self.life()?.state == State::Stopping {
            let kept = trouble(
                TroubleCode::SnapshotFailed,
                "The agent's state could not be saved, so its container was kept. Start the agent to go on, or stop it again.",
            );
            return self
                .update(term, |life| {
                    life.trouble = kept;
                    life.wish = Wish::Stop;
                    life.enter(State::Failed, None, now());
                })
                .map(drop);
        }
        container.destroy().await?;
        self.fail_start(term, trouble(TroubleCode::StartFailed, "The agent did not start. Start it again; if it stays so, restore an older snapshot."))
    }

    /// Gives a start up, unless it was asked for anew while the container was destroyed.
    pub(crate) fn fail_start(&self, term: &Term, trouble: Option<Trouble>) -> Outcome<()> {
        self.update(term, |life| {
            if life.attempts > 0 {
                life.settle(State::Failed, trouble, now());
            }
        })
        .map(drop)
    }

    /// Lets an agent go on whose stop failed. One that can't go on is saved instead.
    async fn go_on(&self, container: &Container, term: &Term) -> Outcome<()> {
        let resumed = self.resume(container).await;
        self.update(term, |life| {
            life.attempts = 0;
            match &resumed {
                Ok(()) => {
                    life.trouble = None;
                    life.last_active = now();
                    life.enter(State::Running, None, now());
                }
                Err(_) => life.wish = Wish::Restart,
            }
        })?;
        resumed.inspect_err(|failure| self.log(failure)).or(Ok(()))
    }

    /// Sleeps unless the agent was used by ways that do not pass here, as within an open WebSocket.
    async fn fall_asleep(&self, container: &Container) -> Outcome<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Activity {
            idle_seconds: u32,
        }
        let said = container
            .run(
                &["/opt/agent/agent", "activity"],
                Stdin::Nothing,
                COMMAND_LIMIT,
            )
            .await;
        let idle = said
            .ok()
            .and_then(|text| serde_json::from_str::<Activity>(&text).ok());
        let mut life = self.life()?;
        let timeout = settings::policy(&self.env)?.idle_timeout;
        // Used or stopped while the container was asked: the row is right as it is.
        let idle_at = life.last_active.saturating_add(timeout);
        if life.state != State::Running || life.wish != Wish::Run || idle_at > now() {
            return Ok(());
        }
        match idle {
            Some(activity) if activity.idle_seconds < timeout.get() => {
                let ago = i64::from(activity.idle_seconds).saturating_mul(1000);
                life.last_active = Timestamp::from_millis(now().as_millis().saturating_sub(ago));
            }
            _ => life.wish = Wish::Sleep,
        }
        self.store.save_life(&life)
    }

    /// The owner may have asked for something else, or be another, since the chain was asked.
    async fn reload_if_running(&self, container: &Container, term: &Term) -> Outcome<()> {
        let life = self.life()?;
        let wanted = life.state == State::Running && life.wish == Wish::Run;
        match wanted && life.tenure == term.tenure {
            true => self.reload(container, term).await,
            false => Ok(()),
        }
    }

    async fn snapshot_on_demand(&self, container: &Container, term: &Term) -> Outcome<()> {
        let domain = &term.domain;
        let mut life = self.life()?;
        let Some(id) = life.begin_snapshot() else {
            return Ok(());
        };
        self.store.save_life(&life)?;
        let known = self
            .store
            .snapshots(domain.owner)?
            .iter()
            .any(|snapshot| snapshot.id == id);
        let taken = match known {
            true => Ok(()),
            false => self
                .take_snapshot(container, domain, id, Cause::Manual, || Ok(()))
                .await
                .map(drop),
        };
        let resumed = self.resume(container).await;
        self.update(term, |life| life.taking = None)?;
        if let Err(failure) = taken.and(resumed) {
            self.log(&failure);
        }
        Ok(())
    }

    async fn stop(&self, container: &Container, term: &Term) -> Outcome<()> {
        let mut life = self.life()?;
        life.attempts = life.attempts.saturating_add(1);
        life.snapshot = None;
        life.taking = None;
        life.enter(State::Stopping, Some(Phase::Quiesce), now());
        self.save_life(&life)?;
        let cause = match life.wish {
            Wish::Sleep => Cause::Sleep,
            Wish::Restart => Cause::Restart,
            Wish::Stop | Wish::Run => Cause::Stop,
        };
        let id = SnapshotId::from_random(random()?);
        let uploading = || self.stopping(term, Phase::Upload);
        if let Err(failure) = self
            .take_snapshot(container, &term.domain, id, cause, uploading)
            .await
        {
            // Kept running, to be tried again: destroying it now would lose what it holds.
            self.log(&failure);
            return Ok(());
        }
        self.stopping(term, Phase::Destroy)?;
        if let Err(failure) = container
            .run(&["/opt/agent/agent", "wipe"], Stdin::Nothing, COMMAND_LIMIT)
            .await
        {
            self.log(&failure);
        }
        container.destroy().await?;
        self.settle(term, State::Asleep, None)
    }

    fn stopping(&self, term: &Term, phase: Phase) -> Outcome<()> {
        self.update(term, |life| {
            life.enter(State::Stopping, Some(phase), now());
        })
        .map(drop)
    }
}

pub(crate) fn trouble(code: TroubleCode, detail: &str) -> Option<Trouble> {
    Some(Trouble {
        code,
        detail: detail.to_owned(),
    })
}
