//! People who write to a bot and were not let in: as much of what they write reaches the agent as serves newcomers, and too
//! little to keep it awake. Whom a list names, and whether everybody may write, its owner chose; whom it let in it tells itself.

use serde::{Deserialize, Serialize};

use crate::channel::{Admission, People, PersonId};
use crate::inbox::content;
use crate::time::{Seconds, Timestamp};
use crate::usage::day;

/// What all strangers together may use up at once. So much comes back in that time.
const ALLOWANCE: Seconds = Seconds::new(5 * 60 * 60);
/// What it takes of that to wake an agent, which is then awake for a while.
const TO_WAKE: Seconds = Seconds::new(60 * 60);
/// And to be heard by one that is awake.
const TO_BE_HEARD: Seconds = Seconds::new(5 * 60);
/// A text of 4096 characters, with all that Telegram says of it and of what it answers. What is longer could fill the room of others.
const MAX_LENGTH: usize = 64 * 1024;
/// Of so many people at most it is known that they were let in.
const MAX_LET_IN: usize = 1000;
/// So many are counted in a day: a flood costs no more writes.
const COUNTED: u32 = 1000;

/// Who sent an update; `None` where nobody did whom Telegram numbers as a person.
#[must_use]
pub fn sender(update: &str) -> Option<PersonId> {
    let content = content(update)?;
    let person = content.get("from").or_else(|| content.get("user"))?;
    person.get("id")?.as_u64().map(PersonId::of_number)
}

/// The people among what a container names.
fn people(told: &[String]) -> Vec<PersonId> {
    let told = told.iter().take(MAX_LET_IN);
    told.filter_map(|it| People::Telegram.parse(it)).collect()
}

/// What a channel's row holds of them, and of those who are none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Strangers {
    /// Whom the agent has let in, as it told last.
    let_in: Vec<PersonId>,
    /// When nothing of the allowance is used up any more.
    whole_at: Option<Timestamp>,
    /// How much was held back on a day.
    held_back: u32,
    day: String,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    Heard,
    /// It is not kept. `first` is the first of a day.
    HeldBack {
        first: bool,
    },
}

impl Strangers {
    /// Whether the agent listens to this person.
    #[must_use]
    pub fn knows(&self, admission: &Admission, sender: Option<&PersonId>) -> bool {
        let among = |people: &[PersonId]| sender.is_some_and(|it| people.contains(it));
        match admission {
            Admission::Open => true,
            Admission::Disabled => false,
            Admission::Allowlist(people) => among(people),
            Admission::Pairing => among(&self.let_in),
        }
    }

    /// Counts a message of so many bytes.
    pub fn hear(
        &mut self,
        admission: &Admission,
        update: &str,
        is_awake: bool,
        now: Timestamp,
    ) -> Hearing {
        if self.knows(admission, sender(update).as_ref()) {
            return Hearing::Heard;
        }
        let cost = if is_awake { TO_BE_HEARD } else { TO_WAKE };
        // Only where newcomers may ask to be let in has the agent anything to say to them.
        let may_ask = *admission == Admission::Pairing && update.len() <= MAX_LENGTH;
        match may_ask && self.spend(cost, now) {
            true => Hearing::Heard,
            false => self.hold_back(now),
        }
    }

    /// How much was held back today (UTC).
    #[must_use]
    pub fn held_back(&self, now: Timestamp) -> u32 {
        match self.day == day(now) {
            true => self.held_back,
            false => 0,
        }
    }

    /// Whom the agent has let in, as it tells. Gives whether that is news.
    pub fn learn(&mut self, told: &[String]) -> bool {
        let let_in = people(told);
        let is_news = self.let_in != let_in;
        self.let_in = let_in;
        is_news
    }

    /// Takes so much out of the allowance, if it is there.
    fn spend(&mut self, cost: Seconds, now: Timestamp) -> bool {
        let all_used = now.saturating_add(ALLOWANCE);
        // A clock that was set back has used up no more than all.
        let before = self.whole_at.unwrap_or(now).clamp(now, all_used);
        let after = before.saturating_add(cost);
        let is_there = after <= all_used;
        self.whole_at = Some(if is_there { after } else { before });
        is_there
    }

    fn hold_back(&mut self, now: Timestamp) -> Hearing {
        let before = self.held_back(now);
        self.held_back = before.saturating_add(1).min(COUNTED);
        self.day = day(now);
        Hearing::HeldBack { first: before == 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_768_478_400_000);
    const HOUR: u32 = 60 * 60;

    fn after(seconds: u32) -> Timestamp {
        NOW.saturating_add(Seconds::new(seconds))
    }

    fn message(of: u64) -> String {
        format!(r#"{{"update_id":1,"message":{{"from":{{"id":{of}}},"text":"hello"}}}}"#)
    }

    fn heard(strangers: &mut Strangers, of: u64, is_awake: bool, now: Timestamp) -> bool {
        strangers.hear(&Admission::Pairing, &message(of), is_awake, now) == Hearing::Heard
    }

    fn list(people: &[u64]) -> Vec<PersonId> {
        people.iter().copied().map(PersonId::of_number).collect()
    }

    fn learn(strangers: &mut Strangers, told: &[&str]) -> bool {
        let told: Vec<String> = told.iter().map(|it| (*it).to_owned()).collect();
        strangers.learn(&told)
    }

    #[test]
    fn an_update_is_of_the_person_whom_telegram_names() {
        for (text, of) in [
            (message(7), Some(7)),
            (
                r#"{"message_reaction":{"user":{"id":9}},"update_id":1}"#.to_owned(),
                Some(9),
            ),
            (
                r#"{"update_id":1,"callback_query":{"id":"5","from":{"id":7},"message":{"from":{"id":8}}}}"#
                    .to_owned(),
                Some(7),
            ),
            (r#"{"update_id":1,"channel_post":{"chat":{"id":-7}}}"#.to_owned(), None),
            (r#"{"update_id":1,"message":{"from":{"id":-7}}}"#.to_owned(), None),
            (r#"{"update_id":1,"message":{"from":{"id":"7"}}}"#.to_owned(), None),
            (r#"{"update_id":1,"message":{"from":7}}"#.to_owned(), None),
            (r#"{"update_id":1,"from":{"id":7}}"#.to_owned(), None),
            (r#"{"update_id":1}"#.to_owned(), None),
            ("x".to_owned(), None),
        ] {
            assert_eq!(sender(&text), of.map(PersonId::of_number), "{text}");
        }
    }

    #[test]
    fn c18_strangers_together_wake_an_agent_five_times_and_then_once_an_hour() {
        let mut strangers = Strangers::default();
        for of in 1..=5 {
            assert!(heard(&mut strangers, of, false, NOW), "{of}");
        }
        for of in 5..=20 {
            assert!(!heard(&mut strangers, of, false, NOW), "{of}");
        }
        assert_eq!(strangers.held_back(NOW), 16);
        assert!(!heard(&mut strangers, 1, false, after(HOUR - 1)));
        assert!(heard(&mut strangers, 1, false, after(HOUR)));
        assert!(!heard(&mut strangers, 2, false, after(HOUR)));
        let a_day = (0..24 * 60).map(|minute| after(2 * HOUR + minute * 60));
        let woken = a_day.filter(|at| heard(&mut strangers, 1, false, *at));
        assert_eq!(woken.count(), 24);
    }

    #[test]
    fn c18_one_that_is_awake_hears_more_of_them_and_not_without_end() {
        let mut strangers = Strangers::default();
        for _ in 0..60 {
            assert!(heard(&mut strangers, 1, true, NOW));
        }
        assert!(!heard(&mut strangers, 1, true, NOW));
        assert!(heard(&mut strangers, 1, true, after(300)));
        assert!(!heard(&mut strangers, 1, false, after(300)));
        let long = message(1).replace("hello", &"x".repeat(MAX_LENGTH));
        let hearing = Strangers::default().hear(&Admission::Pairing, &long, true, NOW);
        assert_eq!(hearing, Hearing::HeldBack { first: true });
    }

    #[test]
    fn c18_whom_the_agent_knows_no_flood_keeps_out() {
        let mut strangers = Strangers::default();
        assert!(learn(&mut strangers, &["7", "*", "@friend", "07"]));
        assert!(!learn(&mut strangers, &["7"]));
        while heard(&mut strangers, 1, false, NOW) {}
        for _ in 0..1000 {
            assert!(heard(&mut strangers, 7, false, NOW));
        }
        assert!(!heard(&mut strangers, 8, false, NOW));
        learn(&mut strangers, &["8"]);
        assert!(heard(&mut strangers, 8, false, NOW));
        assert!(!heard(&mut strangers, 7, false, NOW));
        let many: Vec<String> = (0..5000).map(|it: u64| it.to_string()).collect();
        strangers.learn(&many);
        assert!(strangers.knows(&Admission::Pairing, Some(&PersonId::of_number(999))));
        assert!(!strangers.knows(&Admission::Pairing, Some(&PersonId::of_number(1000))));
    }

    #[test]
    fn whom_a_list_leaves_out_is_never_heard_and_where_everybody_may_write_nobody_is_a_stranger() {
        let mut strangers = Strangers::default();
        learn(&mut strangers, &["8"]);
        let listed = Admission::Allowlist(list(&[7]));
        for (admission, of, hearing) in [
            (&listed, 7, Hearing::Heard),
            (&listed, 8, Hearing::HeldBack { first: true }),
            (&listed, 1, Hearing::HeldBack { first: false }),
            (&Admission::Open, 1, Hearing::Heard),
            (&Admission::Disabled, 8, Hearing::HeldBack { first: false }),
        ] {
            let said = strangers.hear(admission, &message(of), true, NOW);
            assert_eq!(said, hearing, "{admission:?} {of}");
        }
        assert!(!strangers.knows(&Admission::Pairing, None));
        assert!(strangers.knows(&Admission::Open, None));
    }

    #[test]
    fn what_is_held_back_is_counted_by_days_and_no_further_than_a_flood_is_worth() {
        let listed = Admission::Allowlist(list(&[7]));
        let mut strangers = Strangers::default();
        for _ in 0..2000 {
            strangers.hear(&listed, &message(1), true, NOW);
        }
        let full = strangers.clone();
        strangers.hear(&listed, &message(1), true, NOW);
        assert_eq!((strangers.held_back(NOW), &strangers), (COUNTED, &full));
        let tomorrow = after(24 * HOUR);
        assert_eq!(strangers.held_back(tomorrow), 0);
        let said = strangers.hear(&listed, &message(1), true, tomorrow);
        assert_eq!(said, Hearing::HeldBack { first: true });
        assert_eq!(strangers.held_back(tomorrow), 1);
    }

    #[test]
    fn a_clock_that_was_set_back_shuts_nobody_out_for_longer_than_all_takes() {
        let mut strangers = Strangers::default();
        while heard(&mut strangers, 1, false, after(1000 * HOUR)) {}
        assert!(!heard(&mut strangers, 1, false, NOW));
        assert!(heard(&mut strangers, 1, false, after(HOUR)));
    }
}
