//! The name of content: `sha256:` and 64 hexadecimal digits. No other algorithm is taken.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::error::{RegistryError, RegistryErrorKind, Result, short};

/// The SHA-256 of some content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// What `content` is called.
    pub fn of(content: &[u8]) -> Self {
        Self(hex(&sha2::Sha256::digest(content)))
    }

    /// Reads `sha256:…`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |message| RegistryError::new(RegistryErrorKind::Invalid, short(text), message);
        let hex = text.strip_prefix("sha256:").ok_or_else(|| {
            wrong("not a digest that is taken here: it must begin with `sha256:`")
        })?;
        let digits = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if hex.len() == 64 && hex.bytes().all(digits) {
            Ok(Self(hex.to_owned()))
        } else {
            Err(wrong(
                "not a digest: `sha256:` is followed by 64 lower-case hexadecimal digits",
            ))
        }
    }

    /// The digits alone, as components are named elsewhere in this program.
    pub fn hex(&self) -> &str {
        &self.0
    }

    /// Whether this is what `content` is called.
    pub fn is_of(&self, content: &[u8]) -> bool {
        *self == Self::of(content)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = RegistryError;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests() {
        let digest = Digest::of(b"");
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.to_string(), text);
        assert_eq!(Digest::parse(text).unwrap(), digest);
        assert!(digest.is_of(b"") && !digest.is_of(b"x"));
        for wrong in [
            "",
            "sha256:",
            "sha512:00",
            &text[7..],
            &text.to_uppercase(),
            &format!("{text}0"),
            "sha256:../../../../etc/passwd",
        ] {
            assert!(Digest::parse(wrong).is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<Digest>("\"sha256:0\"").is_err());
    }
}
