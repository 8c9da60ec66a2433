//! A message that the edge has the agent answer: where it is from, how the gateway is asked, and how the answer is posted.
//!
//! It waits until an answer is written down, and is asked again after a crash before that. Each part of an answer is counted
//! before it is posted, so a crash in the middle posts nothing twice.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::channel::PersonId;
use crate::edge::EdgeChannel;
use crate::time::Timestamp;

/// The path of the gateway's chat completions, which the image enables.
pub const PATH: &str = "/v1/chat/completions";
/// So asked, whoever writes is no owner of the agent for it: what only its owner may have it do it does not do for them.
pub const SCOPES: (&str, &str) = ("x-openclaw-scopes", "operator.write");
/// What a gateway may say in one answer.
pub const MAX_REPLY: usize = 1024 * 1024;
/// How often an agent is asked that fails each time, or that can't be asked, or dies over it.
const MAX_FAILED: u32 = 5;
const MAX_ASKS: u32 = 30;
/// Of conversations so many are worked on at once.
pub const MAX_AT_ONCE: usize = 4;
/// An answer that is longer ends here.
const MAX_PARTS: usize = 10;

/// How far an answer is posted, as a row keeps it: what is begun is written down before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many parts are posted, and none is on its way.
    Posted(u32),
    /// So many are posted, and the next was on its way.
    Begun(u32),
}

impl Progress {
    /// Two for each part that is posted, and one for one on its way.
    #[must_use]
    pub const fn of_row(number: u32) -> Self {
        match number % 2 {
            0 => Self::Posted(number / 2),
            _ => Self::Begun(number / 2),
        }
    }

    #[must_use]
    pub const fn to_row(self) -> u32 {
        match self {
            Self::Posted(parts) => parts.saturating_mul(2),
            Self::Begun(parts) => parts.saturating_mul(2).saturating_add(1),
        }
    }
}
/// What the gateway says where the agent chose to say nothing.
const NOTHING_SAID: &str = "No response from OpenClaw.";
const CUT: &str = "\u{2026} (the rest is too long for this channel)";

/// What is said where an answer must be given, and the agent gives none.
pub const NOTHING: &str = "(The agent has nothing to say.)";
/// Under which the token of an interaction is sealed.
pub const SEALED_AS: &str = "discord-interaction";

/// What is said in the agent's place, where asking it has failed again and again.
pub const SORRY: &str = "The agent could not answer this. Try again later.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Without an answer.
    Waiting,
    /// With one, of which not all is posted.
    Answered,
    /// Nothing is left of it but that it came.
    Done,
}

impl Stage {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Answered => "answered",
            Self::Done => "done",
        }
    }

    /// Of a row; what only a newer version knows is nothing to do.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let known = [Self::Waiting, Self::Answered];
        known
            .into_iter()
            .find(|it| it.as_str() == text)
            .unwrap_or(Self::Done)
    }
}

/// Where it is from, which is where its answer goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    Slack {
        person: PersonId,
        channel: String,
        #[serde(default)]
        thread: Option<String>,
        direct: bool,
    },
    Discord {
        application: String,
        person: PersonId,
        direct: bool,
        /// What lets an answer through, sealed.
        token: String,
        /// It does so no longer.
        until: Timestamp,
    },
}

impl Place {
    #[must_use]
    pub const fn channel(&self) -> EdgeChannel {
        match self {
            Self::Slack { .. } => EdgeChannel::Slack,
            Self::Discord { .. } => EdgeChannel::Discord,
        }
    }

    #[must_use]
    pub const fn person(&self) -> &PersonId {
        match self {
            Self::Slack { person, .. } | Self::Discord { person, .. } => person,
        }
    }

    /// What the agent is told of it, beside the text: names that nobody chooses.
    fn context(&self) -> String {
        match self {
            Self::Slack {
                person,
                channel,
                direct,
                ..
            } => {
                let how = if *direct {
                    "in a direct message".to_owned()
                } else {
                    format!("in the channel {channel}, where others read it")
                };
                format!(
                    "This message came by Slack, from the member {}, {how}. Answer as plain text: the answer is posted there.",
                    person.as_str()
                )
            }
            Self::Discord { person, direct, .. } => {
                let how = if *direct {
                    "to you alone"
                } else {
                    "where others read it"
                };
                format!(
                    "This message came by Discord, from the user {}, {how}. The answer is posted there.",
                    person.as_str()
                )
            }
        }
    }

    /// The most characters that one post takes, however the company counts them: as units of UTF-16, which are most.
    #[must_use]
    pub const fn longest_post(&self) -> usize {
        match self {
            Self::Slack { .. } => 3900,
            Self::Discord { .. } => 2000,
        }
    }

    /// Whether no answer is taken there any more.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        match self {
            Self::Slack { .. } => false,
            Self::Discord { until, .. } => *until <= now,
        }
    }

    /// Whether a post may be made again where nobody knows what became of it: it takes the place of the one before.
    #[must_use]
    pub const fn is_replaced(&self, post: u32) -> bool {
        match self {
            Self::Slack { .. } => false,
            Self::Discord { .. } => post == 0,
        }
    }

    /// What is said where the agent says nothing.
    #[must_use]
    pub const fn silence(&self) -> Option<&'static str> {
        match self {
            Self::Slack { .. } => None,
            Self::Discord { .. } => Some(NOTHING),
        }
    }
}

/// What the gateway is asked. Whatever has the same `conversation` goes on in one session.
#[must_use]
pub fn question(place: &Place, conversation: &str, text: &str) -> String {
    json!({
        "model": "openclaw",
        "user": conversation,
        "messages": [
            { "role": "system", "content": place.context() },
            { "role": "user", "content": text },
        ],
    })
    .to_string()
}

/// What came of asking.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Answer(String),
    /// The agent has nothing to say.
    Silence,
    /// The gateway takes nothing now, or is of an image that can't be asked so.
    NotNow,
    /// The agent was asked, and failed.
    Failed,
    /// It was asked, and took too long, or said too much. It would again.
    TooMuch,
}

/// Whether it is given up after so many tries; `failed` says that the agent itself failed at the last one.
#[must_use]
pub const fn is_hopeless(asked: u32, failed: bool) -> bool {
    asked >= MAX_ASKS || (failed && asked >= MAX_FAILED)
}

/// Reads what the gateway answers.
#[must_use]
pub fn heard(status: u16, body: &str) -> Heard {
    if matches!(status, 403..=405 | 429 | 503) {
        return Heard::NotNow;
    }
    if status != 200 {
        return Heard::Failed;
    }
    let said: Option<Value> = serde_json::from_str(body).ok();
    let content = said
        .as_ref()
        .and_then(|said| said.pointer("/choices/0/message/content"));
    match content.and_then(Value::as_str).map(str::trim) {
        Some("" | NOTHING_SAID) => Heard::Silence,
        Some(text) => Heard::Answer(text.to_owned()),
        // A page, from a gateway that knows no such path.
        None => Heard::NotNow,
    }
}

/// As much of an answer as is ever posted: what an agent says fills no storage.
#[must_use]
pub fn kept(answer: &str, longest: usize) -> &str {
    let most = longest.saturating_mul(MAX_PARTS);
    // So much more as shows that there was more.
    beginning(answer, most.saturating_add(2))
}

/// As much of a text as has so many units of UTF-16, and one character at least.
fn beginning(text: &str, most: usize) -> &str {
    let mut units = 0_usize;
    let end = text.char_indices().find(|(at, char)| {
        units = units.saturating_add(char.len_utf16());
        *at > 0 && units > most
    });
    end.and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

/// An answer in posts of at most `longest` characters, cut between lines or words where there are any.
#[must_use]
pub fn parts(answer: &str, longest: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = answer.trim();
    while !rest.is_empty() {
        let head = beginning(rest, longest);
        let tail = rest.get(head.len()..).unwrap_or_default();
        if parts.len().saturating_add(1) == MAX_PARTS && !tail.is_empty() {
            let room = longest.saturating_sub(CUT.chars().count());
            parts.push(beginning(rest, room).to_owned() + CUT);
            return parts;
        }
        let cut = match tail {
            "" => None,
            // One near its beginning would make many short posts.
            _ => [head.rfind('\n'), head.rfind(' ')]
                .into_iter()
                .flatten()
                .find(|at| *at > head.len() / 2),
        };
        let (part, next) = cut
            .and_then(|at| rest.split_at_checked(at))
            .unwrap_or((head, tail));
        parts.push(part.trim_end().to_owned());
        rest = next.trim_start();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::People;

    fn place(direct: bool) -> Place {
        Place::Slack {
            person: People::Slack.parse("U1").unwrap(),
            channel: "C1".to_owned(),
            thread: None,
            direct,
        }
    }

    #[test]
    fn the_gateway_is_asked_in_the_conversations_session() {
        let asked: Value =
            serde_json::from_str(&question(&place(true), "slack-T1-D1", "hi")).unwrap();
        assert_eq!(asked["user"], "slack-T1-D1");
        assert_eq!(
            asked["messages"][1],
            json!({ "role": "user", "content": "hi" })
        );
        let context = asked["messages"][0]["content"].as_str().unwrap();
        assert!(context.contains("U1, in a direct message"), "{context}");
        let asked: Value = serde_json::from_str(&question(&place(false), "x", "hi")).unwrap();
        let context = asked["messages"][0]["content"].as_str().unwrap();
        assert!(context.contains("in the channel C1"), "{context}");
    }

    #[test]
    fn an_answer_is_a_text_and_everything_else_is_none() {
        let said =
            |text: &str| json!({ "choices": [{ "message": { "content": text } }] }).to_string();
        assert_eq!(
            heard(200, &said(" Hello ")),
            Heard::Answer("Hello".to_owned())
        );
        assert_eq!(heard(200, &said(NOTHING_SAID)), Heard::Silence);
        assert_eq!(heard(200, &said(" ")), Heard::Silence);
        for status in [403, 404, 405, 429, 503] {
            assert_eq!(heard(status, &said("Hello")), Heard::NotNow, "{status}");
        }
        for status in [400, 401, 402, 500, 502] {
            assert_eq!(heard(status, &said("Hello")), Heard::Failed, "{status}");
        }
        for page in [
            "",
            "<html>",
            "{}",
            r#"{"choices":[]}"#,
            r#"{"choices":[{"message":{"content":7}}]}"#,
        ] {
            assert_eq!(heard(200, page), Heard::NotNow, "{page}");
        }
    }

    #[test]
    fn what_fails_again_and_again_is_given_up() {
        assert!(!is_hopeless(4, true) && is_hopeless(5, true));
        assert!(!is_hopeless(29, false) && is_hopeless(30, false));
    }

    #[test]
    fn a_long_answer_is_cut_where_it_has_a_seam_and_ends_somewhere() {
        assert_eq!(parts(" one ", 10), ["one"]);
        assert!(parts("  ", 10).is_empty());
        assert_eq!(parts("one two three", 8), ["one two", "three"]);
        assert_eq!(parts("one two\nthree", 9), ["one two", "three"]);
        assert_eq!(parts("a bcdefghijkl", 8), ["a bcdefg", "hijkl"]);
        assert_eq!(parts("äöüäöü", 4), ["äöüä", "öü"]);
        assert_eq!(parts(" lead", 10), ["lead"]);
        // Who counts in UTF-16 counts two for each.
        assert_eq!(
            parts("\u{1f980}\u{1f980}\u{1f980}", 4),
            ["\u{1f980}\u{1f980}", "\u{1f980}"]
        );
        assert_eq!(parts("\u{1f980}\u{1f980}", 1), ["\u{1f980}", "\u{1f980}"]);
        let long = parts(&"word ".repeat(10_000), 100);
        assert_eq!(long.len(), MAX_PARTS);
        assert!(
            long.iter()
                .all(|part| (1..=100).contains(&part.chars().count()))
        );
        assert!(long.last().is_some_and(|last| last.ends_with(CUT)));
        let exact = "x".repeat(1000);
        assert_eq!(parts(&exact, 100).concat(), exact);
    }

    #[test]
    fn an_answer_at_discord_has_its_time_and_its_place() {
        let now = Timestamp::from_millis(1000);
        let place = Place::Discord {
            application: "1".to_owned(),
            person: People::Discord.parse("7").unwrap(),
            direct: false,
            token: "sealed".to_owned(),
            until: now,
        };
        assert!(place.is_over(now) && !place.is_over(Timestamp::from_millis(999)));
        assert!(place.is_replaced(0) && !place.is_replaced(1));
        assert!(place.silence().is_some() && !question(&place, "c", "x").contains("sealed"));
        let text = serde_json::to_string(&place).unwrap();
        assert_eq!(serde_json::from_str::<Place>(&text).unwrap(), place);
        let slack = self::place(true);
        assert!(!slack.is_over(now) && !slack.is_replaced(0) && slack.silence().is_none());
    }

    #[test]
    fn what_is_kept_of_an_answer_is_posted_as_all_of_it_would_be() {
        for length in [0, 999, 1000, 1001, 5000] {
            let answer = "ä".repeat(length);
            let less = kept(&answer, 100);
            assert!(less.chars().count() <= 1002);
            assert_eq!(parts(less, 100), parts(&answer, 100), "{length}");
        }
    }

    #[test]
    fn a_part_on_its_way_is_told_from_one_that_is_posted() {
        for (number, progress) in [
            (0, Progress::Posted(0)),
            (1, Progress::Begun(0)),
            (2, Progress::Posted(1)),
            (7, Progress::Begun(3)),
        ] {
            assert_eq!(Progress::of_row(number), progress);
            assert_eq!(progress.to_row(), number);
        }
    }

    #[test]
    fn a_row_is_read_back() {
        let text = serde_json::to_string(&place(true)).unwrap();
        assert_eq!(serde_json::from_str::<Place>(&text).unwrap(), place(true));
        for stage in [Stage::Waiting, Stage::Answered, Stage::Done] {
            assert_eq!(Stage::parse(stage.as_str()), stage);
        }
        assert_eq!(Stage::parse("newer"), Stage::Done);
    }
}
