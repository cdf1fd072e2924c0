//! What is odd about a project that loads: not wrong enough to refuse it, and rarely what was meant.

mod lists;
mod shellcheck;
mod variants;

use std::path::Path;

use runner_core::matrix::{Dialect, Place, Problem, Problems, Project, Script, Spot, expand};

use super::load::{self, HostCommands, Kinds};

pub use shellcheck::Outcome as ShellcheckOutcome;

/// Everything that was found.
#[derive(Debug)]
pub struct Lint {
    /// In the order of the files.
    pub findings: Vec<Problem>,
    /// How many tasks were looked at.
    pub tasks: usize,
    pub shellcheck: ShellcheckOutcome,
}

/// Loads the project of a directory and looks for what is odd; an error is what keeps it from being loaded at all.
pub fn lint(
    directory: &Path,
    dialect: Option<Dialect>,
    kinds: Kinds<'_>,
    with_shellcheck: bool,
) -> Result<Lint, Problems> {
    let host = HostCommands::new(directory);
    let loaded = load::load(directory, dialect, &kinds.thorough(), &host)?;
    let project = &loaded.project;
    let jobs = expand(project)?;
    let mut findings = loaded.notes;
    lists::check(project, &mut findings);
    variants::check(project, &jobs, &mut findings);
    missing_files(project, &mut findings);
    nothing_to_execute(project, &mut findings);
    let shellcheck = if with_shellcheck {
        shellcheck::check(project, &mut findings)?
    } else {
        ShellcheckOutcome::NotWanted
    };
    findings.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(Lint {
        findings,
        tasks: project.tasks.len(),
        shellcheck,
    })
}

/// Paths of `include` that are not there: packing would fail.
fn missing_files(project: &Project, findings: &mut Vec<Problem>) {
    for path in &project.include {
        // What the environment decides is not known here.
        if path.contains('$') || project.directory.join(path).symlink_metadata().is_ok() {
            continue;
        }
        let place = project.place(project.include_spot);
        findings.push(Problem::at(
            place,
            format!("`include` names `{path}`, which is not there"),
        ));
    }
}

fn nothing_to_execute(project: &Project, findings: &mut Vec<Problem>) {
    for task in project.tasks.iter().filter(|task| task.execute.is_empty()) {
        let place = task.place(Spot::default());
        let message = format!("{} has nothing to execute: it always succeeds", task.name);
        findings.push(Problem::at(place, message));
    }
}

/// A script and where it stands.
struct Found<'a> {
    script: &'a Script,
    place: Place,
}

/// Every script of the project that has something in it.
fn scripts(project: &Project) -> Vec<Found<'_>> {
    let mut all: Vec<(&Script, Place)> = Vec::new();
    let at_project = |script: &Script| {
        project.place(Spot {
            line: script.line,
            column: 1,
        })
    };
    let levels = std::iter::once(&project.scripts)
        .chain(project.backends.iter().map(|it| &it.scripts))
        .chain(project.suites.iter().map(|it| &it.scripts));
    for level in levels {
        for script in [
            &level.prepare,
            &level.restore,
            &level.debug,
            &level.prepare_each,
            &level.restore_each,
            &level.debug_each,
        ] {
            all.push((script, at_project(script)));
        }
    }
    all.push((&project.repack, at_project(&project.repack)));
    for backend in &project.backends {
        all.push((&backend.allocate, at_project(&backend.allocate)));
        all.push((&backend.discard, at_project(&backend.discard)));
    }
    for suite in &project.suites {
        all.extend(
            suite
                .skip
                .iter()
                .map(|it| (&it.condition, at_project(&it.condition))),
        );
    }
    for task in &project.tasks {
        let own = [&task.prepare, &task.execute, &task.restore, &task.debug];
        let skips = task.skip.iter().map(|it| &it.condition);
        all.extend(own.into_iter().chain(skips).map(|script| {
            let spot = Spot {
                line: script.line,
                column: 1,
            };
            (script, task.place(spot))
        }));
    }
    all.retain(|(script, _)| !script.is_empty());
    all.into_iter()
        .map(|(script, place)| Found { script, place })
        .collect()
}
