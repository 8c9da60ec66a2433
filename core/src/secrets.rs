//! The catalogue of user secrets and which value the agent gets: the user's own, the platform's, or none (C12).
//!
//! Adding a provider is one row of [`CATALOGUE`].

use serde::{Deserialize, Serialize};

use crate::error::Problem;
use crate::secret::Secret;
use crate::time::Timestamp;

/// A secret that an owner can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretName {
    OpenRouter,
    Anthropic,
    OpenAi,
}

/// One row of the catalogue.
pub struct SecretKind {
    pub name: SecretName,
    /// The name in paths, in the agent's secrets file and its model provider's id.
    pub text: &'static str,
    /// The Workers Secret that holds the platform's own value.
    pub platform: &'static str,
    /// The variable that names an API-compatible gateway to use in place of the vendor's address.
    pub base_url: &'static str,
    /// The model an agent starts with when this provider is the first one available.
    pub default_model: &'static str,
    /// OpenClaw's name of the API that such a gateway speaks.
    pub gateway_api: &'static str,
}

/// In the order in which the default model is chosen.
pub const CATALOGUE: [SecretKind; 3] = [
    SecretKind {
        name: SecretName::OpenRouter,
        text: "openrouter",
        platform: "OPENROUTER_API_KEY",
        base_url: "OPENROUTER_BASE_URL",
        default_model: "openrouter/anthropic/claude-sonnet-4-5",
        gateway_api: "openai-completions",
    },
    SecretKind {
        name: SecretName::Anthropic,
        text: "anthropic",
        platform: "ANTHROPIC_API_KEY",
        base_url: "ANTHROPIC_BASE_URL",
        default_model: "anthropic/claude-sonnet-4-5",
        gateway_api: "anthropic-messages",
    },
    SecretKind {
        name: SecretName::OpenAi,
        text: "openai",
        platform: "OPENAI_API_KEY",
        base_url: "OPENAI_BASE_URL",
        default_model: "openai/gpt-5.4",
        gateway_api: "openai-completions",
    },
];

const MIN_LENGTH: usize = 16;
const MAX_LENGTH: usize = 512;

impl SecretName {
    #[must_use]
    pub fn kind(self) -> &'static SecretKind {
        match self {
            Self::OpenRouter => &CATALOGUE[0],
            Self::Anthropic => &CATALOGUE[1],
            Self::OpenAi => &CATALOGUE[2],
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        CATALOGUE
            .iter()
            .find(|kind| kind.text == text)
            .map(|kind| kind.name)
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.kind().text
    }
}

/// A value as an owner may set it: printable ASCII without spaces, 16 to 512 characters.
///
/// # Errors
/// A problem that names the field `value` and never repeats it.
pub fn parse_value(value: String) -> Result<Secret, Problem> {
    let fits = (MIN_LENGTH..=MAX_LENGTH).contains(&value.len());
    let secret = Secret::new(value);
    if !fits || !secret.expose().bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Problem::field(
            "value",
            "16 to 512 printable ASCII characters without spaces",
        ));
    }
    Ok(secret)
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    User,
    Platform,
    None,
}

/// What an owner may see of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretStatus {
    pub name: String,
    pub source: Source,
    /// At most the first 8 characters of the user's own value; the platform's is not shown at all.
    pub prefix: Option<String>,
    pub set_at: Option<Timestamp>,
    /// The user's own value can't be opened any more. Agents start without it until it is set anew or deleted.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub unreadable: bool,
}

/// The value in force and where it is from: user, then platform, then none.
#[must_use]
pub fn resolve(user: Option<Secret>, platform: Option<Secret>) -> (Source, Option<Secret>) {
    match (user, platform) {
        (Some(value), _) => (Source::User, Some(value)),
        (None, Some(value)) => (Source::Platform, Some(value)),
        (None, None) => (Source::None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c12_user_before_platform_before_none() {
        let secret = |text: &str| Some(Secret::new(text.to_owned()));
        let cases = [
            (
                secret("user"),
                secret("platform"),
                Source::User,
                Some("user"),
            ),
            (secret("user"), None, Source::User, Some("user")),
            (None, secret("platform"), Source::Platform, Some("platform")),
            (None, None, Source::None, None),
        ];
        for (user, platform, source, value) in cases {
            let (got_source, got) = resolve(user, platform);
            assert_eq!(got_source, source);
            assert_eq!(got.as_ref().map(Secret::expose), value);
        }
    }

    #[test]
    fn catalogue_rows_are_found_by_name() {
        for kind in &CATALOGUE {
            assert_eq!(SecretName::parse(kind.text), Some(kind.name));
            assert_eq!(kind.name.kind().text, kind.text);
        }
        assert_eq!(SecretName::parse("OPENAI"), None);
        assert_eq!(SecretName::parse(""), None);
    }

    #[test]
    fn values_are_bounded_and_never_repeated() {
        for bad in [
            "short",
            "with space in the value",
            "newline-in-the-value\n",
            &"x".repeat(513),
            "naïve-naïve-naïve-naïve",
        ] {
            let problem = parse_value(bad.to_owned()).err().unwrap();
            assert!(!problem.document().contains(bad));
            assert_eq!(problem.field.as_deref(), Some("value"));
        }
        assert!(parse_value("sk-0123456789abcdef".to_owned()).is_ok());
    }
}
