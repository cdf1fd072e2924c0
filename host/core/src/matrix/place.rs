//! Where something is written, and what is wrong with it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A line and a column, both from 1; 0 is "the file as a whole".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot {
    pub line: u32,
    pub column: u32,
}

/// A spot of a file. Files of one project share the path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: Arc<Path>,
    pub spot: Spot,
}

impl fmt::Display for Place {
    /// `FILE:LINE:COLUMN`, or `FILE`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.spot.line > 0 {
            write!(f, ":{}:{}", self.spot.line, self.spot.column)?;
        }
        Ok(())
    }
}

/// One thing that is wrong with a project. The message is the ancestor's, word for word, wherever scripts may look for
/// it; what we know beyond that stands in the other fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One line, or the ancestor's several.
    pub message: String,
    pub place: Option<Place>,
    pub hint: Option<String>,
}

impl Problem {
    /// Without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
            hint: None,
        }
    }

    /// At a place.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Self {
            place: Some(place),
            ..Self::new(message)
        }
    }

    /// Adds what the reader can do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl fmt::Display for Problem {
    /// The message, then a line with the place and one with the hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(place) = &self.place {
            write!(f, "\n  at {place}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong, at least one thing; the first is the one that the ancestor would have told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// `Ok` when there are none.
    pub fn unless_empty(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self(problems))
        }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}
