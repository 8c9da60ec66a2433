//! What an agent answers, as it is posted: in parts that the companies take, that call nobody, and in which nothing is lost but
//! what is too long, and blanks where they were cut. The input is an answer of the gateway's, and a text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use multiclaw_core::discord::message;
use multiclaw_core::slack::escaped;
use multiclaw_core::turn::{Heard, Place, heard, kept, parts};
use serde_json::{Value, json};

const SLACK: &str = r#"{"slack":{"person":"U1","channel":"C1","direct":true}}"#;
const DISCORD: &str = r#"{"discord":{"application":"1","person":"7","direct":true,"token":"","until":"2026-01-01T00:00:00Z"}}"#;
/// What each takes in one post.
const LIMITS: [(&str, usize); 2] = [(SLACK, 40_000), (DISCORD, 2000)];
const MAX_PARTS: usize = 10;

fn letters(text: &str) -> String {
    text.chars().filter(|it| !it.is_whitespace()).collect()
}

fn posted(answer: &str, longest: usize) -> Vec<String> {
    let all = parts(answer, longest);
    assert!(all.len() <= MAX_PARTS);
    assert!(all.iter().all(|part| !part.trim().is_empty()));
    // A character of two units is posted, whatever the limit.
    let fits = |part: &String| part.encode_utf16().count() <= longest.max(2);
    let is_whole = letters(&all.concat()) == letters(answer);
    if longest >= 100 {
        assert!(all.iter().all(fits));
        assert!(is_whole || all.len() == MAX_PARTS);
    }
    all
}

fuzz_target!(|input: &str| {
    if let Heard::Answer(answer) = heard(200, input) {
        let said: Value = serde_json::from_str(input).unwrap();
        let content = &said["choices"][0]["message"]["content"];
        assert_eq!(content.as_str().map(str::trim), Some(answer.as_str()));
        assert!(!answer.is_empty());
    }
    // A text is heard as it was said.
    let said = json!({ "choices": [{ "message": { "content": input } }] }).to_string();
    match heard(200, &said) {
        Heard::Answer(answer) => assert_eq!(answer, input.trim()),
        other => assert_eq!(other, Heard::Silence),
    }

    // Short parts show what only the longest answers would.
    for longest in [100, 7, 1] {
        posted(input, longest);
    }
    for (place, limit) in LIMITS {
        let place: Place = serde_json::from_str(place).unwrap();
        let longest = place.longest_post();
        let less = kept(input, longest);
        assert!(input.starts_with(less));
        assert!(less.encode_utf16().count() <= MAX_PARTS * longest + 2);
        for part in posted(less, longest) {
            let (sent, called) = match place {
                Place::Slack { .. } => {
                    let sent = escaped(&part);
                    let called = sent.contains(['<', '>']);
                    (sent, called)
                }
                Place::Discord { .. } => {
                    let message = message(&part);
                    assert_eq!(message["content"], part);
                    (part, message["allowed_mentions"] != json!({ "parse": [] }))
                }
            };
            assert!(!called && sent.encode_utf16().count() <= limit);
        }
    }
});
