//! Sockets and endless streams between browsers and the agent, by session. When that ends, nobody who held it may go on
//! listening (C07): streams are cut, sockets closed with the reason.

use core::cell::RefCell;

use multiclaw_core::closing::End;
use multiclaw_core::ids::SessionId;
use multiclaw_core::limits::MAX_CONNECTIONS;
use worker::{AbortController, WebSocket};

use crate::passing::{Joint, Joints};
use crate::port::Outcome;

#[derive(Default)]
pub struct Connections {
    held: RefCell<Vec<(SessionId, Connection)>>,
    joints: Joints,
}

struct Connection {
    controller: AbortController,
    socket: Option<Joint>,
}

impl Connection {
    fn end(self, end: End<'_>) {
        if let Some(socket) = &self.socket {
            socket.end(end);
        }
        self.controller.abort();
    }
}

impl Connections {
    /// Remembers how to cut a stream of `session`. Beyond the limit the oldest is cut: it must not be forgotten while
    /// it may be open.
    pub fn hold(&self, session: SessionId, controller: AbortController) {
        self.add(session, controller, None);
    }

    /// Joins the agent's socket to one for the browser, which is what it gives back.
    pub fn join(
        &self,
        session: SessionId,
        controller: AbortController,
        agent: &WebSocket,
    ) -> Outcome<WebSocket> {
        let (browser, socket) = self.joints.join(agent)?;
        self.add(session, controller, Some(socket));
        Ok(browser)
    }

    fn add(&self, session: SessionId, controller: AbortController, socket: Option<Joint>) {
        let mut held = self.held.borrow_mut();
        // Of a stream nobody tells that it has ended.
        held.retain(|(_, held)| held.socket.as_ref().is_none_or(Joint::is_open));
        held.push((session, Connection { controller, socket }));
        let oldest = (held.len() > MAX_CONNECTIONS).then(|| held.remove(0));
        drop(held);
        if let Some((_, connection)) = oldest {
            connection.end(End::TooMany);
        }
    }

    /// Ends those whose session is not to stay.
    pub fn keep(&self, stays: impl Fn(SessionId) -> bool) {
        self.end_but(End::SignedOut, |id, _| stays(id));
    }

    /// Closes the sockets to an agent whose container is about to be destroyed. Streams of archives are not the agent's.
    pub fn close_sockets(&self) {
        self.end_but(End::Stopped, |_, connection| connection.socket.is_none());
    }

    fn end_but(&self, end: End<'_>, stays: impl Fn(SessionId, &Connection) -> bool) {
        let (stay, go): (Vec<_>, Vec<_>) = self
            .held
            .take()
            .into_iter()
            .partition(|(id, connection)| stays(*id, connection));
        self.held.replace(stay);
        for (_, connection) in go {
            connection.end(end);
        }
    }
}
