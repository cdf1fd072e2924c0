//! What can be wrong with settings, each with its place, so that all problems of a file are shown at once.
//!
//! Texts from files are escaped here: a project's file is somebody else's text and must not steer a terminal.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// A place in a file; lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// The file or folder.
    pub file: PathBuf,
    /// 0: the file or folder as a whole.
    pub line: u32,
    /// 0: the line, file or folder as a whole.
    pub column: u32,
}

impl Position {
    /// The file or folder as a whole.
    pub fn whole(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown_path(&self.file))?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where; none for a text that came from the command line.
    pub position: Option<Position>,
    /// What is wrong, naming the offending text.
    pub message: String,
    /// What the reader can do.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at a place of a file, or of a file as a whole.
    pub fn at(position: Position, message: impl AsRef<str>) -> Self {
        Self {
            position: Some(position),
            message: shown(message.as_ref()),
            hint: None,
        }
    }

    /// A problem of a text that is in no file.
    pub fn nowhere(message: impl AsRef<str>) -> Self {
        Self {
            position: None,
            message: shown(message.as_ref()),
            hint: None,
        }
    }

    /// Adds what the reader can do.
    #[must_use]
    pub fn hint(mut self, hint: impl AsRef<str>) -> Self {
        self.hint = Some(shown(hint.as_ref()));
        self
    }

    /// Adds `did you mean …`, if one of the known words is close to the given one.
    #[must_use]
    pub fn suggest<'a>(self, given: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match closest(given, known) {
            Some(word) => self.hint(format!("did you mean `{word}`?")),
            None => self,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = &self.position {
            write!(f, "{position}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// Settings that cannot be used: every problem that was found, in the order of the file. Prints one line per
/// problem (and one per hint), as `path/source.toml:3:1: …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// `Ok` when there are no problems; otherwise all of them, in the order of the file.
    pub fn unless_empty(mut problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort_by_key(|problem| problem.position.as_ref().map(|at| (at.line, at.column)));
        Err(Self { problems })
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nobody reads more; `problems` has them all.
        const MOST: usize = 30;
        for (index, problem) in self.problems.iter().take(MOST).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        match self.problems.len().saturating_sub(MOST) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

/// The known word nearest to a mistyped one, if it is near enough to be what was meant.
pub fn closest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = given.to_lowercase();
    // A third of the letters may be wrong: `max` is not taken for `type`, `resrve` is taken for `reserve`.
    let allowed = (folded.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|word| {
            let distance = strsim::damerau_levenshtein(&folded, &word.to_lowercase());
            (distance, word)
        })
        .filter(|(distance, word)| {
            *distance <= allowed || (folded.len() >= 3 && word.starts_with(&folded))
        })
        .min()
        .map(|(_, word)| word)
}

/// Text from a file with control characters, bidirectional overrides among them, as visible escapes; cut where
/// nobody reads on.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 400;
    let mut out = String::with_capacity(text.len().min(LONGEST));
    for (count, letter) in text.chars().enumerate() {
        if count == LONGEST {
            out.push('…');
            break;
        }
        let hostile = letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if hostile {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

/// A path for people: odd bytes and control characters made visible.
pub(super) fn shown_path(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .flat_map(|letter| {
            let visible = shown(letter.encode_utf8(&mut [0; 4]));
            visible.chars().collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_place_message_and_hint() {
        let at = Position {
            file: "a/source.toml".into(),
            line: 3,
            column: 1,
        };
        let error = ConfigError {
            problems: vec![
                Problem::at(at, "unknown key `reserv`").suggest("reserv", ["reserve", "type"]),
                Problem::at(Position::whole("a/b"), "no source file"),
            ],
        };
        assert_eq!(
            error.to_string(),
            "a/source.toml:3:1: unknown key `reserv`\n  hint: did you mean `reserve`?\na/b: no source file"
        );
    }

    #[test]
    fn terminal_escapes_are_shown_and_not_obeyed() {
        let problem = Problem::nowhere("`\u{1b}[2J\u{202e}\u{7}`");
        assert_eq!(problem.message, "`\\u{1b}[2J\\u{202e}\\u{7}`");
        assert_eq!(shown_path(Path::new("a\nb")), "a\\nb");
        assert_eq!(shown(&"x".repeat(5000)).chars().count(), 401);
    }

    #[test]
    fn suggestions_are_near_or_none() {
        let known = ["type", "reserve", "maximum", "concurrency", "sources"];
        let table = [
            ("reserv", Some("reserve")),
            ("Maximum", Some("maximum")),
            ("maximun", Some("maximum")),
            ("max", Some("maximum")),
            ("tpye", Some("type")),
            ("source", Some("sources")),
            ("banana", None),
            ("x", None),
        ];
        for (given, wanted) in table {
            assert_eq!(closest(given, known), wanted, "{given}");
        }
    }
}
