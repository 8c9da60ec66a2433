//! Text forms of bytes: hexadecimal, base64 and base32, in constant time and each with one spelling per value.

use base16ct::lower;
use base32ct::{Base32Unpadded, Encoding as _};
use base64ct::{Base64, Encoding as _};

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    lower::encode_string(bytes)
}

/// Reads exactly `N` bytes of lower-case hexadecimal.
#[must_use]
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let written = lower::decode(text, &mut bytes).ok()?.len();
    (written == N).then_some(bytes)
}

/// Standard base64 with padding (RFC 4648 section 4).
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Reads standard base64 with padding.
#[must_use]
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    Base64::decode_vec(text).ok()
}

/// Lower-case base32 without padding (RFC 4648 section 6).
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    Base32Unpadded::encode_string(bytes)
}

/// Reads exactly `N` bytes of lower-case base32 without padding; spellings that differ in unused bits are refused.
#[must_use]
pub fn from_base32<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes: [u8; N] = Base32Unpadded::decode_vec(text).ok()?.try_into().ok()?;
    (base32(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_one_spelling() {
        assert_eq!(hex(&[0, 0xab]), "00ab");
        assert_eq!(from_hex::<2>("00ab"), Some([0, 0xab]));
        for bad in ["00AB", "00a", "00abc", "00ab00", "", "zz00", "é0a"] {
            assert_eq!(from_hex::<2>(bad), None, "{bad}");
        }
        assert_eq!(base64(b"a?>"), "YT8+");
        assert_eq!(from_base64("YQ=="), Some(b"a".to_vec()));
        for bad in ["YQ", "YQ=", "YR==", "YQ==\n", "Y Q=", "_-__"] {
            assert_eq!(from_base64(bad), None, "{bad}");
        }
        assert_eq!(base32(&[0xff; 2]), "777q");
        assert_eq!(from_base32::<2>("777q"), Some([0xff; 2]));
        for bad in ["777Q", "777r", "777", "777qa", "77-q", ""] {
            assert_eq!(from_base32::<2>(bad), None, "{bad}");
        }
    }
}
