//! All that is outside the row: the clock, the container, R2, the rows of snapshots, the alarm. It does what it is told,
//! and fails and lies as it is told.

use std::collections::{BTreeMap, VecDeque};

use multiclaw_core::ids::{SessionId, SnapshotId};
use multiclaw_core::lifecycle::{Life, Policy, State, Step};
use multiclaw_core::snapshot::{ArchiveHash, Cause, Report, Snapshot};
use multiclaw_core::time::{Seconds, Timestamp};

use crate::driver::Halt;
use crate::events::{Event, Interruption};
use crate::promises::Promises;

pub const POLICY: Policy = Policy {
    idle_timeout: Seconds::new(600),
    snapshot_period: Seconds::new(300),
};
/// Newest snapshots that are kept of each tenant.
pub const KEEP: usize = 3;
/// More alarms in one moment than anything calls for.
const MAX_ALARMS_AT_ONCE: u32 = 50;
/// A moment at which something is waited for takes so long.
const MOMENT_MILLIS: i64 = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    None,
    Alive,
    /// It is there and answers nothing.
    Silent,
    /// It ended; the container goes on.
    Ended,
}

#[derive(Debug)]
pub struct Container {
    pub tenant: usize,
    /// The tenure of the start that made it.
    pub tenure: u32,
    /// What the agent holds, by number: each change makes it another one.
    pub version: u64,
    pub gateway: Gateway,
    pub quiesced: bool,
    /// Its secrets are gone: nothing that it holds can be searched for them any more.
    pub wiped: bool,
    /// Its start was written down as done.
    pub acknowledged: bool,
    /// When it was used by ways that do not pass the object.
    pub used_inside: Timestamp,
}

#[derive(Debug, Clone, Copy)]
pub struct Archive {
    pub version: u64,
    pub sound: bool,
}

#[derive(Debug)]
pub struct World {
    pub now: Timestamp,
    pub life: Life,
    pub tenant: usize,
    pub alarm: Option<Timestamp>,
    pub container: Option<Container>,
    pub r2: BTreeMap<SnapshotId, Archive>,
    /// The snapshots of both tenants that count, newest first.
    pub rows: [Vec<Snapshot>; 2],
    /// What the agent's own schedule has next.
    pub due: Option<Timestamp>,
    pub r2_fails: bool,
    /// So many more uploads are confirmed and not kept.
    pub r2_lies: u32,
    /// So many more commands fail.
    pub commands_fail: u32,
    /// So many more agents do not become ready.
    pub boots_fail: u32,
    pub interruptions: VecDeque<Interruption>,
    /// How long an eviction stays unseen by the step under way, in points.
    pub unseen: usize,
    /// How often something was waited for.
    pub points: usize,
    pub promises: Promises,
    ids: u128,
    versions: u64,
}

impl World {
    pub fn new() -> Self {
        let now = Timestamp::parse_rfc3339("2026-01-15T00:00:00Z").unwrap();
        Self {
            now,
            life: Life::new(now),
            tenant: 0,
            alarm: None,
            container: None,
            r2: BTreeMap::new(),
            rows: [Vec::new(), Vec::new()],
            due: None,
            r2_fails: false,
            r2_lies: 0,
            commands_fail: 0,
            boots_fail: 0,
            interruptions: VecDeque::new(),
            unseen: 0,
            points: 0,
            promises: Promises::new(now),
            ids: 0,
            versions: 0,
        }
    }

    /// What happens, and all that comes of it now.
    pub fn experience(&mut self, event: Event) {
        match event {
            Event::Pass(seconds) => self.pass(seconds),
            event => self.happen(event),
        }
        self.fire_until(self.now);
        self.check();
    }

    /// Lets time pass, with what is to be done in it.
    pub fn pass(&mut self, seconds: u32) {
        let until = self.now.saturating_add(Seconds::new(seconds));
        self.fire_until(until);
        self.advance_to(until);
    }

    fn fire_until(&mut self, until: Timestamp) {
        let mut in_this_moment = 0;
        while let Some(at) = self.alarm.filter(|at| *at <= until.max(self.now)) {
            in_this_moment = if at > self.now { 0 } else { in_this_moment + 1 };
            assert!(
                in_this_moment < MAX_ALARMS_AT_ONCE,
                "one alarm after the other, and no time passes: {:?}",
                self.life
            );
            self.advance_to(at);
            self.drive();
            self.check();
        }
    }

    pub fn advance_to(&mut self, at: Timestamp) {
        if at > self.now {
            if self.container.is_some() || self.life.state == State::Starting {
                self.promises.awake += at.since(self.now);
            }
            self.now = at;
        }
    }

    /// Something is waited for: time passes, anything may happen meanwhile, and the driver may die.
    pub fn point(&mut self) -> Result<(), Halt> {
        self.points += 1;
        let millis = self.now.as_millis() + MOMENT_MILLIS;
        self.advance_to(Timestamp::from_millis(millis));
        match self.interruptions.pop_front() {
            None | Some(Interruption::Nothing) => Ok(()),
            Some(Interruption::Die) => Err(Halt::Died),
            Some(Interruption::Happen(event)) => {
                self.happen(event);
                Ok(())
            }
        }
    }

    pub fn next(&self) -> Step {
        self.life.next(self.container.is_some(), POLICY, self.now)
    }

    pub fn wake_at(&mut self, at: Timestamp) {
        self.alarm = Some(at);
    }

    pub fn fresh_id(&mut self) -> SnapshotId {
        self.ids += 1;
        SnapshotId::from_random(self.ids.to_be_bytes())
    }

    pub fn fresh_pass(&mut self) -> SessionId {
        self.ids += 1;
        SessionId::from_random(self.ids.to_be_bytes())
    }

    pub fn fresh_version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }

    /// The agent changes what it holds, if it can.
    pub fn write(&mut self) {
        let version = self.fresh_version();
        if let Some(container) = &mut self.container
            && container.gateway == Gateway::Alive
            && !container.quiesced
        {
            container.version = version;
        }
    }

    /// A command in the container.
    pub fn command(&mut self) -> Result<(), Halt> {
        self.point()?;
        let fails = self.commands_fail > 0;
        self.commands_fail = self.commands_fail.saturating_sub(1);
        match self.container.is_some() && !fails {
            true => Ok(()),
            false => Err(Halt::Failed),
        }
    }

    pub fn start_container(&mut self, tenant: usize, tenure: u32) {
        assert!(
            self.container.is_none(),
            "a container was started beside another one"
        );
        self.container = Some(Container {
            tenant,
            tenure,
            version: 0,
            gateway: Gateway::None,
            quiesced: false,
            wiped: false,
            acknowledged: false,
            used_inside: self.promises.used_inside,
        });
    }

    pub fn destroy(&mut self) -> Result<(), Halt> {
        self.point()?;
        if let Some(container) = self.container.take() {
            self.may_be_destroyed(&container);
        }
        self.point()
    }

    /// An archive that was confirmed is there, whole, unless R2 lies.
    pub fn put(&mut self, id: SnapshotId, version: u64) -> Result<(), Halt> {
        self.point()?;
        if self.container.is_none() {
            return Err(Halt::Failed);
        }
        let sound = self.r2_lies == 0;
        self.r2_lies = self.r2_lies.saturating_sub(1);
        if self.r2_fails {
            return Err(Halt::Failed);
        }
        self.r2.insert(id, Archive { version, sound });
        self.point()
    }

    pub fn row(id: SnapshotId, cause: Cause, version: u64, at: Timestamp) -> Snapshot {
        Snapshot {
            id,
            created_at: at,
            cause,
            size: version + 1,
            files: 1,
            sha256: digest(version),
            openclaw: "2026.9.6".to_owned(),
            report: Report::default(),
            packs: Vec::new(),
            unfit: false,
        }
    }

    pub fn is_sound(&self, row: &Snapshot) -> bool {
        self.r2.get(&row.id).is_some_and(|archive| archive.sound)
    }

    /// The version that the newest snapshot holds of those that were taken here.
    pub fn newest(&self, tenant: usize) -> Option<u64> {
        let mut rows = self.rows[tenant].iter();
        rows.find(|row| row.cause != Cause::Upload).map(held)
    }
}

/// The version that a snapshot holds: its size tells it here.
pub const fn held(row: &Snapshot) -> u64 {
    row.size - 1
}

/// What the container tells of what it holds.
pub fn digest(version: u64) -> ArchiveHash {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&version.to_be_bytes());
    ArchiveHash::from_bytes(bytes)
}
