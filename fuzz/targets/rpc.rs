//! What a Solana endpoint answers, which may be anything: an owner is one whose name can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use multiclaw_core::ids::Collection;
use multiclaw_core::ownership::{OwnershipError, Reading, read_answer};

/// The one that the seeds belong to: `2pWYBdUHWd94BM6Vtq7jYrPukWR7v8Eys4m7MiFxHqg9`.
const COLLECTION: &str = "2pWYBdUHWd94BM6Vtq7jYrPukWR7v8Eys4m7MiFxHqg9";

fuzz_target!(|text: &str| {
    let collection = Collection::parse(COLLECTION).unwrap();
    if let Ok(Reading::Owned(owned)) = read_answer(text, collection) {
        assert!(owned.name.chars().count() <= 64);
        assert!(!owned.name.chars().any(char::is_control));
        // Nothing belongs to two collections.
        let other = read_answer(text, Collection::from_bytes([0; 32]));
        let nobodys = Reading::Nobody(OwnershipError::NotOurs, owned.slot);
        assert_eq!(other, Ok(nobodys));
    }
});
