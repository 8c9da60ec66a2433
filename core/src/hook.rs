//! The door for a tenant's messages: a secret path and a secret header, made of the service's sealing key, the tenant and
//! the bot. The Worker tells a right one from a wrong one with nothing else, before any object is asked.

use core::fmt;

use sha2::{Digest as _, Sha256};

use crate::encoding::{base32, from_base32, hex};
use crate::ids::{Asset, Wallet};
use crate::sealing::{SealError, SealingKey, SealingKeys};
use crate::secret::Secret;
use crate::tenancy::Tenant;

/// The header in which Telegram sends the secret that a webhook was set with.
pub const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";
const LABEL: &str = "multiclaw hooks telegram";
const PROOF_LENGTH: usize = 32;
/// Owner, bot, proof.
const PATH_LENGTH: usize = 32 + 8 + PROOF_LENGTH;

/// The number that Telegram gives a bot: what stands before the colon of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BotId(u64);

impl BotId {
    /// Of a token that has the shape of one.
    #[must_use]
    pub fn of(token: &Secret) -> Option<Self> {
        let (number, _) = token.expose().split_once(':')?;
        number.parse().ok().map(Self)
    }

    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Whose messages come in, and by which bot: another bot of the same tenant has another door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Door {
    pub tenant: Tenant,
    pub bot: BotId,
}

/// The last part of a webhook's path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HookPath {
    owner: Wallet,
    bot: BotId,
    proof: [u8; PROOF_LENGTH],
}

impl HookPath {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; PATH_LENGTH] = from_base32(text)?;
        let (owner, rest) = bytes.split_first_chunk()?;
        let (bot, rest) = rest.split_first_chunk()?;
        Some(Self {
            owner: Wallet::from_bytes(*owner),
            bot: BotId(u64::from_be_bytes(*bot)),
            proof: *rest.first_chunk()?,
        })
    }

    /// What a door is asked for, by whoever knows the asset. Nothing of it is proved yet.
    #[must_use]
    pub const fn door(&self, asset: Asset) -> Door {
        Door {
            tenant: Tenant {
                asset,
                owner: self.owner,
            },
            bot: self.bot,
        }
    }

    #[must_use]
    pub fn text(&self) -> Secret {
        let bot = self.bot.0.to_be_bytes();
        let parts: [&[u8]; 3] = [self.owner.as_bytes(), &bot, &self.proof];
        Secret::new(base32(&parts.concat()))
    }
}

/// The proof is a secret.
impl fmt::Debug for HookPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HookPath(_)")
    }
}

/// What opens a door.
#[derive(Debug)]
pub struct Hook {
    pub path: HookPath,
    pub header: Secret,
}

impl Hook {
    /// Where Telegram is to send what people write.
    #[must_use]
    pub fn url(&self, app_origin: &str, asset: Asset) -> Secret {
        let path = self.path.text();
        Secret::new(format!(
            "{app_origin}/hooks/telegram/{asset}/{}",
            path.expose()
        ))
    }

    /// Tells one webhook from another, and nothing of what opens it.
    #[must_use]
    pub fn mark(&self, app_origin: &str, asset: Asset) -> String {
        let url = self.url(app_origin, asset);
        let mut hash = Sha256::new();
        for part in [url.expose(), " ", self.header.expose()] {
            hash.update(part);
        }
        hex(&hash.finalize())
    }
}

fn hook(key: &SealingKey, door: &Door) -> Result<Hook, SealError> {
    let Door { tenant, bot } = door;
    let info = format!("{LABEL} {} {}", tenant.prefix(), bot.0);
    let mut bytes = [0_u8; PROOF_LENGTH * 2];
    key.derive(&info, &mut bytes)?;
    let (proof, header) = bytes.split_at(PROOF_LENGTH);
    Ok(Hook {
        path: HookPath {
            owner: tenant.owner,
            bot: *bot,
            proof: proof.try_into().map_err(|_| SealError::Seal)?,
        },
        header: Secret::new(base32(header)),
    })
}

impl SealingKeys {
    /// What opens a door now and, while the key is replaced, what opened it before.
    ///
    /// # Errors
    /// [`SealError::Seal`], which does not happen for what is as short.
    pub fn hooks(&self, door: &Door) -> Result<(Hook, Option<Hook>), SealError> {
        let [current, previous] = self.both();
        let current = current.map(|key| hook(key, door)).transpose()?;
        Ok((
            current.ok_or(SealError::Seal)?,
            previous.map(|key| hook(key, door)).transpose()?,
        ))
    }

    /// Whether a request for an asset's door has both secrets, of the same key, in constant time.
    #[must_use]
    pub fn admits(&self, asset: Asset, path: &HookPath, header: String) -> bool {
        let (given, header) = (path.text(), Secret::new(header));
        let Ok((current, previous)) = self.hooks(&path.door(asset)) else {
            return false;
        };
        let opens = |hook: &Hook| {
            let path = hook.path.text().ct_eq(&given);
            path & hook.header.ct_eq(&header)
        };
        opens(&current) | previous.as_ref().is_some_and(opens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::base64;

    fn key(byte: u8) -> SealingKey {
        SealingKey::parse(&Secret::new(base64(&[byte; 32]))).unwrap()
    }

    fn asset(byte: u8) -> Asset {
        Asset::from_bytes([byte; 32])
    }

    fn door(owner: u8, bot: u64) -> Door {
        Door {
            tenant: Tenant {
                asset: asset(1),
                owner: Wallet::from_bytes([owner; 32]),
            },
            bot: BotId(bot),
        }
    }

    #[test]
    fn a_door_opens_for_its_own_path_and_header_and_no_other() {
        let keys = SealingKeys::new(key(1), None);
        let (right, none) = keys.hooks(&door(2, 7)).unwrap();
        assert!(none.is_none());
        let header = || right.header.expose().to_owned();
        assert!(keys.admits(asset(1), &right.path, header()));
        assert!(!keys.admits(asset(9), &right.path, header()));
        let cut = header().split_off(1);
        for wrong in ["", "x", &cut, &header().to_uppercase()] {
            assert!(
                !keys.admits(asset(1), &right.path, wrong.to_owned()),
                "{wrong}"
            );
        }
        for other in [door(3, 7), door(2, 8)] {
            let (other, _) = keys.hooks(&other).unwrap();
            assert!(!keys.admits(asset(1), &right.path, other.header.expose().to_owned()));
            assert!(!keys.admits(asset(1), &other.path, header()));
            let mixed = HookPath {
                proof: right.path.proof,
                ..other.path
            };
            assert!(!keys.admits(asset(1), &mixed, header()));
        }
        assert!(!SealingKeys::new(key(9), None).admits(asset(1), &right.path, header()));
    }

    #[test]
    fn while_the_key_is_replaced_both_open_and_never_half_of_each() {
        let (before, _) = SealingKeys::new(key(1), None).hooks(&door(2, 7)).unwrap();
        let during = SealingKeys::new(key(2), Some(key(1)));
        let (now, still) = during.hooks(&door(2, 7)).unwrap();
        assert!(still.is_some_and(|still| still.path == before.path));
        for hook in [&before, &now] {
            assert!(during.admits(asset(1), &hook.path, hook.header.expose().to_owned()));
        }
        assert!(!during.admits(asset(1), &before.path, now.header.expose().to_owned()));
        let after = SealingKeys::new(key(2), None);
        assert!(!after.admits(asset(1), &before.path, before.header.expose().to_owned()));
    }

    #[test]
    fn a_path_has_one_spelling_and_shows_nothing() {
        let (hook, _) = SealingKeys::new(key(1), None).hooks(&door(2, 7)).unwrap();
        let text = hook.path.text().expose().to_owned();
        assert_eq!(HookPath::parse(&text), Some(hook.path));
        assert_eq!(hook.path.door(asset(1)), door(2, 7));
        assert_eq!(
            format!("{hook:?}"),
            "Hook { path: HookPath(_), header: Secret(_) }"
        );
        for bad in [
            "",
            "x",
            &text.clone().split_off(1),
            &format!("{text}a"),
            &text.to_uppercase(),
        ] {
            assert_eq!(HookPath::parse(bad), None, "{bad}");
        }
        // Telegram takes these characters, and so many.
        let header = hook.header.expose();
        assert!(header.len() <= 256 && header.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }

    #[test]
    fn a_webhook_is_another_with_another_origin_or_key() {
        let hook_of = |byte| {
            SealingKeys::new(key(byte), None)
                .hooks(&door(2, 7))
                .unwrap()
                .0
        };
        let hook = hook_of(1);
        let url = hook.url("https://app.example", asset(1));
        let path = url
            .expose()
            .strip_prefix("https://app.example/hooks/telegram/")
            .unwrap();
        let (named, path) = path.split_once('/').unwrap();
        assert_eq!(Asset::parse(named), Ok(asset(1)));
        assert_eq!(HookPath::parse(path), Some(hook.path));
        let mark = hook.mark("https://app.example", asset(1));
        assert_eq!(mark, hook_of(1).mark("https://app.example", asset(1)));
        assert_ne!(mark, hook.mark("https://new.example", asset(1)));
        assert_ne!(mark, hook_of(2).mark("https://app.example", asset(1)));
    }

    #[test]
    fn a_bots_number_is_what_stands_before_the_colon() {
        let of = |text: &str| BotId::of(&Secret::new(text.to_owned())).map(BotId::get);
        assert_eq!(of("7000000000:AAF-x"), Some(7_000_000_000));
        for bad in ["", "x", ":x", "x:1", "-1:x"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
