//! Project Wycheproof's Ed25519 vectors, against the verification that logins rest on.
#![allow(clippy::unwrap_used)]

use ed25519_dalek::VerifyingKey;
use multiclaw_core::ids::Wallet;
use multiclaw_core::proof::{ProofError, Signature, verify};
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

/// A message that is no text is refused for that, after its signature was found good.
fn verifies(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = <[u8; 64]>::try_from(signature) else {
        return false;
    };
    let wallet = Wallet::from_bytes(key.try_into().unwrap());
    match verify(&wallet, message, &Signature::from_bytes(signature)) {
        Ok(_) | Err(ProofError::Text) => true,
        Err(_) => false,
    }
}

#[test]
fn c03_every_valid_vector_verifies_and_every_other_is_refused() {
    let (mut valid, mut invalid) = (0, 0);
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key: &[u8] = &group.key.pk;
        let weak = VerifyingKey::try_from(key).is_ok_and(|key| key.is_weak());
        for test in group.tests {
            let expected = test.result == TestResult::Valid && !weak;
            assert_eq!(
                verifies(key, &test.msg, &test.sig),
                expected,
                "test {}: {}",
                test.tc_id,
                test.comment
            );
            if expected { valid += 1 } else { invalid += 1 }
        }
    }
    assert!(
        valid > 60 && invalid > 50,
        "{valid} valid, {invalid} invalid"
    );
}
