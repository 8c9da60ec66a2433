//! The agent's wallet: the asset-signer address, which the Metaplex Core program derives from the asset and signs for when
//! the asset's owner says so. It is off the curve, so no key for it exists; control passes with the asset. Other programs
//! derive addresses in the same way.

use curve25519_dalek::edwards::CompressedEdwardsY;
use sha2::{Digest, Sha256};

use crate::asset::CORE_PROGRAM;
use crate::ids::{Address, Asset};

const SEED: &[u8] = b"mpl-core-execute";
const DOMAIN: &[u8] = b"ProgramDerivedAddress";

/// The wallet of `asset` and the bump that puts it off the curve.
pub fn asset_signer(asset: &Asset) -> Option<(Address, u8)> {
    derived(&[SEED, asset.as_bytes()], &CORE_PROGRAM)
}

/// The address that `program` derives from `seeds`, and the bump that puts it off the curve. `None` when no bump does, of
/// which no case is known: each of the 256 fails with probability one half.
pub(crate) fn derived(seeds: &[&[u8]], program: &Address) -> Option<(Address, u8)> {
    let mut begun = Sha256::new();
    for seed in seeds {
        begun.update(seed);
    }
    (0..=u8::MAX).rev().find_map(|bump| {
        let hash: [u8; 32] = begun
            .clone()
            .chain_update([bump])
            .chain_update(program.as_bytes())
            .chain_update(DOMAIN)
            .finalize()
            .into();
        (!is_on_curve(&hash)).then_some((Address::from_bytes(hash), bump))
    })
}

/// Whether a key for the address can exist. An escrow's, a vault's or an agent's own is off the curve: it signs nothing.
#[must_use]
pub fn is_on_curve(address: &[u8; 32]) -> bool {
    CompressedEdwardsY(*address).decompress().is_some()
}
