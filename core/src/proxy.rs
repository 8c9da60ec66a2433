//! Which headers and statuses cross between a browser and an agent (C17, RFC 9110 section 7.6.1).
//!
//! The agent trusts the identity headers set here and no others, so every one that a client sends is dropped first.

use core::net::IpAddr;

use crate::ids::Wallet;
use crate::session::{Audience, without_our_cookies};

/// Header that names the owner to OpenClaw (its trusted-proxy mode).
pub const OWNER_HEADER: &str = "x-molt-owner";
/// Header whose presence says that the request came through the edge.
pub const EDGE_HEADER: &str = "x-molt-edge";
/// Stands in for a caller whose address is not known: OpenClaw refuses loopback (RFC 5737).
const UNKNOWN_CLIENT: &str = "192.0.2.1";

const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Identity, address and routing: ours to say. `authorization` too: the cookie is the only way in.
const REQUEST_DROPPED: [&str; 8] = [
    "authorization",
    "cdn-loop",
    "cookie",
    "forwarded",
    "host",
    "true-client-ip",
    "via",
    "x-real-ip",
];
const REQUEST_DROPPED_PREFIXES: [&str; 4] = ["cf-", "x-forwarded-", "x-molt-", "x-openclaw-scopes"];

/// What would reach beyond the agent's own pages.
const RESPONSE_DROPPED: [&str; 8] = [
    "alt-svc",
    "clear-site-data",
    "nel",
    "report-to",
    "reporting-endpoints",
    "service-worker-allowed",
    "strict-transport-security",
    "set-cookie",
];

/// Who asks, as the edge verified it.
#[derive(Debug, Clone, Copy)]
pub struct Visitor<'a> {
    pub owner: Wallet,
    /// Scheme of the agent's origin.
    pub scheme: &'a str,
    /// Host of the agent's origin.
    pub host: &'a str,
    /// Address of the client as the platform tells it.
    pub client_address: Option<&'a str>,
}

fn is_hop_by_hop(name: &str, connection: &str) -> bool {
    HOP_BY_HOP.contains(&name)
        || connection
            .split(',')
            .any(|listed| listed.trim().eq_ignore_ascii_case(name))
}

/// The headers that the agent gets, from those that the client sent (names in lower case).
#[must_use]
pub fn request_headers(
    client: &[(String, String)],
    visitor: &Visitor<'_>,
) -> Vec<(String, String)> {
    let connection = find(client, "connection").unwrap_or_default();
    let mut headers: Vec<(String, String)> = client
        .iter()
        .filter(|(name, _)| {
            let name = name.as_str();
            !is_hop_by_hop(name, connection)
                && !REQUEST_DROPPED.contains(&name)
                && !REQUEST_DROPPED_PREFIXES
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
        })
        .cloned()
        .collect();
    let mut set = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
    if let Some(cookies) = find(client, "cookie").and_then(without_our_cookies) {
        set("cookie", &cookies);
    }
    if is_websocket(client) {
        set("upgrade", "websocket");
    }
    set("x-forwarded-for", &client_address(visitor.client_address));
    set("x-forwarded-proto", visitor.scheme);
    set("x-forwarded-host", visitor.host);
    set(EDGE_HEADER, "1");
    set(OWNER_HEADER, &visitor.owner.to_string());
    headers
}

/// Headers for a question of our own to the agent (readiness).
#[must_use]
pub fn probe_headers(owner: Wallet) -> Vec<(String, String)> {
    request_headers(
        &[],
        &Visitor {
            owner,
            scheme: "https",
            host: "edge.invalid",
            client_address: None,
        },
    )
}

/// Whether the client asks for a WebSocket.
#[must_use]
pub fn is_websocket(client: &[(String, String)]) -> bool {
    find(client, "upgrade").is_some_and(|value| value.trim().eq_ignore_ascii_case("websocket"))
}

/// Whether a page of another origin asks, of which only a person's own navigation may come through: agents' hosts and the
/// console are one site to a browser, so its cookie rules let every agent's page send requests to every other (C17).
#[must_use]
pub fn is_foreign(method: &str, client: &[(String, String)], origin: &str) -> bool {
    let other_origin = find(client, "origin").is_some_and(|sent| sent != origin);
    let other_site = match find(client, "sec-fetch-site") {
        Some("same-origin") | None => false,
        // The address bar, or a bookmark.
        Some("none") => !is_navigation(method, client),
        Some(_) => {
            !is_navigation(method, client) || find(client, "sec-fetch-dest") != Some("document")
        }
    };
    other_origin || other_site
}

/// Whether a person asks to see the agent, as opposed to a page that reconnects by itself: only this wakes (C18).
#[must_use]
pub fn is_navigation(method: &str, client: &[(String, String)]) -> bool {
    let mode = find(client, "sec-fetch-mode");
    method == "GET" && !is_websocket(client) && mode == Some("navigate")
}

/// Whether an agent's header may reach the browser. `set-cookie` goes through [`set_cookie_passes`].
#[must_use]
pub fn response_header_passes(name: &str) -> bool {
    !HOP_BY_HOP.contains(&name) && !RESPONSE_DROPPED.contains(&name)
}

/// Whether an agent's cookie may be set: for its own host alone, and never in the place of ours.
#[must_use]
pub fn set_cookie_passes(value: &str) -> bool {
    let mut parts = value.split(';');
    let name = parts
        .next()
        .and_then(|pair| pair.split_once('='))
        .map_or("", |(name, _)| name.trim());
    let ours = Audience::ALL
        .iter()
        .any(|audience| audience.cookie_name().eq_ignore_ascii_case(name));
    let domain = parts.any(|part| {
        part.split_once('=')
            .map_or(part, |(key, _)| key)
            .trim()
            .eq_ignore_ascii_case("domain")
    });
    !name.is_empty() && !ours && !domain
}

/// Whether a response of this status can be passed on. The runtime refuses all others, by a panic.
#[must_use]
pub const fn status_passes(status: u16, has_websocket: bool) -> bool {
    (status == 101 && has_websocket) || (status >= 200 && status <= 599 && !has_websocket)
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

fn client_address(address: Option<&str>) -> String {
    let parsed: Option<IpAddr> = address.and_then(|text| text.trim().parse().ok());
    match parsed {
        Some(ip) if !ip.is_loopback() && !ip.is_unspecified() => ip.to_string(),
        _ => UNKNOWN_CLIENT.to_owned(),
    }
}

#[cfg(test)]
mod tests {
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
            "",
            "noequals",
        ] {
            assert!(!set_cookie_passes(bad), "{bad}");
        }
        for dropped in [
            "strict-transport-security",
            "clear-site-data",
            "set-cookie",
            "connection",
        ] {
            assert!(!response_header_passes(dropped));
        }
        assert!(response_header_passes("content-type"));
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
}
