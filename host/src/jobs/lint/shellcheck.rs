//! Every script through `shellcheck`, where it is installed: as bash with `-eu`, with the project's variables known.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use runner_core::matrix::{Environment, Place, Problem, Project, Spot};
use serde::Deserialize;

use super::{Found, scripts};

/// How many scripts one process is given: a thousand tasks are a dozen processes.
const AT_ONCE: usize = 200;

/// What the remote side sets besides the project's own variables.
const KNOWN: [&str; 11] = [
    "SPREAD_JOB",
    "SPREAD_PROJECT",
    "SPREAD_PATH",
    "SPREAD_BACKEND",
    "SPREAD_SYSTEM",
    "SPREAD_SUITE",
    "SPREAD_TASK",
    "SPREAD_VARIANT",
    "SPREAD_SAMPLE",
    "SPREAD_REBOOT",
    "SPREAD_BACKENDS",
];

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So many scripts were checked.
    Checked(usize),
    NotInstalled,
    NotWanted,
}

#[derive(Deserialize)]
struct Report {
    comments: Vec<Comment>,
}

#[derive(Deserialize)]
struct Comment {
    file: String,
    line: u32,
    level: String,
    code: u32,
    message: String,
}

/// Adds what it finds, from warnings up.
pub(super) fn check(project: &Project, findings: &mut Vec<Problem>) -> Result<Outcome, Problem> {
    let scripts = scripts(project);
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Problem::new(format!("shellcheck cannot be used: {what}: {error}"))
            .hint("`--no-shellcheck` leaves it out")
    };
    let directory =
        tempfile::tempdir().map_err(|error| failed("no temporary directory", &error))?;
    let first = first_line(project);
    for (number, found) in scripts.iter().enumerate() {
        let text = format!("{first}\n{}", found.script.text);
        std::fs::write(directory.path().join(number.to_string()), text)
            .map_err(|error| failed("a script cannot be written", &error))?;
    }
    let numbers: Vec<String> = (0..scripts.len())
        .map(|number| number.to_string())
        .collect();
    for part in numbers.chunks(AT_ONCE) {
        match run(directory.path(), part) {
            Ok(Ok(report)) => findings.extend(
                report
                    .comments
                    .iter()
                    .filter_map(|it| finding(it, &scripts)),
            ),
            Ok(Err(why)) => return Err(failed("its answer", &why)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Outcome::NotInstalled);
            }
            Err(error) => return Err(failed("it cannot be started", &error)),
        }
    }
    Ok(Outcome::Checked(scripts.len()))
}

fn run(directory: &Path, files: &[String]) -> io::Result<Result<Report, String>> {
    let output = Command::new("shellcheck")
        .current_dir(directory)
        .args([
            "--norc",
            "--shell=bash",
            "--severity=warning",
            "--format=json1",
        ])
        .args(files)
        .stdin(Stdio::null())
        .output()?;
    Ok(serde_json::from_slice(&output.stdout).map_err(|error| {
        let complaint = String::from_utf8_lossy(&output.stderr);
        complaint
            .lines()
            .next()
            .map_or_else(|| error.to_string(), str::to_owned)
    }))
}

/// A comment on a script, at its place in the file; those on our own first line are none.
fn finding(comment: &Comment, scripts: &[Found<'_>]) -> Option<Problem> {
    let found = scripts.get(comment.file.parse::<usize>().ok()?)?;
    let line = found.script.line + comment.line.checked_sub(2)?;
    let place = Place {
        spot: Spot { line, column: 1 },
        ..found.place.clone()
    };
    let message = format!(
        "shellcheck: {} (SC{}, {})",
        comment.message, comment.code, comment.level
    );
    Some(Problem::at(place, message))
}

/// One line before each script: how it is run, and what it may take for set.
fn first_line(project: &Project) -> String {
    let systems = project.backends.iter().flat_map(|it| &it.systems);
    let environments = std::iter::once(&project.environment)
        .chain(project.backends.iter().map(|it| &it.environment))
        .chain(systems.map(|it| &it.environment))
        .chain(project.suites.iter().map(|it| &it.environment))
        .chain(project.tasks.iter().map(|it| &it.environment));
    let own = environments.flat_map(Environment::definitions);
    let mut names: BTreeSet<&str> = own.map(|it| &*it.name).collect();
    names.extend(KNOWN);
    let names: Vec<&str> = names.into_iter().collect();
    let assigned: Vec<String> = names.iter().map(|name| format!("{name}=''")).collect();
    format!(
        "set -eu; {}; export {}",
        assigned.join(" "),
        names.join(" ")
    )
}
