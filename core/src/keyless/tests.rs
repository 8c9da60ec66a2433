use super::*;
use crate::secrets::CATALOGUE;

fn parse(method: &str, path: &str, query: &str) -> Option<ModelPath> {
    ModelPath::parse(method, path, query).ok()
}

#[test]
fn calls_of_models_go_through_behind_the_providers_address() {
    for (method, path, query, gives, costs) in [
        (
            "POST",
            "openai/chat/completions",
            "",
            "/chat/completions",
            true,
        ),
        ("POST", "openai/responses", "", "/responses", true),
        ("POST", "openrouter/embeddings", "", "/embeddings", true),
        ("GET", "openrouter/models", "", "/models", false),
        (
            "POST",
            "anthropic/v1/messages",
            "beta=true",
            "/v1/messages?beta=true",
            true,
        ),
        (
            "POST",
            "anthropic/v1/messages/count_tokens",
            "",
            "/v1/messages/count_tokens",
            false,
        ),
        ("GET", "clawrouter/v1/catalog", "", "/v1/catalog", false),
        (
            "POST",
            "clawrouter/v1/native/google/v1beta/models/gemini-3.5:streamGenerateContent",
            "alt=sse",
            "/v1/native/google/v1beta/models/gemini-3.5:streamGenerateContent?alt=sse",
            true,
        ),
    ] {
        let call = parse(method, path, query).unwrap();
        assert_eq!((call.path.as_str(), call.costs), (gives, costs), "{path}");
        assert!(path.starts_with(call.provider.as_str()));
    }
}

#[test]
fn c11_nothing_else_of_a_providers_account_is_reached() {
    for (method, path, query) in [
        ("GET", "openai/chat/completions", ""),
        ("DELETE", "openai/models", ""),
        ("GET", "openai/responses", ""),
        ("POST", "openai/responses/resp_1/cancel", ""),
        ("GET", "openai/files", ""),
        ("POST", "openai/files", ""),
        ("POST", "openai/batches", ""),
        ("GET", "openai/organization/admin_api_keys", ""),
        ("GET", "openrouter/key", ""),
        ("GET", "openrouter/credits", ""),
        ("POST", "anthropic/chat/completions", ""),
        ("POST", "anthropic/v1/messages/batches", ""),
        ("GET", "anthropic/v1/organizations/me", ""),
        ("GET", "clawrouter/v1/native/x", ""),
        ("POST", "clawrouter/v1/native/", ""),
        ("POST", "clawrouter/v1/native/openai/files", ""),
        (
            "POST",
            "clawrouter/v1/native/google/v1beta/models/g:countTokens",
            "",
        ),
        ("POST", "clawrouter/v1/native/../keys", ""),
        ("POST", "clawrouter/v1/native/%2e%2e/keys", ""),
        ("POST", "clawrouter/v1/native/x\\y", ""),
        ("POST", "clawrouter/v1/native//evil.example", ""),
        ("POST", "openai/../anthropic/v1/messages", ""),
        ("POST", "openai//chat/completions", ""),
        ("POST", "openai/chat/completions/", ""),
        ("POST", "/chat/completions", ""),
        ("POST", "openai", ""),
        ("POST", "", ""),
        ("POST", "telegram/chat/completions", ""),
        ("POST", "wallet/chat/completions", ""),
        ("POST", "OpenAI/chat/completions", ""),
        ("POST", "openai/chat/completions", "api-version=1"),
        ("POST", "openai/chat/completions", "alt=sse&key=x"),
        ("GET", "openai/models", "limit=1"),
    ] {
        assert_eq!(parse(method, path, query), None, "{method} {path}?{query}");
    }
    let long = format!("clawrouter/v1/native/{}/messages", "x".repeat(MAX_PATH));
    assert_eq!(parse("POST", &long, ""), None);
}

#[test]
fn every_provider_of_models_has_a_call_that_costs() {
    for kind in CATALOGUE.iter().filter(|kind| kind.models().is_some()) {
        let costs = CALLS
            .iter()
            .any(|allowed| allowed.costs && allowed.providers.contains(&kind.name));
        assert!(costs, "{}", kind.text);
    }
}

#[test]
fn the_key_goes_where_the_pass_came_from() {
    let key = Secret::new("sk-real".to_owned());
    for (name, sent, put) in [
        ("authorization", "Bearer pass", "Bearer sk-real"),
        ("x-api-key", "pass", "sk-real"),
        ("x-goog-api-key", "pass", "sk-real"),
    ] {
        let found = pass_of(|asked| (asked == name).then(|| sent.to_owned()));
        let (place, pass) = found.unwrap();
        assert_eq!((place.name(), pass.as_str()), (name, "pass"));
        assert_eq!(place.value(&key).expose(), put);
    }
    assert_eq!(pass_of(|_| None), None);
    let basic = pass_of(|name| (name == "authorization").then(|| "Basic pass".to_owned()));
    assert_eq!(basic, None);
}

#[test]
fn c11_of_headers_only_those_that_are_known_cross() {
    for name in [
        "authorization",
        "x-api-key",
        "cookie",
        "host",
        "x-molt-model",
        "x-forwarded-for",
        "openai-organization",
        "cf-connecting-ip",
    ] {
        assert!(!request_header_passes(name), "{name}");
    }
    assert!(request_header_passes("content-type") && request_header_passes("anthropic-version"));
    for name in [
        "set-cookie",
        "openai-organization",
        "anthropic-organization-id",
        "x-ratelimit-remaining-tokens",
        "location",
    ] {
        assert!(!response_header_passes(name), "{name}");
    }
    assert!(response_header_passes("content-type") && response_header_passes("retry-after"));
}

#[test]
fn c13_the_platforms_keys_stay_out_and_the_owners_by_choice() {
    use Delivery::{Nothing, Pass, Value};
    use SecretName::{Anthropic, OpenAi, Telegram, Wallet};
    let chosen = [OpenAi, Telegram, Wallet];
    for (name, source, with_door, without) in [
        (OpenAi, Source::Platform, Pass, Value),
        (Anthropic, Source::Platform, Pass, Value),
        (OpenAi, Source::User, Pass, Nothing),
        (Anthropic, Source::User, Value, Value),
        // No door leads to what is not a model.
        (Telegram, Source::User, Value, Value),
        (Wallet, Source::User, Value, Value),
    ] {
        for (offered, expected) in [(true, with_door), (false, without)] {
            let delivered = delivery(name.kind(), source, &chosen, offered);
            assert_eq!(delivered, expected, "{name:?} {source:?} {offered}");
        }
    }
    assert!(can_be_kept_out(&Secret::new("sk-ant-api03-x".to_owned())));
    assert!(!can_be_kept_out(&Secret::new("sk-ant-oat01-x".to_owned())));
}

#[test]
fn a_refusal_is_read_by_clients_of_models_too() {
    let problem = Problem::new(Code::RateLimited, "Enough for today.");
    let text: serde_json::Value = serde_json::from_str(&refusal(&problem.document())).unwrap();
    assert_eq!(text["code"], "rate_limited");
    assert_eq!(
        text["error"],
        serde_json::json!({ "type": "rate_limited", "code": "rate_limited", "message": "Enough for today." })
    );
    assert_eq!(refusal("not JSON"), "not JSON");
}
