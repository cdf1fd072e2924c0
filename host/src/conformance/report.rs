//! What the suite answers: one finding per behaviour, and the level that they add up to.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How much is demanded; each level has the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It makes instances, runs commands faithfully and destroys what it made.
    Basic,
    /// The whole contract: repeated and parallel calls, lost answers, everything that it exports.
    Complete,
    /// The world fails at every import of `allocate` and `discard`, and nothing remains.
    Robust,
}

impl Level {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::Basic, Self::Complete, Self::Robust];

    /// The word for people and programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Complete => "complete",
            Self::Robust => "robust",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|level| level.word() == text);
        known.ok_or_else(|| format!("`{text}` is no level: it is `basic`, `complete` or `robust`"))
    }
}

/// How it came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    Failed,
    /// It could not be tried, or does not concern this plugin; `seen` says why.
    NotShown,
}

impl Verdict {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotShown => "not-shown",
        }
    }
}

/// One behaviour, tried.
#[derive(Clone, Debug)]
pub struct Finding {
    pub name: &'static str,
    pub level: Level,
    pub expected: &'static str,
    pub verdict: Verdict,
    /// What happened; of a failure, with everything that the author needs to find it.
    pub seen: String,
    pub took: Duration,
}

/// A whole run.
#[derive(Clone, Debug)]
pub struct Report {
    pub plugin: String,
    pub version: String,
    pub digest: String,
    pub source: String,
    /// `live`, or the cassette.
    pub against: String,
    /// What was asked for.
    pub level: Level,
    pub findings: Vec<Finding>,
    /// What could not be cleaned up, and where it is kept.
    pub left: Vec<String>,
}

impl Report {
    /// The highest level without a failure at or below it. One whose behaviours could not be tried at all is not reached.
    pub fn reached(&self) -> Option<Level> {
        let holds = |level: Level| {
            let of = |finding: &&Finding| finding.level == level;
            let mut tried = self.findings.iter().filter(of).peekable();
            tried.peek().is_some()
                && tried
                    .clone()
                    .all(|finding| finding.verdict != Verdict::Failed)
                && tried.any(|finding| finding.verdict == Verdict::Passed)
        };
        Level::ALL
            .into_iter()
            .take_while(|level| holds(*level))
            .last()
    }

    /// Those that came out so.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.verdict == verdict)
    }

    /// Everything that was asked for holds.
    pub fn passed(&self) -> bool {
        self.reached() == Some(self.level) && self.left.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(findings: &[(Level, Verdict)]) -> Report {
        let finding = |(level, verdict): &(Level, Verdict)| Finding {
            name: "x",
            level: *level,
            expected: "",
            verdict: *verdict,
            seen: String::new(),
            took: Duration::ZERO,
        };
        Report {
            plugin: String::new(),
            version: String::new(),
            digest: String::new(),
            source: String::new(),
            against: String::new(),
            level: Level::Robust,
            findings: findings.iter().map(finding).collect(),
            left: Vec::new(),
        }
    }

    #[test]
    fn a_level_is_reached_over_all_below_it() {
        use Level::{Basic, Complete, Robust};
        use Verdict::{Failed, NotShown, Passed};
        for (findings, reached) in [
            (&[][..], None),
            (&[(Basic, Passed)], Some(Basic)),
            (&[(Basic, NotShown)], None),
            (&[(Basic, Passed), (Complete, NotShown)], Some(Basic)),
            (
                &[(Basic, Passed), (Complete, Passed), (Complete, NotShown)],
                Some(Complete),
            ),
            (
                &[(Basic, Failed), (Complete, Passed), (Robust, Passed)],
                None,
            ),
            (
                &[(Basic, Passed), (Complete, Failed), (Robust, Passed)],
                Some(Basic),
            ),
            (
                &[(Basic, Passed), (Complete, Passed), (Robust, Passed)],
                Some(Robust),
            ),
        ] {
            assert_eq!(report(findings).reached(), reached, "{findings:?}");
        }
        assert_eq!("complete".parse(), Ok(Complete));
        assert!("best".parse::<Level>().is_err());
    }
}
