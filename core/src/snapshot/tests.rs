//! What counts as a snapshot, and what a container may say of one.

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
        unfit: false,
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
