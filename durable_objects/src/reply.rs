//! Responses of the object to the Worker, which passes them on.

use multiclaw_core::error::Problem;
use serde::Serialize;
use worker::{Response, ResponseBuilder};

use crate::port::{Outcome, Tried as _, clean};

/// JSON that nothing caches.
///
/// # Errors
/// When the value can't be serialised or a header can't be set.
pub fn json<T: Serialize>(status: u16, value: &T) -> Outcome<Response> {
    ResponseBuilder::new()
        .with_status(status)
        .with_header("cache-control", "no-store")
        .and_then(|builder| builder.from_json(value))
        .tried("response")
}

/// 204.
#[must_use]
pub fn empty() -> Response {
    ResponseBuilder::new().with_status(204).empty()
}

/// The problem as `application/problem+json`, RFC 9457.
///
/// # Errors
/// When a header can't be set.
pub fn problem(problem: &Problem) -> worker::Result<Response> {
    let mut builder = ResponseBuilder::new()
        .with_status(problem.code.status())
        .with_header("content-type", "application/problem+json")?
        .with_header("cache-control", "no-store")?
        .with_header("content-security-policy", "default-src 'none'")?;
    if let Some(seconds) = problem.retry_after {
        builder = builder.with_header("retry-after", &seconds.to_string())?;
    }
    Ok(builder.fixed(clean(&problem.document()).into_bytes()))
}
