//! What a snapshot is to its owner, and what the container may say of one. Which are kept says `retention`.
//!
//! The container belongs to the agent: all it says is checked before it is believed.

use serde::{Deserialize, Serialize};

use crate::encoding::{from_hex, hex};
use crate::ids::{PackId, SnapshotId};
use crate::packs::{self, Pack, PackFacts};
use crate::text::plain;
use crate::time::Timestamp;

/// Largest archive that is taken, bytes.
pub const MAX_SIZE: u64 = 2 * 1024 * 1024 * 1024;
const MAX_FILES: u32 = 1_000_000;

/// Why a snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    Manual,
    Stop,
    Sleep,
    Restart,
    /// Taken of a running agent, from time to time.
    Period,
    /// What an agent held that had ended by itself.
    Crash,
    /// Not taken here: its owner sent it.
    Upload,
    /// One that only a newer version knows. The snapshot is as good as any.
    #[serde(other)]
    Other,
}

/// SHA-256 of an archive, lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArchiveHash([u8; 32]);

impl ArchiveHash {
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<String> for ArchiveHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const EXPECTED: &str = "64 lower-case hexadecimal digits";
        from_hex(&text).map(Self).ok_or(EXPECTED)
    }
}

impl From<ArchiveHash> for String {
    fn from(hash: ArchiveHash) -> Self {
        hex(&hash.0)
    }
}

/// Names that the container told, for people to read: bounded in number and length, and nothing in them that could pass
/// for something else on a page or in a terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>")]
pub struct Names(Vec<String>);

const MAX_NAMES: usize = 100;
const MAX_NAME: usize = 200;

impl Names {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The first `count` of them.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        Self(self.0.iter().take(count).cloned().collect())
    }
}

impl From<Vec<String>> for Names {
    fn from(names: Vec<String>) -> Self {
        Self(
            names
                .iter()
                .take(MAX_NAMES)
                .map(|name| plain(name, MAX_NAME))
                .collect(),
        )
    }
}

/// What the leak check did, as the owner is told. Fields with nothing to tell are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// Files that are not in the snapshot: they hold an injected secret, or could not be searched for one.
    #[serde(skip_serializing_if = "Names::is_empty")]
    pub left_out: Names,
    /// How many there are, which may be more than are named.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out_count: u32,
    /// Databases in which an injected secret was overwritten.
    #[serde(skip_serializing_if = "Names::is_empty")]
    pub masked: Names,
    /// Providers whose keys were typed into the agent's own pages, and are in no snapshot.
    #[serde(skip_serializing_if = "Names::is_empty")]
    pub typed_keys: Names,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Report {
    /// With so few names that it fits into every status.
    #[must_use]
    pub fn brief(&self) -> Self {
        const NAMED: usize = 10;
        Self {
            left_out: self.left_out.first(NAMED),
            masked: self.masked.first(NAMED),
            ..self.clone()
        }
    }

    fn counted(mut self) -> Self {
        let named = u32::try_from(self.left_out.len()).unwrap_or(u32::MAX);
        self.left_out_count = self.left_out_count.clamp(named, MAX_FILES);
        self
    }
}

/// A snapshot that counts: its archive is in R2, whole, and its hash was checked there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    pub id: SnapshotId,
    pub created_at: Timestamp,
    pub cause: Cause,
    /// Bytes of the archive, or of the index of an incremental one.
    pub size: u64,
    pub files: u32,
    pub sha256: ArchiveHash,
    /// Version of OpenClaw that wrote the state.
    pub openclaw: String,
    #[serde(flatten)]
    pub report: Report,
    /// What an incremental one consists of, in the order of its index. Of an archive there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packs: Vec<Pack>,
    /// A container refused this incremental one: what it consists of may be damaged, and is not built upon.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unfit: bool,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(crate) const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Snapshot {
    #[must_use]
    pub const fn is_incremental(&self) -> bool {
        !self.packs.is_empty()
    }

    /// Bytes of all that it takes to restore it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.size.saturating_add(packs::total(&self.packs))
    }
}

/// What the container says of the archive it staged.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Staged {
    pub size: u64,
    pub sha256: ArchiveHash,
    pub files: u32,
    pub openclaw: String,
    pub format: u32,
    /// Not of older images.
    #[serde(flatten)]
    pub report: Report,
    /// Hash of the list of all that there was to save, by name, size and time. Nor this.
    #[serde(default)]
    pub digest: Option<ArchiveHash>,
    /// Milliseconds since 1970 of what its own schedule has next. Nor this.
    #[serde(default)]
    next_due_at: Option<i64>,
    /// Whom it has let in to its channel. Nor this.
    #[serde(default)]
    pub let_in: Option<Vec<String>>,
    /// Of an incremental one: the pack that is to be stored, and all that it consists of.
    #[serde(default)]
    pub pack: Option<PackFacts>,
    #[serde(default, rename = "packs")]
    told: Vec<PackId>,
    /// These, as they are known here. Of an archive there are none.
    #[serde(skip)]
    pub packs: Vec<Pack>,
}

/// A path in the state, and the bytes that it takes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Big {
    path: String,
    bytes: u64,
}

#[derive(Deserialize)]
struct TooLarge {
    biggest: Vec<Big>,
}

/// Any answer but an archive.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instead {
    #[serde(default)]
    unchanged: bool,
    #[serde(default)]
    too_large: Option<TooLarge>,
}

/// The archive format that this version reads and writes.
pub const FORMAT: u32 = 1;
/// An index and packs in an archive's place.
pub const INCREMENTAL_FORMAT: u32 = 2;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StagedError {
    #[error("the container's description of the archive is malformed")]
    Malformed,
    #[error("the archive's format is not known")]
    Format,
    /// With what takes most of it.
    #[error("the state is larger than a snapshot may be")]
    TooLarge(Names),
    /// Nothing was staged: all there is was saved before.
    #[error("nothing has changed")]
    Unchanged,
}

impl StagedError {
    /// What its owner can do about a state that is too large.
    #[must_use]
    pub fn advice(biggest: &Names) -> String {
        const LIMIT: &str = "The agent's state is larger than a snapshot may be (2 GiB, 200,000 files), so it can't be saved.";
        match biggest.is_empty() {
            true => format!("{LIMIT} Remove large files from its workspace."),
            false => format!(
                "{LIMIT} Remove some of what is largest: {}.",
                biggest.0.join(", ")
            ),
        }
    }
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

impl Staged {
    /// # Errors
    /// [`StagedError`] unless the description is whole and within bounds.
    pub fn parse(text: &str) -> Result<Self, StagedError> {
        let staged = Self::parse_any(text)?;
        match staged.format {
            FORMAT => Ok(Self {
                pack: None,
                ..staged
            }),
            _ => Err(StagedError::Format),
        }
    }

    /// What was asked to be incremental, with a pack that was to be called `id`, on top of those in `base`. A container
    /// that knows nothing of that, or can't, stages an archive.
    ///
    /// # Errors
    /// As of [`Staged::parse`], and when it names other packs.
    pub fn parse_incremental(text: &str, id: PackId, base: &[Pack]) -> Result<Self, StagedError> {
        let mut staged = Self::parse_any(text)?;
        if staged.format != INCREMENTAL_FORMAT {
            return Self::parse(text);
        }
        let facts = staged.pack.ok_or(StagedError::Malformed)?;
        let new = Pack::new(id, facts);
        staged.packs = packs::assembled(&staged.told, new, base).ok_or(StagedError::Malformed)?;
        match staged.size.saturating_add(packs::total(&staged.packs)) {
            0..=MAX_SIZE => Ok(staged),
            _ => Err(StagedError::TooLarge(Names::default())),
        }
    }

    fn parse_any(text: &str) -> Result<Self, StagedError> {
        if let Some(instead) = instead(text) {
            return Err(instead);
        }
        let mut staged: Self =
            serde_json::from_str(text.trim()).map_err(|_| StagedError::Malformed)?;
        let version_fits = (1..=32).contains(&staged.openclaw.len())
            && staged
                .openclaw
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
        if !version_fits || staged.size == 0 || staged.files > MAX_FILES {
            return Err(StagedError::Malformed);
        }
        if staged.size > MAX_SIZE {
            return Err(StagedError::TooLarge(Names::default()));
        }
        staged.report = staged.report.counted();
        Ok(staged)
    }

    /// When its own schedule has something next.
    #[must_use]
    pub fn next_due_at(&self) -> Option<Timestamp> {
        self.next_due_at
            .filter(|at| *at > 0)
            .map(Timestamp::from_millis)
    }
}

fn instead(text: &str) -> Option<StagedError> {
    const NAMED: usize = 5;
    let told: Instead = serde_json::from_str(text.trim()).ok()?;
    if told.unchanged {
        return Some(StagedError::Unchanged);
    }
    let biggest = told.too_large?.biggest;
    let named = biggest.into_iter().take(NAMED);
    let named = named.map(|big| format!("{} ({} MB)", big.path, megabytes(big.bytes)));
    Some(StagedError::TooLarge(Names::from(
        named.collect::<Vec<_>>(),
    )))
}

/// The order in which a start tries them: the chosen one alone, else newest first of those that were taken here.
#[must_use]
pub fn candidates(snapshots: Vec<Snapshot>, chosen: Option<SnapshotId>) -> Vec<Snapshot> {
    match chosen {
        Some(id) => snapshots
            .into_iter()
            .filter(|snapshot| snapshot.id == id)
            .collect(),
        None => snapshots
            .into_iter()
            .filter(|snapshot| snapshot.cause != Cause::Upload)
            .collect(),
    }
}

#[cfg(test)]
mod tests;
