//! Models without keys in the container: an agent calls its provider by way of the edge with a pass in place of the key, and
//! the edge puts the key in. What is here says which calls go through, with which headers, and where they go.
//!
//! A pass opens nothing else: a key of the platform's also opens files, stored answers and bills of everybody who uses it,
//! so what is not in [`CALLS`] is refused.

use serde::{Deserialize, Serialize};

use crate::error::{Code, Problem};
use crate::secret::Secret;
use crate::secrets::{SecretKind, SecretName, Source};
use crate::session::Start;

/// Where calls come in, below the origin that containers reach the edge by: `/llm/{provider}/...`.
pub const PATH_PREFIX: &str = "/llm/";
/// JSON of a [`ModelCall`] on a request from the Worker to the object.
pub const MODEL_HEADER: &str = "x-molt-model";
/// The longest body: a conversation with pictures.
pub const MAX_BODY: u64 = 32 * 1024 * 1024;
/// Longest path and query that are looked at.
const MAX_PATH: usize = 256;

/// Which header a client of models puts its key in. The key goes back into the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyHeader {
    Bearer,
    ApiKey,
    GoogleApiKey,
}

impl KeyHeader {
    const ALL: [Self; 3] = [Self::Bearer, Self::ApiKey, Self::GoogleApiKey];

    /// In lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "authorization",
            Self::ApiKey => "x-api-key",
            Self::GoogleApiKey => "x-goog-api-key",
        }
    }

    /// The header's value with this key.
    #[must_use]
    pub fn value(self, key: &Secret) -> Secret {
        match self {
            Self::Bearer => Secret::new(format!("Bearer {}", key.expose())),
            Self::ApiKey | Self::GoogleApiKey => Secret::new(key.expose().to_owned()),
        }
    }

    fn key(self, value: &str) -> Option<&str> {
        match self {
            Self::Bearer => value.strip_prefix("Bearer "),
            Self::ApiKey | Self::GoogleApiKey => Some(value),
        }
    }
}

/// The pass among a request's headers, and which one it came in.
pub fn pass_of(header: impl Fn(&str) -> Option<String>) -> Option<(KeyHeader, String)> {
    KeyHeader::ALL.into_iter().find_map(|place| {
        let value = header(place.name())?;
        Some((place, place.key(&value)?.to_owned()))
    })
}

/// A kind of call that goes through.
struct Allowed {
    providers: &'static [SecretName],
    method: &'static str,
    path: &'static str,
    costs: bool,
}

const OPENAI_LIKE: &[SecretName] = &[SecretName::OpenAi, SecretName::OpenRouter];
const ANTHROPIC: &[SecretName] = &[SecretName::Anthropic];
const CLAWROUTER: &[SecretName] = &[SecretName::ClawRouter];

const fn call(
    providers: &'static [SecretName],
    method: &'static str,
    path: &'static str,
    costs: bool,
) -> Allowed {
    Allowed {
        providers,
        method,
        path,
        costs,
    }
}

/// Paths as OpenClaw puts them behind a provider's base URL; a `*` stands for any rest that ends as one of [`NATIVE`].
const CALLS: [Allowed; 13] = [
    call(OPENAI_LIKE, "POST", "chat/completions", true),
    call(OPENAI_LIKE, "POST", "responses", true),
    call(OPENAI_LIKE, "POST", "embeddings", true),
    call(OPENAI_LIKE, "GET", "models", false),
    call(ANTHROPIC, "POST", "v1/messages", true),
    call(ANTHROPIC, "POST", "v1/messages/count_tokens", false),
    call(ANTHROPIC, "GET", "v1/models", false),
    call(CLAWROUTER, "GET", "v1/catalog", false),
    call(CLAWROUTER, "GET", "v1/models", false),
    call(CLAWROUTER, "POST", "v1/chat/completions", true),
    call(CLAWROUTER, "POST", "v1/responses", true),
    call(CLAWROUTER, "POST", "v1/messages", true),
    call(CLAWROUTER, "POST", "v1/native/*", true),
];
/// How calls of models end in the APIs that ClawRouter passes on as they are.
const NATIVE: [&str; 5] = [
    "/chat/completions",
    "/messages",
    "/responses",
    ":generateContent",
    ":streamGenerateContent",
];
/// What clients of models ask for in a query.
const QUERIES: [&str; 3] = ["", "alt=sse", "beta=true"];

/// A call that goes through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelPath {
    pub provider: SecretName,
    /// Behind the provider's base URL, with its query; begins with a slash.
    pub path: String,
    /// Whether the provider bills it.
    pub costs: bool,
}

impl ModelPath {
    /// Reads what a container asks for: its method, the path behind [`PATH_PREFIX`], and the query without its `?`.
    ///
    /// # Errors
    /// `not_found` for whatever is no call of a model.
    pub fn parse(method: &str, path: &str, query: &str) -> Result<Self, Problem> {
        let refused = || {
            Problem::new(
                Code::NotFound,
                "Of a provider's API only the calls of models go through here: completions, responses, messages, embeddings and the list of models. For another, set a key of your own that the agent holds itself.",
            )
        };
        let (provider, rest) = path.split_once('/').ok_or_else(refused)?;
        let provider = SecretName::parse(provider)
            .filter(|name| name.kind().models().is_some())
            .ok_or_else(refused)?;
        if path.len() > MAX_PATH || !QUERIES.contains(&query) || !rest.split('/').all(is_plain) {
            return Err(refused());
        }
        let allowed = CALLS.iter().find(|allowed| {
            let fits = match allowed.path.strip_suffix('*') {
                Some(prefix) => {
                    rest.starts_with(prefix) && NATIVE.iter().any(|end| rest.ends_with(end))
                }
                None => rest == allowed.path,
            };
            fits && allowed.method == method && allowed.providers.contains(&provider)
        });
        let separator = if query.is_empty() { "" } else { "?" };
        Ok(Self {
            provider,
            path: format!("/{rest}{separator}{query}"),
            costs: allowed.ok_or_else(refused)?.costs,
        })
    }
}

/// A name in a path: nothing that a server could take for another place, as `..` or `%2e`.
fn is_plain(part: &str) -> bool {
    part.bytes().any(|byte| byte.is_ascii_alphanumeric())
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:~".contains(&byte))
}

/// A call as the Worker hands it to the object, whose it is to find the key. The pass was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCall {
    /// Whose pass it came with.
    #[serde(flatten)]
    pub start: Start,
    pub key_header: KeyHeader,
    pub call: ModelPath,
    /// Bytes of the body.
    pub length: u64,
}

/// Headers of a request that reach the provider; all others are dropped, those that name the sender first.
const REQUEST_HEADERS: [&str; 8] = [
    "accept",
    "anthropic-beta",
    "anthropic-version",
    "content-type",
    "http-referer",
    "openai-beta",
    "x-openrouter-title",
    "x-title",
];
/// Headers of an answer that reach the agent: a provider tells in others whose account it was.
const RESPONSE_HEADERS: [&str; 5] = [
    "content-type",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "x-request-id",
];

#[must_use]
pub fn request_header_passes(name: &str) -> bool {
    REQUEST_HEADERS.contains(&name)
}

#[must_use]
pub fn response_header_passes(name: &str) -> bool {
    RESPONSE_HEADERS.contains(&name)
}

/// Anthropic's token of a subscription. Its clients speak otherwise with it, so they must see what it is.
const SETUP_TOKEN: &str = "sk-ant-oat";

/// Whether calls can be made with this value put in by somebody else than the client.
#[must_use]
pub fn can_be_kept_out(value: &Secret) -> bool {
    !value.expose().starts_with(SETUP_TOKEN)
}

/// Why a setup token can't be used so; completes "`field` must ...".
pub const NO_SETUP_TOKEN: &str = "leave out `anthropic` while its value is a setup token (`sk-ant-oat...`): it works in the agent alone. Set an API key first";

/// What an agent gets of a value in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    Value,
    Pass,
    /// Its owner keeps it out, and there is no other way now.
    Nothing,
}

/// The platform's keys stay out of agents where there is a door for their calls (`offered`), the owner's own where they
/// chose so.
#[must_use]
pub fn delivery(
    kind: &SecretKind,
    source: Source,
    chosen: &[SecretName],
    offered: bool,
) -> Delivery {
    let kept_out = kind.models().is_some() && chosen.contains(&kind.name);
    match source {
        Source::Platform if offered && kind.models().is_some() => Delivery::Pass,
        Source::User if kept_out && offered => Delivery::Pass,
        Source::User if kept_out => Delivery::Nothing,
        Source::User | Source::Platform | Source::None => Delivery::Value,
    }
}

/// The text of a refusal, as clients of models read it: the problem document with OpenAI's and Anthropic's `error` in it.
#[must_use]
pub fn refusal(document: &str) -> String {
    let Ok(serde_json::Value::Object(mut problem)) = serde_json::from_str(document) else {
        return document.to_owned();
    };
    let code = problem.get("code").cloned().unwrap_or_default();
    let detail = problem.get("detail").cloned().unwrap_or_default();
    let error = serde_json::json!({ "type": code, "code": code, "message": detail });
    problem.insert("error".to_owned(), error);
    serde_json::Value::Object(problem).to_string()
}

#[cfg(test)]
mod tests;
