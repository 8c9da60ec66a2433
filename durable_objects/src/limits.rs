//! What this domain may take of what all share, counted in memory: an object that is built anew begins with all of it. It is
//! counted for who was admitted alone, so that nobody else can use it up.

use core::cell::Cell;
use std::rc::Rc;

use multiclaw_core::error::Problem;
use multiclaw_core::limits::{
    Allowance, MAX_MODEL_CALLS, MAX_PASSING, MODELS_PER_SECOND, PROPOSALS_PER_SECOND, Places,
    WALLET_PER_SECOND,
};

use crate::port::now;

pub struct Limits {
    agent: Cell<Allowance>,
    api: Cell<Allowance>,
    models: Cell<Allowance>,
    wallet: Cell<Allowance>,
    proposals: Cell<Allowance>,
    passing: Rc<Cell<Places>>,
    model_calls: Rc<Cell<Places>>,
}

/// One of the places, until it is dropped.
pub struct Place(Rc<Cell<Places>>);

impl Default for Limits {
    fn default() -> Self {
        let places = |of| Rc::new(Cell::new(Places::new(of)));
        Self {
            agent: Cell::default(),
            api: Cell::default(),
            models: Cell::default(),
            wallet: Cell::default(),
            proposals: Cell::default(),
            passing: places(MAX_PASSING),
            model_calls: places(MAX_MODEL_CALLS),
        }
    }
}

impl Limits {
    /// Counts a request to the agent.
    pub fn agent(&self, per_second: u32) -> Result<(), Problem> {
        take(&self.agent, per_second)
    }

    /// Counts a call of the API, apart from those: whoever floods an agent can't keep its owner from stopping it.
    pub fn api(&self, per_second: u32) -> Result<(), Problem> {
        take(&self.api, per_second)
    }

    /// Counts a call of a model.
    pub fn models(&self) -> Result<(), Problem> {
        take(&self.models, MODELS_PER_SECOND)
    }

    /// Counts what asks the chain about the agent's wallet.
    pub fn wallet(&self) -> Result<(), Problem> {
        take(&self.wallet, WALLET_PER_SECOND)
    }

    /// Counts what the agent proposes.
    pub fn proposals(&self) -> Result<(), Problem> {
        take(&self.proposals, PROPOSALS_PER_SECOND)
    }

    /// A place for a request that waits for the agent.
    pub fn passing(&self) -> Option<Place> {
        enter(&self.passing)
    }

    /// A place for a call of a model.
    pub fn model_call(&self) -> Option<Place> {
        enter(&self.model_calls)
    }
}

fn take(cell: &Cell<Allowance>, per_second: u32) -> Result<(), Problem> {
    let mut allowance = cell.get();
    let taken = allowance.take(per_second, now());
    cell.set(allowance);
    taken
}

fn enter(cell: &Rc<Cell<Places>>) -> Option<Place> {
    let mut places = cell.get();
    let fits = places.enter();
    cell.set(places);
    fits.then(|| Place(cell.clone()))
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.0.get();
        places.leave();
        self.0.set(places);
    }
}
