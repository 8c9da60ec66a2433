use super::*;

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

/// A good value of each kind.
fn example(name: SecretName) -> String {
    let rest = "0123456789abcdef".repeat(4);
    match name {
        SecretName::ClawRouter => format!("cr-{rest}"),
        SecretName::OpenRouter => format!("sk-or-v1-{rest}"),
        SecretName::Anthropic => format!("sk-ant-api03-{rest}"),
        SecretName::OpenAi => format!("sk-proj-{rest}"),
        SecretName::Telegram => format!("123456789:{}", "Ab3_-".repeat(7)),
        SecretName::Wallet => format!("0x{rest}"),
    }
}

#[test]
fn c12_user_before_platform_before_none() {
    let some = |text: &str| Some(secret(text));
    let cases = [
        (some("user"), some("platform"), Source::User, Some("user")),
        (some("user"), None, Source::User, Some("user")),
        (None, some("platform"), Source::Platform, Some("platform")),
        (None, None, Source::None, None),
    ];
    for (user, platform, source, value) in cases {
        let (got_source, got) = resolve(user, platform);
        assert_eq!(got_source, source);
        assert_eq!(got.as_ref().map(Secret::expose), value);
    }
}

#[test]
fn catalogue_rows_are_found_by_name_and_each_name_is_there_once() {
    for kind in &CATALOGUE {
        assert_eq!(SecretName::parse(kind.text), Some(kind.name));
        assert_eq!(kind.name.kind().text, kind.text);
        // The name by which a call carries it is the one in paths.
        assert_eq!(serde_json::to_value(kind.name).unwrap(), kind.text);
    }
    assert_eq!(SecretName::parse("OPENAI"), None);
    assert_eq!(SecretName::parse(""), None);
    for (index, kind) in CATALOGUE.iter().enumerate() {
        for other in CATALOGUE.iter().skip(index + 1) {
            assert_ne!(kind.text, other.text);
            assert!(kind.platform.is_none() || kind.platform != other.platform);
        }
    }
}

#[test]
fn a_providers_default_model_is_its_own() {
    for kind in &CATALOGUE {
        if let Some(models) = kind.models() {
            let model = crate::model::ModelRef::parse(models.default_model).unwrap();
            assert_eq!(model.provider(), kind.name);
        }
    }
}

#[test]
fn c12_what_only_an_owner_can_have_has_no_platform_value() {
    assert_eq!(SecretName::Wallet.kind().platform, None);
    assert_eq!(SecretName::Telegram.kind().platform, None);
}

#[test]
fn a_value_is_taken_by_its_own_kind() {
    for kind in &CATALOGUE {
        let value = example(kind.name);
        let taken = kind.parse_value(secret(&value)).unwrap();
        assert_eq!(taken.expose(), value);
    }
}

#[test]
fn c11_a_refused_value_is_not_repeated_and_the_rule_is_named() {
    let huge = "x".repeat(crate::shape::MAX_BYTES + 1);
    for kind in &CATALOGUE {
        let good = example(kind.name);
        for (bad, rule) in [
            (String::new(), "not be empty"),
            (huge.clone(), "at most 8192 bytes"),
            (
                format!("{good}\n{good}"),
                "one line without control characters",
            ),
            (
                format!("{good}\u{7}"),
                "one line without control characters",
            ),
            (
                format!("{good} {good}"),
                "printable ASCII characters without spaces",
            ),
            (
                format!("{good}é"),
                "printable ASCII characters without spaces",
            ),
            (format!("<{good}>"), kind.what),
        ] {
            let problem = kind.parse_value(secret(&bad)).err().unwrap();
            assert_eq!(problem.field.as_deref(), Some("value"));
            assert_eq!(problem.code.status(), 422);
            assert!(
                problem.detail.contains(rule),
                "{}: {}",
                kind.text,
                problem.detail
            );
            let document = problem.document();
            for part in bad.as_bytes().windows(9) {
                let part = String::from_utf8_lossy(part);
                assert!(
                    !document.contains(&*part),
                    "{}: {part} in {document}",
                    kind.text
                );
            }
        }
    }
}

#[test]
fn another_vendors_key_is_named_as_such() {
    for (name, value, other) in [
        (
            SecretName::OpenAi,
            example(SecretName::Anthropic),
            "an Anthropic API key",
        ),
        (
            SecretName::OpenAi,
            example(SecretName::OpenRouter),
            "an OpenRouter API key",
        ),
        (
            SecretName::ClawRouter,
            example(SecretName::Anthropic),
            "an Anthropic API key",
        ),
    ] {
        let problem = name.kind().parse_value(secret(&value)).err().unwrap();
        assert!(
            problem.detail.ends_with(&format!("not {other}.")),
            "{}",
            problem.detail
        );
    }
    for (name, value) in [
        (SecretName::Anthropic, example(SecretName::OpenAi)),
        (SecretName::OpenRouter, example(SecretName::Anthropic)),
        (SecretName::Wallet, example(SecretName::Telegram)),
        (SecretName::Telegram, example(SecretName::Wallet)),
    ] {
        assert!(name.kind().parse_value(secret(&value)).is_err(), "{value}");
    }
}

#[test]
fn c11_a_status_shows_source_beginning_and_times_and_no_more() {
    let kind = SecretName::OpenAi.kind();
    let own = || {
        let prefix = secret(&example(kind.name)).redacted().as_str().to_owned();
        Some(Own {
            prefix,
            set_at: at(10),
            unreadable: false,
        })
    };
    let shown = serde_json::to_value(kind.status(own(), true, None)).unwrap();
    assert_eq!(
        shown,
        serde_json::json!({
            "name": "openai",
            "source": "user",
            "prefix": "sk-proj-",
            "setAt": at(10).rfc3339(),
            "usedAt": null,
        })
    );
    let platform = serde_json::to_value(kind.status(None, true, None)).unwrap();
    assert_eq!(
        platform,
        serde_json::json!({
            "name": "openai", "source": "platform", "prefix": null, "setAt": null, "usedAt": null,
        })
    );
    assert!(!kind.status(None, false, None).is_available());
    let lost = Some(Own {
        unreadable: true,
        ..own().unwrap()
    });
    let lost = kind.status(lost, true, None);
    assert!(lost.unreadable && lost.source == Source::User && !lost.is_available());
}

#[test]
fn a_use_is_told_of_the_value_in_force_alone() {
    let kind = SecretName::OpenAi.kind();
    let own = |set_at| {
        Some(Own {
            prefix: "sk-proj-".to_owned(),
            set_at: at(set_at),
            unreadable: false,
        })
    };
    let used = |source, seconds| {
        Some(Use {
            source,
            at: at(seconds),
        })
    };
    for (own, platform, last, told) in [
        (own(10), true, used(Source::User, 20), Some(20)),
        (own(10), true, used(Source::User, 10), Some(10)),
        // The key of then was replaced since.
        (own(30), true, used(Source::User, 20), None),
        (own(10), true, used(Source::Platform, 20), None),
        (None, true, used(Source::Platform, 20), Some(20)),
        (None, true, used(Source::User, 20), None),
        (None, false, used(Source::User, 20), None),
        (own(10), false, None, None),
    ] {
        assert_eq!(kind.status(own, platform, last).used_at, told.map(at));
    }
}
