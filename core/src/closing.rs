//! How a WebSocket between a browser and an agent ends: with a code that may be sent (RFC 6455 section 7.4), and in plain words
//! where the one who ended it had none. What one side says is passed on to the other as far as that can be.

/// Bytes of a reason that fit into a frame with its code.
const MAX_REASON: usize = 123;

const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;
const POLICY: u16 = 1008;
const FAILED: u16 = 1011;
const TRY_AGAIN: u16 = 1013;
/// What a close without a code, and a connection that broke, are told as.
const NO_CODE: u16 = 1005;
const BROKEN: u16 = 1006;

/// Why it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End<'a> {
    /// The agent closed it, or its connection broke.
    Agent { code: u16, reason: &'a str },
    /// Likewise the browser.
    Browser { code: u16, reason: &'a str },
    /// Nobody may go on listening whose session has ended (C07).
    SignedOut,
    /// The agent is being stopped, for whatever reason.
    Stopped,
    /// Newer ones need its place.
    TooMany,
    /// More waits to be read than is kept for it.
    TooSlow,
}

/// What is sent to the side that is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    pub code: u16,
    pub reason: String,
}

impl End<'_> {
    #[must_use]
    pub fn close(self) -> Close {
        let (code, reason) = match self {
            Self::Agent { code, reason } | Self::Browser { code, reason } if can_be_sent(code) => {
                (code, reason)
            }
            Self::Agent { code: NO_CODE, .. } | Self::Browser { code: NO_CODE, .. } => (NORMAL, ""),
            Self::Agent { code: BROKEN, .. } => (
                FAILED,
                "The agent ended the connection. If it stopped by itself it is started again: try again in a moment.",
            ),
            Self::Agent { .. } => (
                FAILED,
                "The agent closed the connection with a code that there is not.",
            ),
            Self::Browser { .. } => (GOING_AWAY, "The browser left."),
            Self::SignedOut => (POLICY, "Your session has ended. Sign in again."),
            Self::Stopped => (
                GOING_AWAY,
                "The agent is stopped or restarted. Load the page again to wake it.",
            ),
            Self::TooMany => (
                TRY_AGAIN,
                "Too many connections to this agent are open. This was the oldest.",
            ),
            Self::TooSlow => (TRY_AGAIN, "More was sent than was read. Connect again."),
        };
        Close {
            code,
            reason: beginning(reason).to_owned(),
        }
    }
}

/// Whether an endpoint may send this code: those of the protocol but for what it reserves, of libraries, and of applications.
#[must_use]
pub const fn can_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// As much of it as fits.
fn beginning(reason: &str) -> &str {
    let end = (0..=MAX_REASON.min(reason.len()))
        .rev()
        .find(|&at| reason.is_char_boundary(at));
    end.and_then(|end| reason.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of_agent(code: u16, reason: &str) -> (u16, String) {
        let Close { code, reason } = End::Agent { code, reason }.close();
        (code, reason)
    }

    #[test]
    fn what_an_agent_says_passes_as_it_is() {
        for code in [
            1000, 1001, 1002, 1003, 1007, 1008, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
        ] {
            assert_eq!(of_agent(code, "as asked"), (code, "as asked".to_owned()));
        }
    }

    #[test]
    fn codes_that_nobody_may_send_become_some_that_say_what_happened() {
        assert_eq!(of_agent(1005, ""), (1000, String::new()));
        let (code, words) = of_agent(1006, "WebSocket disconnected without sending Close frame.");
        assert_eq!(code, 1011);
        assert!(
            words.starts_with("The agent ended the connection."),
            "{words}"
        );
        for code in [0, 1, 999, 1004, 1015, 1016, 2000, 2999, 5000, 65_535] {
            let (sent, words) = of_agent(code, "what it says");
            assert_eq!(sent, 1011, "{code}");
            assert!(words.contains("a code that there is not"), "{words}");
            assert_eq!(
                End::Browser { code, reason: "" }.close().code,
                1001,
                "{code}"
            );
        }
        assert_eq!(
            End::Browser {
                code: 1006,
                reason: ""
            }
            .close()
            .code,
            1001
        );
        assert_eq!(
            End::Browser {
                code: 1005,
                reason: ""
            }
            .close()
            .code,
            1000
        );
    }

    #[test]
    fn what_we_end_says_why_and_what_to_do() {
        let said = [End::SignedOut, End::Stopped, End::TooMany, End::TooSlow].map(End::close);
        assert_eq!(
            said.each_ref().map(|close| close.code),
            [1008, 1001, 1013, 1013]
        );
        for Close { reason, .. } in &said {
            assert!(reason.ends_with('.') && reason.contains(' '), "{reason}");
        }
        assert!(said[0].reason.contains("Sign in again"));
    }

    #[test]
    fn a_reason_is_cut_between_letters() {
        let (_, reason) = of_agent(1000, &"\u{fc}".repeat(100));
        assert_eq!(reason, "\u{fc}".repeat(61));
    }

    proptest! {
        #[test]
        fn whatever_is_said_what_is_sent_may_be_sent(code: u16, reason: String, is_agent: bool) {
            let end = match is_agent {
                true => End::Agent { code, reason: &reason },
                false => End::Browser { code, reason: &reason },
            };
            let close = end.close();
            prop_assert!(can_be_sent(close.code), "{} for {}", close.code, code);
            prop_assert!(close.reason.len() <= 123);
        }
    }
}
