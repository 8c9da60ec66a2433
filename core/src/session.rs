//! Sessions as the browser holds them: an HS256 JWT in a host-only cookie (C05, RFC 7519, RFC 6265bis).
//!
//! A token opens one agent on one origin: its subject is the asset, its audience says app or agent origin. That the
//! session still lives is the Durable Object's to say.

use chrono::{DateTime, Duration, Utc};
use hkdf::Hkdf;
use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{AlgorithmExt, Claims, Header, TimeOptions, UntrustedToken};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::encoding::hex;
use crate::ids::{Asset, SessionId, Wallet};
use crate::secret::Secret;
use crate::time::{CLOCK_SKEW, Seconds, Timestamp};

/// Seven days.
pub const LIFETIME: Seconds = Seconds::new(7 * 24 * 60 * 60);
const MIN_KEY_LENGTH: usize = 32;
/// Longer than any token of ours; what is longer is not looked at.
const MAX_TOKEN_LENGTH: usize = 1024;

/// What a token is for: one of the origins, or one of the doors that an agent has a pass to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    App,
    Agent,
    /// A pass of an agent (`keyless`): no person's, so never in a cookie, and without an end of its own.
    Models,
    /// Another one, to propose what its wallet may do (`proposal`), and nothing else.
    Proposals,
}

/// What an agent has a pass to. Each opens its own door alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassTo {
    Models,
    Proposals,
}

impl PassTo {
    const fn audience(self) -> Audience {
        match self {
            Self::Models => Audience::Models,
            Self::Proposals => Audience::Proposals,
        }
    }
}

impl Audience {
    pub(crate) const ALL: [Self; 4] = [Self::App, Self::Agent, Self::Models, Self::Proposals];

    /// The `__Host-` prefix makes browsers insist on `Secure`, no `Domain` and `Path=/`. A pass has no cookie: that name is
    /// only nobody else's.
    #[must_use]
    pub const fn cookie_name(self) -> &'static str {
        match self {
            Self::App => "__Host-molt_session",
            Self::Agent => "__Host-molt_agent",
            Self::Models => "__Host-molt_models",
            Self::Proposals => "__Host-molt_proposals",
        }
    }

    /// The agent's is `Lax` so that a link to the agent opens it; its requests change nothing without our checks.
    const fn same_site(self) -> &'static str {
        match self {
            Self::App | Self::Models | Self::Proposals => "Strict",
            Self::Agent => "Lax",
        }
    }
}

/// `iss` of every token. Those made before there was one have none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Issuer {
    #[default]
    #[serde(rename = "multiclaw-edge")]
    Us,
}

/// Bytes of a key's name: enough to tell two keys apart.
const KEY_NAME_LENGTH: usize = 4;

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    #[serde(rename = "iss", default)]
    pub issuer: Issuer,
    /// `sub`: the agent that the session opens.
    #[serde(rename = "sub")]
    pub asset: Asset,
    /// `aud`.
    #[serde(rename = "aud")]
    pub audience: Audience,
    /// `jti`: the row in the domain's object; of a pass, the start of the agent that it is of.
    #[serde(rename = "jti", alias = "sid")]
    pub id: SessionId,
    /// The wallet that signed in; of a pass, the owner that the agent was started for.
    #[serde(alias = "wal")]
    pub wallet: Wallet,
    /// The tenant's number in the domain's line of owners; of older tokens it is not known.
    #[serde(default)]
    pub epoch: Option<u32>,
}

/// The start of an agent that a pass is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    pub asset: Asset,
    /// For whom the agent was started.
    pub owner: Wallet,
    /// The tenant's number in the domain's line of owners.
    pub tenure: u32,
    pub pass: SessionId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    #[error("a JWT key must have at least 32 bytes")]
    Key,
    #[error("the token is not one of ours, or it is damaged")]
    Invalid,
    #[error("the token has expired")]
    Expired,
}

/// The signing key and, during a rotation, the one before, which only verifies.
pub struct SessionKeys {
    current: NamedKey,
    previous: Option<NamedKey>,
}

/// A key with its `kid`, which follows from the key and tells nothing of it.
struct NamedKey {
    name: String,
    key: Hs256Key,
}

impl NamedKey {
    /// At least the hash's length (RFC 7518 section 3.2).
    fn new(secret: &Secret) -> Result<Self, SessionError> {
        let bytes = secret.expose().as_bytes();
        if bytes.len() < MIN_KEY_LENGTH {
            return Err(SessionError::Key);
        }
        let mut name = [0; KEY_NAME_LENGTH];
        Hkdf::<Sha256>::new(None, bytes)
            .expand(b"molt session key name", &mut name)
            .map_err(|_| SessionError::Key)?;
        Ok(Self {
            name: hex(&name),
            key: Hs256Key::new(bytes),
        })
    }
}

fn clock(now: Timestamp) -> Result<DateTime<Utc>, SessionError> {
    DateTime::from_timestamp_millis(now.as_millis()).ok_or(SessionError::Invalid)
}

impl SessionKeys {
    /// # Errors
    /// [`SessionError::Key`] when a key has fewer than 32 bytes.
    pub fn new(current: &Secret, previous: Option<&Secret>) -> Result<Self, SessionError> {
        Ok(Self {
            current: NamedKey::new(current)?,
            previous: previous.map(NamedKey::new).transpose()?,
        })
    }

    /// A token for `session` that ends at `expires_at`.
    ///
    /// # Errors
    /// [`SessionError::Invalid`] when a time is out of the calendar's range.
    pub fn issue(
        &self,
        session: Session,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<String, SessionError> {
        let mut claims = Claims::new(session);
        claims.issued_at = Some(clock(now)?);
        // The object's clock may be ahead of this one: a token that outlives what `verify` takes would be no token.
        claims.expiration = Some(clock(expires_at.min(now.saturating_add(LIFETIME)))?);
        self.sign(&claims)
    }

    /// A pass: it ends with its start, of which the object knows, and at no time of its own.
    ///
    /// # Errors
    /// [`SessionError::Invalid`] when it can't be signed.
    pub fn issue_pass(&self, to: PassTo, start: &Start) -> Result<String, SessionError> {
        self.sign(&Claims::new(Session {
            issuer: Issuer::Us,
            asset: start.asset,
            audience: to.audience(),
            id: start.pass,
            wallet: start.owner,
            epoch: Some(start.tenure),
        }))
    }

    fn sign(&self, claims: &Claims<Session>) -> Result<String, SessionError> {
        let header = Header::empty()
            .with_token_type("JWT")
            .with_key_id(&self.current.name);
        Hs256
            .token(&header, claims, &self.current.key)
            .map_err(|_| SessionError::Invalid)
    }

    /// Checks a token's signature, times and audience; tells the session and its end.
    ///
    /// # Errors
    /// [`SessionError`] saying only whether it expired or is no token of ours.
    pub fn verify(
        &self,
        audience: Audience,
        token: &str,
        now: Timestamp,
    ) -> Result<(Session, Timestamp), SessionError> {
        let claims = self.claims(audience, token)?;
        let moment = clock(now)?;
        let options = TimeOptions::new(Duration::zero(), move || moment);
        let (Some(issued), Some(expires)) = (claims.issued_at, claims.expiration) else {
            return Err(SessionError::Invalid);
        };
        let lifetime = expires.signed_duration_since(issued);
        // None of ours has a `nbf`; a token that has one says by it that it is no token yet (RFC 7519 section 4.1.5).
        if issued > clock(now.saturating_add(CLOCK_SKEW))?
            || claims.not_before.is_some_and(|begins| begins > moment)
            || lifetime > Duration::seconds(i64::from(LIFETIME.get()))
        {
            return Err(SessionError::Invalid);
        }
        claims
            .validate_expiration(&options)
            .map_err(|_| SessionError::Expired)?;
        Ok((
            claims.custom,
            Timestamp::from_millis(expires.timestamp_millis()),
        ))
    }

    /// Checks a pass's signature. That its agent still is the one that was started with it is the object's to say.
    ///
    /// # Errors
    /// [`SessionError::Invalid`].
    pub fn verify_pass(&self, to: PassTo, token: &str) -> Result<Start, SessionError> {
        let session = self.claims(to.audience(), token)?.custom;
        Ok(Start {
            asset: session.asset,
            owner: session.wallet,
            tenure: session.epoch.ok_or(SessionError::Invalid)?,
            pass: session.id,
        })
    }

    /// What a token says that a key of ours signed, for this audience.
    fn claims(&self, audience: Audience, token: &str) -> Result<Claims<Session>, SessionError> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(SessionError::Invalid);
        }
        let untrusted = UntrustedToken::new(token).map_err(|_| SessionError::Invalid)?;
        let named = untrusted.header().key_id.as_deref();
        // A token of before keys had names fits any of them by its signature alone.
        let mut keys = core::iter::once(&self.current)
            .chain(&self.previous)
            .filter(|key| named.is_none_or(|name| name == key.name));
        let claims = keys
            .find_map(|NamedKey { key, .. }| {
                Hs256.validator::<Session>(key).validate(&untrusted).ok()
            })
            .map(|token| token.claims().clone())
            .ok_or(SessionError::Invalid)?;
        if claims.custom.audience == audience {
            Ok(claims)
        } else {
            Err(SessionError::Invalid)
        }
    }
}

/// `Set-Cookie` value that hands a token to the browser until `expires_at`.
#[must_use]
pub fn set_cookie(
    audience: Audience,
    token: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> String {
    let age = expires_at.as_secs().saturating_sub(now.as_secs()).max(0);
    cookie(audience, token, age)
}

/// `Set-Cookie` value that takes it back.
#[must_use]
pub fn clear_cookie(audience: Audience) -> String {
    cookie(audience, "", 0)
}

fn cookie(audience: Audience, value: &str, max_age: i64) -> String {
    let (name, same_site) = (audience.cookie_name(), audience.same_site());
    format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; Secure; SameSite={same_site}")
}

/// The cookies of a `Cookie` header. Taken away around them is only what browsers do not keep in a name: with other white space,
/// which they do keep, a sibling host's page sets a name past the rules for `__Host-` that would read as ours.
fn pairs(header: &str) -> impl Iterator<Item = &str> {
    header.split(';').map(|pair| pair.trim_matches([' ', '\t']))
}

/// The token in a `Cookie` header. Two cookies of the name are refused: one of them is not ours.
#[must_use]
pub fn token_from_cookies(audience: Audience, header: &str) -> Option<&str> {
    let name = audience.cookie_name();
    let mut tokens = pairs(header)
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    let token = tokens.next()?;
    tokens.next().is_none().then_some(token)
}

/// A `Cookie` header without our cookies, for the agent behind the proxy; `None` when nothing remains.
#[must_use]
pub fn without_our_cookies(header: &str) -> Option<String> {
    let ours = Audience::ALL.map(Audience::cookie_name);
    let rest: Vec<&str> = pairs(header)
        .filter(|pair| !pair.is_empty())
        .filter(|pair| {
            // More is taken away than would be taken for ours: what reads as ours to anyone stays here.
            let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
            !ours.contains(&name.trim())
        })
        .collect();
    (!rest.is_empty()).then(|| rest.join("; "))
}

#[cfg(test)]
mod tests;
