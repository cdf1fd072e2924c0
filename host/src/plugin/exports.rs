//! Whether a component's imports and exports fit this host and its own manifest.

use std::collections::BTreeSet;

use super::error::{LoadError, LoadErrorKind};
use super::manifest::{Kind, Manifest};
use super::sections::Shape;
use super::text::printable;
use crate::provider::Optional;

/// The contract's package, and the version of it that this host speaks. Versions with the same first number that is
/// not 0 are compatible, in both directions.
const PACKAGE: &str = "runner:plugin/";
const OURS: Version = Version {
    major: 0,
    minor: 1,
    patch: 0,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    major: u64,
    minor: u64,
    patch: u64,
}

impl Version {
    /// `1.2.3`; pre-releases and builds are nobody's contract.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        });
        let version = Self {
            major: parts.next()??,
            minor: parts.next()??,
            patch: parts.next()??,
        };
        parts.next().is_none().then_some(version)
    }

    fn compatible(self, other: Self) -> bool {
        match (self.major, self.minor) {
            (0, 0) => self == other,
            (0, minor) => (other.major, other.minor) == (0, minor),
            (major, _) => other.major == major,
        }
    }
}

/// Checks that the component fits, and tells which optional interfaces it has.
pub(super) fn check(
    subject: &str,
    manifest: &Manifest,
    shape: &Shape,
) -> Result<Optional, LoadError> {
    let wrong = |message: String| LoadError::new(LoadErrorKind::Incompatible, subject, message);

    for name in shape.imports.iter().chain(&shape.exports) {
        let Some((_, version)) = ours(name) else {
            continue;
        };
        if !Version::parse(version).is_some_and(|theirs| OURS.compatible(theirs)) {
            return Err(wrong(format!(
                "the plugin is built for version {} of the plugin contract (`{}`), this `runner` speaks {}",
                printable(version),
                printable(name),
                OURS_TEXT
            ))
            .hint("build the plugin with the SDK of this version, or use a `runner` that fits it"));
        }
    }
    if shape.asynchronous || shape.imports.iter().any(|name| is_wasi_3(name)) {
        return Err(wrong(
            "the plugin needs asynchronous features of the component model, which plugins do not get"
                .to_owned(),
        )
        .hint("build it with `--sync` (componentize-qjs), or with plain functions for WASI 0.2"));
    }

    let has = |interface: &str| {
        shape
            .exports
            .iter()
            .any(|name| ours(name).is_some_and(|(found, _)| found == interface))
    };
    let (required, world) = match manifest.kind {
        Kind::Provider => ("provider", "provider-plugin"),
        Kind::Hook => ("hook", "hook-plugin"),
    };
    if !has(required) {
        return Err(wrong(format!(
            "its manifest says that it is a {required}, but it does not export `{PACKAGE}{required}@{OURS_TEXT}`{}",
            exported(&shape.exports)
        ))
        .hint(format!("build it for the world `{PACKAGE}{world}`")));
    }
    Ok(Optional {
        liveness: has("liveness"),
        inventory: has("inventory"),
        facts: has("facts"),
        power: has("power"),
        signals: has("signals"),
    })
}

/// As it stands in names of interfaces.
const OURS_TEXT: &str = "0.1.0";

/// Interface and version of a name of our package.
fn ours(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix(PACKAGE)?;
    // A name without a version is built against a working copy of the contract: no version fits.
    Some(rest.split_once('@').unwrap_or((rest, "(none)")))
}

fn is_wasi_3(name: &str) -> bool {
    name.strip_prefix("wasi:")
        .and_then(|rest| rest.split_once('@'))
        .is_some_and(|(_, version)| version.starts_with("0.3."))
}

/// What it exports instead, for the message.
fn exported(exports: &BTreeSet<String>) -> String {
    let names: Vec<_> = exports
        .iter()
        .take(5)
        .map(|name| format!("`{}`", printable(name)))
        .collect();
    if names.is_empty() {
        "; it exports nothing".to_owned()
    } else {
        format!("; it exports {}", names.join(", "))
    }
}
