//! Which of the jobs are run.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::filter::Filters;
use super::{BackendId, Job, JobView, Project, SuiteId, SystemId, TaskId};

/// What is asked for; by default everything that is not manual.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// A job must match one of these; without any, everything is meant that is not manual.
    pub filters: Filters,
    /// And none of these.
    pub without: Filters,
    /// And its task or its suite must have one of these tags.
    pub tags: Vec<String>,
    /// And neither may have one of these.
    pub without_tags: Vec<String>,
    /// And its task must be one of these.
    pub tasks: Option<HashSet<TaskId>>,
    /// And its name must be one of these.
    pub names: Option<HashSet<String>>,
    /// In the order of the filters; a job that several of them mean is there several times.
    pub ordered: bool,
}

/// There is nothing to do, in the ancestor's words, which scripts look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NothingSelected {
    #[error("cannot find any tasks")]
    NoTasks,
    #[error("nothing matches provider filter")]
    NoMatch,
}

/// The jobs that the choice means, in their order.
pub fn select(
    project: &Project,
    jobs: &[Job],
    choice: &Choice,
) -> Result<Vec<Job>, NothingSelected> {
    let mut name = String::new();
    let mut chosen: Vec<(usize, &Job)> = Vec::new();
    for job in jobs {
        let view = project.view(job);
        if !choice.wants_task(view) {
            continue;
        }
        name.clear();
        // Writing to a text cannot fail.
        let _written = write!(name, "{}", view.name());
        let wanted = choice
            .names
            .as_ref()
            .is_none_or(|names| names.contains(&name));
        if !wanted || choice.without.matches(&name, job.sample) {
            continue;
        }
        if choice.filters.is_empty() {
            chosen.push((0, job));
        } else if choice.ordered {
            let matching = choice.filters.matching(&name, job.sample);
            chosen.extend(matching.map(|at| (at, job)));
        } else if choice.filters.matches(&name, job.sample) {
            chosen.push((0, job));
        }
    }
    // Names are as good as filters: a manual job that failed can be asked for.
    let unfiltered = choice.filters.is_empty() && choice.names.is_none();
    without_manual(project, &mut chosen, unfiltered);
    if chosen.is_empty() {
        return Err(if choice.is_open() {
            NothingSelected::NoTasks
        } else {
            NothingSelected::NoMatch
        });
    }
    // Stable: within a filter the jobs keep their order.
    chosen.sort_by_key(|(filter, _)| *filter);
    Ok(chosen.into_iter().map(|(_, job)| job.clone()).collect())
}

impl Choice {
    fn is_open(&self) -> bool {
        self.filters.is_empty()
            && self.without.is_empty()
            && self.tags.is_empty()
            && self.without_tags.is_empty()
            && self.tasks.is_none()
            && self.names.is_none()
    }

    fn wants_task(&self, view: JobView<'_>) -> bool {
        if let Some(tasks) = &self.tasks
            && !tasks.contains(&view.job.task)
        {
            return false;
        }
        let tagged = |tags: &[String]| {
            let own = view.task().tags.iter().chain(&view.suite().tags);
            own.into_iter().any(|tag| tags.contains(tag))
        };
        (self.tags.is_empty() || tagged(&self.tags)) && !tagged(&self.without_tags)
    }
}

/// Manual parts are only run when they are asked for: where some of the chosen jobs have a part that is not manual, the
/// others meant those. Each of backend, system, suite and task for itself, over what was chosen at first.
fn without_manual(project: &Project, chosen: &mut Vec<(usize, &Job)>, unfiltered: bool) {
    let manual = |job: &Job| {
        let view = project.view(job);
        [
            view.backend().manual,
            view.system().manual,
            view.suite().manual,
            view.task().manual,
        ]
    };
    let mut drop = [unfiltered; 4];
    for (_, job) in chosen.iter() {
        for (drop, manual) in drop.iter_mut().zip(manual(job)) {
            *drop |= !manual;
        }
    }
    chosen.retain(|(_, job)| {
        !manual(job)
            .iter()
            .zip(drop)
            .any(|(manual, drop)| *manual && drop)
    });
}

/// The parts that the jobs use, each once, in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    pub systems: Vec<(BackendId, SystemId)>,
    pub suites: Vec<SuiteId>,
    pub tasks: Vec<TaskId>,
}

impl Parts {
    /// What these jobs use.
    pub fn of(project: &Project, jobs: &[Job]) -> Self {
        let sorted = |mut all: Vec<_>| {
            all.sort_unstable();
            all.dedup();
            all
        };
        let systems = sorted(jobs.iter().map(|job| (job.backend, job.system)).collect());
        let mut tasks: Vec<TaskId> = jobs.iter().map(|job| job.task).collect();
        tasks.sort_unstable();
        tasks.dedup();
        let mut suites: Vec<SuiteId> = tasks.iter().map(|id| project.task(*id).suite).collect();
        suites.sort_unstable();
        suites.dedup();
        Self {
            systems,
            suites,
            tasks,
        }
    }
}
