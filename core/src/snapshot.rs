//! What a snapshot is to its owner, what the container may say of one, and which are kept.
//!
//! The container belongs to the agent: all it says is checked before it is believed.

use serde::{Deserialize, Serialize};

use crate::encoding::{from_hex, hex};
use crate::ids::SnapshotId;
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

/// A snapshot that counts: its archive is in R2, whole, and its hash was checked there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    pub id: SnapshotId,
    pub created_at: Timestamp,
    pub cause: Cause,
    /// Bytes of the archive.
    pub size: u64,
    pub files: u32,
    pub sha256: ArchiveHash,
    /// Version of OpenClaw that wrote the state.
    pub openclaw: String,
}

/// What the container says of the archive it staged.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Staged {
    pub size: u64,
    pub sha256: ArchiveHash,
    pub files: u32,
    pub openclaw: String,
    pub format: u32,
}

/// The archive format that this version reads and writes.
pub const FORMAT: u32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StagedError {
    #[error("the container's description of the archive is malformed")]
    Malformed,
    #[error("the archive's format is not known")]
    Format,
    #[error("the state is larger than a snapshot may be (2 GiB)")]
    TooLarge,
}

impl Staged {
    /// # Errors
    /// [`StagedError`] unless the description is whole and within bounds.
    pub fn parse(text: &str) -> Result<Self, StagedError> {
        let staged: Self = serde_json::from_str(text.trim()).map_err(|_| StagedError::Malformed)?;
        let version_fits = (1..=32).contains(&staged.openclaw.len())
            && staged
                .openclaw
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
        if !version_fits || staged.size == 0 || staged.files > MAX_FILES {
            return Err(StagedError::Malformed);
        }
        if staged.format != FORMAT {
            return Err(StagedError::Format);
        }
        if staged.size > MAX_SIZE {
            return Err(StagedError::TooLarge);
        }
        Ok(staged)
    }
}

/// Those of `snapshots` (newest first) that may go so that `keep` remain. The newest stays always, and so does the one
/// that is about to be restored.
#[must_use]
pub fn surplus(snapshots: &[Snapshot], keep: usize, chosen: Option<SnapshotId>) -> Vec<SnapshotId> {
    let beyond = snapshots
        .iter()
        .skip(keep.max(1))
        .map(|snapshot| snapshot.id);
    beyond.filter(|id| Some(*id) != chosen).collect()
}

/// The order in which a start tries them: the chosen one alone, else newest first.
#[must_use]
pub fn candidates(snapshots: Vec<Snapshot>, chosen: Option<SnapshotId>) -> Vec<Snapshot> {
    match chosen {
        Some(id) => snapshots
            .into_iter()
            .filter(|snapshot| snapshot.id == id)
            .collect(),
        None => snapshots,
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
        }
    }

    #[test]
    fn c19_the_newest_is_never_surplus() {
        let all = [snapshot(3), snapshot(2), snapshot(1)];
        assert_eq!(surplus(&all, 0, None), vec![all[1].id, all[2].id]);
        assert_eq!(surplus(&all, 2, None), vec![all[2].id]);
        assert!(surplus(&all, 10, None).is_empty());
        assert_eq!(surplus(&all, 1, Some(all[1].id)), vec![all[2].id]);
    }

    #[test]
    fn a_snapshot_of_a_newer_version_counts() {
        let text = serde_json::to_string(&snapshot(1)).unwrap();
        let newer = text.replace(
            r#""cause":"stop""#,
            r#""cause":"period","added":{"later":1}"#,
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
            Err(StagedError::TooLarge)
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
