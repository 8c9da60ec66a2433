//! What each part of a sign-in text may consist of, in the character classes of RFC 3986.

fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~".contains(&b)
}

fn is_sub_delim(b: u8) -> bool {
    b"!$&'()*+,;=".contains(&b)
}

fn is_reserved(b: u8) -> bool {
    is_sub_delim(b) || b":/?#[]@".contains(&b)
}

/// Every character is allowed or part of a percent-encoded octet.
fn is_encoded(value: &str, allowed: impl Fn(u8) -> bool) -> bool {
    let mut bytes = value.bytes();
    while let Some(b) = bytes.next() {
        let valid = match b {
            b'%' => (0..2).all(|_| bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit())),
            _ => allowed(b),
        };
        if !valid {
            return false;
        }
    }
    true
}

pub(super) fn is_authority(value: &str) -> bool {
    !value.is_empty()
        && is_encoded(value, |b| {
            is_unreserved(b) || is_sub_delim(b) || b":@[]".contains(&b)
        })
}

pub(super) fn is_statement(value: &str) -> bool {
    !value.is_empty()
        && value
            .bytes()
            .all(|b| is_reserved(b) || is_unreserved(b) || b == b' ')
}

pub(super) fn is_uri(value: &str) -> bool {
    value.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            && is_encoded(rest, |b| is_reserved(b) || is_unreserved(b))
    })
}

pub(super) fn is_nonce(value: &str) -> bool {
    value.len() >= 8 && value.bytes().all(|b| b.is_ascii_alphanumeric())
}

pub(super) fn is_request_id(value: &str) -> bool {
    is_encoded(value, |b| {
        is_unreserved(b) || is_sub_delim(b) || b":@".contains(&b)
    })
}
