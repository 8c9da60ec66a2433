//! The configuration that an agent starts with: who may use it and which models it has (OpenClaw's `openclaw.json`).
//!
//! It holds no secret: providers refer to entries of the secrets file. Where things are inside the container (paths,
//! port, what must not call out at start) is added there, by the boot script.

use serde_json::{Map, Value, json};

use crate::ids::Wallet;
use crate::proxy::{EDGE_HEADER, OWNER_HEADER};
use crate::secrets::SecretKind;

/// A provider that has a key, and the API-compatible gateway to reach it by, if the operator set one.
pub struct Provider {
    pub kind: &'static SecretKind,
    pub base_url: Option<String>,
}

/// The configuration for a tenant's agent. `providers` is in the catalogue's order: the first gives the default model.
#[must_use]
pub fn config(owner: Wallet, agent_origin: &str, providers: &[Provider]) -> Value {
    let owner = owner.to_string();
    let models: Map<String, Value> = providers
        .iter()
        .map(|provider| (provider.kind.text.to_owned(), model_provider(provider)))
        .collect();
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
    if let (Some(first), Some(root)) = (providers.first(), config.as_object_mut()) {
        root.insert("models".to_owned(), json!({ "providers": models }));
        root.insert(
            "agents".to_owned(),
            json!({ "defaults": { "model": { "primary": first.kind.default_model } } }),
        );
    }
    config
}

fn model_provider(provider: &Provider) -> Value {
    let key =
        json!({ "source": "file", "provider": "host", "id": format!("/{}", provider.kind.text) });
    match &provider.base_url {
        Some(url) => json!({ "apiKey": key, "baseUrl": url, "api": provider.kind.gateway_api }),
        None => json!({ "apiKey": key }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::SecretName;

    #[test]
    fn the_first_provider_gives_the_model_and_keys_are_references() {
        let providers = [
            Provider {
                kind: SecretName::Anthropic.kind(),
                base_url: None,
            },
            Provider {
                kind: SecretName::OpenAi.kind(),
                base_url: Some("https://gateway.example/v1".to_owned()),
            },
        ];
        let owner = Wallet::from_bytes([4; 32]);
        let config = config(owner, "https://a.agents.example", &providers);
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
            config["gateway"]["auth"]["trustedProxy"]["allowUsers"],
            json!([owner.to_string()])
        );
        assert_eq!(
            config["gateway"]["controlUi"]["allowedOrigins"],
            json!(["https://a.agents.example"])
        );
    }

    #[test]
    fn without_any_key_there_is_no_model() {
        let config = config(Wallet::from_bytes([4; 32]), "https://a.agents.example", &[]);
        assert!(config.get("models").is_none() && config.get("agents").is_none());
    }
}
