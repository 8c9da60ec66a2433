//! Names, while the container has no internet, and with a resolver in place of the real one.

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, RCODE, TYPE};

use super::settings;
use crate::dns::answer;
use crate::settings::{Change, Settings};

async fn ask(settings: &Settings, name: &str, kind: TYPE) -> (RCODE, Vec<u32>) {
    let mut query = Packet::new_query(4711);
    let name = Name::new(name).unwrap();
    query.questions.push(Question::new(
        name,
        QTYPE::TYPE(kind),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    let bytes = answer(&query.build_bytes_vec().unwrap(), &[], settings)
        .await
        .expect("an answer");
    let reply = Packet::parse(&bytes).unwrap();
    assert_eq!(reply.id(), 4711);
    assert_eq!(reply.questions.len(), 1);
    let addresses = reply
        .answers
        .iter()
        .filter_map(|record| match &record.rdata {
            RData::A(a) => Some(a.address),
            _ => None,
        });
    (reply.rcode(), addresses.collect())
}

async fn offline(allowed: &[&str]) -> std::sync::Arc<Settings> {
    let settings = settings();
    let change = serde_json::json!({ "internet": { "enabled": false }, "dns": { "allowHostnames": allowed } });
    settings
        .apply(serde_json::from_value::<Change>(change).unwrap())
        .await
        .unwrap();
    settings
}

#[tokio::test]
async fn without_internet_only_names_of_handlers_exist() {
    let settings = offline(&["api.example.com", "*.test"]).await;
    let placeholder = vec![u32::from_be_bytes([11, 0, 0, 1])];
    for name in ["api.example.com", "API.Example.COM", "a.test", "a.b.test"] {
        assert_eq!(
            ask(&settings, name, TYPE::A).await,
            (RCODE::NoError, placeholder.clone()),
            "{name}"
        );
    }
    for name in [
        "example.com",
        "x.api.example.com",
        "api.example.com.evil",
        "test",
    ] {
        assert_eq!(
            ask(&settings, name, TYPE::A).await,
            (RCODE::NameError, vec![]),
            "{name}"
        );
    }
    assert_eq!(
        ask(&settings, "a.test", TYPE::AAAA).await,
        (RCODE::NoError, vec![])
    );
}

#[tokio::test]
async fn patterns_match_as_in_workerd() {
    let cases = [
        ("*", "any.host", true),
        ("a.*.com", "a.b.c.com", true),
        ("a.*.com", "a.com", false),
        ("*b*", "abc", true),
        ("*b*", "acd", false),
        ("*é", "xé", true),
        ("", "x", false),
    ];
    for (pattern, host, expected) in cases {
        assert_eq!(
            offline(&[pattern]).await.allows(host).await,
            expected,
            "{pattern} {host}"
        );
    }
}

#[tokio::test]
async fn what_is_no_query_has_no_answer() {
    let settings = offline(&["*"]).await;
    let empty = Packet::new_query(1).build_bytes_vec().unwrap();
    for bytes in [&b""[..], b"nonsense", &[0xff; 64], &empty] {
        assert_eq!(answer(bytes, &[], &settings).await, None);
    }
}
