//! Does what the life cycle says: the alarm asks for the next step, does it, and asks again.
//!
//! Alarms of one object never overlap and are retried when they die, so all work on the container is single-flight and
//! resumes by itself (C18, C20).

use core::time::Duration;

use multiclaw_core::error::{Code, Failure};
use multiclaw_core::ids::SnapshotId;
use multiclaw_core::lifecycle::{MAX_ATTEMPTS, Phase, State, Step, Trouble, TroubleCode, Wish};
use multiclaw_core::proxy::probe_headers;
use multiclaw_core::snapshot::{Cause, candidates};
use multiclaw_core::time::{Seconds, Timestamp};
use serde::Deserialize;
use worker::{Delay, Headers, RequestInit, ScheduledTime};

use crate::Agent;
use crate::container::{Container, Stdin};
use crate::port::{Outcome, Tried as _, log, now, random, read_bounded, within};
use crate::settings;
use crate::snapshots::Restored;
use crate::store::Domain;
use crate::watch::Care;

/// The port of OpenClaw's gateway inside the container.
pub const GATEWAY_PORT: u16 = 18789;
/// After a failure of the driver itself.
pub const RETRY_AFTER_FAILURE: Seconds = Seconds::new(5);
/// Between tries of a start or stop, times their number.
const BACKOFF_SECONDS: u32 = 2;
/// A cold host pulls the image first: the slowest of hundred took 48 s.
const ALLOCATE_DEADLINE: Seconds = Seconds::new(120);
/// Boot takes 9 to 17 s by the number of CPUs, more after an upgrade.
const BOOT_DEADLINE: Seconds = Seconds::new(240);
const PROBE_PERIOD: Duration = Duration::from_millis(250);
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// The agent answers what it likes; a readiness answer is a line.
const MAX_PROBE_ANSWER: usize = 4096;
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// How a start ended when not by readiness.
enum NoStart {
    /// The owner wants something else by now.
    Interrupted,
    Failed(TroubleCode, Failure),
}

impl From<Failure> for NoStart {
    fn from(failure: Failure) -> Self {
        Self::Failed(TroubleCode::StartFailed, failure)
    }
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
        let Some(domain) = self.store.domain()? else {
            return Ok(());
        };
        let container = self.container()?;
        loop {
            let life = self.life()?;
            match life.next(container.running(), settings::policy(&self.env)?, now()) {
                Step::Rest if !self.listeners.any() => return Ok(()),
                // Nothing to do for the agent; but who listens to it must be its owner.
                Step::Rest => {
                    if !self.watch(&domain).await? {
                        return self.wake_at(self.next_look()?).await;
                    }
                }
                Step::Watch { at } => {
                    if !self.watch(&domain).await? {
                        return self.wake_at(at.min(self.next_look()?)).await;
                    }
                }
                Step::FallAsleep => self.fall_asleep(&container).await?,
                Step::Snapshot => self.snapshot_on_demand(&container, &domain).await?,
                Step::Start => self.start(&container, &domain).await?,
                Step::Stop => self.stop(&container, &domain).await?,
                Step::Discard => {
                    container.destroy().await?;
                    self.settle(State::Asleep, None)?;
                }
                Step::RecordCrash => self.settle(
                    State::Failed,
                    trouble(TroubleCode::Crashed, "The agent ended by itself. Start it again; its newest snapshot is restored."),
                )?,
                Step::GiveUp => self.give_up(&container).await?,
            }
            let tried = self.life()?;
            if tried.attempts > 0 && tried.attempts < MAX_ATTEMPTS {
                let pause = Seconds::new(BACKOFF_SECONDS.saturating_mul(tried.attempts));
                return self.wake_at(now().saturating_add(pause)).await;
            }
        }
    }

    /// When the owner must be looked at again, so that who may no longer be here is out within the bound (C07).
    fn next_look(&self) -> Outcome<Timestamp> {
        let max_age = settings::ownership(&self.env)?.max_age;
        Ok(now().saturating_add(Seconds::new(max_age.get().max(1))))
    }

    /// Looks whether the owner is still the owner; a new one takes over in there. Cuts what is open for sessions that
    /// ended, and everything when nobody can tell for longer than the grace. Tells whether anything is to be done now.
    async fn watch(&self, domain: &Domain) -> Outcome<bool> {
        let before = self.life()?;
        match self.owner(domain.clone(), Care::Bounded).await {
            Ok(_) => {
                self.disconnect(|id| self.store.session(id, now()).is_ok_and(|row| row.is_some()))
            }
            Err(failure) => {
                log(&failure);
                self.disconnect(|_| false);
            }
        }
        Ok(self.life()? != before)
    }

    /// Ends in a state that waits for a wish.
    fn settle(&self, state: State, trouble: Option<Trouble>) -> Outcome<()> {
        let mut life = self.life()?;
        life.wish = match (state, life.wish) {
            (State::Asleep, Wish::Restart | Wish::Run) => Wish::Run,
            (_, Wish::Sleep) => Wish::Sleep,
            _ => Wish::Stop,
        };
        life.attempts = 0;
        life.trouble = trouble;
        life.snapshot = None;
        life.taking = None;
        life.enter(state, None, now());
        self.save_life(&life)
    }

    async fn give_up(&self, container: &Container) -> Outcome<()> {
        let life = self.life()?;
        match life.state {
            State::Stopping => {
                let mut life = life;
                life.trouble = trouble(
                    TroubleCode::SnapshotFailed,
                    "The agent's state could not be saved, so it was kept running. Stop it again to retry.",
                );
                life.wish = Wish::Stop;
                life.enter(State::Failed, None, now());
                self.save_life(&life)
            }
            _ => {
                container.destroy().await?;
                self.settle(State::Failed, trouble(TroubleCode::StartFailed, "The agent did not start. Start it again; if it stays so, restore an older snapshot."))
            }
        }
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
        match idle {
            Some(activity) if activity.idle_seconds < timeout.get() => {
                let ago = i64::from(activity.idle_seconds).saturating_mul(1000);
                life.last_active = Timestamp::from_millis(now().as_millis().saturating_sub(ago));
            }
            _ => life.wish = Wish::Sleep,
        }
        self.store.save_life(&life)
    }

    async fn snapshot_on_demand(&self, container: &Container, domain: &Domain) -> Outcome<()> {
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
        let mut life = self.life()?;
        life.taking = None;
        self.save_life(&life)?;
        if let Err(failure) = taken.and(resumed) {
            log(&failure);
        }
        Ok(())
    }

    /// Enters a phase of a start, unless the owner changed their mind.
    fn phase(&self, phase: Phase) -> Result<(), NoStart> {
        let mut life = self.life()?;
        if !matches!(life.wish, Wish::Run | Wish::Restart) {
            return Err(NoStart::Interrupted);
        }
        life.enter(State::Starting, Some(phase), now());
        Ok(self.save_life(&life)?)
    }

    async fn start(&self, container: &Container, domain: &Domain) -> Outcome<()> {
        let mut life = self.life()?;
        life.wish = Wish::Run;
        life.attempts = life.attempts.saturating_add(1);
        life.trouble = None;
        life.enter(State::Starting, Some(Phase::Allocate), now());
        self.save_life(&life)?;
        match self.try_start(container, domain.clone()).await {
            Ok(older) => {
                let mut life = self.life()?;
                life.attempts = 0;
                life.restore = None;
                life.last_active = now();
                life.trouble = older;
                life.enter(State::Running, None, now());
                self.save_life(&life)
            }
            // The row says what is wanted in its place; this was no failed try.
            Err(NoStart::Interrupted) => {
                let mut life = self.life()?;
                life.attempts = 0;
                self.store.save_life(&life)
            }
            Err(NoStart::Failed(code, failure)) => {
                log(&failure);
                container.destroy().await?;
                if code == TroubleCode::RestoreFailed {
                    let mut life = self.life()?;
                    life.restore = None;
                    self.store.save_life(&life)?;
                    return self.settle(State::Failed, trouble(code, &failure.problem.detail));
                }
                Ok(())
            }
        }
    }

    async fn try_start(
        &self,
        container: &Container,
        domain: Domain,
    ) -> Result<Option<Trouble>, NoStart> {
        // What runs here is left of a start that died: it was never let go.
        container.destroy().await?;
        container.start(&["/opt/agent/agent", "init"])?;
        self.until_commands_run(container).await?;

        self.phase(Phase::Restore)?;
        let chosen = self.life()?.restore;
        let list = candidates(self.store.snapshots(domain.owner)?, chosen);
        let gone = chosen.is_some() && list.is_empty();
        let restored = match self.restore(container, &domain, &list).await? {
            Some(restored) if !gone => restored,
            // Starting empty over what exists would look like a loss of memory, and become one.
            _ => return Err(no_restore()),
        };

        self.phase(Phase::Inject)?;
        // Secrets go to the owner of this moment alone.
        let domain = self.owner(domain, Care::Fresh).await?;
        self.phase(Phase::Inject)?;
        self.inject(container, &domain).await?;

        self.phase(Phase::Boot)?;
        self.until_ready(container, &domain).await?;
        self.phase(Phase::Ready)?;
        Ok(match restored {
            Restored::Older(skipped) => trouble(
                TroubleCode::RestoredOlder,
                &format!("{skipped} newer snapshot(s) could not be restored; an older one was."),
            ),
            Restored::Nothing | Restored::Newest => None,
        })
    }

    /// The runtime gives no sign that a container can be used: the first command that works is one.
    async fn until_commands_run(&self, container: &Container) -> Result<(), NoStart> {
        let deadline = now().saturating_add(ALLOCATE_DEADLINE);
        loop {
            match container
                .run(&["true"], Stdin::Nothing, COMMAND_LIMIT)
                .await
            {
                Ok(_) => return Ok(()),
                Err(failure) if now() >= deadline || !container.running() => {
                    return Err(failure.into());
                }
                Err(failure) => {
                    log(&failure);
                    Delay::from(PROBE_PERIOD).await;
                }
            }
            self.phase(Phase::Allocate)?;
        }
    }

    /// Ready is OpenClaw's own word, twice: an open port or a page says nothing.
    async fn until_ready(&self, container: &Container, domain: &Domain) -> Result<(), NoStart> {
        let deadline = now().saturating_add(BOOT_DEADLINE);
        let mut in_a_row = 0_u8;
        while in_a_row < 2 {
            if !container.running() {
                return Err(Failure::internal("the agent ended while it booted").into());
            }
            if now() >= deadline {
                return Err(Failure::internal("the agent was not ready in time").into());
            }
            let started = within(
                PROBE_LIMIT,
                "readiness probe",
                self.is_started(container, domain),
            )
            .await;
            in_a_row = if started.unwrap_or(false) {
                in_a_row.saturating_add(1)
            } else {
                0
            };
            Delay::from(PROBE_PERIOD).await;
            let life = self.life()?;
            if !matches!(life.wish, Wish::Run | Wish::Restart) {
                return Err(NoStart::Interrupted);
            }
        }
        Ok(())
    }

    async fn is_started(&self, container: &Container, domain: &Domain) -> Outcome<bool> {
        #[derive(Deserialize)]
        struct Answer {
            status: String,
        }
        let headers = Headers::new();
        for (name, value) in probe_headers(domain.owner) {
            headers.set(&name, &value).tried("probe")?;
        }
        let mut init = RequestInit::new();
        init.with_headers(headers);
        let mut response = container
            .port(GATEWAY_PORT)?
            .fetch("http://agent/startupz", Some(init))
            .await
            .tried("probe")?;
        if response.status_code() != 200 {
            return Ok(false);
        }
        let bytes =
            read_bounded(response.stream().tried("probe")?, MAX_PROBE_ANSWER, "probe").await?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        Ok(serde_json::from_str::<Answer>(&text).is_ok_and(|answer| answer.status == "started"))
    }

    async fn stop(&self, container: &Container, domain: &Domain) -> Outcome<()> {
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
        let uploading = || self.stopping(Phase::Upload);
        if let Err(failure) = self
            .take_snapshot(container, domain, id, cause, uploading)
            .await
        {
            // Kept running, to be tried again: destroying it now would lose what it holds.
            log(&failure);
            return Ok(());
        }
        self.stopping(Phase::Destroy)?;
        if let Err(failure) = container
            .run(&["/opt/agent/agent", "wipe"], Stdin::Nothing, COMMAND_LIMIT)
            .await
        {
            log(&failure);
        }
        container.destroy().await?;
        self.settle(State::Asleep, None)
    }

    fn stopping(&self, phase: Phase) -> Outcome<()> {
        let mut life = self.life()?;
        life.enter(State::Stopping, Some(phase), now());
        self.save_life(&life)
    }
}

fn no_restore() -> NoStart {
    let failure = Failure::new(
        Code::StorageUnavailable,
        "No snapshot could be restored, and the agent does not start empty over them. Choose another snapshot.",
        "no snapshot could be restored",
    );
    NoStart::Failed(TroubleCode::RestoreFailed, failure)
}

fn trouble(code: TroubleCode, detail: &str) -> Option<Trouble> {
    Some(Trouble {
        code,
        detail: detail.to_owned(),
    })
}
