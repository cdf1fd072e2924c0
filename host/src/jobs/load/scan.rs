//! The tasks of all suites: found, read and checked on every processor.

use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use runner_core::matrix::{Problem, Project, SuiteId, Task};

use super::{find, task};

/// More readers than this only wait for the same disk.
const MOST_READERS: usize = 8;

/// What was found.
#[derive(Default)]
pub(super) struct Scan {
    /// In byte order of their names.
    pub(super) tasks: Vec<Task>,
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<Problem>,
}

/// A directory that may be a task.
struct Candidate {
    name: String,
    suite: SuiteId,
    file: PathBuf,
}

/// Every directory of a suite, also through a link, that has a `task.yaml`.
pub(super) fn tasks(project: &Project) -> Scan {
    let mut scan = Scan::default();
    let mut candidates = Vec::new();
    for (id, suite) in (0..).map(SuiteId).zip(&project.suites) {
        let directory = project.directory.join(&suite.name);
        match entries(&directory) {
            Ok(names) => candidates.extend(names.into_iter().map(|own| Candidate {
                name: format!("{}{own}", suite.name),
                suite: id,
                file: directory.join(own).join("task.yaml"),
            })),
            Err(error) => {
                let shown = directory.display().to_string();
                let message = format!(
                    "cannot list suite {}: open {}: {}",
                    suite.name,
                    shown.trim_end_matches('/'),
                    words(&error)
                );
                scan.problems
                    .push(Problem::at(project.place(suite.spot), message));
            }
        }
    }
    candidates.sort_by(|a, b| a.name.cmp(&b.name));
    for found in read_all(project, &candidates).into_iter().flatten() {
        match found {
            Ok(read) => {
                scan.tasks.push(read.task);
                scan.problems.extend(read.problems);
                scan.notes.extend(read.notes);
            }
            Err(problem) => scan.problems.push(problem),
        }
    }
    scan
}

/// The names of the directories, and of links that may lead to some.
fn entries(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() || kind.is_symlink() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// One answer for each candidate, in their order; none for what is no task.
fn read_all(
    project: &Project,
    candidates: &[Candidate],
) -> Vec<Option<Result<task::Read, Problem>>> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let readers = processors
        .min(MOST_READERS)
        .min(candidates.len().div_ceil(16))
        .max(1);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(candidate) = candidates.get(at) else {
                return done;
            };
            done.push((at, read(project, candidate)));
        }
    };
    let parts = thread::scope(|scope| {
        let others: Vec<_> = (1..readers).map(|_| scope.spawn(work)).collect();
        let mut parts = work();
        for other in others {
            match other.join() {
                Ok(part) => parts.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        parts
    });
    let mut found: Vec<_> = candidates.iter().map(|_| None).collect();
    for (at, result) in parts {
        found[at] = result;
    }
    found
}

fn read(project: &Project, candidate: &Candidate) -> Option<Result<task::Read, Problem>> {
    let bytes = match find::read(&candidate.file) {
        Ok(bytes) => bytes,
        // No task, or a link that leads nowhere or to a file: the ancestor falls over these last two.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return None;
        }
        Err(error) => {
            let shown = candidate.file.display();
            let name = &candidate.name;
            let message = format!(
                "cannot read {name}/task.yaml: open {shown}: {}",
                words(&error)
            );
            return Some(Err(Problem::new(message)));
        }
    };
    let file: Arc<Path> = Arc::from(&*candidate.file);
    Some(Ok(task::task(
        &candidate.name,
        candidate.suite,
        file,
        &bytes,
        project.dialect,
    )))
}

/// The system's words alone, as C and Go have them.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let bare = text.split(" (os error").next().unwrap_or_default();
    let mut letters = bare.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}
