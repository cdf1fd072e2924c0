//! Which of the two tools a project was written for.

use std::fmt;
use std::str::FromStr;

/// The dialect of a project. They differ in what a lower level's `backends:` and `systems:` can bring back, in the
/// grammar of system names, in a few keys, and in `reroot`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `canonical/spread`.
    #[default]
    Spread,
    /// `canonical/spread-plus`: what snapd, the craft tools and others use.
    Plus,
}

/// A text that names no dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a dialect: `spread` or `plus`")]
pub struct UnknownDialect {
    given: String,
}

impl Dialect {
    /// Its word, as options and the variable take it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Spread => "spread",
            Self::Plus => "plus",
        }
    }
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        match text {
            "spread" => Ok(Self::Spread),
            "plus" | "spread-plus" => Ok(Self::Plus),
            _ => Err(UnknownDialect {
                given: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
