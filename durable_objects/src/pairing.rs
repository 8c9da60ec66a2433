//! The people and devices that wait to be let in: told by the running agent, and let in by its owner's word.

use core::time::Duration;

use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::lifecycle::State;
use multiclaw_core::pairing::{PairingId, PairingList, Said};
use multiclaw_core::tenancy::Tenant;

use crate::Agent;
use crate::container::Stdin;
use crate::port::{Outcome, now};

const LIMIT: Duration = Duration::from_secs(45);

impl Agent {
    /// Those who wait, after the owner's word on one of them.
    pub(crate) async fn pairing(
        &self,
        tenant: &Tenant,
        word: Option<(PairingId, bool)>,
    ) -> Outcome<PairingList> {
        let before = self.life()?;
        if before.state != State::Running {
            let detail = "Who waits is told by the running agent. Start it first.";
            return Err(Problem::new(Code::WrongState, detail).into());
        }
        let option = word.map(|(id, approved)| {
            let name = if approved { "approve" } else { "reject" };
            format!("--{name}={}", id.as_str())
        });
        let mut command = vec!["/opt/agent/agent", "pairing"];
        command.extend(option.as_deref());
        let said = self.container()?.run(&command, Stdin::Nothing, LIMIT).await;
        // Meanwhile the domain may have changed hands, and its next owner's agent may be asked then.
        let mut life = self.life()?;
        let owner = self.store.domain()?.map(|domain| domain.owner);
        if owner != Some(tenant.owner) || life.tenure != before.tenure {
            return Err(Problem::sign_in().into());
        }
        let said = said.and_then(|line| {
            Said::parse(&line).ok_or_else(|| Failure::internal("`pairing` said what is no answer"))
        });
        let said = said.map_err(not_told)?;
        self.learn_let_in(tenant.owner, said.let_in.as_deref())?;
        if word.is_some() && !said.found {
            let detail = "Nobody waits by this id, or not any more. List them again.";
            return Err(Problem::new(Code::NotFound, detail).into());
        }
        if word.is_some() {
            // The owner's word is not to be asked for again after a crash.
            life.last_active = now();
            life.save_soon();
            self.save_life(&life)?;
            self.wake_at(now()).await?;
        }
        Ok(said.list)
    }
}

/// A container of an older image lacks the command.
fn not_told(failure: Failure) -> Failure {
    Failure::new(
        Code::WrongState,
        "The agent could not be asked who waits. Try again; restart it if it stays so.",
        failure.context.unwrap_or_default(),
    )
}
