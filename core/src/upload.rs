//! A snapshot that its owner sends: what the request must say of it before a byte of it is taken.

use serde::{Deserialize, Serialize};

use crate::error::{Code, Problem};
use crate::messages::Caller;
use crate::snapshot::{ArchiveHash, MAX_SIZE};

/// JSON of [`Upload`] on a request whose body is an archive.
pub const UPLOAD_HEADER: &str = "x-molt-upload";
/// The media type of an archive (RFC 8878).
pub const MEDIA_TYPE: &str = "application/zstd";

/// An archive that comes as the request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    pub caller: Caller,
    pub size: u64,
    pub sha256: ArchiveHash,
}

impl Upload {
    /// Reads `Content-Length` and `Repr-Digest` (RFC 9530).
    ///
    /// # Errors
    /// A [`Problem`] that names the header and what was expected.
    pub fn parse(
        caller: Caller,
        length: Option<&str>,
        digest: Option<&str>,
    ) -> Result<Self, Problem> {
        let size = length
            .and_then(|text| text.parse::<u64>().ok())
            .filter(|size| *size > 0)
            .ok_or_else(|| Problem::field("content-length", "the archive's size in bytes"))?;
        if size > MAX_SIZE {
            return Err(Problem::new(
                Code::BodyTooLarge,
                format!("A snapshot may have at most {MAX_SIZE} bytes."),
            ));
        }
        let sha256 = digest
            .and_then(sha256_of)
            .ok_or_else(|| Problem::field("repr-digest", "`sha-256=:` base64 of the hash `:`"))?;
        Ok(Self {
            caller,
            size,
            sha256,
        })
    }
}

/// The hash as `Repr-Digest` tells it; also for an answer.
#[must_use]
pub fn repr_digest(hash: ArchiveHash) -> String {
    format!("sha-256=:{}:", crate::encoding::base64(hash.as_bytes()))
}

fn sha256_of(header: &str) -> Option<ArchiveHash> {
    // Several may be given; the others are none that is known here.
    let members = header.split(',').map(str::trim);
    let mut hashes =
        members.filter_map(|member| member.strip_prefix("sha-256=:")?.strip_suffix(':'));
    let bytes = crate::encoding::from_base64(hashes.next()?)?;
    Some(ArchiveHash::from_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Asset, SessionId, Wallet};

    const DIGEST: &str = "sha-256=:q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=:";

    fn parse(length: Option<&str>, digest: Option<&str>) -> Result<Upload, Problem> {
        let caller = Caller {
            asset: Asset::from_bytes([1; 32]),
            session: SessionId::from_random([2; 16]),
            wallet: Wallet::from_bytes([3; 32]),
            epoch: None,
        };
        Upload::parse(caller, length, digest)
    }

    #[test]
    fn an_upload_says_its_size_and_hash() {
        let upload = parse(Some("12"), Some(&format!("sha-512=:AA==:, {DIGEST}"))).unwrap();
        assert_eq!(upload.size, 12);
        assert_eq!(String::from(upload.sha256), "ab".repeat(32));
        assert_eq!(repr_digest(upload.sha256), DIGEST);
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        for length in [
            None,
            Some(""),
            Some("0"),
            Some("-1"),
            Some("1e3"),
            Some("1.5"),
        ] {
            let problem = parse(length, Some(DIGEST)).unwrap_err();
            assert_eq!(
                problem.field.as_deref(),
                Some("content-length"),
                "{length:?}"
            );
        }
        for digest in [
            None,
            Some(""),
            Some("sha-256=:AAAA:"),
            Some("sha-256=q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s="),
            Some("sha-512=:q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=:"),
        ] {
            let problem = parse(Some("12"), digest).unwrap_err();
            assert_eq!(problem.field.as_deref(), Some("repr-digest"), "{digest:?}");
        }
        let large = parse(Some(&(MAX_SIZE + 1).to_string()), Some(DIGEST)).unwrap_err();
        assert_eq!(large.code, Code::BodyTooLarge);
        assert!(parse(Some(&MAX_SIZE.to_string()), Some(DIGEST)).is_ok());
    }
}
