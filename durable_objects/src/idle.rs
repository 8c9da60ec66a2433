//! Falling asleep: whether nobody used the agent, and nothing is under way in it or about to be (C18).

use multiclaw_core::lifecycle::{State, Wish};
use multiclaw_core::time::{Seconds, Timestamp};
use serde::Deserialize;

use crate::Agent;
use crate::container::{Container, Stdin};
use crate::driver::COMMAND_LIMIT;
use crate::port::{Outcome, now};
use crate::settings;

/// What its schedule has next within this time is waited for: a sleep would be over before it had begun.
const IMMINENT: Seconds = Seconds::new(60);
/// How soon an agent that works is asked again.
const ASK_AGAIN: Seconds = Seconds::new(60);

/// What the container says; an older image says less.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Activity {
    idle_seconds: u32,
    #[serde(default)]
    busy: bool,
}

impl Activity {
    /// When it was last used, as far as it says.
    fn last_active(&self, timeout: Seconds, now: Timestamp) -> Timestamp {
        let used = now.saturating_sub(Seconds::new(self.idle_seconds));
        let works = now
            .saturating_sub(timeout)
            .saturating_add(ASK_AGAIN.min(timeout));
        if self.busy { used.max(works) } else { used }
    }
}

impl Agent {
    /// Sleeps unless the agent was used by ways that do not pass here, as within an open WebSocket.
    pub(crate) async fn fall_asleep(&self, container: &Container) -> Outcome<()> {
        if self.turns.has_asked() {
            let mut life = self.life()?;
            life.last_active = now();
            return self.store.save_life(&life);
        }
        let within = format!("--within={}", IMMINENT.get());
        let said = container
            .run(
                &["/opt/agent/agent", "activity", &within],
                Stdin::Nothing,
                COMMAND_LIMIT,
            )
            .await;
        let activity = said
            .ok()
            .and_then(|text| serde_json::from_str::<Activity>(&text).ok());
        let mut life = self.life()?;
        let timeout = settings::policy(&self.env)?.idle_timeout;
        // Used or stopped while the container was asked: the row is right as it is.
        let idle_at = life.last_active.saturating_add(timeout);
        if life.state != State::Running || life.wish != Wish::Run || idle_at > now() {
            return Ok(());
        }
        let used = activity.map(|activity| activity.last_active(timeout, now()));
        match used {
            Some(used) if used.saturating_add(timeout) > now() => life.last_active = used,
            _ => life.wish = Wish::Sleep,
        }
        self.save_life(&life)
    }
}
