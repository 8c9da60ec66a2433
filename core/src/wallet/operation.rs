//! The instructions that the agent's wallet is made to carry out: those whose meaning is known here, and all others.

use crate::ids::Address;
use crate::reader::Reader;
use crate::transaction::{Account, Instruction};

use super::token::TokenProgram;

/// `11111111111111111111111111111111`
pub const SYSTEM_PROGRAM: Address = Address::from_bytes([0; 32]);
const SYSTEM_TRANSFER: u32 = 2;
const TRANSFER_CHECKED: u8 = 12;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    TransferSol {
        to: Address,
        lamports: u64,
    },
    TransferToken(TokenTransfer),
    /// What it does is its program's to know.
    Custom(Instruction),
}

/// `TransferChecked`: the program refuses it unless mint and decimals are as told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenTransfer {
    pub program: TokenProgram,
    pub mint: Address,
    /// Token accounts, not wallets.
    pub source: Address,
    pub destination: Address,
    pub base_units: u64,
    pub decimals: u8,
}

impl Operation {
    /// The instruction, in which `wallet` signs.
    pub(super) fn instruction(&self, wallet: Address) -> Instruction {
        match self {
            Self::TransferSol { to, lamports } => {
                let mut data = SYSTEM_TRANSFER.to_le_bytes().to_vec();
                data.extend(lamports.to_le_bytes());
                Instruction {
                    program: SYSTEM_PROGRAM,
                    accounts: vec![Account::writable(wallet).signer(), Account::writable(*to)],
                    data,
                }
            }
            Self::TransferToken(transfer) => {
                let mut data = vec![TRANSFER_CHECKED];
                data.extend(transfer.base_units.to_le_bytes());
                data.push(transfer.decimals);
                Instruction {
                    program: transfer.program.address(),
                    accounts: vec![
                        Account::writable(transfer.source),
                        Account::read_only(transfer.mint),
                        Account::writable(transfer.destination),
                        Account::read_only(wallet).signer(),
                    ],
                    data,
                }
            }
            Self::Custom(instruction) => instruction.clone(),
        }
    }

    /// What an instruction does in the name of `wallet`.
    pub(super) fn of(instruction: Instruction, wallet: Address) -> Self {
        transfer_sol(&instruction, wallet)
            .or_else(|| transfer_token(&instruction, wallet))
            .unwrap_or(Self::Custom(instruction))
    }
}

fn transfer_sol(instruction: &Instruction, wallet: Address) -> Option<Operation> {
    let [from, to] = instruction.accounts.as_slice() else {
        return None;
    };
    let mut reader = Reader::new(&instruction.data);
    let (kind, lamports) = (reader.u32()?, reader.u64()?);
    let fits = instruction.program == SYSTEM_PROGRAM
        && kind == SYSTEM_TRANSFER
        && reader.remaining() == 0
        && from.address == wallet
        && from.writable
        && to.writable;
    fits.then_some(Operation::TransferSol {
        to: to.address,
        lamports,
    })
}

fn transfer_token(instruction: &Instruction, wallet: Address) -> Option<Operation> {
    let program = TokenProgram::at(&instruction.program)?;
    let [source, mint, destination, authority] = instruction.accounts.as_slice() else {
        return None;
    };
    let mut reader = Reader::new(&instruction.data);
    let (kind, base_units, decimals) = (reader.u8()?, reader.u64()?, reader.u8()?);
    let fits = kind == TRANSFER_CHECKED
        && reader.remaining() == 0
        && authority.address == wallet
        && source.writable
        && destination.writable;
    fits.then_some(Operation::TransferToken(TokenTransfer {
        program,
        mint: mint.address,
        source: source.address,
        destination: destination.address,
        base_units,
        decimals,
    }))
}
