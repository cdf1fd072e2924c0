//! What a ticket demands of the instance it is served with, and whether an instance meets it.
//!
//! The language is a list of comparisons that must all hold: `cpus >= 4, gpu in tags`. Reading it is `read.rs`, what
//! "equal" and "smaller" mean is `compare.rs`, what an instance shows is `attributes.rs`.

mod attributes;
mod compare;
mod read;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use attributes::{Attributes, TAGS, Value};
pub use read::InvalidRequires;

/// How a requirement compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `KEY is VALUE`.
    Is,
    /// `KEY not VALUE`.
    Not,
    /// `X in KEY`.
    In,
    /// `X not_in KEY`.
    NotIn,
    /// `KEY = VALUE`.
    Equal,
    /// `KEY != VALUE`.
    NotEqual,
    /// `KEY < VALUE`.
    Less,
    /// `KEY <= VALUE`.
    AtMost,
    /// `KEY > VALUE`.
    Greater,
    /// `KEY >= VALUE`.
    AtLeast,
}

impl Op {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Is => "is",
            Self::Not => "not",
            Self::In => "in",
            Self::NotIn => "not_in",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }

    /// The value stands before the word and the key behind it.
    fn is_membership(self) -> bool {
        matches!(self, Self::In | Self::NotIn)
    }
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// The name of what is looked at: a fact, an attribute, or `tags`. Never empty.
    pub subject: String,
    pub op: Op,
    pub value: String,
}

/// Comparisons that must all hold; none: anything will do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Requires(pub Vec<Requirement>);

/// A requirement that is not met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Unmet {
    pub requirement: Requirement,
    /// What was found instead; none: nothing of that name is known.
    pub found: Option<Value>,
}

impl Requires {
    /// Reads requirements that are joined by commas or `and`. Nothing but blanks is no requirement.
    pub fn parse(text: &str) -> Result<Self, InvalidRequires> {
        read::requires(text).map(Self)
    }

    /// Reads a list of such texts.
    pub fn parse_all<'t>(
        texts: impl IntoIterator<Item = &'t str>,
    ) -> Result<Self, InvalidRequires> {
        let mut all = Vec::new();
        for text in texts {
            all.extend(read::requires(text)?);
        }
        Ok(Self(all))
    }

    /// Nothing is required.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first requirement that is not met, if any.
    pub fn check(&self, attributes: &Attributes) -> Result<(), Unmet> {
        self.0.iter().try_for_each(|one| one.check(attributes))
    }
}

impl Requirement {
    /// Whether it is met. What is not known meets nothing, not even a `not`.
    pub fn check(&self, attributes: &Attributes) -> Result<(), Unmet> {
        let found = attributes.get(&self.subject);
        if found.is_some_and(|found| self.holds(found)) {
            return Ok(());
        }
        Err(Unmet {
            requirement: self.clone(),
            found: found.cloned(),
        })
    }

    /// Of several values one is enough to be `is`, `in` or a comparison; `not`, `!=` and `not_in` mean none of them.
    fn holds(&self, found: &Value) -> bool {
        let wanted = self.value.as_str();
        let any = |test: &dyn Fn(&str) -> bool| found.texts().iter().any(|text| test(text));
        let equal = || any(&|text| compare::equal(text, wanted));
        let order = |fits: fn(Ordering) -> bool| {
            any(&|text| compare::order(text, wanted).is_some_and(fits))
        };
        let contains = || match found {
            Value::One(text) => text.contains(wanted) || equal(),
            Value::Many(_) => equal(),
        };
        match self.op {
            Op::Is | Op::Equal => equal(),
            Op::Not | Op::NotEqual => !equal(),
            Op::In => contains(),
            Op::NotIn => !contains(),
            Op::Less => order(Ordering::is_lt),
            Op::AtMost => order(Ordering::is_le),
            Op::Greater => order(Ordering::is_gt),
            Op::AtLeast => order(Ordering::is_ge),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subject, value) = (read::quoted(&self.subject), read::quoted(&self.value));
        let (left, right) = match self.op.is_membership() {
            true => (value, subject),
            false => (subject, value),
        };
        write!(f, "{left} {} {right}", self.op.word())
    }
}

impl fmt::Display for Requires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, one) in self.0.iter().enumerate() {
            let before = if number == 0 { "" } else { ", " };
            write!(f, "{before}{one}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Requirement { subject, .. } = &self.requirement;
        match &self.found {
            None => write!(f, "{}: there is no `{subject}`", self.requirement),
            Some(found) => write!(f, "{}: it is {found}", self.requirement),
        }
    }
}

impl FromStr for Requires {
    type Err = InvalidRequires;
    fn from_str(text: &str) -> Result<Self, InvalidRequires> {
        Self::parse(text)
    }
}

impl Serialize for Requires {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Requires {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            List(Vec<String>),
        }
        let read = match Written::deserialize(from)? {
            Written::Text(text) => Self::parse(&text),
            Written::List(texts) => Self::parse_all(texts.iter().map(String::as_str)),
        };
        read.map_err(serde::de::Error::custom)
    }
}
