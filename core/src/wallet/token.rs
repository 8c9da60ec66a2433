//! Token accounts of both token programs: where a wallet's own one is, how it is made, and what it holds. Token-2022 puts
//! its extensions behind what the older program has; which of them forbid a plain transfer is read from the mint.

use serde::{Deserialize, Serialize};

use crate::ids::{Address, Wallet};
use crate::pda::derived;
use crate::reader::Reader;
use crate::transaction::{Account, Instruction};

use super::operation::SYSTEM_PROGRAM;

/// `TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA`
const TOKEN: Address = Address::from_bytes([
    0x06, 0xdd, 0xf6, 0xe1, 0xd7, 0x65, 0xa1, 0x93, 0xd9, 0xcb, 0xe1, 0x46, 0xce, 0xeb, 0x79, 0xac,
    0x1c, 0xb4, 0x85, 0xed, 0x5f, 0x5b, 0x37, 0x91, 0x3a, 0x8c, 0xf5, 0x85, 0x7e, 0xff, 0x00, 0xa9,
]);
/// `TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb`
const TOKEN_2022: Address = Address::from_bytes([
    0x06, 0xdd, 0xf6, 0xe1, 0xee, 0x75, 0x8f, 0xde, 0x18, 0x42, 0x5d, 0xbc, 0xe4, 0x6c, 0xcd, 0xda,
    0xb6, 0x1a, 0xfc, 0x4d, 0x83, 0xb9, 0x0d, 0x27, 0xfe, 0xbd, 0xf9, 0x28, 0xd8, 0xa1, 0x8b, 0xfc,
]);
/// `ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL`
const ASSOCIATED: Address = Address::from_bytes([
    0x8c, 0x97, 0x25, 0x8f, 0x4e, 0x24, 0x89, 0xf1, 0xbb, 0x3d, 0x10, 0x29, 0x14, 0x8e, 0x0d, 0x83,
    0x0b, 0x5a, 0x13, 0x99, 0xda, 0xff, 0x10, 0x84, 0x04, 0x8e, 0x7b, 0xd8, 0xdb, 0xe9, 0xf8, 0x59,
]);

const CREATE_IDEMPOTENT: u8 = 1;
/// Of a token account without extensions, and of a mint.
pub const ACCOUNT_LEN: usize = 165;
const MINT_LEN: usize = 82;
/// Behind [`ACCOUNT_LEN`] a byte tells which of both has the extensions that follow.
const MINT_KIND: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TokenProgram {
    Token,
    Token2022,
}

impl TokenProgram {
    pub const ALL: [Self; 2] = [Self::Token, Self::Token2022];

    #[must_use]
    pub const fn address(self) -> Address {
        match self {
            Self::Token => TOKEN,
            Self::Token2022 => TOKEN_2022,
        }
    }

    #[must_use]
    pub fn at(address: &Address) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.address() == *address)
    }

    /// Bytes of a new associated account, at least: a mint may ask for more.
    #[must_use]
    pub const fn account_len(self) -> usize {
        match self {
            Self::Token => ACCOUNT_LEN,
            // With the mark that its owner can't change, which each one has.
            Self::Token2022 => 170,
        }
    }

    /// The account in which `wallet` holds `mint`, unless it chose another one.
    #[must_use]
    pub fn associated(self, wallet: &Address, mint: &Address) -> Option<Address> {
        let program = self.address();
        let seeds: [&[u8]; 3] = [wallet.as_bytes(), program.as_bytes(), mint.as_bytes()];
        derived(&seeds, &ASSOCIATED).map(|(address, _)| address)
    }
}

/// The making of a wallet's associated token account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewTokenAccount {
    pub program: TokenProgram,
    pub wallet: Address,
    pub mint: Address,
}

impl NewTokenAccount {
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        self.program.associated(&self.wallet, &self.mint)
    }

    /// It does nothing where the account exists.
    pub(super) fn instruction(&self, payer: Wallet) -> Option<Instruction> {
        Some(Instruction {
            program: ASSOCIATED,
            accounts: vec![
                Account::writable(Address::from_bytes(*payer.as_bytes())).signer(),
                Account::writable(self.address()?),
                Account::read_only(self.wallet),
                Account::read_only(self.mint),
                Account::read_only(SYSTEM_PROGRAM),
                Account::read_only(self.program.address()),
            ],
            data: vec![CREATE_IDEMPOTENT],
        })
    }

    pub(super) fn read(instruction: &Instruction, payer: Wallet) -> Option<Self> {
        let [pays, account, wallet, mint, system, program] = instruction.accounts.as_slice() else {
            return None;
        };
        let new = Self {
            program: TokenProgram::at(&program.address)?,
            wallet: wallet.address,
            mint: mint.address,
        };
        let fits = instruction.program == ASSOCIATED
            && instruction.data == [CREATE_IDEMPOTENT]
            && pays.address.as_bytes() == payer.as_bytes()
            && system.address == SYSTEM_PROGRAM
            && account.writable
            && Some(account.address) == new.address();
        fits.then_some(new)
    }
}

/// What a token account holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenAccount {
    pub mint: Address,
    pub owner: Address,
    pub base_units: u64,
    pub frozen: bool,
}

impl TokenAccount {
    /// Reads the first bytes of one; what follows these does not matter here.
    #[must_use]
    pub fn read(data: &[u8]) -> Option<Self> {
        // A delegate with a flag of four bytes: who may take from it.
        const DELEGATE_LEN: usize = 36;
        const FROZEN: u8 = 2;
        let mut reader = Reader::new(data);
        let mint = Address::from_bytes(reader.array()?);
        let owner = Address::from_bytes(reader.array()?);
        let base_units = reader.u64()?;
        reader.bytes(DELEGATE_LEN)?;
        let state = reader.u8()?;
        matches!(state, 1 | FROZEN).then_some(Self {
            mint,
            owner,
            base_units,
            frozen: state == FROZEN,
        })
    }

    /// So many bytes are read of one.
    pub const READ_LEN: usize = 109;
}

/// What matters of a mint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mint {
    pub decimals: u8,
    /// Whether a plain transfer can't move it, or not without accounts that only its own programs know.
    pub is_bound: bool,
    /// Whether less may arrive than was sent.
    pub takes_fees: bool,
}

impl Mint {
    /// Reads a mint, the extensions of a newer one too; `None` for anything else.
    #[must_use]
    pub fn read(data: &[u8]) -> Option<Self> {
        const TRANSFER_FEE: u16 = 1;
        const NON_TRANSFERABLE: u16 = 9;
        const TRANSFER_HOOK: u16 = 14;
        let mut mint = Self::read_plain(data)?;
        if data.len() == MINT_LEN {
            return Some(mint);
        }
        let mut reader = Reader::new(data);
        reader.bytes(ACCOUNT_LEN)?;
        if reader.u8()? != MINT_KIND {
            return None;
        }
        // What is left at the end may be too short for another one, and zero where there is none.
        while let Some(kind) = reader.array().map(u16::from_le_bytes) {
            let Some(length) = reader.array().map(u16::from_le_bytes) else {
                break;
            };
            let value = reader.bytes(usize::from(length))?;
            match kind {
                0 => break,
                TRANSFER_FEE => mint.takes_fees = true,
                NON_TRANSFERABLE => mint.is_bound = true,
                // An authority, and then the program, which may be none.
                TRANSFER_HOOK => {
                    mint.is_bound |= value.iter().skip(32).any(|byte| *byte != 0);
                }
                _ => {}
            }
        }
        Some(mint)
    }

    /// Reads the part that mints of both programs have.
    #[must_use]
    pub fn read_plain(data: &[u8]) -> Option<Self> {
        // An authority with a flag of four bytes, and the supply.
        const BEFORE_DECIMALS: usize = 44;
        let mut reader = Reader::new(data.get(..MINT_LEN)?);
        reader.bytes(BEFORE_DECIMALS)?;
        let decimals = reader.u8()?;
        reader.bool()?.then_some(Self {
            decimals,
            is_bound: false,
            takes_fees: false,
        })
    }

    /// So many bytes are read of one to be shown.
    pub const READ_LEN: usize = MINT_LEN;
}
