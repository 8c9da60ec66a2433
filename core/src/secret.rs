//! Text whose leak hurts. The type shows nothing of it in any format, compares in constant time and wipes its memory;
//! reading it takes a call of `expose`, which is easy to search for.

use core::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// How much of a secret may be shown at most, in characters, and the least share that must stay hidden.
const SHOWN_MAX: usize = 8;
const SHOWN_SHARE: usize = 4;
/// Below this length even a few characters would help someone who guesses.
const SHOWN_FROM: usize = 16;

/// What holds a value that nobody may see.
///
/// ```
/// use multiclaw_core::secret::Secret;
/// let secret = Secret::new("sk-live-1234".to_owned());
/// let other = secret.clone();
/// assert!(secret.ct_eq(&other));
/// let value: &str = secret.expose();
/// assert_eq!(format!("{value} {secret:?}"), "sk-live-1234 Secret(_)");
/// ```
///
/// Whatever else would show it, or compare it in a time that tells where values differ, does not compile:
///
/// ```compile_fail,E0277
/// # let secret = multiclaw_core::secret::Secret::new("sk-live-1234".to_owned());
/// println!("{secret}");
/// ```
/// ```compile_fail,E0599
/// # let secret = multiclaw_core::secret::Secret::new("sk-live-1234".to_owned());
/// let shown = secret.to_string();
/// ```
/// ```compile_fail,E0277
/// # let secret = multiclaw_core::secret::Secret::new("sk-live-1234".to_owned());
/// let written = serde_json::to_string(&secret);
/// ```
/// ```compile_fail,E0369
/// # let secret = multiclaw_core::secret::Secret::new("sk-live-1234".to_owned());
/// let same = secret == secret.clone();
/// ```
/// ```compile_fail,E0308
/// # let secret = multiclaw_core::secret::Secret::new("sk-live-1234".to_owned());
/// let copied: String = secret.clone();
/// ```
/// ```compile_fail,E0277
/// # let secret = multiclaw_core::secret::Secret::new("sk-live-1234".to_owned());
/// let copied = String::from(secret);
/// ```
/// ```compile_fail,E0308
/// # let secret = multiclaw_core::secret::Secret::new("sk-live-1234".to_owned());
/// let lent: &str = &secret;
/// ```
/// ```compile_fail,E0616
/// # let secret = multiclaw_core::secret::Secret::new("sk-live-1234".to_owned());
/// let inner = secret.0;
/// ```
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself. It must not reach a log, an error, a response, a command line or an environment.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares without telling by its time where the values differ. It does tell whether their lengths do.
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }

    /// What an owner is shown to recognise the value by.
    pub fn redacted(&self) -> Redacted {
        let length = self.0.chars().count();
        let shown = if length < SHOWN_FROM {
            0
        } else {
            SHOWN_MAX.min(length / SHOWN_SHARE)
        };
        // Only what is plain in a terminal, a log and a page: the value came from a client.
        Redacted(
            self.0
                .chars()
                .take(shown)
                .take_while(char::is_ascii_graphic)
                .collect(),
        )
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(_)")
    }
}

/// The first characters of a secret: up to 8, never more than a quarter of it, none of a short one. `null` in JSON when
/// there are none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<String>", into = "Option<String>")]
pub struct Redacted(String);

impl Redacted {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<Option<String>> for Redacted {
    /// Reads back what was stored; the bound holds even if the store was tampered with.
    fn from(stored: Option<String>) -> Self {
        Self(
            stored
                .unwrap_or_default()
                .chars()
                .take(SHOWN_MAX)
                .take_while(char::is_ascii_graphic)
                .collect(),
        )
    }
}

impl From<Redacted> for Option<String> {
    fn from(redacted: Redacted) -> Self {
        (!redacted.0.is_empty()).then_some(redacted.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(value: &str) -> Secret {
        Secret::new(value.to_owned())
    }

    #[test]
    fn debug_shows_nothing_of_the_value() {
        assert_eq!(
            format!("{:?} {:#?}", secret("sk-live-1234"), Some(secret("x"))),
            "Secret(_) Some(\n    Secret(_),\n)"
        );
    }

    #[test]
    fn comparison_is_of_the_whole_value() {
        assert!(secret("sk-live-1234").ct_eq(&secret("sk-live-1234")));
        for other in [
            "",
            "sk-live-1235",
            "sk-live-123",
            "sk-live-12345",
            "tk-live-1234",
        ] {
            assert!(!secret("sk-live-1234").ct_eq(&secret(other)));
        }
    }

    #[test]
    fn c11_a_key_is_shown_as_its_first_8_characters_fewer_where_that_would_be_most_of_it() {
        for (value, shown) in [
            ("", ""),
            ("hunter2", ""),
            ("123456789012345", ""),
            ("1234567890123456", "1234"),
            ("12345678901234567890123456789012", "12345678"),
            ("sk-live-1234567890abcdefghijklmnopqrstuvwxyz", "sk-live-"),
            ("ééééééééééééééééé", ""),
            ("ab\ncdefghijklmnopqrstuvwxyz0123456789", "ab"),
            ("ab\u{202e}cdefghijklmnopqrstuvwxyz01234567", "ab"),
        ] {
            assert_eq!(secret(value).redacted().as_str(), shown, "{value:?}");
            assert!(shown.chars().count() <= value.chars().count() / 4);
        }
    }

    #[test]
    fn a_redacted_value_is_null_or_text_in_json() {
        let shown = secret("sk-live-1234567890abcdefghijklmnop").redacted();
        assert_eq!(serde_json::to_string(&shown).unwrap(), "\"sk-live-\"");
        assert_eq!(
            serde_json::to_string(&secret("short").redacted()).unwrap(),
            "null"
        );
        assert_eq!(
            serde_json::from_str::<Redacted>("\"sk-live-\"").unwrap(),
            shown
        );
        assert_eq!(
            serde_json::from_str::<Redacted>("\"sk-live-1234567890\"").unwrap(),
            shown
        );
        assert!(serde_json::from_str::<Redacted>("null").unwrap().is_empty());
    }

    #[test]
    fn a_secret_is_read_from_json_text_only() {
        assert_eq!(
            serde_json::from_str::<Secret>("\"abc\"").unwrap().expose(),
            "abc"
        );
        let error = serde_json::from_str::<Secret>("[\"abc\"]").unwrap_err();
        assert!(!error.to_string().contains("abc"));
    }
}
