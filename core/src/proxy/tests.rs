use super::*;

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn visitor() -> Visitor<'static> {
    Visitor {
        owner: Wallet::from_bytes([7; 32]),
        scheme: "https",
        host: "a.agents.example",
        client_address: Some("203.0.113.9"),
    }
}

#[test]
fn c17_identity_headers_of_clients_are_dropped_and_ours_set() {
    let hostile = pairs(&[
        ("x-molt-owner", "someone"),
        ("x-molt-edge", "9"),
        ("x-molt-call", "{}"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-user", "root"),
        ("forwarded", "for=1"),
        ("x-real-ip", "::1"),
        ("cf-connecting-ip", "1.1.1.1"),
        ("authorization", "Bearer x"),
        ("host", "evil"),
        ("connection", "close, x-smuggled"),
        ("x-smuggled", "1"),
        ("transfer-encoding", "chunked"),
        ("accept", "text/html"),
        ("cookie", "__Host-molt_agent=t; theme=dark"),
    ]);
    let got = request_headers(&hostile, &visitor());
    let expected = pairs(&[
        ("accept", "text/html"),
        ("cookie", "theme=dark"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "a.agents.example"),
        ("x-molt-edge", "1"),
        ("x-molt-owner", &Wallet::from_bytes([7; 32]).to_string()),
    ]);
    assert_eq!(got, expected);
}

#[test]
fn a_client_without_a_usable_address_is_unknown_not_loopback() {
    for address in [
        None,
        Some("127.0.0.1"),
        Some("::1"),
        Some("junk"),
        Some("0.0.0.0"),
        Some("1.2.3.4, 127.0.0.1"),
    ] {
        let headers = request_headers(
            &[],
            &Visitor {
                client_address: address,
                ..visitor()
            },
        );
        assert_eq!(find(&headers, "x-forwarded-for"), Some("192.0.2.1"));
    }
}

#[test]
fn websocket_upgrades_are_kept() {
    let headers = request_headers(
        &pairs(&[
            ("upgrade", "WebSocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-key", "k"),
        ]),
        &visitor(),
    );
    assert_eq!(find(&headers, "upgrade"), Some("websocket"));
    assert_eq!(find(&headers, "sec-websocket-key"), Some("k"));
}

#[test]
fn c17_other_origins_pages_only_lead_here() {
    const OURS: &str = "https://a.agents.example";
    let foreign = |method, client: &[(&str, &str)]| is_foreign(method, &pairs(client), OURS);
    let site = |value| ("sec-fetch-site", value);
    for passes in [
        vec![],
        vec![("origin", OURS)],
        vec![("origin", OURS), site("same-origin")],
        vec![site("none"), ("sec-fetch-mode", "navigate")],
    ] {
        assert!(!foreign("GET", &passes), "{passes:?}");
    }
    for value in ["same-site", "cross-site"] {
        let link = [
            site(value),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert!(!foreign("GET", &link));
        assert!(foreign("POST", &link), "a form");
        let frame = [
            site(value),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "iframe"),
        ];
        assert!(foreign("GET", &frame));
        assert!(foreign(
            "GET",
            &[site(value), ("sec-fetch-mode", "no-cors")]
        ));
        assert!(foreign("GET", &[site(value), ("upgrade", "websocket")]));
        assert!(foreign("POST", &[site("none")]));
    }
    for origin in [
        "null",
        "https://b.agents.example",
        "http://a.agents.example",
        "https://user@a.agents.example",
        "https://a.agents.example, https://a.agents.example",
        "",
    ] {
        assert!(foreign("GET", &[("origin", origin)]), "{origin}");
    }
}

#[test]
fn c18_only_a_persons_navigation_wakes() {
    assert!(is_navigation(
        "GET",
        &pairs(&[("sec-fetch-mode", "navigate")])
    ));
    assert!(!is_navigation("GET", &pairs(&[("sec-fetch-mode", "cors")])));
    assert!(!is_navigation(
        "GET",
        &pairs(&[("sec-fetch-mode", "navigate"), ("upgrade", "websocket")])
    ));
    assert!(!is_navigation(
        "POST",
        &pairs(&[("sec-fetch-mode", "navigate")])
    ));
    assert!(!is_navigation("GET", &[]));
}

#[test]
fn c17_an_agents_cookies_stay_its_own() {
    assert!(set_cookie_passes("theme=dark; Path=/; HttpOnly"));
    for bad in [
        "a=b; Domain=agents.example",
        "a=b; domain = agents.example",
        "a=b;DOMAIN=x",
        "__Host-molt_agent=x; Path=/",
        "__HOST-MOLT_SESSION=x",
        "=x",
        "=__Host-molt_agent=x",
        "",
        "noequals",
        "__Host-molt_agent",
        " __Host-molt_agent=x",
        "\t__Host-molt_agent =x",
        "\u{a0}__Host-molt_agent=x",
        "\u{2000}__Host-molt_session=x",
        "__Host-Http-molt_agent=x",
        "__Secure-molt_agent=x",
        "a\u{1}=x",
        "a=x\u{7f}",
        "a b=x",
    ] {
        assert!(!set_cookie_passes(bad), "{bad}");
    }
}

#[test]
fn c17_what_reaches_beyond_an_agents_pages_is_dropped() {
    let agent = pairs(&[
        ("content-type", "text/html"),
        ("connection", "close, X-Hop"),
        ("x-hop", "1"),
        ("strict-transport-security", "max-age=1"),
        ("clear-site-data", "\"*\""),
        ("service-worker-allowed", "/"),
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("cdn-cache-control", "public"),
        ("x-molt-owner", "x"),
        ("set-cookie", "a=b"),
        ("content-security-policy", "default-src 'self'"),
    ]);
    let expected = pairs(&[
        ("content-type", "text/html"),
        ("content-security-policy", "default-src 'self'"),
    ]);
    assert_eq!(response_headers(&agent), expected);
}

#[test]
fn c17_an_agents_page_may_only_ask_for_more_distance() {
    assert_eq!(opener_policy(Some("same-origin")), "same-origin");
    for other in [
        None,
        Some("unsafe-none"),
        Some(""),
        Some("same-origin, unsafe-none"),
    ] {
        assert_eq!(opener_policy(other), "same-origin-allow-popups");
    }
}

#[test]
fn c17_service_workers_are_known_by_either_sign() {
    for sign in [
        ("service-worker", "script"),
        ("sec-fetch-dest", "serviceworker"),
    ] {
        assert!(is_service_worker(&pairs(&[sign])));
    }
    assert!(!is_service_worker(&pairs(&[("sec-fetch-dest", "script")])));
}

#[test]
fn odd_statuses_do_not_pass() {
    for status in [0, 100, 101, 199, 600, 999, u16::MAX] {
        assert!(!status_passes(status, false), "{status}");
    }
    assert!(
        status_passes(200, false)
            && status_passes(599, false)
            && status_passes(101, true)
            && !status_passes(200, true)
    );
}
