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

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHANUMERIC: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const UNRESERVED: &str = "-._~";
    const SUB_DELIMS: &str = "!$&'()*+,;=";

    /// Every character that can be typed, in a value that is good without it.
    fn assert_takes(is_valid: fn(&str) -> bool, value: &str, classes: &[&str]) {
        for c in ' '..='~' {
            let text = value.replacen('x', &c.to_string(), 1);
            let expected = classes.iter().any(|class| class.contains(c));
            assert_eq!(is_valid(&text), expected, "{text:?}");
        }
    }

    #[test]
    fn c03_each_part_takes_the_characters_of_its_grammar_and_no_other() {
        let common = [ALPHANUMERIC, UNRESERVED, SUB_DELIMS];
        let with = |more| [common.as_slice(), &[more]].concat();
        for value in ["x", "axb"] {
            assert_takes(is_authority, value, &with(":@[]"));
            assert_takes(is_statement, value, &with(":/?#[]@ "));
            assert_takes(is_request_id, value, &with(":@"));
        }
        assert_takes(is_uri, "a:x", &with(":/?#[]@"));
        assert_takes(is_uri, "ax:", &[ALPHANUMERIC, "+-.", ":"]);
        assert_takes(
            is_uri,
            "x:",
            &["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"],
        );
        assert_takes(is_nonce, "x2345678", &[ALPHANUMERIC]);
    }

    #[test]
    fn c03_a_percent_sign_begins_an_octet() {
        for is_valid in [is_authority, is_request_id] {
            for (value, expected) in [
                ("%4a", true),
                ("a%4A%00", true),
                ("%", false),
                ("%4", false),
                ("%4g", false),
                ("%g4", false),
                ("%%41", false),
            ] {
                assert_eq!(is_valid(value), expected, "{value}");
            }
        }
        assert!(is_uri("a:%2F") && !is_uri("a:%2"));
        assert!(!is_statement("%41") && !is_uri("%61:"));
    }

    #[test]
    fn c03_what_must_be_there_is() {
        assert!(!is_authority("") && !is_statement("") && !is_uri("") && !is_uri(":"));
        assert!(is_request_id("") && is_uri("a:"));
        assert!(is_nonce("12345678") && !is_nonce("1234567"));
    }
}
