use super::*;

const LIFETIME_SECONDS: i64 = LIFETIME.get() as i64;

const NOW: Timestamp = Timestamp::from_millis(1_768_478_460_000);

fn keys(current: &str, previous: Option<&str>) -> SessionKeys {
    let secret = |text: &str| Secret::new(text.to_owned());
    SessionKeys::new(&secret(current), previous.map(secret).as_ref()).unwrap()
}

fn session(audience: Audience) -> Session {
    Session {
        issuer: Issuer::Us,
        asset: Asset::from_bytes([1; 32]),
        audience,
        id: SessionId::from_random([2; 16]),
        wallet: Wallet::from_bytes([3; 32]),
        epoch: Some(4),
    }
}

fn after(seconds: i64) -> Timestamp {
    Timestamp::from_secs(NOW.as_secs().saturating_add(seconds))
}

const A: &str = "0123456789abcdef0123456789abcdef";
const B: &str = "fedcba9876543210fedcba9876543210";

#[test]
fn c05_a_token_lives_seven_days() {
    assert_eq!(LIFETIME_SECONDS, 604_800);
    let token = keys(A, None)
        .issue(session(Audience::App), NOW, after(LIFETIME_SECONDS))
        .unwrap();
    let verify = |at| keys(A, None).verify(Audience::App, &token, at);
    assert_eq!(
        verify(NOW).unwrap(),
        (session(Audience::App), after(LIFETIME_SECONDS))
    );
    assert!(verify(after(LIFETIME_SECONDS - 1)).is_ok());
    assert_eq!(
        verify(after(LIFETIME_SECONDS + 1)),
        Err(SessionError::Expired)
    );
    assert!(verify(after(-5)).is_ok(), "clocks differ");
    assert_eq!(verify(after(-6)), Err(SessionError::Invalid));
}

#[test]
fn c05_the_previous_key_verifies_and_a_stranger_key_does_not() {
    let token = keys(A, None)
        .issue(session(Audience::App), NOW, after(60))
        .unwrap();
    assert!(keys(B, Some(A)).verify(Audience::App, &token, NOW).is_ok());
    assert_eq!(
        keys(B, None).verify(Audience::App, &token, NOW),
        Err(SessionError::Invalid)
    );
}

#[test]
fn c05_a_token_names_its_key_and_its_issuer() {
    let made = |name: &str, key: &Hs256Key| {
        let mut claims = Claims::new(session(Audience::App));
        claims.issued_at = Some(clock(NOW).unwrap());
        claims.expiration = Some(clock(after(60)).unwrap());
        let header = Header::empty().with_key_id(name);
        Hs256.token(&header, &claims, key).unwrap()
    };
    let both = keys(A, Some(B));
    let [current, previous] = [&both.current, both.previous.as_ref().unwrap()];
    assert_ne!(current.name, previous.name);
    let verify = |token: &str| both.verify(Audience::App, token, NOW).is_ok();
    assert!(verify(&made(&current.name, &current.key)));
    assert!(verify(&made(&previous.name, &previous.key)));
    assert!(!verify(&made("00000000", &current.key)));
    assert!(!verify(&made(&current.name, &previous.key)));
    let token: serde_json::Value = serde_json::to_value(session(Audience::App)).unwrap();
    assert_eq!(token["iss"], "multiclaw-edge");
}

#[test]
fn c05_a_short_key_is_refused() {
    assert!(SessionKeys::new(&Secret::new("short".to_owned()), None).is_err());
    assert!(SessionKeys::new(&Secret::new(String::new()), None).is_err());
    assert!(SessionKeys::new(&Secret::new("x".repeat(31)), None).is_err());
    assert!(SessionKeys::new(&Secret::new("x".repeat(32)), None).is_ok());
    assert!(
        SessionKeys::new(
            &Secret::new(A.to_owned()),
            Some(&Secret::new("x".to_owned()))
        )
        .is_err()
    );
}

#[test]
fn c06_a_token_opens_only_its_audience() {
    let token = keys(A, None)
        .issue(session(Audience::Agent), NOW, after(60))
        .unwrap();
    assert_eq!(
        keys(A, None).verify(Audience::App, &token, NOW),
        Err(SessionError::Invalid)
    );
}

#[test]
fn c06_a_pass_opens_its_own_door_alone_and_has_no_end_of_its_own() {
    let start = Start {
        asset: Asset::from_bytes([1; 32]),
        owner: Wallet::from_bytes([3; 32]),
        tenure: 4,
        pass: SessionId::from_random([2; 16]),
    };
    for (to, other) in [
        (PassTo::Models, PassTo::Proposals),
        (PassTo::Proposals, PassTo::Models),
    ] {
        let pass = keys(A, None).issue_pass(to, &start).unwrap();
        let opened = keys(B, Some(A)).verify_pass(to, &pass).unwrap();
        assert_eq!(opened, start);
        assert!(keys(B, None).verify_pass(to, &pass).is_err());
        assert!(keys(A, None).verify_pass(other, &pass).is_err());
        for audience in Audience::ALL {
            assert!(keys(A, None).verify(audience, &pass, NOW).is_err());
        }
        for audience in [Audience::App, Audience::Agent] {
            let token = keys(A, None).issue(session(audience), NOW, after(60));
            assert!(keys(A, None).verify_pass(to, &token.unwrap()).is_err());
        }
    }
}

#[test]
fn tokens_that_were_changed_or_made_otherwise_are_refused() {
    let token = keys(A, None)
        .issue(session(Audience::App), NOW, after(60))
        .unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let none_header = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let hs512_header = "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9";
    let bad = [
        String::new(),
        "a.b.c".to_owned(),
        format!("{none_header}.{}.", parts[1]),
        format!("{none_header}.{}.{}", parts[1], parts[2]),
        format!("{hs512_header}.{}.{}", parts[1], parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{token}A"),
        token.chars().take(token.len().saturating_sub(2)).collect(),
        "x".repeat(5000),
    ];
    for text in bad {
        assert_eq!(
            keys(A, None).verify(Audience::App, &text, NOW),
            Err(SessionError::Invalid),
            "{text}"
        );
    }
    let mut claims = Claims::new(session(Audience::App));
    claims.issued_at = Some(clock(NOW).unwrap());
    claims.expiration = Some(clock(after(LIFETIME_SECONDS * 2)).unwrap());
    let header = Header::empty().with_token_type("JWT");
    let endless = Hs256.token(&header, &claims, &keys(A, None).current.key);
    assert_eq!(
        keys(A, None).verify(Audience::App, &endless.unwrap(), NOW),
        Err(SessionError::Invalid)
    );
}

#[test]
fn c05_a_token_that_is_to_begin_later_opens_nothing() {
    let keys = keys(A, None);
    let made = |begins| {
        let mut claims = Claims::new(session(Audience::App));
        claims.issued_at = Some(clock(NOW).unwrap());
        claims.expiration = Some(clock(after(60)).unwrap());
        claims.not_before = Some(clock(after(begins)).unwrap());
        let token = Hs256.token(&Header::empty(), &claims, &keys.current.key);
        keys.verify(Audience::App, &token.unwrap(), NOW)
    };
    assert!(made(0).is_ok());
    assert_eq!(made(1), Err(SessionError::Invalid));
}

#[test]
fn a_token_longer_than_any_of_ours_is_not_looked_at() {
    let keys = keys(A, None);
    let mut claims = Claims::new(session(Audience::App));
    claims.issued_at = Some(clock(NOW).unwrap());
    claims.expiration = Some(clock(after(60)).unwrap());
    let mut lengths = Vec::new();
    for padding in 300..700 {
        let header = Header::empty().with_token_type("x".repeat(padding));
        let token = Hs256.token(&header, &claims, &keys.current.key).unwrap();
        let opened = keys.verify(Audience::App, &token, NOW).is_ok();
        assert_eq!(opened, token.len() <= MAX_TOKEN_LENGTH, "{}", token.len());
        lengths.push(token.len());
    }
    assert!(lengths.contains(&MAX_TOKEN_LENGTH) && lengths.last() > Some(&MAX_TOKEN_LENGTH));
}

#[test]
fn c05_a_session_of_a_clock_that_is_ahead_ends_seven_days_from_now() {
    let token = keys(A, None)
        .issue(session(Audience::App), NOW, after(LIFETIME_SECONDS + 5))
        .unwrap();
    let (_, ends_at) = keys(A, None).verify(Audience::App, &token, NOW).unwrap();
    assert_eq!(ends_at, after(LIFETIME_SECONDS));
}

#[test]
fn cookies_are_host_only_and_read_back() {
    let set = set_cookie(Audience::App, "tok", NOW, after(60));
    assert_eq!(
        set,
        "__Host-molt_session=tok; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Strict"
    );
    assert!(!set.contains("Domain"));
    assert_eq!(
        clear_cookie(Audience::Agent),
        "__Host-molt_agent=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
    );
    let name = Audience::App.cookie_name();
    assert_eq!(
        token_from_cookies(Audience::App, &format!("a=b; {name}=tok; c=d")),
        Some("tok")
    );
    assert_eq!(
        token_from_cookies(Audience::App, &format!("x{name}=tok")),
        None
    );
    assert_eq!(
        token_from_cookies(Audience::App, &format!("{name}=one; {name}=two")),
        None
    );
    assert_eq!(
        token_from_cookies(Audience::Agent, &format!("{name}=tok")),
        None
    );
}

#[test]
fn c17_no_white_space_makes_another_name_ours() {
    let name = Audience::App.cookie_name();
    for space in [
        '\u{85}', '\u{a0}', '\u{1680}', '\u{2000}', '\u{2028}', '\u{3000}', '\u{b}', '\u{c}',
        '\u{feff}',
    ] {
        let shadow = format!("{space}{name}=forged");
        assert_eq!(token_from_cookies(Audience::App, &shadow), None);
        for both in [
            format!("{shadow}; {name}=tok"),
            format!("{name}=tok; {shadow}"),
        ] {
            assert_eq!(
                token_from_cookies(Audience::App, &both),
                Some("tok"),
                "{space:?}"
            );
        }
    }
    let padded = format!("a=b;\t {name}=tok ;c=d");
    assert_eq!(token_from_cookies(Audience::App, &padded), Some("tok"));
}

#[test]
fn c17_our_cookies_do_not_reach_the_agent() {
    let header = "a=b; __Host-molt_agent=t; __Host-molt_session=s; c=d";
    assert_eq!(without_our_cookies(header).as_deref(), Some("a=b; c=d"));
    for ours in [
        "__Host-molt_agent=t",
        "__Host-molt_session =s",
        " __Host-molt_agent ",
        "__Host-molt_session\r",
        "\u{2003}__Host-molt_agent\u{a0}=t",
    ] {
        assert_eq!(without_our_cookies(ours), None, "{ours}");
    }
}
