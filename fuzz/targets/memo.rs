//! Signed transactions: one that proves a key names the blockhash of no block and its signer first, and what is written reads
//! back. The input is a transaction whose signature is made here.
#![no_main]

use ed25519_dalek::{Signer, SigningKey};
use libfuzzer_sys::fuzz_target;
use multiclaw_core::ids::Wallet;
use multiclaw_core::memo::{MAX_LEN, MemoError, read, unsigned};
use multiclaw_core::proof::{Envelope, ProofError, verify, verify_transaction};
use multiclaw_core::siws::SignInMessage;

/// Of the wallet that made the seeds.
const SEED: [u8; 32] = [7; 32];
/// Of the transaction's bytes: a count, and one signature.
const SIGNATURES_LEN: usize = 65;

fuzz_target!(|transaction: &[u8]| {
    let key = SigningKey::from_bytes(&SEED);
    let wallet = Wallet::from_bytes(key.verifying_key().to_bytes());
    let mut transaction = transaction.to_vec();
    if let Some((signatures, message)) = transaction.split_at_mut_checked(SIGNATURES_LEN) {
        signatures[1..].copy_from_slice(&key.sign(message).to_bytes());
    }
    if let Ok(memo) = read(&transaction) {
        assert!(transaction.len() <= MAX_LEN && transaction[0] == 1);
        assert_eq!(memo.signed, &transaction[SIGNATURES_LEN..]);
        assert!(memo.signed.windows(32).any(|bytes| bytes == [0; 32]));
        assert!(
            memo.signed
                .windows(32)
                .any(|bytes| bytes == memo.signer.as_bytes())
        );
        // No signed bytes are both a transaction and a text.
        let signature = multiclaw_core::proof::Signature::from_bytes(memo.signature);
        if let Ok(proof) = verify(&wallet, memo.signed, &signature) {
            assert!(SignInMessage::parse(proof.text).is_err());
        }

        match verify_transaction(&wallet, &transaction) {
            Ok(proof) => {
                assert_eq!(memo.signer, wallet);
                assert_eq!(
                    (proof.text.as_bytes(), proof.envelope),
                    (memo.memo, Envelope::Memo)
                );
            }
            Err(ProofError::Transaction(MemoError::Signers)) => assert_ne!(memo.signer, wallet),
            Err(error) => assert_eq!(error, ProofError::Text),
        }
        // Of another transaction.
        transaction[1..SIGNATURES_LEN].copy_from_slice(&key.sign(b"").to_bytes());
        assert!(verify_transaction(&wallet, &transaction).is_err());
    }

    let Ok(text) = core::str::from_utf8(&transaction) else {
        return;
    };
    if let Some(written) = unsigned(&wallet, text) {
        let memo = read(&written).unwrap();
        assert_eq!((memo.signer, memo.memo), (wallet, text.as_bytes()));
    }
});
