//! Quarantine: jobs that are known to fail, left out until a date, each with a reason.
//!
//! ```toml
//! [[quarantine]]
//! job = "lxd:ubuntu-24.04-64:tests/main/flaky"   # a filter
//! reason = "races with snapd restart"
//! until = "2026-12-31"                           # the last day; without it, for ever
//! ```
//!
//! An entry whose day is over has no effect but a warning, so that nothing stays forgotten.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use runner_core::matrix::filter::{Filter, Filters};
use runner_core::matrix::{Job, Place, Problem, Problems, Project, Spot};
use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::options::TestOptions;

/// The entries in force.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    filters: Filters,
    reasons: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    quarantine: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    job: Spanned<String>,
    reason: Spanned<String>,
    until: Option<Spanned<Until>>,
}

/// A day as a text, or as TOML's own.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Until {
    Text(String),
    Date(Datetime),
}

impl Until {
    fn day(&self) -> Option<Date> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Date(date) => date.to_string().parse().ok(),
        }
    }
}

/// A list as it was read.
struct List<'a> {
    file: Arc<Path>,
    name: &'a Path,
    text: String,
}

impl List<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Place {
            file: Arc::clone(&self.file),
            spot: Spot {
                line: number(before.matches('\n').count()),
                column: number(line.chars().count()),
            },
        }
    }
}

/// Reads every list that the options name. What is worth a warning is told whether or not the lists can be used.
pub(super) fn read(
    options: &TestOptions,
    project: &Project,
    today: Date,
    warnings: &mut Vec<String>,
) -> Result<Quarantine, Problems> {
    let mut problems = Vec::new();
    let mut filters: Vec<Filter> = Vec::new();
    let mut reasons = Vec::new();
    for name in &options.quarantine {
        let Some((list, entries)) = entries(name, &mut problems) else {
            continue;
        };
        for entry in entries {
            let job = entry.job.get_ref();
            let shown = format!("{}: the entry for `{job}`", list.name.display());
            let reason = entry.reason.get_ref();
            if reason.trim().is_empty() {
                let place = list.place(entry.reason.span());
                problems.push(Problem::at(place, format!("{shown} has no reason")));
            }
            let filter = match Filter::parse(job) {
                Ok(filter) => filter,
                Err(error) => {
                    let place = list.place(entry.job.span());
                    let message = format!("{shown} cannot be used: {error}");
                    problems.push(Problem::at(place, message));
                    continue;
                }
            };
            let day = match &entry.until {
                None => None,
                Some(until) => match until.get_ref().day() {
                    Some(day) => Some(day),
                    None => {
                        let place = list.place(until.span());
                        let message = format!("{shown} has no date in `until`");
                        let problem = Problem::at(place, message);
                        problems.push(problem.hint("dates are written like 2026-12-31"));
                        continue;
                    }
                },
            };
            match day {
                Some(day) if day < today => {
                    warnings.push(format!("{shown} ended on {day}: {reason}"));
                }
                Some(day) => {
                    filters.push(filter);
                    reasons.push(format!("{reason} (until {day})"));
                }
                None => {
                    filters.push(filter);
                    reasons.push(reason.clone());
                }
            }
        }
    }
    Problems::unless_empty(problems)?;
    let filters = Filters::new(filters).map_err(|error| Problem::new(error.to_string()))?;
    tracing::debug!(
        project = project.name,
        entries = reasons.len(),
        "quarantine"
    );
    Ok(Quarantine { filters, reasons })
}

fn entries<'a>(name: &'a Path, problems: &mut Vec<Problem>) -> Option<(List<'a>, Vec<Entry>)> {
    let text = match std::fs::read_to_string(name) {
        Ok(text) => text,
        Err(error) => {
            let message = format!(
                "the quarantine list `{}` cannot be read: {error}",
                name.display()
            );
            problems.push(Problem::new(message));
            return None;
        }
    };
    let list = List {
        file: Arc::from(name),
        name,
        text,
    };
    match toml::from_str::<File>(&list.text) {
        Ok(file) => Some((list, file.quarantine)),
        Err(error) => {
            let place = list.place(error.span().unwrap_or_default());
            let message = format!("{}: {}", name.display(), error.message());
            let hint =
                "each entry is `[[quarantine]]` with `job`, `reason` and, as a rule, `until`";
            problems.push(Problem::at(place, message).hint(hint));
            None
        }
    }
}

impl Quarantine {
    /// Takes out what is in quarantine, with the reason of the first entry that means it.
    pub(super) fn take_from(&self, project: &Project, jobs: &mut Vec<Job>) -> Vec<(Job, String)> {
        let mut taken = Vec::new();
        if self.filters.is_empty() {
            return taken;
        }
        jobs.retain(|job| {
            let name = project.view(job).name().to_string();
            match self.filters.matching(&name, job.sample).next() {
                Some(at) => {
                    taken.push((job.clone(), self.reasons[at].clone()));
                    false
                }
                None => true,
            }
        });
        taken
    }
}
