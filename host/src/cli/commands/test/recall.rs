//! What the history knows of a project before it is run: what failed last time, and how long jobs take.

use std::collections::{HashMap, HashSet};

use runner_core::matrix::{Problem, Project};

use crate::cli::context::Context;
use crate::engine::{EngineError, chain};
use crate::history::RecordId;
use crate::jobs::recorder::KIND;

/// `--durations history`.
pub(super) const HISTORY: &str = "history";

/// The last run, and the names of its jobs that did not come to a good end.
pub(super) fn failed(
    project: &Project,
    context: &Context,
) -> Result<(RecordId, HashSet<String>), Problem> {
    let place = std::path::absolute(&project.directory);
    let place = place.unwrap_or_else(|_| project.directory.clone());
    let history = context.app.history().map_err(|error| unreadable(&error))?;
    let found = history.failed(KIND, &project.name, &place.display().to_string());
    let found = found.map_err(|error| unreadable(&EngineError::from(error)))?;
    let (record, names) = found.ok_or_else(|| {
        let message = "there is no record of a run whose failed jobs could be taken";
        Problem::new(message).hint("`runner results` shows the runs that are recorded")
    })?;
    Ok((record, names.into_iter().collect()))
}

/// Milliseconds by name.
pub(super) fn durations(
    project: &Project,
    context: &Context,
) -> Result<HashMap<String, u64>, Problem> {
    let history = context.app.history().map_err(|error| unreadable(&error))?;
    let found = history.durations(&project.name);
    found.map_err(|error| unreadable(&EngineError::from(error)))
}

fn unreadable(error: &EngineError) -> Problem {
    Problem::new(format!("the history cannot be read: {}", chain(error)))
}
