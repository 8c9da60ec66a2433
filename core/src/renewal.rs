//! How a change of secrets or settings gets to an agent that runs, and what its owner is told of it (C13).
//!
//! A change is counted and noted in the row of the life cycle; the driver brings it in, one at a time, as any other step.

use serde::{Deserialize, Serialize};

use crate::lifecycle::{Life, Phase, State, Wish};

/// How a change of secrets or settings reaches a running agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Renewal {
    /// Written into the container, and taken by OpenClaw as it runs.
    Reload,
    /// Saved and started anew: what was removed must leave the container and the memory of all that runs there.
    Restart,
}

/// When a change takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Within seconds, while the agent goes on.
    Reloading,
    /// The agent is being started anew for it.
    Restarting,
    NextStart,
}

impl Life {
    /// Something that a start injects was changed. Tells when it takes effect.
    pub fn change(&mut self, renewal: Renewal, container_runs: bool) -> Effect {
        self.changes = self.changes.wrapping_add(1);
        let wanted = matches!(self.wish, Wish::Run | Wish::Restart);
        if !container_runs && self.state != State::Starting {
            return Effect::NextStart;
        }
        // Also when it is to stop: a stop can fail, and its owner may then want it to go on.
        self.renewal = self.renewal.max(Some(renewal));
        match (self.state, self.phase, self.renewal) {
            _ if !wanted => Effect::NextStart,
            // This start injects it.
            (State::Starting, None | Some(Phase::Allocate | Phase::Restore), _) => {
                Effect::NextStart
            }
            (State::Starting | State::Running, _, Some(Renewal::Restart)) => Effect::Restarting,
            (State::Running, ..) if self.wish == Wish::Restart => Effect::Restarting,
            (State::Starting | State::Running, ..) => Effect::Reloading,
            _ => Effect::NextStart,
        }
    }

    /// What was injected is what held after so many changes.
    pub fn injected(&mut self, changes: u32) {
        if self.changes == changes {
            self.renewal = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::{Policy, Step};
    use crate::time::{Seconds, Timestamp};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const POLICY: Policy = Policy {
        idle_timeout: Seconds::new(600),
        snapshot_period: Seconds::new(300),
    };

    fn life(state: State, wish: Wish) -> Life {
        Life {
            state,
            wish,
            ..Life::new(NOW)
        }
    }

    #[test]
    fn c13_a_change_reaches_a_running_agent_and_a_removal_restarts_it() {
        let mut running = life(State::Running, Wish::Run);
        running.saved_at = Some(NOW);
        assert_eq!(running.change(Renewal::Reload, true), Effect::Reloading);
        assert_eq!(running.next(true, POLICY, NOW), Step::Reload);
        running.injected(running.changes);
        assert!(matches!(
            running.next(true, POLICY, NOW),
            Step::Watch { .. }
        ));
        assert_eq!(running.change(Renewal::Restart, true), Effect::Restarting);
        assert_eq!(
            running.change(Renewal::Reload, true),
            Effect::Restarting,
            "a removal is not forgotten over what comes after it"
        );
        assert_eq!(running.next(true, POLICY, NOW), Step::Renew);
        running.ask(Wish::Restart, NOW);
        assert_eq!(running.next(true, POLICY, NOW), Step::Stop);
    }

    #[test]
    fn c13_a_change_made_while_another_is_injected_is_injected_after_it() {
        let mut running = life(State::Running, Wish::Run);
        let _ = running.change(Renewal::Reload, true);
        let read_at = running.changes;
        let _ = running.change(Renewal::Reload, true);
        running.injected(read_at);
        assert_eq!(running.next(true, POLICY, NOW), Step::Reload);
        running.injected(running.changes);
        assert_eq!(running.renewal, None);
    }

    #[test]
    fn c13_a_change_is_for_the_next_start_where_nothing_runs_or_goes_on() {
        for state in [State::Asleep, State::Failed] {
            let mut resting = life(state, Wish::Stop);
            assert_eq!(resting.change(Renewal::Restart, false), Effect::NextStart);
            assert_eq!(resting.renewal, None);
        }
        let mut starting = life(State::Starting, Wish::Run);
        starting.phase = Some(Phase::Restore);
        assert_eq!(starting.change(Renewal::Reload, true), Effect::NextStart);
        starting.phase = Some(Phase::Boot);
        assert_eq!(starting.change(Renewal::Reload, true), Effect::Reloading);
        let mut leaving = life(State::Running, Wish::Stop);
        assert_eq!(leaving.change(Renewal::Restart, true), Effect::NextStart);
        assert_eq!(leaving.next(true, POLICY, NOW), Step::Stop);
        // The stop failed, and its owner thought again.
        leaving.enter(State::Running, None, NOW);
        leaving.ask(Wish::Run, NOW);
        assert_eq!(leaving.next(true, POLICY, NOW), Step::Renew);
        leaving.settle(State::Asleep, None, NOW);
        assert_eq!(leaving.renewal, None);
    }
}
