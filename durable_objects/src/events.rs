//! Server-sent events of status changes, and of what else is to be read again: one bounded channel per listener, dropped when the listener is gone or slow. A
//! stream whose session ended says so with its last event.

use core::cell::RefCell;

use futures_channel::mpsc::{Sender, channel};
use multiclaw_core::error::Code;
use multiclaw_core::ids::SessionId;
use multiclaw_core::messages::StatusView;
use worker::Response;

use crate::port::{Outcome, Tried as _};

/// Events a listener may be behind.
const BACKLOG: usize = 64;
/// Streams of one agent that may be open at once.
const MAX_LISTENERS: usize = 32;

#[derive(Default)]
pub struct Listeners(RefCell<Vec<Listener>>);

struct Listener {
    session: SessionId,
    sender: Sender<worker::Result<Vec<u8>>>,
}

/// What has changed beside the status. The event says nothing of it but that: whoever listens may read it anew.
#[derive(Debug, Clone, Copy)]
pub enum News {
    Proposals,
    Pairing,
}

fn news(of: News) -> Vec<u8> {
    let of = match of {
        News::Proposals => "proposals",
        News::Pairing => "pairing",
    };
    format!("event: news\ndata: {{\"of\":\"{of}\"}}\n\n").into_bytes()
}

fn event(status: &StatusView) -> Vec<u8> {
    let json = serde_json::to_string(status).unwrap_or_default();
    format!("event: status\ndata: {json}\n\n").into_bytes()
}

fn end() -> Vec<u8> {
    let code = Code::Unauthenticated.as_str();
    format!("event: end\ndata: {{\"code\":\"{code}\"}}\n\n").into_bytes()
}

impl Listeners {
    /// A stream that starts with the status as it is. The oldest stream ends when there are too many.
    pub fn listen(&self, session: SessionId, status: &StatusView) -> Outcome<Response> {
        let (mut sender, receiver) = channel(BACKLOG);
        // The channel is new and empty: there is room.
        let _ = sender.try_send(Ok(event(status)));
        let mut listeners = self.0.borrow_mut();
        listeners.retain(|listener| !listener.sender.is_closed());
        if listeners.len() >= MAX_LISTENERS {
            listeners.drain(..1);
        }
        listeners.push(Listener { session, sender });
        let response = Response::from_stream(receiver).tried("event stream")?;
        response
            .headers()
            .set("content-type", "text/event-stream")
            .tried("event stream")?;
        response
            .headers()
            .set("cache-control", "no-store")
            .tried("event stream")?;
        Ok(response)
    }

    /// Tells everybody.
    pub fn tell(&self, status: &StatusView) {
        self.send(&event(status));
    }

    pub fn tell_news(&self, of: News) {
        self.send(&news(of));
    }

    fn send(&self, event: &[u8]) {
        self.0
            .borrow_mut()
            .retain_mut(|listener| listener.sender.try_send(Ok(event.to_vec())).is_ok());
    }

    /// Whether anybody listens.
    pub fn any(&self) -> bool {
        let mut listeners = self.0.borrow_mut();
        listeners.retain(|listener| !listener.sender.is_closed());
        !listeners.is_empty()
    }

    /// Ends the streams whose session is not to stay, with the code that the next request will get.
    pub fn keep(&self, stays: impl Fn(SessionId) -> bool) {
        self.0.borrow_mut().retain_mut(|listener| {
            let stay = stays(listener.session);
            if !stay {
                // One that is too far behind misses it, as it missed others.
                let _ = listener.sender.try_send(Ok(end()));
            }
            stay
        });
    }
}
