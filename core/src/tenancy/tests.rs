//! No identifier, and no text that is none, makes a name of another tenant (C16).

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

#[test]
fn c16_keys_lie_under_the_tenants_prefix() {
    let tenant = Tenant {
        asset: Asset::from_bytes([1; 32]),
        owner: Wallet::from_bytes([2; 32]),
    };
    let other = Tenant {
        owner: Wallet::from_bytes([3; 32]),
        ..tenant
    };
    let key = tenant.prefix().snapshot(SnapshotId::from_random([7; 16]));
    assert!(key.as_str().starts_with(&tenant.prefix().to_string()));
    assert!(!key.as_str().starts_with(&other.prefix().to_string()));
    assert!(tenant.prefix().to_string().ends_with('/'));
    assert_eq!(key.as_str().matches('/').count(), 4);

    let id = PackId::from_random([7; 16]);
    let pack = tenant.prefix().pack(id);
    assert!(pack.as_str().starts_with(&tenant.prefix().to_string()));
    assert_ne!(pack, key);
    assert_eq!(tenant.prefix().pack_at(pack.as_str()), Some(id));
    assert_eq!(other.prefix().pack_at(pack.as_str()), None);
    assert_eq!(tenant.prefix().pack_at(key.as_str()), None);
    assert_eq!(
        tenant.prefix().snapshot_at(key.as_str()),
        Some(SnapshotId::from_random([7; 16]))
    );
    assert_eq!(other.prefix().snapshot_at(key.as_str()), None);
    assert_eq!(tenant.prefix().snapshot_at(pack.as_str()), None);
    assert_eq!(
        tenant.prefix().pack_at(&format!("{}/..", pack.as_str())),
        None
    );
}

#[test]
fn each_domain_has_an_object_of_its_own_and_each_nonce_an_entry() {
    let asset = Asset::from_bytes([1; 32]);
    assert_eq!(object_name(asset), asset.to_string());
    let nonce = Nonce::from_random([0xab; 16]);
    assert_eq!(
        challenge_key(&nonce),
        format!("challenge:{}", "ab".repeat(16))
    );
}

/// What hostile names are made of.
static PIECES: [&str; 28] = [
    "/",
    "//",
    "/../",
    "..",
    ".",
    "./",
    "\\",
    "%2f",
    "%2e%2e",
    "%00",
    "\0",
    "\n",
    "\r\n",
    " ",
    "\t",
    "*",
    "?",
    ":",
    "tenants/",
    "snapshots/",
    "chunks/",
    "challenge:",
    "\u{202e}",
    "\u{200d}",
    "\u{ff0f}",
    "\u{ff0e}\u{ff0e}",
    "\u{301}",
    "\u{10ffff}",
];

fn tenant() -> impl Strategy<Value = Tenant> {
    (any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(asset, owner)| Tenant {
        asset: Asset::from_bytes(asset),
        owner: Wallet::from_bytes(owner),
    })
}

/// Two of which one may own the other's domain, or have a domain of the other's address.
fn two() -> impl Strategy<Value = (Tenant, Tenant)> {
    let related = (tenant(), any::<[u8; 32]>(), 0..4_u8).prop_map(|(one, bytes, how)| {
        let other = match how {
            0 => Tenant {
                owner: Wallet::from_bytes(bytes),
                ..one
            },
            1 => Tenant {
                asset: Asset::from_bytes(bytes),
                ..one
            },
            2 => Tenant {
                asset: Asset::from_bytes(*one.owner.as_bytes()),
                owner: Wallet::from_bytes(*one.asset.as_bytes()),
            },
            // Addresses of as few letters as there are.
            _ => Tenant {
                asset: Asset::from_bytes([0; 32]),
                owner: Wallet::from_bytes([bytes[0] & 1; 32]),
            },
        };
        (one, other)
    });
    prop_oneof![related, (tenant(), tenant())]
        .prop_filter("one tenant", |(one, other)| one != other)
}

/// A good text with something put into it, cut off it or in another case; something of its own; or a very long one.
fn hostile(good: String) -> impl Strategy<Value = String> {
    let length = good.len();
    let put = {
        let good = good.clone();
        (0..=length, select(&PIECES[..])).prop_map(move |(at, piece)| {
            let (before, after) = good.split_at(at);
            format!("{before}{piece}{after}")
        })
    };
    let cut = {
        let good = good.clone();
        (0..length).prop_map(move |at| good.chars().take(at).collect())
    };
    prop_oneof![
        put,
        cut,
        Just(good.to_uppercase()),
        Just(good.repeat(2)),
        Just(good.repeat(300)),
        Just(good),
        any::<String>(),
        proptest::collection::vec(select(&PIECES[..]), 0..12).prop_map(|pieces| pieces.concat()),
    ]
}

proptest! {
    #[test]
    fn c16_no_name_leaves_the_prefix_and_each_is_read_as_what_it_was_made_of(
        tenant in tenant(), id: [u8; 16],
    ) {
        let prefix = tenant.prefix();
        let (snapshot, pack) = (SnapshotId::from_random(id), PackId::from_random(id));
        let keys = [prefix.snapshot(snapshot), prefix.pack(pack)];
        for key in &keys {
            let rest = key.as_str().strip_prefix(&prefix.to_string());
            prop_assert!(rest.is_some(), "{:?}", key);
            prop_assert_eq!(key.as_str().matches('/').count(), 4);
            prop_assert!(key.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'/'));
        }
        prop_assert_ne!(&keys[0], &keys[1]);
        prop_assert_eq!(prefix.snapshot_at(keys[0].as_str()), Some(snapshot));
        prop_assert_eq!(prefix.pack_at(keys[1].as_str()), Some(pack));
        prop_assert_eq!(prefix.snapshot_at(keys[1].as_str()), None);
        prop_assert_eq!(prefix.pack_at(keys[0].as_str()), None);
        prop_assert!(keys[1].as_str().starts_with(&prefix.packs()));
    }

    #[test]
    fn c16_of_two_tenants_none_has_what_begins_like_the_others((one, other) in two(), id: [u8; 16]) {
        for (one, other) in [(one, other), (other, one)] {
            let [prefix, others] = [one.prefix(), other.prefix()];
            prop_assert!(!prefix.to_string().starts_with(&others.to_string()));
            prop_assert!(!prefix.packs().starts_with(&others.packs()));
            let (snapshot, pack) = (SnapshotId::from_random(id), PackId::from_random(id));
            prop_assert_ne!(prefix.snapshot(snapshot), others.snapshot(snapshot));
            prop_assert!(!prefix.snapshot(snapshot).as_str().starts_with(&others.to_string()));
            prop_assert_eq!(others.snapshot_at(prefix.snapshot(snapshot).as_str()), None);
            prop_assert_eq!(others.pack_at(prefix.pack(pack).as_str()), None);
        }
        prop_assert_eq!(object_name(one.asset) == object_name(other.asset), one.asset == other.asset);
    }

    #[test]
    fn c16_a_hostile_key_is_nobodys_unless_it_is_spelled_as_we_spell_it(
        (tenant, key) in (tenant(), any::<[u8; 16]>(), any::<bool>()).prop_flat_map(|(tenant, id, is_pack)| {
            let prefix = tenant.prefix();
            let key = match is_pack {
                true => prefix.pack(PackId::from_random(id)),
                false => prefix.snapshot(SnapshotId::from_random(id)),
            };
            (Just(tenant), hostile(key.0))
        }),
    ) {
        let prefix = tenant.prefix();
        if let Some(id) = prefix.snapshot_at(&key) {
            prop_assert_eq!(prefix.snapshot(id).0, key.clone());
        }
        if let Some(id) = prefix.pack_at(&key) {
            prop_assert_eq!(prefix.pack(id).0, key);
        }
    }

    #[test]
    fn c16_a_hostile_identifier_is_none_or_has_one_spelling(
        address in any::<[u8; 32]>().prop_flat_map(|bytes| hostile(Asset::from_bytes(bytes).to_string())),
        id in any::<[u8; 16]>().prop_flat_map(|bytes| hostile(SnapshotId::from_random(bytes).to_string())),
    ) {
        if let Ok(asset) = Asset::parse(&address) {
            prop_assert_eq!(asset.to_string(), address.as_str());
        }
        if let Ok(wallet) = Wallet::parse(&address) {
            prop_assert_eq!(wallet.to_string(), address.as_str());
        }
        if let Ok(snapshot) = SnapshotId::parse(&id) {
            prop_assert_eq!(snapshot.to_string(), id.as_str());
        }
        if let Ok(pack) = PackId::parse(&id) {
            prop_assert_eq!(pack.to_string(), id.as_str());
        }
        if let Ok(nonce) = Nonce::parse(&id) {
            prop_assert_eq!(nonce.to_string(), id.as_str());
        }
    }
}
