//! A notice that assets moved, which anybody may have written: what it names is bounded, and named once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use multiclaw_core::webhook::{MAX_ASSETS, assets_of};

fuzz_target!(|body: &str| {
    if let Some(assets) = assets_of(body) {
        assert!(assets.len() <= MAX_ASSETS);
        assert!(assets.is_sorted_by(|one, next| one < next));
        // An address takes no fewer characters than bytes.
        assert!(assets.len() * 32 <= body.len());
    }
});
