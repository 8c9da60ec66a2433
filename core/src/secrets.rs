//! The catalogue of what an owner can set and the agent gets: its form, how the agent refers to it, and which value is in
//! force: the user's own, the platform's, or none (C12).
//!
//! Adding a provider is one row of [`CATALOGUE`], with its name in [`SecretName`].

use serde::{Deserialize, Serialize};

use crate::error::Problem;
use crate::renewal::Effect;
use crate::secret::Secret;
use crate::shape::{Broken, Shape};
use crate::time::Timestamp;

/// A secret that an owner can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretName {
    ClawRouter,
    OpenRouter,
    Anthropic,
    OpenAi,
    Telegram,
    Wallet,
}

/// One row of the catalogue.
pub struct SecretKind {
    pub name: SecretName,
    /// The name in paths, in the agent's secrets file, and of its model provider or channel.
    pub text: &'static str,
    /// What it is, as an owner is told.
    pub what: &'static str,
    pub shape: Shape,
    /// The Workers Secret that holds the platform's own value; `None` for what is the owner's alone.
    pub platform: Option<&'static str>,
    pub place: Place,
}

/// How the agent refers to a value. The value itself is in its secrets file in any case.
pub enum Place {
    /// As the key of a provider of models.
    Models(Models),
    /// As the token of a channel, in this field of its configuration.
    Channel { token: &'static str },
    /// Not in its configuration: for the agent's own tools.
    File,
}

/// A provider of models.
pub struct Models {
    /// The variable that names an API-compatible gateway to use in place of the vendor's address.
    pub base_url: &'static str,
    /// The vendor's address, as OpenClaw's own base URL for this provider.
    pub vendor_url: &'static str,
    /// OpenClaw's name of the API that it speaks there.
    pub vendor_api: Option<&'static str>,
    /// The model an agent starts with when this provider is the first one available.
    pub default_model: &'static str,
    /// OpenClaw's name of the API that such a gateway speaks; `None` where the provider itself tells it for each model.
    pub gateway_api: Option<&'static str>,
}

/// Providers of models are in the order in which the default model is chosen.
pub const CATALOGUE: [SecretKind; 6] = [
    SecretKind {
        name: SecretName::ClawRouter,
        text: "clawrouter",
        what: "a ClawRouter key",
        shape: Shape::ApiKey { prefix: "" },
        platform: Some("CLAWROUTER_API_KEY"),
        place: Place::Models(Models {
            base_url: "CLAWROUTER_BASE_URL",
            vendor_url: "https://clawrouter.openclaw.ai",
            vendor_api: None,
            default_model: "clawrouter/anthropic/claude-sonnet-4-6",
            gateway_api: None,
        }),
    },
    SecretKind {
        name: SecretName::OpenRouter,
        text: "openrouter",
        what: "an OpenRouter API key",
        shape: Shape::ApiKey { prefix: "sk-or-" },
        platform: Some("OPENROUTER_API_KEY"),
        place: Place::Models(Models {
            base_url: "OPENROUTER_BASE_URL",
            vendor_url: "https://openrouter.ai/api/v1",
            vendor_api: Some("openai-completions"),
            default_model: "openrouter/anthropic/claude-sonnet-4-5",
            gateway_api: Some("openai-completions"),
        }),
    },
    SecretKind {
        name: SecretName::Anthropic,
        text: "anthropic",
        what: "an Anthropic API key",
        shape: Shape::ApiKey { prefix: "sk-ant-" },
        platform: Some("ANTHROPIC_API_KEY"),
        place: Place::Models(Models {
            base_url: "ANTHROPIC_BASE_URL",
            vendor_url: "https://api.anthropic.com",
            vendor_api: Some("anthropic-messages"),
            default_model: "anthropic/claude-sonnet-4-5",
            gateway_api: Some("anthropic-messages"),
        }),
    },
    SecretKind {
        name: SecretName::OpenAi,
        text: "openai",
        what: "an OpenAI API key",
        shape: Shape::ApiKey { prefix: "" },
        platform: Some("OPENAI_API_KEY"),
        place: Place::Models(Models {
            base_url: "OPENAI_BASE_URL",
            vendor_url: "https://api.openai.com/v1",
            vendor_api: Some("openai-responses"),
            default_model: "openai/gpt-5.4",
            gateway_api: Some("openai-completions"),
        }),
    },
    SecretKind {
        name: SecretName::Telegram,
        text: "telegram",
        what: "a Telegram bot's token",
        shape: Shape::BotToken,
        platform: None,
        place: Place::Channel { token: "botToken" },
    },
    SecretKind {
        name: SecretName::Wallet,
        text: "wallet",
        what: "a wallet's private key",
        shape: Shape::WalletKey,
        platform: None,
        place: Place::File,
    },
];

impl SecretName {
    #[must_use]
    pub fn kind(self) -> &'static SecretKind {
        match self {
            Self::ClawRouter => &CATALOGUE[0],
            Self::OpenRouter => &CATALOGUE[1],
            Self::Anthropic => &CATALOGUE[2],
            Self::OpenAi => &CATALOGUE[3],
            Self::Telegram => &CATALOGUE[4],
            Self::Wallet => &CATALOGUE[5],
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

impl SecretKind {
    /// `None` unless it is a provider of models.
    #[must_use]
    pub const fn models(&self) -> Option<&Models> {
        match &self.place {
            Place::Models(models) => Some(models),
            Place::Channel { .. } | Place::File => None,
        }
    }

    /// Takes a value that an owner wants to set.
    ///
    /// # Errors
    /// A problem that names the field `value` and the rule, and never repeats the value.
    pub fn parse_value(&self, value: Secret) -> Result<Secret, Problem> {
        self.parse_field("value", value)
    }

    /// Likewise in the field `token`.
    ///
    /// # Errors
    /// See [`SecretKind::parse_value`].
    pub fn parse_token(&self, value: Secret) -> Result<Secret, Problem> {
        self.parse_field("token", value)
    }

    fn parse_field(&self, field: &str, value: Secret) -> Result<Secret, Problem> {
        let refused = |rule: &str| Problem::value(field, rule);
        match self.shape.check(value.expose()) {
            Ok(()) => {}
            Err(Broken::Form) => {
                return Err(refused(&format!("be {}: {}", self.what, self.shape.form())));
            }
            Err(broken) => return Err(refused(&broken.to_string())),
        }
        match self.mistaken_for(value.expose()) {
            Some(other) => Err(refused(&format!("be {}, not {}", self.what, other.what))),
            None => Ok(value),
        }
    }

    /// The kind whose vendor begins all keys in a way of its own, when this value begins so and is meant for another.
    fn mistaken_for(&self, value: &str) -> Option<&'static SecretKind> {
        CATALOGUE.iter().find(|other| {
            matches!(other.shape, Shape::ApiKey { prefix } if !prefix.is_empty() && value.starts_with(prefix))
                && other.name != self.name
        })
    }

    /// What an owner may see of this secret: their own value's beginning and time, where there is one, whether the
    /// platform has one, and when a start last took any.
    #[must_use]
    pub fn status(&self, own: Option<Own>, platform: bool, last: Option<Use>) -> SecretStatus {
        let (source, set_at) = match &own {
            Some(own) => (Source::User, Some(own.set_at)),
            None if platform => (Source::Platform, None),
            None => (Source::None, None),
        };
        // Only of the value in force: one that was replaced since says nothing of the one in its place.
        let used =
            last.filter(|used| used.source == source && set_at.is_none_or(|at| used.at >= at));
        SecretStatus {
            name: self.text.to_owned(),
            source,
            unreadable: own.as_ref().is_some_and(|own| own.unreadable),
            prefix: own.map(|own| own.prefix),
            set_at,
            used_at: used.map(|used| used.at),
            keyless: false,
            effect: None,
        }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    User,
    Platform,
    None,
}

impl Source {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Platform => "platform",
            Self::None => "none",
        }
    }
}

/// An owner's own value, as far as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    pub prefix: String,
    pub set_at: Timestamp,
    /// It opens with no key any more.
    pub unreadable: bool,
}

/// That a start took a value, and where from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    pub source: Source,
    pub at: Timestamp,
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
    /// The agent gets a pass in place of this value (`keyless`).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub keyless: bool,
    /// When the agent last took the value in force.
    #[serde(default)]
    pub used_at: Option<Timestamp>,
    /// In the answer to a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
}

impl SecretStatus {
    /// Whether a start now would have a value.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.source != Source::None && !self.unreadable
    }
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
mod tests;
