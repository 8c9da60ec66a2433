//! Messages of a channel that wait for their agent: what is taken, when it is tried again, when it is given up, and when it
//! wakes the agent. One is done with when the agent accepted it and a snapshot holds it.

use serde_json::{Value, json};

use crate::lifecycle::{Life, State, Step, WakeCause, Wish};
use crate::time::{Seconds, Timestamp};

/// The longest update that is taken; OpenClaw takes none that is longer.
pub const MAX_UPDATE: usize = 1024 * 1024;
/// What waits at most. Whoever sends is told to come again, and Telegram does.
pub const MAX_WAITING: u32 = 1000;
pub const MAX_WAITING_BYTES: u64 = 16 * 1024 * 1024;
/// What could not be delivered for so long is dropped.
pub const DROPPED_AFTER: Seconds = Seconds::new(24 * 60 * 60);
/// A second time is noticed for so long.
pub const REMEMBERED_FOR: Seconds = Seconds::new(48 * 60 * 60);
/// Of so many at most, the newest, lest whoever floods a bot fills its object.
pub const MAX_REMEMBERED: u32 = 10_000;
const FIRST_PAUSE: u32 = 1;
const LONGEST_PAUSE: Seconds = Seconds::new(3600);
/// The largest whole number that JavaScript tells from its neighbours.
const MAX_ID: u64 = (1 << 53) - 1;

/// Telegram's number of an update: the same update has the same, a later one a greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateId(u64);

impl UpdateId {
    /// Of an update's text; `None` when that is no update.
    #[must_use]
    pub fn of(update: &str) -> Option<Self> {
        let update: Value = serde_json::from_str(update).ok()?;
        let id = update.as_object()?.get("update_id")?.as_u64()?;
        Self::new(id)
    }

    #[must_use]
    pub fn new(id: u64) -> Option<Self> {
        (id <= MAX_ID).then_some(Self(id))
    }

    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// What an update is about: beside its number it has one field, whatever that is called.
#[must_use]
pub fn content(update: &str) -> Option<Value> {
    let update: Value = serde_json::from_str(update).ok()?;
    update
        .as_object()?
        .values()
        .find(|it| it.is_object())
        .cloned()
}

/// That the bot is typing in the chat that an update comes from, as an answer to it
/// (<https://core.telegram.org/bots/api#making-requests-when-getting-updates>); `None` where it comes from none.
#[must_use]
pub fn typing(update: &str) -> Option<Value> {
    let chat = content(update)?.get("chat")?.get("id")?.as_i64()?;
    Some(json!({ "method": "sendChatAction", "chat_id": chat, "action": "typing" }))
}

/// Whether one more fits beside `count` others of so many `bytes`.
#[must_use]
pub fn fits(count: u32, bytes: u64, length: usize) -> bool {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    count < MAX_WAITING && bytes.saturating_add(length) <= MAX_WAITING_BYTES
}

/// When what failed for the `attempts`th time is tried again.
#[must_use]
pub fn retry_at(attempts: u32, now: Timestamp) -> Timestamp {
    let doublings = attempts.saturating_sub(1);
    let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings));
    now.saturating_add(Seconds::new(pause).min(LONGEST_PAUSE))
}

impl Life {
    /// Whether it does not run yet and will for a message, so that somebody waits.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.wish != Wish::Stop && !matches!(self.state, State::Running | State::Failed)
    }

    /// The next step, where the first of what waits is to be delivered at a time. An agent that its owner stopped stays
    /// asleep; one that fell asleep is woken.
    #[must_use]
    pub fn with_inbox(&self, step: Step, due: Option<Timestamp>, now: Timestamp) -> Step {
        let Some(due) = due else { return step };
        let is_due = due <= now;
        match (step, self.state, self.wish) {
            (Step::Rest | Step::Watch { .. }, State::Asleep, Wish::Sleep) if is_due => Step::Call,
            (Step::Watch { .. } | Step::FallAsleep, State::Running, Wish::Run) if is_due => {
                Step::Deliver
            }
            (Step::Rest, State::Asleep, Wish::Sleep) => Step::Watch { at: due },
            (Step::Watch { at }, State::Asleep, Wish::Sleep)
            | (Step::Watch { at }, State::Running, Wish::Run) => Step::Watch { at: at.min(due) },
            _ => step,
        }
    }

    /// A message is there for it.
    pub fn call(&mut self, now: Timestamp) {
        self.last_active = now;
        self.attempts = 0;
        self.cause = Some(WakeCause::Channel);
        self.wish = Wish::Run;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const SOON: Timestamp = Timestamp::from_millis(1_005_000);
    const LATER: Timestamp = Timestamp::from_millis(1_015_000);

    fn life(state: State, wish: Wish) -> Life {
        Life {
            state,
            wish,
            ..Life::new(NOW)
        }
    }

    #[test]
    fn an_update_is_an_object_with_a_number_of_its_own() {
        let id = |text: &str| UpdateId::of(text).map(UpdateId::get);
        assert_eq!(id(r#"{"update_id":7,"message":{}}"#), Some(7));
        assert_eq!(id(r#"{"update_id":0}"#), Some(0));
        assert_eq!(id(r#"{"update_id":9007199254740991}"#), Some(MAX_ID));
        for bad in [
            "",
            "7",
            "[]",
            "null",
            r#"[{"update_id":7}]"#,
            "{}",
            r#"{"update_id":"7"}"#,
            r#"{"update_id":-1}"#,
            r#"{"update_id":7.5}"#,
            r#"{"update_id":1e400}"#,
            r#"{"update_id":9007199254740992}"#,
            r#"{"update_id":18446744073709551616}"#,
            r#"{"update_id":{"update_id":7}}"#,
            r#"{"update_id":7"#,
        ] {
            assert_eq!(id(bad), None, "{bad}");
        }
    }

    #[test]
    fn it_types_where_somebody_writes_and_nowhere_else() {
        let chat = |text: &str| typing(text).map(|it| it["chat_id"].clone());
        for (id, update) in [
            (
                7,
                r#"{"update_id":1,"message":{"chat":{"id":7},"from":{"id":8}}}"#,
            ),
            (
                -1007,
                r#"{"channel_post":{"chat":{"id":-1007}},"update_id":1}"#,
            ),
        ] {
            assert_eq!(chat(update), Some(json!(id)), "{update}");
        }
        for update in [
            "",
            "7",
            r#"{"update_id":1}"#,
            r#"{"update_id":1,"poll":{"id":"7"}}"#,
            r#"{"update_id":1,"message":{"chat":{"id":"@name"}}}"#,
            r#"{"update_id":1,"message":{"chat":7}}"#,
            r#"{"update_id":1,"message":{"chat":{"id":1e40}}}"#,
        ] {
            assert_eq!(typing(update), None, "{update}");
        }
        let told = typing(r#"{"update_id":1,"message":{"chat":{"id":7,"method":"close"}}}"#);
        let expected = json!({"method": "sendChatAction", "chat_id": 7, "action": "typing"});
        assert_eq!(told, Some(expected));
    }

    #[test]
    fn who_writes_to_one_that_runs_or_never_will_waits_for_nobody() {
        for (state, wish, awaited) in [
            (State::Asleep, Wish::Sleep, true),
            (State::Starting, Wish::Run, true),
            (State::Stopping, Wish::Sleep, true),
            (State::Stopping, Wish::Restart, true),
            (State::Running, Wish::Run, false),
            (State::Asleep, Wish::Stop, false),
            (State::Stopping, Wish::Stop, false),
            (State::Failed, Wish::Run, false),
        ] {
            assert_eq!(
                life(state, wish).is_awaited(),
                awaited,
                "{state:?} {wish:?}"
            );
        }
    }

    #[test]
    fn what_waits_is_bounded_by_number_and_by_bytes() {
        assert!(fits(0, 0, MAX_UPDATE));
        assert!(fits(MAX_WAITING - 1, MAX_WAITING_BYTES - 5, 5));
        assert!(!fits(MAX_WAITING, 0, 1));
        assert!(!fits(1, MAX_WAITING_BYTES - 5, 6));
        assert!(!fits(1, u64::MAX, usize::MAX));
    }

    #[test]
    fn pauses_double_up_to_an_hour() {
        let pause = |attempts| retry_at(attempts, NOW).since(NOW).as_secs();
        assert_eq!([1, 2, 3, 12].map(pause), [1, 2, 4, 2048]);
        assert_eq!([13, 100, u32::MAX].map(pause), [3600; 3]);
        assert_eq!(pause(0), 1);
    }

    #[test]
    fn c18_a_message_wakes_what_fell_asleep_and_not_what_was_stopped() {
        let slept = life(State::Asleep, Wish::Sleep);
        assert_eq!(slept.with_inbox(Step::Rest, Some(NOW), NOW), Step::Call);
        let watch = Step::Watch { at: LATER };
        assert_eq!(slept.with_inbox(watch, Some(NOW), NOW), Step::Call);
        assert_eq!(
            slept.with_inbox(Step::Rest, Some(SOON), NOW),
            Step::Watch { at: SOON }
        );
        assert_eq!(
            slept.with_inbox(watch, Some(SOON), NOW),
            Step::Watch { at: SOON }
        );
        assert_eq!(slept.with_inbox(Step::Rouse, Some(NOW), NOW), Step::Rouse);
        let stopped = life(State::Asleep, Wish::Stop);
        assert_eq!(stopped.with_inbox(Step::Rest, Some(NOW), NOW), Step::Rest);
        let mut called = slept;
        called.call(SOON);
        assert_eq!(
            (called.wish, called.cause),
            (Wish::Run, Some(WakeCause::Channel))
        );
        assert_eq!(called.last_active, SOON);
    }

    #[test]
    fn a_running_agent_gets_what_is_due_before_it_falls_asleep_and_after_all_else() {
        let running = life(State::Running, Wish::Run);
        let watch = Step::Watch { at: LATER };
        for step in [watch, Step::FallAsleep] {
            assert_eq!(running.with_inbox(step, Some(NOW), NOW), Step::Deliver);
        }
        assert_eq!(
            running.with_inbox(watch, Some(SOON), NOW),
            Step::Watch { at: SOON }
        );
        assert_eq!(
            running.with_inbox(Step::FallAsleep, Some(SOON), NOW),
            Step::FallAsleep
        );
        assert_eq!(running.with_inbox(watch, None, NOW), watch);
        for step in [
            Step::Save,
            Step::Stop,
            Step::Snapshot,
            Step::RecordCrash,
            Step::Renew,
        ] {
            assert_eq!(running.with_inbox(step, Some(NOW), NOW), step);
        }
        for (state, wish) in [
            (State::Starting, Wish::Run),
            (State::Stopping, Wish::Stop),
            (State::Failed, Wish::Run),
            (State::Running, Wish::Sleep),
        ] {
            assert_eq!(life(state, wish).with_inbox(watch, Some(NOW), NOW), watch);
        }
    }
}
