//! One reading of who owns an asset, by as many endpoints as it takes. It is asked for the next step, told what came of
//! it, and asked again.

use core::time::Duration;

use super::{Fault, Limits, Pool, QUORUM, backoff};
use crate::ownership::{Floor, Reading};
use crate::time::Timestamp;

/// How often it may begin anew: within some two seconds a transfer that one endpoint saw sooner has come to the others.
const REPETITIONS: u32 = 3;
/// With less time than this left nobody is asked: they would hardly be heard.
const LEAST_TIME: Duration = Duration::from_millis(500);

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask these endpoints too, all at once.
    Ask(Vec<usize>),
    /// Wait until one of those that were asked is heard.
    Listen,
    Pause(Duration),
    Done(Verdict),
}

/// What a reading came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Counts {
        reading: Reading,
        /// Whether as many said it as are needed to believe it of somebody else too. If not, it is the known owner whom
        /// one endpoint confirmed and none denied.
        agreed: bool,
    },
    /// These endpoints contradict one another, or what is known: nobody can be believed.
    Disputed(Vec<usize>),
    /// Too few gave an answer that counts.
    Silent,
}

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Unasked,
    /// Was asked.
    Waiting,
    Said(Reading),
    Silent(Fault),
}

/// One reading under way.
#[derive(Debug)]
pub struct Poll {
    /// The owner who passes on one word; `None` where two must agree on whoever it is.
    known: Option<Floor>,
    /// How many must agree.
    quorum: usize,
    heard: Vec<Heard>,
    call_limit: Duration,
    deadline: Timestamp,
    /// How often it began anew.
    round: u32,
    /// How often it may.
    repetitions: u32,
    begun: bool,
    /// Whether somebody said that the known owner is not the owner. It is not forgotten when that one then falls silent.
    denied: bool,
}

impl Poll {
    /// For a login: two endpoints must agree.
    #[must_use]
    pub fn login(endpoints: usize, now: Timestamp) -> Self {
        Self::new(endpoints, None, Limits::LOGIN, now)
    }

    /// For who watches over `known`, which names an owner: one word is enough that it is still them, as long as no other
    /// endpoint denies it. For anything else two must agree.
    #[must_use]
    pub fn watch(endpoints: usize, known: Floor, now: Timestamp) -> Self {
        Self::new(endpoints, Some(known), Limits::WATCH, now)
    }

    fn new(endpoints: usize, known: Option<Floor>, limits: Limits, now: Timestamp) -> Self {
        let total = i64::try_from(limits.total.as_millis()).unwrap_or(i64::MAX);
        Self {
            known,
            quorum: endpoints.clamp(1, QUORUM),
            heard: core::iter::repeat_with(|| Heard::Unasked)
                .take(endpoints)
                .collect(),
            call_limit: limits.call,
            deadline: Timestamp::from_millis(now.as_millis().saturating_add(total)),
            round: 0,
            repetitions: REPETITIONS,
            begun: false,
            denied: false,
        }
    }

    /// For one after a reading in which endpoints contradicted one another: one word is not enough.
    #[must_use]
    pub const fn denied(mut self) -> Self {
        self.denied = true;
        self
    }

    /// Asks nobody twice: for one whose like has failed just before, while somebody waits.
    #[must_use]
    pub const fn once(mut self) -> Self {
        self.repetitions = 0;
        self
    }

    /// How long an endpoint that is asked now may take.
    #[must_use]
    pub fn call_limit(&self, now: Timestamp) -> Duration {
        self.call_limit.min(self.deadline.since(now))
    }

    /// The next step; `random` spreads the pauses.
    pub fn next(&mut self, pool: &mut Pool, now: Timestamp, random: u8) -> Step {
        pool.fit(self.heard.len());
        if let Some(verdict) = self.agreed() {
            if let Verdict::Counts { reading, .. } = &verdict
                && self.quorum > 1
            {
                pool.raise_floor(reading.slot(), now);
            }
            return Step::Done(verdict);
        }
        let asked = self.choose(pool, now);
        if !asked.is_empty() {
            return Step::Ask(asked);
        }
        if self.waiting() > 0 {
            return Step::Listen;
        }
        let (verdict, settled) = self.rest();
        let pause = backoff(self.round, random);
        let too_late = self.deadline.since(now) < pause.saturating_add(LEAST_TIME);
        let enough = settled || too_late || self.round >= self.repetitions;
        if enough || !self.begin_anew(pool, now) {
            return Step::Done(verdict);
        }
        Step::Pause(pause)
    }

    /// Takes what an endpoint said; an error tells why it does not count.
    ///
    /// # Errors
    /// The given fault, or that the answer came from too long ago.
    pub fn hear(
        &mut self,
        pool: &mut Pool,
        endpoint: usize,
        answer: Result<Reading, Fault>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let answer = answer.and_then(|reading| {
            let chain = pool.floor.filter(|_| self.quorum > 1);
            let late = |floor: Option<Floor>| floor.is_some_and(|it| it.is_above(&reading, now));
            if late(self.known) || late(chain) {
                Err(Fault::Late)
            } else {
                Ok(reading)
            }
        });
        if let (Some(known), Ok(reading)) = (self.known, &answer) {
            self.denied |= reading.owner() != known.owner;
        }
        let result = answer.as_ref().map(drop).map_err(|fault| *fault);
        if let Some(breaker) = pool.breakers.get_mut(endpoint) {
            match result {
                Ok(()) => breaker.succeeded(),
                Err(fault) => breaker.failed(fault, now),
            }
        }
        if let Some(heard) = self.heard.get_mut(endpoint) {
            *heard = answer.map_or_else(Heard::Silent, Heard::Said);
        }
        result
    }

    fn said(&self) -> impl Iterator<Item = (usize, &Reading)> {
        self.heard
            .iter()
            .enumerate()
            .filter_map(|(endpoint, heard)| match heard {
                Heard::Said(reading) => Some((endpoint, reading)),
                _ => None,
            })
    }

    fn waiting(&self) -> usize {
        self.heard
            .iter()
            .filter(|it| **it == Heard::Waiting)
            .count()
    }

    /// How many say the same as this one.
    fn votes(&self, reading: &Reading) -> usize {
        self.said()
            .filter(|(_, it)| it.says() == reading.says())
            .count()
    }

    /// The word of as many endpoints as are needed, as of the newest slot that as many vouch for.
    fn agreed(&self) -> Option<Verdict> {
        let vouched = |reading: &Reading| {
            let vouches = |it: &Reading| it.says() == reading.says() && it.slot() >= reading.slot();
            self.said().filter(|(_, it)| vouches(it)).count() >= self.quorum
        };
        let (_, reading) = self
            .said()
            .filter(|(_, reading)| vouched(reading))
            .max_by_key(|(_, reading)| reading.slot())?;
        Some(Verdict::Counts {
            reading: reading.clone(),
            agreed: true,
        })
    }

    /// Whether nobody said anything but that the known owner is still the owner.
    fn undenied(&self) -> bool {
        let owner = self.known.and_then(|known| known.owner);
        owner.is_some() && !self.denied && self.said().all(|(_, reading)| reading.owner() == owner)
    }

    /// Marks and gives those to ask now: two at the beginning, so that one can deny what the other says, and then as many
    /// as the votes still need.
    fn choose(&mut self, pool: &mut Pool, now: Timestamp) -> Vec<usize> {
        if self.deadline.since(now) < LEAST_TIME {
            return Vec::new();
        }
        let best = self.said().map(|(_, reading)| self.votes(reading)).max();
        let sure = best.unwrap_or(0).saturating_add(self.waiting());
        let needed = if self.undenied() { 1 } else { self.quorum };
        let least = needed.saturating_sub(sure);
        let wanted = if self.begun {
            least
        } else {
            self.quorum.saturating_sub(sure)
        };
        self.begun = true;
        let mut chosen = Vec::new();
        for endpoint in 0..self.heard.len() {
            if chosen.len() < wanted && pool.allows(endpoint, now) {
                self.ask(pool, endpoint, now, &mut chosen);
            }
        }
        // Those are asked as well who were to be left alone, if nobody else is left: first who failed longest ago.
        let may_ask = |endpoint: &usize| self.may_ask(pool, *endpoint);
        let mut others: Vec<usize> = (0..self.heard.len()).filter(may_ask).collect();
        others.sort_by_key(|endpoint| pool.failed_at(*endpoint));
        for endpoint in others.into_iter().take(least.saturating_sub(chosen.len())) {
            self.ask(pool, endpoint, now, &mut chosen);
        }
        chosen
    }

    /// Whether to ask one with an open breaker: once, and for a login also again, unless the endpoint forbade it itself.
    fn may_ask(&self, pool: &Pool, endpoint: usize) -> bool {
        self.heard.get(endpoint) == Some(&Heard::Unasked)
            && (self.round == 0 || (self.known.is_none() && pool.bears_asking(endpoint)))
    }

    fn ask(&mut self, pool: &mut Pool, endpoint: usize, now: Timestamp, chosen: &mut Vec<usize>) {
        if let Some(heard @ Heard::Unasked) = self.heard.get_mut(endpoint) {
            *heard = Heard::Waiting;
            chosen.push(endpoint);
            if let Some(breaker) = pool.breakers.get_mut(endpoint) {
                breaker.asked(now);
            }
        }
    }

    /// What it comes to if nobody is asked any more, and whether that is good enough to end with.
    fn rest(&self) -> (Verdict, bool) {
        let mut said = self.said();
        match said.next() {
            None => (Verdict::Silent, false),
            Some((_, reading)) if self.undenied() => {
                let reading = reading.clone();
                let agreed = false;
                (Verdict::Counts { reading, agreed }, true)
            }
            // One word for a login, which nobody confirms.
            Some(_) if self.known.is_none() && said.next().is_none() => (Verdict::Silent, false),
            Some(_) => {
                let by = self.said().map(|(endpoint, _)| endpoint).collect();
                (Verdict::Disputed(by), false)
            }
        }
    }

    /// Another round: those who failed are asked again, and those who contradict one another, as one may just have seen
    /// a transfer sooner. Tells whether anybody is left to ask.
    fn begin_anew(&mut self, pool: &Pool, now: Timestamp) -> bool {
        let first = self.said().next().map(|(_, reading)| reading.says());
        let at_odds = self
            .said()
            .any(|(_, reading)| Some(reading.says()) != first);
        for heard in &mut self.heard {
            let again = match heard {
                Heard::Said(_) => at_odds,
                Heard::Silent(fault) => !matches!(fault, Fault::Refused(_)),
                Heard::Unasked | Heard::Waiting => false,
            };
            if again {
                *heard = Heard::Unasked;
            }
        }
        self.round = self.round.saturating_add(1);
        self.begun = false;
        self.heard.iter().enumerate().any(|(endpoint, heard)| {
            *heard == Heard::Unasked && (pool.allows(endpoint, now) || self.may_ask(pool, endpoint))
        })
    }
}
