//! Versions as tags: which of a repository's tags is the newest in a range, and which were withdrawn.
//!
//! A tag is a version when it is a semantic one, with `_` in place of the `+` that tags cannot have. The tag `yanked-VERSION`
//! withdraws a version: it stays where it is, for those who pinned it, and nobody is given it who did not ask for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use super::error::{RegistryError, RegistryErrorKind, Result, short};

/// What a withdrawn version's second tag begins with.
const YANKED: &str = "yanked-";

/// Versions that will do. As Cargo writes ranges, but a full version means just that one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Range {
    wanted: VersionReq,
    text: String,
}

impl Range {
    /// Every version that is no pre-release.
    pub fn any() -> Self {
        Self {
            wanted: VersionReq::STAR,
            text: "*".to_owned(),
        }
    }

    /// Just this version.
    pub fn exactly(version: &Version) -> Self {
        Self {
            wanted: VersionReq {
                comparators: vec![semver::Comparator {
                    op: semver::Op::Exact,
                    major: version.major,
                    minor: Some(version.minor),
                    patch: Some(version.patch),
                    pre: version.pre.clone(),
                }],
            },
            text: version.to_string(),
        }
    }

    /// Reads `^1.2`, `>=1, <3`, `1.2` (the same as `^1.2`) or `1.2.3` (just that).
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if let Ok(version) = Version::parse(text) {
            return Ok(Self::exactly(&version));
        }
        let wanted = VersionReq::parse(text).map_err(|error| {
            RegistryError::new(
                RegistryErrorKind::Invalid,
                short(text),
                format!("this is no range of versions: {error}"),
            )
            .hint("such as `1.2.3`, `^1.2`, `~1.2.3` or `>=1, <3`")
        })?;
        Ok(Self {
            wanted,
            text: text.to_owned(),
        })
    }

    /// Whether any version will do.
    pub fn is_any(&self) -> bool {
        self.wanted == VersionReq::STAR
    }

    /// Whether a version will do.
    pub fn takes(&self, version: &Version) -> bool {
        self.wanted.matches(version)
    }

    /// The one version that is meant, if the range is one.
    pub fn only(&self) -> Option<Version> {
        Version::parse(&self.text).ok()
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Range {
    type Error = RegistryError;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<Range> for String {
    fn from(range: Range) -> Self {
        range.text
    }
}

/// The versions among a repository's tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    all: BTreeMap<Version, String>,
    yanked: BTreeSet<Version>,
}

impl Versions {
    /// Sorts tags out; those that are no versions are somebody else's.
    pub fn among(tags: impl IntoIterator<Item = String>) -> Self {
        let mut versions = Self::default();
        for tag in tags {
            match tag.strip_prefix(YANKED) {
                Some(withdrawn) => versions.yanked.extend(version_of(withdrawn)),
                None => {
                    if let Some(version) = version_of(&tag) {
                        versions.all.insert(version, tag);
                    }
                }
            }
        }
        versions
    }

    /// The newest in a range, with its tag; withdrawn ones only if asked for.
    pub fn newest(&self, range: &Range, yanked: bool) -> Option<(&Version, &str)> {
        let mut newest_first = self.all.iter().rev();
        newest_first
            .find(|(version, _)| range.takes(version) && (yanked || !self.is_yanked(version)))
            .map(|(version, tag)| (version, tag.as_str()))
    }

    /// Whether it was withdrawn.
    pub fn is_yanked(&self, version: &Version) -> bool {
        self.yanked.contains(version)
    }

    /// From the oldest to the newest.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Version> {
        self.all.keys()
    }

    /// Why nothing was found.
    pub fn none_in(&self, subject: impl fmt::Display, range: &Range) -> RegistryError {
        if let Some((version, _)) = self.newest(range, true) {
            return RegistryError::new(
                RegistryErrorKind::Version,
                subject,
                format!("version {version} was withdrawn by its publisher, and there is no other in `{range}`"),
            )
            .hint("`--yanked` takes it all the same");
        }
        let error = |message| RegistryError::new(RegistryErrorKind::NotFound, subject, message);
        let mut known: Vec<String> = self
            .all
            .keys()
            .rev()
            .take(8)
            .map(Version::to_string)
            .collect();
        if known.is_empty() {
            return error("there are no versions there (no tag is a semantic version)".to_owned());
        }
        if self.all.len() > known.len() {
            known.push("…".to_owned());
        }
        let hint = match self.all.keys().any(|version| version.pre.is_empty()) {
            true => "`runner plugin search` shows what there is",
            false => "there are only pre-releases: name the one you want in full",
        };
        error(format!(
            "no version is in `{range}`; there are {}",
            known.join(", ")
        ))
        .hint(hint)
    }
}

/// The version that a tag stands for.
pub(super) fn version_of(tag: &str) -> Option<Version> {
    Version::parse(&tag.replacen('_', "+", 1)).ok()
}

/// The tag that stands for a version.
pub fn tag_of(version: &Version) -> String {
    version.to_string().replacen('+', "_", 1)
}

/// The tag that withdraws a version.
pub fn yanked_tag_of(version: &Version) -> String {
    format!("{YANKED}{}", tag_of(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(tags: &[&str]) -> Versions {
        Versions::among(tags.iter().map(|tag| (*tag).to_owned()))
    }

    fn newest(versions: &Versions, range: &str) -> Option<String> {
        versions
            .newest(&Range::parse(range).unwrap(), false)
            .map(|(version, _)| version.to_string())
    }

    #[test]
    fn the_newest_in_a_range() {
        let tags = [
            "1.0.0",
            "1.9.0",
            "1.10.0",
            "2.0.0",
            "3.0.0-rc.1",
            "latest",
            "v9.0.0",
            "sha256-ab.sig",
        ];
        let known = versions(&tags);
        for (range, wanted) in [
            ("*", "2.0.0"),
            ("1", "1.10.0"),
            ("^1.2", "1.10.0"),
            ("~1.9", "1.9.0"),
            (">=1, <3", "2.0.0"),
            ("1.9.0", "1.9.0"),
            ("3.0.0-rc.1", "3.0.0-rc.1"),
            (">=3.0.0-rc.1", "3.0.0-rc.1"),
        ] {
            assert_eq!(newest(&known, range).as_deref(), Some(wanted), "{range}");
        }
        for range in ["1.0.1", "^4", "3"] {
            assert_eq!(newest(&known, range), None, "{range}");
        }
        for wrong in ["", "newest", "1.2.3.4", "latest", "^", &"1".repeat(100)] {
            assert!(Range::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn withdrawn_versions_are_passed_over() {
        let known = versions(&["1.0.0", "1.1.0", "yanked-1.1.0", "yanked-", "yanked-x"]);
        assert_eq!(newest(&known, "^1").as_deref(), Some("1.0.0"));
        assert_eq!(newest(&known, "1.1.0"), None);
        let range = Range::parse("1.1.0").unwrap();
        assert_eq!(known.newest(&range, true).unwrap().1, "1.1.0");
        let error = known.none_in("r", &range);
        assert_eq!(error.kind, RegistryErrorKind::Version);
        assert!(error.hint.unwrap().contains("--yanked"));
        let error = known.none_in("r", &Range::parse("^2").unwrap());
        assert!(
            error.to_string().contains("there are 1.1.0, 1.0.0"),
            "{error}"
        );
    }

    #[test]
    fn build_metadata_has_a_tag() {
        let version = Version::parse("1.0.0+build.7").unwrap();
        assert_eq!(tag_of(&version), "1.0.0_build.7");
        assert_eq!(version_of("1.0.0_build.7"), Some(version.clone()));
        assert_eq!(yanked_tag_of(&version), "yanked-1.0.0_build.7");
        assert!(Range::exactly(&version).takes(&version));
    }

    #[test]
    fn a_range_is_kept_as_it_was_written() {
        for text in ["^1.2", ">=1, <3", "1.2.3", "*"] {
            let range = Range::parse(text).unwrap();
            let written = serde_json::to_string(&range).unwrap();
            assert_eq!(serde_json::from_str::<Range>(&written).unwrap(), range);
            assert_eq!(range.to_string(), text);
        }
        assert!(Range::any().is_any());
        assert_eq!(
            Range::parse("1.2.3").unwrap().only(),
            Version::parse("1.2.3").ok()
        );
        assert_eq!(Range::parse("^1").unwrap().only(), None);
    }
}
