//! One text with every field, and what becomes of it when it is changed.
#![allow(clippy::string_slice)]

use super::*;

const FULL: &str = "login.molt.example wants you to sign in with your Solana account:
2rsDK346A2DPxKk1QEe5Y29huaXucV9kDQWe9J4dLVMy

Sign in to prove you own alice.molt.

URI: https://login.molt.example/login
Version: 1
Chain ID: mainnet
Nonce: oBbLoEldZs32
Issued At: 2026-01-15T12:00:00.000Z
Expiration Time: 2026-01-15T12:10:00.000Z
Not Before: 2026-01-15T11:59:30.000Z
Request ID: req-0001
Resources:
- https://login.molt.example/tos
- molt:alice.molt";

fn error(from: &str, to: &str) -> SiwsError {
    let text = FULL.replacen(from, to, 1);
    assert_ne!(text, FULL, "{from:?} is not in the text");
    SignInMessage::parse(&text).unwrap_err()
}

#[test]
fn every_subset_of_the_lines_that_is_read_is_written_the_same() {
    let lines: Vec<&str> = FULL.split('\n').collect();
    let mut read = 0;
    for mask in 0..1u32 << lines.len() {
        let kept = lines
            .iter()
            .enumerate()
            .filter(|(i, _)| mask & (1 << i) != 0)
            .map(|(_, line)| *line);
        let text = kept.collect::<Vec<_>>().join("\n");
        if let Ok(message) = SignInMessage::parse(&text) {
            assert_eq!(message.to_string(), text);
            read += 1;
        }
    }
    // Eight optional fields, three non-empty resource lists or none, with or without a statement. Without any of
    // these, or with the statement alone, one blank line fewer is needed.
    assert!(read >= 2 * (1 << 8) * 4, "{read}");
}

#[test]
fn all_fields_are_read() {
    let message = SignInMessage::parse(FULL).unwrap();
    assert_eq!(message.to_string(), FULL);
    assert_eq!(message.domain, "login.molt.example");
    assert_eq!(message.chain_id, Some(ChainId::Mainnet));
    assert_eq!(message.request_id.as_deref(), Some("req-0001"));
    assert_eq!(
        message.resources,
        ["https://login.molt.example/tos", "molt:alice.molt"]
    );
}

#[test]
fn a_value_outside_its_grammar_is_refused() {
    for (from, to, expected) in [
        ("login.molt.example wants", " wants", SiwsError::Header),
        ("login.molt.example wants", "a b wants", SiwsError::Header),
        ("wants you", "want you", SiwsError::Header),
        ("2rsDK", "2rsD", SiwsError::Address),
        ("2rsDK", "2rsD0", SiwsError::Address),
        ("Sign in to", "Sign \"in\" to", SiwsError::Statement),
        ("URI: https://", "URI: ", SiwsError::Field("URI")),
        ("URI: https", "URI: 9https", SiwsError::Field("URI")),
        ("/login\n", "/%4\n", SiwsError::Field("URI")),
        ("Version: 1", "Version: 2", SiwsError::Field("Version")),
        ("Version: 1", "Version: 1 ", SiwsError::Field("Version")),
        ("mainnet", "mainnet-beta", SiwsError::Field("Chain ID")),
        ("mainnet", "Mainnet", SiwsError::Field("Chain ID")),
        ("oBbLoEldZs32", "oBbLoEl", SiwsError::Field("Nonce")),
        ("oBbLoEldZs32", "oBbLo-EldZs32", SiwsError::Field("Nonce")),
        ("12:00:00.000Z", "12:00:00Z", SiwsError::Field("Issued At")),
        (
            "12:10:00.000Z",
            "12:10:00.000+00:00",
            SiwsError::Field("Expiration Time"),
        ),
        (
            "2026-01-15T11",
            "2026-02-30T11",
            SiwsError::Field("Not Before"),
        ),
        ("req-0001", "req 0001", SiwsError::Field("Request ID")),
        ("Resources:", "Resources: ", SiwsError::Field("Resources")),
        (
            "molt:alice.molt",
            "alice.molt",
            SiwsError::Field("Resources"),
        ),
        ("own", "öwn", SiwsError::Character),
        ("own", "own\t", SiwsError::Character),
        ("own", "own\0", SiwsError::Character),
    ] {
        assert_eq!(error(from, to), expected, "{from:?} -> {to:?}");
    }
}

#[test]
fn a_line_out_of_place_is_refused() {
    for (from, to) in [
        (
            "Version: 1\nChain ID: mainnet",
            "Chain ID: mainnet\nVersion: 1",
        ),
        ("Version: 1", "Version: 1\nVersion: 1"),
        ("Version: 1", "Version: 1\n"),
        ("Version: 1", "Colour: red"),
        ("own alice.molt.\n\n", "own alice.molt.\n"),
        ("own alice.molt.\n\n", "own alice.molt.\n\n\n"),
        ("LVMy\n\n", "LVMy\n"),
        ("own alice.molt.", "own\nalice.molt."),
        ("- molt:alice.molt", "- molt:alice.molt\n"),
        ("- molt:alice.molt", "molt:alice.molt"),
    ] {
        assert_eq!(error(from, to), SiwsError::Line, "{from:?} -> {to:?}");
    }
    let minimal = FULL.split_once("\n\n").unwrap().0;
    assert!(SignInMessage::parse(minimal).is_ok());
    for end in [
        "\n",
        "\n\n",
        "\n\nStatement\n",
        "\n\nStatement\n\n",
        "\n\n\nURI: a:b",
        "\r",
        "\n\nResources:",
    ] {
        assert!(
            SignInMessage::parse(&format!("{minimal}{end}")).is_err(),
            "{end:?}"
        );
    }
    assert_eq!(
        SignInMessage::parse(&FULL.replace('\n', "\r\n")),
        Err(SiwsError::Character)
    );
}

#[test]
fn a_long_text_is_refused() {
    let text = |length: usize| FULL.replacen("own", &"o".repeat(length - FULL.len() + 3), 1);
    assert!(SignInMessage::parse(&text(MAX_TEXT_LEN)).is_ok());
    assert_eq!(
        SignInMessage::parse(&text(MAX_TEXT_LEN + 1)),
        Err(SiwsError::TooLong)
    );
}

#[test]
fn no_prefix_and_no_changed_byte_breaks_the_reader_or_the_round_trip() {
    for end in 0..=FULL.len() {
        if let Ok(message) = SignInMessage::parse(&FULL[..end]) {
            assert_eq!(message.to_string(), FULL[..end]);
        }
    }
    let whole = SignInMessage::parse(FULL).unwrap();
    for at in 0..FULL.len() {
        for byte in *b"\0\n\r -./0123456789:AZaz~\x7f" {
            let mut bytes = FULL.as_bytes().to_vec();
            bytes[at] = byte;
            let text = String::from_utf8(bytes).unwrap();
            if let Ok(message) = SignInMessage::parse(&text) {
                assert_eq!(message.to_string(), text);
                assert_eq!(message.difference(&whole).is_none(), text == FULL);
            }
        }
    }
}

#[test]
fn chain_ids_are_written_as_they_are_read() {
    for chain in ChainId::ALL {
        assert_eq!(ChainId::parse(chain.as_str()), Some(chain));
        assert_eq!(
            serde_json::to_string(&chain).unwrap(),
            format!("\"{chain}\"")
        );
    }
    assert_eq!(ChainId::parse("solana:localnet"), None);
}
