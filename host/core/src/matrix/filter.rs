//! Filters: which jobs an argument means.
//!
//! An argument is matched against the name of a job, `BACKEND:SYSTEM:SUITE/TASK[:VARIANT][#SAMPLE]`, from the beginning of one
//! component to the end of one:
//!
//! ```text
//! name      a component, or several with `:` between them, which may skip components
//! ...       any letters within a component; a single `.` is itself
//! :x  x:    something before, something after
//! /x  x/    the same within the component: a task's name, a suite
//! x#2 x#2..5  samples
//! ```
//!
//! Everything else is a regular expression: `(a|b)`, `[12]`, `+`, `*`, `?`.

use regex::bytes::{Regex, RegexSet, RegexSetBuilder};

/// One argument, understood.
#[derive(Clone, Debug)]
pub struct Filter {
    text: String,
    expression: String,
    samples: Option<(u32, u32)>,
}

/// Why an argument is no filter, in the ancestor's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    #[error("invalid filter string: {0:?}")]
    Form(String),
    #[error("invalid sample range in filter string: {0:?}")]
    Samples(String),
}

impl InvalidFilter {
    /// What is wrong with it, where that is not plain: filters are regular expressions, which not everybody expects.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Form(text) => text,
            Self::Samples(_) => {
                return Some("samples are counted from 1: `task#2` or `task#2..5`".to_owned());
            }
        };
        let fault = regex_syntax_fault(text);
        let help = "`...` stands for any letters, `(a|b)` for either; `\\` takes the meaning from `{`, `[` and `(`";
        Some(match fault {
            Some(fault) => format!("{fault}: a filter is a regular expression; {help}"),
            None => help.to_owned(),
        })
    }
}

/// What a regular expression lacks, in a few words.
fn regex_syntax_fault(text: &str) -> Option<&'static str> {
    let mut open = Vec::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, open.last()) {
            ('\\', _) => drop(letters.next()),
            (']', Some('[')) | ('}', Some('{')) | (')', Some('(')) => drop(open.pop()),
            (_, Some('[')) => {}
            ('[' | '{' | '(', _) => open.push(letter),
            (')', _) => return Some("a `)` has no `(`"),
            _ => {}
        }
    }
    match open.last()? {
        '{' => Some("the `{` is not closed"),
        '[' => Some("the `[` is not closed"),
        _ => Some("the `(` is not closed"),
    }
}

/// Matches nothing.
const NEVER: &str = "[a&&b]";

impl Filter {
    /// Reads an argument.
    pub fn parse(text: &str) -> Result<Self, InvalidFilter> {
        let refused = || InvalidFilter::Form(text.to_owned());
        let (body, samples) = match text.split_once('#') {
            None => (text, None),
            Some((body, range)) => {
                let range = samples(range).ok_or_else(refused)?;
                let (from, to) = range.ok_or_else(|| InvalidFilter::Samples(text.to_owned()))?;
                (body, Some((from, to)))
            }
        };
        let expression = if body.is_empty() {
            NEVER.to_owned()
        } else {
            expression(body).ok_or_else(refused)?
        };
        let filter = Self {
            text: text.to_owned(),
            expression,
            samples,
        };
        Regex::new(&filter.expression).map_err(|_| refused())?;
        Ok(filter)
    }

    /// As it was given.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// `3` or `3..5`; none if it is neither, none inside if it is no range.
fn samples(text: &str) -> Option<Option<(u32, u32)>> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u32::MAX))
    };
    let (from, to) = match text.split_once("..") {
        Some((from, to)) => (number(from)?, number(to)?),
        None => (number(text)?, number(text)?),
    };
    Some((1 <= from && from <= to).then_some((from, to)))
}

/// The regular expression for what stands before the samples.
fn expression(body: &str) -> Option<String> {
    if body.contains("::") {
        return None;
    }
    let (start, inner) = if let Some(rest) = body.strip_prefix(':') {
        (":", rest)
    } else if let Some(rest) = body.strip_prefix('/') {
        ("(?:^|:)(?-u:[^:])+/", rest)
    } else {
        ("(?:^|:)", body)
    };
    let (inner, end) = if let Some(rest) = inner.strip_suffix(':') {
        (rest, ":")
    } else if let Some(rest) = inner.strip_suffix('/') {
        (rest, "/(?-u:[^:])+(?:$|[:#])")
    } else {
        (inner, "(?:$|[:#])")
    };
    let mut out = String::with_capacity(body.len() * 2);
    let mut rest = inner;
    while let Some(letter) = rest.chars().next() {
        let mut taken = letter.len_utf8();
        match letter {
            '.' => {
                taken = rest.len() - rest.trim_start_matches('.').len();
                match taken {
                    1 => out.push_str("\\."),
                    3 => out.push_str("(?-u:[^:])*"),
                    _ => return None,
                }
            }
            ':' => out.push_str(":(?:(?-u:[^:])+:)*"),
            '\\' => {
                taken += rest[1..].chars().next().map_or(0, char::len_utf8);
                out.push_str(&rest[..taken]);
            }
            _ => out.push(letter),
        }
        rest = &rest[taken..];
    }
    // Parentheses must be the argument's own: `a)(b` would otherwise be made whole by ours.
    if out.contains(')') && Regex::new(&out).is_err() {
        return None;
    }
    Some(format!("{start}(?:{out}){end}"))
}

/// Several filters, of which a job needs to match one.
#[derive(Clone, Debug)]
pub struct Filters {
    all: Vec<Filter>,
    /// One automaton for all: reruns in CI name hundreds of jobs.
    set: RegexSet,
}

impl Default for Filters {
    /// None.
    fn default() -> Self {
        Self {
            all: Vec::new(),
            set: RegexSet::empty(),
        }
    }
}

impl Filters {
    /// Puts filters together.
    pub fn new(all: Vec<Filter>) -> Result<Self, InvalidFilter> {
        let set = RegexSetBuilder::new(all.iter().map(|filter| &filter.expression))
            .size_limit(256 << 20)
            .build()
            // Each of them was compiled: together they can only be too many.
            .map_err(|_| {
                InvalidFilter::Form(format!("{} filters, which are too many", all.len()))
            })?;
        Ok(Self { all, set })
    }

    /// Reads arguments.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, InvalidFilter> {
        let all = texts.iter().map(|text| Filter::parse(text.as_ref()));
        Self::new(all.collect::<Result<_, _>>()?)
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Some filter means this job: its name, and its sample.
    pub fn matches(&self, name: &str, sample: u32) -> bool {
        if self.all.iter().all(|filter| filter.samples.is_none()) {
            return self.set.is_match(name.as_bytes());
        }
        self.matching(name, sample).next().is_some()
    }

    /// The numbers of the filters that mean this job, in their order.
    pub fn matching(&self, name: &str, sample: u32) -> impl Iterator<Item = usize> {
        let matches = self.set.matches(name.as_bytes());
        let ranges = self.all.iter().map(|filter| filter.samples);
        let inside = move |range: Option<(u32, u32)>| {
            range.is_none_or(|(from, to)| from <= sample && sample <= to)
        };
        ranges
            .enumerate()
            .filter(move |(at, range)| matches.matched(*at) && inside(*range))
            .map(|(at, _)| at)
    }
}
