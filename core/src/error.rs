//! What a client may be told when something fails, and what only the operator may see.
//!
//! A [`Problem`] is public and becomes an RFC 9457 document in one place; a [`Failure`] pairs it with context for the
//! log and has no `Display`, so internals can't slip into a response.

use serde::{Deserialize, Serialize};

/// Stable reason of a refusal; `code` of the problem document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The body is not the JSON object that the route takes.
    MalformedBody,
    /// One field is missing or has a wrong type, length or form; `field` names it.
    InvalidField,
    /// One field is what the route takes, but its content breaks a rule; `field` names it, `detail` the rule.
    InvalidValue,
    /// No session, or one that ended.
    Unauthenticated,
    /// The challenge is unknown, expired or spent.
    ChallengeInvalid,
    /// The signature does not prove the challenge.
    SignatureInvalid,
    /// The wallet does not own the asset, or the session is another agent's.
    Forbidden,
    /// A browser page of an origin that is not ours asked.
    OriginNotAllowed,
    /// No such route or thing.
    NotFound,
    /// The route exists, the method does not; `Allow` lists those that do.
    MethodNotAllowed,
    /// The agent is in a state in which this can't be done.
    WrongState,
    /// The body is larger than the route takes.
    BodyTooLarge,
    /// The URL is longer than any that is passed on.
    UriTooLong,
    /// The headers are more, or longer, than what is passed on.
    HeadersTooLarge,
    /// The body's content type is not the route's.
    UnsupportedMediaType,
    /// Too many tries; `Retry-After` tells when.
    RateLimited,
    /// To an agent: there is no key for the provider of models, or the provider refused it.
    KeyRefused,
    /// To an agent: the provider of models did not answer, or not with what can be passed on.
    ProviderUnavailable,
    /// Telegram or Slack did not answer, or not with what its API answers.
    ChannelUnavailable,
    /// The agent answered with what can't be passed on.
    AgentBadResponse,
    /// The agent sleeps or is not ready.
    AgentUnavailable,
    /// No Solana RPC endpoint gave a usable answer.
    RpcUnavailable,
    /// Storage (KV, R2) did not answer.
    StorageUnavailable,
    /// A binding, variable or secret is missing or malformed; the log names it.
    Misconfigured,
    /// Ours to fix.
    Internal,
}

impl Code {
    /// Every code there is.
    pub const ALL: [Self; 23] = [
        Self::MalformedBody,
        Self::InvalidField,
        Self::InvalidValue,
        Self::Unauthenticated,
        Self::ChallengeInvalid,
        Self::SignatureInvalid,
        Self::Forbidden,
        Self::OriginNotAllowed,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::WrongState,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::RateLimited,
        Self::KeyRefused,
        Self::ProviderUnavailable,
        Self::ChannelUnavailable,
        Self::AgentBadResponse,
        Self::AgentUnavailable,
        Self::RpcUnavailable,
        Self::StorageUnavailable,
        Self::Misconfigured,
        Self::Internal,
    ];

    /// HTTP status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::MalformedBody | Self::InvalidField => 400,
            Self::Unauthenticated
            | Self::ChallengeInvalid
            | Self::SignatureInvalid
            | Self::KeyRefused => 401,
            Self::Forbidden | Self::OriginNotAllowed => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::WrongState => 409,
            Self::BodyTooLarge => 413,
            Self::UriTooLong => 414,
            Self::UnsupportedMediaType => 415,
            Self::InvalidValue => 422,
            Self::RateLimited => 429,
            Self::HeadersTooLarge => 431,
            Self::Internal => 500,
            Self::AgentBadResponse | Self::ProviderUnavailable | Self::ChannelUnavailable => 502,
            Self::AgentUnavailable
            | Self::RpcUnavailable
            | Self::StorageUnavailable
            | Self::Misconfigured => 503,
        }
    }

    /// The code as it stands in the document.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedBody => "malformed_body",
            Self::InvalidField => "invalid_field",
            Self::InvalidValue => "invalid_value",
            Self::Unauthenticated => "unauthenticated",
            Self::ChallengeInvalid => "challenge_invalid",
            Self::SignatureInvalid => "signature_invalid",
            Self::Forbidden => "forbidden",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::WrongState => "wrong_state",
            Self::BodyTooLarge => "body_too_large",
            Self::UriTooLong => "uri_too_long",
            Self::HeadersTooLarge => "headers_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::RateLimited => "rate_limited",
            Self::KeyRefused => "key_refused",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::ChannelUnavailable => "channel_unavailable",
            Self::AgentBadResponse => "agent_bad_response",
            Self::AgentUnavailable => "agent_unavailable",
            Self::RpcUnavailable => "rpc_unavailable",
            Self::StorageUnavailable => "storage_unavailable",
            Self::Misconfigured => "misconfigured",
            Self::Internal => "internal",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::MalformedBody => "The request body is malformed",
            Self::InvalidField => "A field is invalid",
            Self::InvalidValue => "A value breaks a rule",
            Self::Unauthenticated => "Sign in first",
            Self::ChallengeInvalid => "The challenge can't be used",
            Self::SignatureInvalid => "The signature does not prove the challenge",
            Self::Forbidden => "Not yours",
            Self::OriginNotAllowed => "This origin may not call the API",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::WrongState => "Not possible in this state",
            Self::BodyTooLarge => "The request body is too large",
            Self::UriTooLong => "The URL is too long",
            Self::HeadersTooLarge => "The request headers are too large",
            Self::UnsupportedMediaType => "Unsupported media type",
            Self::RateLimited => "Too many requests",
            Self::KeyRefused => "The provider has no key that it takes",
            Self::ProviderUnavailable => "The provider of models is not available",
            Self::ChannelUnavailable => "The channel is not available",
            Self::AgentBadResponse => "The agent gave an invalid response",
            Self::AgentUnavailable => "The agent is not available",
            Self::RpcUnavailable => "Solana can't be asked now",
            Self::StorageUnavailable => "Storage can't be reached now",
            Self::Misconfigured => "The service is not configured",
            Self::Internal => "Internal error",
        }
    }
}

/// A refusal as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub code: Code,
    /// One or two sentences: what was wrong and what to do next. Never holds a value of a secret.
    pub detail: String,
    /// Name of the offending field, for [`Code::InvalidField`] and [`Code::InvalidValue`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Value of `Retry-After`, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: Code,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl Problem {
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            field: None,
            retry_after: None,
        }
    }

    /// A field's refusal: `expected` completes the sentence "`field` must be ...".
    #[must_use]
    pub fn field(field: &str, expected: &str) -> Self {
        let mut problem = Self::new(Code::InvalidField, format!("`{field}` must be {expected}."));
        problem.field = Some(field.to_owned());
        problem
    }

    /// A value's refusal: `rule` completes the sentence "`field` must ...". It never repeats the value.
    #[must_use]
    pub fn value(field: &str, rule: &str) -> Self {
        let mut problem = Self::new(Code::InvalidValue, format!("`{field}` must {rule}."));
        problem.field = Some(field.to_owned());
        problem
    }

    /// The one answer to everybody who is not the owner: the same whether or not the agent exists.
    #[must_use]
    pub fn not_yours() -> Self {
        Self::new(
            Code::Forbidden,
            "This agent is not yours, or there is no such agent. Sign in with the wallet that owns the domain.",
        )
    }

    /// For a wallet that no key can be of. It follows from the address alone, so it tells nothing of any agent.
    #[must_use]
    pub fn cannot_sign() -> Self {
        Self::new(
            Code::Forbidden,
            "This address is no key's: it is one that a program signs for, as an escrow's or a vault's, and can't sign in. Move the domain to a wallet of your own first.",
        )
    }

    /// No session, or one that ended.
    #[must_use]
    pub fn sign_in() -> Self {
        Self::new(
            Code::Unauthenticated,
            "There is no session, or it has ended. Sign in with the wallet that owns the domain.",
        )
    }

    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The RFC 9457 document, as JSON text.
    #[must_use]
    pub fn document(&self) -> String {
        let document = Document {
            r#type: "about:blank",
            title: self.code.title(),
            status: self.code.status(),
            code: self.code,
            detail: &self.detail,
            field: self.field.as_deref(),
        };
        serde_json::to_string(&document).unwrap_or_else(|_| String::from("{\"code\":\"internal\"}"))
    }
}

/// A problem with what the operator needs to know of its cause. No `Display`: the context goes to the log alone.
#[derive(Debug)]
pub struct Failure {
    pub problem: Problem,
    pub context: Option<String>,
}

impl Failure {
    /// `context` must not hold request bodies or secrets.
    #[must_use]
    pub fn new(code: Code, detail: &str, context: impl Into<String>) -> Self {
        Self {
            problem: Problem::new(code, detail),
            context: Some(context.into()),
        }
    }

    #[must_use]
    pub fn internal(context: impl Into<String>) -> Self {
        Self::new(
            Code::Internal,
            "Something went wrong on our side. Try again; if it stays, tell us when it happened.",
            context,
        )
    }

    #[must_use]
    pub fn misconfigured(context: impl Into<String>) -> Self {
        Self::new(
            Code::Misconfigured,
            "The service is not fully configured. Its operator finds in the log what is missing.",
            context,
        )
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self {
            problem,
            context: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_names_field_and_status() {
        let json: serde_json::Value =
            serde_json::from_str(&Problem::field("asset", "a base58 address").document()).unwrap();
        assert_eq!(json["status"], 400);
        assert_eq!(json["code"], "invalid_field");
        assert_eq!(json["field"], "asset");
        assert_eq!(json["detail"], "`asset` must be a base58 address.");
    }

    #[test]
    fn a_value_that_breaks_a_rule_is_422_and_names_the_rule() {
        let json: serde_json::Value =
            serde_json::from_str(&Problem::value("value", "not be empty").document()).unwrap();
        assert_eq!(json["status"], 422);
        assert_eq!(json["code"], "invalid_value");
        assert_eq!(json["field"], "value");
        assert_eq!(json["detail"], "`value` must not be empty.");
    }

    #[test]
    fn codes_serialise_as_their_text() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
