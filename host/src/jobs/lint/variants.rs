//! Variants that no job has, and tasks that have no job.

use std::collections::{HashMap, HashSet};

use runner_core::matrix::{
    BackendId, Environment, Job, Place, Problem, Project, Spot, SuiteId, SystemId, TaskId,
};

/// The variants of the jobs below each part.
#[derive(Default)]
struct Seen<'a> {
    project: HashSet<&'a str>,
    backends: HashMap<BackendId, HashSet<&'a str>>,
    systems: HashMap<(BackendId, SystemId), HashSet<&'a str>>,
    suites: HashMap<SuiteId, HashSet<&'a str>>,
    tasks: HashMap<TaskId, HashSet<&'a str>>,
}

pub(super) fn check(project: &Project, jobs: &[Job], findings: &mut Vec<Problem>) {
    let mut seen = Seen::default();
    for job in jobs {
        let view = project.view(job);
        let variant = view.variant();
        seen.project.insert(variant);
        seen.backends
            .entry(job.backend)
            .or_default()
            .insert(variant);
        seen.systems
            .entry((job.backend, job.system))
            .or_default()
            .insert(variant);
        seen.suites
            .entry(view.task().suite)
            .or_default()
            .insert(variant);
        seen.tasks.entry(job.task).or_default().insert(variant);
    }
    let none = HashSet::new();
    let at = |spot: Spot| project.place(spot);
    unused(&project.environment, &seen.project, at, findings);
    for (id, backend) in (0..).map(BackendId).zip(&project.backends) {
        let below = seen.backends.get(&id).unwrap_or(&none);
        unused(&backend.environment, below, at, findings);
        for (system_id, system) in (0..).map(SystemId).zip(&backend.systems) {
            let below = seen.systems.get(&(id, system_id)).unwrap_or(&none);
            unused(&system.environment, below, at, findings);
        }
    }
    for (id, suite) in (0..).map(SuiteId).zip(&project.suites) {
        let below = seen.suites.get(&id).unwrap_or(&none);
        unused(&suite.environment, below, at, findings);
    }
    for (id, task) in (0..).map(TaskId).zip(&project.tasks) {
        match seen.tasks.get(&id) {
            Some(own) => unused(&task.environment, own, |spot| task.place(spot), findings),
            None => {
                let message = format!(
                    "{} has no jobs: nothing is left of its backends, systems, variants or samples",
                    task.name
                );
                findings.push(Problem::at(task.place(Spot::default()), message));
            }
        }
    }
}

fn unused(
    environment: &Environment,
    seen: &HashSet<&str>,
    place: impl Fn(Spot) -> Place,
    findings: &mut Vec<Problem>,
) {
    for it in environment.definitions() {
        for variant in it
            .variants
            .iter()
            .filter(|variant| !seen.contains(variant.as_str()))
        {
            let message = format!(
                "no job has the variant `{variant}` of the variable `{}`",
                it.name
            );
            findings.push(Problem::at(place(it.spot), message));
        }
    }
}
