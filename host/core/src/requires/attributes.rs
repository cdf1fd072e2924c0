//! What an instance shows to requirements: names with a value, or with several.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The name under which an instance's tags are asked for.
pub const TAGS: &str = "tags";

/// What stands behind a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// One text; `in` looks for a part of it.
    One(String),
    /// Any number of texts, none among them; `in` looks for one of them.
    Many(Vec<String>),
}

impl Value {
    /// The text, or the texts.
    pub fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(text) if text.is_empty() => f.write_str("empty"),
            Self::One(text) => f.write_str(text),
            Self::Many(texts) if texts.is_empty() => f.write_str("empty"),
            Self::Many(texts) => f.write_str(&texts.join(", ")),
        }
    }
}

/// Names and values of one instance. There are always `tags`, be it none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<String, Value>);

impl Default for Attributes {
    fn default() -> Self {
        Self(BTreeMap::from([(TAGS.into(), Value::Many(Vec::new()))]))
    }
}

impl Attributes {
    /// With these tags and nothing else.
    pub fn tagged(tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let tags = tags.into_iter().map(Into::into).collect();
        Self(BTreeMap::from([(TAGS.into(), Value::Many(tags))]))
    }

    /// Says that `name` is `value`; the last word counts. `tags` stay what they are: nothing an instance says of itself
    /// gives it another.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let name = name.into();
        if name != TAGS {
            self.0.insert(name, Value::One(value.into()));
        }
    }

    /// The value behind a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The names that are known.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
