//! The people and devices that wait to be let in: told by the running agent, and by the object itself for channels that end
//! here. They are let in by the owner's word.

use core::time::Duration;

use multiclaw_core::edge::EdgeChannel;
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::knock::{id, named};
use multiclaw_core::lifecycle::State;
use multiclaw_core::pairing::{Kind, PairingId, PairingList, Said, Waiting};
use multiclaw_core::tenancy::Tenant;

use crate::Agent;
use crate::container::Stdin;
use crate::port::{Outcome, now};

const LIMIT: Duration = Duration::from_secs(45);
const NOT_RUNNING: &str = "Who waits is told by the running agent. Start it first.";

impl Agent {
    /// Those who wait, after the owner's word on one of them.
    pub(crate) async fn pairing(
        &self,
        tenant: &Tenant,
        word: Option<(PairingId, bool)>,
    ) -> Outcome<PairingList> {
        let here = word.and_then(|(id, is_let_in)| Some((named(&id)?, is_let_in)));
        if let Some(((channel, person), is_let_in)) = &here {
            let who = (*channel, person);
            if !self
                .store
                .answer_knock(tenant.owner, who, *is_let_in, now())?
            {
                return Err(not_waiting().into());
            }
        }
        let mut knocks = self.knocks(tenant)?;
        let before = self.life()?;
        let others = match before.state == State::Running {
            true => {
                self.gateways_pairing(tenant, word.filter(|_| here.is_none()))
                    .await
            }
            false => Err(Problem::new(Code::WrongState, NOT_RUNNING).into()),
        };
        match others {
            // An agent must not have its owner let in whom it chose.
            Ok(list) => knocks.extend(
                list.waiting
                    .into_iter()
                    .filter(|it| named(&it.id).is_none()),
            ),
            Err(failure) if here.is_some() => self.log(&failure),
            Err(failure) if word.is_none() && self.has_edge_channel(tenant)? => self.log(&failure),
            Err(failure) => return Err(failure),
        }
        Ok(PairingList { waiting: knocks })
    }

    /// Those who wait at channels that end here.
    fn knocks(&self, tenant: &Tenant) -> Outcome<Vec<Waiting>> {
        let knocks = self.store.knocks(tenant.owner, now())?;
        let shown = knocks.into_iter().filter_map(|knock| {
            Some(Waiting {
                id: id(knock.channel, &knock.person)?,
                kind: Kind::Person,
                asked_at: Some(knock.asked_at()),
                expires_at: Some(knock.expires_at()),
                name: knock.name,
                code: Some(knock.code),
            })
        });
        Ok(shown.collect())
    }

    fn has_edge_channel(&self, tenant: &Tenant) -> Outcome<bool> {
        for channel in EdgeChannel::ALL {
            if self.store.edge_channel(tenant.owner, channel)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn gateways_pairing(
        &self,
        tenant: &Tenant,
        word: Option<(PairingId, bool)>,
    ) -> Outcome<PairingList> {
        let before = self.life()?;
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
            return Err(not_waiting().into());
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

fn not_waiting() -> Problem {
    let detail = "Nobody waits by this id, or not any more. List them again.";
    Problem::new(Code::NotFound, detail)
}

/// A container of an older image lacks the command.
fn not_told(failure: Failure) -> Failure {
    Failure::new(
        Code::WrongState,
        "The agent could not be asked who waits. Try again; restart it if it stays so.",
        failure.context.unwrap_or_default(),
    )
}
