use serde_json::{Value, json};

use super::*;
use crate::time::Seconds;

const TEAM: &str = "T1DC2JH3J";
const BOT: &str = "U0LAN0Z89";

/// The example of Slack's page on verifying requests (docs.slack.dev/authentication/verifying-requests-from-slack).
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const AT: &str = "1531420618";
const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn then() -> Timestamp {
    Timestamp::from_secs(1_531_420_618)
}

#[test]
fn slacks_own_example_is_proved_and_nothing_near_it_is() {
    let stamp = Stamp::parse(AT, SIGNATURE, then()).unwrap();
    assert!(stamp.proves(&secret(SECRET), BODY));
    assert!(!stamp.proves(&secret(SECRET), BODY.trim_start_matches('t')));
    assert!(!stamp.proves(&secret(SECRET), &format!("{BODY} ")));
    assert!(!stamp.proves(&secret("8f742231b10e8888abcd99yyyzzz85a6"), BODY));
    assert!(!stamp.proves(&secret(""), BODY));
    let later = Stamp::parse("1531420619", SIGNATURE, then()).unwrap();
    assert!(
        !later.proves(&secret(SECRET), BODY),
        "the time is signed as well"
    );
    let other = SIGNATURE.replace("v0=a2", "v0=a3");
    assert!(
        !Stamp::parse(AT, &other, then())
            .unwrap()
            .proves(&secret(SECRET), BODY)
    );
}

#[test]
fn a_stamp_is_of_this_moment_and_has_one_form() {
    let at = |seconds: i64| then().saturating_add(Seconds::new(u32::try_from(seconds).unwrap()));
    assert!(Stamp::parse(AT, SIGNATURE, at(300)).is_some());
    assert!(Stamp::parse(AT, SIGNATURE, at(301)).is_none());
    assert!(Stamp::parse("1531420918", SIGNATURE, then()).is_some());
    assert!(Stamp::parse("1531420919", SIGNATURE, then()).is_none());
    for bad in [
        "",
        "x",
        "-1531420618",
        "+1531420618",
        "01531420618",
        " 1531420618",
        "1531420618.0",
        "9223372036854775807",
        "-9223372036854775808",
        "99999999999999999999",
    ] {
        assert_eq!(Stamp::parse(bad, SIGNATURE, then()), None, "{bad}");
    }
    for bad in [
        "",
        "v0",
        "v0=",
        SIGNATURE.trim_start_matches('v'),
        SIGNATURE.trim_start_matches("v0="),
        &format!("{SIGNATURE}0"),
        SIGNATURE.trim_end_matches('3'),
        &SIGNATURE.to_uppercase(),
        &SIGNATURE.replace("v0", "v1"),
        &format!(" {SIGNATURE}"),
    ] {
        assert_eq!(Stamp::parse(AT, bad, then()), None, "{bad}");
    }
}

fn callback(event: &Value) -> String {
    json!({ "type": "event_callback", "team_id": TEAM, "event_id": "Ev08MFMKH6", "event": event })
        .to_string()
}

fn direct() -> Value {
    json!({ "type": "message", "channel": "D024BE91L", "user": "U2147483697", "text": "Hello",
        "ts": "1355517523.000005", "channel_type": "im" })
}

fn mention() -> Value {
    json!({ "type": "app_mention", "channel": "C123ABC456", "user": "W021FGA1Z",
        "text": "<@U0LAN0Z89> is it everything?", "ts": "1515449483.000108" })
}

fn changed(event: Value, changes: &Value) -> Value {
    let mut event = event;
    for (name, value) in changes.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

fn heard(event: &Value) -> Option<Said> {
    match read(&callback(event), TEAM, BOT) {
        Some(Event::Said(said)) => Some(said),
        _ => None,
    }
}

#[test]
fn what_is_said_to_the_bot_is_heard() {
    let said = heard(&direct()).unwrap();
    assert_eq!(
        (said.id.as_str(), said.text.as_str()),
        ("Ev08MFMKH6", "Hello")
    );
    assert_eq!((said.channel.as_str(), said.thread), ("D024BE91L", None));
    assert_eq!(said.conversation, "slack-T1DC2JH3J-D024BE91L");
    assert!(said.is_direct);
    assert_eq!(said.rank, 1_355_517_523_000_005);
    let beyond = json!({ "ts": "99999999999999999999.1" });
    assert_eq!(heard(&changed(direct(), &beyond)).unwrap().rank, 0);
    let said = heard(&mention()).unwrap();
    assert_eq!(said.text, "is it everything?");
    assert_eq!(said.thread.as_deref(), Some("1515449483.000108"));
    assert_eq!(
        said.conversation,
        "slack-T1DC2JH3J-C123ABC456-1515449483.000108"
    );
    let below = json!({ "thread_ts": "1515449000.000001" });
    let said = heard(&changed(mention(), &below)).unwrap();
    assert_eq!(
        said.conversation,
        "slack-T1DC2JH3J-C123ABC456-1515449000.000001"
    );
    // A thread in a direct conversation is answered there, and is the same conversation.
    let said = heard(&changed(direct(), &below)).unwrap();
    assert_eq!(said.thread.as_deref(), Some("1515449000.000001"));
    assert_eq!(said.conversation, "slack-T1DC2JH3J-D024BE91L");
    let shared = json!({ "subtype": "file_share", "text": "see &lt;this&gt; &amp;lt;" });
    assert_eq!(
        heard(&changed(direct(), &shared)).unwrap().text,
        "see <this> &lt;"
    );
}

#[test]
fn what_nobody_said_to_the_bot_is_not() {
    for changes in [
        json!({ "subtype": "message_changed" }),
        json!({ "subtype": "message_deleted" }),
        json!({ "subtype": "bot_message" }),
        json!({ "bot_id": "B1" }),
        json!({ "bot_profile": {} }),
        json!({ "user": BOT }),
        json!({ "user": "USLACKBOT" }),
        json!({ "user": null }),
        json!({ "user": "../x" }),
        json!({ "user": ["U1"] }),
        json!({ "channel": "D/../x" }),
        json!({ "channel": 7 }),
        json!({ "ts": "now" }),
        json!({ "text": "" }),
        json!({ "text": null }),
        json!({ "text": "  <@U0LAN0Z89> " }),
        json!({ "channel_type": "channel" }),
        json!({ "channel_type": "mpim" }),
        json!({ "type": "reaction_added" }),
    ] {
        assert_eq!(heard(&changed(direct(), &changes)), None, "{changes}");
    }
    let elsewhere = callback(&direct()).replace(TEAM, "T999");
    assert_eq!(read(&elsewhere, TEAM, BOT), Some(Event::Other));
    assert_eq!(
        read(r#"{"type":"app_rate_limited"}"#, TEAM, BOT),
        Some(Event::Other)
    );
}

#[test]
fn a_challenge_is_said_back_and_what_is_no_event_is_none() {
    let asked = r#"{"token":"x","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
    let said = read(asked, TEAM, BOT);
    assert!(matches!(said, Some(Event::Challenge(text)) if text.starts_with("3eZbrw1a")));
    let long = json!({ "type": "url_verification", "challenge": "x".repeat(1025) }).to_string();
    for bad in [
        "",
        "{}",
        "[]",
        "7",
        r#"{"type":7}"#,
        r#"{"type":"url_verification"}"#,
        r#"{"type":"event_callback"}"#,
        r#"{"type":"event_callback","event_id":"Ev1","team_id":"T1"}"#,
        r#"{"type":"event_callback","event_id":"Ev1","team_id":"T1","event":{}}"#,
        r#"{"type":"event_callback","event_id":"../Ev1","team_id":"T1","event":{"type":"message"}}"#,
        &callback(&direct()).replace("Ev08MFMKH6", &"E".repeat(65)),
        &long,
    ] {
        assert_eq!(read(bad, TEAM, BOT), None, "{bad}");
    }
}

#[test]
fn an_answer_calls_nobody() {
    assert_eq!(
        escaped("<!channel> & <@U1> a>b"),
        "&lt;!channel&gt; &amp; &lt;@U1&gt; a&gt;b"
    );
}

#[test]
fn what_slack_says_tells_done_from_not_and_from_nobody_knows() {
    assert!(matches!(
        told(200, None, r#"{"ok":true,"ts":"1.2"}"#),
        Told::Done(_)
    ));
    let refused = |reason: &str| Told::Refused(reason.to_owned());
    let said = |reason: &str| format!(r#"{{"ok":false,"error":"{reason}"}}"#);
    for reason in ["invalid_auth", "channel_not_found", "not_in_channel"] {
        assert_eq!(told(200, None, &said(reason)), refused(reason));
    }
    assert!(is_of_token("invalid_auth") && !is_of_token("channel_not_found"));
    let later = |seconds| Told::Later(Seconds::new(seconds));
    assert_eq!(told(429, Some("7"), ""), later(7));
    assert_eq!(told(429, Some("99999999"), ""), later(3600));
    assert_eq!(told(429, Some("0"), ""), later(1));
    assert_eq!(told(429, Some("soon"), ""), later(30));
    assert_eq!(told(200, Some("9"), &said("ratelimited")), later(9));
    for (status, body) in [
        (500, String::new()),
        (503, "<html>".to_owned()),
        (200, "{}".to_owned()),
        (200, said("internal_error")),
        (200, said("fatal_error")),
        (200, said("<script>")),
    ] {
        assert_eq!(told(status, None, &body), Told::Unknown, "{status} {body}");
    }
}
