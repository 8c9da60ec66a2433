//! What incremental snapshots consist of: packs of chunks, which several may share. Which chunk lies where says each one's
//! index, which only containers read; here is which packs there are, and which may go.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::PackId;
use crate::snapshot::{ArchiveHash, Snapshot};

/// Most that one snapshot may consist of.
const MAX_PACKS: usize = 24;

/// What the container says of the pack it wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct PackFacts {
    pub size: u64,
    pub sha256: ArchiveHash,
}

/// A pack in R2, whole, its hash checked there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pack {
    pub id: PackId,
    pub size: u64,
    pub sha256: ArchiveHash,
}

impl Pack {
    #[must_use]
    pub const fn new(id: PackId, PackFacts { size, sha256 }: PackFacts) -> Self {
        Self { id, size, sha256 }
    }

    /// As `restore` takes it.
    #[must_use]
    pub fn option(&self) -> String {
        format!("{}:{}:{}", self.id, self.size, String::from(self.sha256))
    }
}

/// Bytes of all of them.
#[must_use]
pub fn total(packs: &[Pack]) -> u64 {
    packs
        .iter()
        .fold(0, |sum, pack| sum.saturating_add(pack.size))
}

/// The packs that the container told: the new one, and of those in `base` as many as it likes, each once. `None` when it
/// told any other.
#[must_use]
pub fn assembled(told: &[PackId], new: Pack, base: &[Pack]) -> Option<Vec<Pack>> {
    let named: BTreeSet<PackId> = told.iter().copied().collect();
    if told.len() > MAX_PACKS || named.len() != told.len() || !named.contains(&new.id) {
        return None;
    }
    let known = |id: &PackId| base.iter().chain([&new]).find(|pack| pack.id == *id);
    let packs: Option<Vec<Pack>> = told.iter().map(|id| known(id).copied()).collect();
    packs.filter(|_| new.size > 0)
}

/// All packs that any of the snapshots refers to.
#[must_use]
pub fn referred(snapshots: &[Snapshot]) -> BTreeSet<PackId> {
    let packs = snapshots.iter().flat_map(|snapshot| &snapshot.packs);
    packs.map(|pack| pack.id).collect()
}

/// Whether all that the snapshot consists of beside its index is in R2, which holds packs of these sizes.
#[must_use]
pub fn is_whole(snapshot: &Snapshot, there: &BTreeMap<PackId, u64>) -> bool {
    let mut packs = snapshot.packs.iter();
    packs.all(|pack| there.get(&pack.id) == Some(&pack.size))
}

/// The snapshot that the next one builds on, of `snapshots` (newest first): none that has a pack of one that was refused.
#[must_use]
pub fn base<'a>(snapshots: &'a [Snapshot], there: &BTreeMap<PackId, u64>) -> Option<&'a Snapshot> {
    let refused = snapshots.iter().filter(|snapshot| snapshot.unfit);
    let suspect: BTreeSet<PackId> = refused
        .flat_map(|snapshot| &snapshot.packs)
        .map(|pack| pack.id)
        .collect();
    snapshots.iter().find(|snapshot| {
        let mut packs = snapshot.packs.iter();
        snapshot.is_incremental()
            && is_whole(snapshot, there)
            && !packs.any(|pack| suspect.contains(&pack.id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SnapshotId;
    use crate::snapshot::{Cause, Report, Staged, StagedError};
    use crate::time::Timestamp;

    fn pack(byte: u8) -> Pack {
        Pack {
            id: PackId::from_random([byte; 16]),
            size: u64::from(byte),
            sha256: ArchiveHash::from_bytes([byte; 32]),
        }
    }

    fn snapshot(packs: &[u8]) -> Snapshot {
        Snapshot {
            id: SnapshotId::from_random([9; 16]),
            created_at: Timestamp::from_secs(1),
            cause: Cause::Period,
            size: 100,
            files: 1,
            sha256: ArchiveHash::from_bytes([9; 32]),
            openclaw: "2026.9.6".to_owned(),
            report: Report::default(),
            packs: packs.iter().copied().map(pack).collect(),
            unfit: false,
        }
    }

    fn staged(packs: &[u8], more: &str) -> Result<Staged, StagedError> {
        let hash = "ab".repeat(32);
        let ids: Vec<PackId> = packs.iter().map(|byte| pack(*byte).id).collect();
        let ids = serde_json::to_string(&ids).unwrap();
        let text = format!(
            r#"{{"size":9,"sha256":"{hash}","files":2,"openclaw":"1","format":2,"packs":{ids}{more}}}"#
        );
        Staged::parse_incremental(&text, pack(7).id, &[pack(1), pack(2)])
    }

    fn new_pack(size: &str) -> String {
        format!(
            r#","pack":{{"size":{size},"sha256":"{}"}}"#,
            "07".repeat(32)
        )
    }

    #[test]
    fn c19_a_row_tells_what_an_incremental_snapshot_consists_of_and_others_are_as_before() {
        let row = serde_json::to_string(&snapshot(&[1, 2])).unwrap();
        assert_eq!(
            serde_json::from_str::<Snapshot>(&row).unwrap(),
            snapshot(&[1, 2])
        );
        assert_eq!(snapshot(&[1, 2]).total(), 103);
        let full = serde_json::to_string(&snapshot(&[])).unwrap();
        assert!(!full.contains("packs"), "{full}");
        assert!(!snapshot(&[]).is_incremental());
    }

    #[test]
    fn c19_the_container_may_name_the_packs_that_it_was_given_and_the_new_one() {
        let told = staged(&[2, 7], &new_pack("7")).unwrap();
        assert_eq!(told.packs, [pack(2), pack(7)]);
        assert_eq!(staged(&[7], &new_pack("7")).unwrap().packs, [pack(7)]);
    }

    #[test]
    fn c19_the_container_can_name_no_other_pack() {
        for others in [
            vec![],
            vec![1, 2],
            vec![3, 7],
            vec![7, 7],
            vec![1, 1, 7],
            (7..7 + 25).collect(),
        ] {
            assert_eq!(
                staged(&others, &new_pack("7")),
                Err(StagedError::Malformed),
                "{others:?}"
            );
        }
        for malformed in ["0", "-1", "\"7\""] {
            let answer = Staged::parse_incremental(
                &format!(
                    r#"{{"size":9,"sha256":"{}","files":2,"openclaw":"1","format":2,"packs":["{}"]{}}}"#,
                    "ab".repeat(32),
                    pack(7).id,
                    new_pack(malformed)
                ),
                pack(7).id,
                &[],
            );
            assert_eq!(answer, Err(StagedError::Malformed), "{malformed}");
        }
        assert_eq!(staged(&[7], ""), Err(StagedError::Malformed));
        assert_eq!(
            staged(&[7], &new_pack("2147483648")),
            Err(StagedError::TooLarge(crate::snapshot::Names::default()))
        );
    }

    #[test]
    fn c19_what_nobody_asked_to_be_incremental_is_refused_where_it_is() {
        let text = format!(
            r#"{{"size":9,"sha256":"{}","files":2,"openclaw":"1","format":2,"packs":["{}"]{}}}"#,
            "ab".repeat(32),
            pack(7).id,
            new_pack("7")
        );
        assert_eq!(Staged::parse(&text), Err(StagedError::Format));
    }

    #[test]
    fn c19_an_archive_in_place_of_an_incremental_snapshot_is_taken_as_one() {
        let hash = "ab".repeat(32);
        let text = format!(
            r#"{{"size":9,"sha256":"{hash}","files":2,"openclaw":"1","format":1,"packs":["{}"]}}"#,
            pack(1).id
        );
        let taken = Staged::parse_incremental(&text, pack(7).id, &[pack(1)]).unwrap();
        assert_eq!((taken.packs, taken.pack), (vec![], None));
    }

    #[test]
    fn c19_a_snapshot_builds_on_the_newest_whose_packs_are_all_there() {
        let there: BTreeMap<PackId, u64> = [1, 2].map(|byte| (pack(byte).id, byte.into())).into();
        let rows = [
            snapshot(&[]),
            snapshot(&[1, 3]),
            snapshot(&[1, 2]),
            snapshot(&[2]),
        ];
        assert_eq!(base(&rows, &there), Some(&rows[2]));
        let shorter = BTreeMap::from([(pack(1).id, 1), (pack(2).id, 1)]);
        assert_eq!(base(&rows, &shorter), None);
        assert_eq!(referred(&rows), [1, 2, 3].map(|byte| pack(byte).id).into());
    }

    #[test]
    fn c19_nothing_is_built_on_what_was_refused() {
        let there: BTreeMap<PackId, u64> =
            [1, 2, 3].map(|byte| (pack(byte).id, byte.into())).into();
        let mut rows = [snapshot(&[1, 2]), snapshot(&[1]), snapshot(&[3])];
        assert_eq!(base(&rows, &there), Some(&rows[0]));
        rows[0].unfit = true;
        assert_eq!(base(&rows, &there), Some(&rows[2]), "one shares a pack");
        rows[2].unfit = true;
        assert_eq!(base(&rows, &there), None);
        let row = serde_json::to_string(&rows[2]).unwrap();
        assert!(serde_json::from_str::<Snapshot>(&row).unwrap().unfit);
        assert!(
            !serde_json::to_string(&snapshot(&[1]))
                .unwrap()
                .contains("unfit")
        );
    }
}
