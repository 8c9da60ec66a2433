//! Signed bytes: the envelope that a text comes in is the only one that gives these bytes, and a signature counts for
//! them alone.
#![no_main]

use ed25519_dalek::{Signer, SigningKey};
use libfuzzer_sys::fuzz_target;
use multiclaw_core::ids::Wallet;
use multiclaw_core::proof::{Envelope, Proof, ProofError, Signature, verify};

/// Of the wallet that made the seeds: its address stands in their envelopes.
const SEED: [u8; 32] = [
    0x45, 0xb6, 0xff, 0x6a, 0xc0, 0x5a, 0xcc, 0xaf, 0xff, 0x0c, 0xa9, 0xea, 0x53, 0xf4, 0xdd, 0x08,
    0xc2, 0x30, 0x01, 0xe8, 0x58, 0x90, 0x7e, 0x16, 0x39, 0x2d, 0xae, 0xb1, 0x4e, 0x37, 0x40, 0x47,
];
const MARK: &[u8] = b"\xffsolana offchain";

fn length(text: &str) -> [u8; 2] {
    u16::try_from(text.len()).unwrap().to_le_bytes()
}

/// The bytes that such a proof was read from, of each format that its envelope knows.
fn written(proof: &Proof<'_>, wallet: &Wallet) -> Vec<Vec<u8>> {
    let text = proof.text.as_bytes();
    let formats = [0, 1, 2].into_iter();
    match proof.envelope {
        Envelope::Raw => vec![text.to_vec()],
        Envelope::Legacy => formats
            .map(|format| [MARK, &[0, format], &length(proof.text), text].concat())
            .collect(),
        Envelope::V0 { application_domain } => formats
            .map(|format| {
                let signer = wallet.as_bytes();
                let head = [MARK, &[0], &application_domain, &[format, 1], signer].concat();
                [&head, &length(proof.text)[..], text].concat()
            })
            .collect(),
        Envelope::V1 => vec![[MARK, &[1, 1], wallet.as_bytes(), text].concat()],
        Envelope::Memo => unreachable!("a transaction is no message"),
    }
}

fuzz_target!(|signed: &[u8]| {
    let key = SigningKey::from_bytes(&SEED);
    let wallet = Wallet::from_bytes(key.verifying_key().to_bytes());
    let signature = key.sign(signed);
    if let Ok(proof) = verify(
        &wallet,
        signed,
        &Signature::from_bytes(signature.to_bytes()),
    ) {
        assert!(written(&proof, &wallet).iter().any(|bytes| bytes == signed));
    }

    // The same bytes as a signature, and a signature of other bytes.
    let forged = signed.first_chunk().copied().unwrap_or([0; 64]);
    let other = key.sign(&[signed, b"."].concat()).to_bytes();
    for bytes in [forged, other] {
        let refused = verify(&wallet, signed, &Signature::from_bytes(bytes));
        assert!(matches!(
            refused,
            Err(ProofError::Signature | ProofError::TooLong)
        ));
    }
});
