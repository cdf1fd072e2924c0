//! What the operator allows and wants of a source.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An upper bound. Configuration files write 0 for "no limit"; past the parser it is this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// No bound.
    Unlimited,
    /// At most this many; `At(0)` means none at all.
    At(u32),
}

impl Limit {
    /// How many more fit beside `live`.
    pub fn room(self, live: u32) -> u32 {
        match self {
            Self::Unlimited => u32::MAX,
            Self::At(bound) => bound.saturating_sub(live),
        }
    }

    /// The tighter of two bounds.
    pub fn tighter(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unlimited, bound) | (bound, Self::Unlimited) => bound,
            (Self::At(one), Self::At(two)) => Self::At(one.min(two)),
        }
    }

    /// The sum of two bounds: unlimited if either is.
    pub fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::At(one), Self::At(two)) => Self::At(one.saturating_add(two)),
            _ => Self::Unlimited,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::At(bound) => write!(f, "{bound}"),
        }
    }
}

/// The limits of one source or pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Everything that exists, whatever its state.
    pub maximum: Limit,
    /// Do not discard below this many that exist.
    pub reserve: u32,
    /// Commands that one instance takes at once; 0: as many as it has processors.
    pub concurrency: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            maximum: Limit::Unlimited,
            reserve: 0,
            concurrency: 0,
        }
    }
}
