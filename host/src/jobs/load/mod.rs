//! Loading a spread project: its file, its suites, and every task below them.
//!
//! Files are read and checked here, and nothing is decided: which jobs there are is `runner_core::matrix`'s to say. Everything
//! that is wrong is told at once, with file, line and column, and with the ancestor's words first. The tasks are read on
//! all processors: a thousand of them are the most expensive part of listing a project.
//!
//! ```text
//! find ── the file ── yaml ── decode ─┬─ project ── backend
//!                                     └─ suites, task (in parallel)       host: what `$(HOST:…)` means, when asked
//! ```

mod backend;
mod decode;
mod find;
mod host;
pub(crate) mod keys;
mod kinds;
mod levels;
mod project;
mod scalar;
mod scan;
mod task;
mod yaml;

use std::path::Path;

use runner_core::matrix::{Dialect, Problem, Problems, Project};

pub use host::{HostCommands, Packing};
pub use kinds::{Kinds, PluginKeys, Plugins, is_component_file};

/// A project, and what is odd about it without being wrong.
#[derive(Debug)]
pub struct Loaded {
    pub project: Project,
    /// For `lint`: unknown keys, keys and systems that are given twice.
    pub notes: Vec<Problem>,
}

/// Loads the project of a directory, which is looked for upwards. `dialect` is what the user says; otherwise the file's
/// comment decides, and otherwise it is [`Dialect::Spread`].
pub fn load(
    directory: &Path,
    dialect: Option<Dialect>,
    kinds: &Kinds<'_>,
    host: &HostCommands,
) -> Result<Loaded, Problems> {
    let found = find::find(directory)?;
    let dialect = dialect
        .or_else(|| find::variant_comment(&found.bytes))
        .unwrap_or_default();
    let kinds = kinds.of_dialect(dialect);
    let read = project::read(&found, dialect, &kinds, host);
    let (mut project, mut problems, mut notes) = (read.project, read.problems, read.notes);
    let scan = scan::tasks(&project);
    problems.extend(scan.problems);
    notes.extend(scan.notes);
    project.tasks = scan.tasks;
    Problems::unless_empty(problems)?;
    Ok(Loaded { project, notes })
}
