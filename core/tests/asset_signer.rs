//! Asset-signer addresses as the Metaplex Core client finds them.
#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

use multiclaw_core::ids::Asset;
use multiclaw_core::pda::asset_signer;
use serde_json::Value;

const VECTORS: &str = include_str!("../../tests/vectors/pda-vectors.json");

#[test]
fn c21_the_agents_wallet_is_the_asset_signer_address() {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 6);
    for vector in vectors {
        let (address, bump) =
            asset_signer(&Asset::parse(vector["asset"].as_str().unwrap()).unwrap()).unwrap();
        assert_eq!(vector["pda"], address.to_string(), "{}", vector["label"]);
        assert_eq!(vector["bump"], bump, "{}", vector["label"]);
    }
}
