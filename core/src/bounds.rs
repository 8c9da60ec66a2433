//! How much of a head passes between a browser and an agent, each way (C17). Beyond it the answer is ours and says why. Bodies
//! pass as streams of which we hold nothing; `limits` bounds what is sent, and the container's disk what is kept.

use crate::error::{Code, Problem};

/// Of a URL, in bytes.
const MAX_URL: usize = 8 * 1024;
/// Of a request's headers, names and values together: what servers, OpenClaw's own among them, take at most.
const MAX_REQUEST_HEADERS: usize = 16 * 1024;
/// A response has policies of its own to say, which are long.
const MAX_RESPONSE_HEADERS: usize = 64 * 1024;
/// Of either, how many.
const MAX_COUNT: usize = 128;

/// # Errors
/// The [`Problem`] with what is too long.
pub fn check_request(url: &str, headers: &[(String, String)]) -> Result<(), Problem> {
    if url.len() > MAX_URL {
        let detail = format!("The URL may have at most {MAX_URL} bytes.");
        return Err(Problem::new(Code::UriTooLong, detail));
    }
    if fits(headers, MAX_REQUEST_HEADERS) {
        Ok(())
    } else {
        let detail = format!(
            "There may be at most {MAX_COUNT} headers, of {MAX_REQUEST_HEADERS} bytes together. Cookies of this host may be too many: clear them."
        );
        Err(Problem::new(Code::HeadersTooLarge, detail))
    }
}

/// Whether an agent's headers can be passed on.
#[must_use]
pub fn response_fits(headers: &[(String, String)]) -> bool {
    fits(headers, MAX_RESPONSE_HEADERS)
}

fn fits(headers: &[(String, String)], max_bytes: usize) -> bool {
    let bytes = headers.iter().fold(0_usize, |sum, (name, value)| {
        sum.saturating_add(name.len()).saturating_add(value.len())
    });
    headers.len() <= MAX_COUNT && bytes <= max_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each with a name of one byte.
    fn headers(count: usize, value: usize) -> Vec<(String, String)> {
        (0..count)
            .map(|_| ("x".to_owned(), "v".repeat(value)))
            .collect()
    }

    #[test]
    fn c17_a_head_is_bounded() {
        let code = |url: usize, count, value| {
            check_request(&"u".repeat(url), &headers(count, value)).map_err(|problem| problem.code)
        };
        assert_eq!(code(8192, 128, 127), Ok(()));
        assert_eq!(code(8193, 0, 0), Err(Code::UriTooLong));
        assert_eq!(code(1, 129, 0), Err(Code::HeadersTooLarge));
        assert_eq!(code(1, 1, 16 * 1024), Err(Code::HeadersTooLarge));
        assert!(response_fits(&headers(2, 32 * 1024 - 1)));
        assert!(!response_fits(&headers(2, 32 * 1024)));
        assert!(!response_fits(&headers(129, 0)));
    }
}
