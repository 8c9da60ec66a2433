//! What the agent proposes that its wallet do: taken from the start that runs for the present owner, kept, and shown to that owner,
//! who alone decides. What may be proposed, and how often, is decided in `multiclaw_core::proposal`.

use multiclaw_core::audit::Entry;
use multiclaw_core::error::{Code, Problem};
use multiclaw_core::ids::{ProposalId, Wallet};
use multiclaw_core::proposal::{
    LIFETIME, PER_DAY, Proposal, ProposalList, ProposalView, Source, admit, gone, operation,
    summary,
};
use multiclaw_core::session::Start;
use multiclaw_core::tenancy::Tenant;
use multiclaw_core::usage::day;
use multiclaw_core::wallet::plan::Plan;
use multiclaw_core::wallet::view::PreparedView;
use serde_json::json;
use worker::Response;

use crate::Agent;
use crate::events::News;
use crate::port::{Outcome, now, random};
use crate::reply::{empty, json as answer};
use crate::store::{Domain, ProposalRow};

impl Agent {
    /// The domain, if this start is that of its present owner's agent.
    pub(crate) fn domain_of(&self, start: &Start) -> Outcome<Option<Domain>> {
        let life = self.life()?;
        let is_its = |domain: &Domain| {
            domain.asset == start.asset
                && domain.owner == start.owner
                && life.tenure == start.tenure
                && life.admits(start.pass)
        };
        Ok(self.store.domain()?.filter(is_its))
    }

    /// Keeps a proposal. The agent is told that it waits, and nothing else, now or later.
    pub(crate) fn propose(&self, start: &Start, body: Option<&str>) -> Outcome<Response> {
        let owner = self.domain_of(start)?.ok_or_else(ended)?.owner;
        let today = self.store.proposals_of(owner, &day(now()))?;
        // What can't be read counts as well, and so does what comes too fast.
        let proposal = self.limits.proposals().and_then(|()| {
            admit(today.made, now())?;
            Proposal::parse(body.unwrap_or_default())
        });
        let proposal = match proposal {
            Ok(proposal) => proposal,
            Err(problem) => {
                self.store.count_refusal(owner, &day(now()))?;
                if today.refused == 0 {
                    self.store.audit(now(), &Entry::ProposalsRefused)?;
                }
                return Err(problem.into());
            }
        };
        let id = ProposalId::from_random(random()?);
        let row = ProposalRow::new(
            id,
            now(),
            now().saturating_add(LIFETIME),
            operation(&proposal.plan).to_string(),
            self.clean(&proposal.reason),
        );
        self.store.add_proposal(owner, &row, &day(now()))?;
        self.listeners.tell_news(News::Proposals);
        answer(202, &json!({ "id": id }))
    }

    pub(crate) fn proposals(&self, owner: Wallet) -> Outcome<ProposalList> {
        let today = self.store.proposals_of(owner, &day(now()))?;
        let mut proposals = Vec::new();
        for row in self.store.waiting_proposals(owner, now())? {
            let Ok(operation) = serde_json::from_str(&row.operation) else {
                continue;
            };
            let Ok(plan) = Plan::parse(&operation) else {
                continue;
            };
            proposals.push(ProposalView {
                id: row.id,
                created_at: row.created_at(),
                expires_at: row.expires_at(),
                operation,
                summary: summary(&plan),
                reason: row.reason,
                source: Source::Agent,
            });
        }
        Ok(ProposalList {
            proposals,
            today: today.made,
            per_day: PER_DAY,
            refused_today: today.refused,
        })
    }

    /// A transaction of a proposal, for the owner to sign. The proposal goes on waiting.
    pub(crate) async fn prepare_proposal(
        &self,
        tenant: &Tenant,
        id: ProposalId,
    ) -> Outcome<PreparedView> {
        let row = self.store.proposal(tenant.owner, id, now())?;
        let row = row.ok_or_else(gone)?;
        self.prepare(tenant, &row.operation, Some(id)).await
    }

    pub(crate) fn reject_proposal(&self, owner: Wallet, id: ProposalId) -> Outcome<Response> {
        if !self.store.end_proposal(owner, id, now())? {
            return Err(gone().into());
        }
        let entry = Entry::ProposalRejected { wallet: owner };
        self.store.audit(now(), &entry)?;
        self.listeners.tell_news(News::Proposals);
        Ok(empty())
    }
}

/// A pass of another start, of another owner, or of an agent that is stopped.
fn ended() -> Problem {
    Problem::new(
        Code::Unauthenticated,
        "This pass is none, or has ended with its agent. Restart the agent for another.",
    )
}
