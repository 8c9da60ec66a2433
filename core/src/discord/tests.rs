use serde_json::json;

use super::*;
use crate::encoding::hex;

/// RFC 8032, section 7.1, test 3 (a public key, and a signature over two bytes), and a key of our own for longer messages.
const RFC_KEY: &str = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
const RFC_SIGNATURE: &str = "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";
const APPLICATION: &str = "1234567890123456789";

fn then() -> Timestamp {
    Timestamp::from_secs(1_531_420_618)
}

fn signed(body: &str, at: &str) -> (PublicKey, Stamp) {
    use ed25519_dalek::{Signer as _, SigningKey};
    let key = SigningKey::from_bytes(&[7; 32]);
    let signature = key.sign(format!("{at}{body}").as_bytes());
    let public = PublicKey::parse(&hex(key.verifying_key().as_bytes())).unwrap();
    let stamp = Stamp::parse(at, &hex(&signature.to_bytes()), then()).unwrap();
    (public, stamp)
}

#[test]
fn the_rfcs_own_signature_is_proved_and_nothing_near_it_is() {
    let key = PublicKey::parse(RFC_KEY).unwrap();
    let stamp = |at: &str, signature: &str| Stamp {
        at: at.to_owned(),
        signature: from_hex(signature).unwrap(),
    };
    // Its message is no text: the bytes af 82. A text in its place is not what was signed.
    assert!(!stamp("", RFC_SIGNATURE).proves(&key, "\u{af}\u{82}"));
    let message = [0xaf, 0x82];
    let signature = Signature::from_bytes(&from_hex(RFC_SIGNATURE).unwrap());
    assert!(key.0.verify_strict(&message, &signature).is_ok());

    let (key, right) = signed("body", "1531420618");
    assert!(right.proves(&key, "body"));
    for other in ["", "bod", "body ", "Body"] {
        assert!(!right.proves(&key, other), "{other}");
    }
    let (_, other) = signed("body", "1531420619");
    let moved = Stamp {
        at: right.at.clone(),
        ..other
    };
    assert!(!moved.proves(&key, "body"), "the time is signed as well");
    assert!(!right.proves(&PublicKey::parse(RFC_KEY).unwrap(), "body"));
    let zeros = Stamp {
        signature: [0; 64],
        ..right.clone()
    };
    assert!(!zeros.proves(&key, "body"));
    // The same signature with the order of the group added to its second half is one that others take.
    let mut malleable = right.clone();
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0_u16;
    for (byte, add) in malleable.signature.iter_mut().skip(32).zip(order) {
        let sum = u16::from(*byte) + add + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    assert_ne!(malleable, right);
    assert!(!malleable.proves(&key, "body"));
}

#[test]
fn a_key_is_a_point_of_full_order_in_one_spelling() {
    let zero = "00".repeat(32);
    let one = format!("01{}", "00".repeat(31));
    for bad in [
        "",
        "x",
        RFC_KEY.trim_start_matches('f'),
        &RFC_KEY.to_uppercase(),
        &zero,
        &one,
    ] {
        assert_eq!(PublicKey::parse(bad), None, "{bad}");
    }
}

#[test]
fn a_stamp_is_of_this_moment_and_has_one_form() {
    let stamp = |at: &str| Stamp::parse(at, RFC_SIGNATURE, then());
    assert!(stamp("1531420618").is_some() && stamp("1531420318").is_some());
    for bad in [
        "",
        "1531420317",
        "1531420919",
        "01531420618",
        "+1531420618",
        "1531420618.0",
        "x",
        "9223372036854775808",
    ] {
        assert_eq!(stamp(bad), None, "{bad}");
    }
    for bad in [
        "",
        "00",
        RFC_SIGNATURE.trim_start_matches('6'),
        &RFC_SIGNATURE.to_uppercase(),
        &format!("{RFC_SIGNATURE}00"),
    ] {
        assert_eq!(Stamp::parse("1531420618", bad, then()), None, "{bad}");
    }
}

fn interaction() -> Value {
    json!({
        "type": 2, "id": "786008729715212338", "application_id": APPLICATION, "token": "aW50ZXJhY3Rpb24",
        "channel_id": "645027906669510667", "guild_id": "290926798626357999",
        "member": { "user": { "id": "53908232506183680", "username": "mason", "global_name": "Ma\u{202e}son" } },
        "data": { "id": "771825006014889984", "name": "ask", "type": 1,
            "options": [{ "name": "text", "type": 3, "value": " hello " }] },
    })
}

fn asked_of(body: &Value) -> Option<Asked> {
    match read(&body.to_string(), APPLICATION) {
        Some(Interaction::Asked(asked)) => Some(asked),
        _ => None,
    }
}

#[test]
fn what_is_asked_is_heard_in_a_guild_and_outside() {
    let asked = asked_of(&interaction()).unwrap();
    assert_eq!(
        (asked.text.as_str(), asked.token.as_str()),
        ("hello", "aW50ZXJhY3Rpb24")
    );
    assert_eq!(asked.person.as_str(), "53908232506183680");
    assert_eq!(asked.name, "Ma\u{fffd}son");
    assert_eq!(
        asked.conversation,
        "discord-645027906669510667-53908232506183680"
    );
    assert!(!asked.is_direct);
    assert_eq!(asked.rank, 786_008_729_715_212_338 >> 22);
    let mut direct = interaction();
    direct["user"] = json!({ "id": "7", "username": "x" });
    direct["member"] = Value::Null;
    direct.as_object_mut().unwrap().remove("member");
    direct.as_object_mut().unwrap().remove("guild_id");
    let asked = asked_of(&direct).unwrap();
    assert!(asked.is_direct);
    assert_eq!((asked.person.as_str(), asked.name.as_str()), ("7", "x"));
}

#[test]
fn what_nobody_asked_is_not_and_what_is_no_interaction_is_none() {
    for (at, value) in [
        ("/data/name", json!("other")),
        ("/data/options", json!([])),
        ("/data/options", json!("x")),
        ("/data/options/0/value", json!(7)),
        ("/data/options/0/value", json!("  ")),
        ("/data/options/0/name", json!("x")),
        ("/member/user/id", json!("../7")),
        ("/member/user/id", json!(7)),
        ("/member/user/bot", json!(true)),
        ("/channel_id", json!("x")),
        ("/application_id", json!("7")),
        ("/type", json!(3)),
    ] {
        let mut body = interaction();
        match body.pointer_mut(at) {
            Some(found) => *found = value,
            None => body["member"]["user"]["bot"] = value,
        }
        assert_eq!(
            read(&body.to_string(), APPLICATION),
            Some(Interaction::Other),
            "{at}"
        );
    }
    for (at, value) in [
        ("/id", json!("x")),
        ("/token", json!("../x")),
        ("/token", json!("")),
        ("/token", json!("x".repeat(513))),
        ("/application_id", json!("x")),
        ("/type", json!("2")),
    ] {
        let mut body = interaction();
        *body.pointer_mut(at).unwrap() = value;
        assert_eq!(read(&body.to_string(), APPLICATION), None, "{at}");
    }
    assert_eq!(read(r#"{"type":1}"#, APPLICATION), Some(Interaction::Ping));
    for bad in ["", "{}", "[]", "1", r#"{"type":2}"#] {
        assert_eq!(read(bad, APPLICATION), None, "{bad}");
    }
}

#[test]
fn what_discord_says_tells_done_from_not_and_from_nobody_knows() {
    assert!(matches!(told(204, None, ""), Told::Done(_)));
    assert!(matches!(told(200, None, "{}"), Told::Done(_)));
    assert_eq!(told(429, Some("1.5"), ""), Told::Later(Seconds::new(1)));
    assert_eq!(told(429, None, ""), Told::Later(Seconds::new(30)));
    assert_eq!(told(404, None, ""), Told::Refused("404".to_owned()));
    for status in [301, 500, 502, 503] {
        assert_eq!(told(status, None, ""), Told::Unknown, "{status}");
    }
}

#[test]
fn an_answer_calls_nobody() {
    assert_eq!(
        message("@everyone")["allowed_mentions"],
        json!({ "parse": [] })
    );
    assert_eq!(whispered("x")["data"]["flags"], 64);
    assert_eq!(commands()[0]["name"], COMMAND);
}
