//! The JavaScript through which sockets and bodies of unknown length pass (`passing.js`), as Rust sees it.

use js_sys::Array;
use multiclaw_core::closing::{Close, End};
use multiclaw_core::limits::{MAX_PASSED_BODY, MAX_UNREAD};
use wasm_bindgen::prelude::*;
use worker::WebSocket;
use worker::web_sys::{ReadableStream, WebSocket as JsWebSocket};

use crate::port::{Outcome, Tried as _};

#[wasm_bindgen(module = "/src/passing.js")]
extern "C" {
    type Sockets;
    #[wasm_bindgen(constructor)]
    fn new(most: f64, closing: &JsValue) -> Sockets;
    #[wasm_bindgen(method, catch)]
    fn join(this: &Sockets, agent: &JsWebSocket) -> Result<JsJoined, JsValue>;

    type JsJoined;
    #[wasm_bindgen(method, getter)]
    fn outer(this: &JsJoined) -> JsWebSocket;
    #[wasm_bindgen(method, js_name = isOpen)]
    fn is_open(this: &JsJoined) -> bool;
    #[wasm_bindgen(method)]
    fn end(this: &JsJoined, code: u16, reason: &str);

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

/// The sockets to one agent.
pub struct Joints(Sockets);

impl Default for Joints {
    fn default() -> Self {
        Self(CLOSING.with(|closing| Sockets::new(f64::from(MAX_UNREAD), closing)))
    }
}

/// A socket whose both ends are ours.
pub struct Joint(JsJoined);

impl Joints {
    /// Takes the agent's socket; gives the one for the browser too.
    pub fn join(&self, agent: &WebSocket) -> Outcome<(WebSocket, Joint)> {
        let joined = self.0.join(agent.as_ref()).tried("WebSocket")?;
        Ok((joined.outer().into(), Joint(joined)))
    }
}

impl Joint {
    pub fn is_open(&self) -> bool {
        self.0.is_open()
    }

    pub fn end(&self, end: End<'_>) {
        let Close { code, reason } = end.close();
        self.0.end(code, &reason);
    }
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
