//! Which browser pages may call the API. Agents' hosts and the console are one site to a browser, so `SameSite` cookies
//! go along with whatever an agent's page sends here: what counts is the exact origin (C06).

use crate::config::WebOrigin;

/// What a request says of the page that sent it.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    pub method: &'a str,
    /// The host that is addressed, with its port.
    pub host: &'a str,
    /// Its `Origin`, if that is one of `APP_ORIGINS`; others are refused before.
    pub origin: Option<&'a WebOrigin>,
    /// `Sec-Fetch-Site`, which pages can't forge.
    pub site: Option<&'a str>,
}

impl Sender<'_> {
    /// Whether it may call the API: what changes something needs an allowed origin, and what only reads must not come
    /// from a page that hides its own.
    #[must_use]
    pub fn may_call(&self) -> bool {
        let reads = matches!(self.method, "GET" | "HEAD");
        match (self.origin, self.site) {
            (None, None | Some("same-origin" | "none")) => reads,
            (None, Some(_)) => false,
            (Some(origin), Some("same-origin")) => origin.host() == self.host,
            (Some(_), None | Some("same-site" | "cross-site")) => true,
            // `none` is a person's own navigation, which has no origin; anything else is no browser's.
            (Some(_), Some(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_call(method: &str, origin: Option<&str>, site: Option<&str>) -> bool {
        let origin = origin.map(|text| WebOrigin::parse(text).unwrap());
        let sender = Sender {
            method,
            host: "app.example",
            origin: origin.as_ref(),
            site,
        };
        sender.may_call()
    }

    #[test]
    fn c06_what_changes_something_needs_an_allowed_origin() {
        let (own, other) = (Some("https://app.example"), Some("https://web.example"));
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            assert!(may_call(method, own, None), "{method}");
            assert!(may_call(method, own, Some("same-origin")), "{method}");
            assert!(may_call(method, other, Some("same-site")), "{method}");
            assert!(may_call(method, other, Some("cross-site")), "{method}");
            assert!(!may_call(method, other, Some("same-origin")), "{method}");
            assert!(!may_call(method, own, Some("none")), "{method}");
            assert!(!may_call(method, own, Some("")), "{method}");
            for site in [None, Some("same-origin"), Some("none"), Some("cross-site")] {
                assert!(!may_call(method, None, site), "{method} {site:?}");
            }
        }
    }

    #[test]
    fn c06_what_reads_must_not_come_from_a_page_that_hides_its_origin() {
        for method in ["GET", "HEAD"] {
            for site in [None, Some("same-origin"), Some("none")] {
                assert!(may_call(method, None, site), "{method} {site:?}");
            }
            for site in ["same-site", "cross-site", "x"] {
                assert!(!may_call(method, None, Some(site)), "{method} {site}");
            }
        }
    }
}
