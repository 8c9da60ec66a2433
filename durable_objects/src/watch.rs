//! Whether a caller is still the owner: the session's row, and the chain's word within the freshness bound (C07).

use core::cell::Cell;

use futures_util::lock::Mutex;
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::ids::{Asset, Wallet};
use multiclaw_core::messages::Caller;
use multiclaw_core::ownership::{Freshness, Owned, OwnershipError, freshness, is_behind};
use multiclaw_core::time::Timestamp;

use crate::Agent;
use crate::port::{Outcome, log, now};
use crate::settings;
use crate::solana;
use crate::store::{Domain, SessionRow};

/// How fresh the owner must be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// Within `OWNERSHIP_MAX_AGE`.
    Bounded,
    /// Read now: for what touches secrets, snapshots or starts.
    Fresh,
}

/// The readings of the owner: one at a time, and how the last one failed.
#[derive(Default)]
pub struct Readings {
    turn: Mutex<()>,
    failed: Cell<Option<(Timestamp, Problem)>>,
}

impl Agent {
    /// Lets a living session of the present owner pass.
    pub(crate) async fn admit(&self, caller: Caller, care: Care) -> Outcome<(SessionRow, Domain)> {
        let session = self
            .store
            .session(caller.session, now())?
            .ok_or_else(Problem::sign_in)?;
        let domain = self.store.domain()?.ok_or_else(Problem::sign_in)?;
        if domain.asset != caller.asset || session.wallet != caller.wallet {
            return Err(Problem::not_yours().into());
        }
        let domain = self.owner(domain, care).await?;
        if domain.owner != caller.wallet {
            return Err(Problem::not_yours().into());
        }
        // The owner may have changed, and the session ended, while the chain was asked.
        self.store
            .session(caller.session, now())?
            .ok_or_else(Problem::sign_in)?;
        Ok((session, domain))
    }

    /// The domain with an owner as fresh as `care` asks.
    pub(crate) async fn owner(&self, domain: Domain, care: Care) -> Outcome<Domain> {
        let age = freshness(domain.checked_at(), now(), settings::ownership(&self.env)?);
        if age == Freshness::Fresh && care == Care::Bounded {
            return Ok(domain);
        }
        match self.read_owner(domain.asset).await {
            Ok(domain) => Ok(domain),
            // Nobody answers: a short while the last reading still holds, except where it must be fresh.
            Err(failure)
                if failure.problem.code == Code::RpcUnavailable
                    && age == Freshness::Stale
                    && care == Care::Bounded =>
            {
                log(&failure);
                Ok(domain)
            }
            Err(failure) => Err(failure),
        }
    }

    /// The owner as the chain tells it from now on. Whoever asks while others do waits for a reading that began after:
    /// however many ask, one question is under way.
    pub(crate) async fn read_owner(&self, asset: Asset) -> Outcome<Domain> {
        let wanted_at = now();
        let _turn = self.readings.turn.lock().await;
        if let Some(domain) = self.store.domain()?
            && domain.checked_at() >= wanted_at
        {
            return Ok(domain);
        }
        if let Some((asked_at, problem)) = self.readings.failed.take()
            && asked_at >= wanted_at
        {
            self.readings.failed.set(Some((asked_at, problem.clone())));
            return Err(problem.into());
        }
        let asked_at = now();
        let read = self.read_owner_now(asset, asked_at).await;
        let failed = read.as_ref().err();
        self.readings
            .failed
            .set(failed.map(|failure| (asked_at, failure.problem.clone())));
        read
    }

    /// Asks the chain and records the answer; a new owner takes over at once.
    async fn read_owner_now(&self, asset: Asset, asked_at: Timestamp) -> Outcome<Domain> {
        let chain = settings::chain(&self.env)?;
        let before = self.store.domain()?;
        let behind = |answer: &Owned| {
            before.as_ref().is_some_and(|known| {
                is_behind(answer, (known.owner, known.slot), known.checked_at(), now())
            })
        };
        let mut owned = match solana::owner_of(&chain, asset, behind).await? {
            Ok(owned) => owned,
            Err(reason) => {
                // What is burned never comes back; any other reason may be a node's that lags.
                if reason == OwnershipError::Burned {
                    self.evict(None).await?;
                }
                return Err(Failure {
                    problem: Problem::not_yours(),
                    context: Some(format!("the asset has no owner: {reason}")),
                });
            }
        };
        let moved = before
            .as_ref()
            .is_some_and(|known| known.owner != owned.owner);
        if let Some(known) = before.filter(|known| known.slot > owned.slot && !moved) {
            // A node may be some slots behind the last one; the floor does not sink with it.
            owned.slot = known.slot;
        }
        self.store.save_domain(asset, &owned, asked_at)?;
        if moved {
            self.evict(Some(owned.owner)).await?;
        }
        self.store
            .domain()?
            .ok_or_else(|| Failure::internal("the domain row is missing"))
    }

    /// Takes everything from everybody but `owner` (C08). The container is destroyed by the next step.
    async fn evict(&self, owner: Option<Wallet>) -> Outcome<()> {
        self.store.evict_all_but(owner)?;
        self.store.save_life(&self.life()?.evicted(now()))?;
        self.disconnect(|_| false);
        self.wake_at(now()).await
    }
}
