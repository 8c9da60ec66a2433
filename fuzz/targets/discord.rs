//! What comes to Discord's door: the two headers are the input's first lines, the rest is a body, which is signed here. What is taken
//! of it for the agent is a person's, fits where it goes, and reads back.
#![no_main]

use ed25519_dalek::{Signer, SigningKey};
use libfuzzer_sys::fuzz_target;
use multiclaw_core::channel::People;
use multiclaw_core::discord::{Interaction, PublicKey, Stamp, is_number, read};
use multiclaw_core::edge::EdgeChannel;
use multiclaw_core::encoding::hex;
use multiclaw_core::knock;
use multiclaw_core::text::is_seen;
use multiclaw_core::time::Timestamp;
use multiclaw_core::turn::{Place, question};
use serde_json::Value;

/// Of the seeds.
const NOW: Timestamp = Timestamp::from_secs(1_768_478_460);
const APPLICATION: &str = "41771983423143938";

fuzz_target!(|input: &str| {
    let mut lines = input.splitn(3, '\n');
    let [at, signed, body] = [(); 3].map(|()| lines.next().unwrap_or_default());
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = |key: &SigningKey| PublicKey::parse(&hex(key.verifying_key().as_bytes())).unwrap();
    // Nobody who has not the key signs anything.
    let forged = Stamp::parse(at, signed, NOW);
    assert!(!forged.is_some_and(|stamp| stamp.proves(&public(&key), body)));
    let signature = key.sign(format!("{at}{body}").as_bytes());
    if let Some(stamp) = Stamp::parse(at, &hex(&signature.to_bytes()), NOW) {
        let second: i64 = at.parse().unwrap();
        assert!((NOW.as_secs() - second).abs() <= 300);
        assert!(stamp.proves(&public(&key), body));
        assert!(!stamp.proves(&public(&SigningKey::from_bytes(&[8; 32])), body));
        assert!(!stamp.proves(&public(&key), &format!("{body} ")));
    }

    let Some(Interaction::Asked(asked)) = read(body, APPLICATION) else {
        return;
    };
    let person = asked.person.as_str();
    assert_eq!(People::Discord.parse(person).as_ref(), Some(&asked.person));
    assert!(is_number(&asked.id) && asked.rank >= 0 && !asked.text.is_empty());
    assert!(is_seen(&asked.name) && asked.name.chars().count() <= 60);
    // It goes into a path as it is.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    assert!((1..=512).contains(&asked.token.len()) && asked.token.bytes().all(is_plain));
    assert!(asked.conversation.len() <= 64 && asked.conversation.bytes().all(is_plain));
    assert!(asked.conversation.ends_with(&format!("-{person}")));
    let id = knock::id(EdgeChannel::Discord, &asked.person).unwrap();
    assert_eq!(
        knock::named(&id),
        Some((EdgeChannel::Discord, asked.person.clone()))
    );

    let place = Place::Discord {
        application: APPLICATION.to_owned(),
        person: asked.person,
        direct: asked.is_direct,
        token: "sealed".to_owned(),
        until: NOW,
    };
    let row = serde_json::to_string(&place).unwrap();
    assert_eq!(serde_json::from_str::<Place>(&row).unwrap(), place);
    let question = question(&place, &asked.conversation, &asked.text);
    assert!(!question.contains("sealed") || asked.text.contains("sealed"));
    let question: Value = serde_json::from_str(&question).unwrap();
    assert_eq!(question["messages"][1]["content"], asked.text);
});
