//! The agent's wallet: transactions in which the asset's owner has the Metaplex Core program do one thing in the name of the
//! asset signer (`ExecuteV1`), written and read. What an owner is told that a transaction does is read from its bytes.
//!
//! Nothing here can sign: the owner's own wallet does.

pub mod amount;
pub mod chain;
mod operation;
pub mod plan;
pub mod prepare;
pub mod relay;
mod summary;
#[cfg(test)]
mod tests;
pub mod token;
pub mod view;

use crate::asset::CORE_PROGRAM;
use crate::ids::{Address, Asset, Blockhash, Collection, Wallet};
use crate::pda::asset_signer;
use crate::reader::Reader;
use crate::transaction::{Account, Instruction, Message, TransactionError};

pub use operation::{Operation, SYSTEM_PROGRAM, TokenTransfer};
pub use token::NewTokenAccount;

const EXECUTE: u8 = 31;
/// Of the accounts of `ExecuteV1` before those of the instruction that it wraps.
const EXECUTE_ACCOUNTS: usize = 7;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    #[error(
        "it is no single ExecuteV1 by the wallet that pays, with at most a token account made before"
    )]
    NotExecute,
}

/// What an owner has the agent's wallet do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletTransaction {
    pub asset: Asset,
    pub collection: Collection,
    /// Signs and pays the fees.
    pub owner: Wallet,
    pub blockhash: Blockhash,
    /// Made before, at the owner's cost, unless it exists.
    pub creates: Option<NewTokenAccount>,
    pub operation: Operation,
}

impl WalletTransaction {
    /// The message to sign. `None` when it does not fit into a transaction, or takes another signature than the owner's.
    #[must_use]
    pub fn write(&self) -> Option<Vec<u8>> {
        let mut instructions = Vec::new();
        if let Some(creates) = &self.creates {
            instructions.push(creates.instruction(self.owner)?);
        }
        instructions.push(self.execute()?);
        let message = Message {
            payer: self.owner,
            blockhash: self.blockhash,
            instructions,
        };
        message.write()
    }

    fn execute(&self) -> Option<Instruction> {
        let (signer, _) = asset_signer(&self.asset)?;
        let owner = Account::read_only(address(self.owner.as_bytes())).signer();
        let inner = self.operation.instruction(signer);
        let mut accounts = vec![
            Account::writable(address(self.asset.as_bytes())),
            Account::writable(address(self.collection.as_bytes())),
            Account::read_only(signer),
            Account {
                writable: true,
                ..owner
            },
            owner,
            Account::read_only(SYSTEM_PROGRAM),
            Account::read_only(inner.program),
        ];
        // The program signs for it: no key can.
        accounts.extend(inner.accounts.into_iter().map(|account| Account {
            signer: account.signer && account.address != signer,
            ..account
        }));
        let mut data = vec![EXECUTE];
        data.extend(u32::try_from(inner.data.len()).ok()?.to_le_bytes());
        data.extend(inner.data);
        Some(Instruction {
            program: CORE_PROGRAM,
            accounts,
            data,
        })
    }

    /// Reads a message as it is to be signed.
    ///
    /// # Errors
    /// [`DecodeError`]
    pub fn read(message: &[u8]) -> Result<Self, DecodeError> {
        let message = Message::read(message)?;
        Self::of(message).ok_or(DecodeError::NotExecute)
    }

    fn of(message: Message) -> Option<Self> {
        let Message {
            payer,
            blockhash,
            instructions,
        } = message;
        let (execute, before) = instructions.split_last()?;
        let creates = match before {
            [] => None,
            [create] => Some(NewTokenAccount::read(create, payer)?),
            _ => return None,
        };
        let (leading, rest) = execute.accounts.split_at_checked(EXECUTE_ACCOUNTS)?;
        let [asset, collection, signer, pays, authority, system, program] = leading else {
            return None;
        };
        let asset_id = Asset::from_bytes(*asset.address.as_bytes());
        let (expected, _) = asset_signer(&asset_id)?;
        let owner = address(payer.as_bytes());
        let fits = execute.program == CORE_PROGRAM
            && asset.writable
            && collection.writable
            && signer.address == expected
            && pays.address == owner
            && authority.address == owner
            && system.address == SYSTEM_PROGRAM;
        if !fits {
            return None;
        }
        let mut reader = Reader::new(&execute.data);
        if reader.u8()? != EXECUTE || usize::try_from(reader.u32()?).ok()? != reader.remaining() {
            return None;
        }
        let data = reader.bytes(reader.remaining())?.to_vec();
        let inner = Instruction {
            program: program.address,
            accounts: rest
                .iter()
                .map(|account| Account {
                    signer: account.signer || account.address == expected,
                    ..*account
                })
                .collect(),
            data,
        };
        Some(Self {
            asset: asset_id,
            collection: Collection::from_bytes(*collection.address.as_bytes()),
            owner: payer,
            blockhash,
            creates,
            operation: Operation::of(inner, expected),
        })
    }
}

const fn address(bytes: &[u8; 32]) -> Address {
    Address::from_bytes(*bytes)
}
