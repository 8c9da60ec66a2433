//! Sockets and endless streams between browsers and the agent, by session. They pass as the runtime's own objects, so
//! what is kept is a way to cut them: when their session ends, nobody who held it may go on listening (C07).

use core::cell::RefCell;

use multiclaw_core::ids::SessionId;
use worker::AbortController;

/// More than a person opens. Beyond, the oldest is cut: it must not be forgotten while it may be open.
const MAX_HELD: usize = 256;

#[derive(Default)]
pub struct Connections(RefCell<Vec<(SessionId, AbortController)>>);

impl Connections {
    /// Remembers how to cut a connection of `session`.
    pub fn hold(&self, session: SessionId, controller: AbortController) {
        let mut held = self.0.borrow_mut();
        held.push((session, controller));
        let oldest = (held.len() > MAX_HELD).then(|| held.remove(0));
        drop(held);
        if let Some((_, controller)) = oldest {
            controller.abort();
        }
    }

    /// Cuts those whose session is not to stay.
    pub fn keep(&self, stays: impl Fn(SessionId) -> bool) {
        let (stay, go): (Vec<_>, Vec<_>) =
            self.0.take().into_iter().partition(|(id, _)| stays(*id));
        self.0.replace(stay);
        for (_, controller) in go {
            controller.abort();
        }
    }
}
