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

use std::path::Path;

use jiff::civil::Date;
use runner_core::matrix::filter::{Filter, Filters};
use runner_core::matrix::{Job, Problem, Problems, Project};
use serde::Deserialize;

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
    job: String,
    reason: String,
    until: Option<String>,
}

/// Reads every list that the options name.
pub(super) fn read(
    options: &TestOptions,
    project: &Project,
    today: Date,
    warnings: &mut Vec<String>,
) -> Result<Quarantine, Problems> {
    let mut problems = Vec::new();
    let mut filters: Vec<Filter> = Vec::new();
    let mut reasons = Vec::new();
    for file in &options.quarantine {
        for entry in entries(file, &mut problems) {
            let shown = format!("{}: the entry for `{}`", file.display(), entry.job);
            let filter = match Filter::parse(&entry.job) {
                Ok(filter) => filter,
                Err(error) => {
                    problems.push(Problem::new(format!("{shown} cannot be used: {error}")));
                    continue;
                }
            };
            if entry.reason.trim().is_empty() {
                problems.push(Problem::new(format!("{shown} has no reason")));
            }
            let until = entry.until.as_deref().map(str::parse::<Date>).transpose();
            match until {
                Ok(Some(until)) if until < today => {
                    warnings.push(format!("{shown} ended on {until}: {}", entry.reason));
                }
                Ok(until) => {
                    let reason = match until {
                        Some(until) => format!("{} (until {until})", entry.reason),
                        None => entry.reason,
                    };
                    filters.push(filter);
                    reasons.push(reason);
                }
                Err(_) => {
                    let problem = Problem::new(format!("{shown} has no date in `until`"));
                    problems.push(problem.hint("dates are written like 2026-12-31"));
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

fn entries(file: &Path, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            let message = format!(
                "the quarantine list `{}` cannot be read: {error}",
                file.display()
            );
            problems.push(Problem::new(message));
            return Vec::new();
        }
    };
    match toml::from_str::<File>(&text) {
        Ok(file) => file.quarantine,
        Err(error) => {
            let place = error.span().map_or_else(String::new, |span| {
                let before = &text[..span.start.min(text.len())];
                format!(":{}", before.matches('\n').count() + 1)
            });
            let message = format!("{}{place}: {}", file.display(), error.message());
            let hint =
                "each entry is `[[quarantine]]` with `job`, `reason` and, as a rule, `until`";
            problems.push(Problem::new(message).hint(hint));
            Vec::new()
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
