//! One-time entry to an agent's origin: a random ticket that the browser carries there, kept only as its hash.

use sha2::{Digest as _, Sha256};

use crate::encoding::hex;
use crate::error::{Code, Problem};
use crate::time::Seconds;

/// How long a ticket may be redeemed.
pub const LIFETIME: Seconds = Seconds::new(30);
const LENGTH: usize = 64;

/// The answer to what is no ticket, or none any more.
#[must_use]
pub fn spent() -> Problem {
    Problem::new(
        Code::Unauthenticated,
        "This entry was used or is older than 30 s. Open the agent from the console again.",
    )
}

/// A fresh ticket from random bytes, as the browser gets it.
#[must_use]
pub fn text(random: [u8; 32]) -> String {
    hex(&random)
}

/// What is kept of a ticket; `None` for text that is no ticket.
///
/// A look-up by the hash tells by its time nothing of the ticket.
#[must_use]
pub fn hash(ticket: &str) -> Option<String> {
    let fits = ticket.len() == LENGTH
        && ticket
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    fits.then(|| hex(&Sha256::digest(ticket.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c17_a_ticket_is_kept_as_its_hash() {
        let ticket = text([0xab; 32]);
        let kept = hash(&ticket).unwrap();
        assert_ne!(kept, ticket);
        assert_ne!(hash(&text([8; 32])), Some(kept));
        for bad in ["", "abc", &ticket.to_uppercase(), &format!("{ticket}0")] {
            assert_eq!(hash(bad), None, "{bad}");
        }
    }
}
