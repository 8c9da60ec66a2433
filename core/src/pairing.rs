//! The people and devices that wait to be let in to an agent, as its container tells of them, and the owner's word on one.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::text::plain;
use crate::time::Timestamp;

/// Of either kind the gateway shows fewer.
const MAX_SHOWN: usize = 50;
const MAX_NAME: usize = 100;
const MAX_ID: usize = 64;
/// The end of the year 9999.
const LAST_MILLIS: i64 = 253_402_300_799_999;

/// What the gateway calls a request: a number of bytes of our choice, as it goes on a command line.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PairingId {
    bytes: [u8; MAX_ID],
    length: usize,
}

impl PairingId {
    pub const EXPECTED: &'static str =
        "the id of somebody who waits (1 to 64 letters, digits, `-` and `_`)";

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        // What begins so could be taken for an option.
        if !fits || text.is_empty() || text.starts_with('-') {
            return None;
        }
        let mut bytes = [0; MAX_ID];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        Some(Self {
            bytes,
            length: text.len(),
        })
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for PairingId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PairingId({})", self.as_str())
    }
}

impl TryFrom<String> for PairingId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or(Self::EXPECTED)
    }
}

impl From<PairingId> for String {
    fn from(id: PairingId) -> Self {
        id.as_str().to_owned()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Person,
    Device,
}

/// Somebody who waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    pub id: PairingId,
    pub kind: Kind,
    /// What they call themselves, and by what they are known.
    pub name: String,
    pub asked_at: Option<Timestamp>,
    /// When they wait no longer, and have to ask again.
    pub expires_at: Option<Timestamp>,
    /// What they were told, where that is known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct PairingList {
    pub waiting: Vec<Waiting>,
}

/// What a container says.
#[derive(Debug)]
pub struct Said {
    pub list: PairingList,
    /// Whether whom the owner's word was on waited.
    pub found: bool,
    /// Whom it has let in by now. An older image does not say.
    pub let_in: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    waiting: Vec<Entry>,
    #[serde(default)]
    found: bool,
    #[serde(default)]
    let_in: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: String,
    kind: Kind,
    name: String,
    #[serde(default)]
    asked_at: Option<i64>,
    #[serde(default)]
    expires_at: Option<i64>,
}

impl Said {
    /// Of a container's line, of which nothing is believed but its form; `None` when that is another.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let printed: Printed = serde_json::from_str(line).ok()?;
        // No moment that a gateway could mean is beyond that.
        let moment = |at: Option<i64>| {
            let at = at.filter(|at| (0..=LAST_MILLIS).contains(at));
            at.map(Timestamp::from_millis)
        };
        let waiting = printed.waiting.into_iter().filter_map(|entry| {
            Some(Waiting {
                id: PairingId::parse(&entry.id)?,
                kind: entry.kind,
                name: plain(&entry.name, MAX_NAME),
                asked_at: moment(entry.asked_at),
                expires_at: moment(entry.expires_at),
                code: None,
            })
        });
        Some(Self {
            list: PairingList {
                waiting: waiting.take(MAX_SHOWN).collect(),
            },
            found: printed.found,
            let_in: printed.let_in,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_be_no_option_and_nothing_but_a_word() {
        for good in [
            "a",
            "gy78iSSlz7xFxwBfWQxTGr5smoWWw8jU",
            "0-1_2",
            &"x".repeat(64),
        ] {
            assert_eq!(PairingId::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "-a",
            "--approve",
            "a b",
            "a/b",
            "..",
            "a=b",
            "é",
            &"x".repeat(65),
        ] {
            assert_eq!(PairingId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn of_what_a_container_says_only_the_form_counts() {
        let said = Said::parse(
            r#"{"waiting":[{"id":"a1","kind":"person","name":"Fri\u001b[1mend","askedAt":1000,"expiresAt":3601000,"added":1},
            {"id":"../x","kind":"device","name":"x"},
            {"id":"b","kind":"device","name":"","askedAt":9223372036854775807,"expiresAt":-1}],"found":true,"letIn":["7"]}"#,
        )
        .unwrap();
        assert!(said.found);
        assert_eq!(said.let_in, Some(vec!["7".to_owned()]));
        let shown = serde_json::to_value(&said.list).unwrap();
        assert_eq!(
            shown["waiting"],
            serde_json::json!([
                {
                    "id": "a1",
                    "kind": "person",
                    "name": "Fri\u{fffd}[1mend",
                    "askedAt": "1970-01-01T00:00:01.000Z",
                    "expiresAt": "1970-01-01T01:00:01.000Z",
                },
                { "id": "b", "kind": "device", "name": "", "askedAt": null, "expiresAt": null },
            ])
        );
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"waiting":[1]}"#,
            r#"{"waiting":[{"id":"a","kind":"dog","name":""}]}"#,
        ] {
            assert!(Said::parse(bad).is_none(), "{bad}");
        }
        let one = r#"{"id":"a","kind":"person","name":"NAME"}"#.replace("NAME", &"x".repeat(5000));
        let many = format!(r#"{{"waiting":[{}]}}"#, vec![one; 60].join(","));
        let said = Said::parse(&many).unwrap();
        assert_eq!((said.list.waiting.len(), said.found), (50, false));
        assert_eq!(said.let_in, None);
        assert!(
            said.list
                .waiting
                .iter()
                .all(|one| one.name.chars().count() == 100)
        );
    }
}
