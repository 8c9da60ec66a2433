//! Whether the agent that runs is well: it is asked from time to time, its container tells when it ends, and what it last
//! wrote is kept for its owner (C20).

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

use multiclaw_core::error::{Failure, Problem};
use multiclaw_core::ids::Wallet;
use multiclaw_core::lifecycle::{ASK_AGAIN_AFTER, State};
use multiclaw_core::log_lines::{LogLines, LogView};
use multiclaw_core::time::Timestamp;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Response, ScheduledTime};

use crate::Agent;
use crate::container::{Container, GATEWAY_PORT, Stdin};
use crate::driver::Term;
use crate::port::{Outcome, Tried as _, now, within};

/// An agent that computes may be slow to answer.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
const LOG_LIMIT: Duration = Duration::from_secs(15);
/// What answers on the port of a gateway that has ended says so, with its exit code (`container/lib/ended.mjs`).
const ENDED_HEADER: &str = "x-agent-ended";

/// What of the agent's health is known in memory alone.
#[derive(Default)]
pub struct Probes {
    asked_at: Cell<Option<Timestamp>>,
    /// Whether somebody got no answer since.
    suspected: Cell<bool>,
    /// Whether the container's end is being waited for.
    monitored: Rc<Cell<bool>>,
}

impl Probes {
    /// When one that is suspected may be asked again: for how long it does not answer counts, not how often somebody comes.
    pub fn due(&self) -> Option<Timestamp> {
        let asked_at = self.asked_at.get().filter(|_| self.suspected.get());
        asked_at.map(|at| at.saturating_add(ASK_AGAIN_AFTER))
    }
}

/// Whether this is no answer of the agent, but of what stands in its place since it ended.
pub fn is_of_ended(answer: &Response) -> bool {
    answer.headers().get(ENDED_HEADER).ok().flatten().is_some()
}

impl Agent {
    /// Asks the running agent for a sign of life. Tells whether anything is to be done now.
    pub(crate) async fn look_at_agent(&self, container: &Container, term: &Term) -> Outcome<bool> {
        let life = self.life()?;
        if life.state != State::Running || !container.running() {
            self.probes.suspected.set(false);
            return Ok(false);
        }
        self.look_when_ended(container)?;
        let asked_at = self.probes.asked_at.get();
        if asked_at.is_some_and(|at| at.saturating_add(ASK_AGAIN_AFTER) > now()) {
            return Ok(false);
        }
        self.probes.asked_at.set(Some(now()));
        self.probes.suspected.set(false);
        let answer = within(PROBE_LIMIT, "liveness probe", async {
            let port = container.port(GATEWAY_PORT)?;
            port.fetch("http://agent/healthz", None)
                .await
                .tried("probe")
        });
        let answer = answer.await;
        if let Err(failure) = &answer {
            self.log(failure);
        }
        let ended = answer.as_ref().is_ok_and(is_of_ended);
        let mut is_over = false;
        self.update(term, |life| {
            // Whatever was asked for meanwhile is done first.
            if life.state == State::Running {
                is_over = life.answered(answer.is_ok()) || ended;
                if is_over {
                    life.end(now());
                }
            }
        })?;
        Ok(is_over)
    }

    /// Somebody got no answer: it is looked at as soon as may be. Where `ended` is certain it is seen to at once; an agent that
    /// pretends it ends nobody but itself.
    pub(crate) async fn suspect(&self, ended: bool) -> Outcome<()> {
        let mut life = self.life()?;
        if ended && life.state == State::Running {
            life.end(now());
            self.save_life(&life)?;
        }
        self.probes.suspected.set(true);
        self.wake_at(now()).await
    }

    /// Has the alarm come when the container ends.
    pub(crate) fn look_when_ended(&self, container: &Container) -> Outcome<()> {
        if self.probes.monitored.replace(true) {
            return Ok(());
        }
        let ended = container.monitor()?;
        let storage = self.state.storage();
        let monitored = self.probes.monitored.clone();
        spawn_local(async move {
            ended.await;
            monitored.set(false);
            // Else the next look sees it.
            let _ = storage
                .set_alarm(ScheduledTime::new(js_sys::Date::new_0()))
                .await;
        });
        Ok(())
    }

    /// Takes the last lines out of a container that is about to go. What can't be had is not worth a failure.
    pub(crate) async fn keep_log(&self, container: &Container, owner: Wallet) -> LogLines {
        let kept = async {
            let lines = self.read_log(container).await?;
            self.store.save_log(owner, &lines, now())?;
            Ok(lines)
        };
        kept.await.unwrap_or_else(|failure| {
            self.log(&failure);
            LogLines::default()
        })
    }

    pub(crate) async fn show_log(&self, owner: Wallet) -> Outcome<LogView> {
        let container = self.container()?;
        let life = self.life()?;
        if life.is_booted() && container.running() {
            let read = self.read_log(&container).await;
            if self.life()?.tenure != life.tenure {
                return Err(Problem::not_yours().into());
            }
            match read {
                Ok(lines) => {
                    return Ok(LogView {
                        lines,
                        taken_at: Some(now()),
                        live: true,
                    });
                }
                // An older image has no such command, and a container can end at any time.
                Err(failure) => self.log(&failure),
            }
        }
        let (taken_at, lines) = self.store.log(owner)?.unzip();
        Ok(LogView {
            lines: lines.unwrap_or_default(),
            taken_at,
            live: false,
        })
    }

    async fn read_log(&self, container: &Container) -> Outcome<LogLines> {
        let told = container
            .run(&["/opt/agent/agent", "logs"], Stdin::Nothing, LOG_LIMIT)
            .await?;
        let lines = LogLines::parse(&told)
            .map_err(|_| Failure::internal("`logs` printed what is no log"))?;
        Ok(lines.map(|line| self.clean(line)))
    }
}
