//! From options to the jobs that are run: load, expand, select, leave out, take a share.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use runner_core::matrix::filter::{Filters, InvalidFilter};
use runner_core::matrix::select::{self, Choice};
use runner_core::matrix::{Job, Problem, Problems, Project, expand};

use super::load::{self, HostCommands, Kinds};
use super::options::{Style, TestOptions};
use super::{changed, quarantine, shard};

/// What a run works on.
#[derive(Clone, Debug)]
pub struct Plan {
    pub project: Arc<Project>,
    /// In the order in which they are listed, or in that of the filters with `order`.
    pub jobs: Vec<Job>,
    /// The host commands of these jobs were run and kept: nothing fails later that could have failed here.
    pub host: Arc<HostCommands>,
    /// Jobs that would have been run but for a quarantine, and why.
    pub quarantined: Vec<(Job, String)>,
}

/// What the plan depends on besides the options.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// Where we were called.
    pub directory: &'a Path,
    pub kinds: Kinds<'a>,
    pub today: Date,
    /// The names of the jobs of a project that failed or were aborted last time, if only those are wanted.
    pub failed: Option<Recall<'a, HashSet<String>>>,
    /// The milliseconds that the jobs of a project took, by name, if parts are balanced by the history.
    pub durations: Option<Recall<'a, HashMap<String, u64>>>,
}

/// Something that the history knows of a project.
pub struct Recall<'a, T>(pub &'a dyn Fn(&Project) -> Result<T, Problem>);

impl<T> std::fmt::Debug for Recall<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recall")
    }
}

/// Makes the plan, or tells everything that is in its way. What the user should know and need not act on at once goes to
/// `warnings`, whatever comes of the plan.
pub fn plan(
    options: &TestOptions,
    surroundings: &Surroundings<'_>,
    warnings: &mut Vec<String>,
) -> Result<Plan, Problems> {
    let host = HostCommands::new(surroundings.directory);
    let kinds = &surroundings.kinds;
    let loaded = load::load(surroundings.directory, options.dialect, kinds, &host)?;
    let project = loaded.project;
    let all = expand(&project)?;
    let choice = choice(options, surroundings, &project)?;
    if options.all_host_commands {
        Problems::unless_empty(host.check_all(&project, &all))?;
    }
    let mut jobs = select::select(&project, &all, &choice)
        .map_err(|nothing| Problem::new(nothing.to_string()))?;
    drop(all);
    let quarantine = quarantine::read(options, &project, surroundings.today, warnings)?;
    let mut quarantined = quarantine.take_from(&project, &mut jobs);
    if let Some(shard) = options.shard {
        let durations = match &surroundings.durations {
            Some(recall) => recall.0(&project)?,
            None => shard::durations(options)?,
        };
        jobs = shard::part(&project, jobs, shard, &durations);
        // What is left out is told by one part each.
        let mut number = 0;
        quarantined.retain(|_| {
            number += 1;
            (number - 1) % shard.of == shard.number - 1
        });
    }
    if !options.all_host_commands {
        Problems::unless_empty(host.check(&project, &jobs))?;
    }
    Ok(Plan {
        project: Arc::new(project),
        jobs,
        host: Arc::new(host),
        quarantined,
    })
}

fn choice(
    options: &TestOptions,
    surroundings: &Surroundings<'_>,
    project: &Project,
) -> Result<Choice, Problem> {
    let refused = |error: InvalidFilter| {
        let hint = match options.style {
            Style::Native => error.hint(),
            // The ancestor says no more.
            Style::Spread => None,
        };
        Problem {
            hint,
            ..Problem::new(error.to_string())
        }
    };
    let tasks = match &options.changed_since {
        Some(revision) => Some(changed::tasks(project, revision)?),
        None => None,
    };
    Ok(Choice {
        filters: Filters::parse(&options.filters).map_err(refused)?,
        without: Filters::parse(&options.without).map_err(refused)?,
        tags: options.tags.clone(),
        without_tags: options.without_tags.clone(),
        tasks,
        names: match &surroundings.failed {
            Some(recall) => Some(recall.0(project)?),
            None => None,
        },
        ordered: options.order,
    })
}

/// Whether a filter means a job, for names that come from elsewhere.
pub fn names_meant_by(filter: &str) -> Result<impl Fn(&str) -> bool + use<>, Problem> {
    let filters = Filters::parse(&[filter.to_owned()]);
    let filters = filters.map_err(|error| Problem::new(error.to_string()))?;
    Ok(move |name: &str| {
        let sample = name
            .rsplit_once('#')
            .and_then(|(_, sample)| sample.parse().ok());
        filters.matches(name, sample.unwrap_or(1))
    })
}
