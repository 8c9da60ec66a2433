//! The wall around containers (C15): what one sends to a network that is not public comes here, in whatever headers it likes,
//! and gets no further. It is told apart by how it was called, which no request can say of itself.

use multiclaw_core::egress::WALL_PROP;
use multiclaw_core::error::{Code, Failure, Problem};
use worker::Context;
use worker::js_sys::Reflect;
use worker::wasm_bindgen::JsValue;

pub fn is_diverted(context: &Context) -> bool {
    let property = |of: &JsValue, name: &str| Reflect::get(of, &name.into()).ok();
    property(context.as_ref(), "props")
        .and_then(|props| property(&props, WALL_PROP))
        .is_some_and(|mark| mark == JsValue::TRUE)
}

pub fn turned_away() -> Failure {
    Problem::new(
        Code::Forbidden,
        "Agents reach the public internet, and no network behind it.",
    )
    .into()
}
