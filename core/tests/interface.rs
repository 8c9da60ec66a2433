//! The description of the API says what the router does: every operation of one is in the other, and so is every code of a
//! refusal, under the status that it has.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]

use std::collections::BTreeSet;

use multiclaw_core::error::Code;
use multiclaw_core::ids::{Asset, SessionId, SnapshotId};
use multiclaw_core::route::{AppRoute, INTERFACE, RouteError};

const DESCRIPTION: &str = include_str!("../../docs/openapi.yaml");

/// The lines of one of its top-level sections, with how far they are indented.
fn section(name: &str) -> impl Iterator<Item = (usize, &'static str)> {
    let lines = DESCRIPTION.lines().skip_while(move |line| *line != name);
    let within = lines.skip(1).take_while(|line| {
        line.is_empty() || line.starts_with(' ') || line.trim_start().starts_with('#')
    });
    within.map(|line| (line.len() - line.trim_start().len(), line.trim()))
}

fn described() -> BTreeSet<(String, String)> {
    let mut operations = BTreeSet::new();
    let mut path = "";
    for (depth, line) in section("paths:") {
        let Some(key) = line.strip_suffix(':') else {
            continue;
        };
        match depth {
            2 => path = key,
            4 if key != "parameters" => {
                operations.insert((key.to_uppercase(), path.to_owned()));
            }
            _ => {}
        }
    }
    operations
}

#[test]
fn every_operation_is_described_and_no_other() {
    let routed: BTreeSet<(String, String)> = INTERFACE
        .iter()
        .map(|row| (row.method.to_owned(), row.path.to_owned()))
        .collect();
    assert_eq!(routed.len(), INTERFACE.len(), "a row stands there twice");
    assert_eq!(described(), routed);
}

/// What varies in a hook's path is as long as what it holds.
fn length_of_hook(path: &str) -> usize {
    if path.starts_with("/hooks/telegram/") {
        116
    } else {
        103
    }
}

#[test]
fn every_row_is_found_by_its_own_path_and_method() {
    let id = SnapshotId::from_random([7; 16]).to_string();
    assert!(SessionId::parse(&id).is_ok());
    let mut found = BTreeSet::new();
    for row in &INTERFACE {
        let path = row
            .path
            .replace("{asset}", &Asset::from_bytes([9; 32]).to_string())
            .replace("{id}", &id)
            .replace("{name}", "openai")
            .replace("{channel}/people/{person}", "slack/people/U024BE7LH")
            .replace("{channel}", "telegram")
            .replace("{hook}", &"a".repeat(length_of_hook(row.path)));
        let route = AppRoute::find(row.method, &path)
            .unwrap_or_else(|error| panic!("{} {path}: {error:?}", row.method));
        assert_ne!(route, AppRoute::Console, "{path}");
        // HEAD is the only method that may lead where another one does.
        assert!(
            row.method == "HEAD" || found.insert(format!("{route:?}")),
            "{} {path}",
            row.method
        );
        let Err(RouteError::Method(methods)) = AppRoute::find("TRACE", &path) else {
            panic!("TRACE {path}");
        };
        assert!(
            methods.split(", ").any(|method| method == row.method),
            "{path}"
        );
    }
}

#[test]
fn every_code_is_described_under_its_status() {
    let mut told = BTreeSet::new();
    let (mut named, mut stated) = (None, None);
    for (depth, line) in section("components:") {
        if depth == 4 {
            let name = line.strip_suffix(':').unwrap_or_default();
            named = name.strip_prefix("Problem").and_then(number);
            stated = None;
        }
        if let Some((_, text)) = line.split_once("status: { const: ") {
            stated = text.split_once(' ').and_then(|(text, _)| number(text));
        }
        let Some((status, (_, codes))) = named.zip(line.split_once("code: { enum: [")) else {
            continue;
        };
        assert_eq!(stated, Some(status), "{line}");
        for code in codes.split_once(']').unwrap().0.split(", ") {
            assert!(
                told.insert((code.to_owned(), status)),
                "{code} is told twice"
            );
        }
    }
    let known: BTreeSet<(String, u16)> = Code::ALL
        .iter()
        .map(|code| (code.as_str().to_owned(), code.status()))
        .collect();
    assert_eq!(told, known);
}

fn number(text: &str) -> Option<u16> {
    text.parse().ok()
}
