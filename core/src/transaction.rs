//! Transactions of Solana as bytes, read and written: the legacy form and version 0, without lookup tables, and with one
//! signature, that of the wallet which pays the fee. What reads them here believes nothing that they say of their lengths.

use crate::ids::{Address, Blockhash, Wallet};
use crate::reader::Reader;

/// The network takes no longer ones.
pub const MAX_LEN: usize = 1232;
/// The top bit of the first byte tells a version; without it that byte is a legacy message's number of signers.
pub(crate) const VERSIONED: u8 = 0x80;
/// Before the message: the number of signatures, and one.
const SIGNATURE_LEN: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    #[error("the transaction is longer than {MAX_LEN} bytes")]
    TooLong,
    /// Cut short, with more behind its end, with an index or a length that does not fit, or with an account given twice.
    #[error("the bytes are not one whole transaction")]
    Malformed,
    #[error("the transaction is neither of the legacy form nor of version 0")]
    Version,
    #[error("the transaction takes other signatures than that of the wallet which pays its fee")]
    Signers,
    #[error("the transaction takes accounts from a lookup table")]
    Lookup,
}

/// An account as an instruction uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    pub address: Address,
    pub signer: bool,
    pub writable: bool,
}

impl Account {
    #[must_use]
    pub const fn read_only(address: Address) -> Self {
        Self {
            address,
            signer: false,
            writable: false,
        }
    }

    #[must_use]
    pub const fn writable(address: Address) -> Self {
        Self {
            address,
            signer: false,
            writable: true,
        }
    }

    #[must_use]
    pub const fn signer(self) -> Self {
        Self {
            signer: true,
            ..self
        }
    }
}

/// One call of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    pub program: Address,
    pub accounts: Vec<Account>,
    pub data: Vec<u8>,
}

/// What is signed: what is to be done, who pays for it, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub payer: Wallet,
    pub blockhash: Blockhash,
    /// The right to sign or to write is an account's in the whole message: each of its uses is read with all of it.
    pub instructions: Vec<Instruction>,
}

impl Message {
    /// The bytes of version 0, with the accounts in the order in which they first appear, as Solana's JavaScript libraries
    /// write them. `None` when somebody besides the payer would have to sign, or when it does not fit.
    #[must_use]
    pub fn write(&self) -> Option<Vec<u8>> {
        let accounts = self.accounts()?;
        let read_only = accounts.iter().filter(|it| !it.writable).count();
        let mut bytes = vec![VERSIONED, 1, 0, u8::try_from(read_only).ok()?];
        push_length(&mut bytes, u16::try_from(accounts.len()).ok()?);
        for account in &accounts {
            bytes.extend(account.address.as_bytes());
        }
        bytes.extend(self.blockhash.as_bytes());
        push_length(&mut bytes, u16::try_from(self.instructions.len()).ok()?);
        let place = |address: &Address| {
            let place = accounts.iter().position(|it| it.address == *address)?;
            u8::try_from(place).ok()
        };
        for Instruction {
            program,
            accounts,
            data,
        } in &self.instructions
        {
            bytes.push(place(program)?);
            push_length(&mut bytes, u16::try_from(accounts.len()).ok()?);
            for account in accounts {
                bytes.push(place(&account.address)?);
            }
            push_length(&mut bytes, u16::try_from(data.len()).ok()?);
            bytes.extend(data);
        }
        // No lookup table.
        bytes.push(0);
        let whole = bytes.len().checked_add(SIGNATURE_LEN)?.checked_add(1)?;
        (whole <= MAX_LEN).then_some(bytes)
    }

    /// The payer, what may be written, and the rest.
    fn accounts(&self) -> Option<Vec<Account>> {
        let payer = Address::from_bytes(*self.payer.as_bytes());
        let mut all = vec![Account::writable(payer).signer()];
        for instruction in &self.instructions {
            let program = Account::read_only(instruction.program);
            for used in core::iter::once(&program).chain(&instruction.accounts) {
                if let Some(known) = all.iter_mut().find(|it| it.address == used.address) {
                    known.writable |= used.writable;
                    known.signer |= used.signer;
                } else {
                    all.push(*used);
                }
            }
        }
        let (mut ordered, read_only): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|it| it.writable);
        ordered.extend(read_only);
        let signers = ordered.iter().filter(|it| it.signer).count();
        (signers == 1).then_some(ordered)
    }

    /// Reads the bytes of a message.
    ///
    /// # Errors
    /// [`TransactionError`]
    pub fn read(bytes: &[u8]) -> Result<Self, TransactionError> {
        const MALFORMED: TransactionError = TransactionError::Malformed;
        let mut reader = Reader::new(bytes);
        let first = reader.u8().ok_or(MALFORMED)?;
        let versioned = first & VERSIONED != 0;
        if versioned && first != VERSIONED {
            return Err(TransactionError::Version);
        }
        let signers = if versioned { reader.u8() } else { Some(first) };
        let [read_only_signers, read_only] = reader.array().ok_or(MALFORMED)?;
        if (signers, read_only_signers) != (Some(1), 0) {
            return Err(TransactionError::Signers);
        }
        let keys = keys(&mut reader).ok_or(MALFORMED)?;
        let (&payer, others) = keys.split_first().ok_or(MALFORMED)?;
        let writable = others
            .len()
            .checked_sub(usize::from(read_only))
            .ok_or(MALFORMED)?;
        let blockhash = Blockhash::from_bytes(reader.array().ok_or(MALFORMED)?);
        let account = |place: u8| {
            let place = usize::from(place);
            Some(Account {
                address: Address::from_bytes(*keys.get(place)?),
                signer: place == 0,
                writable: place <= writable,
            })
        };
        let mut instructions = Vec::new();
        for _ in 0..reader.compact_u16().ok_or(MALFORMED)? {
            let Placed {
                program,
                accounts,
                data,
            } = placed(&mut reader, keys).ok_or(MALFORMED)?;
            let accounts: Option<Vec<_>> = accounts.iter().map(|&place| account(place)).collect();
            instructions.push(Instruction {
                program,
                accounts: accounts.ok_or(MALFORMED)?,
                data: data.to_vec(),
            });
        }
        if versioned && reader.compact_u16().ok_or(MALFORMED)? != 0 {
            return Err(TransactionError::Lookup);
        }
        if reader.remaining() != 0 {
            return Err(MALFORMED);
        }
        Ok(Self {
            payer: Wallet::from_bytes(payer),
            blockhash,
            instructions,
        })
    }
}

/// The transaction that asks for the one signature over `message`.
#[must_use]
pub fn unsigned(message: &[u8]) -> Vec<u8> {
    let mut transaction = vec![1];
    transaction.extend([0; SIGNATURE_LEN]);
    transaction.extend(message);
    transaction
}

/// The one signature of a transaction, and the message that it is over. Whether it is good is still to be checked.
///
/// # Errors
/// [`TransactionError`]
pub fn split(transaction: &[u8]) -> Result<([u8; SIGNATURE_LEN], &[u8]), TransactionError> {
    if transaction.len() > MAX_LEN {
        return Err(TransactionError::TooLong);
    }
    let (count, rest) = transaction
        .split_first()
        .ok_or(TransactionError::Malformed)?;
    if *count != 1 {
        return Err(TransactionError::Signers);
    }
    let (&signature, message) = rest
        .split_first_chunk()
        .ok_or(TransactionError::Malformed)?;
    Ok((signature, message))
}

/// The accounts of a message, none of them twice: of an account with two places one could tell two stories.
pub(crate) fn keys<'a>(reader: &mut Reader<'a>) -> Option<&'a [[u8; 32]]> {
    let count = usize::from(reader.compact_u16()?);
    let (keys, _) = reader.bytes(count.checked_mul(32)?)?.as_chunks();
    let mut rest = keys;
    while let Some((key, others)) = rest.split_first() {
        if others.contains(key) {
            return None;
        }
        rest = others;
    }
    Some(keys)
}

/// An instruction as it lies there.
pub(crate) struct Placed<'a> {
    pub(crate) program: Address,
    /// Indices into the message's accounts; with lookup tables they go on beyond these.
    pub(crate) accounts: &'a [u8],
    pub(crate) data: &'a [u8],
}

/// An instruction, whose program is an account that the message gives.
pub(crate) fn placed<'a>(reader: &mut Reader<'a>, keys: &[[u8; 32]]) -> Option<Placed<'a>> {
    let &program = keys.get(usize::from(reader.u8()?))?;
    let count = usize::from(reader.compact_u16()?);
    let accounts = reader.bytes(count)?;
    let length = usize::from(reader.compact_u16()?);
    Some(Placed {
        program: Address::from_bytes(program),
        accounts,
        data: reader.bytes(length)?,
    })
}

/// A length as transactions have it: seven bits a byte, the lowest first.
pub(crate) fn push_length(bytes: &mut Vec<u8>, length: u16) {
    let mut rest = length;
    for _ in 0..3 {
        let [low, _] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_in_the_whole_message_what_any_of_its_uses_needs() {
        let payer = Wallet::from_bytes([1; 32]);
        let own = Address::from_bytes([1; 32]);
        let other = Address::from_bytes([2; 32]);
        let message = Message {
            payer,
            blockhash: Blockhash::from_bytes([3; 32]),
            instructions: vec![Instruction {
                program: Address::from_bytes([4; 32]),
                accounts: vec![
                    Account::read_only(own),
                    Account::read_only(other),
                    Account::writable(other),
                    Account::read_only(other),
                ],
                data: vec![5],
            }],
        };
        let read = Message::read(&message.write().unwrap()).unwrap();
        assert_eq!(
            read.instructions[0].accounts,
            [
                Account::writable(own).signer(),
                Account::writable(other),
                Account::writable(other),
                Account::writable(other),
            ]
        );
    }

    #[test]
    fn a_transaction_may_be_as_long_as_the_network_takes() {
        let longest = unsigned(&[7; MAX_LEN - 65]);
        assert_eq!(longest.len(), MAX_LEN);
        assert_eq!(split(&longest), Ok(([0; 64], &[7; MAX_LEN - 65][..])));
        assert_eq!(
            split(&unsigned(&[7; MAX_LEN - 64])),
            Err(TransactionError::TooLong)
        );
    }
}
