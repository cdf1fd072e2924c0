//! Who listens to a run: what is printed, what is written to files, what is remembered.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::reports;
use super::streamed::Streamed;
use super::view::Live;
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::jobs::events::Listener;
use crate::jobs::logs::LogFiles;
use crate::jobs::plan::Plan;
use crate::jobs::recorder::Recorder;
use crate::jobs::tally::Collector;
use crate::jobs::{Action, Style, TestOptions};
use crate::report::spread_log::SpreadLog;

/// Everybody who wants to know what happens in a run of the project in `place`, in the order in which they are told. `view` is
/// the live view, where there is somebody to look at it.
pub(super) fn listeners(
    plan: &Plan,
    options: &TestOptions,
    place: &Path,
    view: Option<Live>,
    context: &Context,
) -> Result<Vec<Box<dyn Listener>>, Failure> {
    let mut all: Vec<Box<dyn Listener>> = Vec::new();
    let events_only = options.events.as_deref() == Some(Path::new("-"));
    match view {
        Some(view) => all.push(Box::new(view)),
        None if events_only => {}
        None => {
            all.push(Box::new(log(options)));
            if options.live || (options.perf && options.logs.is_none()) {
                all.push(Box::new(Streamed::new(options.live, options.perf)));
            }
        }
    }
    if let Some(path) = &options.events {
        all.push(Box::new(reports::Events::new(path)?));
    }
    if !matches!(options.action, Action::Run | Action::Restore) {
        return Ok(all);
    }
    if let Some(directory) = &options.logs {
        let logs = LogFiles::new(directory.clone(), options.perf);
        let what = format!("cannot use `{}` for logs", directory.display());
        all.push(Box::new(logs.map_err(|error| Failure::io(&what, &error))?));
    }
    let readers = reports::readers(plan, options, place, context)?;
    if !readers.is_empty() {
        all.push(Box::new(Collector::new(readers)));
    }
    if options.action == Action::Run {
        // After the log files, which it takes the digests of.
        let history = context.app.history()?;
        let recorder = Recorder::new(history, place.to_owned(), options.logs.clone());
        all.push(Box::new(recorder));
    }
    Ok(all)
}

/// The ancestor's log: what is printed wherever nobody looks at a live view.
fn log(options: &TestOptions) -> SpreadLog<std::io::Stdout> {
    let log = SpreadLog::new(std::io::stdout(), TimeZone::system(), options.verbosity);
    let log = match options.style {
        Style::Native => log.natively(),
        Style::Spread => log,
    };
    if options.no_debug_output {
        let logs: Option<PathBuf> = options.logs.clone();
        log.without_debug_output(logs)
    } else {
        log
    }
}

/// A live view is for a person at a terminal, who has not asked for something else.
pub(super) fn wants_view(options: &TestOptions, context: &Context) -> bool {
    use std::io::IsTerminal as _;
    options.style == Style::Native
        && matches!(options.action, Action::Run | Action::Restore)
        && options.verbosity == 0
        && options.events.as_deref() != Some(Path::new("-"))
        && context.console.shows_progress()
        && std::io::stdout().is_terminal()
}
