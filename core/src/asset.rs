//! Metaplex Core accounts, decoded from their raw bytes: who owns an asset, and whether it belongs to a collection. What
//! the bytes say counts for something only because the Core program wrote them, so its ownership is checked first.

use crate::ids::{Address, Collection, Wallet};
use crate::plugins::{self, MalformedPlugins, Plugins};
use crate::reader::Reader;

/// `CoREENxT6tW1HoK8ypY1SxRMZTcVPm7R94rH4PZNhX7d`
pub const CORE_PROGRAM: Address = Address::from_bytes([
    0xaf, 0x54, 0xab, 0x10, 0xbd, 0x97, 0xa5, 0x42, 0xa0, 0x9e, 0xf7, 0xb3, 0x98, 0x89, 0xdd, 0x0c,
    0xd3, 0x94, 0xa4, 0xcc, 0xe9, 0xdf, 0xa6, 0xcd, 0xc9, 0x7e, 0xbe, 0x2d, 0x23, 0x5b, 0xa7, 0x48,
]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssetError {
    #[error("the account does not belong to the Metaplex Core program")]
    WrongProgram,
    /// The part that names the owner cannot be read to its end.
    #[error("the account's data cannot be read")]
    Malformed,
}

/// What an account of the Core program holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountState {
    Asset(CoreAsset),
    Collection(CoreCollection),
    /// The program leaves one zero byte behind; the address can never hold an asset again.
    Burned,
    /// Another kind of account, by its first byte.
    NotAsset {
        key: u8,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreAsset {
    pub owner: Wallet,
    pub update_authority: UpdateAuthority,
    /// Neither unique nor fixed: it is for showing only.
    pub name: String,
    pub uri: String,
    pub seq: Option<u64>,
    /// Nothing in it decides who the owner is, so an asset whose plugins cannot be read still has one.
    pub plugins: Result<Plugins, MalformedPlugins>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateAuthority {
    None,
    Address(Address),
    Collection(Collection),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreCollection {
    pub update_authority: Address,
    pub name: String,
    pub uri: String,
    pub num_minted: u32,
    pub current_size: u32,
    pub plugins: Result<Plugins, MalformedPlugins>,
}

impl CoreAsset {
    /// Anyone may name a collection's address as an update authority; only the program, with the collection's consent,
    /// writes it as a collection.
    pub fn is_member_of(&self, collection: &Collection) -> bool {
        match &self.update_authority {
            UpdateAuthority::Collection(own) => own == collection,
            UpdateAuthority::None | UpdateAuthority::Address(_) => false,
        }
    }
}

/// Decodes the account that `program` owns and that holds `data`.
pub fn decode(program: &Address, data: &[u8]) -> Result<AccountState, AssetError> {
    if *program != CORE_PROGRAM {
        return Err(AssetError::WrongProgram);
    }
    let state = match data {
        [0] => Some(AccountState::Burned),
        [1, ..] => asset(data).map(AccountState::Asset),
        [5, ..] => collection(data).map(AccountState::Collection),
        [key, ..] => Some(AccountState::NotAsset { key: *key }),
        [] => None,
    };
    state.ok_or(AssetError::Malformed)
}

fn asset(data: &[u8]) -> Option<CoreAsset> {
    let mut reader = Reader::new(data);
    reader.u8()?;
    Some(CoreAsset {
        owner: Wallet::from_bytes(reader.array()?),
        update_authority: match reader.u8()? {
            0 => UpdateAuthority::None,
            1 => UpdateAuthority::Address(Address::from_bytes(reader.array()?)),
            2 => UpdateAuthority::Collection(Collection::from_bytes(reader.array()?)),
            _ => return None,
        },
        name: reader.string()?,
        uri: reader.string()?,
        seq: reader.option(Reader::u64)?,
        plugins: plugins::decode(data, reader),
    })
}

fn collection(data: &[u8]) -> Option<CoreCollection> {
    let mut reader = Reader::new(data);
    reader.u8()?;
    Some(CoreCollection {
        update_authority: Address::from_bytes(reader.array()?),
        name: reader.string()?,
        uri: reader.string()?,
        num_minted: reader.u32()?,
        current_size: reader.u32()?,
        plugins: plugins::decode(data, reader),
    })
}
