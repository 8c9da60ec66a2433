//! KV `CHALLENGES`: challenges that wait for their signature. KV has no compare-and-set and may serve what was deleted:
//! that a nonce works once is the Durable Object's to see to (C02).

use multiclaw_agent_object::port::{Outcome, log, storage_failure};
use multiclaw_core::challenge::{Challenge, TTL};
use multiclaw_core::error::Failure;
use multiclaw_core::ids::Nonce;
use multiclaw_core::tenancy::challenge_key;
use worker::Env;
use worker::kv::KvStore;

pub struct Challenges(KvStore);

impl Challenges {
    pub fn of(env: &Env) -> Outcome<Self> {
        env.kv("CHALLENGES")
            .map(Self)
            .map_err(|error| Failure::misconfigured(format!("KV binding CHALLENGES: {error}")))
    }

    pub async fn put(&self, challenge: &Challenge) -> Outcome<()> {
        let text = serde_json::to_string(challenge)
            .map_err(|error| Failure::internal(format!("challenge: {error}")))?;
        let failed = |error| storage_failure(format!("KV put: {error}"));
        let put = self
            .0
            .put(&challenge_key(&challenge.nonce()), text)
            .map_err(failed)?;
        put.expiration_ttl(u64::from(TTL.get()))
            .execute()
            .await
            .map_err(failed)
    }

    /// The challenge, or `None`; so too for one of another version that this one can't read: its caller asks for another.
    pub async fn get(&self, nonce: &Nonce) -> Outcome<Option<Challenge>> {
        let text = self
            .0
            .get(&challenge_key(nonce))
            .text()
            .await
            .map_err(|error| storage_failure(format!("KV get: {error}")))?;
        let read = text.map(|text| serde_json::from_str(&text)).transpose();
        Ok(read.unwrap_or_else(|error| {
            log(&Failure::internal(format!("stored challenge: {error}")));
            None
        }))
    }

    /// Deletes it. That it may still be served for a while is known; see above.
    pub async fn delete(&self, nonce: &Nonce) {
        if let Err(error) = self.0.delete(&challenge_key(nonce)).await {
            log(&storage_failure(format!("KV delete: {error}")));
        }
    }
}
