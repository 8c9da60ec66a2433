//! Requests that wait for what the alarm does: it tells them when there may be something to see, and each looks for itself.

use core::cell::RefCell;

use futures_channel::oneshot::{Receiver, Sender, channel};

#[derive(Default)]
pub struct Waiting(RefCell<Vec<Sender<()>>>);

impl Waiting {
    /// Resolves with the next [`Waiting::tell`]. Who asks before they look misses nothing.
    pub fn next(&self) -> Receiver<()> {
        let (sender, receiver) = channel();
        let mut waiting = self.0.borrow_mut();
        waiting.retain(|other| !other.is_canceled());
        waiting.push(sender);
        receiver
    }

    /// Tells everybody.
    pub fn tell(&self) {
        for sender in self.0.take() {
            // Whoever has gone away meanwhile needs no word.
            let _ = sender.send(());
        }
    }
}
