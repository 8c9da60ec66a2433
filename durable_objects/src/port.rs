//! The runtime's clock, randomness and errors, as the core takes them.

use core::cell::RefCell;
use core::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use multiclaw_core::error::{Code, Failure};
use multiclaw_core::redaction::Redactor;
use multiclaw_core::secret::Secret;
use multiclaw_core::time::Timestamp;
use worker::wasm_bindgen::JsValue;
use worker::{ByteStream, Date, Delay};

/// Result of everything here.
pub type Outcome<T> = Result<T, Failure>;

/// Now, as the runtime tells it.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_millis(i64::try_from(Date::now().as_millis()).unwrap_or(i64::MAX))
}

/// Bytes from the runtime's cryptographic random source.
///
/// # Errors
/// When the source fails; nothing may go on without it.
pub fn random<const N: usize>() -> Outcome<[u8; N]> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::internal(format!("random source: {error}")))?;
    Ok(bytes)
}

/// Turns a runtime's error into a [`Failure`] whose context says what was tried.
pub trait Tried<T> {
    /// # Errors
    /// An internal failure.
    fn tried(self, what: &str) -> Outcome<T>;
    /// # Errors
    /// A failure of storage, which a later try may not meet.
    fn stored(self, what: &str) -> Outcome<T>;
}

impl<T> Tried<T> for worker::Result<T> {
    fn tried(self, what: &str) -> Outcome<T> {
        self.map_err(|error| Failure::internal(format!("{what}: {error}")))
    }

    fn stored(self, what: &str) -> Outcome<T> {
        self.map_err(|error| storage_failure(format!("{what}: {error}")))
    }
}

impl<T> Tried<T> for Result<T, JsValue> {
    fn tried(self, what: &str) -> Outcome<T> {
        self.map_err(worker::Error::from).tried(what)
    }

    fn stored(self, what: &str) -> Outcome<T> {
        self.map_err(worker::Error::from).stored(what)
    }
}

/// KV or R2 did not do what was asked.
#[must_use]
pub fn storage_failure(context: String) -> Failure {
    Failure::new(
        Code::StorageUnavailable,
        "Storage can't be reached now. Try again in a moment.",
        context,
    )
}

/// Waits for `future` no longer than `limit`.
///
/// # Errors
/// An internal failure that says what took too long.
pub async fn within<T>(
    limit: Duration,
    what: &str,
    future: impl Future<Output = Outcome<T>>,
) -> Outcome<T> {
    let future = core::pin::pin!(future);
    match select(future, Delay::from(limit)).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => Err(Failure::internal(format!(
            "{what} took longer than {} s",
            limit.as_secs()
        ))),
    }
}

/// Reads a stream of somebody else's to its end, as long as that comes within `limit` bytes.
///
/// # Errors
/// An internal failure when it is longer or breaks.
pub async fn read_bounded(mut stream: ByteStream, limit: usize, what: &str) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.tried(what)?);
        if bytes.len() > limit {
            return Err(Failure::internal(format!(
                "{what}: longer than {limit} bytes"
            )));
        }
    }
    Ok(bytes)
}

thread_local! {
    /// The service's own secrets, as far as they were read. Those of a tenant are known to its object alone: what one
    /// tenant calls a secret must not disappear from what another is told.
    static SERVICE: RefCell<Redactor> = RefCell::default();
}

/// From now on a secret of the service leaves in no log and no problem.
pub fn learn(secret: &Secret) {
    SERVICE.with_borrow_mut(|redactor| redactor.learn(secret));
}

/// Likewise what may be a secret in the URL of an endpoint.
pub fn learn_url(url: &Secret) {
    SERVICE.with_borrow_mut(|redactor| redactor.learn_url(url));
}

/// The text without the service's secrets.
#[must_use]
pub fn clean(text: &str) -> String {
    SERVICE.with_borrow(|redactor| redactor.clean(text).into_owned())
}

/// Writes what the operator needs to know of a failure.
pub fn log(failure: &Failure) {
    if let Some(context) = &failure.context {
        worker::console_error!("{}: {}", failure.problem.code.as_str(), clean(context));
    }
}
