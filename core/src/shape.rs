//! What a value must look like before it is sealed: a key that can't be one is refused while its owner still looks at it,
//! not by a provider in the middle of the night. No refusal repeats anything of the value.

use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

/// Longer than any key there is; nothing beyond is looked at.
pub const MAX_BYTES: usize = 8 * 1024;

/// The form of a kind of secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A token as `Authorization: Bearer` carries it (RFC 6750), with the beginning that its vendor gives all of them.
    ApiKey { prefix: &'static str },
    /// What Telegram hands out for a bot: the bot's number, a colon, and the secret.
    BotToken,
    /// The private key of a wallet: EVM's in hexadecimal, or a Solana keypair in base58.
    WalletKey,
}

/// The rule that a value breaks; completes the sentence "`value` must ...".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("not be empty")]
    Empty,
    #[error("have at most 8192 bytes")]
    TooLong,
    #[error("be one line without control characters")]
    Control,
    #[error("be of printable ASCII characters without spaces")]
    NotGraphic,
    #[error("have the form of its kind")]
    Form,
}

const KEY_LENGTH: core::ops::RangeInclusive<usize> = 16..=512;
const BOT_LENGTH: core::ops::RangeInclusive<usize> = 6..=12;
const BOT_SECRET_LENGTH: core::ops::RangeInclusive<usize> = 30..=50;
/// The longest base58 of 64 bytes.
const BASE58_OF_64_MAX: usize = 88;

/// The order of secp256k1: private keys are the numbers from 1 up to it.
const SECP256K1_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
    0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

impl Shape {
    /// # Errors
    /// The first rule that the value breaks.
    pub fn check(self, value: &str) -> Result<(), Broken> {
        if value.is_empty() {
            return Err(Broken::Empty);
        }
        if value.len() > MAX_BYTES {
            return Err(Broken::TooLong);
        }
        if value.chars().any(is_control) {
            return Err(Broken::Control);
        }
        if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Broken::NotGraphic);
        }
        let fits = match self {
            Self::ApiKey { prefix } => is_api_key(value, prefix),
            Self::BotToken => is_bot_token(value),
            Self::WalletKey => is_evm_key(value) || is_solana_keypair(value),
        };
        fits.then_some(()).ok_or(Broken::Form)
    }

    /// The form in words, for whoever sent another.
    #[must_use]
    pub fn form(self) -> String {
        const TOKEN: &str = "16 to 512 letters, digits and `-._~+/=`";
        match self {
            Self::ApiKey { prefix: "" } => TOKEN.to_owned(),
            Self::ApiKey { prefix } => format!("{TOKEN}, beginning with `{prefix}`"),
            Self::BotToken => {
                "6 to 12 digits, a colon, and 30 to 50 letters, digits, `-` or `_`".to_owned()
            }
            Self::WalletKey => {
                "`0x` and 64 hexadecimal digits (EVM), or the base58 of a Solana keypair's 64 bytes"
                    .to_owned()
            }
        }
    }
}

/// Those of ASCII and of Latin-1, and Unicode's own line breaks.
fn is_control(char: char) -> bool {
    char.is_control() || matches!(char, '\u{2028}' | '\u{2029}')
}

fn is_api_key(value: &str, prefix: &str) -> bool {
    let token = value.trim_end_matches('=');
    KEY_LENGTH.contains(&value.len())
        && value.starts_with(prefix)
        && !token.is_empty()
        && token
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

fn is_bot_token(value: &str) -> bool {
    value.split_once(':').is_some_and(|(bot, secret)| {
        BOT_LENGTH.contains(&bot.len())
            && bot.bytes().all(|byte| byte.is_ascii_digit())
            && BOT_SECRET_LENGTH.contains(&secret.len())
            && secret
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    })
}

fn is_evm_key(value: &str) -> bool {
    let Some(digits) = value.strip_prefix("0x") else {
        return false;
    };
    let mut key = Zeroizing::new([0_u8; 32]);
    let length = base16ct::mixed::decode(digits, key.as_mut_slice()).map(<[u8]>::len);
    length == Ok(32) && *key != [0; 32] && *key < SECP256K1_ORDER
}

fn is_solana_keypair(value: &str) -> bool {
    if value.len() > BASE58_OF_64_MAX {
        return false;
    }
    let mut pair = Zeroizing::new([0_u8; 64]);
    let length = bs58::decode(value).onto(pair.as_mut_slice());
    // Its second half is the first one's public key. A signature is as long, and as easily copied by mistake.
    length == Ok(64) && SigningKey::from_keypair_bytes(&pair).is_ok()
}

#[cfg(test)]
mod tests;
