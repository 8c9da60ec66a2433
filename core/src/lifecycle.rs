//! The life of an agent as data: what was asked for, what is, and what to do next.
//!
//! Total and pure: the object persists a row, asks [`next`], does that one step and asks again. Whatever dies in
//! between, the row and the container's own state are enough to go on (C18-C20). What each step makes of the row is in `changes`,
//! which step is next in `steps`.

mod changes;
mod steps;
#[cfg(test)]
mod tests;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::ids::{SessionId, SnapshotId};
use crate::renewal::Renewal;
use crate::snapshot::ArchiveHash;
use crate::time::{Seconds, Timestamp};

/// What is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Asleep,
    Starting,
    Running,
    Stopping,
    Failed,
}

/// The step within `Starting` and `Stopping`, for those who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Allocate,
    Restore,
    Inject,
    Boot,
    Ready,
    Quiesce,
    Upload,
    Destroy,
}

/// What its owner, or the idle clock, last asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// Be asleep, because the owner said so.
    Stop,
    /// Be asleep, because nobody used it.
    Sleep,
    /// Be running.
    Run,
    /// Stop first, then run.
    Restart,
}

/// Why it is as it is, when that is not as asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    pub code: TroubleCode,
    pub detail: String,
    /// The last of what the agent wrote, without secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleCode {
    /// A start did not reach readiness.
    StartFailed,
    /// No snapshot could be restored though there are some; the agent does not start empty over them.
    RestoreFailed,
    /// A newer snapshot could not be used; an older one was restored.
    RestoredOlder,
    /// The state could not be saved; the container is kept.
    SnapshotFailed,
    /// The agent ended by itself, or answered no more.
    Crashed,
    /// It did so again and again, and is not started by itself any more.
    CrashLoop,
}

/// Why an agent is awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WakeCause {
    /// Its owner asked for it, or came to it.
    Owner,
    /// Something is due of its own schedule.
    Schedule,
    /// It ended by itself and is started again.
    Crash,
    /// Its owner asked for a restart, or a change of what it is given needs one.
    Restart,
    /// A message came for it.
    Channel,
    /// One that only a newer version knows.
    #[serde(other)]
    Other,
}

/// The row that the object keeps. Rows of older versions lack fields, those of a newer one may have more, and may hold
/// phases and troubles that are not known here: see docs/upgrades.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// How many tenants were evicted before this one: a step that began under another number must change nothing (C08).
    #[serde(default)]
    pub tenure: u32,
    pub state: State,
    #[serde(default, deserialize_with = "if_known")]
    pub phase: Option<Phase>,
    pub since: Timestamp,
    pub wish: Wish,
    /// The snapshot that the next start restores, when not the newest.
    pub restore: Option<SnapshotId>,
    /// The snapshot that the owner asked for, until it is begun.
    pub snapshot: Option<SnapshotId>,
    /// The one that is being taken.
    #[serde(default)]
    pub taking: Option<SnapshotId>,
    /// Failed tries of the step under way.
    pub attempts: u32,
    /// The start that the agent is of: calls of models with another's pass are none of this agent's (`keyless`).
    #[serde(default, deserialize_with = "if_known")]
    pub pass: Option<SessionId>,
    /// What the running agent was not given yet.
    #[serde(default, deserialize_with = "if_known")]
    pub renewal: Option<Renewal>,
    /// How often anything was changed that a start injects: what is injected may be outdated when it arrives.
    #[serde(default)]
    pub changes: u32,
    #[serde(default, deserialize_with = "if_known")]
    pub trouble: Option<Trouble>,
    pub last_active: Timestamp,
    /// When the phase began.
    #[serde(default)]
    pub phase_since: Option<Timestamp>,
    /// Why it wakes, or is awake.
    #[serde(default, deserialize_with = "if_known")]
    pub cause: Option<WakeCause>,
    /// When that began: names the entry of the timeline that is still open.
    #[serde(default)]
    pub woke_at: Option<Timestamp>,
    /// The agent in the container that runs has ended, or answers no more: it is saved as it lies there, and started anew.
    #[serde(default)]
    pub ended: bool,
    /// When it did, of late.
    #[serde(default)]
    pub crashes: Vec<Timestamp>,
    /// How often in a row the running agent did not answer.
    #[serde(default)]
    pub unanswered: u32,
    /// No start before: an agent that has just ended by itself is given a moment.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// When all that it holds was last known to be in a snapshot, or a try to get it there was last made.
    #[serde(default)]
    pub saved_at: Option<Timestamp>,
    /// The container's hash of all that was saved then: as long as it says the same there is nothing new to save.
    #[serde(default, deserialize_with = "if_known")]
    pub saved: Option<ArchiveHash>,
    /// When a sleeping agent has something to do by its own schedule.
    #[serde(default)]
    pub due: Option<Timestamp>,
    /// The last such time that woke it: one that stays in the past wakes it once.
    #[serde(default)]
    pub woken_for: Option<Timestamp>,
    /// How often in a row the container itself refused to be saved.
    #[serde(default)]
    pub refusals: u32,
    /// Its owner was told that it could not be saved, and wants it to go on.
    #[serde(default)]
    pub insisted: bool,
    /// How often in a row a start that nobody asked for failed.
    #[serde(default)]
    pub retries: u32,
}

/// What only a newer version knows counts as nothing: it tells how far a step is or went, never what to do next.
fn if_known<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    Ok(value.and_then(|value| serde_json::from_value(value).ok()))
}

/// Times that an operator may change.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// How long nobody must have used a running agent before it falls asleep.
    pub idle_timeout: Seconds,
    /// How often a running agent is saved, while it changes.
    pub snapshot_period: Seconds,
}

/// Tries of a start or stop before it is given up.
pub const MAX_ATTEMPTS: u32 = 3;
/// How often a running agent is looked at.
pub const WATCH_PERIOD: Seconds = Seconds::new(15);
/// When saving what could not be saved is tried once more.
pub const RETRY_SAVING_AFTER: Seconds = Seconds::new(300);
/// When a periodic snapshot that failed is tried once more.
pub const RETRY_PERIODIC_AFTER: Seconds = Seconds::new(60);
/// When a start is tried once more that nobody asked for, times two for each time, and at least so often.
pub const RETRY_START_AFTER: Seconds = Seconds::new(300);
pub const RETRY_START_AT_LEAST: Seconds = Seconds::new(3600);
/// What is due later is nothing to wake for yet.
pub const FARTHEST_DUE: Seconds = Seconds::new(366 * 24 * 60 * 60);
/// So many ends within [`CRASH_WINDOW`] are a loop.
pub const MAX_CRASHES: usize = 3;
pub const CRASH_WINDOW: Seconds = Seconds::new(600);
/// The pause before an agent that ended by itself is started again, times two for each time before.
pub const HEALING_PAUSE: Seconds = Seconds::new(2);
/// How often in a row a running agent may not answer. One that computes may be slow to.
pub const MAX_UNANSWERED: u32 = 6;
/// How soon one that did not answer is asked again.
pub const ASK_AGAIN_AFTER: Seconds = Seconds::new(5);
/// A start takes so long: an agent with something to do is woken so much sooner.
pub const WAKE_AHEAD: Seconds = Seconds::new(20);

/// Why what a container holds was not saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsaved {
    /// The container itself said so.
    Refused,
    /// It is more than a snapshot may be.
    TooLarge,
    /// Anything that may pass: storage, the engine, time.
    Other,
}

/// The one next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing until somebody asks.
    Rest,
    /// Look again at this time.
    Watch { at: Timestamp },
    /// Write what changed into the running agent, and have it take that.
    Reload,
    /// What changed needs a restart: turn the wish to that, then ask again.
    Renew,
    /// Take the snapshot that the owner asked for.
    Snapshot,
    /// Save what changed since it was last saved.
    Save,
    /// Nobody used it: turn the wish to sleep, then ask again.
    FallAsleep,
    /// Something of its own schedule is due: turn the wish to run, then ask again.
    Rouse,
    /// A message waits for a sleeping agent: turn the wish to run, then ask again.
    Call,
    /// Hand the running agent what waits for it.
    Deliver,
    /// Destroy what is left of a container and start.
    Start,
    /// Save, then destroy.
    Stop,
    /// Let an agent go on that a failed stop left quiesced.
    Resume,
    /// The container is gone though nobody asked: record it.
    RecordCrash,
    /// Nothing to save: destroy what is left of a container and be asleep.
    Discard,
    /// The tries are used up.
    GiveUp,
}
