//! Accounts of the Metaplex Core program: the owner that is told is the one the bytes name, whatever follows them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use multiclaw_core::asset::{AccountState, AssetError, CORE_PROGRAM, UpdateAuthority, decode};
use multiclaw_core::ids::Address;

fuzz_target!(|data: &[u8]| {
    let other = Address::from_bytes([0; 32]);
    assert_eq!(decode(&other, data), Err(AssetError::WrongProgram));
    match decode(&CORE_PROGRAM, data) {
        Ok(AccountState::Asset(asset)) => {
            assert_eq!(data[0], 1);
            assert_eq!(asset.owner.as_bytes(), &data[1..33]);
            match asset.update_authority {
                UpdateAuthority::None => assert_eq!(data[33], 0),
                UpdateAuthority::Address(address) => {
                    assert_eq!((data[33], &data[34..66]), (1, &address.as_bytes()[..]));
                }
                UpdateAuthority::Collection(collection) => {
                    assert!(asset.is_member_of(&collection));
                    assert_eq!((data[33], &data[34..66]), (2, &collection.as_bytes()[..]));
                }
            }
            assert!(asset.name.len() + asset.uri.len() <= data.len());
        }
        Ok(AccountState::Collection(_)) => assert_eq!(data[0], 5),
        Ok(AccountState::Burned) => assert_eq!(data, [0]),
        Ok(AccountState::NotAsset { key }) => assert!(key == data[0] && key != 1 && key != 5),
        Err(error) => assert_eq!(error, AssetError::Malformed),
    }
});
