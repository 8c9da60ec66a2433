//! The filter that every text passes on its way to a log, a problem or a trouble: what it holds of a known secret, as it
//! is or encoded, is replaced (C11).
//!
//! It remembers no value. Of each it keeps hashes of all runs of [`RUN`] bytes, in every form that the value is likely to be
//! printed in, so that a part of it that was cut off somewhere is found as well.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::encoding::{base64, hex};
use crate::secret::Secret;

/// So many bytes of a secret in a row are taken for it. More than an owner is shown (8), fewer than any secret has (16).
const RUN: usize = 12;
/// Values that are known at once; the oldest are forgotten first. A tenant has some tens, the service some ten.
const KNOWN_MAX: usize = 128;
/// Beyond this nothing of a value is learnt: none that is accepted anywhere is longer.
const LONGEST: usize = 1024;
const MASK: &str = "[secret]";

/// Knows secrets by what no one can read them from.
#[derive(Default)]
pub struct Redactor {
    /// Oldest first.
    known: Vec<Known>,
}

struct Known {
    /// Of the whole value, to know it again.
    hash: u64,
    runs: Vec<u64>,
}

impl Redactor {
    /// From now on `secret` is replaced wherever it occurs. Ones shorter than [`RUN`] are too short to be told from chance.
    pub fn learn(&mut self, secret: &Secret) {
        let value = secret.expose();
        let whole = hash(value.as_bytes());
        if value.len() > LONGEST || self.known.iter().any(|known| known.hash == whole) {
            return;
        }
        if self.known.len() >= KNOWN_MAX {
            self.known.remove(0);
        }
        let runs = forms(value)
            .iter()
            .flat_map(|form| form.windows(RUN).map(hash))
            .collect();
        self.known.push(Known { hash: whole, runs });
    }

    /// What in a URL may be a secret is learnt: each part behind the host that is long enough, and user and password.
    pub fn learn_url(&mut self, url: &Secret) {
        let rest = url.expose();
        let rest = rest.split_once("://").map_or(rest, |(_, rest)| rest);
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        let parts = user
            .split(':')
            .chain(path.split(['/', '?', '&', '=', '#', ';']));
        for part in parts.filter(|part| part.len() >= RUN) {
            self.learn(&Secret::new(part.to_owned()));
        }
    }

    /// The text with every known secret in it replaced.
    #[must_use]
    pub fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let found: Vec<usize> = text
            .as_bytes()
            .windows(RUN)
            .enumerate()
            .filter(|(_, run)| self.knows(hash(run)))
            .map(|(at, _)| at)
            .collect();
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut cleaned = String::with_capacity(text.len());
        let mut done = 0;
        for at in found {
            let (start, end) = (floor(text, at), ceiling(text, at.saturating_add(RUN)));
            // Runs overlap: what belongs together is replaced once.
            if start >= done {
                cleaned.push_str(text.get(done..start).unwrap_or_default());
                cleaned.push_str(MASK);
            }
            done = end;
        }
        cleaned.push_str(text.get(done..).unwrap_or_default());
        Cow::Owned(cleaned)
    }

    fn knows(&self, run: u64) -> bool {
        self.known.iter().any(|known| known.runs.contains(&run))
    }
}

/// FNV-1a. Nothing depends on its strength: who finds another text of the same hash has that text replaced.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    at
}

fn ceiling(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at = at.saturating_add(1);
    }
    at
}

/// The value as it is, as JSON, as a URL, as hexadecimal and as base64 at each alignment.
fn forms(value: &str) -> Zeroizing<Vec<Vec<u8>>> {
    let bytes = value.as_bytes();
    let mut forms = Zeroizing::new(vec![bytes.to_vec()]);
    let json = serde_json::to_string(value).unwrap_or_default();
    forms.push(json.trim_matches('"').as_bytes().to_vec());
    let percent: String = bytes
        .iter()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(*byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    forms.push(percent.into_bytes());
    let lower = hex(bytes);
    forms.push(lower.to_ascii_uppercase().into_bytes());
    forms.push(lower.into_bytes());
    for skipped in 0..3 {
        // What stands before the value decides how its bytes are grouped; the groups that are its own alone are kept.
        let whole = bytes.get(skipped..).unwrap_or_default();
        let own = whole
            .get(..whole.len().saturating_sub(whole.len() % 3))
            .unwrap_or_default();
        let standard = base64(own);
        forms.push(standard.replace('+', "-").replace('/', "_").into_bytes());
        forms.push(standard.into_bytes());
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "sk-ant-api03-Ab+/9\"é~0123456789zyxwvutsrq";

    fn knowing(values: &[&str]) -> Redactor {
        let mut redactor = Redactor::default();
        for value in values {
            redactor.learn(&Secret::new((*value).to_owned()));
        }
        redactor
    }

    #[test]
    fn c11_a_known_value_is_replaced_in_every_form_it_may_be_printed_in() {
        let redactor = knowing(&[VALUE]);
        let encoded = |before: &str| base64(format!("{before}{VALUE}!").as_bytes());
        let forms = [
            VALUE.to_owned(),
            serde_json::to_string(VALUE).unwrap(),
            "sk-ant-api03-Ab%2B%2F9%22%C3%A9~0123456789zyxwvutsrq".to_owned(),
            hex(VALUE.as_bytes()),
            hex(VALUE.as_bytes()).to_uppercase(),
            encoded(""),
            encoded("a"),
            encoded("ab"),
            encoded("a").replace('+', "-").replace('/', "_"),
        ];
        for form in forms {
            let cleaned = redactor.clean(&form).into_owned();
            assert!(cleaned.contains(MASK), "{form}");
            for run in form.as_bytes().windows(RUN) {
                assert!(
                    !cleaned.as_bytes().windows(RUN).any(|left| left == run)
                        || !redactor.knows(hash(run)),
                    "{form} left {cleaned}"
                );
            }
        }
        assert_eq!(
            redactor.clean(&format!("key {VALUE} and {VALUE}.")),
            "key [secret] and [secret]."
        );
    }

    #[test]
    fn c11_a_part_that_was_cut_off_is_replaced_and_what_an_owner_is_shown_is_not() {
        let redactor = knowing(&[VALUE]);
        for part in ["sk-ant-api03", "sk-ant-api03-Ab+/9\"", "89zyxwvutsrq"] {
            assert_eq!(
                redactor.clean(&format!("refused: {part}")),
                "refused: [secret]"
            );
        }
        for harmless in ["sk-ant-a", "", "the agent ended while it booted", "é"] {
            assert_eq!(redactor.clean(harmless), harmless);
        }
    }

    #[test]
    fn characters_stay_whole() {
        let redactor = knowing(&["ééééééééééééééééé"]);
        assert_eq!(redactor.clean("x ééééééééé y"), "x [secret] y");
        // A run that begins in the middle of a character of another text.
        let redactor = knowing(&["\u{a9}\u{a9}\u{a9}\u{a9}\u{a9}\u{a9}"]);
        assert!(
            redactor
                .clean("\u{a9}\u{a9}\u{a9}\u{a9}\u{a9}\u{a9}\u{a9}")
                .starts_with(MASK)
        );
    }

    #[test]
    fn c11_the_key_in_a_url_is_replaced_and_its_host_is_not() {
        let mut redactor = Redactor::default();
        for url in [
            "https://mainnet.helius-rpc.com/?api-key=0a1b2c3d-1111-2222-3333-444455556666",
            "https://user-name-long:pass-word-long@rpc.example/v2/AbCdEf0123456789abcdef#fragment-fragment",
        ] {
            redactor.learn_url(&Secret::new(url.to_owned()));
        }
        for (text, cleaned) in [
            (
                "error sending request for url (https://mainnet.helius-rpc.com/?api-key=0a1b2c3d-1111-2222-3333-444455556666)",
                "error sending request for url (https://mainnet.helius-rpc.com/?api-key=[secret])",
            ),
            (
                "https://user-name-long:pass-word-long@rpc.example/v2/AbCdEf0123456789abcdef",
                "https://[secret]:[secret]@rpc.example/v2/[secret]",
            ),
        ] {
            assert_eq!(redactor.clean(text), cleaned);
        }
    }

    #[test]
    fn the_oldest_are_forgotten_and_the_filter_stays_bounded() {
        let value = |index: usize| format!("sk-{index:04}-{}", "x".repeat(4).repeat(index % 3 + 3));
        let mut redactor = knowing(&["never-seen-again-0123456789"]);
        for index in 0..KNOWN_MAX {
            redactor.learn(&Secret::new(value(index)));
            redactor.learn(&Secret::new(value(index)));
        }
        assert_eq!(redactor.known.len(), KNOWN_MAX);
        assert_eq!(
            redactor.clean("never-seen-again-0123456789"),
            "never-seen-again-0123456789"
        );
        assert_eq!(redactor.clean(&value(5)), MASK);
        redactor.learn(&Secret::new("y".repeat(LONGEST + 1)));
        assert_eq!(redactor.clean(&"y".repeat(20)), "y".repeat(20));
    }
}
