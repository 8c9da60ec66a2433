use super::*;

const ANTHROPIC: Shape = Shape::ApiKey { prefix: "sk-ant-" };
const ANY_KEY: Shape = Shape::ApiKey { prefix: "" };

fn solana_keypair() -> String {
    bs58::encode(SigningKey::from_bytes(&[7; 32]).to_keypair_bytes()).into_string()
}

/// One after another, as the vendors' own pages and tools show them; none is a key of anybody.
fn good() -> Vec<(Shape, String)> {
    let hex = "0123456789abcdef".repeat(4);
    let base64url = "Ab3_-".repeat(18);
    vec![
        (ANTHROPIC, format!("sk-ant-api03-{base64url}-{base64url}AA")),
        (ANTHROPIC, format!("sk-ant-oat01-{base64url}")),
        (
            Shape::ApiKey { prefix: "sk-or-" },
            format!("sk-or-v1-{hex}"),
        ),
        (ANY_KEY, format!("sk-proj-{base64url}T3BlbkFJ{base64url}")),
        (ANY_KEY, format!("sk-{}", "aB3".repeat(16))),
        (ANY_KEY, format!("sk-svcacct-{base64url}")),
        (ANY_KEY, "x".repeat(16)),
        (ANY_KEY, "x".repeat(512)),
        // A token that is no vendor's: a JWT, and base64 with its padding.
        (
            ANY_KEY,
            format!("eyJhbGciOiJIUzI1NiJ9.{base64url}.{base64url}"),
        ),
        (ANY_KEY, "AAECAwQFBgcICQoLDA0ODw==".to_owned()),
        (Shape::BotToken, format!("123456:{}", "A".repeat(30))),
        (
            Shape::BotToken,
            format!("7000000000:AAF-{}_9", "x".repeat(29)),
        ),
        (Shape::BotToken, format!("123456789012:{}", "z".repeat(50))),
        (Shape::WalletKey, format!("0x{hex}")),
        (Shape::WalletKey, format!("0x{}", hex.to_uppercase())),
        (Shape::WalletKey, format!("0x{}1", "0".repeat(63))),
        (
            Shape::WalletKey,
            "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140".to_owned(),
        ),
        (Shape::WalletKey, solana_keypair()),
    ]
}

#[test]
fn what_is_a_key_is_taken() {
    for (shape, value) in good() {
        assert_eq!(shape.check(&value), Ok(()), "{shape:?} {value}");
    }
}

#[test]
fn what_no_kind_takes_is_refused_by_every_shape_with_its_rule() {
    for (shape, value) in good() {
        for (bad, broken) in [
            (String::new(), Broken::Empty),
            (format!("{value}\n"), Broken::Control),
            (format!("{value}\r\n{value}"), Broken::Control),
            (format!("\u{0}{value}"), Broken::Control),
            (format!("{value}\u{7f}"), Broken::Control),
            (format!("{value}\u{1b}[0m"), Broken::Control),
            (format!("{value}\u{85}"), Broken::Control),
            (format!("{value}\u{2028}"), Broken::Control),
            (format!(" {value}"), Broken::NotGraphic),
            (format!("{value} "), Broken::NotGraphic),
            (format!("{value}\u{a0}"), Broken::NotGraphic),
            (format!("{value}\u{200b}"), Broken::NotGraphic),
            (format!("{value}é"), Broken::NotGraphic),
            ("x".repeat(MAX_BYTES + 1), Broken::TooLong),
            ("\n".repeat(MAX_BYTES + 1), Broken::TooLong),
            ("x".repeat(MAX_BYTES), Broken::Form),
            ("x".to_owned(), Broken::Form),
            (format!("\"{value}\""), Broken::Form),
            (format!("{value}${{HOME}}"), Broken::Form),
        ] {
            assert_eq!(shape.check(&bad), Err(broken), "{shape:?} {bad:?}");
        }
    }
}

#[test]
fn an_api_key_has_its_vendors_beginning_and_a_bearer_tokens_characters() {
    for bad in [
        "sk-ant-",
        "sk-ant-01234567",
        "sk-proj-0123456789abcdef",
        "SK-ANT-0123456789abcdef",
        "xsk-ant-0123456789abcdef",
        "sk-ant-0123456789:abcdef",
        "sk-ant-0123456789=abcdef",
        "sk-ant-0123456789,abcdef",
    ] {
        assert_eq!(ANTHROPIC.check(bad), Err(Broken::Form), "{bad}");
    }
    for length in [15, 513] {
        assert_eq!(ANY_KEY.check(&"x".repeat(length)), Err(Broken::Form));
    }
    assert_eq!(ANY_KEY.check(&"=".repeat(16)), Err(Broken::Form));
}

#[test]
fn a_bot_token_is_a_number_and_a_secret() {
    let secret = "A".repeat(35);
    for bad in [
        secret.clone(),
        format!(":{secret}"),
        format!("12345:{secret}"),
        format!("1234567890123:{secret}"),
        format!("12345678x:{secret}"),
        format!("-12345678:{secret}"),
        format!("123456789:{secret}:{secret}"),
        format!("123456789:{}", "A".repeat(29)),
        format!("123456789:{}", "A".repeat(51)),
        format!("123456789:{secret}/x"),
        format!("bot123456789:{secret}"),
    ] {
        assert_eq!(Shape::BotToken.check(&bad), Err(Broken::Form), "{bad}");
    }
}

#[test]
fn a_wallet_key_is_a_number_of_its_curve_or_a_whole_keypair() {
    let mut torn = SigningKey::from_bytes(&[7; 32]).to_keypair_bytes();
    torn[63] ^= 1;
    let order = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    for bad in [
        format!("0x{}", "0".repeat(64)),
        order.to_owned(),
        format!("0x{}", "f".repeat(64)),
        format!("0x{}", "a".repeat(63)),
        format!("0x{}", "a".repeat(65)),
        format!("0X{}", "a".repeat(64)),
        format!("0x{}g", "a".repeat(63)),
        "a".repeat(64),
        bs58::encode([7; 32]).into_string(),
        bs58::encode([7; 63]).into_string(),
        bs58::encode([7; 65]).into_string(),
        bs58::encode(torn).into_string(),
        bs58::encode([7; 64]).into_string(),
        format!("{}0", solana_keypair()),
        "1".repeat(88),
        "1".repeat(64),
    ] {
        assert_eq!(Shape::WalletKey.check(&bad), Err(Broken::Form), "{bad}");
    }
}
