//! Names and numbers that cross room borders, each a type of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a source: 1 to 64 of `A-Z a-z 0-9 . _ -`, not starting with `.` or `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceName(String);

/// Why a text is not a source name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{given}` is not a source name: 1 to 64 of letters, digits, `.`, `_` and `-`, not starting with `.` or `-`"
)]
pub struct InvalidSourceName {
    given: String,
}

impl SourceName {
    /// Checks the grammar above.
    pub fn new(given: impl Into<String>) -> Result<Self, InvalidSourceName> {
        let given = given.into();
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let ok = (1..=64).contains(&given.len())
            && given.chars().all(legal)
            && !given.starts_with(['.', '-']);
        if ok {
            Ok(Self(given))
        } else {
            Err(InvalidSourceName { given })
        }
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SourceName {
    type Error = InvalidSourceName;
    fn try_from(given: String) -> Result<Self, Self::Error> {
        Self::new(given)
    }
}

impl From<SourceName> for String {
    fn from(name: SourceName) -> Self {
        name.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an instance as people see it, `SOURCE-N`. Stored whole and looked up whole: never taken apart at a dash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceName(String);

impl InstanceName {
    /// The display name of number `number` of the source or pool that it was asked of.
    pub fn numbered(asked: &SourceName, number: u64) -> Self {
        Self(format!("{asked}-{number}"))
    }

    /// A name that somebody typed; whether it exists is the store's to say.
    pub fn typed(given: impl Into<String>) -> Self {
        Self(given.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The allocation token: 128 random bits as 32 lower-case hexadecimal digits. What exists at a backend is
/// recognised by it, so it is never used twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// The token made of these random bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// A token read back from the store.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a ticket: smaller came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TicketId(pub i64);

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The store's key of a shelf; its name may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShelfId(pub i64);

/// The fencing number of a lease: grows with every lease of a store, so that whoever held an instance before can be told
/// from whoever holds it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub i64);

/// Counts the changes of an instance's row. An outcome is written only if the row still has the generation that the work was planned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_names() {
        for good in ["local", "web-1", "a", "A.b_c", &"x".repeat(64)] {
            assert!(SourceName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", ".x", "a b", "a/b", "ü", &"x".repeat(65), "a\n"] {
            assert!(SourceName::new(bad).is_err(), "{bad:?}");
        }
    }
}
