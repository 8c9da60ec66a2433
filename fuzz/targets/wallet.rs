//! Transactions of the agent's wallet as owners send them back: what reads as one is written as the same, what is told of it
//! names who signs, and nobody else's signature is taken for the owner's. The input is a transaction with one signature.
#![no_main]

use ed25519_dalek::{Signer, SigningKey};
use libfuzzer_sys::fuzz_target;
use multiclaw_core::encoding::base64;
use multiclaw_core::ids::Wallet;
use multiclaw_core::transaction::{MAX_LEN, Message, split, unsigned};
use multiclaw_core::wallet::WalletTransaction;
use multiclaw_core::wallet::relay::Claimed;
use multiclaw_core::wallet::token::{Mint, TokenAccount};

const SEED: [u8; 32] = [7; 32];
const SIGNATURES_LEN: usize = 65;

fuzz_target!(|transaction: &[u8]| {
    let _ = (Mint::read(transaction), TokenAccount::read(transaction));
    let Ok((_, message)) = split(transaction) else {
        return;
    };
    assert!(transaction.len() <= MAX_LEN && unsigned(message).len() == transaction.len());
    if let Ok(read) = Message::read(message)
        && let Some(written) = read.write()
    {
        assert_eq!(Message::read(&written).as_ref(), Ok(&read));
    }
    if let Ok(read) = WalletTransaction::read(message) {
        let owner = read.owner.to_string();
        assert!(
            read.summary(None)
                .last()
                .is_some_and(|line| line.contains(&owner))
        );
        if let Some(written) = read.write() {
            assert_eq!(WalletTransaction::read(&written), Ok(read));
        }
    }

    let key = SigningKey::from_bytes(&SEED);
    let [owner, other] = [
        key.verifying_key(),
        SigningKey::from_bytes(&[8; 32]).verifying_key(),
    ]
    .map(|key| Wallet::from_bytes(key.to_bytes()));
    let mut signed = transaction.to_vec();
    signed[1..SIGNATURES_LEN].copy_from_slice(&key.sign(message).to_bytes());
    let claimed = Claimed::parse(&base64(&signed)).unwrap();
    assert_eq!(claimed.message(), message);
    assert!(claimed.signed_by(&owner).is_ok() && claimed.signed_by(&other).is_err());
});
