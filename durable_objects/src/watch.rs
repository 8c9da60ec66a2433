//! Whether a caller is still the owner: the session's row, and the chain's word within the freshness bound (C07).

use core::cell::Cell;
use core::time::Duration;

use futures_util::lock::Mutex;
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::ids::Asset;
use multiclaw_core::messages::Caller;
use multiclaw_core::ownership::{Freshness, Owned, OwnershipError, freshness, is_behind};
use multiclaw_core::time::Timestamp;
use worker::Delay;

use crate::Agent;
use crate::port::{Outcome, log, now};
use crate::settings;
use crate::solana;
use crate::store::{Domain, SessionRow};

/// Before each reading that a notice of a move leads to.
const RECHECK_PAUSES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(300),
    Duration::from_millis(1000),
    Duration::from_millis(3000),
];

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
        if caller
            .epoch
            .is_some_and(|epoch| self.life().is_ok_and(|life| life.tenure != epoch))
        {
            return Err(Problem::sign_in().into());
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
                if let (OwnershipError::Burned, Some(known)) = (reason, &before) {
                    self.take_over(known, None, asked_at).await?;
                }
                return Err(Failure {
                    problem: Problem::not_yours(),
                    context: Some(format!("the asset has no owner: {reason}")),
                });
            }
        };
        match before {
            Some(known) if known.owner != owned.owner => {
                self.take_over(&known, Some(&owned), asked_at).await?;
            }
            known => {
                // A node may be some slots behind the last one; the floor does not sink with it.
                owned.slot = known.map_or(owned.slot, |known| owned.slot.max(known.slot));
                self.store.save_domain(asset, &owned, asked_at)?;
            }
        }
        self.store
            .domain()?
            .ok_or_else(|| Failure::internal("the domain row is missing"))
    }

    /// Takes everything from everybody but the owner that the chain names now (C08). The container is destroyed by the
    /// next step.
    async fn take_over(
        &self,
        domain: &Domain,
        owned: Option<&Owned>,
        asked_at: Timestamp,
    ) -> Outcome<()> {
        let life = self.life()?.evicted(now());
        self.store.take_over(domain, owned, &life, asked_at)?;
        self.disconnect(|_| false);
        self.wake_at(now()).await
    }

    /// Reads the owner again as somebody says that it changed, some times over: the nodes that are asked may see it a
    /// moment later than the one that told.
    pub(crate) async fn recheck(&self) -> Outcome<()> {
        for pause in RECHECK_PAUSES {
            Delay::from(pause).await;
            let Some(before) = self.store.domain()? else {
                return Ok(());
            };
            let after = self.read_owner(before.asset).await;
            if after.is_ok_and(|after| after.owner != before.owner) {
                return Ok(());
            }
        }
        Ok(())
    }
}
