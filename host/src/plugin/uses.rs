//! What plugins really used of what they were granted: counted in memory, by right, and written into the books with the outcome
//! of whatever is written next.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A kind of right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    Program,
    Http,
    Secret,
    Ssh,
}

impl Right {
    /// The word in the books and in reports; as in a manifest's `requests`, for one.
    pub fn word(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Http => "http",
            Self::Secret => "secret",
            Self::Ssh => "ssh",
        }
    }
}

/// A right of a component that was used for a source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    pub source: String,
    pub digest: String,
    pub plugin: String,
    pub version: String,
    pub right: Right,
    /// `METHOD host:port`, or the name that was granted.
    pub what: String,
}

/// Uses that are not in the books yet.
#[derive(Debug, Default)]
pub struct Uses(Mutex<BTreeMap<Use, u64>>);

impl Uses {
    /// Counts one.
    pub(crate) fn note(&self, used: Use) {
        *self.counts().entry(used).or_default() += 1;
    }

    /// Takes them out, with how often each was.
    pub fn take(&self) -> Vec<(Use, u64)> {
        std::mem::take(&mut *self.counts()).into_iter().collect()
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, BTreeMap<Use, u64>> {
        // Counting cannot leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
