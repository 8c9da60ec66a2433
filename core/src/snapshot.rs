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
mod tests {
    use super::*;

    fn snapshot(byte: u8) -> Snapshot {
        Snapshot {
            id: SnapshotId::from_random([byte; 16]),
            created_at: Timestamp::from_secs(i64::from(byte)),
            cause: Cause::Stop,
            size: 1,
            files: 1,
            sha256: ArchiveHash([byte; 32]),
            openclaw: "2026.9.6".to_owned(),
            report: Report::default(),
            packs: Vec::new(),
        }
    }

    #[test]
    fn a_snapshot_of_a_newer_version_counts() {
        let text = serde_json::to_string(&snapshot(1)).unwrap();
        let newer = text.replace(
            r#""cause":"stop""#,
            r#""cause":"unheard-of","added":{"later":1}"#,
        );
        let read: Snapshot = serde_json::from_str(&newer).unwrap();
        assert_eq!(
            read,
            Snapshot {
                cause: Cause::Other,
                ..snapshot(1)
            }
        );
    }

    #[test]
    fn a_chosen_snapshot_is_the_only_candidate() {
        let all = vec![snapshot(3), snapshot(2)];
        assert_eq!(
            candidates(all.clone(), Some(all[1].id)),
            vec![all[1].clone()]
        );
        assert!(candidates(all.clone(), Some(snapshot(9).id)).is_empty());
        assert_eq!(candidates(all.clone(), None), all);
    }

    fn staged_with(report: &str) -> Result<Staged, StagedError> {
        let hash = "ab".repeat(32);
        Staged::parse(&format!(
            r#"{{"size":9,"sha256":"{hash}","files":2,"openclaw":"1","format":1{report}}}"#
        ))
    }

    #[test]
    fn c14_what_was_left_out_is_kept_for_the_owner() {
        let report = staged_with(
            r#","leftOut":["workspace/key.txt"],"leftOutCount":7,"masked":["a.sqlite"],"typedKeys":["openai"]"#,
        )
        .unwrap()
        .report;
        assert_eq!(report.left_out_count, 7);
        let kept = Snapshot {
            report,
            ..snapshot(1)
        };
        let row = serde_json::to_string(&kept).unwrap();
        assert!(row.contains(r#""leftOut":["workspace/key.txt"],"leftOutCount":7,"masked":["a.sqlite"],"typedKeys":["openai"]"#), "{row}");
        assert_eq!(serde_json::from_str::<Snapshot>(&row).unwrap(), kept);
    }

    #[test]
    fn c14_an_older_image_reports_nothing_and_a_row_with_nothing_is_as_before() {
        assert_eq!(staged_with("").unwrap().report, Report::default());
        let row = serde_json::to_string(&snapshot(1)).unwrap();
        assert!(!row.contains("leftOut") && !row.contains("masked") && !row.contains("typedKeys"));
        assert_eq!(serde_json::from_str::<Snapshot>(&row).unwrap(), snapshot(1));
    }

    #[test]
    fn c14_names_from_the_container_are_bounded_and_plain() {
        let many: Vec<String> = (0..500).map(|n| format!("file {n}")).collect();
        let text = serde_json::to_string(&many).unwrap();
        let report = staged_with(&format!(r#","leftOut":{text},"leftOutCount":3"#))
            .unwrap()
            .report;
        assert_eq!(report.left_out.len(), 100);
        assert_eq!(report.left_out_count, 100);
        assert_eq!(report.brief().left_out.len(), 10);
        assert_eq!(report.brief().left_out_count, 100);
        let odd = Names::from(vec![
            "a\nb\u{1b}[2J\u{202e}txt.exe\u{200b}\0".to_owned(),
            "é".repeat(201),
            "é".repeat(200),
        ]);
        assert_eq!(
            odd,
            Names(vec![
                "a\u{fffd}b\u{fffd}[2J\u{fffd}txt.exe\u{fffd}\u{fffd}".to_owned(),
                format!("{}\u{2026}", "é".repeat(199)),
                "é".repeat(200),
            ])
        );
        let again = serde_json::to_string(&odd).unwrap();
        assert_eq!(serde_json::from_str::<Names>(&again).unwrap(), odd);
        for malformed in [
            r#","leftOut":"all""#,
            r#","leftOut":[1]"#,
            r#","leftOutCount":-1"#,
        ] {
            assert_eq!(staged_with(malformed), Err(StagedError::Malformed));
        }
    }

    #[test]
    fn c19_an_uploaded_snapshot_is_restored_only_when_it_is_chosen() {
        let uploaded = Snapshot {
            cause: Cause::Upload,
            ..snapshot(3)
        };
        let all = vec![uploaded.clone(), snapshot(2)];
        assert_eq!(candidates(all.clone(), None), vec![snapshot(2)]);
        assert_eq!(candidates(all, Some(uploaded.id)), vec![uploaded]);
    }

    #[test]
    fn c19_a_state_that_is_too_large_is_told_with_what_is_largest_in_it() {
        let told = r#"{"tooLarge":{"biggest":[{"path":"workspace/film\u001b.mkv","bytes":3000000001},{"path":"media","bytes":5}]}}"#;
        let Err(StagedError::TooLarge(biggest)) = Staged::parse(told) else {
            panic!("it is too large");
        };
        let advice = StagedError::advice(&biggest);
        assert!(
            advice.ends_with("largest: workspace/film\u{fffd}.mkv (3001 MB), media (1 MB)."),
            "{advice}"
        );
        assert!(StagedError::advice(&Names::default()).ends_with("from its workspace."));
        for malformed in [
            r#"{"tooLarge":{}}"#,
            r#"{"tooLarge":{"biggest":[{"path":1}]}}"#,
            "{}",
        ] {
            assert_eq!(Staged::parse(malformed), Err(StagedError::Malformed));
        }
    }

    #[test]
    fn c19_nothing_new_to_save_is_no_archive() {
        assert_eq!(
            Staged::parse(r#"{"unchanged":true}"#),
            Err(StagedError::Unchanged)
        );
        let [digest, due] = ["cd".repeat(32), "1700000000000".to_owned()];
        let staged = staged_with(&format!(r#","digest":"{digest}","nextDueAt":{due}"#)).unwrap();
        assert_eq!(staged.digest.map(String::from), Some(digest));
        assert_eq!(
            staged.next_due_at(),
            Some(Timestamp::from_millis(1_700_000_000_000))
        );
        for none in ["null", "0", "-5"] {
            let staged = staged_with(&format!(r#","nextDueAt":{none}"#)).unwrap();
            assert_eq!(
                (staged.digest, staged.next_due_at()),
                (None, None),
                "{none}"
            );
        }
        assert_eq!(
            staged_with(r#","nextDueAt":"soon""#),
            Err(StagedError::Malformed)
        );
    }

    #[test]
    fn what_the_container_says_is_checked() {
        let hash = "ab".repeat(32);
        let staged = |size: &str, hash: &str, format: u32, version: &str| {
            Staged::parse(&format!(
                r#"{{"size":{size},"sha256":"{hash}","files":2,"openclaw":"{version}","format":{format}}}"#
            ))
        };
        assert!(staged("10", &hash, 1, "2026.9.6").is_ok());
        assert_eq!(staged("10", &hash, 2, "2026.9.6"), Err(StagedError::Format));
        assert_eq!(
            staged("99999999999", &hash, 1, "2026.9.6"),
            Err(StagedError::TooLarge(Names::default()))
        );
        for (size, hash, version) in [
            ("0", hash.as_str(), "1"),
            ("-1", hash.as_str(), "1"),
            ("1e99", hash.as_str(), "1"),
            ("1", "AB", "1"),
            ("1", &hash.to_uppercase(), "1"),
            ("1", hash.as_str(), ""),
            ("1", hash.as_str(), "<script>"),
        ] {
            assert_eq!(
                staged(size, hash, 1, version),
                Err(StagedError::Malformed),
                "{size} {hash} {version}"
            );
        }
        assert_eq!(Staged::parse("not json"), Err(StagedError::Malformed));
    }
}
