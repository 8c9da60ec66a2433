//! Starts an agent: container, newest snapshot that can be restored, secrets, OpenClaw, until it says that it is ready.
//!
//! Before each phase it is asked whether the start is still wanted, and for whom (C08, C12).

use core::time::Duration;

use multiclaw_core::error::{Code, Failure};
use multiclaw_core::ids::{SessionId, SnapshotId};
use multiclaw_core::lifecycle::{Life, Phase, State, Trouble, TroubleCode, Wish};
use multiclaw_core::proxy::probe_headers;
use multiclaw_core::snapshot::candidates;
use multiclaw_core::time::Seconds;
use serde::Deserialize;
use worker::{Delay, Headers, RequestInit};

use crate::Agent;
use crate::container::{Container, GATEWAY_PORT, Stdin, Wall};
use crate::driver::{COMMAND_LIMIT, NOT_STARTED, Term};
use crate::health::is_of_ended;
use crate::port::{Outcome, Tried as _, now, random, read_bounded, within};
use crate::settings;
use crate::snapshots::Restored;
use crate::store::Domain;
use crate::watch::Care;

/// A cold host pulls the image first: the slowest of hundred took 48 s.
const ALLOCATE_DEADLINE: Seconds = Seconds::new(120);
/// Boot takes 9 to 17 s by the number of CPUs, more after an upgrade.
const BOOT_DEADLINE: Seconds = Seconds::new(240);
const PROBE_PERIOD: Duration = Duration::from_millis(100);
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// The agent answers what it likes; a readiness answer is a line.
const MAX_PROBE_ANSWER: usize = 4096;

/// Why a start or stop was not carried through.
enum Halt {
    /// Its owner wants something else by now, or is its owner no more: the row says what is next.
    Interrupted,
    Failed(TroubleCode, Failure),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(TroubleCode::StartFailed, failure)
    }
}

impl Agent {
    pub(crate) async fn start(&self, container: &Container, term: &Term) -> Outcome<()> {
        let owner = term.domain.owner;
        let mut life = self.life()?;
        // What an earlier start's agent calls models with ends here.
        life.begin_start(SessionId::from_random(random()?), now());
        self.note_wake(owner, &life, |_| {})?;
        self.save_life(&life)?;
        let chosen = life.restore;
        // The owner may have chosen another one meanwhile, for the next start.
        let forget_choice = |life: &mut Life| {
            life.restore = life.restore.filter(|_| life.restore != chosen);
        };
        match self.try_start(container, term, chosen).await {
            Ok(older) => {
                let started = self.update(term, |life| {
                    forget_choice(life);
                    life.started(older, now());
                    if chosen.is_some() {
                        life.save_soon();
                    }
                })?;
                if let Some(life) = started {
                    self.note_wake(owner, &life, |wake| wake.ready_at = Some(now()))?;
                }
            }
            // The row says what is wanted in its place; this was no failed try.
            Err(Halt::Interrupted) => drop(self.update(term, |life| life.attempts = 0)?),
            Err(Halt::Failed(code, failure)) => {
                self.log(&failure);
                let lines = match self.life()?.is_booted() && container.running() {
                    true => self.keep_log(container, owner).await.brief(),
                    false => Vec::new(),
                };
                container.destroy().await?;
                let known = failure.problem.code != Code::Internal;
                let detail = match known {
                    true => self.clean(&failure.problem.detail),
                    false => NOT_STARTED.to_owned(),
                };
                let trouble = Some(Trouble {
                    lines,
                    ..Trouble::new(code, detail)
                });
                if code == TroubleCode::RestoreFailed {
                    self.update(term, forget_choice)?;
                    self.fail_start(term, trouble)?;
                } else {
                    self.update(term, |life| life.trouble = trouble)?;
                }
            }
        }
        Ok(())
    }

    async fn try_start(
        &self,
        container: &Container,
        term: &Term,
        chosen: Option<SnapshotId>,
    ) -> Result<Option<Trouble>, Halt> {
        // What runs here is left of a start that died, or of an owner before: it was never let go.
        self.clear(container).await?;
        self.store.return_accepted(term.domain.owner, now())?;
        self.store.hurry_turns(term.domain.owner, now())?;
        let (egress, wall) = (settings::egress(&self.env)?, Wall::of(&self.state)?);
        container
            .start(&["/opt/agent/agent", "init"], &egress, &wall)
            .await?;
        self.look_when_ended(container)?;
        self.until_commands_run(container, term).await?;

        self.phase(term, Phase::Restore)?;
        let list = candidates(self.store.snapshots(term.domain.owner)?, chosen);
        let gone = chosen.is_some() && list.is_empty();
        let restored = match self.restore(container, &term.domain, &list).await? {
            Some(restored) if !gone => restored,
            // Starting empty over what exists would look like a loss of memory, and become one.
            _ => return Err(no_restore()),
        };
        if let Restored::Some { size, .. } = restored {
            let life = self.life()?;
            self.note_wake(term.domain.owner, &life, |wake| {
                wake.restored_bytes = Some(size)
            })?;
        }

        self.phase(term, Phase::Inject)?;
        // Secrets go to the owner of this moment alone: another one evicts, which the next line sees.
        self.owner(term.domain.clone(), Care::Fresh).await?;
        self.phase(term, Phase::Inject)?;
        self.inject(container, term).await?;

        self.phase(term, Phase::Boot)?;
        self.until_ready(container, term).await?;
        self.phase(term, Phase::Ready)?;
        Ok(match restored {
            Restored::Some { skipped, .. } if skipped > 0 => Some(Trouble::new(
                TroubleCode::RestoredOlder,
                format!("{skipped} newer snapshot(s) could not be restored; an older one was."),
            )),
            Restored::Nothing | Restored::Some { .. } => None,
        })
    }

    /// The runtime gives no sign that a container can be used: the first command that works is one.
    async fn until_commands_run(&self, container: &Container, term: &Term) -> Result<(), Halt> {
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
                    self.log(&failure);
                    Delay::from(PROBE_PERIOD).await;
                }
            }
            self.phase(term, Phase::Allocate)?;
        }
    }

    /// Ready is OpenClaw's own word, twice: an open port or a page says nothing.
    async fn until_ready(&self, container: &Container, term: &Term) -> Result<(), Halt> {
        let deadline = now().saturating_add(BOOT_DEADLINE);
        let mut in_a_row = 0_u8;
        loop {
            if !container.running() {
                return Err(ended_in_boot().into());
            }
            if now() >= deadline {
                return Err(Failure::internal("the agent was not ready in time").into());
            }
            let started = within(
                PROBE_LIMIT,
                "readiness probe",
                self.is_started(container, &term.domain),
            )
            .await;
            if let Err(failure) = &started
                && failure.problem.code == Code::AgentUnavailable
            {
                return Err(ended_in_boot().into());
            }
            in_a_row = if started.unwrap_or(false) {
                in_a_row.saturating_add(1)
            } else {
                0
            };
            self.still_wanted(term)?;
            if in_a_row >= 2 {
                return Ok(());
            }
            Delay::from(PROBE_PERIOD).await;
        }
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
        if is_of_ended(&response) {
            return Err(ended_in_boot());
        }
        if response.status_code() != 200 {
            return Ok(false);
        }
        let bytes =
            read_bounded(response.stream().tried("probe")?, MAX_PROBE_ANSWER, "probe").await?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        Ok(serde_json::from_str::<Answer>(&text).is_ok_and(|answer| answer.status == "started"))
    }

    /// Enters a phase of a start, unless the owner changed their mind.
    fn phase(&self, term: &Term, phase: Phase) -> Result<(), Halt> {
        self.still_wanted(term)?;
        let before = self.life()?;
        if let (Some(passed), Some(since)) = (before.phase, before.phase_since)
            && passed != phase
        {
            self.note_wake(term.domain.owner, &before, |wake| {
                wake.passed(passed, since, now());
            })?;
        }
        self.update(term, |life| {
            life.enter(State::Starting, Some(phase), now());
        })?;
        Ok(())
    }

    fn still_wanted(&self, term: &Term) -> Result<(), Halt> {
        let life = self.life()?;
        let wanted = matches!(life.wish, Wish::Run | Wish::Restart);
        if wanted && life.tenure == term.tenure {
            Ok(())
        } else {
            Err(Halt::Interrupted)
        }
    }
}

fn ended_in_boot() -> Failure {
    Failure::new(
        Code::AgentUnavailable,
        "The agent ended while it booted. Start it again; if it stays so, look at its log, or restore an older snapshot.",
        "the agent ended while it booted",
    )
}

fn no_restore() -> Halt {
    let failure = Failure::new(
        Code::StorageUnavailable,
        "No snapshot could be restored, and the agent does not start empty over them. Choose another snapshot.",
        "no snapshot could be restored",
    );
    Halt::Failed(TroubleCode::RestoreFailed, failure)
}
