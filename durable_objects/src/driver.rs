//! Does what the life cycle says: the alarm asks for the next step, does it, and asks again.
//!
//! Alarms of one object never overlap and are retried when they die, so all work on the container is single-flight and
//! resumes by itself (C18, C20).

use core::time::Duration;

use futures_util::future::{Either, select};
use multiclaw_core::audit::Entry;
use multiclaw_core::error::{Code, Failure};
use multiclaw_core::ids::SnapshotId;
use multiclaw_core::lifecycle::{
    Life, MAX_ATTEMPTS, Phase, State, Step, Trouble, TroubleCode, Unsaved, Wish,
};
use multiclaw_core::snapshot::Cause;
use multiclaw_core::tenancy::Tenant;
use multiclaw_core::time::{Seconds, Timestamp};
use worker::{Delay, ScheduledTime};

use crate::Agent;
use crate::container::{Container, Stdin};
use crate::port::{Outcome, Tried as _, now, random};
use crate::settings;
use crate::snapshots::Taking;
use crate::store::Domain;
use crate::watch::Care;

/// After a failure of the driver itself.
pub const RETRY_AFTER_FAILURE: Seconds = Seconds::new(5);
const FARTHEST_ALARM: Seconds = Seconds::new(366 * 24 * 60 * 60);
/// Between tries of a start or stop, times their number.
const BACKOFF_SECONDS: u32 = 2;
const NOT_SAVED: &str = "The agent's state could not be saved, so its container was kept. Start the agent to go on, or stop it again.";
const GIVES_UP: &str =
    " It has ended: starting it again gives up what its newest snapshot does not hold.";
const NOT_SAVED_YET: &str =
    "What the agent learned of late could not be saved yet. It goes on, and saving is tried again.";
pub(crate) const NOT_STARTED: &str =
    "The agent did not start. Start it again; if it stays so, restore an older snapshot.";
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
        // The runtime takes no time beyond the 22nd century, and looking once a year costs nothing.
        let at = at.min(now().saturating_add(FARTHEST_ALARM));
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
            let step = self.next_step(&life, &container)?;
            if matches!(step, Step::Rest | Step::Watch { .. }) && self.is_to_register(&term)? {
                self.guarded(&term, self.register(&term)).await?;
                continue;
            }
            let due = self.turns_due(term.domain.owner, &life)?;
            if due.is_some_and(|due| due <= now()) {
                self.guarded(&term, self.begin_turns(&container, &term))
                    .await?;
                continue;
            }
            match step {
                Step::Rest if !self.listeners.any() => return self.rest_until(None).await,
                // Nothing to do until then; but who listens to it must be its owner.
                Step::Watch { at } if !container.running() && !self.listeners.any() => {
                    return self.rest_until(Some(at)).await;
                }
                Step::Rest => {
                    if !self.watch().await?
                        && self.next_step(&self.life()?, &container)? == Step::Rest
                    {
                        return self.rest_until(Some(self.next_look()?)).await;
                    }
                }
                Step::Watch { .. } => {
                    if !self.watch().await?
                        && !self.look_at_agent(&container, &term).await?
                        && let Some(at) = self.watched_until(&container)?
                    {
                        return self.rest_until(Some(at.min(self.next_look()?))).await;
                    }
                }
                Step::FallAsleep => self.guarded(&term, self.fall_asleep(&container)).await?,
                Step::Rouse => drop(self.update(&term, |life| life.rouse(now()))?),
                Step::Call => {
                    // Nobody's agent is woken for who was its owner.
                    if let Err(failure) = self.owner(term.domain.clone(), Care::Bounded).await {
                        self.log(&failure);
                        let at = now().saturating_add(RETRY_AFTER_FAILURE);
                        return self.wake_at(at).await;
                    }
                    self.update(&term, |life| life.call(now()))?;
                }
                Step::Deliver => self.guarded(&term, self.deliver(&container, &term)).await?,
                Step::Save => self.guarded(&term, self.save(&container, &term)).await?,
                Step::Renew => {
                    self.update(&term, |life| life.ask(Wish::Restart, now()))?;
                }
                Step::Reload => {
                    // Secrets go to the owner of this moment alone: another one evicts, which the next look at the row sees.
                    match self.owner(term.domain.clone(), Care::Fresh).await {
                        Ok(_) => {
                            self.guarded(&term, self.reload_if_running(&container, &term))
                                .await?
                        }
                        Err(failure) => {
                            self.log(&failure);
                            if !self.watch().await? {
                                let at = now().saturating_add(RETRY_AFTER_FAILURE);
                                return self.wake_at(at).await;
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
                    self.update(&term, |life| life.discarded(now()))?;
                }
                Step::RecordCrash => drop(self.update(&term, |life| life.crash(now()))?),
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
        match look_at
            .into_iter()
            .chain(self.upkeep())
            .chain(self.inbox_due())
            .min()
        {
            Some(at) => self.wake_at(at).await,
            None => Ok(()),
        }
    }

    /// Whether Telegram or Discord is to be told where to send messages now.
    fn is_to_register(&self, term: &Term) -> Outcome<bool> {
        let tenant = Tenant {
            asset: term.domain.asset,
            owner: term.domain.owner,
        };
        let dues = [self.registration_due(&tenant)?, self.discord_due(&tenant)?];
        Ok(dues.into_iter().flatten().any(|due| due <= now()))
    }

    /// Destroys what runs without saving it, and writes that down.
    pub(crate) async fn clear(&self, container: &Container) -> Outcome<()> {
        let ran = container.running();
        self.connections.close_sockets();
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

    /// When there is something to do again, now that all was looked at; `None` when there is by now. Whatever was asked for
    /// while that was waited for has set an alarm that the next one would replace.
    fn watched_until(&self, container: &Container) -> Outcome<Option<Timestamp>> {
        let life = self.life()?;
        let step = self.next_step(&life, container)?;
        let Step::Watch { at } = step else {
            return Ok(None);
        };
        let suspected = self.probes.due().filter(|_| life.state == State::Running);
        Ok(Some(suspected.map_or(at, |due| at.min(due))))
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
        let before = life.clone();
        change(&mut life);
        if life == before {
            return Ok(Some(life));
        }
        self.end_wake(term.domain.owner, &before, &life)?;
        self.save_life(&life)?;
        Ok(Some(life))
    }

    async fn give_up(&self, container: &Container, term: &Term) -> Outcome<()> {
        let life = self.life()?;
        if life.state == State::Stopping {
            let told = life
                .trouble
                .filter(|trouble| trouble.code == TroubleCode::SnapshotFailed);
            let trouble =
                told.unwrap_or_else(|| Trouble::new(TroubleCode::SnapshotFailed, NOT_SAVED));
            return self
                .update(term, |life| life.keep(trouble, now()))
                .map(drop);
        }
        container.destroy().await?;
        let told = life
            .trouble
            .filter(|trouble| trouble.code == TroubleCode::StartFailed);
        let trouble = told.unwrap_or_else(|| Trouble::new(TroubleCode::StartFailed, NOT_STARTED));
        self.fail_start(term, Some(trouble))
    }

    /// Gives a start up, unless it was asked for anew while the container was destroyed.
    pub(crate) fn fail_start(&self, term: &Term, trouble: Option<Trouble>) -> Outcome<()> {
        self.update(term, |life| life.start_failed(trouble, now()))
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
        let mut digest = None;
        let taken = match known {
            true => Ok(()),
            false => {
                let taking = Taking {
                    id,
                    cause: Cause::Manual,
                    live: false,
                    unless: None,
                };
                let saved = self
                    .take_snapshot(container, domain, taking, || Ok(()))
                    .await;
                saved.map(|saved| digest = saved.map(|saved| saved.digest))
            }
        };
        let resumed = self.resume(container).await;
        let policy = settings::policy(&self.env)?;
        self.update(term, |life| {
            life.taking = None;
            if digest.is_some() {
                life.saved_while_running(digest, policy, now());
            }
        })?;
        self.waiting.tell();
        if let Err(failure) = taken.and(resumed) {
            self.log(&failure);
        }
        Ok(())
    }

    /// Saves what changed while the agent goes on.
    async fn save(&self, container: &Container, term: &Term) -> Outcome<()> {
        let unless = self.life()?.saved;
        let taking = Taking {
            id: SnapshotId::from_random(random()?),
            cause: Cause::Period,
            live: true,
            unless,
        };
        let taken = self
            .take_snapshot(container, &term.domain, taking, || Ok(()))
            .await;
        let unsaved = match &taken {
            Ok(_) => None,
            Err(failure) => {
                self.log(failure);
                Some(self.not_saved(failure, NOT_SAVED_YET))
            }
        };
        // An older image has quiesced it; any other deletes what it staged.
        if !matches!(taken, Ok(None))
            && let Err(failure) = self.resume(container).await
        {
            self.log(&failure);
        }
        let saved = taken.ok().map(|saved| saved.map(|saved| saved.digest));
        let policy = settings::policy(&self.env)?;
        self.update(term, |life| {
            life.saved_while_running(saved.and_then(|digest| digest.or(unless)), policy, now());
            if life.state == State::Running && unsaved.is_some() {
                life.trouble = unsaved;
            }
        })
        .map(drop)
    }

    fn not_saved(&self, failure: &Failure, detail: &str) -> Trouble {
        // What is too large is told with its advice; why anything else failed is for the log.
        let detail = match failure.problem.code {
            Code::WrongState => self.clean(&failure.problem.detail),
            _ => detail.to_owned(),
        };
        Trouble::new(TroubleCode::SnapshotFailed, detail)
    }

    async fn stop(&self, container: &Container, term: &Term) -> Outcome<()> {
        let mut life = self.life()?;
        life.begin_stop(now());
        self.save_life(&life)?;
        let cause = match life.wish {
            _ if life.ended => Cause::Crash,
            Wish::Sleep => Cause::Sleep,
            Wish::Restart => Cause::Restart,
            Wish::Stop | Wish::Run => Cause::Stop,
        };
        let taking = Taking {
            id: SnapshotId::from_random(random()?),
            cause,
            // Nothing goes on in there that could be quiesced.
            live: life.ended,
            unless: None,
        };
        let uploading = || self.stopping(term, Phase::Upload);
        let taken = self
            .take_snapshot(container, &term.domain, taking, uploading)
            .await;
        let saved = match taken {
            Ok(saved) => saved,
            // Kept running, to be tried again: destroying it now would lose what it holds.
            Err(failure) => {
                self.log(&failure);
                return self.stop_failed(container, term, &failure).await;
            }
        };
        self.update(term, |life| {
            life.saved_for_good(saved.and_then(|saved| saved.due), now());
        })?;
        let lines = self.keep_log(container, term.domain.owner).await;
        if let Err(failure) = container
            .run(&["/opt/agent/agent", "wipe"], Stdin::Nothing, COMMAND_LIMIT)
            .await
        {
            self.log(&failure);
        }
        self.connections.close_sockets();
        container.destroy().await?;
        self.update(term, |life| life.stopped(lines.brief(), now()))
            .map(drop)
    }

    /// An agent that goes on can be saved later. One that has ended, and whose container itself refuses to be saved again and
    /// again, never will be: its newest snapshot is what there is. One that is too large is given up when its owner, who
    /// was told, starts it all the same.
    async fn stop_failed(
        &self,
        container: &Container,
        term: &Term,
        failure: &Failure,
    ) -> Outcome<()> {
        let mut unsaved = self.not_saved(failure, NOT_SAVED);
        let reason = match failure.problem.code {
            Code::AgentBadResponse => Unsaved::Refused,
            Code::WrongState => Unsaved::TooLarge,
            _ => Unsaved::Other,
        };
        let life = self.update(term, |life| {
            if life.ended && reason == Unsaved::TooLarge {
                unsaved.detail.push_str(GIVES_UP);
            }
            life.trouble = Some(unsaved);
            life.not_saved(reason);
        })?;
        if !life.is_some_and(|life| life.is_lost(reason)) {
            return Ok(());
        }
        self.keep_log(container, term.domain.owner).await;
        self.clear(container).await?;
        self.update(term, |life| life.discarded(now())).map(drop)
    }

    fn stopping(&self, term: &Term, phase: Phase) -> Outcome<()> {
        self.update(term, |life| {
            life.enter(State::Stopping, Some(phase), now());
        })
        .map(drop)
    }
}
