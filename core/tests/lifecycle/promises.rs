//! What must hold at all times, kept apart from the machine: why an agent may be started, when it may sleep, what may be
//! destroyed and dropped, and that there is a way out of every state.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use multiclaw_core::ids::SnapshotId;
use multiclaw_core::lifecycle::{Life, State, Step, TroubleCode, WAKE_AHEAD, WakeCause, Wish};
use multiclaw_core::snapshot::{Cause, Snapshot};
use multiclaw_core::time::{Seconds, Timestamp};

use crate::world::{Archive, Container, Gateway, KEEP, POLICY, World};

/// Tries that one cause of a start is good for.
const TRIES: u32 = 3;
const LOOP: usize = 3;
const LOOP_WINDOW: Seconds = Seconds::new(600);
/// How long after its last use an agent may still run: looked at so often, and what a look may take.
const SLACK: Seconds = Seconds::new(60);
/// From any state to the one that was asked for.
const WAY_OUT_SECONDS: u32 = 300;

#[derive(Debug)]
pub struct Promises {
    pub alarms: u64,
    /// How long there was something that costs.
    pub awake: Duration,
    /// What the container held that went by itself, unless somebody was told or it turned out to be saved.
    pub lost: Option<u64>,
    /// What its owner deleted while it was being stopped.
    pub given_up: BTreeSet<u64>,
    /// Whether its owner wants it to run, or its schedule.
    wanted: bool,
    owner_stopped: bool,
    tries: u32,
    /// Somebody asked since the last start began.
    asked_since: bool,
    ends: Vec<Timestamp>,
    used: Timestamp,
    pub used_inside: Timestamp,
    woken_for: BTreeSet<Timestamp>,
}

impl Promises {
    pub const fn new(now: Timestamp) -> Self {
        Self {
            alarms: 0,
            awake: Duration::ZERO,
            lost: None,
            given_up: BTreeSet::new(),
            wanted: false,
            owner_stopped: true,
            tries: 0,
            asked_since: false,
            ends: Vec::new(),
            used: now,
            used_inside: now,
            woken_for: BTreeSet::new(),
        }
    }

    pub fn asked(&mut self, life: &Life, wish: Wish, now: Timestamp) {
        let runs = life.state == State::Running && life.wish == Wish::Run;
        self.wanted = wish != Wish::Stop;
        self.owner_stopped = wish == Wish::Stop;
        self.ends.clear();
        self.lost = None;
        self.used(now);
        if !self.wanted {
            self.tries = 0;
        } else if wish == Wish::Restart || !runs {
            self.tries = TRIES;
            self.asked_since = true;
        }
    }

    pub fn renewed(&mut self) {
        self.tries = TRIES;
        self.asked_since = true;
        self.ends.clear();
    }

    pub fn roused(&mut self, life: &Life, now: Timestamp) {
        let due = life.due.expect("something is due");
        assert!(
            due <= now.saturating_add(WAKE_AHEAD),
            "woken long before it is due"
        );
        assert!(!self.owner_stopped, "woken though its owner stopped it");
        assert!(self.woken_for.insert(due), "woken twice for the same");
        self.wanted = true;
        self.tries = TRIES;
        self.asked_since = true;
        self.used(now);
    }

    /// The agent, or its container with it, ended by itself; `life` is the row before that was written down.
    pub fn ended(&mut self, life: &Life, now: Timestamp) {
        if life.ended {
            return;
        }
        self.ends.retain(|at| at.saturating_add(LOOP_WINDOW) > now);
        self.ends.push(now);
        if self.wanted && self.ends.len() >= LOOP {
            self.wanted = false;
            self.tries = 0;
        } else if self.wanted {
            self.tries = TRIES;
        }
    }

    pub fn may_start(&mut self, now: Timestamp) {
        assert!(
            self.tries > 0,
            "started though nobody asked, nothing was due and nothing had ended"
        );
        if let Some(end) = self.ends.last()
            && !self.asked_since
        {
            let doublings = u32::try_from(self.ends.len()).unwrap() - 1;
            let pause = Seconds::new(2 * 2_u32.pow(doublings));
            assert!(
                now >= end.saturating_add(pause),
                "started sooner than it may after an end"
            );
        }
        self.tries -= 1;
        self.asked_since = false;
    }

    pub fn tries_again(&mut self) {
        self.tries = TRIES;
    }

    pub fn gave_up(&mut self) {
        self.wanted = false;
        self.tries = 0;
    }

    pub fn fell_asleep(&mut self, knows_inside: bool, now: Timestamp) {
        let used = match knows_inside {
            true => self.used.max(self.used_inside),
            false => self.used,
        };
        assert!(
            now >= used.saturating_add(POLICY.idle_timeout),
            "it fell asleep though it was used"
        );
        self.wanted = false;
        self.tries = 0;
    }

    pub fn used(&mut self, now: Timestamp) {
        self.used = now;
    }

    pub fn used_inside(&mut self, now: Timestamp) {
        self.used_inside = now;
    }

    pub fn deleted(&mut self, version: u64) {
        self.lost = self.lost.filter(|lost| *lost != version);
    }

    pub fn evicted(&mut self) {
        self.wanted = false;
        self.owner_stopped = true;
        self.tries = 0;
        self.asked_since = false;
        self.ends.clear();
        self.lost = None;
        self.given_up.clear();
        self.woken_for.clear();
    }

    /// Of several, the newest that can be restored is.
    pub fn restored(&self, list: &[Snapshot], index: usize, r2: &BTreeMap<SnapshotId, Archive>) {
        let newer_and_sound = list[..index]
            .iter()
            .any(|row| r2.get(&row.id).is_some_and(|archive| archive.sound));
        assert!(!newer_and_sound, "an older one was restored than could be");
    }
}

impl World {
    /// A start was written down as done.
    pub fn acknowledge(&mut self) {
        let now = self.now;
        // Nobody used it by healing.
        if self.life.cause != Some(WakeCause::Crash) {
            self.promises.used(now);
        }
        if !self.promises.asked_since {
            self.promises.tries = 0;
        }
        let Some(container) = &mut self.container else {
            return;
        };
        assert_eq!(
            (container.tenant, container.tenure),
            (self.tenant, self.life.tenure),
            "what runs is of an owner of before"
        );
        container.acknowledged = true;
    }

    pub fn may_be_destroyed(&self, container: &Container) {
        let ours = container.tenure == self.life.tenure && container.acknowledged;
        let saved = self.newest(container.tenant) == Some(container.version)
            || self.promises.given_up.contains(&container.version);
        assert!(
            !ours || saved,
            "a container was destroyed with what was in no snapshot: {container:?} {:?}",
            self.life
        );
    }

    /// The newest that can be restored goes only when so many newer ones were confirmed as are kept of the fewest.
    pub fn may_be_dropped(&self, tenant: usize, id: SnapshotId) {
        let mut taken = self.rows[tenant]
            .iter()
            .filter(|row| row.cause != Cause::Upload);
        let newest_sound = taken.clone().position(|row| self.is_sound(row));
        let place = taken.position(|row| row.id == id).expect("no upload");
        assert!(
            newest_sound != Some(place) || place >= KEEP,
            "the newest snapshot that can be restored was dropped"
        );
        assert_ne!(
            self.life.restore,
            Some(id),
            "what is to be restored was dropped"
        );
    }

    pub fn nothing_can_be_restored(&self, tenant: usize, chosen: Option<SnapshotId>) {
        let sound = self.rows[tenant]
            .iter()
            .filter(|row| match chosen {
                Some(id) => row.id == id,
                None => row.cause != Cause::Upload,
            })
            .any(|row| self.is_sound(row));
        assert!(!sound, "there was a snapshot that could be restored");
    }

    /// What holds whenever the driver is done for now.
    pub fn check(&mut self) {
        let life = &self.life;
        let rests = self.next() == Step::Rest;
        assert!(
            rests || self.alarm.is_some(),
            "something is to be done, and no alarm is set: {life:?}"
        );
        if rests {
            assert!(matches!(life.state, State::Asleep | State::Failed));
            assert!(matches!(life.wish, Wish::Stop | Wish::Sleep), "{life:?}");
            assert!(life.state != State::Asleep || life.wish != Wish::Sleep || life.due.is_none());
            assert!(self.container.is_none(), "{life:?}");
        }
        if let Some(container) = &self.container {
            assert_ne!(
                life.state,
                State::Asleep,
                "secrets lie where an agent sleeps"
            );
            if life.state == State::Failed {
                assert!(container.acknowledged && container.tenure == life.tenure);
            }
        }
        let code = life.trouble.as_ref().map(|trouble| trouble.code);
        let told = matches!(code, Some(TroubleCode::Crashed | TroubleCode::CrashLoop));
        let lost = self.promises.lost.filter(|lost| {
            let saved = self.newest(self.tenant) == Some(*lost);
            !told && !saved
        });
        let runs_again = life.state == State::Running && self.container.is_some();
        assert!(
            lost.is_none() || !(rests || runs_again),
            "what was lost is told to nobody: {life:?}"
        );
        self.promises.lost = lost;
        let used = self.promises.used.max(self.promises.used_inside);
        let latest = used
            .saturating_add(POLICY.idle_timeout)
            .saturating_add(SLACK);
        assert!(
            self.life.state != State::Running
                || self.life.wish != Wish::Run
                || self.now <= latest.max(self.life.since.saturating_add(SLACK))
                || self.alarm.is_some_and(|at| at <= self.now),
            "it is awake without cause"
        );
    }

    /// From now on nothing fails any more.
    pub fn calm_down(&mut self) {
        self.interruptions.clear();
        self.r2_fails = false;
        self.r2_lies = 0;
        self.commands_fail = 0;
        self.boots_fail = 0;
    }

    /// There is a way to what its owner asks for, and not a long one.
    pub fn reach(&mut self, wish: Wish) {
        use crate::events::Event;
        self.experience(Event::Ask(wish));
        if self.comes_to(wish) {
            return;
        }
        // The snapshot that was chosen could not be restored: that is told, and the choice is over.
        self.is_told(TroubleCode::RestoreFailed);
        self.experience(Event::Ask(wish));
        if self.comes_to(wish) {
            return;
        }
        // None can be: its owner deletes those that are lost.
        self.is_told(TroubleCode::RestoreFailed);
        while !self.rows[self.tenant].is_empty() {
            self.delete(0);
        }
        self.experience(Event::Ask(wish));
        assert!(self.comes_to(wish), "no way to {wish:?}: {:?}", self.life);
    }

    fn is_told(&self, code: TroubleCode) {
        let told = self.life.trouble.as_ref().map(|trouble| trouble.code);
        assert_eq!(told, Some(code), "{:?}", self.life);
    }

    fn comes_to(&mut self, wish: Wish) -> bool {
        for _ in 0..WAY_OUT_SECONDS / 10 {
            let is_there = match (&self.container, wish) {
                (None, Wish::Stop | Wish::Sleep) => self.next() == Step::Rest,
                (Some(container), Wish::Run | Wish::Restart) => {
                    let settled = self.life.state == State::Running && self.life.wish == Wish::Run;
                    let nothing_waits = self.life.renewal.is_none()
                        && self.life.snapshot.or(self.life.taking).is_none();
                    let serves = container.gateway == Gateway::Alive && !container.quiesced;
                    settled && serves && nothing_waits && container.acknowledged
                }
                _ => false,
            };
            if is_there {
                return true;
            }
            self.pass(10);
        }
        false
    }

    pub fn alarms_are_bounded(&self, events: u64) {
        let bound = 60 + 20 * events + self.promises.awake.as_secs() / 5;
        let alarms = self.promises.alarms;
        assert!(alarms <= bound, "{alarms} alarms, at most {bound}");
    }
}
