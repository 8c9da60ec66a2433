//! What Discord sends (docs.discord.com/developers/interactions): whether it was Discord that sent it, and what of it is for
//! the agent. The signature is checked before anything of the body is read.

use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::{Value, json};

use crate::channel::{People, PersonId};
use crate::edge::{Told, fresh_moment, pause_of};
use crate::encoding::from_hex;
use crate::text::plain;
use crate::time::{Seconds, Timestamp};

pub const SIGNATURE_HEADER: &str = "x-signature-ed25519";
pub const TIMESTAMP_HEADER: &str = "x-signature-timestamp";
/// The command that everybody uses, and its one option.
pub const COMMAND: &str = "ask";
const OPTION: &str = "text";
/// For so long an interaction can be answered; Discord's own bound is 15 minutes from its making.
pub const ANSWERED_WITHIN: Seconds = Seconds::new(14 * 60 + 30);
const MAX_NUMBER: usize = 20;
const MAX_TOKEN: usize = 512;
const MAX_NAME: usize = 60;

/// What Discord says of a request in its headers, in the form that it has, and of this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    at: String,
    signature: [u8; 64],
}

impl Stamp {
    /// `None` for another form, and for a request that is too old: which could be one that somebody has seen and sends again.
    #[must_use]
    pub fn parse(timestamp: &str, signature: &str, now: Timestamp) -> Option<Self> {
        let at = fresh_moment(timestamp, now)?.to_string();
        let signature = from_hex(signature)?;
        Some(Self { at, signature })
    }

    /// Whether the body was signed with the key that belongs to this one. Strictly: no key of small order, no second
    /// signature made of a first.
    #[must_use]
    pub fn proves(&self, key: &PublicKey, body: &str) -> bool {
        let message = format!("{}{body}", self.at);
        let signature = Signature::from_bytes(&self.signature);
        key.0.verify_strict(message.as_bytes(), &signature).is_ok()
    }
}

/// An application's public key, which is no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Of 64 hexadecimal digits in lower case; `None` also for a point that is no key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let key = VerifyingKey::from_bytes(&from_hex(text)?).ok()?;
        (!key.is_weak()).then_some(Self(key))
    }
}

/// Discord's numbers: of applications, people and all else.
#[must_use]
pub fn is_number(text: &str) -> bool {
    text.len() <= MAX_NUMBER && People::Discord.parse(text).is_some()
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Interaction {
    /// Discord asks whether the address is one.
    Ping,
    Asked(Asked),
    /// Nothing that this application offers.
    Other,
}

/// Somebody asked the agent something.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    pub id: String,
    pub person: PersonId,
    /// What they call themselves.
    pub name: String,
    /// What lets an answer through, for a quarter of an hour.
    pub token: String,
    /// To the bot alone, rather than where others read it.
    pub is_direct: bool,
    pub conversation: String,
    /// When it was asked, in milliseconds of Discord's own.
    pub rank: i64,
    pub text: String,
}

/// Reads a body that Discord has signed, for this application; `None` when it is no interaction.
#[must_use]
pub fn read(body: &str, application: &str) -> Option<Interaction> {
    let body: Value = serde_json::from_str(body).ok()?;
    match body.get("type")?.as_u64()? {
        1 => Some(Interaction::Ping),
        2 => {
            let text = |name: &str| body.get(name)?.as_str();
            let of = text("application_id").filter(|id| is_number(id))?;
            let id = text("id").filter(|id| is_number(id))?;
            let token = text("token").filter(|token| is_token(token))?;
            let asked = (of == application).then(|| asked(&body, id, token));
            Some(
                asked
                    .flatten()
                    .map_or(Interaction::Other, Interaction::Asked),
            )
        }
        _ => Some(Interaction::Other),
    }
}

fn asked(body: &Value, id: &str, token: &str) -> Option<Asked> {
    let data = body.get("data")?;
    let name_of = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
    if name_of(data).as_deref() != Some(COMMAND) {
        return None;
    }
    let options = data.get("options")?.as_array()?;
    let option = options
        .iter()
        .find(|it| name_of(it).as_deref() == Some(OPTION))?;
    let words = option.get("value")?.as_str()?.trim();
    // In a guild it is a member, elsewhere a user.
    let user = body.pointer("/member/user").or_else(|| body.get("user"))?;
    let person = People::Discord.parse(user.get("id")?.as_str()?)?;
    let is_bot = user.get("bot").and_then(Value::as_bool) == Some(true);
    let channel = body
        .get("channel_id")?
        .as_str()
        .filter(|id| is_number(id))?;
    let is_direct = body.get("guild_id").is_none_or(Value::is_null);
    let called = ["global_name", "username"]
        .into_iter()
        .find_map(|name| user.get(name)?.as_str());
    (!words.is_empty() && !is_bot).then(|| Asked {
        id: id.to_owned(),
        name: plain(called.unwrap_or_default(), MAX_NAME),
        token: token.to_owned(),
        is_direct,
        // Each person has their own: nobody reads along what another was answered, unless it is asked where they are.
        conversation: format!("discord-{channel}-{}", person.as_str()),
        person,
        rank: rank_of(id),
        text: words.to_owned(),
    })
}

/// Discord's numbers begin with the time of their making.
fn rank_of(id: &str) -> i64 {
    let number: u64 = id.parse().unwrap_or_default();
    i64::try_from(number >> 22).unwrap_or_default()
}

/// It goes into the path of a URL.
fn is_token(text: &str) -> bool {
    (1..=MAX_TOKEN).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// The commands that an application offers.
#[must_use]
pub fn commands() -> Value {
    json!([{
        "name": COMMAND,
        "type": 1,
        "description": "Ask the agent",
        "options": [{
            "name": OPTION,
            "type": 3,
            "description": "What you want to say",
            "required": true,
            "max_length": 6000,
        }],
    }])
}

/// What an interaction is answered with at once.
#[must_use]
pub fn pong() -> Value {
    json!({ "type": 1 })
}

/// "The agent thinks": the answer follows.
#[must_use]
pub fn deferred() -> Value {
    json!({ "type": 5 })
}

/// A word to whoever asked, and to nobody else.
#[must_use]
pub fn whispered(text: &str) -> Value {
    json!({ "type": 4, "data": { "content": text, "flags": 64, "allowed_mentions": { "parse": [] } } })
}

/// A message with an answer, which calls nobody.
#[must_use]
pub fn message(text: &str) -> Value {
    json!({ "content": text, "allowed_mentions": { "parse": [] } })
}

/// What Discord makes of a call of its API.
#[must_use]
pub fn told(status: u16, retry_after: Option<&str>, body: &str) -> Told {
    let said: Option<Value> = serde_json::from_str(body).ok();
    match status {
        200..=299 => Told::Done(said.unwrap_or_default()),
        429 => {
            let pause = retry_after.and_then(|text| text.trim().split('.').next()?.parse().ok());
            Told::Later(pause_of(pause))
        }
        // What is before it says so of what it did not pass on, and says as much of what it did.
        400..=499 => Told::Refused(status.to_string()),
        _ => Told::Unknown,
    }
}

#[cfg(test)]
mod tests;
