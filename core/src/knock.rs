//! People at a channel that ends here whom nobody knows yet: each gets a code and waits for the owner's word, as at OpenClaw's
//! own channels. Few wait at once, so a crowd costs its owner nothing.

use crate::channel::PersonId;
use crate::edge::EdgeChannel;
use crate::pairing::PairingId;
use crate::time::Seconds;

/// As OpenClaw's own.
pub const MAX_WAITING: u32 = 3;
pub const WAITS_FOR: Seconds = Seconds::new(3600);
pub const CODE_BYTES: usize = 8;
/// What can't be taken for another when it is read aloud.
const LETTERS: [char; 32] = [
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J', 'K', 'L', 'M', 'N', 'P', 'Q', 'R', 'S', 'T', 'U',
    'V', 'W', 'X', 'Y', 'Z', '2', '3', '4', '5', '6', '7', '8', '9',
];

/// A code of random bytes.
#[must_use]
pub fn code(random: [u8; CODE_BYTES]) -> String {
    let letter = |byte: u8| LETTERS.get(usize::from(byte & 31)).copied();
    random.into_iter().filter_map(letter).collect()
}

/// What whoever waits is told.
#[must_use]
pub fn told(code: &str) -> String {
    format!(
        "This agent does not know you yet. Its owner can let you in: your code is {code}, for an hour. Then write again."
    )
}

/// By which an owner names one who waits: no gateway's own list may hold such an id.
#[must_use]
pub fn id(channel: EdgeChannel, person: &PersonId) -> Option<PairingId> {
    PairingId::parse(&format!("{}-{}", channel.as_str(), person.as_str()))
}

/// Who is named by an id; `None` for one of a gateway's.
#[must_use]
pub fn named(id: &PairingId) -> Option<(EdgeChannel, PersonId)> {
    let (channel, person) = id.as_str().split_once('-')?;
    let channel = EdgeChannel::parse(channel)?;
    Some((channel, channel.people().parse(person)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::People;

    #[test]
    fn a_code_has_eight_letters_that_are_read_in_one_way() {
        assert_eq!(code([0; 8]), "AAAAAAAA");
        assert_eq!(code([31, 63, 255, 8, 9, 24, 25, 32]), "999JK23A");
        let all: String = (0..32)
            .step_by(8)
            .map(|at| code(core::array::from_fn(|n| at + u8::try_from(n).unwrap())))
            .collect();
        assert_eq!(all.len(), 32);
        assert!(!all.contains(['0', 'O', '1', 'I']));
        let mut letters: Vec<char> = all.chars().collect();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), 32);
        assert!(told("ABCDEFGH").contains("ABCDEFGH"));
    }

    #[test]
    fn an_id_names_a_person_and_no_gateways_id_does() {
        let person = People::Slack.parse("U024BE7LH").unwrap();
        let id = id(EdgeChannel::Slack, &person).unwrap();
        assert_eq!(id.as_str(), "slack-U024BE7LH");
        assert_eq!(named(&id), Some((EdgeChannel::Slack, person)));
        for other in [
            "gy78iSSlz7xFxwBfWQxTGr5smoWWw8jU",
            "0b5a-1",
            "slack-",
            "slack-u1",
            "telegram-7",
            "Slack-U1",
        ] {
            assert_eq!(named(&PairingId::parse(other).unwrap()), None, "{other}");
        }
    }
}
