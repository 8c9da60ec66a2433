//! What an owner sets of a channel, and what they see of it. Telegram's ends in the agent; those that end here have more
//! of their own (`edge`).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::edge::is_id;
use crate::error::Problem;
use crate::hook::BotId;
use crate::renewal::Effect;
use crate::strangers::{Hearing, Strangers, sender};
use crate::time::Timestamp;

/// Telegram's name, in paths and in the agent's configuration.
pub const TELEGRAM: &str = "telegram";
/// The most people that a list may name.
const MAX_ALLOWED: usize = 100;
const OPEN_WARNING: &str = "Everybody who finds this bot can talk to the agent, and use the models that its owner pays for.";

/// A person, as their channel names them: by a name that nobody chooses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PersonId(String);

/// How a channel names people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum People {
    /// A number.
    Telegram,
    /// A letter, and letters and digits.
    Slack,
    /// A number.
    Discord,
}

impl People {
    /// In the one spelling that the name has.
    #[must_use]
    pub fn parse(self, text: &str) -> Option<PersonId> {
        let fits = match self {
            Self::Telegram | Self::Discord => {
                text.parse().is_ok_and(|it: u64| it.to_string() == text)
            }
            Self::Slack => text.starts_with(['U', 'W']) && text.len() > 1 && is_id(text),
        };
        fits.then(|| PersonId(text.to_owned()))
    }

    /// Of one of them.
    #[must_use]
    pub const fn one(self) -> &'static str {
        match self {
            Self::Telegram => "the number of a person at Telegram",
            Self::Slack => "the member ID of a person at Slack, like U024BE7LH",
            Self::Discord => "the user ID of a person at Discord, in digits",
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Telegram => "a list of 1 to 100 numbers of people at Telegram, as texts",
            Self::Slack => "a list of 1 to 100 member IDs of people at Slack, like U024BE7LH",
            Self::Discord => "a list of 1 to 100 user IDs of people at Discord, as texts of digits",
        }
    }
}

impl PersonId {
    /// One at Telegram.
    #[must_use]
    pub fn of_number(number: u64) -> Self {
        Self(number.to_string())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PersonId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let known = [People::Telegram, People::Slack];
        let person = known.into_iter().find_map(|people| people.parse(&text));
        person.ok_or("no person's name at a channel")
    }
}

impl From<PersonId> for String {
    fn from(id: PersonId) -> Self {
        id.0
    }
}

/// Who may write to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "dmPolicy", content = "allowFrom", rename_all = "lowercase")]
pub enum Admission {
    /// Whom the owner has let in; others get a code.
    #[default]
    Pairing,
    /// These people alone.
    Allowlist(Vec<PersonId>),
    /// Everybody.
    Open,
    /// Nobody.
    Disabled,
}

impl Admission {
    /// Of the fields that an owner sent for Telegram.
    ///
    /// # Errors
    /// A problem that names the field.
    pub fn parse(policy: Option<&str>, list: Option<Vec<&str>>) -> Result<Self, Problem> {
        Self::parse_for(People::Telegram, policy, list)
    }

    /// Likewise for a channel that names people so.
    ///
    /// # Errors
    /// A problem that names the field.
    pub fn parse_for(
        people: People,
        policy: Option<&str>,
        list: Option<Vec<&str>>,
    ) -> Result<Self, Problem> {
        const POLICY: &str = "pairing, allowlist, open or disabled";
        const ABSENT: &str = "absent where `dmPolicy` is not allowlist";
        let admission = match policy.unwrap_or("pairing") {
            "pairing" => Self::Pairing,
            "open" => Self::Open,
            "disabled" => Self::Disabled,
            "allowlist" => {
                let named = list.unwrap_or_default();
                let named: Option<Vec<PersonId>> =
                    named.into_iter().map(|text| people.parse(text)).collect();
                let named = named.filter(|it| (1..=MAX_ALLOWED).contains(&it.len()));
                return named
                    .map(Self::Allowlist)
                    .ok_or_else(|| Problem::field("allowFrom", people.expected()));
            }
            _ => return Err(Problem::field("dmPolicy", POLICY)),
        };
        match list {
            None => Ok(admission),
            Some(_) => Err(Problem::field("allowFrom", ABSENT)),
        }
    }

    /// The policy's name, and whom it names, as OpenClaw takes them.
    #[must_use]
    pub fn config(&self) -> (&'static str, Option<Value>) {
        match self {
            Self::Pairing => ("pairing", None),
            Self::Open => ("open", Some(json!(["*"]))),
            Self::Disabled => ("disabled", None),
            Self::Allowlist(people) => ("allowlist", Some(json!(people))),
        }
    }

    /// What its owner is to know.
    #[must_use]
    pub const fn warning(&self) -> Option<&'static str> {
        match self {
            Self::Open => Some(OPEN_WARNING),
            Self::Pairing | Self::Allowlist(_) | Self::Disabled => None,
        }
    }
}

/// How an agent's channel is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    pub admission: Admission,
    /// Where Telegram is to send what people write.
    pub webhook_url: String,
    /// Where Telegram's Bot API is, if not at Telegram.
    pub api_root: Option<String>,
}

/// The row that an object keeps of a channel, beside its sealed token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    pub bot: u64,
    #[serde(default)]
    pub admission: Admission,
    /// A mark of the webhook that Telegram has; of none at first, and of another one while the sealing key is replaced.
    #[serde(default)]
    pub registered: Option<String>,
    /// Failed tries to set it, and when the next one is due.
    #[serde(default)]
    pub attempts: u32,
    #[serde(default)]
    pub register_at: Option<Timestamp>,
    #[serde(default)]
    pub last_message_at: Option<Timestamp>,
    #[serde(default)]
    pub problem: Option<String>,
    #[serde(default)]
    pub strangers: Strangers,
}

impl Channel {
    #[must_use]
    pub fn new(bot: BotId, admission: Admission) -> Self {
        Self {
            bot: bot.get(),
            admission,
            registered: None,
            attempts: 0,
            register_at: None,
            last_message_at: None,
            problem: None,
            strangers: Strangers::default(),
        }
    }

    #[must_use]
    pub const fn bot(&self) -> BotId {
        BotId::new(self.bot)
    }

    /// Likewise with another bot or other people, of whom nothing is known yet.
    #[must_use]
    pub fn changed(self, bot: BotId, admission: Admission) -> Self {
        match self.bot() == bot {
            true => Self { admission, ..self },
            false => Self::new(bot, admission),
        }
    }

    /// Whether the agent listens to who sent this.
    #[must_use]
    pub fn knows_sender(&self, update: &str) -> bool {
        let sender = sender(update);
        self.strangers.knows(&self.admission, sender.as_ref())
    }

    /// Counts a message; an agent that is not awake would be woken by it.
    #[must_use]
    pub fn hears(self, update: &str, is_awake: bool, now: Timestamp) -> (Self, Hearing) {
        let Self {
            admission,
            mut strangers,
            ..
        } = self;
        let hearing = strangers.hear(&admission, update, is_awake, now);
        (
            Self {
                admission,
                strangers,
                ..self
            },
            hearing,
        )
    }

    /// When the webhook is to be set; `None` when Telegram has the one that has this mark.
    #[must_use]
    pub fn registration_due(&self, mark: &str, now: Timestamp) -> Option<Timestamp> {
        (self.registered.as_deref() != Some(mark)).then(|| self.register_at.unwrap_or(now))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelState {
    /// It has no token.
    Off,
    /// Telegram was not told yet where to send what people write, or nothing came from Slack yet.
    Connecting,
    Connected,
}

/// What an owner sees of a channel.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelView {
    pub name: String,
    pub state: ChannelState,
    /// At most the first 8 characters of the token.
    pub prefix: Option<String>,
    #[serde(flatten)]
    pub admission: Admission,
    /// Messages that wait for the agent.
    pub waiting: u32,
    pub last_message_at: Option<Timestamp>,
    /// Messages of people whom the agent does not know that were not kept for it, today (UTC). Of a channel that ends here
    /// none ever is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back_today: Option<u32>,
    /// What went wrong last, until it goes well.
    pub problem: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// In the answer to a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// Of a channel that ends here: whose bot it is, and where the company is to send what people write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_url: Option<String>,
    /// Whom the owner has let in there, newest first; of the others their agent knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<LetIn>,
    /// Of the others the list of secrets tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_set_at: Option<Timestamp>,
    /// Of Discord alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

/// Somebody whom an owner has let in at a channel that ends here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LetIn {
    pub id: PersonId,
    /// What they called themselves, and by what they are known.
    pub name: String,
    pub let_in_at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ChannelList {
    pub channels: Vec<ChannelView>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Seconds;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn whoever_is_not_let_in_by_choice_needs_the_owner() {
        assert_eq!(Admission::parse(None, None), Ok(Admission::Pairing));
        assert_eq!(Admission::default(), Admission::Pairing);
        for (text, admission) in [
            ("pairing", Admission::Pairing),
            ("open", Admission::Open),
            ("disabled", Admission::Disabled),
        ] {
            assert_eq!(Admission::parse(Some(text), None), Ok(admission.clone()));
            assert_eq!(admission.config().0, text);
            assert_eq!(admission.warning().is_some(), text == "open");
            let refused = Admission::parse(Some(text), Some(vec!["1"])).unwrap_err();
            assert_eq!(refused.field.as_deref(), Some("allowFrom"), "{text}");
        }
        let listed = Admission::parse(Some("allowlist"), Some(vec!["7", "123456789"])).unwrap();
        assert_eq!(
            listed.config(),
            ("allowlist", Some(json!(["7", "123456789"])))
        );
        assert_eq!(Admission::Open.config().1, Some(json!(["*"])));
        for bad in ["", "Open", "pairing ", "all"] {
            let refused = Admission::parse(Some(bad), None).unwrap_err();
            assert_eq!(refused.field.as_deref(), Some("dmPolicy"), "{bad}");
        }
    }

    #[test]
    fn a_list_names_people_by_their_numbers() {
        let allowed = |list| Admission::parse(Some("allowlist"), list);
        let many = vec!["1"; 101];
        for bad in [
            None,
            Some(vec![]),
            Some(vec!["*"]),
            Some(vec!["1", "@friend"]),
            Some(vec!["-1"]),
            Some(vec!["01"]),
            Some(vec!["+1"]),
            Some(vec!["18446744073709551616"]),
            Some(many),
        ] {
            let refused = allowed(bad.clone()).unwrap_err();
            assert_eq!(refused.field.as_deref(), Some("allowFrom"), "{bad:?}");
        }
    }

    #[test]
    fn each_channel_has_its_own_names_of_people() {
        for (people, good, bad) in [
            (People::Telegram, "7", "U024BE7LH"),
            (People::Slack, "U024BE7LH", "7"),
            (People::Slack, "W012A3CDE", "C024BE91L"),
            (People::Slack, "U1", "U"),
            (People::Slack, "U1", "u024be7lh"),
            (People::Discord, "53908232506183680", "mason#1337"),
        ] {
            let listed = |text| Admission::parse_for(people, Some("allowlist"), Some(vec![text]));
            assert!(listed(good).is_ok(), "{good}");
            let refused = listed(bad).unwrap_err();
            assert_eq!(refused.field.as_deref(), Some("allowFrom"), "{bad}");
            let text = serde_json::to_string(&listed(good).unwrap()).unwrap();
            assert_eq!(
                serde_json::from_str::<Admission>(&text).unwrap(),
                listed(good).unwrap()
            );
        }
    }

    #[test]
    fn a_row_is_read_back_and_may_lack_what_is_newer() {
        let mut channel = Channel::new(BotId::new(7), Admission::Open);
        channel.admission = Admission::parse(Some("allowlist"), Some(vec!["1"])).unwrap();
        let text = serde_json::to_string(&channel).unwrap();
        assert_eq!(serde_json::from_str::<Channel>(&text).unwrap(), channel);
        let least: Channel = serde_json::from_str(r#"{"bot":7}"#).unwrap();
        assert_eq!(least, Channel::new(BotId::new(7), Admission::Pairing));
    }

    #[test]
    fn telegram_is_told_once_and_again_when_the_webhook_is_another() {
        let mut channel = Channel::new(BotId::new(7), Admission::Pairing);
        assert_eq!(channel.registration_due("a", NOW), Some(NOW));
        let later = NOW.saturating_add(Seconds::new(5));
        channel.register_at = Some(later);
        assert_eq!(channel.registration_due("a", NOW), Some(later));
        channel.registered = Some("a".to_owned());
        assert_eq!(channel.registration_due("a", NOW), None);
        assert_eq!(channel.registration_due("b", NOW), Some(later));
        let same = channel.clone().changed(BotId::new(7), Admission::Open);
        assert_eq!(same.registered, channel.registered);
        assert_eq!(
            channel.changed(BotId::new(8), Admission::Open).registered,
            None
        );
    }
}
