//! The sign-in text: whatever is read is written back byte for byte, so no two texts can mean the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use multiclaw_core::siws::{MAX_TEXT_LEN, SignInMessage};

fuzz_target!(|text: &str| {
    let Ok(message) = SignInMessage::parse(text) else {
        return;
    };
    assert!(text.len() <= MAX_TEXT_LEN);
    assert_eq!(message.to_string(), text);
    assert_eq!(message.difference(&message), None);
});
