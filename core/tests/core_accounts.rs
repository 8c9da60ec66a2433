//! Metaplex Core accounts made with the program's own client and, where marked so, written by the program itself.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use multiclaw_core::asset::{
    AccountState, AssetError, CORE_PROGRAM, CoreAsset, UpdateAuthority, decode,
};
use multiclaw_core::encoding::from_base64;
use multiclaw_core::ids::{Address, Collection};
use serde_json::{Value, json};

const FIXTURES: &str = include_str!("../../tests/vectors/core-fixtures.json");

struct Fixture {
    name: String,
    program: Address,
    data: Vec<u8>,
    expect: Value,
}

/// All fixtures that are accounts. One stands for a missing account, which the caller never gets to decode.
fn fixtures() -> Vec<Fixture> {
    let file: Value = serde_json::from_str(FIXTURES).unwrap();
    let fixtures = file["fixtures"].as_array().unwrap();
    assert_eq!(fixtures.len(), 45);
    let with_account = fixtures
        .iter()
        .filter(|fixture| fixture["expect"]["result"] != "missing");
    with_account
        .map(|fixture| Fixture {
            name: fixture["name"].as_str().unwrap().to_owned(),
            program: Address::parse(fixture["account"]["owner_program"].as_str().unwrap()).unwrap(),
            data: from_base64(fixture["account"]["data_base64"].as_str().unwrap()).unwrap(),
            expect: fixture["expect"].clone(),
        })
        .collect()
}

fn fixture(name: &str) -> Fixture {
    fixtures()
        .into_iter()
        .find(|fixture| fixture.name == name)
        .expect(name)
}

fn asset(name: &str) -> CoreAsset {
    let fixture = fixture(name);
    match decode(&fixture.program, &fixture.data) {
        Ok(AccountState::Asset(asset)) => asset,
        other => panic!("{name}: {other:?}"),
    }
}

/// What was decoded, in the words of the fixtures.
fn described(decoded: &Result<AccountState, AssetError>) -> Value {
    match decoded {
        Err(AssetError::WrongProgram) => json!({"result": "wrong_program"}),
        Err(AssetError::Malformed) => json!({"result": "malformed"}),
        Ok(AccountState::Burned) => json!({"result": "burned", "key": 0}),
        Ok(AccountState::NotAsset { key }) => json!({"result": "not_asset", "key": key}),
        Ok(AccountState::Asset(asset)) => match &asset.plugins {
            Err(_) => json!({"result": "malformed_plugins", "owner": asset.owner}),
            Ok(plugins) => json!({
                "result": "asset",
                "key": 1,
                "owner": asset.owner,
                "update_authority": match asset.update_authority {
                    UpdateAuthority::None => json!({"type": "None", "address": null}),
                    UpdateAuthority::Address(address) => json!({"type": "Address", "address": address}),
                    UpdateAuthority::Collection(address) => json!({"type": "Collection", "address": address}),
                },
                "name": asset.name,
                "uri": asset.uri,
                "seq": asset.seq,
                "attributes": attributes(plugins),
                "frozen": plugins.frozen,
                "execute_frozen": plugins.execute_frozen,
            }),
        },
        Ok(AccountState::Collection(collection)) => json!({
            "result": "collection",
            "key": 5,
            "update_authority": collection.update_authority,
            "name": collection.name,
            "uri": collection.uri,
            "num_minted": collection.num_minted,
            "current_size": collection.current_size,
            "attributes": attributes(collection.plugins.as_ref().expect("no collection fixture has broken plugins")),
        }),
    }
}

fn attributes(plugins: &multiclaw_core::plugins::Plugins) -> Value {
    let pairs = plugins.attributes.as_ref();
    json!(pairs.map(|list| {
        list.iter()
            .map(|a| json!({"key": a.key, "value": a.value}))
            .collect::<Vec<_>>()
    }))
}

#[test]
fn every_fixture_gives_its_recorded_verdict() {
    // What tells where things lie in the bytes, rather than what they say.
    const LAYOUT: [&str; 6] = [
        "base_len",
        "plugin_header_offset",
        "plugin_registry_offset",
        "registry",
        "external_registry",
        "unknown_plugins",
    ];
    for Fixture {
        name,
        program,
        data,
        expect,
    } in fixtures()
    {
        let got = described(&decode(&program, &data));
        for (key, value) in expect.as_object().unwrap() {
            if !LAYOUT.contains(&key.as_str()) {
                assert_eq!(&got[key], value, "{name}: {key}");
            }
        }
        assert_eq!(
            got["execute_frozen"] == true,
            expect["execute_frozen"] == true,
            "{name}"
        );
    }
}

#[test]
fn c04_membership_is_the_collection_tag_with_the_equal_key() {
    let file: Value = serde_json::from_str(FIXTURES).unwrap();
    let key = |name: &str| Collection::parse(file["keys"][name].as_str().unwrap()).unwrap();
    let (collection, other) = (key("collection"), key("other_collection"));
    assert!(asset("asset_in_collection_plain").is_member_of(&collection));
    assert!(!asset("asset_in_collection_plain").is_member_of(&other));
    assert!(asset("asset_wrong_collection").is_member_of(&other));
    for name in [
        "asset_no_collection_address_ua",
        "asset_address_ua_equals_collection_key",
        "asset_ua_none_seq_some",
        "asset_wrong_collection",
    ] {
        assert!(!asset(name).is_member_of(&collection), "{name}");
    }
    assert!(
        asset("truncated_registry").is_member_of(&collection),
        "plugins do not matter to it"
    );
}

#[test]
fn c04_only_accounts_of_the_core_program_count() {
    assert_eq!(
        CORE_PROGRAM.to_string(),
        "CoREENxT6tW1HoK8ypY1SxRMZTcVPm7R94rH4PZNhX7d"
    );
    let data = fixture("asset_in_collection_plain").data;
    for i in 0..32 {
        let mut program = *CORE_PROGRAM.as_bytes();
        program[i] ^= 1;
        assert_eq!(
            decode(&Address::from_bytes(program), &data),
            Err(AssetError::WrongProgram)
        );
    }
    assert_eq!(
        decode(&Address::from_bytes([0; 32]), &[0]),
        Err(AssetError::WrongProgram),
        "not even as burned"
    );
}

#[test]
fn no_prefix_and_no_changed_byte_of_any_fixture_panics() {
    for Fixture { name, data, .. } in fixtures() {
        for end in 0..data.len() {
            let whole = decode(&CORE_PROGRAM, &data[..end]);
            assert!(
                !matches!(whole, Ok(AccountState::Burned)) || end == 1,
                "{name}: {end}"
            );
            for byte in 0..=255 {
                let mut changed = data.clone();
                changed[end] = byte;
                let _ = decode(&CORE_PROGRAM, &changed);
            }
        }
    }
}

#[test]
fn a_changed_byte_of_the_owner_changes_the_owner_and_nothing_else() {
    let Fixture { data, .. } = fixture("asset_frozen_delegates_attributes");
    let asset = asset("asset_frozen_delegates_attributes");
    for at in 1..33 {
        let mut changed = data.clone();
        changed[at] ^= 0x40;
        let Ok(AccountState::Asset(decoded)) = decode(&CORE_PROGRAM, &changed) else {
            panic!("byte {at}");
        };
        assert_ne!(decoded.owner, asset.owner);
        assert_eq!(
            CoreAsset {
                owner: asset.owner,
                ..decoded
            },
            asset
        );
    }
}

#[test]
fn a_claimed_length_reserves_no_memory() {
    // Any four bytes set to ones claim at least four thousand million of something somewhere.
    for Fixture { data, .. } in fixtures() {
        for at in 0..data.len().saturating_sub(3) {
            let mut changed = data.clone();
            changed[at..at + 4].fill(0xff);
            let _ = decode(&CORE_PROGRAM, &changed);
        }
    }
}

#[test]
fn a_second_attribute_list_is_refused() {
    let Fixture { data, .. } = fixture("asset_attributes");
    // The registry holds one record of ten bytes between its count and the count of external records.
    let (body, external) = data.split_at(data.len() - 4);
    let (head, record) = body.split_at(body.len() - 10);
    let mut twice = head.to_vec();
    let count = twice.len() - 4;
    twice[count] = 2;
    let twice = [&twice, record, record, external].concat();
    match decode(&CORE_PROGRAM, &twice) {
        Ok(AccountState::Asset(asset)) => assert!(asset.plugins.is_err()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_record_that_points_before_the_plugins_or_at_another_one_is_refused() {
    let plugins = |plugin_type: u8, offset: u64| {
        let mut data = fixture("asset_attributes").data;
        let record = data.len() - 14;
        data[record] = plugin_type;
        data[record + 2..record + 10].copy_from_slice(&offset.to_le_bytes());
        // Read as a plugin, the account's first two bytes would be a freeze.
        data[1] = 1;
        match decode(&CORE_PROGRAM, &data) {
            Ok(AccountState::Asset(asset)) => asset.plugins,
            other => panic!("{other:?}"),
        }
    };
    const ATTRIBUTES_AT: u64 = 130;
    assert!(plugins(6, ATTRIBUTES_AT).is_ok_and(|plugins| plugins.attributes.is_some()));
    assert!(plugins(1, 0).is_err(), "before the plugins");
    assert!(
        plugins(3, ATTRIBUTES_AT).is_err(),
        "at a plugin of another type"
    );
    assert!(
        plugins(6, ATTRIBUTES_AT + (1 << 32)).is_err(),
        "beyond the account, however wide a pointer is"
    );
}
