//! The JavaScript through which sockets and bodies of unknown length pass (`passing.js`), as Rust sees it.

use js_sys::Array;
use multiclaw_core::closing::{Close, End};
use multiclaw_core::limits::MAX_PASSED_BODY;
use wasm_bindgen::prelude::*;
use worker::web_sys::{AbortController, ReadableStream, WebSocket as JsWebSocket};

use crate::port::{Outcome, Tried as _};

#[wasm_bindgen(module = "/src/passing.js")]
extern "C" {
    pub type JsConnections;
    #[wasm_bindgen(js_name = connectionsOf)]
    fn js_connections_of(object: &JsValue, closing: &JsValue) -> JsConnections;
    #[wasm_bindgen(method)]
    pub fn hold(
        this: &JsConnections,
        session: &str,
        controller: &AbortController,
        joint: Option<&JsJoint>,
        most: usize,
        code: u16,
        reason: &str,
    );
    #[wasm_bindgen(method)]
    pub fn sessions(this: &JsConnections) -> Vec<String>;
    #[wasm_bindgen(method, js_name = endSession)]
    pub fn end_session(this: &JsConnections, session: &str, code: u16, reason: &str);
    #[wasm_bindgen(method, js_name = endSockets)]
    pub fn end_sockets(this: &JsConnections, code: u16, reason: &str);
    #[wasm_bindgen(method, catch)]
    pub fn join(this: &JsConnections, agent: &JsWebSocket, most: u32) -> Result<JsJoint, JsValue>;

    pub type JsJoint;
    #[wasm_bindgen(method, getter)]
    pub fn outer(this: &JsJoint) -> JsWebSocket;

    type JsBounded;
    #[wasm_bindgen(catch)]
    fn bounded(body: &ReadableStream, most: f64) -> Result<JsBounded, JsValue>;
    #[wasm_bindgen(method, getter)]
    fn body(this: &JsBounded) -> ReadableStream;
    #[wasm_bindgen(method, js_name = isTooLarge)]
    fn is_too_large(this: &JsBounded) -> bool;
}

thread_local! {
    /// One for all sockets: nothing frees what JavaScript holds of Rust.
    static CLOSING: JsValue =
        Closure::<dyn Fn(String, u16, String) -> Array>::new(closing).into_js_value();
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "JavaScript gives text as its own"
)]
fn closing(by: String, code: u16, reason: String) -> Array {
    let reason = &reason;
    let end = match by.as_str() {
        "agent" => End::Agent { code, reason },
        "browser" => End::Browser { code, reason },
        _ => End::TooSlow,
    };
    let Close { code, reason } = end.close();
    Array::of2(&code.into(), &reason.into())
}

/// What is open at the object that the runtime has as `object`.
pub fn connections_of(object: &JsValue) -> JsConnections {
    CLOSING.with(|closing| js_connections_of(object, closing))
}

/// A request's body whose length nobody told.
pub struct BoundedBody(JsBounded);

impl BoundedBody {
    pub fn of(body: &ReadableStream) -> Outcome<Self> {
        #[allow(clippy::cast_precision_loss, reason = "far from 2^53")]
        let bounded = bounded(body, MAX_PASSED_BODY as f64);
        bounded.map(Self).tried("request body")
    }

    pub fn stream(&self) -> ReadableStream {
        self.0.body()
    }

    /// Whether it was broken off.
    pub fn is_too_large(&self) -> bool {
        self.0.is_too_large()
    }
}
