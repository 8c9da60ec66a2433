//! What is left of the times that an agent was awake: the last log, and the timeline.

use multiclaw_core::error::Failure;
use multiclaw_core::ids::Wallet;
use multiclaw_core::log_lines::LogLines;
use multiclaw_core::time::Timestamp;
use multiclaw_core::timeline::{KEPT, Wake};
use serde::Deserialize;

use super::{Store, Text, millis};
use crate::port::Outcome;

#[derive(Deserialize)]
struct LogRow {
    taken_at: i64,
    lines: String,
}

impl Store {
    pub fn log(&self, owner: Wallet) -> Outcome<Option<(Timestamp, LogLines)>> {
        let row: Option<LogRow> = self.row(
            "SELECT taken_at, lines FROM logs WHERE owner = ?",
            vec![owner.to_string().into()],
        )?;
        row.map(|row| {
            let lines = serde_json::from_str(&row.lines);
            lines.map(|lines| (Timestamp::from_millis(row.taken_at), lines))
        })
        .transpose()
        .map_err(|error| Failure::internal(format!("log row: {error}")))
    }

    /// Keeps it, unless the domain is another owner's by now, who must find nothing of it. Likewise a time awake.
    pub fn save_log(&self, owner: Wallet, lines: &LogLines, at: Timestamp) -> Outcome<()> {
        if !self.is_owner(owner)? {
            return Ok(());
        }
        let text = serde_json::to_string(lines)
            .map_err(|error| Failure::internal(format!("log row: {error}")))?;
        self.run(
            "INSERT OR REPLACE INTO logs (owner, taken_at, lines) VALUES (?, ?, ?)",
            vec![owner.to_string().into(), millis(at), text.into()],
        )
    }

    /// The tenant's times awake, newest first.
    pub fn wakes(&self, owner: Wallet) -> Outcome<Vec<Wake>> {
        let rows: Vec<Text> = self.rows(
            "SELECT row AS text FROM wakes WHERE owner = ? ORDER BY at DESC",
            vec![owner.to_string().into()],
        )?;
        rows.iter().map(wake).collect()
    }

    pub fn wake(&self, owner: Wallet, at: Timestamp) -> Outcome<Option<Wake>> {
        let row: Option<Text> = self.row(
            "SELECT row AS text FROM wakes WHERE owner = ? AND at = ?",
            vec![owner.to_string().into(), millis(at)],
        )?;
        row.as_ref().map(wake).transpose()
    }

    /// Writes one, and forgets the oldest.
    pub fn save_wake(&self, owner: Wallet, wake: &Wake) -> Outcome<()> {
        if !self.is_owner(owner)? {
            return Ok(());
        }
        let text = serde_json::to_string(wake)
            .map_err(|error| Failure::internal(format!("wake row: {error}")))?;
        self.run(
            "INSERT OR REPLACE INTO wakes (owner, at, row) VALUES (?, ?, ?)",
            vec![owner.to_string().into(), millis(wake.at), text.into()],
        )?;
        self.run(
            "DELETE FROM wakes WHERE (owner, at) NOT IN (SELECT owner, at FROM wakes ORDER BY at DESC LIMIT ?)",
            vec![i64::from(KEPT).into()],
        )
    }
}

fn wake(row: &Text) -> Outcome<Wake> {
    serde_json::from_str(&row.text).map_err(|error| Failure::internal(format!("wake row: {error}")))
}
