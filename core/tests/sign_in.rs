//! Sign-in texts and signatures made with the wallets' own library, and attacks on them.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use multiclaw_core::encoding::from_base64;
use multiclaw_core::ids::Wallet;
use multiclaw_core::proof::{Envelope, ProofError, Signature, verify};
use multiclaw_core::siws::{ChainId, SignInMessage, SiwsError, Version};
use multiclaw_core::time::Timestamp;
use serde_json::Value;

const VECTORS: &str = include_str!("../../tests/vectors/siws-vectors.json");

#[derive(Debug, PartialEq)]
enum Refusal {
    Proof(ProofError),
    Text(SiwsError),
    Mismatch(&'static str),
}

fn vectors() -> Vec<Value> {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = file["vectors"].as_array().unwrap().clone();
    assert_eq!(vectors.len(), 22);
    vectors
}

fn wallet(vector: &Value) -> Wallet {
    Wallet::parse(vector["public_key"].as_str().unwrap()).unwrap()
}

fn signed(vector: &Value) -> Vec<u8> {
    from_base64(vector["signed_message_base64"].as_str().unwrap()).unwrap()
}

fn signature(vector: &Value) -> Signature {
    Signature::parse(vector["signature_base58"].as_str().unwrap()).unwrap()
}

/// The message that a service asks `wallet` to sign, whatever was signed.
fn asked(wallet: Wallet) -> SignInMessage {
    let time = |text| Timestamp::parse_rfc3339(text).ok();
    SignInMessage {
        domain: "login.molt.example".to_owned(),
        address: wallet,
        statement: Some("Sign in to prove you own alice.molt.".to_owned()),
        uri: Some("https://login.molt.example/login".to_owned()),
        version: Some(Version::One),
        chain_id: Some(ChainId::Mainnet),
        nonce: Some("oBbLoEldZs32".to_owned()),
        issued_at: time("2026-01-15T12:00:00.000Z"),
        expiration_time: time("2026-01-15T12:10:00.000Z"),
        not_before: time("2026-01-15T11:59:30.000Z"),
        request_id: Some("req-0001".to_owned()),
        resources: vec![
            "https://login.molt.example/tos".to_owned(),
            "molt:alice.molt".to_owned(),
        ],
    }
}

fn verdict(vector: &Value) -> Result<Envelope, Refusal> {
    let (wallet, bytes) = (wallet(vector), signed(vector));
    let proof = verify(&wallet, &bytes, &signature(vector)).map_err(Refusal::Proof)?;
    let message = SignInMessage::parse(proof.text).map_err(Refusal::Text)?;
    match message.difference(&asked(wallet)) {
        None => Ok(proof.envelope),
        Some(field) => Err(Refusal::Mismatch(field)),
    }
}

#[test]
fn c03_each_vector_is_accepted_or_refused_for_its_reason() {
    let zero_domain = Envelope::V0 {
        application_domain: [0; 32],
    };
    let expected = [
        ("01_full", Ok(Envelope::Raw)),
        ("02_minimal", Err(Refusal::Mismatch("statement"))),
        (
            "03_non_ascii_statement",
            Err(Refusal::Text(SiwsError::Character)),
        ),
        (
            "04_missing_optional_fields",
            Err(Refusal::Mismatch("statement")),
        ),
        ("05_wrong_domain", Err(Refusal::Mismatch("domain"))),
        ("06_expired", Err(Refusal::Mismatch("issuedAt"))),
        (
            "07_attack_address_not_signer",
            Err(Refusal::Mismatch("address")),
        ),
        (
            "08_attack_statement_newline",
            Err(Refusal::Text(SiwsError::Line)),
        ),
        ("09_attack_no_input_constraints", Ok(Envelope::Raw)),
        ("10_trailing_newline", Err(Refusal::Text(SiwsError::Line))),
        ("11_crlf", Err(Refusal::Text(SiwsError::Character))),
        (
            "12_empty_resources",
            Err(Refusal::Text(SiwsError::Field("Resources"))),
        ),
        (
            "13_bad_signature",
            Err(Refusal::Proof(ProofError::Signature)),
        ),
        (
            "14_malleated_S_plus_L",
            Err(Refusal::Proof(ProofError::Signature)),
        ),
        (
            "15_attack_small_order_key",
            Err(Refusal::Proof(ProofError::Key)),
        ),
        (
            "16_sign_and_claim_other_chain",
            Err(Refusal::Mismatch("chainId")),
        ),
        (
            "17_nonce_short",
            Err(Refusal::Text(SiwsError::Field("Nonce"))),
        ),
        (
            "18_nonce_reordered_fields",
            Err(Refusal::Text(SiwsError::Line)),
        ),
        ("20_offchain_v0_utf8", Ok(zero_domain)),
        ("21_offchain_v0_format0_with_newlines", Ok(zero_domain)),
        ("22_offchain_v1", Ok(Envelope::V1)),
        ("23_ledger_legacy_header", Ok(Envelope::Legacy)),
    ];
    for (vector, (name, expected)) in vectors().iter().zip(expected) {
        assert_eq!(vector["name"], name);
        assert_eq!(verdict(vector), expected, "{name}");
    }
}

#[test]
fn the_text_is_written_as_the_wallets_library_writes_it() {
    let mut written = 0;
    for vector in vectors() {
        let Some(text) = vector["message_text"].as_str() else {
            continue;
        };
        let Ok(message) = SignInMessage::parse(text) else {
            continue;
        };
        assert_eq!(message.to_string(), text, "{}", vector["name"]);
        for (name, value) in vector["fields"].as_object().unwrap() {
            let read = match name.as_str() {
                "domain" => message.domain.clone().into(),
                "address" => message.address.to_string().into(),
                "statement" => message.statement.clone().into(),
                "uri" => message.uri.clone().into(),
                "version" => message.version.map(|Version::One| "1").into(),
                "chainId" => message.chain_id.map(ChainId::as_str).into(),
                "nonce" => message.nonce.clone().into(),
                "issuedAt" => message.issued_at.map(Timestamp::rfc3339).into(),
                "expirationTime" => message.expiration_time.map(Timestamp::rfc3339).into(),
                "notBefore" => message.not_before.map(Timestamp::rfc3339).into(),
                "requestId" => message.request_id.clone().into(),
                "resources" => Value::from(message.resources.clone()),
                other => panic!("{other}"),
            };
            assert_eq!(&read, value, "{}: {name}", vector["name"]);
        }
        written += 1;
    }
    assert!(written >= 10, "{written}");
}

#[test]
fn c03_no_prefix_and_no_changed_byte_is_accepted_under_the_same_signature() {
    // Every 29th byte: a verification takes its time in an unoptimized build.
    const STEP: usize = 29;
    for vector in vectors()
        .iter()
        .filter(|vector| vector["ed25519_valid"] == true)
    {
        let (wallet, bytes, signature) = (wallet(vector), signed(vector), signature(vector));
        assert!(
            verify(&wallet, &bytes, &signature).is_ok(),
            "{}",
            vector["name"]
        );
        for at in (0..bytes.len()).step_by(STEP) {
            assert_eq!(
                verify(&wallet, &bytes[..at], &signature),
                Err(ProofError::Signature)
            );
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(
                verify(&wallet, &changed, &signature),
                Err(ProofError::Signature)
            );
        }
    }
}
