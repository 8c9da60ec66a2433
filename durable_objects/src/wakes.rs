//! Keeps the timeline of an agent: each time awake with its cause, how long each phase of its start took, and its end.

use multiclaw_core::ids::Wallet;
use multiclaw_core::lifecycle::Life;
use multiclaw_core::timeline::{Timeline, Wake, WakeEnd};

use crate::Agent;
use crate::port::{Outcome, now};

impl Agent {
    /// Changes the entry of the time awake that the row is in, or begins it.
    pub(crate) fn note_wake(
        &self,
        owner: Wallet,
        life: &Life,
        change: impl FnOnce(&mut Wake),
    ) -> Outcome<()> {
        let Some(at) = life.woke_at else {
            return Ok(());
        };
        let known = self.store.wake(owner, at)?;
        let mut wake = known.unwrap_or_else(|| Wake::new(at, life.cause));
        change(&mut wake);
        self.store.save_wake(owner, &wake)
    }

    /// Ends the entry of a time awake that is over in the row `after`.
    pub(crate) fn end_wake(&self, owner: Wallet, before: &Life, after: &Life) -> Outcome<()> {
        if after.woke_at.is_some() {
            return Ok(());
        }
        self.note_wake(owner, before, |wake| {
            wake.ended_at = Some(now());
            wake.end = Some(WakeEnd::of(before, after));
        })
    }

    pub(crate) fn timeline(&self, owner: Wallet) -> Outcome<Timeline> {
        let open = self.life()?.woke_at;
        Ok(Timeline::of(self.store.wakes(owner)?, open, now()))
    }
}
