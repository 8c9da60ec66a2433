//! The last lines that an agent wrote, as the container tells them: its words, so they are bounded and made plain before
//! anybody reads them.

use serde::{Deserialize, Serialize};

use crate::text::plain;
use crate::time::Timestamp;

const MAX_LINES: usize = 200;
const MAX_LINE: usize = 1000;
/// So many are told with a problem, each so long.
const BRIEF_LINES: usize = 5;
const BRIEF_LINE: usize = 300;

/// Oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>")]
pub struct LogLines(Vec<String>);

impl From<Vec<String>> for LogLines {
    fn from(lines: Vec<String>) -> Self {
        let first = lines.len().saturating_sub(MAX_LINES);
        let last = lines.iter().skip(first);
        Self(
            last.map(|line| plain(&line.replace('\t', " "), MAX_LINE))
                .collect(),
        )
    }
}

impl LogLines {
    /// # Errors
    /// When it is not what the container's `logs` prints.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Told {
            lines: LogLines,
        }
        serde_json::from_str::<Told>(text.trim()).map(|told| told.lines)
    }

    /// With each line as `change` makes it.
    #[must_use]
    pub fn map(self, change: impl Fn(&str) -> String) -> Self {
        Self(self.0.iter().map(|line| change(line)).collect())
    }

    /// The last few, so short that they fit into every status.
    #[must_use]
    pub fn brief(&self) -> Vec<String> {
        let first = self.0.len().saturating_sub(BRIEF_LINES);
        let last = self.0.iter().skip(first);
        last.map(|line| plain(line, BRIEF_LINE)).collect()
    }
}

/// `GET /v1/agents/{asset}/logs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogView {
    pub lines: LogLines,
    /// When they were read; `None` where there are none.
    pub taken_at: Option<Timestamp>,
    /// Whether they are of the agent that runs now, rather than of the last that did.
    pub live: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c11_lines_are_bounded_and_plain() {
        let many: Vec<String> = (0..300)
            .map(|n| format!("{n}\t\u{1b}[2J{}", "x".repeat(2000)))
            .collect();
        let text = serde_json::json!({ "lines": many }).to_string();
        let lines = LogLines::parse(&text).unwrap();
        assert_eq!(lines.0.len(), 200);
        assert!(
            lines.0[0].starts_with("100 \u{fffd}[2Jxxx"),
            "{}",
            lines.0[0]
        );
        assert!(lines.0.iter().all(|line| line.chars().count() == 1000));
        let brief = lines.brief();
        assert_eq!(brief.len(), 5);
        assert!(brief[4].starts_with("299 ") && brief[4].chars().count() == 300);
        assert!(LogLines::default().brief().is_empty());
        for malformed in ["", "[]", r#"{"lines":"all"}"#, r#"{"lines":[1]}"#] {
            assert!(LogLines::parse(malformed).is_err(), "{malformed}");
        }
    }
}
