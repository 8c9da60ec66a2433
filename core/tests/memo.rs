//! Memo transactions made with Solana's own JavaScript library, and what a sign-in makes of them.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

use ed25519_dalek::{Signer as _, SigningKey};
use multiclaw_core::encoding::{base64, from_base64};
use multiclaw_core::ids::Wallet;
use multiclaw_core::memo::{MemoError, unsigned};
use multiclaw_core::proof::{Envelope, Evidence, ProofError, verify_transaction};
use serde_json::Value;

const VECTORS: &str = include_str!("../../tests/vectors/memo-vectors.json");
/// Before the message: the number of signatures, and one.
const SIGNATURE_END: usize = 1 + 64;

fn file() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

fn text(file: &Value) -> &str {
    file["text"].as_str().unwrap()
}

fn wallet(file: &Value) -> Wallet {
    Wallet::parse(file["wallet"].as_str().unwrap()).unwrap()
}

fn transaction(vector: &Value) -> Vec<u8> {
    from_base64(vector["transaction"].as_str().unwrap()).unwrap()
}

fn vectors(file: &Value) -> &[Value] {
    file["vectors"].as_array().unwrap()
}

fn accepted(file: &Value) -> impl Iterator<Item = Vec<u8>> {
    let accepted = vectors(file)
        .iter()
        .filter(|vector| vector["expected"] == "accepted");
    accepted.map(transaction)
}

#[test]
fn the_transaction_to_sign_is_written_as_solanas_library_writes_it() {
    let file = file();
    let written = unsigned(&wallet(&file), text(&file)).unwrap();
    assert_eq!(base64(&written), file["unsigned"]);
}

#[test]
fn c03_each_transaction_is_accepted_or_refused_for_its_reason() {
    let file = file();
    let (mut good, mut bad) = (0, 0);
    for vector in vectors(&file) {
        let expected = match vector["expected"].as_str().unwrap() {
            "accepted" => Ok((text(&file), Envelope::Memo)),
            "Signers" => Err(MemoError::Signers),
            "Lookup" => Err(MemoError::Lookup),
            "Blockhash" => Err(MemoError::Blockhash),
            "Program" => Err(MemoError::Program),
            "Memo" => Err(MemoError::Memo),
            other => panic!("{other}"),
        };
        let evidence = Evidence::Transaction(transaction(vector));
        let proof = evidence.verify(&wallet(&file), "another text");
        assert_eq!(
            proof.map(|proof| (proof.text, proof.envelope)),
            expected.map_err(ProofError::Transaction),
            "{}",
            vector["name"]
        );
        *(if expected.is_ok() {
            &mut good
        } else {
            &mut bad
        }) += 1;
    }
    assert!(good >= 5 && bad >= 10, "{good} accepted, {bad} refused");
}

#[test]
fn c03_a_signed_transaction_with_any_changed_byte_is_refused() {
    // Every 7th byte: a verification takes its time in an unoptimized build.
    const STEP: usize = 7;
    let file = file();
    let wallet = wallet(&file);
    for whole in accepted(&file) {
        assert!(verify_transaction(&wallet, &whole).is_ok());
        for at in (0..whole.len()).step_by(STEP) {
            for bit in [1, 0x80] {
                let mut changed = whole.clone();
                changed[at] ^= bit;
                assert!(verify_transaction(&wallet, &changed).is_err(), "byte {at}");
            }
        }
    }
}

#[test]
fn c03_a_transaction_that_the_wallet_did_not_sign_is_refused() {
    let file = file();
    let mine = wallet(&file);
    let unsigned = unsigned(&mine, text(&file)).unwrap();
    let signed_by = |seed| {
        let mut transaction = unsigned.clone();
        let signature = SigningKey::from_bytes(&[seed; 32]).sign(&transaction[SIGNATURE_END..]);
        transaction[1..SIGNATURE_END].copy_from_slice(&signature.to_bytes());
        transaction
    };
    assert!(verify_transaction(&mine, &signed_by(7)).is_ok());
    for transaction in [unsigned.clone(), signed_by(8)] {
        assert_eq!(
            verify_transaction(&mine, &transaction),
            Err(ProofError::Signature)
        );
    }
    let theirs = Wallet::parse(file["other"].as_str().unwrap()).unwrap();
    assert_eq!(
        verify_transaction(&theirs, &signed_by(7)),
        Err(ProofError::Transaction(MemoError::Signers))
    );
}
