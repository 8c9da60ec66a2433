//! The door for what a channel that ends here sends: a secret path, made of the service's sealing key, the tenant and the
//! channel. It keeps strangers from the objects; that it was the channel itself which sent, its signature proves there.

use core::fmt;

use sha2::{Digest as _, Sha256};

use crate::edge::EdgeChannel;
use crate::encoding::{base32, from_base32, hex};
use crate::ids::{Asset, Wallet};
use crate::sealing::{SealError, SealingKey, SealingKeys};
use crate::secret::Secret;
use crate::tenancy::Tenant;

const LABEL: &str = "multiclaw hooks";
const PROOF_LENGTH: usize = 32;
/// Owner, proof.
const PATH_LENGTH: usize = 32 + PROOF_LENGTH;

/// The last part of an address. It does not name the bot: its owner gives it to the company before they have one here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DoorPath {
    owner: Wallet,
    proof: [u8; PROOF_LENGTH],
}

/// Whether an address is a door of an asset's, whichever key it was made with, and whosever it is or was.
#[must_use]
pub fn leads_to(address: &str, channel: &str, asset: Asset) -> bool {
    let place = address
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'));
    let doors = format!("hooks/{channel}/{asset}/");
    place.is_some_and(|(_, path)| path.starts_with(&doors))
}

/// Which key a door was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MadeWith {
    Current,
    /// It closes with the end of the replacement.
    Previous,
}

impl DoorPath {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; PATH_LENGTH] = from_base32(text)?;
        let (owner, proof) = bytes.split_first_chunk()?;
        Some(Self {
            owner: Wallet::from_bytes(*owner),
            proof: *proof.first_chunk()?,
        })
    }

    /// Whose door it is said to be.
    #[must_use]
    pub const fn tenant(&self, asset: Asset) -> Tenant {
        Tenant {
            asset,
            owner: self.owner,
        }
    }

    #[must_use]
    pub fn text(&self) -> Secret {
        let parts: [&[u8]; 2] = [self.owner.as_bytes(), &self.proof];
        Secret::new(base32(&parts.concat()))
    }

    /// Where the company is to send what people write.
    #[must_use]
    pub fn url(&self, channel: EdgeChannel, app_origin: &str, asset: Asset) -> Secret {
        let path = self.text();
        let channel = channel.as_str();
        Secret::new(format!(
            "{app_origin}/hooks/{channel}/{asset}/{}",
            path.expose()
        ))
    }
}

/// Tells one address from another, and nothing of it.
#[must_use]
pub fn mark(url: &Secret) -> String {
    hex(&Sha256::digest(url.expose()))
}

/// The proof is a secret.
impl fmt::Debug for DoorPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DoorPath(_)")
    }
}

fn door(key: &SealingKey, channel: EdgeChannel, tenant: &Tenant) -> Result<DoorPath, SealError> {
    let info = format!("{LABEL} {} {}", channel.as_str(), tenant.prefix());
    let mut proof = [0_u8; PROOF_LENGTH];
    key.derive(&info, &mut proof)?;
    Ok(DoorPath {
        owner: tenant.owner,
        proof,
    })
}

impl SealingKeys {
    /// The door of a tenant's channel.
    ///
    /// # Errors
    /// [`SealError::Seal`], which does not happen for what is as short.
    pub fn edge_door(&self, channel: EdgeChannel, tenant: &Tenant) -> Result<DoorPath, SealError> {
        let [current, _] = self.both();
        door(current.ok_or(SealError::Seal)?, channel, tenant)
    }

    /// Whether a path opens an asset's door, in constant time, and which key it was made with.
    #[must_use]
    pub fn admits_at(
        &self,
        channel: EdgeChannel,
        asset: Asset,
        path: &DoorPath,
    ) -> Option<MadeWith> {
        let (given, tenant) = (path.text(), path.tenant(asset));
        let opens = |key: Option<&SealingKey>| {
            let right = key.and_then(|key| door(key, channel, &tenant).ok());
            right.is_some_and(|right| right.text().ct_eq(&given))
        };
        let [current, previous] = self.both().map(opens);
        match (current, previous) {
            (true, _) => Some(MadeWith::Current),
            (false, true) => Some(MadeWith::Previous),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::base64;

    const SLACK: EdgeChannel = EdgeChannel::Slack;

    fn key(byte: u8) -> SealingKey {
        SealingKey::parse(&Secret::new(base64(&[byte; 32]))).unwrap()
    }

    fn asset(byte: u8) -> Asset {
        Asset::from_bytes([byte; 32])
    }

    fn tenant(owner: u8) -> Tenant {
        Tenant {
            asset: asset(1),
            owner: Wallet::from_bytes([owner; 32]),
        }
    }

    #[test]
    fn a_door_opens_for_its_own_path_and_no_other() {
        let keys = SealingKeys::new(key(1), None);
        let right = keys.edge_door(SLACK, &tenant(2)).unwrap();
        assert_eq!(
            keys.admits_at(SLACK, asset(1), &right),
            Some(MadeWith::Current)
        );
        assert_eq!(keys.admits_at(SLACK, asset(9), &right), None);
        let other = keys.edge_door(SLACK, &tenant(3)).unwrap();
        for wrong in [
            DoorPath {
                proof: right.proof,
                ..other
            },
            DoorPath {
                proof: [0; 32],
                ..right
            },
        ] {
            assert_eq!(keys.admits_at(SLACK, asset(1), &wrong), None);
        }
        let others = SealingKeys::new(key(9), None);
        assert_eq!(others.admits_at(SLACK, asset(1), &right), None);
        assert_eq!(keys.admits_at(EdgeChannel::Discord, asset(1), &right), None);
    }

    #[test]
    fn while_the_key_is_replaced_both_open_and_are_told_apart() {
        let before = SealingKeys::new(key(1), None)
            .edge_door(SLACK, &tenant(2))
            .unwrap();
        let during = SealingKeys::new(key(2), Some(key(1)));
        let now = during.edge_door(SLACK, &tenant(2)).unwrap();
        assert_ne!(now, before);
        for (path, by) in [(now, MadeWith::Current), (before, MadeWith::Previous)] {
            assert_eq!(during.admits_at(SLACK, asset(1), &path), Some(by));
        }
        let after = SealingKeys::new(key(2), None);
        assert_eq!(after.admits_at(SLACK, asset(1), &before), None);
    }

    #[test]
    fn an_address_tells_whose_door_it_is() {
        let url = |number| {
            let path = SealingKeys::new(key(number), None)
                .edge_door(SLACK, &tenant(number))
                .unwrap();
            path.url(SLACK, "https://app.example", asset(1))
        };
        for by in [1, 2] {
            assert!(leads_to(url(by).expose(), SLACK.as_str(), asset(1)), "{by}");
        }
        let ours = url(1).expose().to_owned();
        assert!(!leads_to(&ours, SLACK.as_str(), asset(2)));
        assert!(!leads_to(&ours, EdgeChannel::Discord.as_str(), asset(1)));
        for other in [
            "",
            "https://app.example",
            "https://bot.example/interactions",
            ours.trim_start_matches("https://"),
            &ours.replace("/hooks/", "/x/hooks/"),
        ] {
            assert!(!leads_to(other, SLACK.as_str(), asset(1)), "{other}");
        }
    }

    #[test]
    fn a_path_has_one_spelling_and_shows_nothing() {
        let keys = SealingKeys::new(key(1), None);
        let path = keys.edge_door(SLACK, &tenant(2)).unwrap();
        let text = path.text().expose().to_owned();
        assert_eq!(DoorPath::parse(&text), Some(path));
        assert_eq!(path.tenant(asset(1)), tenant(2));
        assert_eq!(format!("{path:?}"), "DoorPath(_)");
        for bad in [
            "",
            "x",
            &text.clone().split_off(1),
            &format!("{text}a"),
            &text.to_uppercase(),
        ] {
            assert_eq!(DoorPath::parse(bad), None, "{bad}");
        }
        let url = path.url(SLACK, "https://app.example", asset(1));
        let ending = url
            .expose()
            .strip_prefix("https://app.example/hooks/slack/");
        assert_eq!(ending, Some(format!("{}/{text}", asset(1)).as_str()));
    }
}
