//! Envelopes and signatures, made here with a key of the test's own.
#![allow(clippy::arithmetic_side_effects)]

use super::*;
use ed25519_dalek::{Signer, SigningKey};

const TEXT: &str = "line one\nline two";

fn signer() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn wallet() -> Wallet {
    Wallet::from_bytes(signer().verifying_key().to_bytes())
}

fn signed(parts: &[&[u8]]) -> Vec<u8> {
    [MARK.as_slice(), &parts.concat()].concat()
}

fn length(text: &str) -> [u8; 2] {
    u16::try_from(text.len()).unwrap().to_le_bytes()
}

fn check(bytes: &[u8]) -> Result<Proof<'_>, ProofError> {
    verify(
        &wallet(),
        bytes,
        &Signature::from_bytes(signer().sign(bytes).to_bytes()),
    )
}

#[test]
fn the_text_is_taken_out_of_each_envelope() {
    let (key, len) = (*wallet().as_bytes(), length(TEXT));
    for format in 0..=2 {
        for (bytes, envelope) in [
            (TEXT.as_bytes().to_vec(), Envelope::Raw),
            (
                signed(&[&[0, format], &len, TEXT.as_bytes()]),
                Envelope::Legacy,
            ),
            (
                signed(&[&[0], &[9; 32], &[format, 1], &key, &len, TEXT.as_bytes()]),
                Envelope::V0 {
                    application_domain: [9; 32],
                },
            ),
            (signed(&[&[1, 1], &key, TEXT.as_bytes()]), Envelope::V1),
        ] {
            assert_eq!(
                check(&bytes),
                Ok(Proof {
                    text: TEXT,
                    envelope
                })
            );
        }
    }
}

#[test]
fn c03_a_signature_is_over_the_bytes_that_came_with_it_or_else_over_the_text_that_was_asked_for() {
    let over = |signed: &str, sent: Option<&str>| {
        let signature = Signature::from_bytes(signer().sign(signed.as_bytes()).to_bytes());
        let signed = sent.map(|text| text.as_bytes().to_vec());
        let evidence = Evidence::Message { signature, signed };
        evidence
            .verify(&wallet(), TEXT)
            .map(|proof| proof.text.to_owned())
    };
    assert_eq!(over(TEXT, None), Ok(TEXT.to_owned()));
    assert_eq!(over("other", Some("other")), Ok("other".to_owned()));
    assert_eq!(over("other", None), Err(ProofError::Signature));
    assert_eq!(over(TEXT, Some("other")), Err(ProofError::Signature));
}

#[test]
fn the_longest_text_fits_into_the_longest_envelope_and_nothing_longer_is_read() {
    let text = "x".repeat(MAX_TEXT_LEN);
    let key = *wallet().as_bytes();
    let envelope = |text: &str| signed(&[&[0; 33], &[1, 1], &key, &length(text), text.as_bytes()]);
    assert_eq!(check(&envelope(&text)).map(|proof| proof.text), Ok(&*text));
    assert_eq!(
        check(&envelope(&format!("{text}x"))),
        Err(ProofError::TooLong)
    );
}

#[test]
fn a_malformed_envelope_is_refused_although_the_wallet_signed_it() {
    let (key, other, len) = (*wallet().as_bytes(), [3; 32], length(TEXT));
    let accented = "café";
    for (bytes, error) in [
        (signed(&[]), ProofError::Envelope),
        (
            signed(&[&[2, 1], &key, TEXT.as_bytes()]),
            ProofError::Envelope,
        ),
        (
            signed(&[&[0, 1], &len, TEXT.as_bytes(), b"x"]),
            ProofError::Envelope,
        ),
        (signed(&[&[0, 3], &len, TEXT.as_bytes()]), ProofError::Text),
        (
            signed(&[&[0, 0], &length(accented), accented.as_bytes()]),
            ProofError::Text,
        ),
        (signed(&[&[0, 1], &[2, 0], b"\xc3("]), ProofError::Text),
        (
            signed(&[&[0], &[0; 32], &[1, 0], &len, TEXT.as_bytes()]),
            ProofError::Signers,
        ),
        (
            signed(&[&[0], &[0; 32], &[1, 1], &other, &len, TEXT.as_bytes()]),
            ProofError::Signers,
        ),
        (
            signed(&[&[0], &[0; 32], &[1, 2], &key, &other, &len, TEXT.as_bytes()]),
            ProofError::Signers,
        ),
        (
            signed(&[&[0], &[0; 32], &[1, 255], &key, &len, TEXT.as_bytes()]),
            ProofError::Envelope,
        ),
        (signed(&[&[1, 0], TEXT.as_bytes()]), ProofError::Signers),
        (
            signed(&[&[1, 1], &other, TEXT.as_bytes()]),
            ProofError::Signers,
        ),
        (
            signed(&[&[1, 2], &other, &key, TEXT.as_bytes()]),
            ProofError::Signers,
        ),
        (
            signed(&[&[1, 2], &key, TEXT.as_bytes()]),
            ProofError::Envelope,
        ),
        (signed(&[&[1, 1], &key, b"\xff"]), ProofError::Text),
        (b"\xffsolana".to_vec(), ProofError::Text),
    ] {
        assert_eq!(check(&bytes), Err(error), "{bytes:?}");
    }
}

#[test]
fn bytes_that_fit_both_layouts_of_version_0_are_refused() {
    let (key, len) = (*wallet().as_bytes(), length(TEXT));
    // The application domain holds the length that makes the rest a text of the legacy layout.
    let mut domain = [b' '; 32];
    let tail = u8::try_from(30 + 2 + 32 + 2 + TEXT.len() - 1).unwrap();
    (domain[0], domain[1], domain[2]) = (1, tail, 0);
    let bytes = signed(&[&[0], &domain, &[1, 1], &key, &len, TEXT.as_bytes()]);
    let body = bytes.strip_prefix(MARK).unwrap().get(1..).unwrap();
    assert!(legacy(body).is_some() && v0(body).is_some());
    assert_eq!(check(&bytes), Err(ProofError::Envelope));
}

#[test]
fn c03_a_signature_holds_for_its_wallet_and_its_bytes_only() {
    let signature = signer().sign(TEXT.as_bytes()).to_bytes();
    let at = |signature| {
        verify(
            &wallet(),
            TEXT.as_bytes(),
            &Signature::from_bytes(signature),
        )
    };
    assert!(at(signature).is_ok());
    for i in 0..64 {
        let mut changed = signature;
        changed[i] ^= 1 << (i % 8);
        assert_eq!(at(changed), Err(ProofError::Signature));
    }
    let other = SigningKey::from_bytes(&[8; 32]);
    let theirs = Wallet::from_bytes(other.verifying_key().to_bytes());
    let signature = Signature::from_bytes(signature);
    assert_eq!(
        verify(&theirs, TEXT.as_bytes(), &signature),
        Err(ProofError::Signature)
    );
    assert_eq!(
        verify(&wallet(), b"line one", &signature),
        Err(ProofError::Signature)
    );
}

#[test]
fn c03_keys_of_small_order_are_refused() {
    // The encodings of the eight small-order points that are no larger than the field's prime.
    let point = |text: &str| Wallet::from_bytes(crate::encoding::from_hex(text).unwrap());
    for key in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ] {
        let wallet = point(key);
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(wallet.as_bytes());
        for r in [signature, core::array::from_fn(|i| u8::from(i == 0))] {
            assert_eq!(
                verify(&wallet, TEXT.as_bytes(), &Signature::from_bytes(r)),
                Err(ProofError::Key),
                "{key}"
            );
        }
    }
}

#[test]
fn c03_a_signature_with_a_nonce_of_small_order_is_refused() {
    use curve25519_dalek::Scalar;
    use sha2::{Digest, Sha512};

    // The holder of a key can make such a signature: R is the neutral element and S = H(R, A, M) * a.
    let mut signature = [0; 64];
    signature[0] = 1;
    let hash = Sha512::new()
        .chain_update(&signature[..32])
        .chain_update(wallet().as_bytes())
        .chain_update(TEXT);
    let challenge = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    signature[32..].copy_from_slice((challenge * signer().to_scalar()).as_bytes());

    let lax = ed25519_dalek::Verifier::verify(
        &signer().verifying_key(),
        TEXT.as_bytes(),
        &ed25519_dalek::Signature::from_bytes(&signature),
    );
    assert!(lax.is_ok(), "a verifier that is not strict accepts it");
    let strict = verify(
        &wallet(),
        TEXT.as_bytes(),
        &Signature::from_bytes(signature),
    );
    assert_eq!(strict, Err(ProofError::Signature));
}

#[test]
fn long_messages_are_refused_before_any_work() {
    let bytes = vec![b' '; MAX_TEXT_LEN + MAX_ENVELOPE_LEN];
    assert!(check(&bytes).is_ok());
    assert_eq!(
        check(&[bytes, vec![b' ']].concat()),
        Err(ProofError::TooLong)
    );
}

#[test]
fn no_prefix_and_no_changed_byte_breaks_the_reader() {
    let (wallet, len) = (wallet(), length(TEXT));
    let key = wallet.as_bytes();
    for whole in [
        signed(&[&[0, 1], &len, TEXT.as_bytes()]),
        signed(&[&[0], &[0; 32], &[1, 1], key, &len, TEXT.as_bytes()]),
        signed(&[&[1, 1], key, TEXT.as_bytes()]),
    ] {
        for end in 0..whole.len() {
            let prefix = unwrap(&wallet, &whole[..end]);
            assert!(!prefix.is_ok_and(|proof| proof.text == TEXT));
            for byte in 0..=255 {
                let mut changed = whole.clone();
                changed[end] = byte;
                let _ = unwrap(&wallet, &changed);
            }
        }
    }
}

#[test]
fn signatures_are_base58_of_64_bytes() {
    let signature = Signature::from_bytes([0xab; 64]);
    let text = bs58::encode([0xab; 64]).into_string();
    assert_eq!(Signature::parse(&text), Ok(signature));
    for bad in [
        "",
        "abc",
        &format!("1{text}"),
        &format!("{text} "),
        &bs58::encode([1; 63]).into_string(),
        &"z".repeat(88),
    ] {
        assert_eq!(
            Signature::parse(bad).unwrap_err().expected(),
            "a signature (base58 of 64 bytes)"
        );
    }
}
