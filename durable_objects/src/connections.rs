//! Sockets and endless streams between browsers and the agent, by session. When that ends, nobody who held it may go on
//! listening (C07): streams are cut, sockets closed with the reason. They outlive an instance of WebAssembly, so what is
//! known of them lies in JavaScript.

use multiclaw_core::closing::{Close, End};
use multiclaw_core::ids::SessionId;
use multiclaw_core::limits::{MAX_CONNECTIONS, MAX_UNREAD};
use worker::web_sys::AbortController;
use worker::{State, WebSocket};

use crate::passing::{JsConnections, JsJoint, connections_of};
use crate::port::{Outcome, Tried as _};

pub struct Connections(JsConnections);

impl Connections {
    /// Those of an object, with its state, from which they are known again.
    pub fn of(state: State) -> (Self, State) {
        let state = state._inner();
        let connections = connections_of(&state);
        (Self(connections), state.into())
    }

    /// Remembers how to cut a stream of `session`. Beyond the limit the oldest is cut: it must not be forgotten while
    /// it may be open.
    pub fn hold(&self, session: SessionId, controller: &AbortController) {
        self.add(session, controller, None);
    }

    /// Joins the agent's socket to one for the browser, which is what it gives back.
    pub fn join(
        &self,
        session: SessionId,
        controller: &AbortController,
        agent: &WebSocket,
    ) -> Outcome<WebSocket> {
        let joint = self.0.join(agent.as_ref(), MAX_UNREAD).tried("WebSocket")?;
        self.add(session, controller, Some(&joint));
        Ok(joint.outer().into())
    }

    fn add(&self, session: SessionId, controller: &AbortController, joint: Option<&JsJoint>) {
        let Close { code, reason } = End::TooMany.close();
        let session = session.to_string();
        self.0
            .hold(&session, controller, joint, MAX_CONNECTIONS, code, &reason);
    }

    /// Ends those whose session is not to stay.
    pub fn keep(&self, stays: impl Fn(SessionId) -> bool) {
        let Close { code, reason } = End::SignedOut.close();
        for session in self.0.sessions() {
            if !SessionId::parse(&session).is_ok_and(&stays) {
                self.0.end_session(&session, code, &reason);
            }
        }
    }

    /// Closes the sockets to an agent whose container is about to be destroyed. Streams of archives are not the agent's.
    pub fn close_sockets(&self) {
        let Close { code, reason } = End::Stopped.close();
        self.0.end_sockets(code, &reason);
    }
}
