//! Whether a caller is still the owner: the session's row, and the chain's word within the freshness bound (C07).

use core::cell::Cell;
use core::time::Duration;

use futures_util::lock::Mutex;
use multiclaw_core::error::{Code, Failure, Problem};
use multiclaw_core::ids::Asset;
use multiclaw_core::messages::Caller;
use multiclaw_core::ownership::{
    Floor, Freshness, Owned, OwnershipError, Reading, freshness, next_floor,
};
use multiclaw_core::rpc::Verdict;
use multiclaw_core::tenancy::Tenant;
use multiclaw_core::time::Timestamp;
use worker::Delay;

use crate::Agent;
use crate::port::{Outcome, now};
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

/// Least time between two readings of one domain, and after one that failed: whoever asks again and again must not use
/// up what the endpoints grant to all.
const PACE: Duration = Duration::from_millis(250);
const PACE_AFTER_FAILURE: Duration = Duration::from_millis(500);

/// How fresh the owner must be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// As it is known here: for who ends what is theirs, which must not need the chain.
    Known,
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
    /// When the last one began.
    asked_at: Cell<Option<Timestamp>>,
    /// Whether notices are being followed up, and another one came meanwhile.
    rechecking: Cell<bool>,
    told_again: Cell<bool>,
    /// Whether all was taken already from the owner of what was burned.
    burned: Cell<bool>,
    /// Whether endpoints contradicted one another since the last reading that counted. Nobody passes then on what was
    /// known before, and nothing is taken from anybody.
    disputed: Cell<bool>,
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
        let tenure = self.life()?.tenure;
        if caller.epoch.is_some_and(|epoch| epoch != tenure) {
            return Err(Problem::sign_in().into());
        }
        let domain = match care {
            Care::Known => domain,
            Care::Bounded | Care::Fresh => self.owner(domain, care).await?,
        };
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
        let age = self.age(&domain)?;
        let disputed = || self.readings.disputed.get();
        if age == Freshness::Fresh && care == Care::Bounded && !disputed() {
            return Ok(domain);
        }
        match self.read_owner(domain.asset).await {
            // Nobody answers: a short while the last reading still holds, except where it must be fresh.
            Err(failure)
                if failure.problem.code == Code::RpcUnavailable
                    && age == Freshness::Stale
                    && care == Care::Bounded
                    && !disputed() =>
            {
                self.log(&failure);
                Ok(domain)
            }
            read => read,
        }
    }

    /// Looks whether the owner is still the owner; a new one takes over in there. Cuts what is open for sessions that
    /// ended, and everything when nobody can tell for longer than the grace. A contradiction between endpoints alone
    /// cuts nothing within it.
    pub(crate) async fn look_after(&self, domain: Domain) -> Outcome<()> {
        let age = self.age(&domain)?;
        let stays = match self.owner(domain, Care::Bounded).await {
            Ok(_) => true,
            Err(failure) => {
                self.log(&failure);
                failure.problem.code == Code::RpcUnavailable
                    && age != Freshness::Expired
                    && self.readings.disputed.get()
            }
        };
        self.disconnect(|id| stays && self.store.session(id, now()).is_ok_and(|row| row.is_some()));
        Ok(())
    }

    fn age(&self, domain: &Domain) -> Outcome<Freshness> {
        let policy = settings::ownership(&self.env)?;
        Ok(freshness(domain.checked_at(), now(), policy))
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
        let failed = self.readings.failed.take();
        let has_failed = failed.is_some();
        if let Some((asked_at, problem)) = failed
            && asked_at >= wanted_at
        {
            self.readings.failed.set(Some((asked_at, problem.clone())));
            return Err(problem.into());
        }
        let pace = if has_failed { PACE_AFTER_FAILURE } else { PACE };
        if let Some(last) = self.readings.asked_at.get() {
            Delay::from(pace.saturating_sub(now().since(last))).await;
        }
        let asked_at = now();
        self.readings.asked_at.set(Some(asked_at));
        let read = self.read_owner_now(asset, asked_at, has_failed).await;
        let failed = read.as_ref().err();
        self.readings
            .failed
            .set(failed.map(|failure| (asked_at, failure.problem.clone())));
        read
    }

    /// Asks the chain and records the answer; a new owner takes over at once.
    async fn read_owner_now(
        &self,
        asset: Asset,
        asked_at: Timestamp,
        has_failed: bool,
    ) -> Outcome<Domain> {
        let chain = settings::chain(&self.env)?;
        let known = self.store.domain()?.ok_or_else(missing_row)?;
        let floor = Floor {
            slot: known.slot,
            since: known.checked_at(),
            owner: Some(known.owner),
        };
        match solana::look(
            &chain,
            asset,
            floor,
            has_failed,
            self.readings.disputed.get(),
        )
        .await?
        {
            Verdict::Counts { reading, agreed } => {
                // That nobody owns it is no word on which anybody passes until somebody does.
                let nobody = reading.owner().is_none();
                self.readings.disputed.set(nobody);
                if nobody {
                    self.disconnect(|_| false);
                }
                self.record(&known, reading, agreed, asked_at).await
            }
            Verdict::Disputed(by) => {
                self.readings.disputed.set(true);
                Err(solana::disputed(&by))
            }
            // It settles no contradiction.
            Verdict::Silent => Err(solana::silent()),
        }
    }

    /// Another owner than the known one, or none, is what two endpoints said, where there are two.
    async fn record(
        &self,
        known: &Domain,
        reading: Reading,
        agreed: bool,
        asked_at: Timestamp,
    ) -> Outcome<Domain> {
        let mut owned = match reading {
            Reading::Owned(owned) => owned,
            Reading::Nobody(reason, _) => {
                // What is burned never comes back; any other reason may be that of nodes that lag.
                if reason == OwnershipError::Burned && !self.readings.burned.get() {
                    self.take_over(known, None, asked_at).await?;
                    self.readings.burned.set(true);
                }
                return Err(Failure {
                    problem: Problem::not_yours(),
                    context: Some(format!("the asset has no owner: {reason}")),
                });
            }
        };
        // If it seems to be burned once more, there may be something to take again.
        self.readings.burned.set(false);
        if known.owner == owned.owner {
            owned.slot = next_floor(known.slot, owned.slot, agreed);
            self.store.save_domain(known.asset, &owned, asked_at)?;
        } else {
            self.take_over(known, Some(&owned), asked_at).await?;
        }
        self.store.domain()?.ok_or_else(missing_row)
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
        let tenant = Tenant {
            asset: domain.asset,
            owner: domain.owner,
        };
        // Whatever is wrong with it keeps nothing from the next owner.
        let farewell = self.farewell(&tenant).unwrap_or_else(|failure| {
            self.log(&failure);
            None
        });
        let discord = self.discord_farewell(&tenant).unwrap_or_else(|failure| {
            self.log(&failure);
            None
        });
        self.store.take_over(domain, owned, &life, asked_at)?;
        farewell.into_iter().for_each(|leave| leave(self));
        discord.into_iter().for_each(|leave| leave(self));
        self.disconnect(|_| false);
        self.wake_at(now()).await
    }

    /// Reads the owner again as somebody says that it changed, some times over: the nodes that are asked may see it a
    /// moment later than the one that told. However many say so, one follows it up.
    pub(crate) async fn recheck(&self) -> Outcome<()> {
        if self.readings.rechecking.replace(true) {
            self.readings.told_again.set(true);
            return Ok(());
        }
        let _end = Rechecking(&self.readings.rechecking);
        self.follow_up().await?;
        while self.readings.told_again.replace(false) {
            self.follow_up().await?;
        }
        Ok(())
    }

    async fn follow_up(&self) -> Outcome<()> {
        for pause in RECHECK_PAUSES {
            Delay::from(pause).await;
            let Some(before) = self.store.domain()? else {
                return Ok(());
            };
            match self.read_owner(before.asset).await {
                Ok(after) if after.owner == before.owner => {}
                Err(failure) if failure.problem.code != Code::Forbidden => self.log(&failure),
                // Somebody else's, or nobody's.
                _ => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Also when the call that follows up is dropped in its middle the next notice is followed up.
struct Rechecking<'a>(&'a Cell<bool>);

impl Drop for Rechecking<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

fn missing_row() -> Failure {
    Failure::internal("the domain row is missing")
}
