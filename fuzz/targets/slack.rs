//! What comes to Slack's door: the two headers are the input's first lines, the rest is a body, which is signed here. What is taken
//! of it for the agent is a person's, fits where it goes, and reads back.
#![no_main]

use hmac::{Hmac, Mac};
use libfuzzer_sys::fuzz_target;
use multiclaw_core::channel::People;
use multiclaw_core::edge::is_id;
use multiclaw_core::encoding::hex;
use multiclaw_core::knock;
use multiclaw_core::secret::Secret;
use multiclaw_core::slack::{Event, Stamp, escaped, read};
use multiclaw_core::time::Timestamp;
use multiclaw_core::turn::{Place, question};
use serde_json::Value;
use sha2::Sha256;

const SECRET: &str = "8f742231b10e8888abcd990000aa85a5";
/// Of the seeds.
const NOW: Timestamp = Timestamp::from_secs(1_768_478_460);
const TEAM: &str = "T0SEED";
const BOT: &str = "U0BOT";

fn signature(at: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("v0:{at}:{body}").as_bytes());
    format!("v0={}", hex(&mac.finalize().into_bytes()))
}

fuzz_target!(|input: &str| {
    let mut lines = input.splitn(3, '\n');
    let [at, signed, body] = [(); 3].map(|()| lines.next().unwrap_or_default());
    let secret = |text: &str| Secret::new(text.to_owned());
    // Nobody who has not the secret signs anything.
    let forged = Stamp::parse(at, signed, NOW);
    assert!(!forged.is_some_and(|stamp| stamp.proves(&secret(SECRET), body)));
    if let Some(stamp) = Stamp::parse(at, &signature(at, body), NOW) {
        let second: i64 = at.parse().unwrap();
        assert!((NOW.as_secs() - second).abs() <= 300);
        assert!(stamp.proves(&secret(SECRET), body));
        assert!(!stamp.proves(&secret(TEAM), body));
        assert!(!stamp.proves(&secret(SECRET), &format!("{body} ")));
    }

    match read(body, TEAM, BOT) {
        None | Some(Event::Other) => {}
        Some(Event::Challenge(challenge)) => assert!(challenge.len() <= 1024),
        Some(Event::Said(said)) => {
            let person = said.person.as_str();
            assert!(person != BOT && People::Slack.parse(person).as_ref() == Some(&said.person));
            assert!(is_id(&said.channel) && !said.text.is_empty() && said.text.len() <= body.len());
            assert!(
                said.conversation
                    .starts_with(&format!("slack-{TEAM}-{}", said.channel))
            );
            // What names it goes into keys and paths as it is.
            for name in [&said.id, &said.conversation]
                .into_iter()
                .chain(&said.thread)
            {
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
                assert!(name.len() <= 128 && name.bytes().all(is_plain));
            }
            assert!((0..1 << 53).contains(&said.rank));
            let channel = multiclaw_core::edge::EdgeChannel::Slack;
            let id = knock::id(channel, &said.person).unwrap();
            assert_eq!(knock::named(&id), Some((channel, said.person.clone())));

            let place = Place::Slack {
                person: said.person,
                channel: said.channel,
                thread: said.thread,
                direct: said.is_direct,
            };
            let row = serde_json::to_string(&place).unwrap();
            assert_eq!(serde_json::from_str::<Place>(&row).unwrap(), place);
            let asked = question(&place, &said.conversation, &said.text);
            let asked: Value = serde_json::from_str(&asked).unwrap();
            assert_eq!(asked["messages"][1]["content"], said.text);
            // An agent that echoes calls nobody, and what it says is read as it said it.
            let echo = escaped(&said.text);
            assert!(!echo.contains(['<', '>']));
            let seen = echo.replace("&lt;", "<").replace("&gt;", ">");
            assert_eq!(seen.replace("&amp;", "&"), said.text);
        }
    }
});
