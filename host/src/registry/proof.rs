//! What a publisher says about the conformance suite: the bare word for a level, or the report of `runner plugin test --report`, which names
//! the component that was tried by its digest.
//!
//! It stays the publisher's word, under the publisher's signature: nobody here tries again what others tried. What a report adds is that
//! it is about exactly these bytes, and says by which version and against what they were tried.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::error::short;
use super::layout::Level;

/// The annotations beside the level.
const RUNNER: &str = "io.runner.plugin.conformance.runner";
const AGAINST: &str = "io.runner.plugin.conformance.against";
const REPORT: &str = "io.runner.plugin.conformance.report";

/// That it was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tested {
    /// The version of `runner` that tried it.
    pub runner: String,
    /// `live`, a cassette, or a simulator.
    pub against: String,
    /// The report, which its publisher may show to whoever asks.
    pub report: Digest,
}

/// What there is of the report that a level is shown by.
#[derive(Deserialize)]
struct Report {
    digest: String,
    runner: String,
    against: String,
    reached: Option<String>,
    left: Vec<String>,
}

impl Tested {
    /// Reads a report about the component with this digest; the error says what speaks against it.
    pub fn read(report: &[u8], component: &str) -> Result<(Level, Self), String> {
        let read: Report = serde_json::from_slice(report).map_err(|error| {
            format!("it is no report of `runner plugin test --report`: {error}")
        })?;
        if read.digest != component {
            return Err(format!(
                "it is about another component ({})",
                read.digest.get(..12).unwrap_or(&read.digest)
            ));
        }
        if !read.left.is_empty() {
            return Err("something was left behind when it was made".to_owned());
        }
        let level = read.reached.as_deref().and_then(Level::parse);
        let level = level.ok_or("it shows no level")?;
        let tested = Self {
            runner: read.runner,
            against: read.against,
            report: Digest::of(report),
        };
        Ok((level, tested))
    }

    /// Says so beside the level.
    pub(super) fn annotate(&self, annotations: &mut BTreeMap<String, String>) {
        annotations.insert(RUNNER.to_owned(), self.runner.clone());
        annotations.insert(AGAINST.to_owned(), self.against.clone());
        annotations.insert(REPORT.to_owned(), self.report.to_string());
    }

    /// As a manifest says it; none when it does not.
    pub(super) fn of(annotations: &BTreeMap<String, String>) -> Option<Self> {
        Some(Self {
            runner: short(annotations.get(RUNNER)?),
            against: short(annotations.get(AGAINST)?),
            report: Digest::parse(annotations.get(REPORT)?).ok()?,
        })
    }
}

impl fmt::Display for Tested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            runner, against, ..
        } = self;
        write!(f, "tested by its publisher with runner {runner}, {against}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_shows_a_level_of_one_component() {
        let report = |digest: &str, reached: &str, left: &str| {
            format!(
                r#"{{"digest":"{digest}","runner":"0.1.0","against":"live","reached":{reached},"left":[{left}],"findings":[]}}"#
            )
        };
        let read = |text: String| Tested::read(text.as_bytes(), "abc");
        let (level, tested) = read(report("abc", "\"complete\"", "")).unwrap();
        assert_eq!(level, Level::Complete);
        let mut annotations = BTreeMap::new();
        tested.annotate(&mut annotations);
        assert_eq!(Tested::of(&annotations), Some(tested.clone()));
        assert_eq!(
            tested.to_string(),
            "tested by its publisher with runner 0.1.0, live"
        );
        for (text, why) in [
            (report("abd", "\"robust\"", ""), "another component"),
            (report("abc", "null", ""), "no level"),
            (report("abc", "\"best\"", ""), "no level"),
            (report("abc", "\"robust\"", "\"a machine\""), "left behind"),
            ("{}".to_owned(), "no report"),
        ] {
            assert!(read(text).unwrap_err().contains(why), "{why}");
        }
        annotations.insert(REPORT.to_owned(), "x".to_owned());
        assert_eq!(Tested::of(&annotations), None);
    }
}
