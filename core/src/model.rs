//! The model that an agent starts with: the one its owner chose, or that of the first provider that has a key (C12).

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::Problem;
use crate::renewal::Effect;
use crate::secrets::{CATALOGUE, SecretName};

/// Longer than any name of a model there is.
pub const MAX_LENGTH: usize = 200;

/// A model as OpenClaw names it: `provider/model`, the provider one of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelRef {
    provider: SecretName,
    text: String,
}

impl ModelRef {
    /// The name is written into the agent's configuration, where `$` begins a reference to a variable: it is not among
    /// the characters that names of models have.
    ///
    /// # Errors
    /// A problem that names the field `model` and the rule.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let refused = |rule: &str| Problem::value("model", rule);
        let Some((provider, model)) = text.split_once('/').filter(|_| text.len() <= MAX_LENGTH)
        else {
            return Err(refused("be `provider/model`, of at most 200 characters"));
        };
        let Some(provider) =
            SecretName::parse(provider).filter(|name| name.kind().models().is_some())
        else {
            let known: Vec<&str> = providers().map(SecretName::as_str).collect();
            return Err(refused(&format!(
                "begin with one of the providers {}, and a slash",
                known.join(", ")
            )));
        };
        let fits = |part: &str| {
            part.bytes().any(|byte| byte.is_ascii_alphanumeric())
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._:@~+".contains(&byte))
        };
        if !model.split('/').all(fits) {
            return Err(refused(
                "name a model of its provider in letters, digits, `-._:@~+` and single slashes",
            ));
        }
        Ok(Self {
            provider,
            text: text.to_owned(),
        })
    }

    #[must_use]
    pub const fn provider(&self) -> SecretName {
        self.provider
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl TryFrom<String> for ModelRef {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).map_err(|_| "expected provider/model")
    }
}

impl From<ModelRef> for String {
    fn from(model: ModelRef) -> Self {
        model.text
    }
}

/// The providers of models, in the order in which they give the default.
pub fn providers() -> impl Iterator<Item = SecretName> {
    CATALOGUE
        .iter()
        .filter(|kind| kind.models().is_some())
        .map(|kind| kind.name)
}

/// The default model of the first provider in the catalogue's order that has a key.
#[must_use]
pub fn default_model(available: &[SecretName]) -> Option<&'static str> {
    providers()
        .find(|name| available.contains(name))
        .and_then(|name| name.kind().models())
        .map(|models| models.default_model)
}

/// The model of a start: the owner's choice if its provider has a key, else the default. An agent that can't speak at
/// all helps nobody.
#[must_use]
pub fn in_force<'a>(choice: Option<&'a ModelRef>, available: &[SecretName]) -> Option<&'a str> {
    choice
        .filter(|choice| available.contains(&choice.provider))
        .map(ModelRef::as_str)
        .or_else(|| default_model(available))
}

/// What a tenant chose for their agent, as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    #[serde(default, deserialize_with = "if_usable")]
    pub model: Option<ModelRef>,
    /// The providers whose keys the agent is not to have.
    #[serde(
        default,
        deserialize_with = "those_known",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub keyless: Vec<SecretName>,
}

/// Reads the providers of models among names; what it does not know is `None`.
#[must_use]
pub fn parse_providers<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Option<SecretName>> {
    let known = |text| SecretName::parse(text).filter(|name| name.kind().models().is_some());
    names.map(known).collect()
}

/// Names of a newer version's providers are none of this one's.
fn those_known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SecretName>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let known = parse_providers(names.iter().map(String::as_str));
    Ok(known.into_iter().flatten().collect())
}

/// A choice that only a newer version understands counts as none: it must not keep an agent from starting.
fn if_usable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ModelRef>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| ModelRef::parse(&text).ok()))
}

/// `GET` and `PUT /v1/agents/{asset}/settings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingsView {
    /// What the owner chose.
    pub model: Option<ModelRef>,
    /// What they get when they choose nothing; none when no provider has a key.
    pub default_model: Option<String>,
    /// What a start takes now. It is the default also when the chosen model's provider has no key.
    pub model_in_force: Option<String>,
    /// The default model of each provider that has a key.
    pub suggestions: Vec<String>,
    /// The providers whose keys the owner keeps out of the agent.
    pub keyless: Vec<SecretName>,
    /// Whether this service has a way for calls without keys.
    pub keyless_offered: bool,
    /// In the answer to a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
}

impl SettingsView {
    /// `available` are the providers that have a key.
    #[must_use]
    pub fn new(choices: Choices, available: &[SecretName], keyless_offered: bool) -> Self {
        Self {
            default_model: default_model(available).map(str::to_owned),
            model_in_force: in_force(choices.model.as_ref(), available).map(str::to_owned),
            suggestions: providers()
                .filter(|name| available.contains(name))
                .filter_map(|name| name.kind().models())
                .map(|models| models.default_model.to_owned())
                .collect(),
            model: choices.model,
            keyless: choices.keyless,
            keyless_offered,
            effect: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SecretName::{Anthropic, ClawRouter, OpenAi, OpenRouter, Telegram, Wallet};

    const DEFAULTS: [(SecretName, &str); 4] = [
        (ClawRouter, "clawrouter/anthropic/claude-sonnet-4-6"),
        (OpenRouter, "openrouter/anthropic/claude-sonnet-4-5"),
        (Anthropic, "anthropic/claude-sonnet-4-5"),
        (OpenAi, "openai/gpt-5.4"),
    ];

    /// Every set of providers, in an order that is not the catalogue's.
    fn sets() -> impl Iterator<Item = Vec<SecretName>> {
        (0..1_usize << DEFAULTS.len()).map(|bits| {
            let chosen = (0..DEFAULTS.len()).rev().filter(|i| bits >> i & 1 == 1);
            chosen.map(|i| DEFAULTS[i].0).collect()
        })
    }

    fn model(text: &str) -> ModelRef {
        ModelRef::parse(text).unwrap()
    }

    #[test]
    fn c12_the_default_is_of_the_first_available_of_clawrouter_openrouter_anthropic_openai() {
        for available in sets() {
            let first = DEFAULTS.iter().find(|(name, _)| available.contains(name));
            assert_eq!(
                default_model(&available),
                first.map(|(_, model)| *model),
                "{available:?}"
            );
            assert_eq!(in_force(None, &available), default_model(&available));
        }
        assert_eq!(default_model(&[Telegram, Wallet]), None);
    }

    #[test]
    fn c12_the_owners_choice_goes_before_the_default_where_its_provider_has_a_key() {
        for (provider, _) in DEFAULTS {
            let chosen = model(&format!("{}/some/model:free", provider.as_str()));
            for available in sets() {
                let expected = if available.contains(&provider) {
                    Some(chosen.as_str())
                } else {
                    default_model(&available)
                };
                assert_eq!(
                    in_force(Some(&chosen), &available),
                    expected,
                    "{available:?}"
                );
            }
        }
    }

    #[test]
    fn c12_a_view_tells_choice_default_and_what_is_in_force() {
        let choices = Choices {
            model: Some(model("anthropic/claude-opus-4-6")),
            keyless: vec![OpenRouter],
        };
        let view = SettingsView::new(choices.clone(), &[OpenAi, OpenRouter, Wallet], true);
        assert_eq!(
            serde_json::to_value(&view).unwrap(),
            serde_json::json!({
                "model": "anthropic/claude-opus-4-6",
                "defaultModel": "openrouter/anthropic/claude-sonnet-4-5",
                "modelInForce": "openrouter/anthropic/claude-sonnet-4-5",
                "suggestions": ["openrouter/anthropic/claude-sonnet-4-5", "openai/gpt-5.4"],
                "keyless": ["openrouter"],
                "keylessOffered": true,
            })
        );
        let view = SettingsView::new(choices, &[Anthropic], true);
        assert_eq!(
            view.model_in_force.as_deref(),
            Some("anthropic/claude-opus-4-6")
        );
        let view = SettingsView::new(Choices::default(), &[], false);
        assert_eq!(
            (view.model, view.default_model, view.model_in_force),
            (None, None, None)
        );
    }

    #[test]
    fn names_of_models_are_taken_as_providers_write_them() {
        for good in [
            "openai/gpt-5.4",
            "openrouter/auto",
            "openrouter/meta-llama/llama-3.3-70b-instruct:free",
            "openrouter/@preset/mine",
            "openrouter/~anthropic/claude-latest",
            "clawrouter/google/gemini-3.5-flash",
            "anthropic/claude-sonnet-4-6",
        ] {
            assert_eq!(model(good).as_str(), good);
        }
        assert_eq!(model("openrouter/openai/gpt-5.4").provider(), OpenRouter);
    }

    #[test]
    fn c12_a_malformed_model_or_one_of_no_provider_is_refused_with_the_rule() {
        let long = format!("openai/{}", "x".repeat(MAX_LENGTH));
        for (bad, rule) in [
            ("", "provider/model"),
            ("gpt-5.4", "provider/model"),
            (long.as_str(), "at most 200"),
            ("/gpt-5.4", "clawrouter, openrouter, anthropic, openai"),
            ("mistral/large", "one of the providers"),
            ("OpenAI/gpt-5.4", "one of the providers"),
            ("telegram/x", "one of the providers"),
            ("wallet/x", "one of the providers"),
            (" openai/gpt-5.4", "one of the providers"),
            ("openai/", "name a model"),
            ("openai/gpt 5", "name a model"),
            ("openai/gpt-5.4\n", "name a model"),
            ("openai/${HOME}", "name a model"),
            ("openai/\"x", "name a model"),
            ("openai//gpt", "name a model"),
            ("openai/gpt/", "name a model"),
            ("openai/../x", "name a model"),
            ("openai/gpt\u{e9}", "name a model"),
        ] {
            let problem = ModelRef::parse(bad).err().unwrap();
            assert_eq!(problem.field.as_deref(), Some("model"));
            assert_eq!(problem.code.status(), 422);
            assert!(problem.detail.contains(rule), "{bad:?}: {}", problem.detail);
        }
        let edge = format!("openai/{}", "x".repeat(MAX_LENGTH - "openai/".len()));
        assert!(ModelRef::parse(&edge).is_ok());
    }

    #[test]
    fn a_stored_choice_that_is_not_understood_is_none() {
        for row in [
            "{}",
            r#"{"model":null}"#,
            r#"{"model":"newer/x"}"#,
            r#"{"later":1}"#,
        ] {
            assert_eq!(
                serde_json::from_str::<Choices>(row).unwrap(),
                Choices::default(),
                "{row}"
            );
        }
        let newer = r#"{"model":"openai/gpt-5.4","keyless":["openai","newer","telegram"]}"#;
        let mut choices: Choices = serde_json::from_str(newer).unwrap();
        assert_eq!(choices.keyless, [OpenAi]);
        let row = serde_json::to_string(&choices).unwrap();
        assert_eq!(row, r#"{"model":"openai/gpt-5.4","keyless":["openai"]}"#);
        assert_eq!(serde_json::from_str::<Choices>(&row).unwrap(), choices);
        choices.keyless.clear();
        let row = serde_json::to_string(&choices).unwrap();
        assert_eq!(row, r#"{"model":"openai/gpt-5.4"}"#);
    }
}
