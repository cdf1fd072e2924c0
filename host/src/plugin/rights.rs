//! A grant and whose it is: what each check looks at, and how a refusal is worded.

use super::Capabilities;
use super::bindings::types::{Error, Failure};

/// What a plugin may do for a source.
#[derive(Clone, Copy)]
pub(crate) struct Rights<'a> {
    pub(crate) grant: &'a Capabilities,
    pub(crate) source: &'a str,
}

impl Rights<'_> {
    /// A refusal; `key` is where the manifest's `requests` would have to name what is missing.
    pub(crate) fn denied(self, message: impl Into<String>, key: &str) -> Error {
        Error::Denied(Failure {
            message: message.into(),
            remedy: Some(self.remedy(key)),
        })
    }

    /// How a capability under this key is granted.
    pub(crate) fn remedy(self, key: &str) -> String {
        format!(
            "the plugin's manifest must request it (`{key}`), and then `runner plugin grant {}` grants it",
            self.source
        )
    }
}
