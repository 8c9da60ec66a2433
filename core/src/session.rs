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

/// What a token is for: one of the origins, or models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    App,
    Agent,
    /// The pass of an agent (`keyless`): no person's, so never in a cookie, and without an end of its own.
    Models,
}

impl Audience {
    pub(crate) const ALL: [Self; 3] = [Self::App, Self::Agent, Self::Models];

    /// The `__Host-` prefix makes browsers insist on `Secure`, no `Domain` and `Path=/`. A pass has no cookie: that name is
    /// only nobody else's.
    #[must_use]
    pub const fn cookie_name(self) -> &'static str {
        match self {
            Self::App => "__Host-molt_session",
            Self::Agent => "__Host-molt_agent",
            Self::Models => "__Host-molt_models",
        }
    }

    /// The agent's is `Lax` so that a link to the agent opens it; its requests change nothing without our checks.
    const fn same_site(self) -> &'static str {
        match self {
            Self::App | Self::Models => "Strict",
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

    /// A pass: it ends with the start that `pass.id` names, which the object knows, and at no time of its own.
    ///
    /// # Errors
    /// [`SessionError::Invalid`] when it can't be signed.
    pub fn issue_pass(&self, pass: Session) -> Result<String, SessionError> {
        self.sign(&Claims::new(Session {
            audience: Audience::Models,
            ..pass
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
        if issued > clock(now.saturating_add(CLOCK_SKEW))?
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
    pub fn verify_pass(&self, token: &str) -> Result<Session, SessionError> {
        Ok(self.claims(Audience::Models, token)?.custom)
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

/// The token in a `Cookie` header. Two cookies of the name are refused: one of them is not ours.
#[must_use]
pub fn token_from_cookies(audience: Audience, header: &str) -> Option<&str> {
    let name = audience.cookie_name();
    let mut tokens = header
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    let token = tokens.next()?;
    tokens.next().is_none().then_some(token)
}

/// A `Cookie` header without our cookies, for the agent behind the proxy; `None` when nothing remains.
#[must_use]
pub fn without_our_cookies(header: &str) -> Option<String> {
    let ours = Audience::ALL.map(Audience::cookie_name);
    let rest: Vec<&str> = header
        .split(';')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .filter(|pair| !ours.contains(&pair.split_once('=').map_or(*pair, |(name, _)| name.trim())))
        .collect();
    (!rest.is_empty()).then(|| rest.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME_SECONDS: i64 = LIFETIME.get() as i64;

    const NOW: Timestamp = Timestamp::from_millis(1_768_478_460_000);

    fn keys(current: &str, previous: Option<&str>) -> SessionKeys {
        let secret = |text: &str| Secret::new(text.to_owned());
        SessionKeys::new(&secret(current), previous.map(secret).as_ref()).unwrap()
    }

    fn session(audience: Audience) -> Session {
        Session {
            issuer: Issuer::Us,
            asset: Asset::from_bytes([1; 32]),
            audience,
            id: SessionId::from_random([2; 16]),
            wallet: Wallet::from_bytes([3; 32]),
            epoch: Some(4),
        }
    }

    fn after(seconds: i64) -> Timestamp {
        Timestamp::from_secs(NOW.as_secs().saturating_add(seconds))
    }

    const A: &str = "0123456789abcdef0123456789abcdef";
    const B: &str = "fedcba9876543210fedcba9876543210";

    #[test]
    fn c05_a_token_lives_seven_days() {
        assert_eq!(LIFETIME_SECONDS, 604_800);
        let token = keys(A, None)
            .issue(session(Audience::App), NOW, after(LIFETIME_SECONDS))
            .unwrap();
        let verify = |at| keys(A, None).verify(Audience::App, &token, at);
        assert_eq!(
            verify(NOW).unwrap(),
            (session(Audience::App), after(LIFETIME_SECONDS))
        );
        assert!(verify(after(LIFETIME_SECONDS - 1)).is_ok());
        assert_eq!(
            verify(after(LIFETIME_SECONDS + 1)),
            Err(SessionError::Expired)
        );
        assert!(verify(after(-5)).is_ok(), "clocks differ");
        assert_eq!(verify(after(-6)), Err(SessionError::Invalid));
    }

    #[test]
    fn c05_the_previous_key_verifies_and_a_stranger_key_does_not() {
        let token = keys(A, None)
            .issue(session(Audience::App), NOW, after(60))
            .unwrap();
        assert!(keys(B, Some(A)).verify(Audience::App, &token, NOW).is_ok());
        assert_eq!(
            keys(B, None).verify(Audience::App, &token, NOW),
            Err(SessionError::Invalid)
        );
    }

    #[test]
    fn c05_a_token_names_its_key_and_its_issuer() {
        let made = |name: &str, key: &Hs256Key| {
            let mut claims = Claims::new(session(Audience::App));
            claims.issued_at = Some(clock(NOW).unwrap());
            claims.expiration = Some(clock(after(60)).unwrap());
            let header = Header::empty().with_key_id(name);
            Hs256.token(&header, &claims, key).unwrap()
        };
        let both = keys(A, Some(B));
        let [current, previous] = [&both.current, both.previous.as_ref().unwrap()];
        assert_ne!(current.name, previous.name);
        let verify = |token: &str| both.verify(Audience::App, token, NOW).is_ok();
        assert!(verify(&made(&current.name, &current.key)));
        assert!(verify(&made(&previous.name, &previous.key)));
        assert!(!verify(&made("00000000", &current.key)));
        assert!(!verify(&made(&current.name, &previous.key)));
        let token: serde_json::Value = serde_json::to_value(session(Audience::App)).unwrap();
        assert_eq!(token["iss"], "multiclaw-edge");
    }

    #[test]
    fn c05_a_short_key_is_refused() {
        assert!(SessionKeys::new(&Secret::new("short".to_owned()), None).is_err());
        assert!(SessionKeys::new(&Secret::new(String::new()), None).is_err());
        assert!(SessionKeys::new(&Secret::new("x".repeat(31)), None).is_err());
        assert!(SessionKeys::new(&Secret::new("x".repeat(32)), None).is_ok());
        assert!(
            SessionKeys::new(
                &Secret::new(A.to_owned()),
                Some(&Secret::new("x".to_owned()))
            )
            .is_err()
        );
    }

    #[test]
    fn c06_a_token_opens_only_its_audience() {
        let token = keys(A, None)
            .issue(session(Audience::Agent), NOW, after(60))
            .unwrap();
        assert_eq!(
            keys(A, None).verify(Audience::App, &token, NOW),
            Err(SessionError::Invalid)
        );
    }

    #[test]
    fn c06_a_pass_opens_models_alone_and_has_no_end_of_its_own() {
        let pass = keys(A, None).issue_pass(session(Audience::App)).unwrap();
        let opened = keys(B, Some(A)).verify_pass(&pass).unwrap();
        assert_eq!(opened, session(Audience::Models));
        assert!(keys(B, None).verify_pass(&pass).is_err());
        for audience in Audience::ALL {
            assert!(keys(A, None).verify(audience, &pass, NOW).is_err());
        }
        for audience in [Audience::App, Audience::Agent] {
            let token = keys(A, None).issue(session(audience), NOW, after(60));
            assert!(keys(A, None).verify_pass(&token.unwrap()).is_err());
        }
    }

    #[test]
    fn tokens_that_were_changed_or_made_otherwise_are_refused() {
        let token = keys(A, None)
            .issue(session(Audience::App), NOW, after(60))
            .unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let none_header = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
        let hs512_header = "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9";
        let bad = [
            String::new(),
            "a.b.c".to_owned(),
            format!("{none_header}.{}.", parts[1]),
            format!("{none_header}.{}.{}", parts[1], parts[2]),
            format!("{hs512_header}.{}.{}", parts[1], parts[2]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{token}A"),
            token.chars().take(token.len().saturating_sub(2)).collect(),
            "x".repeat(5000),
        ];
        for text in bad {
            assert_eq!(
                keys(A, None).verify(Audience::App, &text, NOW),
                Err(SessionError::Invalid),
                "{text}"
            );
        }
        let mut claims = Claims::new(session(Audience::App));
        claims.issued_at = Some(clock(NOW).unwrap());
        claims.expiration = Some(clock(after(LIFETIME_SECONDS * 2)).unwrap());
        let header = Header::empty().with_token_type("JWT");
        let endless = Hs256.token(&header, &claims, &keys(A, None).current.key);
        assert_eq!(
            keys(A, None).verify(Audience::App, &endless.unwrap(), NOW),
            Err(SessionError::Invalid)
        );
    }

    #[test]
    fn a_token_longer_than_any_of_ours_is_not_looked_at() {
        let keys = keys(A, None);
        let mut claims = Claims::new(session(Audience::App));
        claims.issued_at = Some(clock(NOW).unwrap());
        claims.expiration = Some(clock(after(60)).unwrap());
        let mut lengths = Vec::new();
        for padding in 300..700 {
            let header = Header::empty().with_token_type("x".repeat(padding));
            let token = Hs256.token(&header, &claims, &keys.current.key).unwrap();
            let opened = keys.verify(Audience::App, &token, NOW).is_ok();
            assert_eq!(opened, token.len() <= MAX_TOKEN_LENGTH, "{}", token.len());
            lengths.push(token.len());
        }
        assert!(lengths.contains(&MAX_TOKEN_LENGTH) && lengths.last() > Some(&MAX_TOKEN_LENGTH));
    }

    #[test]
    fn c05_a_session_of_a_clock_that_is_ahead_ends_seven_days_from_now() {
        let token = keys(A, None)
            .issue(session(Audience::App), NOW, after(LIFETIME_SECONDS + 5))
            .unwrap();
        let (_, ends_at) = keys(A, None).verify(Audience::App, &token, NOW).unwrap();
        assert_eq!(ends_at, after(LIFETIME_SECONDS));
    }

    #[test]
    fn cookies_are_host_only_and_read_back() {
        let set = set_cookie(Audience::App, "tok", NOW, after(60));
        assert_eq!(
            set,
            "__Host-molt_session=tok; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Strict"
        );
        assert!(!set.contains("Domain"));
        assert_eq!(
            clear_cookie(Audience::Agent),
            "__Host-molt_agent=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
        );
        let name = Audience::App.cookie_name();
        assert_eq!(
            token_from_cookies(Audience::App, &format!("a=b; {name}=tok; c=d")),
            Some("tok")
        );
        assert_eq!(
            token_from_cookies(Audience::App, &format!("x{name}=tok")),
            None
        );
        assert_eq!(
            token_from_cookies(Audience::App, &format!("{name}=one; {name}=two")),
            None
        );
        assert_eq!(
            token_from_cookies(Audience::Agent, &format!("{name}=tok")),
            None
        );
    }

    #[test]
    fn c17_our_cookies_do_not_reach_the_agent() {
        let header = "a=b; __Host-molt_agent=t; __Host-molt_session=s; c=d";
        assert_eq!(without_our_cookies(header).as_deref(), Some("a=b; c=d"));
        for ours in [
            "__Host-molt_agent=t",
            "__Host-molt_session =s",
            " __Host-molt_agent ",
        ] {
            assert_eq!(without_our_cookies(ours), None, "{ours}");
        }
    }
}
