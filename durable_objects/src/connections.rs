//! Sockets and endless streams between browsers and the agent, by session. They pass as the runtime's own objects, so
//! what is kept is a way to cut them: when their session ends, nobody who held it may go on listening (C07).

use core::cell::RefCell;

use multiclaw_core::ids::SessionId;
use multiclaw_core::limits::MAX_CONNECTIONS;
use worker::AbortController;

#[derive(Default)]
pub struct Connections(RefCell<Vec<(SessionId, AbortController)>>);

impl Connections {
    /// Remembers how to cut a connection of `session`. Beyond the limit the oldest is cut: it must not be forgotten while
    /// it may be open.
    pub fn hold(&self, session: SessionId, controller: AbortController) {
        let mut held = self.0.borrow_mut();
        held.push((session, controller));
        let oldest = (held.len() > MAX_CONNECTIONS).then(|| held.remove(0));
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
