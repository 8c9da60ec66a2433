//! The configuration that an agent starts with: who may use it, which models and channels it has (OpenClaw's
//! `openclaw.json`).
//!
//! It holds no secret: what needs one refers to an entry of the secrets file. Where things are inside the container
//! (paths, port, what must not call out at start) is added there, by the boot script.

use serde_json::{Map, Value, json};

use crate::channel::Setup;
use crate::ids::Wallet;
use crate::model::{ModelRef, in_force};
use crate::proxy::{EDGE_HEADER, OWNER_HEADER};
use crate::secrets::{Place, SecretKind, SecretName};

/// A kind that has a value, and where its provider is reached if that is not the vendor's own address.
pub struct Held {
    pub kind: &'static SecretKind,
    pub base_url: Option<String>,
    /// OpenClaw's name of the API that is spoken at `base_url`; `None` where the provider itself tells it for each model.
    pub api: Option<&'static str>,
    /// Of a channel: one that is not set up is left out.
    pub channel: Option<Setup>,
}

/// The entry of the secrets file with what Telegram sends in the webhook's header.
pub const HOOK_SECRET: &str = "telegram-secret";
/// The entry with the last part of its path.
pub const HOOK_PATH: &str = "telegram-hook";

/// Tells the agent where it may propose what its wallet do.
const PROPOSALS_VARIABLE: &str = "MOLT_PROPOSALS_URL";

/// The configuration for a tenant's agent, with what is `held` for it, the model that its owner chose, and the URL that takes
/// what it proposes, where there is one.
#[must_use]
pub fn config(
    owner: Wallet,
    agent_origin: &str,
    held: &[Held],
    choice: Option<&ModelRef>,
    proposals: Option<&str>,
) -> Value {
    let owner = owner.to_string();
    let mut models = Map::new();
    let mut channels = Map::new();
    for Held {
        kind,
        base_url,
        api,
        channel,
    } in held
    {
        let name = kind.text.to_owned();
        match &kind.place {
            Place::Models(_) => {
                models.insert(name, model_provider(kind, base_url.as_deref(), *api));
            }
            Place::Channel { token } => {
                if let Some(setup) = channel {
                    channels.insert(name, channel_of(token, kind, setup));
                }
            }
            Place::File => {}
        }
    }
    let mut config = json!({
        "gateway": {
            "auth": {
                "mode": "trusted-proxy",
                "identityScopes": { owner.clone(): ["operator.admin"] },
                "trustedProxy": {
                    "userHeader": OWNER_HEADER,
                    "requiredHeaders": [EDGE_HEADER],
                    "allowUsers": [owner],
                    "deviceAutoApprove": { "enabled": true },
                },
            },
            "controlUi": { "allowedOrigins": [agent_origin] },
        },
    });
    let available: Vec<SecretName> = held.iter().map(|held| held.kind.name).collect();
    if let Some(root) = config.as_object_mut() {
        if let Some(model) = in_force(choice, &available) {
            root.insert("models".to_owned(), json!({ "providers": models }));
            root.insert(
                "agents".to_owned(),
                json!({ "defaults": { "model": { "primary": model } } }),
            );
        }
        if let Some(url) = proposals {
            let vars = json!({ "vars": { PROPOSALS_VARIABLE: url } });
            root.insert("env".to_owned(), vars);
        }
        if !channels.is_empty() {
            root.insert("channels".to_owned(), channels.into());
        }
    }
    config
}

fn channel_of(token: &str, kind: &SecretKind, setup: &Setup) -> Value {
    let (policy, people) = setup.admission.config();
    let mut channel = json!({
        "enabled": true,
        token: reference(kind.text),
        "webhookUrl": setup.webhook_url,
        "webhookSecret": reference(HOOK_SECRET),
        "dmPolicy": policy,
    });
    let rest = [
        people.map(|people| ("allowFrom", people)),
        setup
            .api_root
            .clone()
            .map(|root| ("apiRoot", Value::String(root))),
    ];
    if let Some(fields) = channel.as_object_mut() {
        for (name, value) in rest.into_iter().flatten() {
            fields.insert(name.to_owned(), value);
        }
    }
    channel
}

/// Where the value is, in place of the value.
fn reference(name: &str) -> Value {
    json!({ "source": "file", "provider": "host", "id": format!("/{name}") })
}

fn model_provider(kind: &SecretKind, base_url: Option<&str>, api: Option<&str>) -> Value {
    let mut provider = Map::new();
    provider.insert("apiKey".to_owned(), reference(kind.text));
    if let Some(url) = base_url {
        provider.insert("baseUrl".to_owned(), url.into());
        if let Some(api) = api {
            provider.insert("api".to_owned(), api.into());
        }
    }
    provider.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Admission;
    use crate::secrets::CATALOGUE;

    fn held(names: &[SecretName]) -> Vec<Held> {
        let held = names.iter().map(|name| Held {
            kind: name.kind(),
            base_url: None,
            api: None,
            channel: (*name == SecretName::Telegram).then(|| Setup {
                admission: Admission::Pairing,
                webhook_url: "https://app.example/hooks/telegram/a/b".to_owned(),
                api_root: None,
            }),
        });
        held.collect()
    }

    fn config_of(held: &[Held], choice: Option<&ModelRef>) -> Value {
        config(
            Wallet::from_bytes([4; 32]),
            "https://a.agents.example",
            held,
            choice,
            None,
        )
    }

    #[test]
    fn the_first_provider_gives_the_model_and_keys_are_references() {
        let providers = [
            Held {
                kind: SecretName::Anthropic.kind(),
                base_url: None,
                api: None,
                channel: None,
            },
            Held {
                kind: SecretName::OpenAi.kind(),
                base_url: Some("https://gateway.example/v1".to_owned()),
                api: Some("openai-completions"),
                channel: None,
            },
        ];
        let config = config_of(&providers, None);
        assert_eq!(
            config["agents"]["defaults"]["model"]["primary"],
            "anthropic/claude-sonnet-4-5"
        );
        assert_eq!(
            config["models"]["providers"]["anthropic"]["apiKey"]["id"],
            "/anthropic"
        );
        assert_eq!(
            config["models"]["providers"]["openai"]["baseUrl"],
            "https://gateway.example/v1"
        );
        assert_eq!(
            config["models"]["providers"]["openai"]["api"],
            "openai-completions"
        );
        assert_eq!(
            config["gateway"]["auth"]["trustedProxy"]["allowUsers"],
            json!([Wallet::from_bytes([4; 32]).to_string()])
        );
        assert_eq!(
            config["gateway"]["controlUi"]["allowedOrigins"],
            json!(["https://a.agents.example"])
        );
        assert!(config.get("channels").is_none());
    }

    #[test]
    fn c12_the_owners_model_is_the_one_that_the_agent_starts_with() {
        let chosen = ModelRef::parse("openai/gpt-5.4-mini").unwrap();
        let providers = held(&[SecretName::Anthropic, SecretName::OpenAi]);
        let primary = |config: &Value| config["agents"]["defaults"]["model"]["primary"].clone();
        assert_eq!(
            primary(&config_of(&providers, Some(&chosen))),
            "openai/gpt-5.4-mini"
        );
        // Without a key for it the agent speaks by another provider.
        let without = held(&[SecretName::Anthropic]);
        assert_eq!(
            primary(&config_of(&without, Some(&chosen))),
            "anthropic/claude-sonnet-4-5"
        );
    }

    #[test]
    fn clawrouter_tells_each_models_api_itself() {
        let router = [Held {
            kind: SecretName::ClawRouter.kind(),
            base_url: Some("https://router.example".to_owned()),
            api: None,
            channel: None,
        }];
        let config = config_of(&router, None);
        assert_eq!(
            config["models"]["providers"]["clawrouter"],
            json!({
                "apiKey": { "source": "file", "provider": "host", "id": "/clawrouter" },
                "baseUrl": "https://router.example",
            })
        );
    }

    #[test]
    fn a_bots_token_opens_its_channel_to_nobody_who_was_not_let_in() {
        let config = config_of(&held(&[SecretName::Telegram]), None);
        assert_eq!(
            config["channels"],
            json!({ "telegram": {
                "enabled": true,
                "botToken": { "source": "file", "provider": "host", "id": "/telegram" },
                "webhookUrl": "https://app.example/hooks/telegram/a/b",
                "webhookSecret": { "source": "file", "provider": "host", "id": "/telegram-secret" },
                "dmPolicy": "pairing",
            } })
        );
        assert!(config.get("models").is_none() && config.get("agents").is_none());
    }

    #[test]
    fn who_is_let_in_and_where_the_bots_are_is_as_it_was_set() {
        let channel = |admission: Admission, api_root: Option<&str>| {
            let [mut telegram] = held(&[SecretName::Telegram]).try_into().ok().unwrap();
            telegram.channel = telegram.channel.map(|setup| Setup {
                admission,
                api_root: api_root.map(str::to_owned),
                ..setup
            });
            config_of(&[telegram], None)["channels"]["telegram"].clone()
        };
        let open = channel(Admission::Open, Some("http://127.0.0.1:1"));
        assert_eq!(
            (&open["dmPolicy"], &open["allowFrom"]),
            (&json!("open"), &json!(["*"]))
        );
        assert_eq!(open["apiRoot"], "http://127.0.0.1:1");
        let listed = Admission::parse(Some("allowlist"), Some(vec!["7"])).unwrap();
        assert_eq!(channel(listed, None)["allowFrom"], json!(["7"]));
        let mut bare = held(&[SecretName::Telegram]);
        bare[0].channel = None;
        assert!(config_of(&bare, None).get("channels").is_none());
    }

    #[test]
    fn without_any_key_there_is_no_model_and_a_wallet_key_changes_nothing() {
        let config = config_of(&[], None);
        assert!(config.get("models").is_none() && config.get("agents").is_none());
        let chosen = ModelRef::parse("openai/gpt-5.4").unwrap();
        assert_eq!(
            config_of(&held(&[SecretName::Wallet]), Some(&chosen)),
            config
        );
    }

    #[test]
    fn c21_an_agent_is_told_where_it_may_propose_where_there_is_such_a_place() {
        let url = "https://app.example/v1/proposals";
        let owner = Wallet::from_bytes([4; 32]);
        let told = config(owner, "https://a.agents.example", &[], None, Some(url));
        assert_eq!(
            told["env"],
            json!({ "vars": { "MOLT_PROPOSALS_URL": url } })
        );
        assert!(config_of(&[], None).get("env").is_none());
    }

    #[test]
    fn every_row_is_referred_to_by_its_place_and_by_nothing_else() {
        for kind in &CATALOGUE {
            let text = config_of(&held(&[kind.name]), None).to_string();
            let references = text.matches(&format!("\"id\":\"/{}\"", kind.text)).count();
            let expected = usize::from(!matches!(kind.place, Place::File));
            assert_eq!(references, expected, "{}", kind.text);
        }
    }
}
