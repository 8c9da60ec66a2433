//! What can happen: what owners ask, what agents do, what fails.

use multiclaw_core::lifecycle::{State, Wish};
use multiclaw_core::renewal::Renewal;
use multiclaw_core::snapshot::Cause;
use multiclaw_core::time::Seconds;
use proptest::prelude::*;

use crate::world::{Archive, Gateway, World, held};

/// An index is taken modulo what there is.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    Ask(Wish),
    TakeSnapshot,
    Restore(usize),
    Delete(usize),
    /// Its owner sends an archive.
    Upload,
    /// A request to the agent that passes the object.
    Use,
    /// The agent is used by ways that do not.
    UseInside,
    Pass(u32),
    /// The agent's own schedule has something next.
    Due(u32),
    GatewayEnds,
    GatewayFallsSilent,
    ContainerDies,
    R2Fails(bool),
    R2Lies,
    R2Loses(usize),
    R2Corrupts(usize),
    CommandsFail(u32),
    BootsFail(u32),
    Change(Renewal),
    /// The asset moves. The step under way sees that after so many points.
    Evict(usize),
}

/// What happens while the driver waits for something.
#[derive(Debug, Clone, Copy)]
pub enum Interruption {
    Nothing,
    Die,
    Happen(Event),
}

fn sudden() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Ask(Wish::Run)),
        2 => Just(Event::Ask(Wish::Stop)),
        2 => Just(Event::Ask(Wish::Restart)),
        2 => Just(Event::TakeSnapshot),
        1 => (0_usize..5).prop_map(Event::Restore),
        1 => (0_usize..5).prop_map(Event::Delete),
        1 => Just(Event::Upload),
        4 => Just(Event::Use),
        3 => Just(Event::UseInside),
        1 => (0_u32..4000).prop_map(Event::Due),
        2 => Just(Event::GatewayEnds),
        1 => Just(Event::GatewayFallsSilent),
        2 => Just(Event::ContainerDies),
        2 => any::<bool>().prop_map(Event::R2Fails),
        1 => Just(Event::R2Lies),
        1 => (0_usize..3).prop_map(Event::R2Loses),
        1 => (0_usize..3).prop_map(Event::R2Corrupts),
        1 => (1_u32..4).prop_map(Event::CommandsFail),
        1 => (1_u32..4).prop_map(Event::BootsFail),
        1 => Just(Event::Change(Renewal::Reload)),
        1 => Just(Event::Change(Renewal::Restart)),
        1 => (1_usize..6).prop_map(Event::Evict),
    ]
}

pub fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => sudden(),
        2 => (1_u32..20).prop_map(Event::Pass),
        2 => (20_u32..400).prop_map(Event::Pass),
        1 => (400_u32..4000).prop_map(Event::Pass),
    ]
}

pub fn interruptions() -> impl Strategy<Value = Vec<Interruption>> {
    let one = prop_oneof![
        10 => Just(Interruption::Nothing),
        1 => Just(Interruption::Die),
        1 => sudden().prop_map(Interruption::Happen),
    ];
    prop_oneof![
        1 => Just(Vec::new()),
        1 => prop::collection::vec(one, 0..12),
    ]
}

impl World {
    /// Does what happens to the world and the row; what comes of it is the driver's.
    pub fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Ask(wish) => self.ask(wish),
            Event::TakeSnapshot => {
                if self.life.state == State::Running && self.life.wish == Wish::Run {
                    let id = self.fresh_id();
                    self.life.snapshot = self.life.snapshot.or(Some(id));
                    self.life.last_active = now;
                    self.promises.used(now);
                    self.wake_at(now);
                }
            }
            Event::Restore(index) => {
                let rows = &self.rows[self.tenant];
                if let Some(row) = rows.get(index % rows.len().max(1)) {
                    self.life.restore = Some(row.id);
                    self.ask(Wish::Restart);
                }
            }
            Event::Delete(index) => self.delete(index),
            Event::Upload => {
                let (id, version) = (self.fresh_id(), self.fresh_version());
                let sound = true;
                self.r2.insert(id, Archive { version, sound });
                let row = Self::row(id, Cause::Upload, version, now);
                self.rows[self.tenant].insert(0, row);
            }
            Event::Use => {
                if self.life.state == State::Running {
                    self.life.last_active = now;
                    self.promises.used(now);
                    self.write();
                }
            }
            Event::UseInside => {
                self.write();
                let alive = |gateway| gateway == Gateway::Alive;
                if let Some(container) = &mut self.container
                    && alive(container.gateway)
                {
                    container.used_inside = now;
                    self.promises.used_inside(now);
                }
            }
            Event::Pass(_) => {}
            Event::Due(seconds) => self.due = Some(now.saturating_add(Seconds::new(seconds))),
            Event::GatewayEnds => self.gateway_becomes(Gateway::Ended),
            Event::GatewayFallsSilent => self.gateway_becomes(Gateway::Silent),
            Event::ContainerDies => self.lose_container(),
            Event::R2Fails(fails) => self.r2_fails = fails,
            Event::R2Lies => self.r2_lies = 1,
            Event::R2Loses(index) => {
                if let Some(row) = self.rows[self.tenant].get(index) {
                    self.r2.remove(&row.id);
                }
            }
            Event::R2Corrupts(index) => {
                let row = self.rows[self.tenant].get(index);
                if let Some(archive) = row.and_then(|row| self.r2.get_mut(&row.id)) {
                    archive.sound = false;
                }
            }
            Event::CommandsFail(times) => self.commands_fail = times,
            Event::BootsFail(times) => self.boots_fail = times,
            Event::Change(renewal) => {
                let _ = self.life.change(renewal, self.container.is_some());
                if self.life.renewal.is_some() {
                    self.wake_at(now);
                }
            }
            Event::Evict(unseen) => {
                self.life = self.life.evicted(now);
                self.tenant = 1 - self.tenant;
                self.unseen = unseen;
                self.due = None;
                self.promises.evicted();
                self.wake_at(now);
            }
        }
    }

    fn ask(&mut self, wish: Wish) {
        let now = self.now;
        self.promises.asked(&self.life, wish, now);
        self.promises.used(now);
        self.life.ask(wish, now);
        let rests = matches!(self.life.state, State::Asleep | State::Failed);
        let wanted = matches!(self.life.wish, Wish::Run | Wish::Restart);
        if wanted && rests && self.container.is_none() {
            self.life.begin(now);
        }
        self.wake_at(now);
    }

    /// Its owner deletes a snapshot: what it held is not saved any more.
    pub fn delete(&mut self, index: usize) {
        let rows = &mut self.rows[self.tenant];
        if rows.is_empty() {
            return;
        }
        let row = rows.remove(index % rows.len());
        self.r2.remove(&row.id);
        self.life.saved = None;
        self.promises.deleted(held(&row));
        if self.life.state == State::Stopping {
            self.promises.given_up.insert(held(&row));
        }
    }

    fn gateway_becomes(&mut self, gateway: Gateway) {
        if let Some(container) = &mut self.container
            && container.gateway == Gateway::Alive
        {
            container.gateway = gateway;
        }
    }

    fn lose_container(&mut self) {
        if let Some(container) = self.container.take() {
            let ours = container.acknowledged && container.tenure == self.life.tenure;
            if ours && !self.promises.given_up.contains(&container.version) {
                self.promises.lost = Some(container.version);
            }
        }
    }
}
