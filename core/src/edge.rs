//! Channels that end at the edge: Slack and Discord. Their tokens never reach the agent, which is asked by the object and
//! whose answers the object posts (decision 62). Here is what an owner sets of one, and the row that the object keeps.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::channel::{Admission, People, PersonId};
use crate::error::Problem;
use crate::secret::Secret;
use crate::time::{Seconds, Timestamp};

/// The companies' own names of things are short.
const MAX_ID: usize = 24;
/// How old, or how far ahead, a request may be: Slack's own advice.
const FRESH_FOR: Seconds = Seconds::new(300);

/// The second at which a request was signed, as its header says in the one form that a number has. `None` for another form, and
/// for a request that is too old: which could be one that somebody has seen and sends again.
#[must_use]
pub fn fresh_moment(text: &str, now: Timestamp) -> Option<i64> {
    let at: i64 = text.parse().ok()?;
    let age = now.as_secs().saturating_sub(at).unsigned_abs();
    (at.to_string() == text && age <= u64::from(FRESH_FOR.get())).then_some(at)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeChannel {
    Slack,
    Discord,
}

impl EdgeChannel {
    pub const ALL: [Self; 2] = [Self::Slack, Self::Discord];

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }

    /// The name in paths, in rows, and of the sealed token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Discord => "discord",
        }
    }

    /// As people write it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Slack => "Slack",
            Self::Discord => "Discord",
        }
    }

    #[must_use]
    pub const fn people(self) -> People {
        match self {
            Self::Slack => People::Slack,
            Self::Discord => People::Discord,
        }
    }

    /// What is sealed for it.
    #[must_use]
    pub const fn secrets(self) -> &'static [EdgeSecret] {
        match self {
            Self::Slack => &[EdgeSecret::SlackToken, EdgeSecret::SlackSigning],
            Self::Discord => &[EdgeSecret::DiscordToken],
        }
    }

    #[must_use]
    pub const fn token(self) -> EdgeSecret {
        match self {
            Self::Slack => EdgeSecret::SlackToken,
            Self::Discord => EdgeSecret::DiscordToken,
        }
    }
}

/// A secret that stays at the edge: no start injects it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeSecret {
    SlackToken,
    SlackSigning,
    DiscordToken,
}

const SLACK_TOKEN_LENGTH: core::ops::RangeInclusive<usize> = 24..=256;
const SLACK_TOKEN_PREFIX: &str = "xoxb-";
const SIGNING_LENGTH: usize = 32;
const DISCORD_TOKEN_LENGTH: core::ops::RangeInclusive<usize> = 50..=128;

impl EdgeSecret {
    /// Under which it is sealed; none of them is a name of the catalogue.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SlackToken => "slack",
            Self::SlackSigning => "slack-signing",
            Self::DiscordToken => "discord",
        }
    }

    /// The field that it comes in.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::SlackToken | Self::DiscordToken => "token",
            Self::SlackSigning => "signingSecret",
        }
    }

    const fn rule(self) -> &'static str {
        match self {
            Self::SlackToken => {
                "be a bot's token of Slack: `xoxb-` and letters, digits and `-`, 24 to 256 in all"
            }
            Self::SlackSigning => {
                "be the app's signing secret of Slack: 32 hexadecimal digits in lower case"
            }
            Self::DiscordToken => {
                "be a bot's token of Discord: three parts of letters, digits, `-` and `_`, with dots between, 50 to 128 in all"
            }
        }
    }

    /// # Errors
    /// A problem that names the field and the rule, and never repeats the value.
    pub fn parse(self, value: Secret) -> Result<Secret, Problem> {
        match self.fits(value.expose()) {
            true => Ok(value),
            false => Err(Problem::value(self.field(), self.rule())),
        }
    }

    fn fits(self, value: &str) -> bool {
        match self {
            Self::SlackToken => {
                SLACK_TOKEN_LENGTH.contains(&value.len())
                    && value.starts_with(SLACK_TOKEN_PREFIX)
                    && value
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            }
            Self::SlackSigning => {
                value.len() == SIGNING_LENGTH
                    && value
                        .bytes()
                        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            }
            Self::DiscordToken => {
                let is_part = |part: &str| {
                    !part.is_empty()
                        && part
                            .bytes()
                            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                };
                DISCORD_TOKEN_LENGTH.contains(&value.len())
                    && value.split('.').count() == 3
                    && value.split('.').all(is_part)
            }
        }
    }
}

/// A name that a company gives a thing: letters of one case and digits, which fit a path, a key and a line of text.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Whose bot it is, as the company told when it was asked with the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Account {
    /// A workspace, and the bot's own number as a member of it.
    Slack { team: String, user: String },
    /// An application, with the key that what comes is signed with.
    Discord {
        application: String,
        public_key: String,
    },
}

/// The row that an object keeps of a channel, beside its sealed secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeRow {
    pub account: Account,
    /// What the company calls it, for the owner to recognise.
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub admission: Admission,
    /// Something came that was rightly signed: the company knows the address.
    #[serde(default)]
    pub reached: bool,
    /// What came last came by the door of the sealing key that is being replaced.
    #[serde(default)]
    pub by_old_door: bool,
    #[serde(default)]
    pub last_message_at: Option<Timestamp>,
    #[serde(default)]
    pub problem: Option<String>,
    /// A mark of the address that the company was told, where it can be told.
    #[serde(default)]
    pub registered: Option<String>,
    /// Failed tries to tell it, and when the next one is due.
    #[serde(default)]
    pub attempts: u32,
    #[serde(default)]
    pub register_at: Option<Timestamp>,
}

impl EdgeRow {
    #[must_use]
    pub const fn new(account: Account, name: String, admission: Admission) -> Self {
        Self {
            account,
            name,
            admission,
            reached: false,
            by_old_door: false,
            last_message_at: None,
            problem: None,
            registered: None,
            attempts: 0,
            register_at: None,
        }
    }
}

/// What a company makes of a call of its API.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    Done(Value),
    /// It did not do it, and says why.
    Refused(String),
    /// It did not do it, and is to be asked again no sooner.
    Later(Seconds),
    /// Nobody can tell whether it did.
    Unknown,
}

const LONGEST_PAUSE: u32 = 3600;
const USUAL_PAUSE: u32 = 30;

/// How long a company wants to be left alone, within reason.
#[must_use]
pub fn pause_of(seconds: Option<u32>) -> Seconds {
    Seconds::new(seconds.unwrap_or(USUAL_PAUSE).clamp(1, LONGEST_PAUSE))
}

/// What becomes of somebody who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Welcome {
    /// The agent hears them.
    In,
    /// Their owner is asked first.
    Asks,
    /// Nobody answers.
    Out,
}

impl Admission {
    /// `is_known` says whether the owner let them in before.
    #[must_use]
    pub fn welcome(&self, person: &PersonId, is_known: bool) -> Welcome {
        match self {
            Self::Open => Welcome::In,
            Self::Disabled => Welcome::Out,
            Self::Allowlist(people) if people.contains(person) => Welcome::In,
            Self::Allowlist(_) => Welcome::Out,
            Self::Pairing if is_known => Welcome::In,
            Self::Pairing => Welcome::Asks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(of: EdgeSecret, value: &str) -> Option<String> {
        of.parse(Secret::new(value.to_owned())).err()?.field
    }

    #[test]
    fn a_token_and_a_signing_secret_have_their_forms() {
        // In parts, or it would look like one that leaked.
        let token = format!("{SLACK_TOKEN_PREFIX}17653672481-19874698323-pdFZKVeTuE8sk7oOcBrzbqgy");
        assert_eq!(refused(EdgeSecret::SlackToken, &token), None);
        for bad in [
            "",
            "xoxb-",
            &token.replace("xoxb", "xoxp"),
            &token.replace("-pd", " pd"),
            &token.replace("-pd", "\npd"),
            &format!("xoxb-{}", "1".repeat(252)),
        ] {
            let field = refused(EdgeSecret::SlackToken, bad);
            assert_eq!(field.as_deref(), Some("token"), "{bad}");
        }
        let secret = "8f742231b10e8888abcd99yyyzzz85a5";
        assert!(
            refused(EdgeSecret::SlackSigning, secret).is_some(),
            "not hexadecimal"
        );
        assert_eq!(
            refused(EdgeSecret::SlackSigning, "8f742231b10e8888abcd990000aa85a5"),
            None
        );
        for bad in [
            "",
            "8f742231b10e8888abcd990000aa85a",
            "8F742231b10e8888abcd990000aa85a5",
        ] {
            let field = refused(EdgeSecret::SlackSigning, bad);
            assert_eq!(field.as_deref(), Some("signingSecret"), "{bad}");
        }
    }

    #[test]
    fn a_token_of_discord_has_three_parts() {
        let token = "MTIzNDU2Nzg5MDEyMzQ1Njc4OQ.G1a2b3.abcdefghijklmnopqrstuvwxyzABCDEFGH-_01";
        assert_eq!(refused(EdgeSecret::DiscordToken, token), None);
        for bad in [
            "",
            &token.replace('.', "-"),
            &format!("{token}.x"),
            &token.replace("G1a2b3", ""),
            &format!("{token} "),
            "a.b.c",
            &format!("{token}{}", "x".repeat(100)),
        ] {
            let field = refused(EdgeSecret::DiscordToken, bad);
            assert_eq!(field.as_deref(), Some("token"), "{bad}");
        }
    }

    #[test]
    fn what_stays_at_the_edge_is_no_kind_that_is_injected() {
        for channel in EdgeChannel::ALL {
            assert_eq!(EdgeChannel::parse(channel.as_str()), Some(channel));
            for secret in channel.secrets() {
                assert_eq!(crate::secrets::SecretName::parse(secret.as_str()), None);
            }
        }
        assert_eq!(EdgeChannel::parse("Slack"), None);
    }

    #[test]
    fn who_is_not_let_in_is_asked_for_or_unheard() {
        let person = People::Slack.parse("U024BE7LH").unwrap();
        let listed = Admission::Allowlist(vec![person.clone()]);
        let other = People::Slack.parse("U024BE7LJ").unwrap();
        for (admission, known, welcome) in [
            (Admission::Pairing, false, Welcome::Asks),
            (Admission::Pairing, true, Welcome::In),
            (Admission::Open, false, Welcome::In),
            (Admission::Disabled, true, Welcome::Out),
            (listed.clone(), false, Welcome::In),
        ] {
            assert_eq!(admission.welcome(&person, known), welcome, "{admission:?}");
        }
        // Who was let in before counts by the list alone, once there is one.
        assert_eq!(listed.welcome(&other, true), Welcome::Out);
    }

    #[test]
    fn a_row_may_lack_what_is_newer() {
        let account = Account::Slack {
            team: "T1".to_owned(),
            user: "U1".to_owned(),
        };
        let row = EdgeRow::new(account, String::new(), Admission::Pairing);
        let least = r#"{"account":{"slack":{"team":"T1","user":"U1"}}}"#;
        assert_eq!(serde_json::from_str::<EdgeRow>(least).unwrap(), row);
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<EdgeRow>(&text).unwrap(), row);
    }

    #[test]
    fn ids_are_letters_and_digits() {
        for good in ["T1", "C024BE91L", "0"] {
            assert!(is_id(good), "{good}");
        }
        for bad in ["", "c1", "C 1", "C/1", "C1\n", &"C".repeat(25)] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
