//! The memo transaction: the proof for hardware wallets that sign transactions and nothing else. Its memo is the text to be
//! signed, and it can never land, for its blockhash is of no block. Written and read here: reading takes the legacy form
//! and version 0, with what wallets add, and nothing that could do more than prove a key.

use crate::ids::{Address, Wallet};
use crate::reader::Reader;
pub use crate::transaction::MAX_LEN;
use crate::transaction::{Placed, VERSIONED, keys, placed, push_length};

/// `MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr`
const MEMO_PROGRAM: Address = Address::from_bytes([
    0x05, 0x4a, 0x53, 0x5a, 0x99, 0x29, 0x21, 0x06, 0x4d, 0x24, 0xe8, 0x71, 0x60, 0xda, 0x38, 0x7c,
    0x7c, 0x35, 0xb5, 0xdd, 0xbc, 0x92, 0xbb, 0x81, 0xe4, 0x1f, 0xa8, 0x40, 0x41, 0x05, 0x44, 0x8d,
]);
/// `ComputeBudget111111111111111111111111111111`: wallets set fees with it.
const COMPUTE_BUDGET: Address = Address::from_bytes([
    0x03, 0x06, 0x46, 0x6f, 0xe5, 0x21, 0x17, 0x32, 0xff, 0xec, 0xad, 0xba, 0x72, 0xc3, 0x9b, 0xe7,
    0xbc, 0x8c, 0xe5, 0xbb, 0xc5, 0xf7, 0x12, 0x6b, 0x2c, 0x43, 0x9b, 0x3a, 0x40, 0x00, 0x00, 0x00,
]);
/// `L2TExMFKdjpN9kozasaurPirfHy9P8sbXoAN1qA3S95`: wallets guard their holders' balances with it.
const LIGHTHOUSE: Address = Address::from_bytes([
    0x04, 0xdf, 0xad, 0x79, 0x62, 0xff, 0xb1, 0xdd, 0x92, 0x5d, 0x0a, 0x9f, 0xb5, 0xe6, 0xd0, 0x0c,
    0xe6, 0x19, 0x5b, 0xa8, 0xbb, 0x3a, 0x91, 0xfd, 0x07, 0xef, 0x98, 0x60, 0xc5, 0xe9, 0x7b, 0xb8,
]);
/// No block has this hash, and no durable nonce is worth anything without its instruction, which is not allowed here.
const DEAD_BLOCKHASH: [u8; 32] = [0; 32];

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MemoError {
    #[error("the transaction is longer than {MAX_LEN} bytes")]
    TooLong,
    /// Cut short, with more behind its end, with an index or a length that does not fit, or with an account given twice.
    #[error("the bytes are not one whole transaction")]
    Malformed,
    #[error("the transaction is neither of the legacy form nor of version 0")]
    Version,
    #[error(
        "the transaction takes more or other signatures than that of the wallet, which pays its fee"
    )]
    Signers,
    #[error("the transaction takes accounts from a lookup table")]
    Lookup,
    #[error("the transaction has another blockhash than it was given, and could land")]
    Blockhash,
    #[error("the transaction calls a program that a sign-in does not need")]
    Program,
    #[error("the transaction has not exactly one memo, with no account but the wallet's")]
    Memo,
}

/// What a signed memo transaction says. Whether the signature is good is still to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memo<'a> {
    /// Who pays the fee, and alone signs.
    pub signer: Wallet,
    pub signature: [u8; 64],
    /// The message: what the signature is over.
    pub signed: &'a [u8],
    pub memo: &'a [u8],
}

/// The transaction that `wallet` is asked to sign, with room for its signature. `None` when the text is too long for one.
pub fn unsigned(wallet: &Wallet, text: &str) -> Option<Vec<u8>> {
    const SIGNERS: [u8; 3] = [1, 0, 1];
    const ACCOUNTS: u8 = 2;
    const MEMO_INDEX: u8 = 1;
    let mut transaction = vec![1];
    transaction.extend([0; 64]);
    transaction.extend(SIGNERS);
    transaction.push(ACCOUNTS);
    transaction.extend(wallet.as_bytes());
    transaction.extend(MEMO_PROGRAM.as_bytes());
    transaction.extend(DEAD_BLOCKHASH);
    // One instruction, with no account: that the wallet signed is the whole transaction's to say.
    transaction.extend([1, MEMO_INDEX, 0]);
    push_length(&mut transaction, u16::try_from(text.len()).ok()?);
    transaction.extend(text.as_bytes());
    (transaction.len() <= MAX_LEN).then_some(transaction)
}

/// Reads a signed transaction that is nothing but a memo, and what wallets add to one.
pub fn read(transaction: &[u8]) -> Result<Memo<'_>, MemoError> {
    if transaction.len() > MAX_LEN {
        return Err(MemoError::TooLong);
    }
    let (signatures, rest) = transaction.split_first().ok_or(MemoError::Malformed)?;
    if *signatures != 1 {
        return Err(MemoError::Signers);
    }
    let (&signature, signed) = rest.split_first_chunk().ok_or(MemoError::Malformed)?;
    let (signer, memo) = message(signed)?;
    Ok(Memo {
        signer,
        signature,
        signed,
        memo,
    })
}

fn message(bytes: &[u8]) -> Result<(Wallet, &[u8]), MemoError> {
    const MALFORMED: MemoError = MemoError::Malformed;
    let mut reader = Reader::new(bytes);
    let first = reader.u8().ok_or(MALFORMED)?;
    let versioned = first & VERSIONED != 0;
    if versioned && first != VERSIONED {
        return Err(MemoError::Version);
    }
    let signers = if versioned { reader.u8() } else { Some(first) };
    let [read_only_signers, read_only] = reader.array().ok_or(MALFORMED)?;
    if (signers, read_only_signers) != (Some(1), 0) {
        return Err(MemoError::Signers);
    }
    let keys = keys(&mut reader).ok_or(MALFORMED)?;
    let (&payer, others) = keys.split_first().ok_or(MALFORMED)?;
    if usize::from(read_only) > others.len() {
        return Err(MALFORMED);
    }
    if reader.array().ok_or(MALFORMED)? != DEAD_BLOCKHASH {
        return Err(MemoError::Blockhash);
    }

    let mut memo = None;
    let mut all_given = true;
    for _ in 0..reader.compact_u16().ok_or(MALFORMED)? {
        let Placed {
            program,
            accounts,
            data,
        } = placed(&mut reader, keys).ok_or(MALFORMED)?;
        match program {
            MEMO_PROGRAM if memo.is_none() && matches!(accounts, [] | [0]) => memo = Some(data),
            MEMO_PROGRAM => return Err(MemoError::Memo),
            COMPUTE_BUDGET | LIGHTHOUSE => {}
            _ => return Err(MemoError::Program),
        }
        all_given &= accounts.iter().all(|&at| usize::from(at) < keys.len());
    }
    if versioned && reader.compact_u16().ok_or(MALFORMED)? != 0 {
        return Err(MemoError::Lookup);
    }
    if !all_given || reader.remaining() != 0 {
        return Err(MALFORMED);
    }
    Ok((Wallet::from_bytes(payer), memo.ok_or(MemoError::Memo)?))
}

#[cfg(test)]
mod tests;
