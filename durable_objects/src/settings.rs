//! The environment's variables, secrets and bindings, as this object needs them. Each reader names what is missing.

use core::time::Duration;

use multiclaw_core::config::{Chain, Hosts, number, seconds};
use multiclaw_core::egress::EgressPolicy;
use multiclaw_core::error::Failure;
use multiclaw_core::lifecycle::Policy;
use multiclaw_core::ownership::OwnershipPolicy;
use multiclaw_core::sealing::{SealingKey, SealingKeys};
use multiclaw_core::secret::Secret;
use multiclaw_core::secrets::SecretKind;
use multiclaw_core::session::SessionKeys;
use multiclaw_core::time::Seconds;
use multiclaw_core::usage::{Amount, Budget};
use multiclaw_core::webhook::HookSecret;
use worker::{Bucket, Env};

use crate::port::{Outcome, learn, learn_url};

/// A variable's text; `None` when it is not set.
#[must_use]
pub fn var(env: &Env, name: &str) -> Option<String> {
    env.var(name).ok().map(|value| value.to_string())
}

/// A Workers Secret; `None` when it is not set or empty.
#[must_use]
pub fn secret(env: &Env, name: &str) -> Option<Secret> {
    let secret = env
        .secret(name)
        .ok()
        .map(|value| Secret::new(value.to_string()))
        .filter(|value| !value.is_empty());
    secret.as_ref().inspect(|secret| learn(secret));
    secret
}

/// # Errors
/// See [`Hosts::from_vars`].
pub fn hosts(env: &Env) -> Outcome<Hosts> {
    Hosts::from_vars(&|name| var(env, name))
}

/// `EGRESS_ALLOW`: where containers may connect to beyond the public internet.
pub(crate) fn egress(env: &Env) -> Outcome<EgressPolicy> {
    EgressPolicy::from_vars(&|name| var(env, name), &hosts(env)?)
}

/// # Errors
/// See [`Chain::from_vars`].
pub fn chain(env: &Env) -> Outcome<Chain> {
    let chain = Chain::from_vars(&|name| var(env, name))?;
    chain.rpc_urls.iter().for_each(learn_url);
    Ok(chain)
}

/// `JWT_SECRET` and, during a rotation, `JWT_SECRET_PREVIOUS`.
///
/// # Errors
/// When the first is not set, or one is too short.
pub fn session_keys(env: &Env) -> Outcome<SessionKeys> {
    let current = secret(env, "JWT_SECRET")
        .ok_or_else(|| Failure::misconfigured("secret JWT_SECRET is not set"))?;
    let previous = secret(env, "JWT_SECRET_PREVIOUS");
    SessionKeys::new(&current, previous.as_ref()).map_err(|error| {
        Failure::misconfigured(format!("secret JWT_SECRET or JWT_SECRET_PREVIOUS: {error}"))
    })
}

/// `SOLANA_WEBHOOK_SECRET`; without it no notice is taken.
///
/// # Errors
/// When it is too short.
pub fn hook_secret(env: &Env) -> Outcome<Option<HookSecret>> {
    let secret = secret(env, "SOLANA_WEBHOOK_SECRET");
    secret
        .map(HookSecret::new)
        .transpose()
        .map_err(|error| Failure::misconfigured(format!("secret SOLANA_WEBHOOK_SECRET: {error}")))
}

pub(crate) fn ownership(env: &Env) -> Outcome<OwnershipPolicy> {
    let vars = |name: &str| var(env, name);
    Ok(OwnershipPolicy {
        max_age: seconds(&vars, "OWNERSHIP_MAX_AGE", 10, 0..=300)?,
        grace: seconds(&vars, "OWNERSHIP_GRACE", 60, 0..=3600)?,
    })
}

pub(crate) fn policy(env: &Env) -> Outcome<Policy> {
    let vars = |name: &str| var(env, name);
    Ok(Policy {
        idle_timeout: seconds(&vars, "IDLE_TIMEOUT", 600, 5..=86_400)?,
        snapshot_period: seconds(&vars, "SNAPSHOT_PERIOD", 300, 1..=86_400)?,
    })
}

/// `ANSWER_TIMEOUT`: how long a request waits until the agent begins to answer.
///
/// # Errors
/// When it is malformed.
pub fn answer_timeout(env: &Env) -> Outcome<Duration> {
    let vars = |name: &str| var(env, name);
    seconds(&vars, "ANSWER_TIMEOUT", 300, 1..=300).map(Seconds::as_duration)
}

/// `REQUESTS_PER_SECOND`: how many of one domain are served, to its agent and to the API each.
pub(crate) fn requests_per_second(env: &Env) -> Outcome<u32> {
    number(
        &|name| var(env, name),
        "REQUESTS_PER_SECOND",
        20,
        1..=10_000,
    )
}

pub(crate) fn snapshots_kept(env: &Env) -> Outcome<usize> {
    number(&|name| var(env, name), "SNAPSHOT_KEEP", 10, 1..=1000)
        .map(|count| usize::try_from(count).unwrap_or(usize::MAX))
}

/// `SEALING_KEY` and, during a rotation, `SEALING_KEY_PREVIOUS`.
///
/// # Errors
/// When the first is not set, or one is no key.
pub fn sealing_keys(env: &Env) -> Outcome<SealingKeys> {
    let key = |name: &str| {
        secret(env, name)
            .map(|secret| SealingKey::parse(&secret))
            .transpose()
            .map_err(|error| Failure::misconfigured(format!("secret {name}: {error}")))
    };
    let current = key("SEALING_KEY")?
        .ok_or_else(|| Failure::misconfigured("secret SEALING_KEY is not set"))?;
    Ok(SealingKeys::new(current, key("SEALING_KEY_PREVIOUS")?))
}

/// How often an object goes through what it holds sealed.
pub(crate) fn sweep_period(env: &Env) -> Outcome<Seconds> {
    seconds(
        &|name| var(env, name),
        "SWEEP_PERIOD",
        86_400,
        1..=2_592_000,
    )
}

pub(crate) fn platform_value(env: &Env, kind: &SecretKind) -> Option<Secret> {
    kind.platform.and_then(|name| secret(env, name))
}

pub(crate) fn base_url(env: &Env, kind: &SecretKind) -> Option<String> {
    let name = kind.models()?.base_url;
    var(env, name).filter(|url| !url.is_empty())
}

/// `PLATFORM_DAILY_REQUESTS` and `PLATFORM_DAILY_TOKENS`: what the platform's keys give one domain in a day.
pub(crate) fn budget(env: &Env) -> Outcome<Budget> {
    let vars = |name: &str| var(env, name);
    let limit = |name: &str, default| number(&vars, name, default, 0..=1_000_000_000);
    Ok(Budget {
        daily: Amount {
            requests: limit("PLATFORM_DAILY_REQUESTS", 500)?.into(),
            tokens: limit("PLATFORM_DAILY_TOKENS", 2_000_000)?.into(),
        },
    })
}

pub(crate) fn bucket(env: &Env) -> Outcome<Bucket> {
    env.bucket("SNAPSHOTS")
        .map_err(|error| Failure::misconfigured(format!("R2 binding SNAPSHOTS: {error}")))
}
