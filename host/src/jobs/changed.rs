//! Which tasks have changed since a revision, as git sees it.
//!
//! A task counts as changed when something in its directory did, when something in its suite's directory did that belongs to no
//! task (what tasks of a suite share), or when the project file did. Files that git does not know yet count, unless it
//! is told to ignore them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use runner_core::matrix::{Problem, Project, SuiteId, TaskId};

/// The tasks that changed since this revision, in whatever words git understands.
pub(super) fn tasks(project: &Project, revision: &str) -> Result<HashSet<TaskId>, Problem> {
    let top = project
        .directory
        .canonicalize()
        .map_err(|error| failed(revision, &error.to_string()))?;
    let paths = changed_paths(&top, revision)?;
    Ok(touched(project, &top, &paths))
}

fn touched(project: &Project, top: &Path, paths: &[PathBuf]) -> HashSet<TaskId> {
    let everything = || (0..).map(TaskId).take(project.tasks.len()).collect();
    let project_file = project.file.canonicalize().ok();
    if paths.iter().any(|path| Some(path) == project_file.as_ref()) {
        return everything();
    }
    // Through links: the files of a task may lie elsewhere in the tree.
    let directories: Vec<PathBuf> = project
        .tasks
        .iter()
        .map(|task| {
            let written = top.join(&task.name);
            written.canonicalize().unwrap_or(written)
        })
        .collect();
    let mut found = HashSet::new();
    for path in paths {
        let mut owned = false;
        for (id, directory) in (0..).map(TaskId).zip(&directories) {
            if path.starts_with(directory) {
                owned = true;
                found.insert(id);
            }
        }
        if owned {
            continue;
        }
        // The innermost suite that the file lies in.
        let suite = (0..)
            .map(SuiteId)
            .zip(&project.suites)
            .filter(|(_, suite)| path.starts_with(top.join(&suite.name)))
            .max_by_key(|(_, suite)| suite.name.len());
        if let Some((suite, _)) = suite {
            let tasks = (0..).map(TaskId).zip(&project.tasks);
            found.extend(
                tasks
                    .filter(|(_, task)| task.suite == suite)
                    .map(|(id, _)| id),
            );
        }
    }
    found
}

/// Absolute paths.
fn changed_paths(top: &Path, revision: &str) -> Result<Vec<PathBuf>, Problem> {
    let diff = [
        "diff",
        "--name-only",
        "--no-renames",
        "--relative",
        "-z",
        "--end-of-options",
        revision,
        "--",
    ];
    let new = ["ls-files", "--others", "--exclude-standard", "-z"];
    let mut paths = Vec::new();
    for words in [&diff[..], &new[..]] {
        let output = Command::new("git")
            .current_dir(top)
            .args(words)
            .output()
            .map_err(|error| failed(revision, &format!("git cannot be started: {error}")))?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            let first = complaint.lines().next().unwrap_or("git failed");
            return Err(failed(revision, first));
        }
        let names = output.stdout.split(|byte| *byte == 0);
        let names = names.filter(|name| !name.is_empty());
        paths.extend(names.map(|name| {
            use std::os::unix::ffi::OsStrExt as _;
            top.join(std::ffi::OsStr::from_bytes(name))
        }));
    }
    Ok(paths)
}

fn failed(revision: &str, why: &str) -> Problem {
    Problem::new(format!(
        "cannot tell what changed since `{revision}`: {why}"
    ))
    .hint("the project must lie in a git repository that has this revision")
}
